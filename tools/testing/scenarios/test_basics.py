# SPDX-License-Identifier: GPL-2.0
"""Two commands, then a disk: what a first user does, and what it must look like."""

import pytest

from lab.bed import Bed
from lab.dst import PORT
from lab.machine import Machine
from lab.pool import GIB, Spec

pytestmark = pytest.mark.stock

MIB_SECTORS = 2048


def test_what_is_written_is_read_on_both_sides(disk: str, server: Machine, client: Machine) -> None:
    count = 8 * MIB_SECTORS
    client.call("blockio.write", path=disk, sector=100, count=count, seed=1)
    assert client.call("blockio.wrong", path=disk, sector=100, count=count, seed=1) == []
    client.run("blockdev", "--flushbufs", disk)
    assert client.call("blockio.digest", path=disk, sector=0, count=count + 200) == server.call(
        "blockio.digest", path=server.disk(0), sector=0, count=count + 200
    )


def test_the_device_has_the_size_of_the_export(disk: str, server: Machine, client: Machine) -> None:
    size = server.call("blockio.size", path=server.disk(0))
    assert client.call("blockio.size", path=disk) == size == GIB
    assert client.dst.show("disk")["size"] == size
    assert not client.call("blockio.read_only", path=disk)


def test_an_odd_size_is_kept(server: Machine, client: Machine) -> None:
    device = server.call("blockio.memory_disk", size=1_000_003 * 512, name="odd")
    server.dst.export("odd", device)
    disk = client.dst.attach("odd", server)
    assert client.call("blockio.size", path=disk) == 1_000_003 * 512
    client.call("blockio.write", path=disk, sector=999_994, count=9, seed=3)
    assert client.call("blockio.wrong", path=disk, sector=999_994, count=9, seed=3) == []
    assert client.call(
        "blockio.attempt", path=disk, operation="read", sector=1_000_003, count=1
    ) in ("SHORT", "EINVAL", "EIO")


def test_limits_come_from_the_server(disk: str, server: Machine, client: Machine) -> None:
    for limit in "logical_block_size", "physical_block_size", "rotational":
        there = server.sh(f"cat /sys/class/block/$(basename {server.disk(0)})/queue/{limit}")
        here = client.read(f"/sys/block/dst-disk/queue/{limit}")
        assert here == there.strip(), limit
    assert int(client.read("/sys/block/dst-disk/queue/max_hw_sectors_kb")) >= 4


def test_partitions_are_scanned(disk: str, client: Machine) -> None:
    client.run("sfdisk", "--quiet", disk, stdin=b"label: gpt\nsize=100MiB\nsize=200MiB\n")
    client.wait("files.is_block_device", path=f"{disk}2")
    assert client.call("blockio.size", path=f"{disk}2") == 200 << 20
    client.call("blockio.write", path=f"{disk}2", sector=0, count=64, seed=5)
    client.dst.ctl("del", "disk")
    assert not client.call("files.exists", path=disk)


def test_partitions_are_found_when_attached(disk: str, server: Machine, client: Machine) -> None:
    client.run("sfdisk", "--quiet", disk, stdin=b"label: dos\nsize=100MiB\n")
    client.dst.ctl("del", "disk")
    client.dst.attach("disk", server)
    client.wait("files.is_block_device", path=f"{disk}1")


def test_a_read_need_not_wait_to_be_under_way(disk: str, client: Machine) -> None:
    where = {"path": disk, "sector": 8, "count": 64, "seed": 6}
    client.call("blockio.write", **where)
    assert client.call("blockio.read_at_once", **where) == "RIGHT"


def test_io_is_accounted(disk: str, client: Machine) -> None:
    def stat() -> list[int]:
        return [int(word) for word in client.read("/sys/block/dst-disk/stat").split()]

    before = stat()
    client.call("blockio.write", path=disk, sector=0, count=MIB_SECTORS, seed=1)
    client.call("blockio.wrong", path=disk, sector=0, count=MIB_SECTORS, seed=1)
    after = stat()
    assert after[2] - before[2] == MIB_SECTORS, "sectors read"
    assert after[6] - before[6] == MIB_SECTORS, "sectors written"
    assert after[8] == 0, "in flight"
    counters = client.dst.show("disk")["counters"]
    assert counters["bytes_written"] >= 1 << 20
    assert counters["errors"] == 0


@pytest.mark.parametrize("operation", ["flush", "discard", "zeroes"])
def test_other_operations_work(disk: str, server: Machine, client: Machine, operation: str) -> None:
    client.call("blockio.write", path=disk, sector=0, count=4096, seed=1)
    error = client.call("blockio.attempt", path=disk, operation=operation, sector=8, count=2048)
    offered = int(client.read("/sys/block/dst-disk/queue/discard_max_bytes"))
    assert error == ("EOPNOTSUPP" if operation == "discard" and not offered else "")
    assert client.call("blockio.wrong", path=disk, sector=0, count=8, seed=1) == []
    assert client.call("blockio.wrong", path=disk, sector=2056, count=2040, seed=1) == []
    if operation == "zeroes":
        zeroes = client.sh(
            f"dd if={disk} bs=512 skip=8 count=2048 iflag=direct | tr -d '\\0' | wc -c"
        )
        assert zeroes.strip() == "0"


def test_several_exports_share_one_address(server: Machine, client: Machine) -> None:
    disks = {}
    for number in range(4):
        name = f"d{number}"
        device = server.call("blockio.memory_disk", size=16 << 20, name=name)
        server.dst.export(name, device)
        disks[name] = client.dst.attach(name, server)
    for number, disk in enumerate(disks.values()):
        client.call("blockio.write", path=disk, sector=0, count=2048, seed=number)
    for number, disk in enumerate(disks.values()):
        assert client.call("blockio.wrong", path=disk, sector=0, count=2048, seed=number) == []
    assert {storage["name"] for storage in client.dst.json("list")} == set(disks)
    assert {export["name"] for export in server.dst.json("export", "list")} == set(disks)


def test_one_writes_and_others_read(bed: Bed) -> None:
    server, writer, reader = bed.machines(
        Spec("server", disks=(GIB,)), Spec("client"), Spec("client")
    )
    server.dst.export("disk", server.disk(0))
    disk = writer.dst.attach("disk", server)
    refusal = reader.dst.ctl("--json", "add", "disk", f"{server.address()}:{PORT}", check=False)
    assert refusal.rc == 4 or refusal.rc == 7
    assert '"in-use"' in refusal.err
    assert not reader.call("files.exists", path=disk)
    reader.dst.attach("disk", server, "--read-only")
    assert reader.call("blockio.read_only", path=disk)
    writer.call("blockio.write", path=disk, sector=0, count=2048, seed=9)
    assert reader.call("blockio.wrong", path=disk, sector=0, count=2048, seed=9) == []
    assert reader.call("blockio.attempt", path=disk, operation="write", sector=0, count=8) != ""
    sessions = server.dst.json("sessions")
    assert {session["client"] for session in sessions} == {writer.name, reader.name}
    assert sorted(session["access"] for session in sessions) == ["read-only", "read-write"]
    # When the writer is gone its place is free.
    writer.dst.ctl("del", "disk")
    reader.dst.ctl("del", "disk")
    reader.dst.attach("disk", server)


def test_shared_writers(bed: Bed) -> None:
    server, one, two = bed.machines(Spec("server", disks=(GIB,)), Spec("client"), Spec("client"))
    server.dst.export("disk", server.disk(0), "--shared-writers")
    disk = one.dst.attach("disk", server)
    two.dst.attach("disk", server)
    one.call("blockio.write", path=disk, sector=0, count=2048, seed=1)
    two.call("blockio.write", path=disk, sector=2048, count=2048, seed=1)
    assert one.call("blockio.wrong", path=disk, sector=0, count=4096, seed=1) == []


def test_a_read_only_export(server: Machine, client: Machine) -> None:
    server.dst.export("disk", server.disk(0), "--read-only")
    disk = client.dst.attach("disk", server, "--read-only")
    assert client.call("blockio.read_only", path=disk)
    assert client.call("blockio.attempt", path=disk, operation="read", sector=0, count=8) == ""


def test_ipv6(server: Machine, client: Machine) -> None:
    server.dst.export("disk", server.disk(0), listen=f"[{server.address(version=6)}]:{PORT}")
    disk = client.dst.attach("disk", server, version=6)
    client.call("blockio.write", path=disk, sector=0, count=2048, seed=1)
    assert client.call("blockio.wrong", path=disk, sector=0, count=2048, seed=1) == []


def test_unix_socket(server: Machine) -> None:
    server.dst.export("disk", server.disk(0), listen="unix:/run/dst.sock", allow=())
    server.dst.ctl("add", "local", "unix:/run/dst.sock", "--export", "disk")
    server.wait("files.is_block_device", path="/dev/dst-local")
    server.call("blockio.write", path="/dev/dst-local", sector=0, count=2048, seed=1)
    assert server.call("blockio.wrong", path="/dev/dst-local", sector=0, count=2048, seed=1) == []


def test_the_name_of_the_export_may_differ(server: Machine, client: Machine) -> None:
    server.dst.export(
        "a-long.name_of-an-EXPORT-that-no-storage-could-have-1234567890", server.disk(0)
    )
    client.dst.attach(
        "x",
        server,
        "--export",
        "a-long.name_of-an-EXPORT-that-no-storage-could-have-1234567890",
    )
    assert client.dst.show("x")["export"].startswith("a-long.name")


def test_json_and_text_tell_the_same(disk: str, server: Machine, client: Machine) -> None:
    shown = client.dst.show("disk")
    assert shown["state"] == "connected"
    assert shown["device"] == disk
    assert shown["peer"] == f"{server.address()}:{PORT}"
    assert shown["epoch"] == 1
    text = client.dst.ctl("show", "disk").out
    assert "connected" in text and disk in text
    assert client.read("/sys/block/dst-disk/dst/state") == "connected"
    assert "disk" in client.dst.ctl("list").out
    assert "disk" in server.dst.ctl("export", "list").out
    assert server.dst.show_export("disk")["sessions"] == 1
