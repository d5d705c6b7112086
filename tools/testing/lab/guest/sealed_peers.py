# SPDX-License-Identifier: GPL-2.0
"""Insiders: clients that have a key, and mean no good with it.

What they say is sealed as it should be, whatever it is; only who damages it afterwards does not get
that far. Those that are fuzzed out of a seed tell what they have asked for to somebody who knows
what becomes of the disk.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

from lab import sealed, wire
from lab.guest.fuzz_peers import Gone, Peer
from lab.noise import Forged, Identity
from lab.peer import Refused
from lab.sealed import Binding, ClientHandshake, Direction, Joining, Keys
from lab.wire import Frame, Geometry, Hello, Opcode, Welcome


class Witness(Protocol):
    """Somebody who wants to know what is said."""

    def asked(self, peer: SealedPeer, frame: Frame) -> None:
        """A frame may arrive from now on."""

    def answered(self, peer: SealedPeer, frame: Frame) -> None:
        """The server has said something."""


@dataclasses.dataclass
class Way:
    """How a connection gets its keys; each part can be wrong."""

    identity: Identity
    # What another handshake has left, to join with.
    secret: bytes = b""
    suites: int = sealed.BOTH
    # What the handshake is about, if that is not what the hello says.
    binding: Binding | None = None
    export: str = "disk"
    # Which bit of the first frame is not as it should be.
    flip: int | None = None


class SealedPeer(Peer):
    """One connection of somebody who has a key."""

    def __init__(
        self,
        port: int,
        patience: float,
        server: bytes,
        ways: Callable[[Hello], Way],
        witness: Witness | None = None,
    ) -> None:
        super().__init__(port, patience)
        self.server, self.ways, self.witness = server, ways, witness
        self.keys: Keys | None = None
        self.outgoing: Direction | None = None
        self.incoming: Direction | None = None
        self.geometry = Geometry(0)
        # The header whose payload has not come yet.
        self.head: tuple[Frame, int] | None = None
        # Nothing that is said from now on can be understood: it has to be the end.
        self.broken = False
        # Something was said since the keys were changed.
        self.fresh = False
        self.greeted = self.joined = False
        # The last frame as it went over the wire.
        self.last = b""

    # What goes out.

    def encode(self, frame: Frame) -> bytes:
        """Sealed, as soon as there are keys."""
        if self.outgoing is None:
            return super().encode(frame)
        self.last = self.outgoing.frame(frame)
        self.fresh = frame.opcode != Opcode.REKEY
        return self.last

    def whole(self, frame: Frame) -> bytes:
        """The same, and somebody is told."""
        if self.witness is not None and self.outgoing is not None:
            self.witness.asked(self, frame)
        return self.encode(frame)

    def rekey(self) -> bytes:
        """Go on with the next key; how that is said."""
        assert self.outgoing is not None
        data = self.encode(self.stamped(Opcode.REKEY))
        self.outgoing.rekey()
        return data

    def send(self, data: bytes) -> None:
        """Send it, or remember that a part of it is missing."""
        try:
            super().send(data)
        except Gone:
            self.broken = True
            raise

    # What comes in.

    def take(self) -> Frame | None:
        """Opened, as soon as there are keys; new ones are used when the server says so."""
        while self.incoming is not None:
            if self.head is None:
                if len(self.buffer) < sealed.HEADER:
                    return None
                self.head = Frame.decode(self.incoming.open(self._cut(sealed.HEADER)))
            frame, length = self.head
            if length:
                if len(self.buffer) < length + sealed.TAG:
                    return None
                frame.payload = self.incoming.open(self._cut(length + sealed.TAG))
            self.head = None
            if frame.opcode != Opcode.REKEY:
                return frame
            self.incoming.rekey()
        return super().take()

    def _cut(self, length: int) -> bytes:
        data = bytes(self.buffer[:length])
        del self.buffer[:length]
        return data

    def hear(self, frame: Frame) -> None:
        """Look at it, and tell."""
        super().hear(frame)
        if frame.opcode == Opcode.HELLO | wire.REPLY and frame.status == 0:
            self.geometry = Welcome.decode(frame.payload).geometry
        if self.witness is not None:
            self.witness.answered(self, frame)

    # The beginning.

    def greet(self, hello: Hello) -> bytes:
        """Get keys; the frame of a hello that is sealed with them."""
        self.shake(self.ways(hello), hello)
        hello.features = hello.features or sealed.FEATURE
        return super().greet(hello)

    def shake(self, way: Way, hello: Hello) -> None:
        """Get keys for what a hello says, or fail as if the server had hung up."""
        binding = way.binding or Binding(
            hello.session, hello.epoch, hello.generation, hello.connection
        )
        asking = (
            Joining(way.secret, binding)
            if way.secret
            else ClientHandshake(way.identity, self.server)
        )
        first = (
            asking.request(way.suites)
            if isinstance(asking, Joining)
            else asking.initiate(binding, way.export, way.suites)
        )
        data = bytearray(first.encode())
        if way.flip is not None:
            data[way.flip // 8 % len(data)] ^= 1 << way.flip % 8
        self.send(bytes(data))
        answer = self.until(lambda frame: True)
        try:
            self.keys = asking.accept(answer)
        except (Refused, Forged) as error:
            # Who has changed what it said is not to be believed.
            assert isinstance(error, Refused) or way.flip is not None, answer
            raise Gone from error
        assert way.flip is None, f"let in in spite of bit {way.flip}"
        self.outgoing, self.incoming = self.keys.up(), self.keys.down()
