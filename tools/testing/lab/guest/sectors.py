# SPDX-License-Identifier: GPL-2.0
"""What a sector says about itself: whose it is, where it belongs, and when it was written.

A sector holds the same record sixteen times, so that any mixture of two sectors
is recognised. A sector of zeroes is one that was never written, or zeroed.
"""

import struct
import zlib

SECTOR = 512
ZEROES = bytes(SECTOR)

# Version of a sector of zeroes; those that are written have others.
ZERO = 0

_MAGIC = b"sect"
# Magic, disk, sector, version; the checksum of these follows, in both senses.
_FACTS = struct.Struct("<4sIQQ")
_CHECK = struct.Struct("<II")
_RECORD = _FACTS.size + _CHECK.size
_COPIES = SECTOR // _RECORD

# Versions count from 1 for each writer.
_WRITER_SHIFT = 40


def version(writer: int, number: int) -> int:
    """Version of the number-th write of a writer; both count from 1."""
    return writer << _WRITER_SHIFT | number


def name(value: int) -> str:
    """A version as people read it."""
    if value == ZERO:
        return "zeroes"
    number = value & ((1 << _WRITER_SHIFT) - 1)
    return f"write {number} of writer {value >> _WRITER_SHIFT}"


def encode(disk: int, sector: int, count: int, value: int) -> bytes:
    """Contents of some sectors that one write gives them."""
    out = bytearray()
    for number in range(sector, sector + count):
        facts = _FACTS.pack(_MAGIC, disk, number, value)
        crc = zlib.crc32(facts)
        out += (facts + _CHECK.pack(crc, crc ^ 0xFFFFFFFF)) * _COPIES
    return bytes(out)


def decode(disk: int, sector: int, data: bytes) -> int | str:
    """Version that a sector holds, or what is wrong with it."""
    if data == ZEROES:
        return ZERO
    record = data[:_RECORD]
    magic, its_disk, its_sector, value = _FACTS.unpack_from(record)
    crc, inverse = _CHECK.unpack_from(record, _FACTS.size)
    if magic != _MAGIC or crc != zlib.crc32(record[: _FACTS.size]) or crc ^ inverse != 0xFFFFFFFF:
        return f"garbage: {data[:64].hex()}"
    if data != record * _COPIES:
        records = {data[at : at + _RECORD] for at in range(0, SECTOR, _RECORD)}
        return "torn: " + " ".join(sorted(part.hex() for part in records))
    if its_disk != disk:
        return f"of disk {its_disk}: {name(value)}"
    if its_sector != sector:
        return f"of sector {its_sector}: {name(value)}"
    return value


def runs(disk: int, sector: int, data: bytes) -> list[list]:
    """Contents of some sectors as [count, version or fault] of equal neighbours."""
    found: list[list] = []
    for offset in range(0, len(data), SECTOR):
        value = decode(disk, sector + offset // SECTOR, data[offset : offset + SECTOR])
        if found and found[-1][1] == value:
            found[-1][0] += 1
        else:
            found.append([1, value])
    return found
