# SPDX-License-Identifier: GPL-2.0
"""Frames of which one bit is not as it was sent, at each place in turn.

Every change costs a connection. On sealed ones they join the session of somebody who stays, which
costs less than a whole handshake.
"""

import random
import time
from collections.abc import Callable
from typing import Any

from lab import sealed, wire
from lab.guest import objects, stat
from lab.guest.fuzz_peers import Gone, Honest, Peer
from lab.guest.sealed_peers import SealedPeer, Way
from lab.noise import Identity
from lab.wire import Frame, Hello, Opcode

# Where nobody else writes.
PLACE = 8192
SESSION = b"f" * 16
# So many changes after which the honest client wants something.
PAUSE = 16
POLL = 0.005
KINDS: dict[str, Callable[[Peer], Frame]] = {
    "read": lambda peer: peer.request(Opcode.READ, PLACE, 8),
    "write": lambda peer: peer.request(Opcode.WRITE, PLACE, 8, payload=b"evil" * 1024),
    "flush": lambda peer: peer.request(Opcode.FLUSH),
    "discard": lambda peer: peer.request(Opcode.DISCARD, PLACE, 8),
    "write zeroes": lambda peer: peer.request(Opcode.WRITE_ZEROES, PLACE, 8),
    "ping": lambda peer: peer.request(Opcode.PING),
    "pong": lambda peer: peer.request(Opcode.PING | wire.REPLY),
    "bye": lambda peer: peer.stamped(Opcode.BYE),
    "rekey": lambda peer: peer.stamped(Opcode.REKEY),
}
UNANSWERED = ("pong", "bye", "rekey")


class Flipper:
    """Sends all frames of a kind, and judges what comes of it."""

    def __init__(
        self, port: int, patience: float, device: str, keys: dict[str, str] | None
    ) -> None:
        self.port, self.patience, self.device = port, patience, device
        self.keys = {name: Identity(bytes.fromhex(key)) for name, key in (keys or {}).items()}
        self.secret = b""
        self.generation = 1
        self.honest = Honest(self.make(), random.Random(0))
        if self.keys:
            self.owner = self.make()
            self.owner.send(self.owner.greet(Hello("disk", SESSION, connections=2)))
            assert self.owner.until(lambda frame: frame.handle == 0).status == 0
            self.secret = self.owner.keys.secret

    def make(self) -> Any:
        """A connection on which nothing was said."""
        if not self.keys:
            return Peer(self.port, self.patience)
        way = Way(self.keys["writer"], self.secret)
        return SealedPeer(self.port, self.patience, self.keys["server"].public, lambda _: way)

    def begin(self) -> tuple[Peer, bytes]:
        """A connection that has its keys, if there are any, and the hello that it has to say."""
        peer = self.make()
        self.generation += 1
        if not self.keys:
            return peer, peer.greet(Hello("disk", self.generation.to_bytes(16)))
        hello = Hello("disk", SESSION, 1, self.generation, connection=1, connections=2)
        return peer, peer.greet(hello)

    def welcomed(self) -> Peer:
        """A connection that was let in."""
        peer, hello = self.begin()
        peer.send(hello)
        welcome = peer.until(lambda frame: frame.opcode == Opcode.HELLO | wire.REPLY)
        assert welcome.status == 0, welcome
        return peer

    def counted(self) -> int:
        """How many connections were dropped for what came over them."""
        shown = objects.show("export", "show", "disk")["counters"]
        return shown["seal_errors" if self.keys else "protocol_errors"]

    def done(self) -> list[int]:
        """What the server's disk was asked for so far: numbers, not times."""
        # The kernel counts a request when whoever asked for it may have heard of its end already.
        while (counts := stat.stat(self.device))[8]:
            time.sleep(POLL)
        return counts[:8] + counts[11:]

    def right(self, kind: str) -> None:
        """Without a change it is carried out."""
        peer = self.welcomed()
        frame = KINDS[kind](peer)
        answer = peer.ask(frame)
        assert answer.opcode == frame.opcode | wire.REPLY, answer
        peer.close()

    def wrong(self, kind: str, at: int) -> int:
        """With one it is not, nor answered; how many bytes there are to change."""
        if kind == "hello":
            peer, data = self.begin()
        else:
            peer = self.welcomed()
            data = peer.encode(KINDS[kind](peer))
        peer.send(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        heard: list[Frame] = []
        try:
            peer.until(lambda frame: bool(heard.append(frame)))
        except Gone:
            pass
        peer.close()
        # Who has broken the rules in plain text may be told so.
        assert all(frame.opcode == Opcode.BYE and not self.keys for frame in heard), heard
        head = sealed.HEADER if self.keys else wire.HEADER_SIZE
        # What follows a header in plain text has no checksum.
        return len(data) if kind == "hello" and self.keys else head

    def all(self, kind: str) -> int:
        """Every place of a frame; how many there were."""
        if kind not in (*UNANSWERED, "hello"):
            self.right(kind)
        before, at, length = self.counted(), 0, 1
        while at < length:
            used = self.done()
            for _ in range(PAUSE):
                try:
                    length = self.wrong(kind, at)
                except AssertionError as error:
                    raise AssertionError(f"{kind}, byte {at}: {error}") from error
                at += 1
                if at == length:
                    break
            assert self.done() == used, f"{kind} was carried out before byte {at}"
            self.honest.step()
        # Nobody knows which export a hello in plain text was for.
        counted = 0 if kind == "hello" and not self.keys else length
        assert self.counted() == before + counted, (kind, before, counted, self.counted())
        return length


def run(
    port: int, patience: float, device: str, keys: dict[str, str] | None = None
) -> dict[str, int]:
    """Change every byte of every kind of frame; how many there were of each."""
    flipper = Flipper(port, patience, device, keys)
    kinds = ["hello", *KINDS]
    if not keys:
        # In plain text there is none, and the other one is wrong anyway, which counts as the same.
        kinds.remove("rekey")
        kinds.remove("pong")
    done = {kind: flipper.all(kind) for kind in kinds}
    flipper.honest.check_all()
    flipper.honest.peer.close()
    if keys:
        flipper.owner.close()
    return done
