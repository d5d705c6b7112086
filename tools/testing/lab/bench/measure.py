# SPDX-License-Identifier: GPL-2.0
"""How one load on one disk is measured."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from lab.bench.loads import Load
from lab.machine import Machine

MIB = 1 << 20
# How the kernel calls what seals the variants of DST.
CIPHERS = {"-chacha20": "rfc7539(chacha20,poly1305)", "-aes256": "gcm(aes)"}


@contextlib.contextmanager
def network(machine: Machine, milliseconds: int) -> Iterator[None]:
    """The loopback interface, as slow as it is told to be."""
    if not milliseconds:
        yield
        return
    machine.sh(f"tc qdisc add dev lo root netem delay {milliseconds / 2:g}ms limit 1000000")
    try:
        yield
    finally:
        machine.sh("tc qdisc del dev lo root")


def parsed(load: Load, output: str, counted: dict[str, float]) -> dict[str, float]:
    """What fio says, and what was counted while it ran, by work."""
    job: dict[str, Any] = json.loads(output[output.index("{") :])["jobs"][0]
    sides = [job[side] for side in ("read", "write") if job[side]["total_ios"]]
    requests = sum(side["total_ios"] for side in sides)
    data = sum(side["io_bytes"] for side in sides)
    speed = sum(side["bw_bytes"] if load.bytes else side["iops"] for side in sides)
    found = {load.name: speed / MIB if load.bytes else speed}
    if load.mixed:
        # How many requests go through one place of the queue in a second.
        for side in ("read", "write"):
            found[f"{load.name}-{side}"] = 1e9 / job[side]["clat_ns"]["mean"]
    # The kernel may have merged requests: it knows bytes, and fio how many each has.
    done = counted["bytes"] * requests / data
    if not done:
        raise RuntimeError(f"{load.name}: nothing was done while it was watched")
    found[f"{load.name}-cpu"] = counted["busy"] * 1e6 / done
    found[f"{load.name}-switches"] = counted["switches"] / done
    return found


def measure(
    machine: Machine, device: str, load: Load, seconds: float, warm: float
) -> dict[str, float]:
    """Run a load for some seconds; what came out, by work."""
    with network(machine, load.milliseconds):
        patience = 60 + 4 * (seconds + warm)
        answer = machine.call(
            "bench.watched",
            patience + 30,
            argv=load.command(device, seconds, warm),
            device=device,
            patience=patience * machine.flavour.slowness,
        )
    return parsed(load, answer["out"], answer["counted"])


def stream(machine: Machine, seconds: float, warm: float) -> dict[str, float]:
    """What one TCP connection carries between the same ends, in MiB/s."""
    rate = machine.call("bench.stream", 60 + 4 * seconds, seconds=seconds, warm=warm)
    return {"stream": rate / MIB}


def ciphers(machine: Machine, seconds: float, warm: float) -> dict[str, float]:
    """What the processors seal and open again if they do nothing else, in MiB/s."""
    found = {}
    for suffix, algorithm in CIPHERS.items():
        rate = machine.call(
            "bench.aead_pair", 120 + 16 * seconds, algorithm=algorithm, seconds=seconds, warm=warm
        )
        found[f"aead{suffix}"] = rate / MIB
    return found
