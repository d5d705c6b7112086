# SPDX-License-Identifier: GPL-2.0
"""What an export becomes while clients use it: they hear of it at once."""

import json
import time

import pytest

from lab import fio, wire
from lab.dst import PORT, TOOL
from lab.machine import Machine, Process
from lab.peer import Client, Refused
from lab.wire import Opcode, Status

SECTORS = 1 << 16
DEVICE = "/dev/mapper/elastic"
SIZE = "/sys/block/dst-disk/size"


def watch(client: Machine) -> Process:
    """Listen to all that is told of devices and of storages."""
    client.call("uevents.watch")
    watcher = client.spawn(TOOL, "--json", "events")
    client.wait("netlink.subscribed", what="dstctl listens")
    return watcher


def events(watcher: Process) -> list[str]:
    """What was told of storages."""
    lines = [json.loads(line) for line in watcher.poll().out.splitlines()]
    return [line["event"] for line in lines if "storage" in line]


def attempt(client: Machine, operation: str) -> str:
    """An operation on the disk: the name of its error, or nothing."""
    return client.call(
        "blockio.attempt", path="/dev/dst-disk", operation=operation, sector=0, count=8
    )


def is_read_only(client: Machine, yes: bool) -> None:
    """Wait until the disk is read-only, or is not any more, and see who was told."""
    text = str(int(yes))
    client.wait("files.content_is", 5, path="/sys/block/dst-disk/ro", text=text)
    client.wait("uevents.told", device="dst-disk", DISK_RO=text)
    granted = client.dst.show("disk")["granted"]
    assert granted == ("read-only" if yes else "read-write")


def stretch(server: Machine, sectors: int) -> None:
    """Give the disk a size; the first time, make it."""
    table = f"0 {sectors} linear {server.disk(0)} 0"
    if server.call("files.exists", path=DEVICE):
        server.run("dmsetup", "suspend", "--nolockfs", "elastic")
        server.run("dmsetup", "load", "elastic", "--table", table)
        server.run("dmsetup", "resume", "elastic")
    else:
        server.run("dmsetup", "create", "elastic", "--table", table)
        server.run("dmsetup", "mknodes")


def test_growth(server: Machine, client: Machine) -> None:
    """No connection has to be made anew for it."""
    stretch(server, SECTORS)
    server.dst.export("disk", DEVICE)
    disk = client.dst.attach("disk", server)
    watcher = watch(client)
    stretch(server, 2 * SECTORS)
    client.wait("files.content_is", 5, path=SIZE, text=str(2 * SECTORS))
    client.wait("uevents.told", device="dst-disk", RESIZE="1")
    assert events(watcher) == ["resized"]
    client.call("blockio.write", path=disk, sector=2 * SECTORS - 8, count=8, seed=1)
    assert client.dst.show("disk")["epoch"] == 1
    watcher.kill()


def test_a_disk_that_shrank_is_refused(server: Machine, client: Machine) -> None:
    """The export comes back with less of a disk that is in use; all waits for the rest of it."""
    stretch(server, 2 * SECTORS)
    server.dst.export("disk", DEVICE)
    uuid = server.dst.show_export("disk")["uuid"]
    disk = client.dst.attach("disk", server, "--connections", "2")
    end = {"path": disk, "sector": 2 * SECTORS - 2048, "count": 2048, "seed": 1}
    client.call("blockio.write", **end)
    # It writes to both sides of where the disk is going to end.
    job = fio.start(client, disk, blocks="512-64k", size=32, rate=8, extra=("--offset=30M",))
    client.wait("stat.written_at_least", 20, device="dst-disk", sectors=2048 + 1024)
    server.dst.ctl("export", "del", "disk", "--force")
    stretch(server, SECTORS)
    server.dst.export("disk", DEVICE, "--uuid", uuid)
    client.dst.wait_state("disk", "failed")
    assert client.call("stat.quiet", device="dst-disk", seconds=2)
    assert job.poll().rc is None
    shown = client.dst.show("disk")
    assert shown["state"] == "failed" and shown["connected"] == 0, shown
    assert shown["error"] == "the export is smaller than it was"
    assert shown["size"] == 1024 * SECTORS and client.read(SIZE) == str(2 * SECTORS)
    assert server.dst.show_export("disk")["counters"]["bytes_written"] == 0
    server.dst.ctl("export", "del", "disk", "--force")
    stretch(server, 2 * SECTORS)
    server.dst.export("disk", DEVICE, "--uuid", uuid)
    client.dst.wait_state("disk", "connected", epoch=2)
    assert job.wait(120).rc == 0
    assert client.call("blockio.wrong", **end) == []
    counters = client.dst.show("disk")["counters"]
    assert counters["errors"] == 0, counters


def test_a_disk_that_shrinks_is_not_believed(server: Machine, client: Machine) -> None:
    """Its client keeps the size, what is gone is an error, and who comes anew is refused."""
    stretch(server, 2 * SECTORS)
    server.dst.export("disk", DEVICE)
    disk = client.dst.attach("disk", server)
    client.call("blockio.write", path=disk, sector=0, count=2048, seed=1)
    client.call("blockio.write", path=disk, sector=2 * SECTORS - 8, count=8, seed=1)
    text = "disk: the export is smaller than it was"
    before = client.run("dmesg").out.count(text)
    stretch(server, SECTORS)
    client.wait("files.logged", 10, text=text, count=before + 1)
    assert client.read(SIZE) == str(2 * SECTORS)
    assert client.dst.show("disk")["state"] == "connected"
    for operation in "read", "write":
        beyond = {"path": disk, "operation": operation, "sector": 2 * SECTORS - 8, "count": 8}
        assert client.call("blockio.attempt", **beyond) == "EIO"
    assert client.call("blockio.wrong", path=disk, sector=0, count=2048, seed=1) == []
    client.run("ss", "-tK", f"dport = :{PORT}")
    client.dst.wait_state("disk", "failed")
    assert client.dst.show("disk")["error"] == "the export is smaller than it was"
    writing = client.start_call("blockio.write", path=disk, sector=0, count=2048, seed=2)
    assert client.call("stat.quiet", device="dst-disk", seconds=2)
    assert not writing.done()
    stretch(server, 2 * SECTORS)
    writing.result(60)
    client.dst.wait_state("disk", "connected", epoch=2)
    assert client.call("blockio.wrong", path=disk, sector=0, count=2048, seed=2) == []
    args = {"path": disk, "sector": 2 * SECTORS - 8, "count": 8}
    assert client.call("blockio.wrong", **args, seed=1) == []


@pytest.mark.parametrize("what", ["the export", "the device"])
def test_read_only_and_back(disk: str, server: Machine, client: Machine, what: str) -> None:
    """Writes fail at once, nothing waits, and reads go on."""

    def become(read_only: bool) -> None:
        if what == "the export":
            words = "export", "set", "disk", "--read-only" if read_only else "--read-write"
            server.dst.ctl(*words)
        else:
            server.run("blockdev", "--setro" if read_only else "--setrw", server.disk(0))

    watcher = watch(client)
    writer = client.spawn(
        "sh",
        "-c",
        f"while dd if=/dev/zero of={disk} bs=4k count=64 oflag=direct conv=notrunc; do :; done",
    )
    client.wait("stat.written_at_least", 20, device="dst-disk", sectors=1024)
    become(read_only=True)
    writer.wait(20)
    is_read_only(client, True)
    assert attempt(client, "write") == "EPERM"
    assert attempt(client, "read") == ""
    assert attempt(client, "flush") == ""
    assert client.dst.show("disk")["epoch"] == 1
    # Who comes back is let in as well.
    server.run("ss", "-tK", f"sport = :{PORT}")
    client.dst.wait_state("disk", "connected", epoch=2)
    assert attempt(client, "write") == "EPERM"
    assert attempt(client, "read") == ""
    become(read_only=False)
    is_read_only(client, False)
    assert attempt(client, "write") == ""
    assert client.dst.show("disk")["epoch"] == 2
    told = events(watcher)
    assert told[0] == "state" and told[-1] == "state", told
    watcher.kill()


@pytest.mark.attack("a write to an export that became read-only", "refused, nothing changes")
def test_read_only_on_the_wire(server: Machine) -> None:
    """The server refuses to write whether the client has read its mail or not."""
    server.dst.export("disk", server.disk(0), allow=("127.0.0.0/8:rw",))
    peer = Client(server)
    peer.hello("disk")
    peer.write(80, b"w" * 4096)
    for option, flags, status in (
        ("--read-only", wire.READ_ONLY, Status.READ_ONLY),
        ("--read-write", 0, Status.OK),
    ):
        server.dst.ctl("export", "set", "disk", option)
        event = peer.receive()
        assert event.opcode == Opcode.EVENT
        geometry = wire.Geometry.decode(event.payload)
        assert geometry.flags & wire.READ_ONLY == flags
        peer.send(peer.request(Opcode.WRITE, 80, 8, payload=b"x" * 4096))
        assert peer.receive().status == status
        assert peer.read(80, 8) == (b"x" if status == Status.OK else b"w") * 4096
    peer.close()
    # Who begins to write is not let in.
    server.dst.ctl("export", "set", "disk", "--read-only")
    late = Client(server)
    with pytest.raises(Refused) as refused:
        late.hello("disk")
    assert refused.value.status == Status.READ_ONLY
    late.close()


@pytest.mark.attack(
    "a write whose data comes when it is not permitted any more", "refused, nothing changes"
)
@pytest.mark.parametrize("how", ["read-only", "disallowed"])
def test_a_write_that_is_not_complete(server: Machine, how: str) -> None:
    """What counts is when all of it is there."""
    allowed = "127.0.0.0/8:rw", "10.77.0.0/16:rw"
    server.dst.export("disk", server.disk(0), "--keepalive", "5m", allow=allowed)
    peer = Client(server)
    peer.hello("disk")
    peer.write(80, b"w" * 8192)
    write = peer.request(Opcode.WRITE, 80, 16, payload=b"x" * 8192).encode()
    peer.send(write[:4096])
    # It has been received that far.
    server.wait("network.all_read", port=PORT)
    if how == "read-only":
        server.dst.ctl("export", "set", "disk", "--read-only")
        peer.send(write[4096:])
        answer = peer.answer()
        assert (answer.opcode, answer.status) == (Opcode.WRITE | wire.REPLY, Status.READ_ONLY)
        # All of it was taken from the stream, and its credits came back.
        assert peer.read(80, 16) == b"w" * 8192
        for opcode in Opcode.DISCARD, Opcode.WRITE_ZEROES:
            assert peer.ask(peer.request(opcode, 80, 16)).status == Status.READ_ONLY
        server.dst.ctl("export", "set", "disk", "--read-write")
        peer.write(80, b"y" * 8192)
    else:
        server.dst.ctl("export", "disallow", "disk", "--from", "127.0.0.0/8")
        peer.send(write[4096:])
        assert peer.closed()
        server.dst.ctl("export", "allow", "disk", "--from", "127.0.0.0/8:rw")
        late = Client(server)
        late.hello("disk")
        assert late.read(80, 16) == b"w" * 8192
        late.close()
    peer.close()


def test_growth_that_a_change_comes_upon_is_told(server: Machine) -> None:
    """Somebody looks at the device every second; whoever changes the export may be there first."""
    rounds = 5
    stretch(server, SECTORS)
    server.dst.export("disk", DEVICE)
    watcher = server.spawn(TOOL, "--json", "events")
    server.wait("netlink.subscribed", what="dstctl listens")
    for n in range(1, rounds + 1):
        stretch(server, SECTORS + 2048 * n)
        server.dst.ctl("export", "set", "disk", "--window", "256")
    told: list[str] = []
    deadline = time.monotonic() + 20 * server.flavour.slowness
    while told.count("changed") < rounds or told.count("resized") < rounds:
        assert time.monotonic() < deadline, told
        lines = [json.loads(line) for line in watcher.poll().out.splitlines()]
        told = [line["event"] for line in lines if "export" in line]
    watcher.kill()
    assert told.count("resized") == rounds, told
