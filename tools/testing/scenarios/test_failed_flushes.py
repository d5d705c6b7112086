# SPDX-License-Identifier: GPL-2.0
"""A device says once that it has lost something: all who have written hear of it."""

import contextlib
import dataclasses
from collections.abc import Iterator

import pytest

from lab import wire
from lab.bed import Bed
from lab.machine import Machine
from lab.peer import Client
from lab.pool import Spec
from lab.wild import WildDisk
from lab.wire import Opcode, Status
from scenarios.test_keys import Key

SIZE = 64 << 20
# Clients without connections that an export remembers.
REMEMBERED = 256
# The clients that the tests play.
LOOPBACK = ("127.0.0.0/8:rw",)


@contextlib.contextmanager
def volatile_disk(server: Machine, *options: str, fua: bool = True) -> Iterator[WildDisk]:
    """A disk with a cache, exported."""
    disk = WildDisk(server, cached=True, fua=fua)
    server.dst.export("disk", disk.path, *options, allow=LOOPBACK)
    yield disk
    server.dst.ctl("export", "del", "disk", "--force")
    disk.remove()


def arrive(machine: Machine, name: bytes, epoch: int = 1) -> Client:
    """A client of this session."""
    client = Client(machine)
    client.hello("disk", session=name * 16, epoch=epoch)
    return client


def test_an_error_is_not_lost_with_the_connection(server: Machine) -> None:
    """What the device says once is still said if nobody was there to hear it."""
    with volatile_disk(server) as sick:
        client = arrive(server, b"s")
        client.write(8, b"a" * 4096)
        sick.fail("flush")
        client.failed_flush()
        sick.fail()
        # The device flushes again, but the server cannot know whether the client has heard.
        client.failed_flush()
        client.close(reset=True)
        # The session is forgotten: it had no other connection.
        server.wait("objects.sessions_are", 30, count=0)
        again = arrive(server, b"s", 2)
        again.failed_flush()
        # Nor did anybody hear that.
        again.close(reset=True)
        last = arrive(server, b"s", 3)
        last.pong(last.failed_flush())
        assert last.ask(last.request(Opcode.FLUSH)).status == Status.OK
        last.close(reset=True)
        server.wait("objects.sessions_are", 30, count=0)
        end = arrive(server, b"s", 4)
        assert end.ask(end.request(Opcode.FLUSH)).status == Status.OK


def test_an_error_is_one_for_all_who_write(server: Machine) -> None:
    """Whoever had the device flushed: everybody's writes may be lost."""
    with volatile_disk(server, "--shared-writers") as sick:
        one, other, away = (arrive(server, name) for name in (b"1", b"2", b"3"))
        away.close(reset=True)
        server.wait("objects.sessions_are", 30, count=2)
        sick.fail("flush")
        # Two at once: each is followed by a PING.
        for _ in range(2):
            one.send(one.request(Opcode.FLUSH))
        frames = [one.receive() for _ in range(4)]
        assert [frame.opcode for frame in frames] == [Opcode.FLUSH | wire.REPLY, Opcode.PING] * 2
        for ping in frames[1::2]:
            one.pong(ping)
        sick.fail()
        other.pong(other.failed_flush())
        away = arrive(server, b"3", 2)
        away.pong(away.failed_flush())
        # Once each, and not those who have come later.
        late = arrive(server, b"4")
        for client in one, other, away, late:
            assert client.ask(client.request(Opcode.FLUSH)).status == Status.OK


@pytest.mark.parametrize("operation", (Opcode.WRITE, Opcode.WRITE_ZEROES))
def test_a_flush_for_one_write_speaks_for_others(operation: Opcode, server: Machine) -> None:
    """What the device says when it is flushed for a write with FUA is said to the next flush."""
    with volatile_disk(server, fua=False) as sick:
        client = arrive(server, b"s")
        client.write(8, b"a" * 4096)
        sick.fail("flush")
        data = b"b" * 4096 if operation == Opcode.WRITE else b""
        durable = client.request(operation, 64, 8, flags=wire.FUA, payload=data)
        assert client.ask(durable).status == Status.IO
        sick.fail()
        client.close(reset=True)
        again = arrive(server, b"s", 2)
        durable = again.request(operation, 64, 8, flags=wire.FUA, payload=data)
        assert again.ask(durable).status == Status.OK
        assert again.read(64, 8) == (data or bytes(4096))
        again.pong(again.failed_flush())
        assert again.ask(again.request(Opcode.FLUSH)).status == Status.OK
        # Who has heard that of the write itself is not told again.
        sick.fail("flush")
        durable = again.request(operation, 64, 8, flags=wire.FUA, payload=data)
        assert again.ask(durable).status == Status.IO
        again.pong(again.receive())
        sick.fail()
        assert again.ask(again.request(Opcode.FLUSH)).status == Status.OK


@pytest.mark.parametrize("handle", (0, 2, 2**64 - 1))
def test_an_answer_to_no_ping(handle: int, server: Machine) -> None:
    """Nobody can claim to have heard what was not said."""
    with volatile_disk(server) as sick:
        client = arrive(server, b"s")
        sick.fail("flush")
        ping = client.failed_flush()
        sick.fail()
        assert ping.handle == 1
        client.pong(dataclasses.replace(ping, handle=handle))
        assert client.closed()
        again = arrive(server, b"s", 2)
        again.failed_flush()


@pytest.mark.parametrize("heard", (True, False))
def test_an_export_that_is_added_again(heard: bool, server: Machine) -> None:
    """It is another one to its clients if there was something that one of them has not heard."""
    with volatile_disk(server) as sick:
        uuid = server.dst.show_export("disk")["uuid"]
        client = arrive(server, b"s")
        before = client.welcome
        sick.fail("flush")
        ping = client.failed_flush()
        sick.fail()
        if heard:
            client.pong(ping)
            assert client.ask(client.request(Opcode.FLUSH)).status == Status.OK
        server.dst.ctl("export", "del", "disk", "--force")
        server.dst.export("disk", sick.path, "--uuid", uuid, allow=LOOPBACK)
        after = arrive(server, b"s", 2).welcome
        assert before and after and before.boot_id == after.boot_id
        assert (before.incarnation == after.incarnation) == heard


def test_more_clients_than_are_remembered(server: Machine) -> None:
    """Those that are forgotten are told, whether they have heard or not."""
    with volatile_disk(server) as sick:
        client = arrive(server, b"s")
        sick.fail("flush")
        client.failed_flush()
        sick.fail()
        client.close(reset=True)
        server.wait("objects.sessions_are", 30, count=0)
        for number in range(REMEMBERED):
            other = Client(server)
            other.hello("disk", session=number.to_bytes(16, "big"))
            assert other.ask(other.request(Opcode.FLUSH)).status == Status.OK
            other.close(reset=True)
            server.wait("objects.sessions_are", 30, count=0)
        again = arrive(server, b"s", 2)
        again.pong(again.failed_flush())
        assert again.ask(again.request(Opcode.FLUSH)).status == Status.OK


@pytest.mark.parametrize("cached", (True, False))
def test_a_write_through_a_stacked_device(cached: bool, bed: Bed) -> None:
    """It offers FUA, and what is below it is flushed for that, if it has a cache."""
    (server,) = bed.machines(Spec("server", disks=(SIZE, 4 * SIZE)))
    sick = WildDisk(server, cached=cached, fua=False)
    table = f"0 {SIZE // 512} log-writes {sick.path} {server.disk(1)}"
    server.run("dmsetup", "create", "log", stdin=table.encode())
    server.run("dmsetup", "mknodes")
    if not cached:
        info = ("dmsetup", "info", "-c", "--noheadings", "-o", "blkdevname", "log")
        name = server.run(*info).out.strip()
        server.put(f"/sys/block/{name}/queue/write_cache", b"write through")
    server.dst.export("disk", "/dev/mapper/log", allow=LOOPBACK)
    client = arrive(server, b"s")
    client.write(8, b"a" * 4096)
    sick.fail("flush" if cached else "write")
    durable = client.request(Opcode.WRITE, 64, 8, flags=wire.FUA, payload=b"b" * 4096)
    assert client.ask(durable).status == Status.IO
    sick.fail()
    if cached:
        client.failed_flush()
    else:
        assert client.ask(client.request(Opcode.FLUSH)).status == Status.OK
    server.dst.ctl("export", "del", "disk", "--force")
    server.run("dmsetup", "remove", "--retry", "log")
    sick.remove()


def test_a_change_of_keys_does_not_hide_it(server: Machine, client: Machine) -> None:
    """The server cannot tell who comes with another key; the client finds out before."""
    own, other, theirs = Key(client), Key(client), Key(server)
    server.dst.ctl("server", "set", "--key", theirs.path)
    allowed = [word for key in (own, other) for word in ("--allow-key", f"{key.public}:rw")]
    sick = WildDisk(server, cached=True)
    server.dst.export("disk", sick.path, "--shared-writers", *allowed, allow=())
    words = "--export", "disk", "--key", own.path, "--server-key", theirs.public
    mine, others = (client.dst.attach(name, server, *words) for name in ("mine", "others"))

    def flush(path: str) -> str:
        return client.call("blockio.attempt", path=path, operation="flush", sector=0, count=8)

    client.call("blockio.write", path=mine, sector=0, count=8, seed=1)
    sick.fail("flush")
    assert flush(others) == "EIO"
    sick.fail()
    client.dst.ctl("set", "mine", "--key", other.path)
    assert client.dst.show("mine")["public_key"] == other.public
    assert [flush(mine) for _ in range(2)] == ["EIO", ""]
    for name in "mine", "others":
        client.dst.ctl("del", name)
    server.dst.ctl("export", "del", "disk", "--force")
    sick.remove()
