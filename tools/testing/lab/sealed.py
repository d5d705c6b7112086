# SPDX-License-Identifier: GPL-2.0
"""Sealed connections, written from their specification alone.

Handshakes, joining, keys and records, without a socket: who holds the bytes
decides what becomes of them.
"""

from __future__ import annotations

import dataclasses
import enum
import hmac
import secrets
import struct
from typing import Any

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
except ImportError:  # in a machine
    from lab.libcrypto import AESGCM, ChaCha20Poly1305, InvalidTag

from lab import noise, wire
from lab.noise import NO_PSK, Forged, Identity
from lab.peer import Refused
from lab.wire import Frame, Opcode, Status

PROLOGUE = b"DST1 sealed IKp2"
FEATURE = 2
TAG = noise.TAG
HEADER = wire.HEADER_SIZE + TAG
NONCE = 32
NO_NONCE = bytes(NONCE)

_REQUEST = struct.Struct("<16sHHIB")
_JOIN = struct.Struct("<16sHHI32s")
_JOINED = struct.Struct("<32sI")


class Suite(enum.IntFlag):
    """What records are sealed with."""

    CHACHA20_POLY1305 = 1
    AES_256_GCM = 2


BOTH = Suite.CHACHA20_POLY1305 | Suite.AES_256_GCM
AEADS = {Suite.CHACHA20_POLY1305: ChaCha20Poly1305, Suite.AES_256_GCM: AESGCM}


@dataclasses.dataclass(frozen=True)
class Binding:
    """The connection that keys belong to."""

    session: bytes
    epoch: int = 1
    generation: int = 1
    connection: int = 0

    def frame(self, opcode: int, payload: bytes = b"", **fields: Any) -> Frame:
        """A frame of this connection."""
        return Frame(
            opcode, epoch=self.epoch, generation=self.generation, payload=payload, **fields
        )


# Keys.


def session_secret(chaining: bytes, keys: tuple[bytes, bytes]) -> bytes:
    """What a full handshake leaves for the rest of the session."""
    return noise.hkdf(chaining, b"".join(keys), 1)[0]


def connection_keys(
    secret: bytes, binding: Binding, suite: Suite, client_nonce: bytes, server_nonce: bytes
) -> tuple[bytes, bytes]:
    """Keys from client to server and from server to client."""
    where = struct.pack("<IIHI", binding.epoch, binding.generation, binding.connection, suite)
    first, second = noise.hkdf(
        secret, b"DST1 connection" + binding.session + where + client_nonce + server_nonce, 2
    )
    return first, second


def join_key(secret: bytes) -> bytes:
    """What proves that somebody was in the session's handshake."""
    return noise.hkdf(secret, b"DST1 join", 1)[0]


def next_key(key: bytes) -> bytes:
    """The key after a REKEY."""
    return noise.hkdf(key, b"DST1 rekey", 1)[0]


class Direction:
    """Records from one side of a connection to the other."""

    def __init__(self, key: bytes, suite: Suite) -> None:
        self.key = key
        self.suite = suite
        self.counter = 0

    def _nonce(self) -> bytes:
        nonce = bytes(4) + self.counter.to_bytes(8, "little")
        self.counter += 1
        return nonce

    def seal(self, data: bytes) -> bytes:
        """One operation of the cipher."""
        return AEADS[self.suite](self.key).encrypt(self._nonce(), data, None)

    def open(self, data: bytes) -> bytes:
        """The reverse."""
        try:
            return AEADS[self.suite](self.key).decrypt(self._nonce(), data, None)
        except InvalidTag as error:
            raise Forged("wrong tag") from error

    def frame(self, frame: Frame) -> bytes:
        """A frame as it goes over the wire."""
        data = frame.encode()
        sealed = self.seal(data[: wire.HEADER_SIZE])
        if payload := data[wire.HEADER_SIZE :]:
            sealed += self.seal(payload)
        return sealed

    def rekey(self) -> None:
        """Go on with the next key."""
        self.key = next_key(self.key)
        self.counter = 0


@dataclasses.dataclass(frozen=True)
class Keys:
    """What one side has when a connection is sealed."""

    secret: bytes
    suite: Suite
    keys: tuple[bytes, bytes]

    def up(self) -> Direction:
        """From the client to the server."""
        return Direction(self.keys[0], self.suite)

    def down(self) -> Direction:
        """From the server to the client."""
        return Direction(self.keys[1], self.suite)


# The full handshake.


def expect(frame: Frame, opcode: int, length: int) -> None:
    """Insist on an answer of the handshake; a BYE in its place is a refusal."""
    if frame.opcode == Opcode.BYE:
        text = wire.attributes(frame.payload).get(wire.Attribute.MESSAGE, b"").decode()
        raise Refused(Status(frame.status), text)
    if frame.opcode != opcode or frame.status != Status.OK or len(frame.payload) != length:
        raise Forged(f"not the answer that belongs here: {frame}")


class ClientHandshake:
    """The client's side; each part of what it sends can be a lie."""

    def __init__(self, me: Identity, server: bytes, psk: bytes = NO_PSK) -> None:
        self.me, self.server, self.psk = me, server, psk
        self.binding = Binding(bytes(16))
        self.noise: noise.Initiator | None = None

    def initiate(
        self,
        binding: Binding,
        export: str | bytes,
        suites: int = BOTH,
        name_length: int | None = None,
        more: bytes = b"",
        reserved: int = 0,
    ) -> Frame:
        """The first frame."""
        self.binding = binding
        name = export.encode() if isinstance(export, str) else export
        payload = _REQUEST.pack(
            binding.session,
            binding.connection,
            reserved,
            suites,
            len(name) if name_length is None else name_length,
        )
        payload += name + more
        length = noise.KEY + noise.KEY + TAG + len(payload) + TAG
        frame = binding.frame(Opcode.INITIATE, bytes(length))
        head = frame.encode()[: wire.HEADER_SIZE]
        self.noise = noise.Initiator(self.me, self.server, self.psk, PROLOGUE + head)
        frame.payload = self.noise.first(payload)
        return frame

    def accept(self, frame: Frame) -> Keys:
        """The answer to it."""
        expect(frame, Opcode.INITIATE | wire.REPLY, noise.KEY + 4 + TAG)
        assert self.noise is not None
        suite = Suite(int.from_bytes(self.noise.second(frame.payload), "little"))
        state = self.noise.state
        secret = session_secret(state.hash, state.split())
        keys = connection_keys(secret, self.binding, suite, NO_NONCE, NO_NONCE)
        return Keys(secret, suite, keys)


class ServerHandshake:
    """The server's side: who asks, and for what."""

    def __init__(self, me: Identity, frame: Frame) -> None:
        assert frame.opcode == Opcode.INITIATE, frame
        head = frame.encode()[: wire.HEADER_SIZE]
        self.noise = noise.Responder(me, PROLOGUE + head)
        payload = self.noise.first(frame.payload)
        session, connection, reserved, self.suites, length = _REQUEST.unpack_from(payload)
        name = payload[_REQUEST.size :]
        if reserved or len(name) != length:
            raise Forged("a request that is malformed")
        self.export = name.decode()
        self.client = self.noise.other
        self.binding = Binding(session, frame.epoch, frame.generation, connection)

    def respond(self, suite: int, psk: bytes = NO_PSK) -> tuple[Frame, Keys]:
        """The answer, and what follows from it."""
        message = self.noise.second(struct.pack("<I", suite), psk)
        state = self.noise.state
        secret = session_secret(state.hash, state.split())
        keys = connection_keys(secret, self.binding, Suite(suite), NO_NONCE, NO_NONCE)
        frame = self.binding.frame(Opcode.INITIATE | wire.REPLY, message)
        return frame, Keys(secret, Suite(suite), keys)


# Joining a session that has had its handshake.


def _mac(secret: bytes, data: bytes) -> bytes:
    return noise.mac(join_key(secret), data)[:TAG]


def _sign(secret: bytes, frame: Frame, before: bytes = b"") -> Frame:
    """Append the proof; the header that it covers counts it in."""
    part = frame.payload
    frame.payload = part + bytes(TAG)
    head = frame.encode()[: wire.HEADER_SIZE]
    frame.payload = part + _mac(secret, before + head + part)
    return frame


def _signed(secret: bytes, frame: Frame, before: bytes = b"") -> bool:
    return hmac.compare_digest(frame.payload[-TAG:], _mac(secret, before + frame.encode()[:-TAG]))


class Joining:
    """The client's side."""

    def __init__(self, secret: bytes, binding: Binding, nonce: bytes = b"") -> None:
        self.secret, self.binding = secret, binding
        self.nonce = nonce or secrets.token_bytes(NONCE)
        self.sent = b""

    def request(self, suites: int = BOTH, reserved: int = 0) -> Frame:
        """The first frame."""
        binding = self.binding
        payload = _JOIN.pack(binding.session, binding.connection, reserved, suites, self.nonce)
        frame = _sign(self.secret, binding.frame(Opcode.JOIN, payload))
        self.sent = frame.encode()
        return frame

    def accept(self, frame: Frame) -> Keys:
        """The answer to it."""
        expect(frame, Opcode.JOIN | wire.REPLY, _JOINED.size + TAG)
        if not _signed(self.secret, frame, self.sent):
            raise Forged("wrong proof")
        nonce, suite = _JOINED.unpack_from(frame.payload)
        keys = connection_keys(self.secret, self.binding, Suite(suite), self.nonce, nonce)
        return Keys(self.secret, Suite(suite), keys)


def join_is_genuine(secret: bytes, frame: Frame) -> bool:
    """Whether who wants to join knows the session's secret."""
    return len(frame.payload) == _JOIN.size + TAG and _signed(secret, frame)


def join_reply(secret: bytes, frame: Frame, suite: int) -> tuple[Frame, Keys]:
    """The server's answer, and what follows from it."""
    session, connection, _, _, theirs = _JOIN.unpack_from(frame.payload)
    binding = Binding(session, frame.epoch, frame.generation, connection)
    ours = secrets.token_bytes(NONCE)
    reply = binding.frame(Opcode.JOIN | wire.REPLY, _JOINED.pack(ours, suite))
    keys = connection_keys(secret, binding, Suite(suite), theirs, ours)
    return _sign(secret, reply, frame.encode()), Keys(secret, Suite(suite), keys)
