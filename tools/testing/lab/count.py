# SPDX-License-Identifier: GPL-2.0
"""How many instructions a request takes, beside nvme-tcp.

Debian's own kernel runs on one emulated processor whose clock goes on by a
nanosecond with each instruction, and stands still while there is nothing to
do. Client and server are the same kernel, over its loopback interface, on a
disk that keeps nothing; a request counts with all that happens for it: the benchmark,
the system calls, both halves and TCP twice. The numbers are the same on every
machine, however busy that is. What they do not see is what processors do to
each other: that takes make bench, and a machine with nothing else to do.

With --check, what DST takes is compared with what is known, count-known.json, and
more than that fails. Kernels differ: --renew writes the numbers of this one there.
"""

import argparse
import contextlib
import dataclasses
import json
import pathlib

from lab import env, stage
from lab.bench import peers as them
from lab.flavour import Flavour
from lab.machine import Machine
from lab.network import Switchboard
from lab.qemu import Qemu
from lab.show import say, step, title

PEERS = ("raw", "dst", "nvme-tcp")

KNOWN = pathlib.Path(__file__).resolve().parent.parent / "count-known.json"
# How much more is no regression: counts are the same every time, but for what is done now and
# then, such as a timer; and fio tells them in milliseconds, of which there are few dozens.
TOLERANCE = 0.05

# Emulation makes every second longer by this.
FLAVOUR = Flavour("qemu", 40, 1)


@dataclasses.dataclass(frozen=True)
class Workload:
    """One kind of load, and for how many requests."""

    name: str
    rw: str
    block: int
    depth: int
    requests: int


WORKLOADS = [
    Workload(f"{prefix}{rw}-{block >> 10}k-qd{depth}", prefix + rw, block, depth, requests)
    for prefix, block, depth, requests in (
        ("rand", 4 << 10, 1, 1000),
        ("rand", 4 << 10, 32, 1000),
        ("", 128 << 10, 8, 100),
        ("", 1 << 20, 4, 32),
    )
    for rw in ("read", "write")
]


class Counter(Qemu):
    """A machine whose clock counts instructions."""

    def accelerator(self) -> list[str]:
        """What makes the clock count instructions."""
        return ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-cpu", "max"]


def switches(machine: Machine) -> int:
    """Context switches so far."""
    lines = machine.read("/proc/stat").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("ctxt "))


def measure(machine: Machine, device: str, load: Workload) -> tuple[float, float]:
    """Thousands of instructions, and context switches, for each request."""
    before = switches(machine)
    output = machine.run(
        "fio",
        "--name=count",
        f"--filename={device}",
        "--ioengine=libaio",
        "--direct=1",
        f"--rw={load.rw}",
        f"--bs={load.block}",
        f"--iodepth={load.depth}",
        f"--io_size={load.block * load.requests}",
        "--size=48m",
        "--randseed=1",
        "--output-format=json",
        timeout=60,
    ).out
    switched = switches(machine) - before
    job = json.loads(output[output.index("{") :])["jobs"][0]
    side = job["read" if "read" in load.rw else "write"]
    return side["runtime"] * 1000 / side["total_ios"], switched / side["total_ios"]


def table(results: dict[str, dict[str, tuple[float, float]]], peers: list[str]) -> str:
    """What was counted, and how often the work of DST goes into that of each."""
    lines = [f"{'1000 instructions (switches)':28}" + "".join(f"{peer:>28}" for peer in peers)]
    for load in WORKLOADS:
        row = results[load.name]
        cells = [
            f"{row[peer][0]:.0f} ({row[peer][1]:.1f}) x {row[peer][0] / row['dst'][0]:.2f}"
            for peer in peers
        ]
        lines.append(f"{load.name:28}" + "".join(f"{cell:>28}" for cell in cells))
    return "\n".join(lines)


def compare(known: dict[str, float], now: dict[str, float]) -> list[tuple[bool, str]]:
    """For each load, whether it is all right, and a line about that."""
    lines = []
    for name in dict.fromkeys([*now, *known]):
        if name not in now or name not in known:
            lines.append((False, f"{name}: {'not counted' if name in known else 'not known'}"))
            continue
        change = now[name] / known[name] - 1
        said = f"{name}: {now[name]:.1f} thousand instructions, {change:+.1%}"
        if change < -TOLERANCE:
            said += ": write it down, with --renew"
        lines.append((change <= TOLERANCE, said))
    return lines


def check(release: str, now: dict[str, float]) -> int:
    """Compare with what is known, and say so; the exit code."""
    known = json.loads(KNOWN.read_text())
    if known["kernel"] != release:
        say(f"what is known is about kernel {known['kernel']}, and this is {release}: --renew")
        return 1
    lines = compare(known["dst"], now)
    for good, line in lines:
        say(f"{'PASS' if good else 'FAIL'}  {line}")
    failed = sum(not good for good, _ in lines)
    say(f"{len(lines) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main(run_dir: pathlib.Path, arguments: list[str]) -> int:
    """Count and print."""
    parser = argparse.ArgumentParser(prog="count", description=__doc__)
    parser.add_argument("--peers", default=",".join(PEERS), help="which, with commas")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("count.json"))
    parser.add_argument("--check", action="store_true", help="compare DST with what is known")
    parser.add_argument("--renew", action="store_true", help="write down what DST takes")
    options = parser.parse_args(arguments)
    alone = options.check or options.renew
    others = [] if alone else options.peers.split(",")
    peers = ["dst", *(peer for peer in others if peer != "dst")]
    stage.fill(run_dir / "stage", ["qemu"])
    board = Switchboard()
    machine = Counter(
        "count1",
        FLAVOUR,
        run_dir / "machines" / "count1",
        1,
        paths=env.lab(),
        stage=run_dir / "stage",
        board=board,
    )
    results: dict[str, dict[str, tuple[float, float]]] = {load.name: {} for load in WORKLOADS}
    with contextlib.ExitStack() as stack:
        stack.callback(board.close)
        stack.callback(machine.kill)
        with step("boot"):
            machine.boot()
            machine.sh("""
                modprobe null_blk nr_devices=0; modprobe -a nvmet-tcp nvme-tcp nbd
                mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
            """)
            them.make_disk(machine, 64)
        for peer in peers:
            with step(peer), them.PEERS[peer].up(machine, them.Share()) as device:
                for load in WORKLOADS:
                    results[load.name][peer] = measure(machine, device, load)
        release = machine.run("uname", "-r").out.strip()
    title("for each request")
    say(table(results, peers))
    options.output.write_text(json.dumps(results, indent=2) + "\n")
    say(f"\nwritten to {options.output}")
    now = {load.name: round(results[load.name]["dst"][0], 1) for load in WORKLOADS}
    if options.renew:
        KNOWN.write_text(json.dumps({"kernel": release, "dst": now}, indent=2) + "\n")
        say(f"written to {KNOWN}")
    return check(release, now) if options.check else 0
