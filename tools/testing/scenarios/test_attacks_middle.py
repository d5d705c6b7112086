# SPDX-License-Identifier: GPL-2.0
"""A man in the middle of two kernels: he sees nothing and can only break the line."""

from collections.abc import Callable, Iterator

import pytest

from lab import sealed, wire
from lab.dst import PORT
from lab.guest import blockio
from lab.keyed import flipped, throw
from lab.machine import Machine
from lab.noise import Identity
from lab.peer import Connection
from lab.proxy import Change, Pair, Proxy
from lab.wire import Frame, Hello, Opcode

PLACE = 8000
RECORD = sealed.HEADER + 4096 + sealed.TAG
DEVICE = "/dev/dst-disk"
attack = pytest.mark.attack


class Middle:
    """Two kernels, and what is between them."""

    def __init__(self, server: Machine, client: Machine) -> None:
        self.server, self.client = server, client
        self.keys = Identity.generate(), Identity.generate()
        server.dst.set_key(self.keys[0])
        server.dst.export(
            "disk",
            server.disk(0),
            "--allow-key",
            f"{self.keys[1].text}:rw",
            "--keepalive",
            "6s",
            allow=(),
        )
        self.proxy = Proxy(client, server)
        self.seeds = iter(range(1000, 2000))

    def attach(self, *options: str, connections: int = 1) -> None:
        """Attach the disk, through the proxy."""
        keys = self.client.dst.keys(self.keys[1], self.keys[0].public)
        options += ("--connections", str(connections))
        self.client.dst.ctl("add", "disk", f"127.0.0.1:{PORT}", *keys, *options)
        self.client.wait("files.is_block_device", 60, path=DEVICE)

    def errors(self, machine: Machine) -> int:
        """Records that have not come as they were sent."""
        shown = machine.dst.show_export if machine is self.server else machine.dst.show
        return shown("disk")["counters"]["seal_errors"]

    def write(self, sector: int = PLACE) -> int:
        """Write a page of something new; its seed."""
        seed = next(self.seeds)
        self.client.call("blockio.write", 120, path=DEVICE, sector=sector, count=8, seed=seed)
        return seed

    def right(self, seed: int, sector: int = PLACE) -> None:
        """What was written is what is read, at either end."""
        for machine, path in (self.client, DEVICE), (self.server, self.server.disk(0)):
            machine.run("blockdev", "--flushbufs", path)
            args = {"path": path, "sector": sector, "count": 8, "seed": seed}
            assert machine.call("blockio.wrong", 120, **args) == []


@pytest.fixture
def middle(server: Machine, client: Machine) -> Iterator[Middle]:
    both = Middle(server, client)
    yield both
    both.right(both.write())
    assert client.dst.show("disk")["counters"]["errors"] == 0
    client.dst.ctl("del", "disk")
    both.proxy.stop()


def test_an_honest_middle_changes_nothing(middle: Middle) -> None:
    middle.attach(connections=2)
    middle.client.wait("objects.storage_has", name="disk", connected=2)
    middle.right(middle.write())
    assert len(middle.proxy.pairs) == 2
    assert middle.errors(middle.server) == middle.errors(middle.client) == 0


@attack("somebody listens", "sees neither names nor keys nor data")
def test_listening(middle: Middle) -> None:
    middle.attach()
    seed = middle.write()
    middle.right(seed)
    assert len(middle.proxy.pairs) == 1
    seen = [bytes(middle.proxy.last.up.seen), bytes(middle.proxy.last.down.seen)]
    assert len(seen[0]) > RECORD and len(seen[1]) > RECORD
    secrets = [b"disk", blockio.pattern(PLACE, 8, seed)[:64], middle.keys[1].public]
    for secret in secrets:
        assert not any(secret in data for data in seen)
    # In plain are the headers of the two frames of the handshake, and nothing else.
    assert [data.count(wire.MAGIC) for data in seen] == [1, 1]


def twice(data: bytes) -> bytes:
    """Repeated."""
    return data + data


def swap(data: bytes) -> bytes:
    """The halves swapped."""
    return data[len(data) // 2 :] + data[: len(data) // 2]


def flip(at: int) -> Change:
    """A bit changed, counted from the end if below zero."""
    return lambda data: flipped(data, at % len(data), at % 8)


CHANGES: dict[str, Change] = {
    "left out": lambda data: b"",
    "repeated": twice,
    "without its first byte": lambda data: data[1:],
    "without its last byte": lambda data: data[:-1],
    "with a byte more": lambda data: data + b"\0",
    "with its halves swapped": swap,
    "replaced by zeroes": lambda data: bytes(len(data)),
    "in plain": lambda data: Frame(Opcode.PING, handle=1).encode().ljust(len(data), b"\0"),
    "with a bit changed in its header": flip(16),
    "with a bit changed in the tag of its header": flip(50),
    "with a bit changed in its data": flip(1000),
    "with a bit changed in its last tag": flip(-1),
}


@attack("a record from the client is changed on the way", "noticed; written is what was meant")
@pytest.mark.parametrize("change", CHANGES)
def test_requests_are_changed(middle: Middle, change: str) -> None:
    middle.attach()
    middle.right(middle.write())
    before = middle.errors(middle.server)
    pair = middle.proxy.last
    edit = pair.up.edit(RECORD, CHANGES[change])
    seed = middle.write()
    assert pair.up.done(edit)
    middle.right(seed)
    assert middle.errors(middle.server) == before + 1
    assert pair is not middle.proxy.last


@attack("a record from the server is changed on the way", "noticed; read is what was written")
@pytest.mark.parametrize("change", CHANGES)
def test_answers_are_changed(middle: Middle, change: str) -> None:
    middle.attach()
    seed = middle.write()
    middle.right(seed)
    before = middle.errors(middle.client)
    pair = middle.proxy.last
    edit = pair.down.edit(RECORD, CHANGES[change])
    args = {"path": DEVICE, "sector": PLACE, "count": 8, "seed": seed}
    assert middle.client.call("blockio.wrong", 120, **args) == []
    assert pair.down.done(edit)
    middle.right(seed)
    assert middle.errors(middle.client) == before + 1
    assert pair is not middle.proxy.last


@attack("what was recorded is sent to the server again", "nothing is executed")
def test_a_recording_is_played(middle: Middle) -> None:
    middle.attach()
    middle.write()
    middle.client.call("blockio.attempt", path=DEVICE, operation="flush", sector=0, count=0)
    recorded = bytes(middle.proxy.last.up.seen)
    answers = bytes(middle.proxy.last.down.seen)
    seed = middle.write()
    sessions = len(middle.server.dst.json("sessions"))
    for data in recorded, answers, recorded[:173] + recorded, recorded[173:]:
        thief = Connection(middle.client.connect(middle.server.address(), PORT))
        throw(thief, data)
        assert thief.closed()
    assert len(middle.server.dst.json("sessions")) == sessions
    middle.right(seed)
    # Into the connection itself, and back to who has sent it.
    for make in (
        lambda pair: pair.up.inject(recorded[-RECORD:]),
        lambda pair: pair.up.inject(answers[-64:]),
        lambda pair: pair.down.inject(answers[-64:]),
        lambda pair: pair.down.inject(recorded[-RECORD:]),
    ):
        count = len(middle.proxy.pairs)
        make(middle.proxy.last)
        seed = middle.write()
        middle.right(seed)
        middle.proxy.wait_pairs(count + 1)


@attack("a handshake is replaced by a greeting in plain", "refused by both")
def test_a_handshake_is_replaced(middle: Middle) -> None:
    hello = Hello("disk", b"session of mine.").encode()
    frame = Frame(Opcode.HELLO, epoch=1, generation=1, payload=hello)
    tried: list[Pair] = []

    def prepare(pair: Pair) -> None:
        if len(tried) < 3:
            tried.append(pair)
            pair.up.edit(173, lambda data: frame.encode())

    middle.proxy.prepare = prepare
    middle.attach("--timeout", "0")
    for pair in tried:
        # It was answered with a refusal, which the client did not follow.
        assert pair.down.seen[4] == Opcode.HELLO | wire.REPLY and pair.down.seen[5] == 5
        assert len(pair.up.seen) == 173
    assert len(tried) == 3
    assert len(middle.server.dst.json("sessions")) == 1


def restamp(data: bytes) -> bytes:
    """Another generation, with a checksum that fits."""
    frame, length = Frame.decode(data[: wire.HEADER_SIZE])
    frame.payload, frame.length = data[wire.HEADER_SIZE :], length
    frame.generation += 1
    return frame.encode()


HANDSHAKES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "the stamp of the first message": ("up", restamp),
    "the point in the first message": ("up", flip(60)),
    "the identity in the first message": ("up", flip(100)),
    "what the first message asks for": ("up", flip(150)),
    "the stamp of the answer": ("down", restamp),
    "the point in the answer": ("down", flip(60)),
    "the choice in the answer": ("down", flip(82)),
    "the tag of the answer": ("down", flip(-1)),
}


@attack("a handshake is changed on the way", "it fails, the next one does not")
@pytest.mark.parametrize("what", HANDSHAKES)
def test_handshakes_are_changed(middle: Middle, what: str) -> None:
    where, change = HANDSHAKES[what]
    tried: list[Pair] = []

    def prepare(pair: Pair) -> None:
        if not tried:
            tried.append(pair)
            (pair.up if where == "up" else pair.down).edit(173 if where == "up" else 100, change)

    middle.proxy.prepare = prepare
    middle.attach("--timeout", "0")
    # Nothing but the first message has come from the client over it.
    assert len(tried[0].up.seen) == 173
    assert len(middle.proxy.pairs) == 2


JOINS: dict[str, tuple[str, int, int, Change]] = {
    "its list of suites": ("up", 48 + 20, 4, lambda data: b"\1\0\0\0"),
    "its list of suites, emptied": ("up", 48 + 20, 4, lambda data: bytes(4)),
    "its session": ("up", 48, 16, lambda data: b"another session."),
    "its number": ("up", 48 + 16, 2, lambda data: b"\0\0"),
    "its nonce": ("up", 48 + 24, 32, lambda data: bytes(32)),
    "its stamp": ("up", 0, 48, restamp),
    "the suite that was chosen": (
        "down",
        48 + 32,
        4,
        lambda data: b"\1\0\0\0" if data[0] == 2 else b"\2\0\0\0",
    ),
    "the nonce of the server": ("down", 48, 32, lambda data: bytes(32)),
}


@attack("the joining of a connection is changed on the way", "it fails, the next one does not")
@pytest.mark.parametrize("what", JOINS)
def test_joins_are_changed(middle: Middle, what: str) -> None:
    where, at, length, change = JOINS[what]
    tried: list[Pair] = []

    def prepare(pair: Pair) -> None:
        if len(middle.proxy.pairs) == 1 and not tried:
            tried.append(pair)
            (pair.up if where == "up" else pair.down).edit(length, change, at=at)

    middle.proxy.prepare = prepare
    middle.attach(connections=2)
    middle.client.wait("objects.storage_has", 60, name="disk", connected=2)
    assert len(middle.proxy.pairs) >= 3
    assert tried[0].up.seen[4] == Opcode.JOIN
    # It ended with the joining: no record was sent over it.
    assert len(tried[0].up.seen) == 48 + 72


@attack("connections are cut anywhere, for a while", "I/O goes on and is right")
def test_truncation(middle: Middle) -> None:
    middle.attach()
    for end in 1, 63, 64, 65, 2000, RECORD - 17, RECORD - 16, RECORD - 1:
        pair = middle.proxy.last

        def cut(data: bytes, pair: Pair = pair, end: int = end) -> bytes:
            pair.up.inject(data[:end])
            pair.close()
            return b""

        edit = pair.up.edit(RECORD, cut)
        seed = middle.write()
        assert pair.up.done(edit)
        middle.right(seed)
    assert middle.errors(middle.server) == 0
