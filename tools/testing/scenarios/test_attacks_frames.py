# SPDX-License-Identifier: GPL-2.0
"""Attacks on a server with keys by frames at wrong places, and by wasting what it has."""

from collections.abc import Callable
from typing import Any

import pytest

from lab import sealed, wire
from lab.keyed import EVIL, MARK, PLACE, Keyed, evil, record, throw
from lab.peer import Client, Closed, Refused
from lab.rpc import RemoteError
from lab.sealed import Binding
from lab.sealed_peer import SealedClient
from lab.wire import Frame, Opcode, Status

attack = pytest.mark.attack


# Frames at wrong places.


@attack("handshakes that are malformed, too short, too long or of no use", "refused")
def test_malformed_handshakes(keyed: Keyed, subtests: pytest.Subtests) -> None:
    zero = bytes(32)

    def low_order(client: SealedClient) -> Frame:
        frame = client.handshake.initiate(Binding(client.session), "disk")
        frame.payload = zero + frame.payload[32:]
        return frame

    def plain(opcode: int, length: int) -> Callable[[SealedClient], Frame]:
        return lambda c: Frame(opcode, epoch=1, generation=1, payload=bytes(length))

    def initiate(**fields: Any) -> Callable[[SealedClient], Frame]:
        return lambda c: c.handshake.initiate(Binding(c.session), **{"export": "disk", **fields})

    def unstamped(client: SealedClient) -> Frame:
        return client.handshake.initiate(Binding(client.session, 0, 0), "disk")

    attempts: dict[str, Callable[[SealedClient], Frame]] = {
        "nothing": plain(Opcode.INITIATE, 0),
        "a point": plain(Opcode.INITIATE, 32),
        "all but the last tag": plain(Opcode.INITIATE, 96),
        "zeroes": plain(Opcode.INITIATE, 150),
        "as long as allowed": plain(Opcode.INITIATE, 4096),
        "longer than allowed": plain(Opcode.INITIATE, 4097),
        "as long as a number allows": lambda c: Frame(Opcode.INITIATE, length=0xFFFFFFFF),
        "an ephemeral key of low order": low_order,
        "no stamp": unstamped,
        "no name": initiate(export=""),
        "a name longer than it is": initiate(name_length=5),
        "a name shorter than it is": initiate(name_length=3),
        "the longest name there is not": initiate(name_length=255),
        "something behind the name": initiate(more=bytes(100)),
        "a name that is none": initiate(export=b"di\x1b\xff"),
        "a name that is too long": initiate(export="d" * 64),
        "a reserved field": initiate(reserved=1),
        "an empty join": plain(Opcode.JOIN, 0),
        "a short join": plain(Opcode.JOIN, 71),
        "a long join": plain(Opcode.JOIN, 73),
        "a join of zeroes": plain(Opcode.JOIN, 72),
        "an answer": plain(Opcode.INITIATE | wire.REPLY, 52),
        "an answer to a join": plain(Opcode.JOIN | wire.REPLY, 52),
        "new keys for none": plain(Opcode.REKEY, 0),
    }
    for name, make in attempts.items():
        with subtests.test(name):
            client = keyed.client(keyed.bob)
            throw(client, make(client))
            with pytest.raises((Refused, Closed)):
                sealed.expect(client.receive(), Opcode.INITIATE | wire.REPLY, 0)
            assert client.closed()


@attack("a handshake after a handshake, sealed or not", "the connection is dropped")
def test_second_handshakes(keyed: Keyed) -> None:
    for greeted in False, True:
        for hidden in False, True:
            client = keyed.client(keyed.bob)
            client.shake("disk")
            if greeted:
                client.hello("disk")
            again = client.handshake.initiate(Binding(client.session), "disk")
            throw(client, again if hidden else again.encode())
            assert client.closed()


@attack("new keys at a wrong place, with contents, or without using them", "dropped")
def test_false_rekeys(keyed: Keyed, subtests: pytest.Subtests) -> None:
    def announce_only(client: SealedClient) -> None:
        client.send(client.stamped(Opcode.REKEY))
        throw(client, client.stamped(Opcode.PING, handle=1))

    def twice(client: SealedClient) -> None:
        client.rekey()
        throw(client, client.stamped(Opcode.REKEY))

    def use_only(client: SealedClient) -> None:
        assert client.outgoing
        client.outgoing.rekey()
        client.send(client.stamped(Opcode.PING, handle=1))

    def go_back(client: SealedClient) -> None:
        assert client.outgoing
        old = client.outgoing.key, client.outgoing.counter
        client.rekey()
        assert client.alive()
        client.outgoing.key, client.outgoing.counter = old[0], old[1] + 1
        client.send(client.stamped(Opcode.PING, handle=1))

    def within_a_write(client: SealedClient) -> None:
        data = record(client, evil(client))
        throw(client, data[:1000], record(client, client.stamped(Opcode.REKEY)), data[1000:])

    def frame(**fields: Any) -> Callable[[SealedClient], None]:
        return lambda client: client.send(client.stamped(Opcode.REKEY, **fields))

    attempts: dict[str, Callable[[SealedClient], None]] = {
        "announced only": announce_only,
        "twice in a row": twice,
        "used only": use_only,
        "and back": go_back,
        "within a write": within_a_write,
        "with a payload": frame(payload=bytes(32)),
        "with a handle": frame(handle=1),
        "with a status": frame(status=1),
        "with a flag": frame(flags=1),
        "with sectors": frame(sectors=1),
        "as an answer": lambda c: c.send(c.stamped(Opcode.REKEY | wire.REPLY)),
        "in plain": lambda c: throw(c, c.stamped(Opcode.REKEY).encode() + bytes(16)),
    }
    for name, make in attempts.items():
        with subtests.test(name):
            client = keyed.welcomed(keyed.bob)
            make(client)
            assert client.closed()
    with subtests.test("before the hello"):
        client = keyed.client(keyed.bob)
        client.shake("disk")
        client.change_keys(Frame(Opcode.REKEY, epoch=1, generation=1))
        # What comes behind it is as it would have to be.
        with pytest.raises((Closed, RemoteError)):
            client.hello("disk")
        assert client.closed()
    with subtests.test("without keys"):
        device = keyed.machine.call("blockio.memory_disk", size=1 << 24, name="open")
        keyed.machine.dst.export("open", device, allow=("127.0.0.0/8:rw",))
        client = Client(keyed.machine)
        client.hello("open")
        client.send(client.request(Opcode.REKEY, handle=0))
        assert client.closed()
    with subtests.test("a hundred, each used once"):
        client = keyed.welcomed(keyed.bob)
        for _ in range(100):
            client.rekey()
            assert client.alive()
        assert client.read(PLACE, 8) == MARK
        client.close()


# Resources.


@attack("more requests than credits, sealed", "the connection is dropped")
def test_credits_are_a_limit(keyed: Keyed) -> None:
    client = keyed.welcomed(keyed.bob)
    assert client.welcome
    burst = b"".join(
        record(client, client.request(Opcode.READ, 0, 512))
        for _ in range(client.welcome.window // 64 * 8 + 8)
    )
    # Not reading the replies keeps the requests outstanding.
    assert client.sock.send(burst) > 0
    assert client.closed()


@attack("a handshake that comes byte by byte, one in a second", "hung up on after a while")
def test_a_slow_handshake(keyed: Keyed) -> None:
    slow = keyed.client(keyed.bob)
    data = slow.handshake.initiate(Binding(slow.session), "disk").encode()
    slow.sock.timeout = 1
    for at in range(40):
        throw(slow, data[at : at + 1])
        if slow.closed():
            break
        keyed.still_honest()
    else:
        pytest.fail("who says nothing that makes sense is still listened to")


@attack("a handshake without a greeting after it", "hung up on after a while")
def test_a_silent_guest(keyed: Keyed) -> None:
    silent = keyed.client(keyed.bob, timeout=60)
    keys = silent.shake("disk")
    silent.send(Frame(Opcode.HELLO, epoch=1, generation=1, payload=bytes(100)).encode()[:40])
    assert silent.closed()
    # Nothing was left that could be joined.
    client = keyed.client(keyed.bob, session=silent.session)
    with pytest.raises((Refused, Closed)):
        client.join(keys.secret, connection=1)


@attack("many connections that never finish a handshake", "others get in")
def test_unfinished_handshakes(keyed: Keyed) -> None:
    """They cost their maker more than the server."""
    left = []
    for number in range(100):
        client = keyed.client(keyed.bob)
        data = client.handshake.initiate(Binding(client.session), "disk").encode()
        throw(client, data if number % 2 else data[:100])
        left.append(client)
    for client in left:
        client.close(reset=True)
    late = keyed.welcomed(keyed.bob)
    assert late.read(PLACE, 8) == MARK
    late.close()


@attack("requests that are out of range, sealed", "answered with an error")
def test_out_of_range(keyed: Keyed) -> None:
    end = (1 << 30) // 512
    client = keyed.welcomed(keyed.bob)
    for opcode in Opcode.READ, Opcode.WRITE, Opcode.WRITE_ZEROES:
        payload = EVIL if opcode == Opcode.WRITE else b""
        for sector in end - 7, end, 2**55, 2**63, 2**64 - 8, 2**64 - 1:
            answer = client.ask(client.request(opcode, sector, 8, payload=payload))
            assert answer.status == Status.RANGE, (opcode, sector)
    assert client.read(PLACE, 8) == MARK
    client.close()
