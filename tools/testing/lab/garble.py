# SPDX-License-Identifier: GPL-2.0
"""A server that changes one bit of a frame of one kind, at one place after the other.

The client asks for the same thing again and again. Each time one frame is changed, which has to
cost it the connection: it has to ask once more, over a later one.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence

from lab import wire
from lab.fake import OPCODES, Answer, FakeServer
from lab.keyed import flipped
from lab.sealed_peer import Records
from lab.wire import Frame, Opcode

PLACE = 4096
# Instead of a place: nothing is changed.
NOWHERE = -1


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of frame of a server."""

    opcode: int
    # What the client asks for meanwhile.
    asks: str = "write"
    # Whether the frame is a part of the greeting; others come before the answer, or are it.
    greets: bool = False

    @property
    def answers(self) -> bool:
        """Whether it is the answer to what the client asks for."""
        return self.opcode == OPCODES[self.asks] | wire.REPLY


KINDS = {
    "reply to a read": Kind(Opcode.READ | wire.REPLY, "read"),
    "reply to a write": Kind(Opcode.WRITE | wire.REPLY),
    "reply to a flush": Kind(Opcode.FLUSH | wire.REPLY, "flush"),
    "reply to a discard": Kind(Opcode.DISCARD | wire.REPLY, "discard"),
    "reply to zeroes": Kind(Opcode.WRITE_ZEROES | wire.REPLY, "zeroes"),
    "pong": Kind(Opcode.PING | wire.REPLY),
    "ping": Kind(Opcode.PING),
    "event": Kind(Opcode.EVENT),
    "bye": Kind(Opcode.BYE),
    "rekey": Kind(Opcode.REKEY),
    "draining": Kind(Opcode.DRAINING, greets=True),
    "welcome": Kind(Opcode.HELLO | wire.REPLY, greets=True),
    "respond": Kind(Opcode.INITIATE | wire.REPLY, greets=True),
}


class Garbler:
    """Has a server change a frame of a kind for each thing that the client asks for."""

    def __init__(self, fake: FakeServer, kind: Kind, places: Sequence[int]) -> None:
        self.fake, self.kind, self.places = fake, kind, places
        # Where the next frame of the kind is changed.
        self.at: int | None = None
        # Where one was changed last.
        self.latest = NOWHERE
        # How long those were that have been changed.
        self.lengths: set[int] = set()
        # In which epochs the client has asked, and what it was to read.
        self.epochs: list[int] = []
        self.data: list[bytes] = []
        fake.garble = self._garble
        fake.on[OPCODES[kind.asks]] = self._asked

    def stop(self) -> None:
        """Have the server tell the truth again."""
        self.fake.garble = lambda frame, data: data
        del self.fake.on[OPCODES[self.kind.asks]]

    def _garble(self, frame: Frame, data: bytes) -> bytes:
        if frame.opcode != self.kind.opcode or self.at is None:
            return data
        at, self.at = self.at, None
        self.latest = at
        self.lengths.add(len(data))
        return data if at == NOWHERE else flipped(data, at, at % 8)

    def _asked(self, frame: Frame) -> Answer:
        # A flush has no place.
        if frame.sector not in (PLACE, 0):
            return self.fake.answer(frame)
        number, again = divmod(len(self.epochs), 2)
        self.epochs.append(frame.epoch)
        if again or number >= len(self.places):
            return self.fake.answer(frame)
        self.data.append(secrets.token_bytes(wire.SECTOR))
        self.fake.data[PLACE] = self.data[-1]
        self.at = self.places[number]
        if self.kind.greets:
            assert self.fake.speaking is not None
            self.fake.speaking.close()
            return None
        if self.kind.answers:
            return self.fake.answer(frame)
        return self._and_more(frame)

    def _and_more(self, frame: Frame) -> Answer:
        """Something that nobody has asked for, and the answer."""
        more = Frame(self.kind.opcode, epoch=frame.epoch, generation=frame.generation)
        if more.opcode == Opcode.EVENT:
            more.payload = self.fake.geometry.encode()
        if more.opcode != Opcode.REKEY:
            return [more, self.fake.answer(frame)]
        assert isinstance(self.fake.speaking, Records)
        self.fake.speaking.change_keys(more)
        return self.fake.answer(frame)
