# SPDX-License-Identifier: GPL-2.0
"""fio jobs that write, remember and compare."""

from lab.machine import Machine, Process


def command(
    device: str,
    *,
    engine: str = "libaio",
    blocks: str = "512-256k",
    align: int = 512,
    size: str = "64M",
    depth: int = 16,
    jobs: int = 1,
    direct: bool = True,
    seed: int = 1,
    extra: tuple[str, ...] = (),
) -> list[str]:
    """A job that writes random places with checksums and reads them all back."""
    return [
        "fio",
        "--name=verify",
        f"--filename={device}",
        f"--ioengine={engine}",
        "--rw=randwrite",
        f"--bsrange={blocks}",
        f"--blockalign={align}",
        f"--size={size}",
        f"--iodepth={depth}",
        f"--numjobs={jobs}",
        *([f"--offset_increment={size}"] if jobs > 1 else []),
        f"--direct={int(direct)}",
        f"--randseed={seed}",
        "--verify=crc32c",
        "--verify_fatal=1",
        "--verify_backlog=256",
        "--do_verify=1",
        "--serialize_overlap=1",
        "--group_reporting",
        "--thread",
        "--output-format=terse",
        *extra,
    ]


def verify(client: Machine, device: str, **job: object) -> None:
    """Run such a job to its end; the first wrong byte fails."""
    client.run(*command(device, **job), timeout=120)  # type: ignore[arg-type]


def start(client: Machine, device: str, **job: object) -> Process:
    """Run such a job in the background."""
    return client.spawn(*command(device, **job))  # type: ignore[arg-type]
