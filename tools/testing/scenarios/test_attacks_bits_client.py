# SPDX-License-Identifier: GPL-2.0
"""A bit changes in a frame of a server, at every place of every kind, and the client notices.

Which bit of a byte it is depends on the place. In plain text, a header has a checksum. Payloads
have none. Nobody can notice a change in the data of a read, so there it has a digest, and every
seventh byte is changed. In a description of the disk, and in a welcome, those bytes are changed
that make it impossible; others make it another one that is as good. On a sealed connection nothing
may change at all.
"""

import hashlib
from collections.abc import Iterator

import pytest

from lab import sealed, wire
from lab.fake import FakeServer
from lab.garble import KINDS, NOWHERE, PLACE, Garbler, Kind
from lab.keyed import flipped
from lab.machine import Machine
from lab.noise import Identity
from lab.sealed_peer import SealedServer
from lab.wire import Geometry, Opcode, Welcome

attack = pytest.mark.attack
DEVICE = "/dev/dst-fake"
HEAD, WELCOME, GEOMETRY = wire.HEADER_SIZE, 136, 48
HANDSHAKE = HEAD + 52
# Kernels that check themselves take their time: of so many places they see one.
SHARE = 5


def prepare(fake: FakeServer) -> None:
    """A disk of which everything can be asked, and that says nothing by itself."""
    fake.offer_everything()
    fake.lies |= {"keepalive_ms": 600_000}
    fake.on[Opcode.PING | wire.REPLY] = lambda frame: None


@pytest.fixture
def plain(client: Machine) -> Iterator[FakeServer]:
    server = FakeServer(client)
    prepare(server)
    yield server
    server.stop()


@pytest.fixture
def keyed(client: Machine) -> Iterator[SealedServer]:
    server = SealedServer(client, Identity.generate())
    prepare(server)
    yield server
    server.stop()


def share(client: Machine, places: list[int]) -> list[int]:
    """Of some places, those that there is time for."""
    return places[:: SHARE if client.flavour.debug else 1]


def counters(client: Machine) -> dict[str, int]:
    """What the client has counted, and its epoch."""
    shown = client.dst.show("fake")
    assert shown["state"] == "connected", shown
    return {"epoch": shown["epoch"], **shown["counters"]}


def ask(client: Machine, garbler: Garbler, times: int) -> dict[str, int]:
    """Have the client ask so often; nothing may fail, or be read that is not there."""
    asks = garbler.kind.asks
    before = counters(client)
    place = {"path": DEVICE, "sector": PLACE, "count": 1}
    try:
        ends = client.call("blockio.repeat", 300, operation=asks, times=times, **place)
    except TimeoutError as error:
        raise AssertionError(f"byte {garbler.latest}: it waits for ever") from error
    read = [hashlib.sha256(data).hexdigest() for data in garbler.data]
    assert ends == (read if asks == "read" else [""] * times)
    after = counters(client)
    assert after["errors"] == before["errors"]
    return {name: after[name] - count for name, count in before.items()}


def goes_on(client: Machine, fake: FakeServer, kind: Kind) -> None:
    """Unchanged, it is taken as what it is: nothing is wrong, and only a goodbye is the end."""
    garbler = Garbler(fake, kind, [NOWHERE])
    gone = int(kind.opcode == Opcode.BYE)
    moved = ask(client, garbler, 1)
    garbler.stop()
    assert moved["epoch"] == moved["reconnects"] == gone
    for name in "protocol_errors", "seal_errors", "digest_errors":
        assert moved[name] == 0


def change(
    client: Machine, fake: FakeServer, kind: Kind, places: list[int], length: int
) -> dict[str, int]:
    """Change it at some places; what the client has counted meanwhile."""
    first = counters(client)["epoch"]
    garbler = Garbler(fake, kind, places)
    moved = ask(client, garbler, len(places))
    garbler.stop()
    assert garbler.lengths == {length}
    # Who is changed while it greets is given up, and the next one is a new epoch again.
    step = 2 if kind.greets else 1
    for number, at in enumerate(places):
        epoch = first + number * step
        asked = garbler.epochs[2 * number : 2 * number + 2]
        assert asked == [epoch, epoch + step], f"byte {at}: asked in the epochs {asked}"
    assert len(garbler.epochs) == 2 * len(places)
    assert moved["epoch"] == step * len(places)
    assert moved["reconnects"] == len(places)
    return moved


# In plain text.


def well_formed(disk: Geometry) -> bool:
    """Whether there can be such a disk."""
    return (
        disk.logical_block in (512, 1024, 2048, 4096)
        and disk.physical_block.bit_count() == 1
        and disk.physical_block >= disk.logical_block
        and disk.sectors < 1 << 54
        and disk.sectors * wire.SECTOR % disk.logical_block == 0
        and disk.max_frame_sectors in range(8, 513, 8)
        and disk.flags < 16
        and disk.reserved == 0
    )


def believable(said: Welcome, true: Welcome) -> bool:
    """Whether a client may believe a welcome that should be another one."""
    same = "version", "features", "session", "uuid", "epoch", "generation", "connection"
    return (
        all(getattr(said, name) == getattr(true, name) for name in same)
        and said.reserved == 0
        and 300 <= said.keepalive_ms <= 600_000
        and said.window >= 64
        and well_formed(said.geometry)
        and said.geometry.sectors >= true.geometry.sectors
        and said.geometry.max_frame_sectors >= true.geometry.max_frame_sectors
    )


def impossible(fake: FakeServer, kind: Kind) -> list[int]:
    """Places of a payload that cannot be changed without making it an impossible one."""
    if kind.opcode == Opcode.EVENT:
        data = fake.geometry.encode()
        wrong = [
            at
            for at in range(HEAD, HEAD + len(data))
            if not well_formed(Geometry.decode(flipped(data, at - HEAD, at % 8)))
        ]
        assert len(wrong) >= 12
        return wrong
    true = Welcome(bytes(16), bytes(16), bytes(16), fake.geometry, keepalive_ms=600_000)
    data = true.encode()
    wrong = [
        at
        for at in range(HEAD, HEAD + len(data))
        if not believable(Welcome.decode(flipped(data, at - HEAD, at % 8)), true)
    ]
    assert len(wrong) >= 70
    return wrong


IN_PLAIN = [name for name in KINDS if name not in ("rekey", "respond", "reply to a read")]


@attack("a bit changes anywhere in a header of a server, in plain", "the client asks again")
@pytest.mark.parametrize("name", IN_PLAIN)
def test_every_byte_of_plain_frames(plain: FakeServer, client: Machine, name: str) -> None:
    kind = KINDS[name]
    plain.drains = int(name == "draining")
    client.dst.attach("fake", client)
    if not kind.answers and not kind.greets:
        goes_on(client, plain, kind)
    payload = {"event": GEOMETRY, "welcome": WELCOME}.get(name, 0)
    places = list(range(HEAD)) + (impossible(plain, kind) if payload else [])
    places = share(client, places)
    moved = change(client, plain, kind, places, HEAD + payload)
    headers = sum(at < HEAD for at in places)
    # A welcome that is well-formed but not to be believed breaks no rule.
    most = headers if name != "event" else len(places)
    assert moved["protocol_errors"] == most or name == "welcome"
    assert moved["protocol_errors"] >= headers
    client.dst.ctl("del", "fake")


@attack("a bit of what is read changes, in plain with a digest", "it is never data")
def test_every_byte_of_plain_data(plain: FakeServer, client: Machine) -> None:
    kind = KINDS["reply to a read"]
    plain.lies["features"] = wire.DIGEST
    plain.digest = "crc32c"
    client.dst.attach("fake", client, "--digest", "crc32c")
    length = HEAD + wire.SECTOR + 4
    places = [*range(HEAD), *range(HEAD, length - 4, 7), *range(length - 4, length)]
    places = share(client, places)
    moved = change(client, plain, kind, places, length)
    headers = sum(at < HEAD for at in places)
    assert moved["protocol_errors"] == headers
    assert moved["digest_errors"] == len(places) - headers
    client.dst.ctl("del", "fake")


# Sealed.


def attach(client: Machine, fake: SealedServer, *options: str) -> None:
    """Attach the fake with keys."""
    keys = client.dst.keys(Identity.generate(), fake.me.public)
    client.dst.attach("fake", client, *keys, *options)


SEALED = sealed.HEADER
LENGTHS = {
    "reply to a read": SEALED + wire.SECTOR + sealed.TAG,
    "event": SEALED + GEOMETRY + sealed.TAG,
    "welcome": SEALED + WELCOME + sealed.TAG,
    "respond": HANDSHAKE,
}


@attack("a bit changes anywhere in a sealed frame of a server", "the client asks again")
@pytest.mark.parametrize("name", KINDS)
def test_every_byte_of_sealed_frames(keyed: SealedServer, client: Machine, name: str) -> None:
    """Of data, every seventh byte; of the answer to a handshake, all that is not sealed, too."""
    kind = KINDS[name]
    keyed.drains = int(name == "draining")
    attach(client, keyed)
    if not kind.answers and not kind.greets:
        goes_on(client, keyed, kind)
    length = LENGTHS.get(name, SEALED)
    places = list(range(length))
    if kind.asks == "read":
        end = length - sealed.TAG
        places = [*range(SEALED), *range(SEALED, end, 7), *range(end, length)]
    places = share(client, places)
    hellos = len(keyed.hellos)
    moved = change(client, keyed, kind, places, length)
    if name == "respond":
        # Its header has a checksum, and whoever is not authentic is not greeted.
        assert moved["protocol_errors"] == sum(at < HEAD for at in places)
        assert moved["seal_errors"] == 0
        assert len(keyed.hellos) == hellos + len(places)
        assert keyed.forged == 0
    else:
        assert moved["seal_errors"] == len(places)
        assert moved["protocol_errors"] == 0
    client.dst.ctl("del", "fake")


@attack("a bit changes anywhere in the answer to who joins", "not joined, the session goes on")
def test_every_byte_of_the_answer_to_a_join(keyed: SealedServer, client: Machine) -> None:
    """Who is not believed does not get as far as a hello, and the next one does the handshake."""
    keyed.parallel = True
    keyed.lies["max_connections"] = 2
    data = wire.SECTOR * b"r"
    keyed.data[PLACE] = data
    attach(client, keyed, "--connections", "2")
    client.wait("objects.storage_has", 30, name="fake", connected=2)
    before = counters(client)
    places = share(client, list(range(HANDSHAKE)))
    garbled: list[int] = []
    for number, at in enumerate(places, 1):

        def garble(frame: wire.Frame, data: bytes, at: int = at) -> bytes:
            if frame.opcode != Opcode.JOIN | wire.REPLY or at in garbled:
                return data
            assert len(data) == HANDSHAKE
            garbled.append(at)
            return flipped(data, at, at % 8)

        greetings, hellos = len(keyed.greetings), len(keyed.hellos)
        keyed.garble = garble
        # The one that came last is not the first one, which carries everything meanwhile.
        keyed.hang_up()
        read = client.call("blockio.digest", path=DEVICE, sector=PLACE, count=1)
        assert read == hashlib.sha256(data).hexdigest()
        client.wait("objects.storage_has", 30, name="fake", connected=2, reconnects=number)
        came = [frame.opcode for frame in keyed.greetings[greetings:]]
        assert came == [Opcode.JOIN, Opcode.INITIATE], f"byte {at}: {came}"
        assert len(keyed.hellos) == hellos + 1, f"byte {at} was believed"
    assert garbled == places
    after = counters(client)
    assert after["epoch"] == before["epoch"]
    wrong = after["protocol_errors"] - before["protocol_errors"]
    assert wrong == sum(at < HEAD for at in places)
    assert after["seal_errors"] == after["errors"] == 0
    # Nothing was said with keys that come from what was changed.
    assert keyed.forged == 0
    client.dst.ctl("del", "fake")
