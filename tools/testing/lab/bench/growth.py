# SPDX-License-Identifier: GPL-2.0
"""What happens when there are many: speed in all, time to add one, memory of each."""

import contextlib
import json
import statistics
from collections.abc import Iterator

from lab.bench import peers
from lab.bench.peers import Peer, Share
from lab.machine import Machine

STORAGES = (1, 8, 64, 256)
CLIENTS = (1, 8, 64)
# Disks that memory is divided by.
IDLE = 64
DISK_MIB = 4
KIB = 1 << 10


def make_disks(machine: Machine, number: int) -> None:
    """Small disks, which keep nothing."""
    machine.sh(
        f"""
        cd /sys/kernel/config/nullb
        for i in $(seq 0 {number - 1}); do
            mkdir bench$i
            echo {DISK_MIB} > bench$i/size; echo 4096 > bench$i/blocksize
            echo 2 > bench$i/submit_queues
            echo 0 > bench$i/irqmode; echo 1 > bench$i/power
        done
        test -b {Share.number(number - 1).disk}
    """,
        timeout=120,
    )


def total(machine: Machine, devices: list[str], seconds: float, warm: float) -> float:
    """Requests per second on some devices together: one job, whatever their number."""
    output = machine.run(
        "fio",
        "--name=growth",
        f"--filename={':'.join(devices)}",
        "--file_service_type=roundrobin",
        "--ioengine=libaio",
        "--direct=1",
        "--rw=randread",
        "--bs=4k",
        "--iodepth=64",
        "--norandommap",
        "--randseed=1",
        "--time_based",
        f"--runtime={seconds:g}",
        f"--ramp_time={warm:g}",
        "--disk_util=0",
        "--output-format=json",
        timeout=60 + 4 * seconds,
    ).out
    return json.loads(output[output.index("{") :])["jobs"][0]["read"]["iops"]


@contextlib.contextmanager
def served(machine: Machine, peer: Peer, shares: list[Share], shared: bool) -> Iterator[None]:
    """Some disks that are served, and nobody uses yet."""
    peers.sh(machine, peer.prepare(), peer.many())
    peers.sh(machine, "\n".join(peer.serve(share, shared) for share in shares))
    try:
        yield
    finally:
        peers.sh(machine, "\n".join(peer.withdraw(share) for share in shares), peer.finish())


def add(machine: Machine, scripts: list[str]) -> list[float]:
    """Attach one after the other; milliseconds of each, with those of the tool."""
    seconds = machine.call("bench.one_after_another", 30 + len(scripts), scripts=scripts)
    return [value * 1000 for value in seconds]


def storages(machine: Machine, peer: Peer, seconds: float, warm: float) -> dict[str, float]:
    """More and more storages of as many exports."""
    shares = [Share.number(i) for i in range(STORAGES[-1])]
    found: dict[str, float] = {}
    times: list[float] = []
    devices: list[str] = []
    with served(machine, peer, shares, shared=False):
        try:
            for number in STORAGES:
                more = shares[len(devices) : number]
                times += add(machine, [peer.attach(share) for share in more])
                devices += [peer.device(machine, share) for share in more]
                found[f"growth-storages-{number}"] = total(machine, devices, seconds, warm)
        finally:
            peers.sh(machine, "\n".join(peer.detach(share) for share in shares[: len(times)]))
    return {
        **found,
        "growth-add": statistics.median(times),
        "growth-add-longest": max(times),
    }


def clients(machine: Machine, peer: Peer, seconds: float, warm: float) -> dict[str, float]:
    """More and more clients of one export."""
    share = Share.number(0)
    found: dict[str, float] = {}
    devices: list[str] = []
    with served(machine, peer, [share], shared=True):
        try:
            for number in CLIENTS:
                for client in range(len(devices), number):
                    peers.sh(machine, peer.attach(share, client))
                    devices.append(peer.device(machine, share, client))
                found[f"growth-clients-{number}"] = total(machine, devices, seconds, warm)
        finally:
            peers.sh(machine, "\n".join(peer.detach(share, i) for i in range(len(devices))))
    return found


def memory(machine: Machine, peer: Peer) -> dict[str, float]:
    """KiB of an export, of a storage with one connection to it, and of another connection.

    The last two are those of both ends. As many are there already, and have paid for what
    is there once for all.
    """
    shares = [Share.number(i) for i in range(2 * IDLE)]
    more = shares[IDLE:]
    found: dict[str, float] = {}

    def now() -> float:
        return machine.call("bench.settled_memory", 60) / KIB / IDLE

    def attach(those: list[Share], connections: int) -> None:
        script = "\n".join(peer.attach(share, connections=connections) for share in those)
        peers.sh(machine, script)
        for share in those:
            peer.device(machine, share)

    def detach(those: list[Share]) -> None:
        peers.sh(machine, "\n".join(peer.detach(share) for share in those))

    with served(machine, peer, shares[:IDLE], shared=False):
        attach(shares[:IDLE], 2)
        before = now()
        peers.sh(machine, "\n".join(peer.serve(share) for share in more))
        try:
            found["memory-export"] = now() - before
            taken = []
            for connections in (1, 2):
                before = now()
                attach(more, connections)
                taken.append(now() - before)
                detach(more)
            found["memory-storage"] = taken[0]
            found["memory-connection"] = taken[1] - taken[0]
        finally:
            detach(shares[:IDLE])
            peers.sh(machine, "\n".join(peer.withdraw(share) for share in more))
    return found


def measure(machine: Machine, peer: Peer, seconds: float, warm: float) -> dict[str, float]:
    """All of it."""
    return {
        **memory(machine, peer),
        **storages(machine, peer, seconds, warm),
        **clients(machine, peer, seconds, warm),
    }
