# SPDX-License-Identifier: GPL-2.0
"""What may be on a disk that several clients write to, and what must not."""

import dataclasses
from collections.abc import Hashable

from lab import wire
from lab.wire import Frame, Geometry, Opcode

ZERO = bytes(wire.SECTOR)
# In place of the contents of a sector that nobody can know.
ANYTHING = b""
FLAGS = {
    Opcode.READ: 0,
    Opcode.WRITE: wire.FUA,
    Opcode.FLUSH: 0,
    Opcode.DISCARD: 0,
    Opcode.WRITE_ZEROES: wire.FUA | wire.NOUNMAP,
}


def is_frame(frame: Frame, epoch: int, generation: int) -> bool:
    """Whether a frame is a request that the server has to answer, be it by a refusal.

    What follows a header that promises nothing is not its business: see `has_tail`.
    """
    flags = FLAGS.get(frame.opcode)
    if flags is None or frame.flags & ~flags or frame.status or frame.credits:
        return False
    if (frame.epoch, frame.generation) != (epoch, generation):
        return False
    if frame.magic != wire.MAGIC or frame.crc is not None:
        return False
    wanted = frame.sectors * wire.SECTOR if frame.opcode == Opcode.WRITE else 0
    if frame.opcode == Opcode.FLUSH and (frame.sector or frame.sectors):
        return False
    length = len(frame.payload) if frame.length is None else frame.length
    if wanted and len(frame.payload) != wanted:
        # It is sealed as a whole, so that no part of it is authentic.
        return False
    return length == wanted <= 512 * wire.SECTOR


def has_tail(frame: Frame) -> bool:
    """Whether more follows a frame than its header says, which the next one is looked for in."""
    return frame.length is not None and len(frame.payload) > frame.length


def is_offered(frame: Frame, geometry: Geometry) -> bool:
    """Whether such a request can be carried out, by who has the right to."""
    if frame.opcode == Opcode.FLUSH:
        return True
    if frame.flags & wire.FUA and not geometry.flags & wire.FUA_OFFERED:
        return False
    most = {
        Opcode.DISCARD: geometry.max_discard_sectors,
        Opcode.WRITE_ZEROES: geometry.max_write_zeroes_sectors,
    }.get(Opcode(frame.opcode), geometry.max_frame_sectors)
    end = frame.sector + frame.sectors
    block = geometry.logical_block // wire.SECTOR
    if not 0 < frame.sectors <= most or end > geometry.sectors:
        return False
    if frame.sector % block or frame.sectors % block:
        return False
    pages = (end - 1) // wire.PAGE_SECTORS - frame.sector // wire.PAGE_SECTORS + 1
    return frame.opcode in (Opcode.DISCARD, Opcode.WRITE_ZEROES) or pages <= 64


@dataclasses.dataclass
class Change:
    """A request that changes the disk, as long as nobody knows that it is done."""

    key: Hashable
    session: bytes
    epoch: int
    frame: Frame
    # Nothing else was under way at the same place and time.
    alone: bool = True

    @property
    def sectors(self) -> range:
        """Where."""
        return range(self.frame.sector, self.frame.sector + self.frame.sectors)

    def value(self, sector: int) -> bytes:
        """What it leaves in a sector."""
        if self.frame.opcode == Opcode.DISCARD:
            return ANYTHING
        if self.frame.opcode == Opcode.WRITE_ZEROES:
            return ZERO
        begin = (sector - self.frame.sector) * wire.SECTOR
        return self.frame.payload[begin : begin + wire.SECTOR]


class Model:
    """Every sector with all that it may hold; those that are missing hold zeroes."""

    def __init__(self) -> None:
        self.may: dict[int, set[bytes]] = {}
        self.under_way: list[Change] = []

    def begin(self, change: Change) -> None:
        """A change may happen from now on."""
        for other in self.under_way:
            a, b = change.sectors, other.sectors
            if a.start < b.stop and b.start < a.stop:
                change.alone = other.alone = False
        for sector in change.sectors:
            self.may.setdefault(sector, {ZERO}).add(change.value(sector))
        self.under_way.append(change)

    def end(self, key: Hashable, answer: Frame) -> None:
        """A request was answered; if that says all of it is done, it is."""
        found = [change for change in self.under_way if change.key == key]
        # Who gives the same handle twice has to live with what he gets.
        if len(found) != 1:
            return
        (change,) = found
        if (answer.sector, answer.sectors) != (change.frame.sector, change.frame.sectors):
            return
        self.under_way.remove(change)
        if answer.status == wire.Status.OK and change.alone:
            for sector in change.sectors:
                self.may[sector] = {change.value(sector)}

    def fence(self, session: bytes, epoch: int) -> None:
        """What was asked for in older epochs of a session is done, or never will be."""
        self.under_way = [
            change
            for change in self.under_way
            if change.session != session or change.epoch >= epoch
        ]

    def judge(self, first: int, data: bytes) -> list[int]:
        """Which of these sectors hold what they must not; the others are known from now on."""
        wrong = []
        for offset in range(0, len(data), wire.SECTOR):
            sector = first + offset // wire.SECTOR
            value = data[offset : offset + wire.SECTOR]
            may = self.may.get(sector)
            if may is None:
                if value != ZERO:
                    wrong.append(sector)
            elif value in may or ANYTHING in may:
                self.may[sector] = {value}
            else:
                wrong.append(sector)
        return wrong
