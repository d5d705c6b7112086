# SPDX-License-Identifier: GPL-2.0
"""Sick disks under an export: every failure arrives as what it is, never as data."""

import pytest

from lab import wire
from lab.fake import OPCODES, FakeServer
from lab.machine import Machine
from lab.peer import Client
from lab.wild import WildDisk
from lab.wire import Geometry, Status

SIZE = 64 << 20
SECTORS = SIZE // 512

HEALTHY = "0 {n} linear {d} 0"
# Up for no second, down for a very long time: from the first request on.
READS_FAIL = "0 {n} flakey {d} 0 0 100000 1 error_reads"
WRITES_FAIL = "0 {n} flakey {d} 0 0 100000 1 error_writes"
ALL_FAILS = "0 {n} error"
HOLE = "0 1000 linear {d} 0\n1000 8 error\n1008 {rest} linear {d} 1008"


class Sick:
    """A device-mapper device of the server that can fall ill and recover."""

    def __init__(self, server: Machine, client: Machine) -> None:
        self.server = server
        if server.flavour.stock:
            server.sh("modprobe dm-mod; modprobe dm-flakey")
        self.backing = server.call("blockio.memory_disk", size=SIZE, name="sick")
        self.become(HEALTHY, create=True)
        server.dst.export("sick", "/dev/mapper/sick")
        self.disk = client.dst.attach("sick", server)

    def become(self, table: str, create: bool = False) -> None:
        """Change the device's nature."""
        text = table.format(n=SECTORS, d=self.backing, rest=SECTORS - 1008).encode()
        if create:
            self.server.run("dmsetup", "create", "sick", stdin=text)
            self.server.run("dmsetup", "mknodes")
            return
        self.server.run("dmsetup", "suspend", "--nolockfs", "sick")
        self.server.run("dmsetup", "load", "sick", stdin=text)
        self.server.run("dmsetup", "resume", "sick")


@pytest.fixture
def sick(server: Machine, client: Machine) -> Sick:
    return Sick(server, client)


def attempt(client: Machine, disk: str, operation: str, sector: int = 0, count: int = 8) -> str:
    return client.call(
        "blockio.attempt", path=disk, operation=operation, sector=sector, count=count
    )


@pytest.mark.stock
def test_a_failed_read_is_an_error(sick: Sick, client: Machine) -> None:
    client.call("blockio.write", path=sick.disk, sector=0, count=64, seed=1)
    sick.become(READS_FAIL)
    assert attempt(client, sick.disk, "read") == "EIO"
    assert attempt(client, sick.disk, "read", count=2048) == "EIO"
    assert client.dst.show("sick")["counters"]["errors"] > 0
    sick.become(HEALTHY)
    assert client.call("blockio.wrong", path=sick.disk, sector=0, count=64, seed=1) == []


@pytest.mark.stock
def test_a_failed_write_is_an_error(sick: Sick, client: Machine) -> None:
    client.call("blockio.write", path=sick.disk, sector=0, count=64, seed=1)
    sick.become(WRITES_FAIL)
    assert attempt(client, sick.disk, "write") == "EIO"
    sick.become(HEALTHY)
    assert client.call("blockio.wrong", path=sick.disk, sector=0, count=64, seed=1) == []
    client.call("blockio.write", path=sick.disk, sector=0, count=64, seed=2)
    assert client.call("blockio.wrong", path=sick.disk, sector=0, count=64, seed=2) == []


@pytest.mark.stock
def test_a_dead_disk_fails_everything(sick: Sick, client: Machine) -> None:
    sick.become(ALL_FAILS)
    for operation in "read", "write":
        assert attempt(client, sick.disk, operation) == "EIO", operation
    assert client.dst.show("sick")["state"] == "connected"


@pytest.mark.stock
def test_only_the_sick_place_fails(sick: Sick, client: Machine) -> None:
    """A large read over a hole fails; nothing beside the hole does."""
    client.call("blockio.write", path=sick.disk, sector=0, count=4096, seed=7)
    sick.become(HOLE)
    assert attempt(client, sick.disk, "read", 0, 2048) == "EIO"
    assert attempt(client, sick.disk, "read", 1000, 8) == "EIO"
    assert client.call("blockio.wrong", path=sick.disk, sector=0, count=1000, seed=7) == []
    assert client.call("blockio.wrong", path=sick.disk, sector=1008, count=1000, seed=7) == []


@pytest.mark.stock
def test_a_file_system_sees_the_error(sick: Sick, client: Machine) -> None:
    client.mount_new(sick.disk, "/mnt/sick")
    client.sh("echo precious > /mnt/sick/file; sync; echo 3 > /proc/sys/vm/drop_caches")
    sick.become(READS_FAIL)
    result = client.run("cat", "/mnt/sick/file", check=False)
    assert result.rc != 0 and result.out == ""
    sick.become(HEALTHY)
    client.sh("echo 3 > /proc/sys/vm/drop_caches")
    assert client.sh("cat /mnt/sick/file") == "precious\n"
    client.sh("umount /mnt/sick")


# As the document of the protocol has it; everything else is EIO.
ERRNO = {
    Status.MEDIUM: "ENODATA",
    Status.NO_SPACE: "ENOSPC",
    Status.READ_ONLY: "EREMOTEIO",
    Status.DENIED: "EREMOTEIO",
    Status.INVALID: "EINVAL",
    Status.UNSUPPORTED: "EOPNOTSUPP",
    Status.TIMEOUT: "ETIMEDOUT",
    Status.TARGET: "ENODEV",
    Status.PROTECTION: "EILSEQ",
    Status.GONE: "ENOLINK",
}
FAILURES = [status for status in Status if status != Status.OK]


def everything(fake: FakeServer) -> None:
    """Let a disk offer all operations there are."""
    fake.geometry = Geometry(
        1 << 16,
        max_discard_sectors=1 << 12,
        discard_granularity=4096,
        max_write_zeroes_sectors=1 << 12,
        flags=wire.VOLATILE_CACHE | wire.FUA_OFFERED,
    )


@pytest.mark.parametrize("status", FAILURES)
def test_every_status_becomes_an_errno(client: Machine, status: Status) -> None:
    """A server of our own answers each operation with each status."""
    fake = FakeServer(client)
    everything(fake)
    disk = client.dst.attach("fake", client)
    for errors, (operation, opcode) in enumerate(OPCODES.items(), 1):
        wanted = ERRNO.get(status, "EIO")
        if status == Status.UNSUPPORTED and operation in ("discard", "zeroes"):
            # What the kernel makes of it: it writes zeroes itself, and does without discards.
            wanted = ""
        elif status == Status.UNSUPPORTED and operation == "flush":
            # It would do without that as well, and nothing would be durable.
            wanted = "EIO"
        fake.on[opcode] = lambda frame: fake.answer(frame, status=status)
        assert attempt(client, disk, operation, 5000) == wanted, operation
        fake.on.clear()
        assert attempt(client, disk, operation, 5000) == "", operation
        assert client.dst.show("fake")["counters"]["errors"] == errors, operation
    assert client.dst.show("fake")["epoch"] == 1
    client.dst.ctl("del", "fake")
    fake.stop()


# What the server says about a device that has failed with the status that is given; it says of
# everything else that it is IO.
TOLD = {
    Status.MEDIUM: Status.MEDIUM,
    Status.NO_SPACE: Status.NO_SPACE,
    Status.READ_ONLY: Status.TARGET,
    Status.DENIED: Status.TARGET,
    Status.INVALID: Status.INVALID,
    Status.UNSUPPORTED: Status.UNSUPPORTED,
    Status.TIMEOUT: Status.TIMEOUT,
    Status.TARGET: Status.TARGET,
    Status.PROTECTION: Status.PROTECTION,
    Status.GONE: Status.TARGET,
}


def test_every_failure_of_a_device_is_told(server: Machine, subtests: pytest.Subtests) -> None:
    """The device is a storage itself, whose server fails it as no other device can."""
    fake = FakeServer(server, port=7771)
    everything(fake)
    device = server.dst.attach("fake", server, port=7771)
    server.dst.export("sick", device, allow=("127.0.0.0/8:rw",))
    peer = Client(server)
    geometry = peer.hello("sick").geometry
    assert geometry.max_discard_sectors and geometry.max_write_zeroes_sectors
    assert geometry.flags & wire.VOLATILE_CACHE
    for status in FAILURES:
        for operation, opcode in OPCODES.items():
            with subtests.test(f"{operation} {status.name}"):
                wanted = TOLD.get(status, Status.IO)
                if (operation, status) == ("zeroes", Status.UNSUPPORTED):
                    wanted = Status.OK  # the server writes them itself
                if (operation, status) == ("flush", Status.UNSUPPORTED):
                    wanted = Status.IO  # nothing was made durable
                fake.on[opcode] = lambda frame, s=status: fake.answer(frame, status=s)
                place = () if operation == "flush" else (5000, 8)
                data = bytes(4096) if operation == "write" else b""
                answer = peer.ask(peer.request(opcode, *place, payload=data))
                assert answer.status == wanted and not answer.payload, answer
                if operation == "flush":
                    # The server wants to know that it was heard.
                    peer.pong(peer.receive())
                fake.on.clear()
                assert peer.ask(peer.request(opcode, *place, payload=data)).status == Status.OK
    assert peer.alive()
    peer.close()
    server.dst.ctl("export", "del", "sick", "--force")
    server.dst.ctl("del", "fake")
    fake.stop()


@pytest.mark.stock
def test_a_flush_that_fails(server: Machine, client: Machine) -> None:
    """What was written is not stable then, and the client hears of it."""
    sick = WildDisk(server, cached=True)
    server.dst.export("sick", sick.path)
    disk = client.dst.attach("sick", server)
    client.call("blockio.write", path=disk, sector=0, count=64, seed=1)
    assert attempt(client, disk, "flush") == ""
    sick.fail("flush")
    client.call("blockio.write", path=disk, sector=0, count=64, seed=2)
    for _ in range(2):
        assert attempt(client, disk, "flush") == "EIO"
    assert client.call("blockio.wrong", path=disk, sector=0, count=64, seed=2) == []
    assert client.dst.show("sick")["counters"]["errors"] == 2
    sick.fail()
    assert attempt(client, disk, "flush") == ""
    assert server.call("blockio.wrong", path=server.disk(0), sector=0, count=64, seed=2) == []
    for operation in "zeroes", "write":
        sick.fail(operation)
        assert attempt(client, disk, operation) == "EIO", operation
    sick.fail()
    assert client.dst.show("sick")["epoch"] == 1
    client.dst.ctl("del", "sick")
    server.dst.ctl("export", "del", "sick", "--force")
    sick.remove()


@pytest.mark.stock
def test_a_device_without_space(server: Machine, client: Machine) -> None:
    """A thin disk whose storage is used up, until somebody adds to it."""
    server.sh("mkdir -p /mnt/thin; mount -t tmpfs -o size=4m none /mnt/thin")
    server.sh("modprobe -q loop || true; truncate -s 64M /mnt/thin/disk")
    device = server.sh("losetup --find --show /mnt/thin/disk").strip()
    server.dst.export("thin", device)
    disk = client.dst.attach("thin", server)
    client.call("blockio.write", path=disk, sector=0, count=4096, seed=1)
    assert attempt(client, disk, "write", 8192, 16384) == "ENOSPC"
    assert client.call("blockio.wrong", path=disk, sector=0, count=4096, seed=1) == []
    server.sh("mount -o remount,size=32m /mnt/thin")
    client.call("blockio.write", path=disk, sector=8192, count=16384, seed=2)
    assert client.call("blockio.wrong", path=disk, sector=8192, count=16384, seed=2) == []
    client.dst.ctl("del", "thin")
    server.dst.ctl("export", "del", "thin", "--force")
    server.sh(f"losetup -d {device}; umount /mnt/thin")
