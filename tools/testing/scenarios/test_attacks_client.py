# SPDX-License-Identifier: GPL-2.0
"""Attacks on a client with keys: it believes nobody but the server it was told.

Those that need no keys are in test_false_server.py.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator

import pytest

from lab import sealed, wire
from lab.keyed import flipped
from lab.machine import Machine, Result
from lab.noise import Identity
from lab.sealed import Keys, ServerHandshake
from lab.sealed_peer import Records, SealedServer, refusal
from lab.wire import Frame, Opcode, Status

PLACE = 4096
NEW = b"new!" * 1024
RIGHT = hashlib.sha256(NEW[:512] * 8).hexdigest()
DEVICE = "/dev/dst-fake"
attack = pytest.mark.attack


@pytest.fixture
def me() -> Identity:
    return Identity.generate()


@pytest.fixture
def fake(client: Machine) -> Iterator[SealedServer]:
    server = SealedServer(client, Identity.generate())
    server.data = {sector: NEW[:512] for sector in range(PLACE, PLACE + 8)}
    yield server
    server.stop()


def attach(
    client: Machine, fake: SealedServer, me: Identity, *options: str, key: bytes = b""
) -> None:
    """Attach the fake, which has to work."""
    client.dst.attach("fake", client, *client.dst.keys(me, key or fake.me.public), *options)


def try_attach(
    client: Machine, fake: SealedServer, me: Identity, *options: str, key: bytes = b""
) -> Result:
    """Attach the fake, which must not work."""
    keys = client.dst.keys(me, key or fake.me.public)
    result = client.dst.ctl(
        "add", "fake", "127.0.0.1", *keys, *options, "--timeout", "1s", check=False
    )
    client.dst.clear()
    assert result.rc in (6, 7), result
    # Whatever it was told, it has never begun to speak in plain.
    assert fake.greetings
    assert all(frame.opcode in (Opcode.INITIATE, Opcode.JOIN) for frame in fake.greetings)
    return result


def reading(client: Machine) -> object:
    return client.start_call("blockio.digest", path=DEVICE, sector=PLACE, count=8)


@pytest.mark.parametrize("suite", list(sealed.Suite))
def test_an_honest_server_is_believed(
    fake: SealedServer, client: Machine, me: Identity, suite: sealed.Suite
) -> None:
    """Also over several connections, and with new keys."""
    fake.suite, fake.parallel = suite, True
    fake.lies["max_connections"] = 2
    attach(client, fake, me, "--connections", "2")
    client.wait("objects.storage_has", name="fake", connected=2)
    assert set(fake.clients) == {me.public}
    for _ in range(3):
        client.call("blockio.write", path=DEVICE, sector=3, count=700, seed=1)
        assert client.call("blockio.wrong", path=DEVICE, sector=3, count=700, seed=1) == []
        records(fake).change_keys(fake.frame(Opcode.REKEY))
    assert client.dst.show("fake")["epoch"] == 1
    assert client.dst.show("fake")["counters"]["seal_errors"] == 0
    client.dst.ctl("del", "fake")


def records(fake: SealedServer) -> Records:
    """The connection, sealed."""
    assert isinstance(fake.connection, Records)
    return fake.connection


@attack("a server that has another key", "never attached, never greeted")
def test_another_server(fake: SealedServer, client: Machine, me: Identity) -> None:
    try_attach(client, fake, me, key=Identity.generate().public)
    assert fake.forged and not fake.hellos
    # Even if it can read what was meant for the other: it cannot answer for it.
    fake.psk = b"another psk ...................."
    result = try_attach(client, fake, me)
    assert not fake.hellos, result


@attack("another server on the address of the known one", "not believed, I/O waits for the right")
def test_a_server_is_replaced(fake: SealedServer, client: Machine, me: Identity) -> None:
    attach(client, fake, me)
    right, fake.me = fake.me, Identity.generate()
    hellos = len(fake.hellos)
    fake.hang_up()
    data = reading(client)
    fake.wait_for(lambda: fake.forged >= 2)
    assert len(fake.hellos) == hellos
    fake.me = right
    assert data.result(60) == RIGHT
    client.dst.ctl("del", "fake")


def stamped(request: Frame, opcode: int, payload: bytes = b"", **fields: int) -> Frame:
    """An answer with the stamp of what it answers."""
    return Frame(
        opcode, epoch=request.epoch, generation=request.generation, payload=payload, **fields
    )


RESPOND = Opcode.INITIATE | wire.REPLY
JOINED = Opcode.JOIN | wire.REPLY
WELCOME = Opcode.HELLO | wire.REPLY


# What somebody without the key may say in place of the answer.
ANSWERS: dict[str, Callable[[Frame], Frame | bytes | None]] = {
    "nothing": lambda r: None,
    "rubbish": lambda r: b"SSH-2.0-OpenSSH_10.0\r\n" * 10,
    "its own question": lambda r: r,
    "a welcome in plain": lambda r: stamped(r, WELCOME, bytes(136)),
    "a refusal in plain": lambda r: stamped(r, WELCOME, status=Status.FEATURE),
    "draining": lambda r: stamped(r, Opcode.DRAINING, sectors=1),
    "a ping": lambda r: stamped(r, Opcode.PING, handle=1),
    "data": lambda r: stamped(r, Opcode.READ | wire.REPLY, bytes(512), sectors=1),
    "new keys": lambda r: stamped(r, Opcode.REKEY),
    "an answer to another question": lambda r: stamped(r, JOINED, bytes(52)),
    "zeroes": lambda r: stamped(r, RESPOND, bytes(52)),
    "an answer that is empty": lambda r: stamped(r, RESPOND),
    "an answer that is too short": lambda r: stamped(r, RESPOND, bytes(51)),
    "an answer that is too long": lambda r: stamped(r, RESPOND, bytes(53)),
    "an answer without end": lambda r: stamped(r, RESPOND, length=0xFFFFFFFF),
    "a failed answer": lambda r: stamped(r, RESPOND, bytes(52), status=Status.DENIED),
}


@attack("rubbish, plain frames or false answers to a handshake", "never attached, never greeted")
def test_false_answers(
    fake: SealedServer, client: Machine, me: Identity, subtests: pytest.Subtests
) -> None:
    for name, answer in ANSWERS.items():
        with subtests.test(name):
            fake.instead[Opcode.INITIATE] = answer
            try_attach(client, fake, me)
            assert not fake.hellos


@attack("the right answer to a handshake, changed or of another handshake", "never attached")
def test_changed_answers(
    fake: SealedServer, client: Machine, me: Identity, subtests: pytest.Subtests
) -> None:
    old: list[Frame] = []

    def genuine(request: Frame) -> Frame:
        frame = ServerHandshake(fake.me, request).respond(sealed.Suite.CHACHA20_POLY1305)[0]
        old.append(dataclasses.replace(frame))
        return frame

    def changed(at: int) -> Callable[[Frame], bytes]:
        return lambda request: flipped(genuine(request).encode(), at, at % 8)

    def stamp(**fields: int) -> Callable[[Frame], Frame]:
        def answer(request: Frame) -> Frame:
            frame = genuine(request)
            for name, value in fields.items():
                setattr(frame, name, value)
            return frame

        return answer

    cases: dict[str, Callable[[Frame], Frame | bytes]] = {
        f"bit at {at}": changed(at) for at in (4, 36, 44, 48, 79, 80, 83, 84, 99)
    }
    cases["another epoch"] = stamp(epoch=77)
    cases["another generation"] = stamp(generation=77)
    cases["a handle"] = stamp(handle=1)
    cases["an answer of before"] = lambda request: stamped(request, RESPOND, old[0].payload)
    for name, answer in cases.items():
        with subtests.test(name):
            fake.instead[Opcode.INITIATE] = answer
            try_attach(client, fake, me)
            assert not fake.hellos
    assert len(old) >= 12


@attack("a server that chooses a suite that was not offered", "never attached")
@pytest.mark.parametrize("choice", [0, 1, 3, 4, 0x80000002])
def test_another_suite(fake: SealedServer, client: Machine, me: Identity, choice: int) -> None:
    def answer(request: Frame) -> Frame:
        return ServerHandshake(fake.me, request).respond(sealed.Suite(choice))[0]

    fake.instead[Opcode.INITIATE] = answer
    try_attach(client, fake, me, "--suite", "aes-256-gcm")
    assert not fake.hellos


@attack("a welcome that says that the connection is not sealed", "never attached")
@pytest.mark.parametrize("features", [0, 1, 3, 1 << 63 | 2])
def test_welcome_without_the_feature(
    fake: SealedServer, client: Machine, me: Identity, features: int
) -> None:
    fake.lies["features"] = features
    try_attach(client, fake, me)
    assert fake.hellos and not fake.frames


@attack("refusals that nobody has signed, while a file system waits", "tried again, nothing fails")
def test_unsigned_refusals(fake: SealedServer, client: Machine, me: Identity) -> None:
    """Anybody on the way can say no; that must not be the end of a storage."""
    attach(client, fake, me)
    statuses = [Status.DENIED, Status.NO_EXPORT, Status.IDENTITY, Status.GONE, Status.FEATURE]
    told: list[Status] = []

    def refuse(request: Frame) -> Frame:
        status = statuses[len(told) % len(statuses)]
        told.append(status)
        return refusal(request, status)

    fake.instead[Opcode.INITIATE] = refuse
    fake.hang_up()
    data = reading(client)
    fake.wait_for(lambda: len(told) >= len(statuses), 120)
    assert client.dst.show("fake")["state"] == "reconnecting"
    assert not data.done()
    fake.instead.clear()
    assert data.result(120) == RIGHT
    client.dst.wait_state("fake", "connected")
    client.dst.ctl("del", "fake")


@attack("a refusal that nobody has signed, of a first attempt", "told as what it is")
def test_an_unsigned_refusal_is_told_as_such(
    fake: SealedServer, client: Machine, me: Identity
) -> None:
    fake.instead[Opcode.INITIATE] = lambda request: refusal(request, Status.DENIED, b"\x1b[1mno")
    result = try_attach(client, fake, me)
    assert "unauthenticated" in result.err.lower(), result
    assert "\x1b" not in result.err


# What somebody does to the answer to a read. Each gives bytes as they go out.
def _sealed(fake: SealedServer, request: Frame, **fields: object) -> bytes:
    outgoing = records(fake).outgoing
    assert outgoing
    return outgoing.frame(fake.answer(request, **fields))


def _twice(fake: SealedServer, request: Frame) -> bytes:
    data = _sealed(fake, request)
    return data + data


def _swapped(fake: SealedServer, request: Frame) -> bytes:
    first = _sealed(fake, request)
    return _sealed(fake, request) + first


def _omitted(fake: SealedServer, request: Frame) -> bytes:
    _sealed(fake, request)
    return _sealed(fake, request)


def _false_rekey(**fields: object) -> Callable[[SealedServer, Frame], bytes]:
    def make(fake: SealedServer, request: Frame) -> bytes:
        outgoing = records(fake).outgoing
        assert outgoing
        frame = stamped(request, Opcode.REKEY)
        for name, value in fields.items():
            setattr(frame, name, value)
        return outgoing.frame(frame) + outgoing.frame(fake.answer(request))

    return make


def _flip(at: int) -> Callable[[SealedServer, Frame], bytes]:
    return lambda fake, request: flipped(_sealed(fake, request), at, at % 8)


LENGTH = sealed.HEADER + 4096 + sealed.TAG
DISTURBED: dict[str, Callable[[SealedServer, Frame], bytes]] = {
    "the client's own record": lambda fake, r: records(fake).heard[-1],
    "the welcome once more": lambda fake, r: records(fake).sent[1],
    "an answer in plain": lambda fake, r: fake.answer(r).encode() + bytes(LENGTH),
    "a pong in plain": lambda fake, r: stamped(r, 0x83, handle=1).encode() + bytes(16),
    "a farewell in plain": lambda fake, r: refusal(r, Status.GONE).encode(),
    "the answer twice": _twice,
    "two answers swapped": _swapped,
    "an answer left out": _omitted,
    "a byte before it": lambda fake, r: b"\0" + _sealed(fake, r),
    "header only": lambda fake, r: _sealed(fake, r)[:64] + bytes(4112),
    "new keys that are not used": _false_rekey(),
    "new keys with a payload": _false_rekey(payload=bytes(8)),
    "new keys with a handle": _false_rekey(handle=1),
    **{
        f"bit at {at}": _flip(at)
        for at in (0, 4, 9, 13, 21, 47, 48, 63, 64, 65, 2000, 4159, 4160, 4175)
    },
}


@attack("what a server sends is changed, swapped, repeated, reflected or made up", "data is right")
def test_disturbed_answers(
    fake: SealedServer, client: Machine, me: Identity, subtests: pytest.Subtests
) -> None:
    attach(client, fake, me)
    for name, disturb in DISTURBED.items():
        with subtests.test(name):
            told: list[Frame] = []

            def once(frame: Frame, disturb: Callable = disturb, told: list = told) -> object:
                if told or frame.sector != PLACE:
                    return fake.answer(frame)
                told.append(frame)
                return disturb(fake, frame)

            fake.on[Opcode.READ] = once
            before = client.dst.show("fake")
            assert reading(client).result(60) == RIGHT
            client.dst.wait_state("fake", "connected", epoch=before["epoch"] + 1)
            errors = client.dst.show("fake")["counters"]["seal_errors"]
            if not name.startswith("new keys with"):
                assert errors == before["counters"]["seal_errors"] + 1
            assert told
    fake.on.clear()
    assert client.dst.show("fake")["counters"]["errors"] == 0
    client.dst.ctl("del", "fake")


# Answers to a second connection that wants to join the session.
def _another_secret(fake: SealedServer, request: Frame) -> Frame | bytes | None:
    return sealed.join_reply(b"another secret .................", request, fake.suite)[0]


def _another_session(fake: SealedServer, request: Frame) -> Frame | bytes | None:
    other = stamped(request, request.opcode, b"another session." + request.payload[16:])
    return sealed.join_reply(fake.secrets[request.payload[:16]], other, fake.suite)[0]


def _another_choice(suite: int) -> Callable[[SealedServer, Frame], Frame | bytes | None]:
    return lambda fake, request: sealed.join_reply(
        fake.secrets[request.payload[:16]], request, suite
    )[0]


def _joined(fake: SealedServer, request: Frame) -> tuple[Frame, Keys]:
    return sealed.join_reply(fake.secrets[request.payload[:16]], request, fake.suite)


JOININGS: dict[str, Callable[[SealedServer, Frame], Frame | bytes | None]] = {
    "another secret": _another_secret,
    "another session": _another_session,
    "zeroes": lambda fake, r: stamped(r, JOINED, bytes(52)),
    "too short": lambda fake, r: stamped(r, JOINED, bytes(51)),
    "too long": lambda fake, r: stamped(r, JOINED, bytes(53)),
    "an answer to a full handshake": lambda fake, r: stamped(r, RESPOND, bytes(52)),
    "a welcome in plain": lambda fake, r: stamped(r, WELCOME, bytes(136)),
    "no suite": _another_choice(0),
    "two suites": _another_choice(3),
    "the suite changed": lambda fake, r: flipped(_joined(fake, r)[0].encode(), 48 + 32, 1),
    "the nonce changed": lambda fake, r: flipped(_joined(fake, r)[0].encode(), 48, 1),
    "the proof changed": lambda fake, r: flipped(_joined(fake, r)[0].encode(), 99, 1),
    "its own question": lambda fake, r: r,
    "a refusal": lambda fake, r: refusal(r, Status.DENIED),
    "a refusal as stale": lambda fake, r: refusal(r, Status.STALE),
}


@attack("a connection that joins is answered for another session, or falsely", "not joined")
def test_false_answers_to_a_join(
    fake: SealedServer, client: Machine, me: Identity, subtests: pytest.Subtests
) -> None:
    """The first connection carries everything meanwhile, and in the end there are two."""
    fake.parallel = True
    fake.lies["max_connections"] = 2
    for name, answer in JOININGS.items():
        with subtests.test(name):
            fake.greetings.clear()
            fake.hellos.clear()
            fake.instead[Opcode.JOIN] = lambda request, answer=answer: answer(fake, request)
            attach(client, fake, me, "--connections", "2")
            fake.wait_for(lambda: len([f for f in fake.greetings]) >= 2)
            assert fake.greetings[1].opcode == Opcode.JOIN
            assert reading(client).result(60) == RIGHT
            # It may have gone on to the full handshake, but never on this answer.
            fulls = [f.opcode for f in fake.greetings].count(Opcode.INITIATE)
            assert len(fake.hellos) <= fulls
            fake.instead.clear()
            client.wait("objects.storage_has", 60, name="fake", connected=2)
            client.dst.ctl("del", "fake")
