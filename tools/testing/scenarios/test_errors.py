# SPDX-License-Identifier: GPL-2.0
"""Sick disks under an export: every failure arrives as what it is, never as data."""

import pytest

from lab.fake import FakeServer
from lab.machine import Machine
from lab.wire import Opcode, Status

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
}


@pytest.mark.parametrize("status", [s for s in Status if s != Status.OK and s < 32])
def test_every_status_becomes_an_errno(client: Machine, status: Status) -> None:
    """A server of our own answers writes with each status."""
    fake = FakeServer(client)
    client.dst.attach("fake", client)
    fake.on[Opcode.WRITE] = lambda frame: fake.answer(frame, status=status)
    assert attempt(client, "/dev/dst-fake", "write", 5000) == ERRNO.get(status, "EIO")
    fake.on.clear()
    assert attempt(client, "/dev/dst-fake", "write", 5000) == ""
    fake.on[Opcode.READ] = lambda frame: fake.answer(frame, status=status)
    assert attempt(client, "/dev/dst-fake", "read", 5000) == ERRNO.get(status, "EIO")
    client.dst.ctl("del", "fake")
    fake.stop()
