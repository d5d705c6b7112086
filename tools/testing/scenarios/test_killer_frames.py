# SPDX-License-Identifier: GPL-2.0
"""Connections that end within frames, and replies that come twice: on either side."""

import hashlib
import secrets
from collections.abc import Callable, Iterator

import pytest

from lab import wire
from lab.dst import PORT
from lab.fake import FakeServer
from lab.machine import Machine
from lab.peer import Client
from lab.wire import Frame, Hello, Opcode

PLACE = 4096
PATH = "/dev/dst-fake"
# In the middle of every field of a header and behind it, and within the payload.
HEADER = (2, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 34, 36, 38, 40, 42, 44, 46, 48)
OFFSETS = (*HEADER, 49, 512, 2000, 4096)
# What a server says when it welcomes somebody, and what a hello says.
GREETING = (*HEADER, *range(wire.HEADER_SIZE + 1, wire.HEADER_SIZE + 136, 5))


@pytest.fixture
def fake(client: Machine) -> Iterator[FakeServer]:
    server = FakeServer(client)
    yield server
    server.stop()


def slot(frame: Frame) -> int:
    """The place in the client's table that a handle names."""
    return frame.handle & 0xFFFFFFFF


# Replies that come twice.


def test_a_stale_duplicate_of_a_write(fake: FakeServer, client: Machine) -> None:
    """A reply comes again when another write has its place: that one is not done."""
    client.dst.attach("fake", client)
    first: list[Frame] = []
    second: list[Frame] = []

    def answer(frame: Frame) -> Frame | None:
        if frame.sector != PLACE:
            return fake.answer(frame)
        if not first:
            first.append(frame)
            return fake.answer(frame)
        second.append(frame)
        return fake.answer(first[0], credits=0)

    fake.on[Opcode.WRITE] = answer
    client.call("blockio.write", path=PATH, sector=PLACE, count=8, seed=1)
    writing = client.start_call("blockio.write", path=PATH, sector=PLACE, count=8, seed=2)
    fake.wait_for(lambda: second)
    assert slot(first[0]) == slot(second[0]) and first[0].handle != second[0].handle
    # What comes over the same connection is taken in its order: the duplicate was.
    client.call("blockio.write", path=PATH, sector=0, count=8, seed=3)
    assert not writing.done()
    fake.send(fake.answer(second[0]))
    writing.result(30)
    assert client.dst.show("fake")["epoch"] == 1
    client.dst.ctl("del", "fake")


def test_a_stale_duplicate_of_a_read(fake: FakeServer, client: Machine) -> None:
    """What was read before is not what is read now."""
    client.dst.attach("fake", client)
    fake.on[Opcode.WRITE] = lambda frame: fake.answer(frame)
    old, new = b"old!" * 1024, b"new!" * 1024
    seen: list[Frame] = []

    def answer(frame: Frame) -> Frame | list[Frame]:
        if frame.sector != PLACE:
            return fake.answer(frame)
        seen.append(frame)
        if len(seen) == 1:
            return fake.answer(frame, payload=old)
        stale = fake.answer(seen[0], payload=old, credits=0)
        return [stale, fake.answer(frame, payload=new)]

    fake.on[Opcode.READ] = answer
    before = client.call("blockio.digest", path=PATH, sector=PLACE, count=8)
    after = client.call("blockio.digest", path=PATH, sector=PLACE, count=8)
    again = client.call("blockio.digest", path=PATH, sector=PLACE, count=8)
    assert slot(seen[0]) == slot(seen[1])
    assert before != after and again == after
    client.dst.ctl("del", "fake")


# Connections that end within a frame.


# Frames of a server: the request that it cuts off, what causes that, the whole answer.
REPLIES: dict[str, tuple[int, str, Callable[[FakeServer, Frame], Frame]]] = {
    "reply to a read": (Opcode.READ, "read", FakeServer.answer),
    "reply to a write": (Opcode.WRITE, "write", FakeServer.answer),
    "reply to a flush": (Opcode.FLUSH, "flush", FakeServer.answer),
    "reply to a discard": (Opcode.DISCARD, "discard", FakeServer.answer),
    "reply to zeroes": (Opcode.WRITE_ZEROES, "zeroes", FakeServer.answer),
    # These come instead of a reply.
    "event": (
        Opcode.WRITE,
        "write",
        lambda fake, _: fake.frame(Opcode.EVENT, payload=fake.geometry.encode()),
    ),
    "pong": (Opcode.WRITE, "write", lambda fake, _: fake.frame(Opcode.PING | wire.REPLY)),
    "goodbye": (Opcode.WRITE, "write", lambda fake, _: fake.frame(Opcode.BYE)),
    "draining": (
        Opcode.WRITE,
        "write",
        lambda fake, _: fake.frame(Opcode.DRAINING, sectors=1),
    ),
}


@pytest.mark.parametrize("what", REPLIES)
def test_a_server_breaks_off(fake: FakeServer, client: Machine, what: str) -> None:
    """What was under way is done over the next connection, and right."""
    fake.offer_everything()
    client.dst.attach("fake", client)
    opcode, operation, whole = REPLIES[what]
    for offset in OFFSETS:
        cut: list[int] = []
        content = [secrets.token_bytes(wire.SECTOR) for _ in range(8)]
        fake.data.update(enumerate(content, PLACE))

        def once(frame: Frame, offset: int = offset, cut: list[int] = cut) -> Frame | bytes:
            if cut or frame.sector not in (PLACE, 0):
                return store(frame)
            data = whole(fake, frame).encode()
            cut.append(min(offset, len(data) - 1))
            return data[: cut[0]]

        def store(frame: Frame) -> Frame:
            if frame.opcode == Opcode.WRITE:
                for index in range(frame.sectors):
                    part = frame.payload[index * wire.SECTOR : (index + 1) * wire.SECTOR]
                    fake.data[frame.sector + index] = part
            return fake.answer(frame)

        epoch = client.dst.show("fake")["epoch"]
        fake.on[opcode] = once
        place = {"path": PATH, "sector": PLACE, "count": 8}
        if operation == "read":
            doing = client.start_call("blockio.digest", **place)
            expected = hashlib.sha256(b"".join(content)).hexdigest()
        else:
            doing = client.start_call("blockio.attempt", operation=operation, seed=offset, **place)
            expected = ""
        fake.wait_for(lambda cut=cut: cut)
        fake.hang_up()
        assert doing.result(30) == expected, f"cut after {offset} bytes"
        fake.on.clear()
        client.dst.wait_state("fake", "connected", epoch=epoch + 1)
        if operation == "write":
            wrong = client.call("blockio.wrong", path=PATH, sector=PLACE, count=8, seed=offset)
            assert wrong == [], f"cut after {offset} bytes"
    client.dst.ctl("del", "fake")


def test_a_server_breaks_off_its_welcome(fake: FakeServer, client: Machine) -> None:
    client.dst.attach("fake", client)
    for offset in GREETING:
        count = len(fake.hellos)
        fake.cut_welcome = offset
        fake.hang_up()
        fake.wait_for(lambda count=count: len(fake.hellos) >= count + 2, 60)
    assert client.call("blockio.attempt", path=PATH, operation="write", sector=0, count=8) == ""
    assert client.dst.show("fake")["counters"]["errors"] == 0
    client.dst.ctl("del", "fake")


REQUESTS = {
    "hello": lambda c: Frame(
        Opcode.HELLO, epoch=2, generation=2, payload=Hello("disk", c.session).encode()
    ),
    "write": lambda c: c.request(Opcode.WRITE, 80, 8, payload=b"evil" * 1024),
    "read": lambda c: c.request(Opcode.READ, 80, 8),
    "flush": lambda c: c.request(Opcode.FLUSH),
    "discard": lambda c: c.request(Opcode.DISCARD, 80, 8),
    "zeroes": lambda c: c.request(Opcode.WRITE_ZEROES, 80, 8),
    "ping": lambda c: Frame(Opcode.PING, handle=7, epoch=1, generation=1),
    "goodbye": lambda c: Frame(Opcode.BYE, epoch=1, generation=1),
}


@pytest.mark.parametrize("what", sorted(REQUESTS))
def test_a_client_breaks_off(server: Machine, what: str) -> None:
    """Nothing of an incomplete request is done, and others are served."""
    server.dst.export("disk", server.disk(0), "--shared-writers", allow=("127.0.0.0/8:rw",))
    honest = Client(server)
    honest.hello("disk")
    honest.write(80, b"h" * 4096)
    for offset in GREETING if what == "hello" else OFFSETS:
        rude = Client(server, port=PORT)
        if what != "hello":
            rude.hello("disk")
        data = REQUESTS[what](rude).encode()
        rude.send(data[: min(offset, len(data) - 1)])
        rude.close(reset=offset % 2 == 0)
        assert honest.alive()
    assert honest.read(80, 8) == b"h" * 4096
    honest.close()
    server.wait("objects.no_connections", 20, name="disk")
