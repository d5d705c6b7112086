# SPDX-License-Identifier: GPL-2.0
"""What sealed connections need of OpenSSL, where there is the library but no package for it.

Machines have the library because their Python has it. The names are those of `cryptography`, and
so are the errors.
"""

import ctypes

TAG = 16
KEY = 32
_X25519 = 1034
_GET_TAG, _SET_TAG = 0x10, 0x11

_lib = ctypes.CDLL("libcrypto.so.3")
for _name, _returns in {
    "EVP_CIPHER_CTX_new": ctypes.c_void_p,
    "EVP_CIPHER_CTX_free": None,
    "EVP_chacha20_poly1305": ctypes.c_void_p,
    "EVP_aes_256_gcm": ctypes.c_void_p,
    "EVP_PKEY_new_raw_private_key": ctypes.c_void_p,
    "EVP_PKEY_new_raw_public_key": ctypes.c_void_p,
    "EVP_PKEY_free": None,
    "EVP_PKEY_CTX_new": ctypes.c_void_p,
    "EVP_PKEY_CTX_free": None,
}.items():
    getattr(_lib, _name).restype = _returns


class InvalidTag(Exception):
    """What was to be opened is not what was sealed."""


def _pointer(value: int | None) -> ctypes.c_void_p:
    """An object of the library, which it may have no memory for."""
    if not value:
        raise MemoryError
    return ctypes.c_void_p(value)


class _Aead:
    """A cipher with a key."""

    _algorithm = ""

    def __init__(self, key: bytes) -> None:
        self.key = key

    def _run(
        self, sealing: bool, nonce: bytes, data: bytes, also: bytes | None, tag: bytes
    ) -> bytes:
        """Seal or open; the result of sealing ends with the tag."""
        context = _pointer(_lib.EVP_CIPHER_CTX_new())
        try:
            algorithm = _pointer(getattr(_lib, self._algorithm)())
            assert _lib.EVP_CipherInit_ex(
                context, algorithm, None, self.key, nonce, int(sealing)
            ), "the key or the nonce is not as long as it should be"
            if not sealing:
                assert _lib.EVP_CIPHER_CTX_ctrl(context, _SET_TAG, TAG, tag)
            out = ctypes.create_string_buffer(len(data) + TAG)
            length = ctypes.c_int()
            for to, part in (None, also), (out, data):
                if part:
                    assert _lib.EVP_CipherUpdate(context, to, ctypes.byref(length), part, len(part))
            rest = ctypes.create_string_buffer(TAG)
            if not _lib.EVP_CipherFinal_ex(context, rest, ctypes.byref(length)):
                raise InvalidTag
            if not sealing:
                return out.raw[: len(data)]
            assert _lib.EVP_CIPHER_CTX_ctrl(context, _GET_TAG, TAG, rest)
            return out.raw[: len(data)] + rest.raw
        finally:
            _lib.EVP_CIPHER_CTX_free(context)

    def encrypt(self, nonce: bytes, data: bytes, also: bytes | None) -> bytes:
        """Seal."""
        return self._run(True, nonce, data, also, b"")

    def decrypt(self, nonce: bytes, data: bytes, also: bytes | None) -> bytes:
        """Open."""
        if len(data) < TAG:
            raise InvalidTag
        return self._run(False, nonce, data[:-TAG], also, data[-TAG:])


class ChaCha20Poly1305(_Aead):
    """RFC 8439."""

    _algorithm = "EVP_chacha20_poly1305"


class AESGCM(_Aead):
    """NIST SP 800-38D, with keys of 256 bits."""

    _algorithm = "EVP_aes_256_gcm"


class X25519PublicKey:
    """A point of RFC 7748."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @classmethod
    def from_public_bytes(cls, data: bytes) -> "X25519PublicKey":
        """The one with this encoding."""
        return cls(data)

    def public_bytes_raw(self) -> bytes:
        """Its encoding."""
        return self.data


class X25519PrivateKey:
    """A scalar of RFC 7748."""

    def __init__(self, data: bytes) -> None:
        self.key = _pointer(_lib.EVP_PKEY_new_raw_private_key(_X25519, None, data, KEY))

    def __del__(self) -> None:
        _lib.EVP_PKEY_free(self.key)

    @classmethod
    def from_private_bytes(cls, data: bytes) -> "X25519PrivateKey":
        """The one with this encoding."""
        return cls(data)

    def public_key(self) -> X25519PublicKey:
        """Its point."""
        out = ctypes.create_string_buffer(KEY)
        length = ctypes.c_size_t(KEY)
        assert _lib.EVP_PKEY_get_raw_public_key(self.key, out, ctypes.byref(length))
        return X25519PublicKey(out.raw)

    def exchange(self, other: X25519PublicKey) -> bytes:
        """What both share."""
        peer = _pointer(_lib.EVP_PKEY_new_raw_public_key(_X25519, None, other.data, KEY))
        context = _pointer(_lib.EVP_PKEY_CTX_new(self.key, None))
        try:
            out = ctypes.create_string_buffer(KEY)
            length = ctypes.c_size_t(KEY)
            assert _lib.EVP_PKEY_derive_init(context) == 1
            if (
                _lib.EVP_PKEY_derive_set_peer(context, peer) != 1
                or _lib.EVP_PKEY_derive(context, out, ctypes.byref(length)) != 1
            ):
                raise ValueError("a point of low order")
            return out.raw
        finally:
            _lib.EVP_PKEY_CTX_free(context)
            _lib.EVP_PKEY_free(peer)
