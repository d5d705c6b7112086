# SPDX-License-Identifier: GPL-2.0
"""How many instructions a request takes, beside nvme-tcp.

Debian's own kernel runs on one emulated processor whose clock goes on by a
nanosecond with each instruction, and stands still while there is nothing to
do. Client and server are the same kernel, over its loopback interface, on a
disk of memory; a request counts with all that happens for it: the benchmark,
the system calls, both halves and TCP twice. The numbers are the same on every
machine, however busy that is. What they do not see is what processors do to
each other: that takes make bench, and a machine with nothing else to do.
"""

import argparse
import contextlib
import dataclasses
import json
import pathlib

from lab import bench, env, stage
from lab.flavour import Flavour
from lab.machine import Machine
from lab.network import Switchboard
from lab.qemu import Qemu
from lab.show import say, step, title

PEERS = ("raw", "dst", "nvme-tcp")

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


def main(run_dir: pathlib.Path, arguments: list[str]) -> int:
    """Count and print."""
    parser = argparse.ArgumentParser(prog="count", description=__doc__)
    parser.add_argument("--peers", default=",".join(PEERS), help="which, with commas")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("count.json"))
    options = parser.parse_args(arguments)
    peers = ["dst", *(peer for peer in options.peers.split(",") if peer != "dst")]
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
            bench.make_disk(machine, 64)
        for peer in peers:
            with step(peer), bench.PEERS[peer](machine) as device:
                for load in WORKLOADS:
                    results[load.name][peer] = measure(machine, device, load)
    title("for each request")
    say(table(results, peers))
    options.output.write_text(json.dumps(results, indent=2) + "\n")
    say(f"\nwritten to {options.output}")
    return 0
