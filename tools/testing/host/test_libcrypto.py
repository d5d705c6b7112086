# SPDX-License-Identifier: GPL-2.0
"""The library as machines use it does what the package does that the host has."""

import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.ciphers import aead

from lab import libcrypto

KEY, NONCE = secrets.token_bytes(32), secrets.token_bytes(12)


@pytest.mark.parametrize("name", ["ChaCha20Poly1305", "AESGCM"])
@pytest.mark.parametrize("also", [None, b"", b"also"])
@pytest.mark.parametrize("length", [0, 1, 48, 4096])
def test_sealing(name: str, also: bytes | None, length: int) -> None:
    data = secrets.token_bytes(length)
    sealed = getattr(aead, name)(KEY).encrypt(NONCE, data, also)
    cipher = getattr(libcrypto, name)(KEY)
    assert cipher.encrypt(NONCE, data, also) == sealed
    assert cipher.decrypt(NONCE, sealed, also) == data
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for wrong in changed, sealed[:-1], sealed[:15], b"":
        with pytest.raises(libcrypto.InvalidTag):
            cipher.decrypt(NONCE, wrong, also)
    with pytest.raises(libcrypto.InvalidTag):
        cipher.decrypt(NONCE, sealed, b"other")


def test_agreeing_on_a_key() -> None:
    one, other = secrets.token_bytes(32), secrets.token_bytes(32)
    theirs = x25519.X25519PrivateKey.from_private_bytes(other)
    point = x25519.X25519PrivateKey.from_private_bytes(one).public_key()
    mine = libcrypto.X25519PrivateKey.from_private_bytes(one)
    assert mine.public_key().public_bytes_raw() == point.public_bytes_raw()
    known = libcrypto.X25519PublicKey.from_public_bytes(theirs.public_key().public_bytes_raw())
    assert mine.exchange(known) == theirs.exchange(point)
    for low in bytes(32), b"\1" + bytes(31):
        with pytest.raises(ValueError):
            mine.exchange(libcrypto.X25519PublicKey.from_public_bytes(low))
