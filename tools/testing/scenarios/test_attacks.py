# SPDX-License-Identifier: GPL-2.0
"""Attacks on a server with keys: each fails, and who is honest does not notice.

Those that need no keys are in test_hostile.py.
"""

import secrets
from collections.abc import Callable

import pytest

from lab import sealed, wire
from lab.keyed import EVIL, MARK, PLACE, Keyed, evil, flipped, record, throw
from lab.peer import Client, Closed, Refused
from lab.sealed import Binding, Joining, Suite
from lab.sealed_peer import SealedClient
from lab.wire import Frame, Hello, Opcode, Status

attack = pytest.mark.attack


@pytest.mark.parametrize("suite", list(Suite))
def test_an_honest_client_is_served(keyed: Keyed, suite: Suite) -> None:
    """What the attacks are variations of does work when it is not one."""
    client = keyed.client(keyed.bob, suites=suite)
    welcome = client.hello("disk", connections=2)
    assert welcome.features == sealed.FEATURE
    assert client.keys and client.keys.suite == suite
    data = secrets.token_bytes(64 * 4096)
    client.write(1600, data)
    joined = keyed.client(keyed.bob, suites=suite, session=client.session)
    joined.join(client.keys.secret, connection=1)
    joined.hello("disk", connection=1, connections=2)
    for one in client, joined, client:
        one.rekey()
        assert one.alive()
        one.rekey()
        assert one.read(1600, 512) == data
        one.write(1600, data[:512], wire.FUA)
        assert one.ask(one.request(Opcode.FLUSH)).status == Status.OK
    assert keyed.errors() == 0
    joined.close()
    client.close()


# Replay.


@attack("a whole session is sent again", "nothing is executed, its owner goes on and can join")
def test_replay_of_a_session(keyed: Keyed) -> None:
    victim = keyed.client(keyed.bob)
    victim.hello("disk", connections=3)
    victim.write(PLACE, EVIL)
    keyed.honest.write(PLACE, MARK)
    before = keyed.errors()
    for _ in range(3):
        thief = keyed.bare()
        throw(thief, *victim.sent)
        assert thief.closed()
    assert keyed.honest.read(PLACE, 8) == MARK
    # What was sealed for another handshake is no record of this one.
    assert keyed.errors() == before + 3
    # Nobody but the owner could have replaced what joining depends on.
    assert victim.alive() and victim.keys
    late = keyed.client(keyed.bob, session=victim.session)
    late.join(victim.keys.secret, connection=1)
    late.hello("disk", connection=1, connections=3)
    assert late.read(PLACE, 8) == MARK
    late.close()
    victim.close()
    thief = keyed.bare()
    throw(thief, *victim.sent)
    assert thief.closed()


@attack("the joining of a connection is sent again", "nothing is executed")
def test_replay_of_a_join(keyed: Keyed) -> None:
    victim = keyed.welcomed(keyed.bob, connections=2)
    assert victim.keys
    joined = keyed.client(keyed.bob, session=victim.session)
    joined.join(victim.keys.secret, connection=1)
    joined.hello("disk", connection=1, connections=2)
    joined.write(PLACE, EVIL)
    keyed.honest.write(PLACE, MARK)
    for gone in False, True:
        if gone:
            joined.close()
        thief = keyed.bare()
        throw(thief, *joined.sent)
        assert thief.closed()
        assert victim.alive()
        assert gone or joined.alive()


@attack("a record is sent again", "the connection is dropped, nothing is executed")
def test_replay_of_a_record(keyed: Keyed) -> None:
    client = keyed.welcomed(keyed.bob)
    client.write(PLACE, EVIL)
    again = client.sent[-1]
    client.write(PLACE, MARK)
    before = keyed.errors()
    client.send(again)
    assert client.closed()
    assert keyed.errors() == before + 1


@attack("a record of one connection is sent over another", "the connection is dropped")
def test_replay_across_connections(keyed: Keyed) -> None:
    """At the same place of the stream: only the key tells them apart."""
    first = keyed.welcomed(keyed.bob, connections=2)
    assert first.keys
    stolen = record(first, evil(first))
    second = keyed.client(keyed.bob, session=first.session)
    second.join(first.keys.secret, connection=1)
    second.hello("disk", connection=1, connections=2)
    before = keyed.errors()
    second.send(stolen)
    assert second.closed()
    assert keyed.errors() == before + 1


@attack("a record of an earlier epoch or generation is sent", "the connection is dropped")
@pytest.mark.parametrize("stamp", [(2, 1), (1, 2)], ids=["epoch", "generation"])
def test_replay_across_epochs(keyed: Keyed, stamp: tuple[int, int]) -> None:
    client = keyed.welcomed(keyed.bob)
    stolen = record(client, evil(client))
    later = keyed.client(keyed.bob, session=client.session)
    later.hello("disk", epoch=stamp[0], generation=stamp[1])
    assert client.closed()
    before = keyed.errors()
    later.send(stolen)
    assert later.closed()
    assert keyed.errors() == before + 1


@attack("what the server has sent is sent back to it", "the connection is dropped")
def test_reflection(keyed: Keyed) -> None:
    for count in 1, 2:
        client = keyed.welcomed(keyed.bob)
        for _ in range(count):
            assert client.alive()
        before = keyed.errors()
        client.send(client.heard[-1])
        assert client.closed()
        assert keyed.errors() == before + 1
    # Also in place of the handshake.
    for which in 0, 1:
        thief = keyed.bare()
        throw(thief, *client.heard[which:])
        assert thief.closed()


# Changes to the stream.


@attack("two records change places", "the connection is dropped, neither is executed")
def test_reordering(keyed: Keyed) -> None:
    client = keyed.welcomed(keyed.bob)
    one, other = record(client, evil(client)), record(client, evil(client))
    throw(client, other, one)
    assert client.closed()


@attack("a record is left out", "the connection is dropped, nothing is executed")
def test_omission(keyed: Keyed) -> None:
    client = keyed.welcomed(keyed.bob)
    record(client, client.request(Opcode.FLUSH))
    client.send(evil(client))
    assert client.closed()


@attack("the stream ends in the middle of a record", "nothing is executed")
def test_truncation(keyed: Keyed) -> None:
    length = sealed.HEADER + len(EVIL) + sealed.TAG
    middle = (1, 47, 48, 49, 63, 64, 65, 64 + 512, length - 17, length - 16, length - 15)
    for end in (*middle, length - 1):
        client = keyed.welcomed(keyed.bob)
        client.send(record(client, evil(client))[:end])
        client.close(reset=end % 2 == 0)
    assert keyed.honest.read(PLACE, 8) == MARK
    # The same within the handshake, whose end is the end of everything.
    client = keyed.client(keyed.bob)
    client.hello("disk")
    for part in client.sent:
        for end in (1, 47, 48, 49, 80, len(part) - 1):
            thief = keyed.bare()
            thief.send(part[:end])
            thief.close(reset=end % 2 == 0)


@attack("pieces of several records are put together", "the connection is dropped")
def test_splicing(keyed: Keyed, subtests: pytest.Subtests) -> None:
    head, half = sealed.HEADER, sealed.HEADER + 2048
    pieces: dict[str, Callable[[bytes, bytes], bytes]] = {
        "the payload of another": lambda a, b: a[:head] + b[head:],
        "half of the payload of another": lambda a, b: a[:half] + b[half:],
        "the tag of another": lambda a, b: a[: -sealed.TAG] + b[-sealed.TAG :],
        "a payload before its header": lambda a, b: a[head:] + a[:head],
        "the tag before the payload": lambda a, b: a[:head] + a[-16:] + a[head:-16],
        "a header twice": lambda a, b: a[:head] + a[:head] + a[head:],
        "two headers": lambda a, b: a[:head] + b[:head] + a[head:] + b[head:],
        "a byte too many": lambda a, b: a[:half] + b"\0" + a[half:] + b,
        "a byte too few": lambda a, b: a[:half] + a[half + 1 :] + b,
        "no payload": lambda a, b: a[:head] + b,
    }
    for name, splice in pieces.items():
        with subtests.test(name):
            client = keyed.welcomed(keyed.bob)
            before = keyed.errors()
            throw(client, splice(record(client, evil(client)), record(client, evil(client))))
            assert client.closed()
            assert keyed.errors() == before + 1
            assert keyed.honest.read(PLACE, 8) == MARK


# Frames of each kind as a client sends them, sealed.
KINDS: dict[str, Callable[[SealedClient], Frame]] = {
    "read": lambda c: c.request(Opcode.READ, PLACE, 8),
    "write": evil,
    "flush": lambda c: c.request(Opcode.FLUSH),
    "discard": lambda c: c.request(Opcode.DISCARD, PLACE, 8),
    "write zeroes": lambda c: c.request(Opcode.WRITE_ZEROES, PLACE, 8),
    "ping": lambda c: c.stamped(Opcode.PING, handle=1),
    "pong": lambda c: c.stamped(Opcode.PING | wire.REPLY, handle=1),
    "rekey": lambda c: c.stamped(Opcode.REKEY),
    "bye": lambda c: c.stamped(Opcode.BYE),
}


def offsets(length: int, kind: str) -> list[int]:
    """Where to change a record: everywhere it matters."""
    if kind in ("write", "hello"):
        edges = {64, 65, 64 + 511, 64 + 512, length // 2, length - 17}
        places = {*range(64), *edges, *range(length - 16, length)}
        return sorted(at for at in places if at < length)
    return sorted({*range(0, 64, 5), *range(48, 64, 3), 63})


@attack("any bit of a sealed request changes", "the connection is dropped, nothing is executed")
@pytest.mark.parametrize("kind", KINDS)
def test_changed_records(keyed: Keyed, kind: str) -> None:
    before = keyed.errors()
    length = sealed.HEADER + (len(EVIL) + sealed.TAG if kind == "write" else 0)
    places = offsets(length, kind)
    for at in places:
        client = keyed.welcomed(keyed.bob)
        data = record(client, KINDS[kind](client))
        assert len(data) == length
        client.send(flipped(data, at, at % 8))
        assert client.closed(), at
    assert keyed.errors() == before + len(places)


@attack("any bit of a sealed hello changes", "nobody is let in")
def test_changed_hellos(keyed: Keyed) -> None:
    before = keyed.errors()
    places = offsets(sealed.HEADER + 64 + 8 + sealed.TAG, "hello")
    for at in places:
        client = keyed.client(keyed.bob)
        client.shake("disk")
        hello = Hello("disk", client.session, features=sealed.FEATURE)
        frame = Frame(Opcode.HELLO, epoch=1, generation=1, payload=hello.encode())
        client.send(flipped(record(client, frame), at, at % 8))
        assert client.closed(), at
    assert keyed.errors() == before + len(places)


@attack("any bit of a handshake changes", "nobody is let in")
@pytest.mark.parametrize("kind", ["initiate", "join"])
def test_changed_handshakes(keyed: Keyed, kind: str) -> None:
    owner = keyed.welcomed(keyed.bob, connections=2)
    assert owner.keys
    secret = owner.keys.secret

    def first(client: SealedClient) -> Frame:
        if kind == "join":
            return Joining(secret, Binding(owner.session, connection=1)).request()
        return client.handshake.initiate(Binding(client.session), "disk")

    at, length = 0, 1
    while at < length:
        client = keyed.client(keyed.bob)
        frame = first(client)
        data = frame.encode()
        throw(client, flipped(data, at, at % 8))
        with pytest.raises((Closed, Refused)):
            sealed.expect(client.receive(), frame.opcode | wire.REPLY, 0)
        client.close()
        at, length = at + 1, len(data)
    assert owner.alive()


@attack("the stamp of a handshake changes, and its checksum with it", "nobody is let in")
def test_another_stamp(keyed: Keyed) -> None:
    owner = keyed.welcomed(keyed.bob, connections=2)
    assert owner.keys
    for changes in {"epoch": 2}, {"generation": 2}, {"handle": 1}, {"flags": 1}, {"sectors": 1}:
        for kind in "initiate", "join":
            client = keyed.client(keyed.bob)
            if kind == "join":
                binding = Binding(owner.session, connection=1)
                frame = Joining(owner.keys.secret, binding).request()
            else:
                frame = client.handshake.initiate(Binding(client.session), "disk")
            for name, value in changes.items():
                setattr(frame, name, value)
            client.send(frame)
            with pytest.raises((Closed, Refused)):
                sealed.expect(client.receive(), frame.opcode | wire.REPLY, 0)
            client.close()
    assert owner.alive()


# Downgrade.


@attack("a client without keys greets an export that has some", "refused, and told why")
def test_plain_hello(keyed: Keyed) -> None:
    for fields in {}, {"write": False}, {"features": sealed.FEATURE}, {"features": 3}:
        client = Client(keyed.machine)
        with pytest.raises(Refused) as refused:
            client.hello("disk", **fields)
        assert refused.value.status == Status.DENIED
        assert "key" in refused.value.message
        assert client.closed()


@attack("a client with keys says inside that it has none", "refused")
def test_hello_without_the_feature(keyed: Keyed) -> None:
    for features in 0, 1:
        client = keyed.client(keyed.bob)
        with pytest.raises((Refused, Closed)):
            client.hello("disk", features=features)
        assert client.closed()


@attack("a digest is asked for where everything is sealed", "refused")
def test_a_digest_in_place_of_seals(keyed: Keyed) -> None:
    digest = wire.attribute(4 | 0x8000, b"crc32c")
    for features in sealed.FEATURE, sealed.FEATURE | 1:
        client = keyed.client(keyed.bob)
        with pytest.raises((Refused, Closed)) as refused:
            client.hello("disk", features=features, more=digest)
        assert not isinstance(refused.value, Refused) or refused.value.status == Status.INVALID


@attack("the list of suites is emptied, in a handshake or in a joining", "refused")
def test_suites_are_stripped(keyed: Keyed) -> None:
    for suites in 0, 4, 1 << 31:
        client = keyed.client(keyed.bob, suites=suites)
        with pytest.raises(Refused) as refused:
            client.hello("disk")
        assert refused.value.status == Status.FEATURE
    owner = keyed.welcomed(keyed.bob, connections=2)
    assert owner.keys
    for suites in 0, 1, 2:
        client = keyed.client(keyed.bob)
        frame = Joining(owner.keys.secret, Binding(owner.session, connection=1)).request()
        frame.payload = frame.payload[:20] + suites.to_bytes(4, "little") + frame.payload[24:]
        client.send(frame)
        with pytest.raises((Closed, Refused)):
            sealed.expect(client.receive(), Opcode.JOIN | wire.REPLY, 0)


@attack("only what the server does not allow is offered, in a handshake or a joining", "refused")
@pytest.mark.parametrize("suite", list(Suite))
def test_suites_that_are_not_allowed(keyed: Keyed, suite: Suite) -> None:
    name, other = {
        Suite.CHACHA20_POLY1305: ("chacha20-poly1305", Suite.AES_256_GCM),
        Suite.AES_256_GCM: ("aes-256-gcm", Suite.CHACHA20_POLY1305),
    }[suite]
    owner = keyed.welcomed(keyed.bob, connections=2)
    assert owner.keys
    secret = owner.keys.secret
    keyed.machine.dst.ctl("server", "set", "--suite", name)
    for suites in other, other | 4, other | 1 << 31:
        for joins in False, True:
            client = keyed.client(keyed.bob, suites=suites, session=owner.session)
            with pytest.raises(Refused) as refused:
                client.join(secret, connection=1) if joins else client.shake("disk")
            assert refused.value.status == Status.FEATURE
            assert refused.value.message == f"this server seals only with {name}"
            assert client.closed()
    # The owner of the session goes on, and joins with what is allowed.
    assert owner.alive()
    joined = keyed.client(keyed.bob, session=owner.session)
    assert joined.join(secret, connection=1).suite == suite
    joined.hello("disk", connection=1, connections=2)
    assert joined.read(PLACE, 8) == MARK
    late = keyed.welcomed(keyed.bob)
    assert late.keys and late.keys.suite == suite


@attack("plain frames are put into a sealed connection", "the connection is dropped")
def test_plain_frames(keyed: Keyed, subtests: pytest.Subtests) -> None:
    for name, make in KINDS.items():
        with subtests.test(name):
            client = keyed.welcomed(keyed.bob)
            before = keyed.errors()
            throw(client, make(client).encode(), client.stamped(Opcode.PING, handle=1))
            assert client.closed()
            assert keyed.errors() == before + 1


@attack("somebody with keys greets an export that has none", "refused")
def test_an_export_without_keys(keyed: Keyed) -> None:
    device = keyed.machine.call("blockio.memory_disk", size=1 << 24, name="open")
    keyed.machine.dst.export("open", device, allow=("127.0.0.0/8:rw",))
    client = keyed.client(keyed.bob)
    with pytest.raises(Refused) as refused:
        client.hello("open")
    assert refused.value.status == Status.DENIED
    # Nor does it help to say so.
    plain = Client(keyed.machine)
    with pytest.raises((Refused, Closed)):
        plain.hello("open", features=sealed.FEATURE)
