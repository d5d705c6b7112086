# SPDX-License-Identifier: GPL-2.0
"""Storages under other block layers, and under other exports."""

import pytest

from lab import fio
from lab.bed import Bed
from lab.machine import Machine
from lab.pool import Spec

MIB = 1 << 20


def memory_disks(server: Machine, client: Machine, *names: str) -> list[str]:
    """Attach some disks made of the server's memory."""
    disks = []
    for name in names:
        device = server.call("blockio.memory_disk", size=64 * MIB, name=name)
        server.dst.export(name, device)
        disks.append(client.dst.attach(name, server, usual=True))
    return disks


@pytest.mark.stock
def test_md_mirror_of_two_storages(server: Machine, client: Machine) -> None:
    one, two = memory_disks(server, client, "one", "two")
    if client.flavour.stock:
        client.run("modprobe", "raid1")
    client.run(
        "mdadm",
        "--create",
        "/dev/md0",
        "--run",
        "--level=1",
        "--raid-devices=2",
        "--metadata=1.2",
        "--assume-clean",
        one,
        two,
    )
    fio.verify(client, "/dev/md0", size=32)
    size = client.call("blockio.size", path="/dev/md0") // 512
    whole = {"path": "/dev/md0", "sector": 0, "count": size}
    client.call("blockio.write", **whole, seed=4)
    # Each leg has all of it, when there is nobody else to ask.
    client.sh(f"mdadm /dev/md0 --fail {one}; mdadm /dev/md0 --remove {one}")
    assert client.call("blockio.wrong", **whole, seed=4) == []
    client.call("blockio.write", path="/dev/md0", sector=0, count=2048, seed=5)
    client.sh(f"mdadm --zero-superblock {one}; mdadm /dev/md0 --add {one}")
    client.run("mdadm", "--wait", "/dev/md0", check=False, timeout=60)
    client.sh(f"mdadm /dev/md0 --fail {two}; mdadm /dev/md0 --remove {two}")
    assert client.read("/sys/block/md0/md/degraded") == "1"
    assert client.call("blockio.wrong", path="/dev/md0", sector=0, count=2048, seed=5) == []
    rest = {"path": "/dev/md0", "sector": 2048, "count": size - 2048}
    assert client.call("blockio.wrong", **rest, seed=4) == []
    client.run("mdadm", "--stop", "/dev/md0")


@pytest.mark.stock
def test_dm_linear_of_two_storages(server: Machine, client: Machine) -> None:
    one, two = memory_disks(server, client, "one", "two")
    table = f"0 100000 linear {one} 24\n100000 100000 linear {two} 1000\n"
    if client.flavour.stock:
        client.run("modprobe", "dm-mod")
    client.run("dmsetup", "create", "joined", stdin=table.encode())
    client.run("dmsetup", "mknodes")
    fio.verify(client, "/dev/mapper/joined", size=64, blocks="512-1M")
    client.call("blockio.write", path="/dev/mapper/joined", sector=99_000, count=2000, seed=2)
    assert (
        client.call("blockio.wrong", path="/dev/mapper/joined", sector=99_000, count=2000, seed=2)
        == []
    )
    client.run("dmsetup", "remove", "joined")


def test_a_tree_of_nodes(bed: Bed) -> None:
    """The middle machine exports again what it has attached."""
    far, middle, near = bed.machines(Spec("server"), Spec("client"), Spec("client"))
    (disk,) = memory_disks(far, middle, "disk")
    middle.dst.export("again", disk)
    again = near.dst.attach("again", middle, usual=True)
    fio.verify(near, again, size=32)
    near.call("blockio.write", path=again, sector=0, count=2048, seed=8)
    near.run("blockdev", "--flushbufs", again)
    assert far.call("blockio.wrong", path="/dev/loop0", sector=0, count=2048, seed=8) == []
    assert middle.dst.ctl("del", "disk", check=False).rc == 4
    near.dst.ctl("del", "again")
    middle.dst.ctl("export", "del", "again")


def test_who_hears_that_an_export_is_gone_has_its_device(
    bed: Bed, server: Machine, client: Machine
) -> None:
    """It was closed, however long that took, and not only left to somebody who does it soon."""
    server.dst.export("disk", server.disk(0))
    disk = client.dst.attach("disk", server, usual=True)
    client.dst.export("again", disk)
    # Who closes it last waits for what is not written yet.
    client.run("dd", "if=/dev/zero", f"of={disk}", "bs=1M", "count=2")
    bed.board.link(server, client, delay=0.1)
    client.dst.ctl("export", "del", "again", "--force")
    assert client.dst.show("disk")["openers"] == 0
    client.dst.ctl("del", "disk")


def test_client_and_server_in_one_kernel(server: Machine) -> None:
    device = server.call("blockio.memory_disk", size=64 * MIB, name="own")
    server.dst.export("own", device)
    disk = server.dst.attach("own", server, usual=True)
    fio.verify(server, disk, size=32, blocks="512-1M")
