# SPDX-License-Identifier: GPL-2.0
"""Insiders that come out of a seed: what lab.guest.server_fuzz does, within sealed records.

The server believes that its clients have sealed what they say. So they say all that is wrong, and
damage records besides. Every request is judged by the specification before it is sent: what may
change the disk is noted, and everything else on the whole disk has to be as it was.

Sessions, requests and what is wrong with them come out of the seed. Keys of connections do not: the
server has a share in them.
"""

import contextlib
import os
import time
from typing import Any

from lab import sealed, wire
from lab.guest import blockio, objects
from lab.guest.fuzz_model import Change, Model, has_tail, is_frame, is_offered
from lab.guest.fuzz_peers import HONEST, MODIFYING, Gone
from lab.guest.sealed_peers import SealedPeer, Way
from lab.guest.server_fuzz import EDGES, SESSIONS, WILD, Fuzzer, drive
from lab.noise import Identity
from lab.sealed import Binding
from lab.wire import Frame, Hello, Opcode

# So many steps after which the disk is looked at.
SETTLE = 250
STEP = 2048


class Insiders(Fuzzer):
    """Everybody who has a key."""

    # Less room, so that they meet.
    wild = range(WILD.start, WILD.start + 8192)
    peers: list[SealedPeer]

    def __init__(
        self, seed: int, port: int, patience: float, keys: dict[str, str], disk: str
    ) -> None:
        self.keys = {name: Identity(bytes.fromhex(key)) for name, key in keys.items()}
        self.disk = disk
        self.model = Model()
        # What the last whole handshake of a session has left, and in which epoch.
        self.secrets: dict[bytes, tuple[int, bytes]] = {}
        # Requests by connection and handle, and those that cannot be told apart by that.
        self.handles: set[tuple[SealedPeer, int]] = set()
        self.ambiguous: set[tuple[SealedPeer, int]] = set()
        super().__init__(seed, port, patience)

    def make_honest(self) -> SealedPeer:
        """The connection of the honest client."""
        way = Way(self.keys["honest"])
        return SealedPeer(self.port, self.patience, self.keys["server"].public, lambda _: way)

    def make(self) -> SealedPeer:
        """A connection of somebody else."""
        return SealedPeer(self.port, self.patience, self.keys["server"].public, self.way, self)

    def way(self, hello: Hello) -> Way:
        """The right way to get keys."""
        return Way(self.keys["reader" if hello.session == SESSIONS[0] else "writer"])

    # What is known about the disk.

    def asked(self, peer: SealedPeer, frame: Frame) -> None:
        """Somebody says something."""
        if peer.broken:
            return
        if frame.opcode == Opcode.HELLO and not peer.greeted:
            peer.greeted = True
            return
        ping = peer.stamped(Opcode.PING, handle=frame.handle)
        if frame == ping:
            return
        if not is_frame(frame, peer.epoch, peer.generation):
            peer.broken = True
            return
        peer.broken = has_tail(frame)
        key = peer, frame.handle
        if key in self.handles:
            self.ambiguous.add(key)
        self.handles.add(key)
        geometry = self.honest.peer.geometry
        if frame.opcode in MODIFYING and peer.writes and is_offered(frame, geometry):
            self.model.begin(Change(key, peer.session, peer.epoch, frame))

    def answered(self, peer: SealedPeer, frame: Frame) -> None:
        """The server says something."""
        if frame.opcode == Opcode.HELLO | wire.REPLY and frame.status == 0:
            self.model.fence(peer.session, peer.epoch)
            assert peer.keys is not None
            if not peer.joined:
                self.secrets[peer.session] = peer.epoch, peer.keys.secret
            self.count("joined" if peer.joined else "shaken")
        key = peer, frame.handle
        if frame.opcode & ~wire.REPLY in MODIFYING and key not in self.ambiguous:
            self.model.end(key, frame)

    def settle(self) -> None:
        """Everybody but the honest client goes; the disk holds what it may, everywhere."""
        for peer in list(self.peers):
            self.drop(peer)
        deadline = time.monotonic() + self.patience
        while True:
            shown = objects.show("export", "show", "disk")
            if shown["sessions"] == 1 and shown["counters"]["in_flight"] == 0:
                break
            assert time.monotonic() < deadline, f"somebody stays: {shown}"
            time.sleep(0.01)
        self.model.under_way.clear()
        self.handles.clear()
        self.ambiguous.clear()
        end = self.honest.peer.geometry.sectors
        with blockio.opened(self.disk, os.O_RDONLY) as fd:
            for first in range(0, end, STEP):
                count = min(STEP, end - first)
                data = blockio.transfer(fd, first * wire.SECTOR, count * wire.SECTOR)
                if first in HONEST:
                    begin = first * wire.SECTOR
                    assert data == self.honest.data[begin : begin + len(data)], "not honest's data"
                    continue
                wrong = self.model.judge(first, data)
                assert not wrong, f"sectors hold what nobody could write: {wrong[:8]}"
        self.count("settled")

    # What happens besides, or in another way.

    def right_one(self, peer: SealedPeer) -> Frame:
        """A request that has to be carried out for this client."""
        while True:
            frame = self.kept_out(peer, self.right(peer))
            may = peer.writes or frame.opcode not in MODIFYING
            if may and is_offered(frame, self.honest.peer.geometry):
                return frame

    def welcomed(self) -> SealedPeer:
        """Somebody who was let in and has kept to the rules so far."""
        peers = [peer for peer in self.peers if peer.welcomed and not peer.broken]
        if not peers:
            raise Gone
        return self.dice.choice(peers)

    def must_go(self, peer: SealedPeer) -> None:
        """The server has heard enough of it."""
        peer.broken = True
        peer.wait_closed()
        self.peers.remove(peer)
        peer.close()

    def do_greet(self) -> None:
        """Somebody gets keys and says a hello, one of which may be wrong."""
        dice = self.dice
        session = dice.choice(SESSIONS)
        peer = self.connect()
        right = dice.random() < 0.7
        hello = self.hello(session, right)
        way = self.way(hello)
        epoch, secret = self.secrets.get(session, (0, b""))
        # Seldom in vain: a session with nobody in it is forgotten.
        there = any(other.session == session and other.welcomed for other in self.peers)
        if secret and dice.random() < (0.6 if there and epoch == self.epochs[session] else 0.1):
            hello.epoch, way.secret = epoch, secret
            peer.joined = True
        if not right:
            binding = Binding(hello.session, hello.epoch, hello.generation, hello.connection)
            fault = dice.randrange(6)
            if fault == 0:
                way.flip = dice.randrange(1 << 16)
            elif fault == 1:
                way.identity, hello.write = self.keys[dice.choice(["stranger", "reader"])], True
                peer.joined, way.secret = False, b""
            elif fault == 2:
                way.binding = dice.choice(
                    [
                        Binding(dice.randbytes(16), hello.epoch, hello.generation),
                        Binding(hello.session, hello.epoch ^ 1, hello.generation),
                        Binding(hello.session, hello.epoch, hello.generation ^ 1),
                        Binding(hello.session, hello.epoch, hello.generation, 31),
                    ]
                )
            elif fault == 3:
                way.suites = dice.choice([0, 4, 1 << 31])
            elif fault == 4:
                way.binding, way.secret = binding, dice.randbytes(32)
                peer.joined = True
            # Otherwise only the hello is wrong.
        peer.ways = lambda _: way
        peer.send(peer.greet(hello))
        if right:
            self.hear_welcome(peer)

    def hear_welcome(self, peer: SealedPeer) -> None:
        """Wait for what the server says to a hello, be it that it is an old one."""
        frame = peer.until(lambda found: found.opcode != Opcode.DRAINING)
        self.count(f"welcome {frame.opcode:#x} {frame.status}")

    def do_ask_wrong(self) -> None:
        """Somebody sends a request that is not right; what cannot be a request is the end."""
        dice = self.dice
        peer = dice.choice(self.peers)
        # Whoever has stopped within a record may be waited for.
        intact = peer.welcomed and not peer.broken
        before = peer.whole(self.right(peer)) if dice.random() < 0.3 else b""
        frame = self.wrong(peer)
        if dice.random() < 0.2:
            frame.handle = dice.choice([*EDGES, dice.randrange(2**64)])
        if dice.random() < 0.1:
            frame.opcode |= wire.REPLY
        peer.asked.add(frame.handle)
        peer.send(before + peer.whole(frame))
        # So may the rest of a frame that lies about how long it is.
        if intact and peer.broken and frame.length is None:
            self.must_go(peer)

    def do_other(self) -> None:
        """Somebody sends a frame that belongs to no request, and one that does behind it."""
        peer = self.welcomed()
        opcode = self.dice.choice([*range(1, 10), *range(0x81, 0x89), 0x90, 0x94, 0xFF])
        payload = self.dice.choice([b"", b"", bytes(52), bytes(72), self.dice.randbytes(150)])
        data = peer.whole(peer.stamped(opcode, payload=payload))
        peer.send(data + peer.encode(peer.stamped(Opcode.PING)))
        if peer.broken:
            self.must_go(peer)

    def do_stop(self) -> None:
        """Somebody stops in the middle of a record, for now or for good."""
        peer = self.welcomed()
        frame = self.right_one(peer)
        data = peer.encode(frame)
        at = self.dice.randrange(len(data))
        peer.send(data[:at])
        if self.dice.random() < 0.5:
            self.asked(peer, frame)
            peer.send(data[at:])
        else:
            peer.broken = True

    def do_garbage(self) -> None:
        """Somebody says something that nobody has sealed."""
        peer = self.dice.choice(self.peers)
        peer.broken = True
        peer.send(self.dice.randbytes(self.dice.choice([1, 63, 64, 300])))

    def do_ping(self) -> None:
        """Somebody wants to know whether the server is there."""
        peer = self.welcomed()
        ping = peer.stamped(Opcode.PING, handle=self.dice.randrange(2**64))
        peer.asked.add(ping.handle)
        peer.send(peer.whole(ping))
        pong = peer.until(lambda frame: frame.handle == ping.handle)
        assert pong.opcode == Opcode.PING | wire.REPLY and pong.status == 0, pong

    def do_rekey(self) -> None:
        """Somebody changes its keys, when it is time for that or not, or only says so, or does."""
        peer = self.welcomed()
        assert peer.outgoing is not None
        case = self.dice.randrange(8)
        data = b""
        if case < 5:
            data = b"" if peer.fresh else peer.encode(peer.stamped(Opcode.PING))
            data += peer.rekey()
            if self.dice.random() < 0.5:
                frame = self.right_one(peer)
                data += peer.whole(frame)
        elif case == 5:
            data = peer.rekey() + peer.rekey()
        elif case == 6:
            data = peer.encode(peer.stamped(Opcode.REKEY))
        else:
            peer.outgoing.rekey()
        peer.send(data + peer.encode(peer.stamped(Opcode.PING)))
        self.count(f"rekey {case}")
        if case >= 5:
            self.must_go(peer)

    def do_beyond(self) -> None:
        """Somebody who may write asks for what is not on the disk, and is told so."""
        peer = self.welcomed()
        if not peer.writes:
            raise Gone
        dice = self.dice
        opcode = dice.choice([Opcode.READ, *MODIFYING])
        count = dice.choice([1, 8, 64])
        end = self.honest.peer.geometry.sectors
        sector = dice.choice([end - count + 1, end, 2**55, 2**63, 2**64 - count, 2**64 - 1])
        payload = b"evil" * (128 * count) if opcode == Opcode.WRITE else b""
        frame = peer.request(opcode, sector, count, payload=payload)
        peer.send(peer.whole(frame))
        answer = peer.until(lambda found: found.handle == frame.handle)
        assert answer.status == wire.Status.RANGE, answer

    def do_overrun(self) -> None:
        """Somebody asks for more than it has credits for, and does not listen."""
        peer = self.welcomed()
        frames = [
            peer.request(Opcode.READ, self.wild.start, 512)
            for _ in range(self.dice.choice([2, 16]))
        ]
        peer.send(b"".join(peer.whole(frame) for frame in frames))

    def do_damage(self) -> None:
        """Records change on their way; what came before is carried out and nothing else."""
        dice = self.dice
        peer = self.welcomed()
        before = peer.last
        frames = [self.right_one(peer) for _ in range(dice.randint(1, 3))]
        parts = [peer.encode(frame) for frame in frames]
        at = dice.randrange(len(parts))
        part = parts[at]
        place = dice.randrange(len(part))
        kind = dice.choice(["flip", "cut", "insert", "replay", "repeat", "swap", "tags", "plain"])
        if kind == "flip":
            changed = bytearray(part)
            changed[place] ^= 1 << dice.randrange(8)
            parts[at] = bytes(changed)
        elif kind == "cut":
            parts[at] = part[:place] + part[place + dice.randint(1, 64) :]
        elif kind == "insert":
            parts[at] = part[:place] + dice.randbytes(dice.randint(1, 64)) + part[place:]
        elif kind == "replay":
            parts[at] = before
        elif kind == "repeat":
            at += 1
            parts.insert(at, part)
        elif kind == "swap" and at + 1 < len(parts):
            parts[at], parts[at + 1] = parts[at + 1], part
        elif kind == "swap":
            parts[at] = part[sealed.HEADER :] + part[: sealed.HEADER]
            if len(part) == sealed.HEADER:
                parts[at] = part[::-1]
        elif kind == "tags":
            parts[at] = part[: -sealed.TAG] + bytes(sealed.TAG)
        else:
            parts[at] = frames[at].encode()
        for frame in frames[:at]:
            self.asked(peer, frame)
        # Enough behind it that the server need not wait for the rest of anything.
        peer.broken = True
        peer.send(b"".join(parts) + dice.randbytes(2 * sealed.HEADER))
        self.count(f"damage {kind}")
        self.must_go(peer)

    def do_hang_up(self) -> None:
        """Somebody goes."""
        with contextlib.suppress(IndexError):
            super().do_hang_up()

    def weights(self) -> dict[Any, int]:
        """What can happen, and how often it does."""
        return {
            **super().weights(),
            self.do_ping: 6,
            self.do_rekey: 10,
            self.do_beyond: 6,
            self.do_overrun: 2,
            self.do_damage: 15,
        }

    def step(self) -> None:
        """Something happens, or the disk is looked at."""
        if self.steps % SETTLE == SETTLE - 1:
            self.last = "settle"
            self.settle()
        super().step()

    def finish(self) -> None:
        """Look once more at everything."""
        self.settle()
        super().finish()


def run(
    seed: int,
    seconds: float,
    most: int,
    port: int,
    patience: float,
    keys: dict[str, str],
    disk: str,
) -> dict[str, Any]:
    """Let them in for so long, or for so many steps; what happened and what went wrong."""
    return drive(lambda: Insiders(seed, port, patience, keys, disk), seed, seconds, most)
