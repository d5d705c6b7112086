# SPDX-License-Identifier: GPL-2.0
"""fio writes, remembers and reads back: sizes and places without mercy."""

import pytest

from lab import fio
from lab.machine import Machine


@pytest.mark.stock
@pytest.mark.parametrize("engine", ["libaio", "psync", "io_uring"])
def test_random_sizes_misaligned_to_pages(disk: str, client: Machine, engine: str) -> None:
    fio.verify(
        client,
        disk,
        engine=engine,
        blocks="512-4M",
        align=512,
        size=64,
        depth=1 if engine == "psync" else 16,
    )


def test_small_writes_that_share_pages(disk: str, client: Machine) -> None:
    fio.verify(client, disk, engine="libaio", blocks="512-8k", align=512, size=4, depth=64)


def test_buffered(disk: str, client: Machine) -> None:
    fio.verify(
        client, disk, engine="psync", blocks="512-1M", align=512, size=64, depth=1, direct=False
    )


def test_several_jobs_with_flushes(disk: str, client: Machine) -> None:
    fio.verify(
        client,
        disk,
        engine="libaio",
        blocks="4k-64k",
        align=4096,
        size=16,
        depth=8,
        jobs=4,
        extra=("--fsync=32",),
    )


@pytest.mark.stock
def test_four_kib_logical_blocks(server: Machine, client: Machine) -> None:
    loop = server.call("blockio.memory_disk", size=64 << 20, name="4k")
    server.run("losetup", "--sector-size", "4096", loop)
    server.dst.export("disk", loop)
    disk = client.dst.attach("disk", server, usual=True)
    assert client.run("blockdev", "--getss", disk).out.strip() == "4096"
    assert (
        client.call("blockio.attempt", path=disk, operation="write", sector=1, count=1) == "EINVAL"
    )
    fio.verify(client, disk, engine="libaio", blocks="4k-256k", align=4096, size=32, depth=16)
