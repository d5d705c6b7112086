# SPDX-License-Identifier: GPL-2.0
"""What the log of dm-log-writes says: which writes would survive a power failure.

The target logs a write when a flush has made it durable, or at once if the
write itself was asked to be. What is not in the log would be lost.
"""

import os
import struct

from lab.guest.blockio import SECTOR, opened, transfer

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8


def entries(path: str) -> list[tuple[int, int, int]]:
    """All entries: first sector, sectors, flags."""
    found = []
    with opened(path, os.O_RDONLY) as fd:
        magic, _version, count, size = struct.unpack_from("<QQQI", transfer(fd, 0, SECTOR))
        if magic != MAGIC or size != SECTOR:
            return []
        place = SECTOR
        for _ in range(count):
            sector, sectors, flags, _data = struct.unpack_from("<QQQQ", transfer(fd, place, SECTOR))
            found.append((sector, sectors, flags))
            # The name of a mark lies in the sector of the entry, a discard has no data.
            place += SECTOR * (1 if flags & (DISCARD | MARK) else 1 + sectors)
    return found


def marks(path: str) -> int:
    """How many marks there are."""
    return sum(1 for _, _, flags in entries(path) if flags & MARK)


def has_marks(path: str, count: int) -> bool:
    """Whether there are so many marks."""
    return marks(path) >= count
