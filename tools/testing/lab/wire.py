# SPDX-License-Identifier: GPL-2.0
"""The frames of the protocol, written from its specification alone.

This is deliberately a second implementation: it shares nothing with the one in
the driver, and it can write what the driver never would.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import hmac
import struct
from collections.abc import Callable

MAGIC = b"DST1"
HEADER = struct.Struct("<4sBBHIIQQIII")
HEADER_SIZE = HEADER.size + 4
REPLY = 0x80
SECTOR = 512
PAGE_SECTORS = 8
NO_UUID = bytes(16)

_HELLO = struct.Struct("<HHIQ16s16sIIHHI")
_WELCOME = struct.Struct("<HHIQ16s16s16sQIIHHI")
_GEOMETRY = struct.Struct("<QIIIIIIIIII")


class Opcode(enum.IntEnum):
    """What a frame asks for."""

    HELLO = 1
    DRAINING = 2
    PING = 3
    BYE = 4
    EVENT = 5
    READ = 16
    WRITE = 17
    FLUSH = 18
    DISCARD = 19
    WRITE_ZEROES = 20


class Status(enum.IntEnum):
    """How a request ended."""

    OK = 0
    IO = 1
    MEDIUM = 2
    NO_SPACE = 3
    READ_ONLY = 4
    DENIED = 5
    RANGE = 6
    INVALID = 7
    UNSUPPORTED = 8
    TIMEOUT = 9
    TARGET = 10
    PROTECTION = 11
    RESOURCE = 12
    VERSION = 32
    FEATURE = 33
    NO_EXPORT = 34
    IN_USE = 35
    STALE = 36
    IDENTITY = 37
    GONE = 38


class Attribute(enum.IntEnum):
    """What may follow the fixed part of a hello."""

    EXPORT = 1
    CLIENT = 2
    MESSAGE = 3
    DIGEST = 4


# Bit of an attribute that must not be passed over.
CRITICAL = 0x8000

# A feature: data is followed by its digest.
DIGEST = 1

FUA = 1
NOUNMAP = 2

READ_ONLY = 1
VOLATILE_CACHE = 2
FUA_OFFERED = 4


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), as in iSCSI."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


_MASK = (1 << 64) - 1
_P1, _P2, _P3, _P4, _P5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def _round(lane: int, word: int) -> int:
    return _rotate((lane + word * _P2) & _MASK, 31) * _P1 & _MASK


def xxh64(data: bytes) -> int:
    """XXH64 with seed 0."""
    words = struct.unpack(f"<{len(data) // 8}Q", data[: len(data) // 8 * 8])
    whole = len(data) // 32 * 4
    if whole:
        lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        for start in range(0, whole, 4):
            lanes = [_round(lane, words[start + i]) for i, lane in enumerate(lanes)]
        value = sum(_rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18))) & _MASK
        for lane in lanes:
            value = ((value ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        value = _P5
    value = (value + len(data)) & _MASK
    for word in words[whole:]:
        value = (_rotate(value ^ _round(0, word), 27) * _P1 + _P4) & _MASK
    rest = data[len(words) * 8 :]
    if len(rest) >= 4:
        value ^= struct.unpack_from("<I", rest)[0] * _P1 & _MASK
        value = (_rotate(value, 23) * _P2 + _P3) & _MASK
        rest = rest[4:]
    for byte in rest:
        value = _rotate(value ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    value = (value ^ (value >> 33)) * _P2 & _MASK
    value = (value ^ (value >> 29)) * _P3 & _MASK
    return value ^ (value >> 32)


# Digests of data by the name that a hello gives them; the key is the session.
DIGESTS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "crc32c": lambda _, data: struct.pack("<I", crc32c(data)),
    "xxhash64": lambda _, data: struct.pack("<Q", xxh64(data)),
    "sha256": lambda _, data: hashlib.sha256(data).digest(),
    "sha512": lambda _, data: hashlib.sha512(data).digest(),
    "hmac(sha256)": lambda key, data: hmac.digest(key, data, "sha256"),
    "blake2b-256": lambda _, data: hashlib.blake2b(data, digest_size=32).digest(),
}


@dataclasses.dataclass
class Frame:
    """A header and its payload; every field can be given any value."""

    opcode: int
    status: int = 0
    flags: int = 0
    credits: int = 0
    handle: int = 0
    sector: int = 0
    sectors: int = 0
    epoch: int = 0
    generation: int = 0
    payload: bytes = b""
    # Digest of the payload, which the header does not count.
    trailer: bytes = b""
    # Lies for tests: what the header says instead of the truth.
    magic: bytes = MAGIC
    length: int | None = None
    crc: int | None = None

    def encode(self) -> bytes:
        """Bytes on the wire."""
        length = len(self.payload) if self.length is None else self.length
        head = HEADER.pack(
            self.magic,
            self.opcode,
            self.status,
            self.flags,
            length,
            self.credits,
            self.handle,
            self.sector,
            self.sectors,
            self.epoch,
            self.generation,
        )
        crc = crc32c(head) if self.crc is None else self.crc
        return head + struct.pack("<I", crc) + self.payload + self.trailer

    @classmethod
    def decode(cls, head: bytes) -> tuple[Frame, int]:
        """Frame without its payload, and how long that is; insists on honesty."""
        (
            magic,
            opcode,
            status,
            flags,
            length,
            credits,
            handle,
            sector,
            sectors,
            epoch,
            generation,
        ) = HEADER.unpack_from(head)
        assert magic == MAGIC, f"not a frame: {head.hex()}"
        assert struct.unpack_from("<I", head, HEADER.size)[0] == crc32c(head[: HEADER.size])
        return cls(
            opcode, status, flags, credits, handle, sector, sectors, epoch, generation
        ), length


def attribute(number: int, value: bytes) -> bytes:
    """One attribute, padded."""
    return struct.pack("<HH", number, len(value)) + value + bytes(-len(value) % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """All attributes by number."""
    found = {}
    while data:
        number, length = struct.unpack_from("<HH", data)
        found[number & 0x7FFF] = data[4 : 4 + length]
        data = data[4 + length + (-length % 4) :]
    return found


@dataclasses.dataclass
class Hello:
    """What a client begins with."""

    export: str
    session: bytes
    epoch: int = 1
    generation: int = 1
    version_min: int = 1
    version_max: int = 1
    write: bool = True
    features: int = 0
    uuid: bytes = NO_UUID
    connection: int = 0
    connections: int = 1
    reserved: int = 0
    more: bytes = b""

    def encode(self) -> bytes:
        """Payload of the frame."""
        fixed = _HELLO.pack(
            self.version_min,
            self.version_max,
            int(self.write),
            self.features,
            self.session,
            self.uuid,
            self.epoch,
            self.generation,
            self.connection,
            self.connections,
            self.reserved,
        )
        return fixed + attribute(Attribute.EXPORT, self.export.encode()) + self.more

    @classmethod
    def decode(cls, data: bytes) -> Hello:
        """The reverse."""
        (
            low,
            high,
            access,
            features,
            session,
            uuid,
            epoch,
            generation,
            connection,
            connections,
            reserved,
        ) = _HELLO.unpack_from(data)
        found = attributes(data[_HELLO.size :])
        return cls(
            found[Attribute.EXPORT].decode(),
            session,
            epoch,
            generation,
            low,
            high,
            bool(access & 1),
            features,
            uuid,
            connection,
            connections,
            reserved,
        )


@dataclasses.dataclass
class Geometry:
    """The shape of a disk."""

    sectors: int
    logical_block: int = 512
    physical_block: int = 4096
    io_min: int = 4096
    io_opt: int = 0
    max_frame_sectors: int = 512
    max_discard_sectors: int = 0
    discard_granularity: int = 0
    max_write_zeroes_sectors: int = 0
    flags: int = 0
    reserved: int = 0

    def encode(self) -> bytes:
        """Its 48 bytes."""
        return _GEOMETRY.pack(*dataclasses.astuple(self))


@dataclasses.dataclass
class Welcome:
    """What a server answers a hello with."""

    session: bytes
    uuid: bytes
    boot_id: bytes
    geometry: Geometry
    epoch: int = 1
    generation: int = 1
    incarnation: int = 1
    version: int = 1
    max_connections: int = 1
    keepalive_ms: int = 10000
    features: int = 0
    connection: int = 0
    reserved: int = 0
    window: int = 256

    def encode(self) -> bytes:
        """Payload of the frame."""
        return (
            _WELCOME.pack(
                self.version,
                self.max_connections,
                self.keepalive_ms,
                self.features,
                self.session,
                self.uuid,
                self.boot_id,
                self.incarnation,
                self.epoch,
                self.generation,
                self.connection,
                self.reserved,
                self.window,
            )
            + self.geometry.encode()
        )

    @classmethod
    def decode(cls, data: bytes) -> Welcome:
        """The reverse."""
        (
            version,
            max_connections,
            keepalive,
            features,
            session,
            uuid,
            boot_id,
            incarnation,
            epoch,
            generation,
            connection,
            reserved,
            window,
        ) = _WELCOME.unpack_from(data)
        geometry = Geometry(*_GEOMETRY.unpack_from(data, _WELCOME.size))
        return cls(
            session,
            uuid,
            boot_id,
            geometry,
            epoch,
            generation,
            incarnation,
            version,
            max_connections,
            keepalive,
            features,
            connection,
            reserved,
            window,
        )
