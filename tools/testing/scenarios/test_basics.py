# SPDX-License-Identifier: GPL-2.0
"""Two commands, then a disk: what a first user does, and what it must look like."""

import hashlib
import json

import pytest

from lab import fio
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


def stripes(server: Machine) -> str:
    """A disk of two, in stripes of 32 KiB, whose blocks have 4 KiB."""
    legs = [
        server.call("blockio.memory_disk", size=16 << 20, name=f"leg{number}", block=4096)
        for number in range(2)
    ]
    if server.flavour.stock:
        server.run("modprobe", "dm-mod")
    table = f"0 65536 striped 2 64 {legs[0]} 0 {legs[1]} 0"
    server.run("dmsetup", "create", "stripes", stdin=table.encode())
    server.run("dmsetup", "mknodes")
    return "/dev/mapper/stripes"


# As sysfs has them, with what they are on a disk of two stripes.
LIMITS = {
    "logical_block_size": 4096,
    "physical_block_size": 4096,
    "minimum_io_size": 32 << 10,
    "optimal_io_size": 64 << 10,
    "discard_granularity": 4096,
    "rotational": 0,
}
# These are no more than what the server's device can do.
AT_MOST = "discard_max_hw_bytes", "discard_max_bytes", "write_zeroes_max_bytes"


def queue(machine: Machine, device: str) -> dict[str, str]:
    """The limits of a device."""
    device = machine.sh(f"lsblk -dno KNAME {device}").strip()
    return {
        limit: machine.read(f"/sys/class/block/{device}/queue/{limit}")
        for limit in (*LIMITS, *AT_MOST, "write_cache", "fua")
    }


def test_limits_come_from_the_server(server: Machine, client: Machine) -> None:
    """Of two devices that differ in most of them."""
    devices = {"plain": server.disk(0), "stripes": stripes(server)}
    for name, device in devices.items():
        server.dst.export(name, device)
        disk = client.dst.attach(name, server)
        there, here = queue(server, device), queue(client, disk)
        for limit in *LIMITS, "write_cache":
            assert here[limit] == there[limit], (name, limit)
        for limit in AT_MOST:
            # Zeroes are written by the server where its device cannot do it.
            if int(there[limit]):
                assert 0 < int(here[limit]) <= int(there[limit]), (name, limit)
        assert here["fua"] == ("1" if here["write_cache"] == "write back" else "0")
        assert int(client.read(f"/sys/block/dst-{name}/queue/max_hw_sectors_kb")) >= 4
        shown = client.dst.show(name)
        assert shown["logical_block"] == int(there["logical_block_size"])
        assert shown["physical_block"] == int(there["physical_block_size"])
    assert {limit: int(here[limit]) for limit in LIMITS} == LIMITS
    # Blocks are not divided.
    assert client.call("blockio.attempt", path=disk, operation="write", sector=4, count=8) == (
        "EINVAL"
    )
    fio.verify(client, disk, size=16, blocks="4k-256k", align=4096)


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
def test_other_operations_work(server: Machine, client: Machine, operation: str) -> None:
    """On a device that discards: what it has discarded takes no space, and reads as zeroes."""
    server.dst.export("disk", server.call("blockio.memory_disk", size=16 << 20, name="thin"))
    disk = client.dst.attach("disk", server)
    client.call("blockio.write", path=disk, sector=0, count=4096, seed=1)
    assert occupied(server) == 2 << 20
    where = {"path": disk, "sector": 8, "count": 2048}
    assert client.call("blockio.attempt", operation=operation, **where) == ""
    assert client.call("blockio.wrong", path=disk, sector=0, count=8, seed=1) == []
    assert client.call("blockio.wrong", path=disk, sector=2056, count=2040, seed=1) == []
    nothing = hashlib.sha256(bytes(1 << 20)).hexdigest()
    if operation == "flush":
        assert client.call("blockio.wrong", **where, seed=1) == []
    else:
        assert client.call("blockio.digest", **where) == nothing
        assert server.call("blockio.digest", **{**where, "path": "/run/disk.thin"}) == nothing
    assert occupied(server) == (1 if operation == "discard" else 2) << 20
    stats = client.dst.json("stats", "disk")["operations"]
    assert stats["write-zeroes" if operation == "zeroes" else operation]["count"] >= 1


def occupied(server: Machine) -> int:
    """Bytes that a thin disk takes."""
    return int(server.sh("stat -c %b /run/disk.thin")) * 512


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
    failure = json.loads(refusal.err)["error"]
    assert (refusal.rc, failure["exit_code"], failure["cause"]) == (4, 4, "in-use"), refusal
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
