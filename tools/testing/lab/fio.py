# SPDX-License-Identifier: GPL-2.0
"""fio jobs that write, remember and compare."""

import json
from typing import Any

from lab.machine import Machine, Process, Result

# Part of the data that a slow kernel is given.
SHARE = 8


def command(
    device: str,
    *,
    engine: str = "libaio",
    blocks: str = "512-256k",
    align: int = 512,
    size: int = 64,
    depth: int = 16,
    jobs: int = 1,
    direct: bool = True,
    seed: int = 1,
    rate: float = 0,
    extra: tuple[str, ...] = (),
) -> list[str]:
    """A job that writes random places with checksums and reads them all back.

    The size is in MiB, of each of the jobs; the rate in MiB per second.
    """
    return [
        "fio",
        "--name=verify",
        f"--filename={device}",
        f"--ioengine={engine}",
        "--rw=randwrite",
        f"--bsrange={blocks}",
        f"--blockalign={align}",
        f"--size={size}M",
        f"--iodepth={depth}",
        f"--numjobs={jobs}",
        *([f"--rate=,{int(rate * 1024)}k"] if rate else []),
        *([f"--offset_increment={size}M"] if jobs > 1 else []),
        f"--direct={int(direct)}",
        f"--randseed={seed}",
        "--verify=crc32c",
        "--verify_fatal=1",
        "--verify_backlog=256",
        "--do_verify=1",
        "--serialize_overlap=1",
        "--group_reporting",
        "--output-format=terse",
        *extra,
    ]


def timed(seconds: float) -> tuple[str, ...]:
    """Options with which a job goes on for so long, and then tells how long requests took."""
    return "--time_based", f"--runtime={seconds:.0f}", "--output-format=json"


def longest(result: Result) -> float:
    """How many seconds the slowest request of such a job took."""
    (job,) = json.loads(result.out[result.out.index("{") :])["jobs"]
    assert job["error"] == 0 and job["write"]["total_ios"] and job["read"]["total_ios"], job
    return max(job[way]["clat_ns"]["max"] for way in ("read", "write")) / 1e9


def scaled(client: Machine, job: dict[str, Any]) -> dict[str, Any]:
    """The same job, smaller on a kernel that checks itself and takes its time.

    One with a rate is there to be disturbed, and has to last until that is done.
    """
    if not client.flavour.debug:
        return job
    less = {"size": max(job.get("size", 64) // SHARE, 1)}
    if rate := job.get("rate"):
        less["rate"] = rate / (SHARE * client.flavour.slowness)
    return {**job, **less}


def packets(client: Machine, **job: Any) -> float:
    """About how many packets the data of such a job takes, each way."""
    return (scaled(client, job)["size"] << 20) / client.flavour.mtu


def verify(client: Machine, device: str, **job: Any) -> None:
    """Run such a job to its end; the first wrong byte fails."""
    client.run(*command(device, **scaled(client, job)), timeout=120)


def start(client: Machine, device: str, **job: Any) -> Process:
    """Run such a job in the background."""
    return client.spawn(*command(device, **scaled(client, job)))
