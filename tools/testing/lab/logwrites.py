# SPDX-License-Identifier: GPL-2.0
"""What a disk was told, in its order: the log of device mapper's target log-writes.

The log holds what was stable whenever it was: writes appear in it when a flush
has covered them. Played back up to some flush, it is the disk after a power
failure at that instant.
"""

import dataclasses
import pathlib
import struct
from collections.abc import Iterator

SECTOR = 512
MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
# What the target itself says last.
_END = "dm-log-writes-end"
_SUPER = struct.Struct("<QQQI")
_ENTRY = struct.Struct("<QQQQ")


@dataclasses.dataclass(frozen=True)
class Entry:
    """Something that the disk was told."""

    sector: int
    sectors: int
    flags: int
    # Where its data is in the log.
    offset: int
    mark: str = ""

    @property
    def is_point(self) -> bool:
        """Whether what came before it is stable, or somebody says that it is."""
        return bool(self.flags & (FLUSH | FUA | MARK))


def entries(log: pathlib.Path) -> Iterator[Entry]:
    """All that is in a log."""
    with open(log, "rb") as file:
        magic, version, count, size = _SUPER.unpack(file.read(_SUPER.size))
        assert magic == MAGIC and version == 1 and size == SECTOR, "not a log of writes"
        at = SECTOR
        for _ in range(count):
            file.seek(at)
            block = file.read(SECTOR)
            sector, sectors, flags, length = _ENTRY.unpack_from(block)
            mark = ""
            if flags & MARK:
                mark = block[_ENTRY.size : _ENTRY.size + length].rstrip(b"\0").decode()
            at += SECTOR
            if mark == _END:
                return
            yield Entry(sector, sectors, flags, at, mark)
            if not flags & DISCARD:
                at += sectors * SECTOR


class Replay:
    """A disk that is told again what the log says."""

    def __init__(self, log: pathlib.Path, image: pathlib.Path) -> None:
        self.entries = list(entries(log))
        self.log = log
        self.image = image

    def points(self) -> Iterator[tuple[int, list[str]]]:
        """Stop at every point; its number, and the marks that came before."""
        marks: list[str] = []
        with open(self.log, "rb") as log, open(self.image, "r+b", buffering=0) as image:
            for number, entry in enumerate(self.entries):
                if entry.sectors:
                    image.seek(entry.sector * SECTOR)
                    if entry.flags & DISCARD:
                        image.write(bytes(entry.sectors * SECTOR))
                    else:
                        log.seek(entry.offset)
                        image.write(log.read(entry.sectors * SECTOR))
                if entry.mark:
                    marks.append(entry.mark)
                if entry.is_point:
                    yield number, list(marks)
