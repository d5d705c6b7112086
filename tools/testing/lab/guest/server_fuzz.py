# SPDX-License-Identifier: GPL-2.0
"""Clients of the kernel's server that come out of a seed: right, nearly right and wrong.

Several connections of several sessions live at the same time, in all their epochs. Whatever they
do is part of a sequence that the seed repeats, as far as time does not play into it.

The disk is divided. What a client with the right to write may do right, it does in its own part
only; another part belongs to an honest client, and nobody else ever changes a byte there: who may
only read tries to, and everybody tries to reach it by requests that are wrong.
"""

import contextlib
import random
import time
from collections.abc import Callable
from typing import Any

from lab import wire
from lab.guest.fuzz_peers import HONEST, MODIFYING, Gone, Honest, Peer
from lab.wire import Frame, Hello, Opcode

WILD = range(4096, 65536)
# Where each session proves that nothing of an older epoch lands.
MARKS = range(65536, 65536 + 64)
SESSIONS = [bytes([0x40 + number]) * 16 for number in range(4)]
MOST = 12
EDGES = (0, 1, 7, 8, 511, 512, 513, 2**31, 2**32 - 1, 2**55, 2**63, 2**64 - 8, 2**64 - 1)


class Fuzzer:
    """Everybody else."""

    # Where the others may do what they have the right to.
    wild = WILD

    def __init__(self, seed: int, port: int, patience: float) -> None:
        self.dice = random.Random(seed)
        self.port, self.patience = port, patience
        self.honest = Honest(self.make_honest(), random.Random(seed + 1))
        self.peers: list[Peer] = []
        # The highest epoch and generation that was used in each session.
        self.epochs = dict.fromkeys(SESSIONS, 1)
        self.generations = dict.fromkeys(SESSIONS, 0)
        self.outcomes: dict[str, int] = {}
        self.steps = 0
        self.last = ""

    def count(self, what: str) -> None:
        """Remember that something has happened."""
        self.outcomes[what] = self.outcomes.get(what, 0) + 1

    def make_honest(self) -> Peer:
        """The connection of the honest client."""
        return Peer(self.port, self.patience)

    def make(self) -> Peer:
        """A connection."""
        return Peer(self.port, self.patience)

    def connect(self) -> Peer:
        """One more connection; the oldest makes room if there are too many."""
        if len(self.peers) >= MOST:
            self.drop(self.peers[0])
        peer = self.make()
        self.peers.append(peer)
        return peer

    def drop(self, peer: Peer) -> None:
        """Hang up, one way or the other."""
        peer.close(reset=self.dice.random() < 0.5)
        self.peers.remove(peer)

    def hello(self, session: bytes, right: bool) -> Hello:
        """What somebody says first."""
        dice = self.dice
        self.generations[session] += 1
        if dice.random() < 0.3:
            self.epochs[session] += 1
        hello = Hello(
            "disk",
            session,
            epoch=self.epochs[session],
            generation=self.generations[session],
            # The right of a session is that of its first connection.
            write=SESSIONS.index(session) != 0,
            connection=dice.randrange(3),
            connections=3,
        )
        if right:
            return hello
        for _ in range(dice.randint(1, 3)):
            number = dice.choice([2, 3, 4, 0x8004, 0x7777, 0xF777])
            name, value = dice.choice(
                [
                    ("epoch", dice.choice([0, 1, max(hello.epoch, 1) - 1, hello.epoch + 9])),
                    ("generation", dice.choice([0, 1, max(hello.generation, 1) - 1, 2**32 - 1])),
                    ("export", dice.choice(["nothing", "x" * 63, "x" * 64, "", "a\nb", "disk "])),
                    ("version_max", dice.choice([0, 2, 0xFFFF])),
                    ("version_min", dice.choice([0, 2, 0xFFFF])),
                    ("features", dice.choice([1, 2, 4, 2**64 - 1])),
                    ("uuid", dice.randbytes(16)),
                    ("connection", dice.choice([2, 3, 31, 32, 0xFFFF])),
                    ("connections", dice.choice([0, 1, 32, 0xFFFF])),
                    ("reserved", 1),
                    ("write", not hello.write),
                    ("more", wire.attribute(number, dice.randbytes(dice.randrange(600)))),
                    ("more", dice.randbytes(dice.randrange(40))),
                ]
            )  # fmt: skip
            setattr(hello, name, value)
            if name == "write":
                # What a session may do is settled by its first connection.
                hello.session = dice.randbytes(16)
        self.epochs[session] = max(self.epochs[session], hello.epoch)
        return hello

    def extent(self, peer: Peer) -> tuple[int, int]:
        """Where this connection may do something right."""
        count = self.dice.choice([1, 2, 8, 8, 16, 64, 512])
        return self.dice.randrange(self.wild.start, self.wild.stop - count), count

    def right(self, peer: Peer) -> Frame:
        """A request that has to be carried out, if there are credits."""
        opcode = self.dice.choice([Opcode.READ, Opcode.WRITE, *MODIFYING, Opcode.FLUSH])
        if opcode == Opcode.FLUSH:
            return peer.request(opcode)
        sector, count = self.extent(peer)
        payload = self.dice.randbytes(count * wire.SECTOR) if opcode == Opcode.WRITE else b""
        return peer.request(opcode, sector, count, payload=payload)

    def wrong(self, peer: Peer) -> Frame:
        """A request with something wrong in it, mostly."""
        dice = self.dice
        frame = self.right(peer)
        for _ in range(dice.randint(1, 3)):
            name, value = dice.choice(
                [
                    ("opcode", dice.randrange(256)),
                    ("status", dice.randrange(256)),
                    ("flags", 1 << dice.randrange(16)),
                    ("credits", dice.choice(EDGES) & 0xFFFFFFFF),
                    ("handle", dice.choice(sorted(peer.asked))),
                    ("sector", dice.choice(EDGES)),
                    ("sectors", dice.choice(EDGES) & 0xFFFFFFFF),
                    ("epoch", dice.choice([0, frame.epoch - 1, frame.epoch + 1]) & 0xFFFFFFFF),
                    ("generation", dice.choice([0, frame.generation + 1]) & 0xFFFFFFFF),
                    ("payload", dice.randbytes(dice.choice([0, 1, 512, 4096, 5000]))),
                    ("length", dice.choice(EDGES) & 0xFFFFFFFF),
                    ("crc", dice.randrange(2**32)),
                    ("magic", b"DST2"),
                ]
            )
            setattr(frame, name, value)
        return self.kept_out(peer, frame)

    def kept_out(self, peer: Peer, frame: Frame) -> Frame:
        """Moves what could be right away from where only others may write."""
        if not peer.writes or frame.opcode not in MODIFYING:
            return frame
        end = frame.sector + frame.sectors
        if frame.sector < WILD.start and end > HONEST.start or end > MARKS.start > frame.sector:
            frame.sector = WILD.start
            frame.sectors = min(frame.sectors, len(WILD))
        elif frame.sector in MARKS:
            frame.sector = WILD.start
        return frame

    # What happens.

    def do_connect(self) -> None:
        """Somebody comes and says nothing."""
        self.connect()

    def do_greet(self) -> None:
        """Somebody says a hello."""
        right = self.dice.random() < 0.7
        peer = self.connect()
        hello = self.hello(self.dice.choice(SESSIONS), right)
        data = peer.greet(hello)
        if not right and self.dice.random() < 0.3:
            # Nobody knows what comes of it, not even whether it may write then.
            hello.session = self.dice.randbytes(16)
            data = peer.greet(hello)
            peer.writes = True
            at = self.dice.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 1 << self.dice.randrange(8)]) + data[at + 1 :]
        peer.send(data)

    def do_ask(self) -> None:
        """Somebody sends some requests at once, welcomed or not."""
        peer = self.dice.choice(self.peers)
        frames = [self.right(peer) for _ in range(self.dice.randint(1, 6))]
        peer.send(b"".join(peer.whole(self.kept_out(peer, frame)) for frame in frames))

    def do_ask_wrong(self) -> None:
        """Somebody sends a request that is not right, perhaps behind one that is."""
        peer = self.dice.choice(self.peers)
        before = peer.whole(self.right(peer)) if self.dice.random() < 0.3 else b""
        peer.send(before + peer.whole(self.wrong(peer)))

    def do_trespass(self) -> None:
        """Somebody without the right to write tries to, where it would be seen."""
        readers = [peer for peer in self.peers if peer.welcomed and not peer.writes]
        for peer in readers[:1]:
            opcode = self.dice.choice(MODIFYING)
            payload = b"evil" * 1024 if opcode == Opcode.WRITE else b""
            sector = self.dice.randrange(len(HONEST) - 8)
            peer.send(peer.whole(peer.request(opcode, sector, 8, payload=payload)))
            self.count("trespass")

    def do_stop(self) -> None:
        """Somebody stops in the middle of a frame, for now or for good."""
        peer = self.dice.choice(self.peers)
        data = peer.encode(self.kept_out(peer, self.right(peer)))
        at = self.dice.randrange(len(data))
        peer.send(data[:at])
        if self.dice.random() < 0.5:
            peer.send(data[at:])

    def do_garbage(self) -> None:
        """Somebody says something else."""
        self.dice.choice(self.peers).send(self.dice.randbytes(self.dice.choice([1, 47, 48, 300])))

    def do_other(self) -> None:
        """Somebody sends one of the frames that belong to no request."""
        peer = self.dice.choice(self.peers)
        opcode = self.dice.choice([*range(1, 9), 0x81, 0x83, 0x86, 0x87])
        payload = self.dice.choice([b"", b"", bytes(52), bytes(72), self.dice.randbytes(150)])
        peer.send(peer.whole(peer.stamped(opcode, payload=payload)))

    def do_listen(self) -> None:
        """Somebody hears what was answered."""
        peer = self.dice.choice(self.peers)
        for frame in peer.frames(0.002):
            self.count(f"answer {frame.opcode:#x} {frame.status}")

    def do_hang_up(self) -> None:
        """Somebody goes."""
        self.drop(self.dice.choice(self.peers))

    def do_honest(self) -> None:
        """The honest client works."""
        self.honest.step()

    def do_ghost(self) -> None:
        """A client comes back in a new epoch; what the old one still sends does not land."""
        dice = self.dice
        number = dice.randrange(1, len(SESSIONS))
        session, mark = SESSIONS[number], MARKS[8 * number]
        peers = []
        for _ in range(2):
            self.epochs[session] += 1
            self.generations[session] += 1
            peer = self.connect()
            hello = Hello(
                "disk",
                session,
                epoch=self.epochs[session],
                generation=self.generations[session],
                connections=3,
            )
            peer.send(peer.greet(hello))
            answer = peer.until(lambda frame: frame.opcode == Opcode.HELLO | wire.REPLY)
            assert answer.status == 0, f"not let in again: {answer}"
            old_data, new_data = dice.randbytes(4096), dice.randbytes(4096)
            peers.append(peer)
            with contextlib.suppress(Gone):
                # The first one's write may be under way when the second one comes.
                if len(peers) == 1:
                    peer.send(peer.whole(peer.request(Opcode.WRITE, mark, 8, payload=old_data)))
        old, new = peers
        new.ask(new.request(Opcode.WRITE, mark, 8, payload=new_data))
        with contextlib.suppress(Gone):
            old.send(old.encode(old.request(Opcode.WRITE, mark, 8, payload=b"evil" * 1024)))
        # Until it has heard that it is cut off.
        with contextlib.suppress(Gone):
            end = time.monotonic() + self.patience
            while time.monotonic() < end:
                old.frames(0.1)
            raise AssertionError("the old connection was not cut")
        answer = new.ask(new.request(Opcode.READ, mark, 8))
        assert answer.payload == new_data, "a ghost write"
        self.count("ghost")

    def weights(self) -> dict[Callable[[], None], int]:
        """What can happen, and how often it does."""
        return {
            self.do_greet: 20,
            self.do_ask: 30,
            self.do_ask_wrong: 25,
            self.do_listen: 25,
            self.do_other: 5,
            self.do_trespass: 10,
            self.do_honest: 10,
            self.do_stop: 4,
            self.do_garbage: 4,
            self.do_connect: 3,
            self.do_hang_up: 5,
            self.do_ghost: 2,
        }

    def step(self) -> None:
        """Something happens."""
        weights = self.weights()
        action = self.dice.choices(list(weights), list(weights.values()))[0]
        if not self.peers and action != self.do_honest:
            action = self.do_greet
        self.last = action.__name__
        before = list(self.peers)
        try:
            action()
            self.count(self.last)
        except Gone:
            self.count(f"{self.last}: gone")
            for peer in before + self.peers:
                if peer in self.peers and peer.closed():
                    self.drop(peer)
        self.steps += 1

    def finish(self) -> None:
        """Look once more at what has to be as it was."""
        self.honest.check_all()


def run(seed: int, seconds: float, most: int, port: int, patience: float) -> dict[str, Any]:
    """Let them in for so long, or for so many steps; what happened and what went wrong."""
    return drive(lambda: Fuzzer(seed, port, patience), seed, seconds, most)


def drive(make: Callable[[], Fuzzer], seed: int, seconds: float, most: int) -> dict[str, Any]:
    """The same with a fuzzer of any kind."""
    fuzzer = None
    wrong = ""
    try:
        fuzzer = make()
        deadline = time.monotonic() + seconds
        while fuzzer.steps < most and time.monotonic() < deadline:
            fuzzer.step()
        fuzzer.last = "the end"
        fuzzer.finish()
    except Exception as error:  # the scenario is told all of it
        where = f"step {fuzzer.steps}, {fuzzer.last}" if fuzzer else "the beginning"
        wrong = f"seed {seed}, {where}: {type(error).__name__}: {error}"
    if fuzzer is None:
        return {"sent": 0, "outcomes": {}, "wrong": wrong}
    for peer in [*fuzzer.peers, fuzzer.honest.peer]:
        peer.close()
    return {"sent": fuzzer.steps, "outcomes": fuzzer.outcomes, "wrong": wrong}
