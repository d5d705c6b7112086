# SPDX-License-Identifier: GPL-2.0
"""The lab's own Noise and sealed records, against values known from elsewhere."""

import dataclasses
import hashlib
import json
import pathlib
import re

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lab import noise, sealed, wire
from lab.noise import Forged, Identity, Initiator, Responder
from lab.peer import Refused
from lab.sealed import Binding, ClientHandshake, Direction, ServerHandshake, Suite
from lab.wire import Frame, Opcode

# The file says where it comes from.
VECTOR = json.loads((pathlib.Path(__file__).parent / "noise_vectors.json").read_text())
SESSION = bytes(range(16))


def known(name: str) -> bytes:
    value = VECTOR[name]
    return bytes.fromhex(value[0] if isinstance(value, list) else value)


def parties() -> tuple[Initiator, Responder]:
    initiator = Initiator(
        Identity(known("init_static")),
        known("init_remote_static"),
        known("init_psks"),
        known("init_prologue"),
        Identity(known("init_ephemeral")),
    )
    responder = Responder(
        Identity(known("resp_static")),
        known("resp_prologue"),
        Identity(known("resp_ephemeral")),
    )
    return initiator, responder


def test_published_conversation() -> None:
    assert VECTOR["protocol_name"].encode() == noise.NAME
    initiator, responder = parties()
    texts = [bytes.fromhex(message["payload"]) for message in VECTOR["messages"]]
    sent = [bytes.fromhex(message["ciphertext"]) for message in VECTOR["messages"]]
    assert initiator.first(texts[0]) == sent[0]
    assert responder.first(sent[0]) == texts[0]
    assert responder.other == Identity(known("init_static")).public
    assert responder.second(texts[1], known("resp_psks")) == sent[1]
    assert initiator.second(sent[1]) == texts[1]
    assert initiator.state.hash == responder.state.hash == known("handshake_hash")
    assert initiator.state.split() == responder.state.split()
    ciphers = [noise.Cipher(key) for key in initiator.state.split()]
    for number, (text, data) in enumerate(zip(texts[2:], sent[2:], strict=True)):
        assert ciphers[number % 2].seal(text) == data


def test_a_changed_message_is_forged() -> None:
    first, second = (bytes.fromhex(m["ciphertext"]) for m in VECTOR["messages"][:2])
    for at in range(len(first)):
        _, responder = parties()
        with pytest.raises(Forged):
            responder.first(first[:at] + bytes([first[at] ^ 1]) + first[at + 1 :])
    for at in range(len(second)):
        initiator, _ = parties()
        initiator.first(bytes.fromhex(VECTOR["messages"][0]["payload"]))
        with pytest.raises(Forged):
            initiator.second(second[:at] + bytes([second[at] ^ 1]) + second[at + 1 :])


def test_another_psk_is_noticed() -> None:
    initiator, responder = parties()
    responder.first(initiator.first(b""))
    with pytest.raises(Forged):
        initiator.second(responder.second(b"", b"another psk ...................."))


def test_points_of_low_order_are_refused() -> None:
    for point in bytes(32), b"\1" + bytes(31):
        with pytest.raises(Forged):
            Identity.generate().shared(point)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_derivation_is_that_of_the_rfc(count: int) -> None:
    """Noise's HKDF is the one of RFC 5869 with an empty info."""
    chaining, data = b"c" * 32, b"input"
    other = HKDF(hashes.BLAKE2s(32), 32 * count, salt=chaining, info=b"")
    assert b"".join(noise.hkdf(chaining, data, count)) == other.derive(data)


def test_keys_of_a_session_and_a_connection() -> None:
    """Spelled out as the specification has it."""

    def extract(chaining: bytes, data: bytes, count: int) -> bytes:
        return HKDF(hashes.BLAKE2s(32), 32 * count, salt=chaining, info=b"").derive(data)

    first, second = b"1" * 32, b"2" * 32
    secret = sealed.session_secret(b"h" * 32, (first, second))
    assert secret == extract(b"h" * 32, first + second, 1)
    binding = Binding(SESSION, 0x01020304, 0x05060708, 0x090A)
    keys = sealed.connection_keys(secret, binding, Suite.AES_256_GCM, b"c" * 32, b"s" * 32)
    info = (
        b"DST1 connection"
        + SESSION
        + bytes.fromhex("04030201 08070605 0a09 02000000")
        + b"c" * 32
        + b"s" * 32
    )
    assert keys == tuple(extract(secret, info, 2)[at : at + 32] for at in (0, 32))
    assert sealed.join_key(secret) == extract(secret, b"DST1 join", 1)
    assert sealed.next_key(keys[0]) == extract(keys[0], b"DST1 rekey", 1)
    assert len(sealed.PROLOGUE) == 16


@pytest.mark.parametrize("suite", list(Suite))
def test_a_handshake_and_what_follows(suite: Suite) -> None:
    me, server, psk = Identity.generate(), Identity.generate(), b"p" * 32
    asking = ClientHandshake(me, server.public, psk)
    binding = Binding(SESSION, 3, 4, 1)
    request = asking.initiate(binding, "disk", Suite.CHACHA20_POLY1305 | Suite.AES_256_GCM)
    assert len(request.encode()) == 48 + 32 + 48 + 25 + 4 + 16
    asked = ServerHandshake(server, request)
    assert (asked.client, asked.export, asked.binding) == (me.public, "disk", binding)
    reply, theirs = asked.respond(suite, psk)
    ours = asking.accept(reply)
    assert (ours.secret, ours.suite, ours.keys) == (theirs.secret, suite, theirs.keys)
    talk(ours.up(), theirs.up())
    talk(theirs.down(), ours.down())


def talk(sender: Direction, receiver: Direction) -> None:
    for payload in b"", b"x" * 4096:
        data = sender.frame(Frame(Opcode.WRITE, payload=payload))
        assert len(data) == 64 + (len(payload) + 16 if payload else 0)
        head = receiver.open(data[:64])
        assert Frame.decode(head)[1] == len(payload)
        if payload:
            assert receiver.open(data[64:]) == payload
    sender.rekey()
    with pytest.raises(Forged):
        receiver.open(sender.frame(Frame(Opcode.PING)))


def test_joining() -> None:
    secret, binding = b"s" * 32, Binding(SESSION, 3, 4, 1)
    joining = sealed.Joining(secret, binding)
    request = joining.request(Suite.AES_256_GCM)
    assert len(request.payload) == 72
    assert sealed.join_is_genuine(secret, request)
    assert not sealed.join_is_genuine(b"t" * 32, request)
    reply, theirs = sealed.join_reply(secret, request, Suite.AES_256_GCM)
    assert len(reply.payload) == 52
    ours = joining.accept(reply)
    assert ours.keys == theirs.keys
    reply.payload = bytes([reply.payload[0] ^ 1]) + reply.payload[1:]
    with pytest.raises(Forged):
        joining.accept(reply)


def test_a_mac_is_the_one_of_the_rfc() -> None:
    """HMAC by hand, as RFC 2104 has it."""
    key = b"k" * 32 + bytes(32)
    inner = hashlib.blake2s(bytes(b ^ 0x36 for b in key) + b"data").digest()
    outer = hashlib.blake2s(bytes(b ^ 0x5C for b in key) + inner).digest()
    assert noise.mac(b"k" * 32, b"data") == outer


def test_refusals_of_a_handshake_are_told_apart() -> None:
    asking = ClientHandshake(Identity.generate(), Identity.generate().public)
    asking.initiate(Binding(SESSION, 1, 1, 0), "disk")
    with pytest.raises(Refused) as refused:
        asking.accept(
            Frame(
                Opcode.BYE,
                status=wire.Status.DENIED,
                payload=wire.attribute(wire.Attribute.MESSAGE, b"no"),
            )
        )
    assert (refused.value.status, refused.value.message) == (wire.Status.DENIED, "no")
    with pytest.raises(Forged):
        asking.accept(Frame(Opcode.HELLO | wire.REPLY))


def examples() -> list[bytes]:
    """The dumps of the section of the specification that has them."""
    path = pathlib.Path(__file__).parents[3] / "Documentation/block/dst/protocol-sealed.rst"
    dumps: list[bytes] = []
    for line in path.read_text().partition("\nExamples\n")[2].splitlines():
        if match := re.fullmatch(r"   ([0-9a-f]{4})  ((?:[0-9a-f]{2} ?)+)", line):
            if match[1] == "0000":
                dumps.append(b"")
            dumps[-1] += bytes.fromhex(match[2])
    return dumps


def test_examples_of_the_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names all keys; the examples were made by the driver's code."""
    dumps = examples()
    at = next(n for n, dump in enumerate(dumps) if dump[4:5] == bytes([Opcode.INITIATE]))
    initiate, respond, keys, rekeyed, join, joined, joined_keys = dumps[at : at + 7]
    me, server, psk = Identity(b"\x11" * 32), Identity(b"\x22" * 32), b"\x33" * 32
    points = iter([Identity(b"\x44" * 32), Identity(b"\x55" * 32)])
    monkeypatch.setattr(Identity, "generate", lambda: next(points))
    binding = Binding(b"\1" * 16, 2, 2, 0)
    asking = ClientHandshake(me, server.public, psk)
    request = asking.initiate(binding, "storage")
    assert request.encode() == initiate
    asked = ServerHandshake(server, request)
    reply, theirs = asked.respond(Suite.CHACHA20_POLY1305, psk)
    assert reply.encode() == respond
    ours = asking.accept(reply)
    assert b"".join(ours.keys) == b"".join(theirs.keys) == keys
    up = ours.up()
    up.rekey()
    assert up.key == rekeyed
    joining = sealed.Joining(ours.secret, dataclasses.replace(binding, connection=1), b"\x66" * 32)
    assert joining.request().encode() == join
    monkeypatch.setattr("lab.sealed.secrets.token_bytes", lambda length: b"\x77" * length)
    answer, theirs = sealed.join_reply(ours.secret, joining.request(), Suite.CHACHA20_POLY1305)
    assert answer.encode() == joined
    assert b"".join(joining.accept(answer).keys) == b"".join(theirs.keys) == joined_keys
