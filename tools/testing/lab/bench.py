# SPDX-License-Identifier: GPL-2.0
"""DST beside its neighbours, in one run, on one machine.

All run in the same User Mode Linux kernel over its loopback interface, on the
same disk of memory, one after the other in each round. So the numbers compare
the work that each does per request, not the network. System calls cost more
there than on hardware: ratios mean something, absolute numbers do not, and
nbdkit, which is a program and not a part of the kernel, looks worse than it is.
"""

import argparse
import contextlib
import dataclasses
import json
import pathlib
import statistics
from collections.abc import Callable, Iterator

from lab import stage
from lab.flavour import FLAVOURS
from lab.machine import Machine
from lab.pool import Pool, Spec
from lab.show import say, step, title

DISK = "/dev/bench"
SIZE_MIB = 512
NQN = "nqn.2026-11.org.example:bench"


@dataclasses.dataclass(frozen=True)
class Workload:
    """One kind of load."""

    name: str
    rw: str
    block: str
    depth: int
    unit: str


WORKLOADS = [
    Workload(f"{block} {order} {rw} qd{depth}", prefix + rw, block, depth, unit)
    for block, order, prefix, depth, unit in (
        ("4k", "random", "rand", 1, "kIOPS"),
        ("4k", "random", "rand", 32, "kIOPS"),
        ("1M", "sequential", "", 4, "MiB/s"),
    )
    for rw in ("read", "write")
]


@contextlib.contextmanager
def raw(machine: Machine) -> Iterator[str]:
    """The disk itself."""
    yield DISK


@contextlib.contextmanager
def dst(machine: Machine) -> Iterator[str]:
    """DST on both ends."""
    machine.dst.load()
    machine.dst.export("bench", DISK, allow=("127.0.0.0/8:rw",))
    machine.dst.ctl("add", "bench", "127.0.0.1")
    machine.wait("files.is_block_device", path="/dev/dst-bench")
    try:
        yield "/dev/dst-bench"
    finally:
        machine.dst.clear()
        machine.dst.unload()


@contextlib.contextmanager
def nvme_tcp(machine: Machine) -> Iterator[str]:
    """nvme-tcp on nvmet, both of the kernel."""
    target = "/sys/kernel/config/nvmet"
    machine.sh(f"""
        mkdir -p {target}/subsystems/{NQN}/namespaces/1 {target}/ports/1
        echo 1 > {target}/subsystems/{NQN}/attr_allow_any_host
        echo {DISK} > {target}/subsystems/{NQN}/namespaces/1/device_path
        echo 1 > {target}/subsystems/{NQN}/namespaces/1/enable
        cd {target}/ports/1
        echo ipv4 > addr_adrfam; echo tcp > addr_trtype
        echo 127.0.0.1 > addr_traddr; echo 4420 > addr_trsvcid
        ln -s {target}/subsystems/{NQN} subsystems/
        nvme connect -t tcp -a 127.0.0.1 -s 4420 -n {NQN} \
            --hostnqn={NQN}.host --hostid=00000000-0000-0000-0000-000000000001
    """)
    machine.wait("files.is_block_device", path="/dev/nvme0n1")
    try:
        yield "/dev/nvme0n1"
    finally:
        machine.sh(f"""
            nvme disconnect -n {NQN}
            cd {target}; rm ports/1/subsystems/{NQN}; rmdir ports/1
            echo 0 > subsystems/{NQN}/namespaces/1/enable
            rmdir subsystems/{NQN}/namespaces/1 subsystems/{NQN}
        """)


@contextlib.contextmanager
def nbd(machine: Machine) -> Iterator[str]:
    """The kernel's nbd on nbdkit."""
    server = machine.spawn("nbdkit", "--foreground", "--ipaddr=127.0.0.1", "file", DISK)
    machine.wait("files.content_matches", path="/proc/net/tcp", pattern=":2A39 .* 0A ")
    machine.run("nbd-client", "127.0.0.1", "10809", "/dev/nbd0", "-block-size", "4096")
    try:
        yield "/dev/nbd0"
    finally:
        machine.run("nbd-client", "-d", "/dev/nbd0")
        server.kill(15)
        server.wait(check=False)


Peer = Callable[[Machine], contextlib.AbstractContextManager[str]]
PEERS: dict[str, Peer] = {"raw": raw, "dst": dst, "nvme-tcp": nvme_tcp, "nbd": nbd}


def make_disk(machine: Machine, size: int = SIZE_MIB) -> None:
    """A disk of memory with two queues and no cost of its own to speak of."""
    machine.sh(
        f"""
        mkdir /sys/kernel/config/nullb/bench; cd /sys/kernel/config/nullb/bench
        echo {size} > size; echo 1 > memory_backed; echo 4096 > blocksize
        echo 2 > submit_queues; echo 0 > irqmode; echo 1 > power
        test -b {DISK}
        dd if=/dev/zero of={DISK} bs=1M oflag=direct status=none || true
    """,
        timeout=120,
    )


def measure(machine: Machine, device: str, load: Workload, seconds: int) -> float:
    """What fio sees, in the unit of the load."""
    output = machine.run(
        "fio",
        "--name=bench",
        f"--filename={device}",
        "--ioengine=libaio",
        "--direct=1",
        f"--rw={load.rw}",
        f"--bs={load.block}",
        f"--iodepth={load.depth}",
        "--time_based",
        f"--runtime={seconds}",
        "--ramp_time=1",
        "--randseed=1",
        "--output-format=json",
        timeout=seconds + 60,
    ).out
    side = json.loads(output[output.index("{") :])["jobs"][0][
        "read" if "read" in load.rw else "write"
    ]
    return side["iops"] / 1000 if load.unit == "kIOPS" else side["bw_bytes"] / (1 << 20)


def table(medians: dict[str, dict[str, float]], peers: list[str]) -> str:
    """Medians, and each as a part of what the raw disk does."""
    lines = [f"{'':28}" + "".join(f"{peer:>20}" for peer in peers)]
    for load in WORKLOADS:
        row = medians[load.name]
        cells = [f"{row[p]:10.1f} ({row[p] / row['raw']:4.0%})" for p in peers]
        lines.append(f"{load.name + ' ' + load.unit:28}" + "".join(f"{c:>20}" for c in cells))
    return "\n".join(lines)


def debug_kernel(machine: Machine) -> bool:
    """Whether the kernel checks itself, which makes every number worthless."""
    traces = "/proc/lockdep_stats", "/sys/kernel/debug/kmemleak", "/sys/kernel/debug/failslab"
    return any(machine.call("files.exists", path=path) for path in traces)


def main(run_dir: pathlib.Path, arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--peers", default=",".join(PEERS), help="which, with commas")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("bench.json"))
    options = parser.parse_args(arguments)
    peers = ["raw", *(p for p in options.peers.split(",") if p != "raw")]
    stage.fill(run_dir / "stage", ["uml"])
    pool = Pool(run_dir, run_dir / "stage")
    samples: dict[str, dict[str, list[float]]] = {
        load.name: {peer: [] for peer in peers} for load in WORKLOADS
    }
    try:
        machine = pool.take(FLAVOURS["uml"], Spec("bench", memory="3G"))
        machine.wait_up()
        if debug_kernel(machine):
            say("this kernel checks itself: numbers would mean nothing")
            return 1
        make_disk(machine)
        title(f"{options.rounds} rounds of {options.seconds} s each, medians")
        for number in range(options.rounds):
            for peer in peers:
                with step(f"round {number + 1}: {peer}"), PEERS[peer](machine) as device:
                    for load in WORKLOADS:
                        value = measure(machine, device, load, options.seconds)
                        samples[load.name][peer].append(value)
        release = machine.run("uname", "-r").out.strip()
    finally:
        pool.close()
    medians = {
        name: {peer: statistics.median(values) for peer, values in row.items()}
        for name, row in samples.items()
    }
    say()
    say(table(medians, peers))
    say()
    say(" ".join((__doc__ or "").split("\n\n", 1)[1].split()))
    report = {
        "kernel": release,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "medians": medians,
        "samples": samples,
    }
    options.output.write_text(json.dumps(report, indent=2) + "\n")
    say(f"\nwritten to {options.output}")
    return 0
