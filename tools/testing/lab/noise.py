# SPDX-License-Identifier: GPL-2.0
"""Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, written from its specification.

Like the rest of the lab's protocol it shares nothing with the driver, except
the paper that both were written from (noiseprotocol.org, revision 34).
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import secrets

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
except ImportError:  # in a machine
    from lab.libcrypto import ChaCha20Poly1305, InvalidTag, X25519PrivateKey, X25519PublicKey

NAME = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
KEY = 32
TAG = 16
NO_PSK = bytes(KEY)


class Forged(ValueError):
    """Something was not sealed by who should have, or has been changed since."""


def mac(key: bytes, data: bytes) -> bytes:
    """HMAC-BLAKE2s."""
    return hmac.new(key, data, hashlib.blake2s).digest()


def hkdf(chaining: bytes, data: bytes, count: int) -> list[bytes]:
    """The first outputs of the HKDF that Noise uses."""
    secret = mac(chaining, data)
    outputs = [mac(secret, b"\x01")]
    while len(outputs) < count:
        outputs.append(mac(secret, outputs[-1] + bytes([len(outputs) + 1])))
    return outputs


@dataclasses.dataclass(frozen=True)
class Identity:
    """A key pair."""

    private: bytes

    @classmethod
    def generate(cls) -> Identity:
        """A new one."""
        return cls(secrets.token_bytes(KEY))

    @property
    def public(self) -> bytes:
        """What others know it by."""
        return X25519PrivateKey.from_private_bytes(self.private).public_key().public_bytes_raw()

    @property
    def text(self) -> str:
        """The public key as people write it."""
        return base64.b64encode(self.public).decode()

    def shared(self, public: bytes) -> bytes:
        """The Diffie-Hellman function; a point that gives all zeroes is refused."""
        try:
            return X25519PrivateKey.from_private_bytes(self.private).exchange(
                X25519PublicKey.from_public_bytes(public)
            )
        except ValueError as error:
            raise Forged("a point of low order") from error


class Cipher:
    """A key and how often it was used, in the order that Noise prescribes."""

    def __init__(self, key: bytes) -> None:
        self.aead = ChaCha20Poly1305(key)
        self.counter = 0

    def _nonce(self) -> bytes:
        nonce = bytes(4) + self.counter.to_bytes(8, "little")
        self.counter += 1
        return nonce

    def seal(self, data: bytes, also: bytes = b"") -> bytes:
        """Encrypt; the tag covers more than the data."""
        return self.aead.encrypt(self._nonce(), data, also)

    def open(self, data: bytes, also: bytes = b"") -> bytes:
        """Decrypt, and insist on the tag."""
        try:
            return self.aead.decrypt(self._nonce(), data, also)
        except InvalidTag as error:
            raise Forged("wrong tag") from error


class Symmetric:
    """What both sides have said and agreed on so far."""

    def __init__(self, prologue: bytes) -> None:
        self.hash = hashlib.blake2s(NAME).digest()
        self.chaining = self.hash
        self.cipher: Cipher | None = None
        self.mix_hash(prologue)

    def mix_hash(self, data: bytes) -> None:
        """Both have seen this."""
        self.hash = hashlib.blake2s(self.hash + data).digest()

    def mix_key(self, data: bytes) -> None:
        """Both, and nobody else, can know this."""
        self.chaining, key = hkdf(self.chaining, data, 2)
        self.cipher = Cipher(key)

    def mix_key_and_hash(self, psk: bytes) -> None:
        """Both were told this beforehand."""
        self.chaining, extra, key = hkdf(self.chaining, psk, 3)
        self.mix_hash(extra)
        self.cipher = Cipher(key)

    def seal(self, data: bytes) -> bytes:
        """Say something under the present key."""
        assert self.cipher is not None
        sealed = self.cipher.seal(data, self.hash)
        self.mix_hash(sealed)
        return sealed

    def open(self, sealed: bytes) -> bytes:
        """Hear it."""
        assert self.cipher is not None
        data = self.cipher.open(sealed, self.hash)
        self.mix_hash(sealed)
        return data

    def split(self) -> tuple[bytes, bytes]:
        """Keys from the initiator and from the responder."""
        first, second = hkdf(self.chaining, b"", 2)
        return first, second


class Initiator:
    """The side that knows the other's key beforehand.

    -> e, es, s, ss
    <- e, ee, se, psk
    """

    def __init__(
        self,
        me: Identity,
        other: bytes,
        psk: bytes = NO_PSK,
        prologue: bytes = b"",
        ephemeral: Identity | None = None,
    ) -> None:
        self.me, self.other, self.psk = me, other, psk
        self.ephemeral = ephemeral or Identity.generate()
        self.state = Symmetric(prologue)
        self.state.mix_hash(other)

    def first(self, payload: bytes) -> bytes:
        """The first message."""
        state, point = self.state, self.ephemeral.public
        state.mix_hash(point)
        state.mix_key(point)  # because there is a psk
        state.mix_key(self.ephemeral.shared(self.other))
        static = state.seal(self.me.public)
        state.mix_key(self.me.shared(self.other))
        return point + static + state.seal(payload)

    def second(self, message: bytes) -> bytes:
        """The payload of the answer."""
        state, point = self.state, message[:KEY]
        if len(message) < KEY + TAG:
            raise Forged("too short")
        state.mix_hash(point)
        state.mix_key(point)
        state.mix_key(self.ephemeral.shared(point))
        state.mix_key(self.me.shared(point))
        state.mix_key_and_hash(self.psk)
        return state.open(message[KEY:])


class Responder:
    """The side that learns who the other is."""

    def __init__(
        self, me: Identity, prologue: bytes = b"", ephemeral: Identity | None = None
    ) -> None:
        self.me = me
        self.ephemeral = ephemeral or Identity.generate()
        self.state = Symmetric(prologue)
        self.state.mix_hash(me.public)
        self.other = b""
        self.point = b""

    def first(self, message: bytes) -> bytes:
        """The payload of the first message; `other` is then known."""
        if len(message) < KEY + KEY + TAG + TAG:
            raise Forged("too short")
        state, self.point = self.state, message[:KEY]
        state.mix_hash(self.point)
        state.mix_key(self.point)
        state.mix_key(self.me.shared(self.point))
        self.other = state.open(message[KEY : KEY + KEY + TAG])
        state.mix_key(self.me.shared(self.other))
        return state.open(message[KEY + KEY + TAG :])

    def second(self, payload: bytes, psk: bytes = NO_PSK) -> bytes:
        """The answer."""
        state, point = self.state, self.ephemeral.public
        state.mix_hash(point)
        state.mix_key(point)
        state.mix_key(self.ephemeral.shared(self.point))
        state.mix_key(self.ephemeral.shared(self.other))
        state.mix_key_and_hash(psk)
        return point + state.seal(payload)
