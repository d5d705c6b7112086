# SPDX-License-Identifier: GPL-2.0
"""Who talks to the kernel's server while it is fuzzed: anybody, and an honest client."""

import contextlib
import random
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from lab import wire
from lab.wire import Frame, Hello, Opcode

# The part of the disk that belongs to the honest client.
HONEST = range(0, 4096)
MODIFYING = (Opcode.WRITE, Opcode.DISCARD, Opcode.WRITE_ZEROES)


class Gone(Exception):
    """The server has closed the connection."""


class Peer:
    """One connection, and what was said on it."""

    def __init__(self, port: int, patience: float) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), patience)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.patience = patience
        self.buffer = bytearray()
        self.session = b""
        self.epoch = self.generation = self.number = self.slot = 0
        self.writes = self.welcomed = False
        # Handles that an answer may name.
        self.asked: set[int] = {0}

    def encode(self, frame: Frame) -> bytes:
        """A frame as it goes over the wire."""
        return frame.encode()

    def whole(self, frame: Frame) -> bytes:
        """The same for a frame that is sent in whole."""
        return self.encode(frame)

    def close(self, reset: bool = False) -> None:
        """Hang up, one way or the other."""
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send what goes out at once; the rest is lost, as on a connection that breaks."""
        self.sock.settimeout(0)
        try:
            if self.sock.send(data) != len(data):
                raise Gone
        except OSError as error:
            raise Gone from error

    def frames(self, wait: float) -> list[Frame]:
        """What the server has said, all of which has to be right."""
        self.sock.settimeout(wait)
        with contextlib.suppress(TimeoutError, BlockingIOError):
            try:
                data = self.sock.recv(1 << 20)
            except ConnectionError as error:
                raise Gone from error
            if not data:
                raise Gone
            self.buffer += data
        found = []
        while frame := self.take():
            self.hear(frame)
            found.append(frame)
        return found

    def take(self) -> Frame | None:
        """The next frame that is there in whole."""
        if len(self.buffer) < wire.HEADER_SIZE:
            return None
        frame, length = Frame.decode(bytes(self.buffer[: wire.HEADER_SIZE]))
        end = wire.HEADER_SIZE + length
        if len(self.buffer) < end:
            return None
        frame.payload = bytes(self.buffer[wire.HEADER_SIZE : end])
        del self.buffer[:end]
        return frame

    def hear(self, frame: Frame) -> None:
        """Whatever it was asked, the server keeps to the rules."""
        assert frame.handle in self.asked, f"an answer to nothing: {frame}"
        if frame.opcode == Opcode.READ | wire.REPLY and frame.status == 0:
            assert len(frame.payload) == frame.sectors * wire.SECTOR, frame
        if frame.opcode & ~wire.REPLY in MODIFYING and frame.status == 0:
            assert self.writes, f"somebody writes who may not: {frame}"
        if frame.opcode == Opcode.HELLO | wire.REPLY and frame.status == 0:
            self.welcomed = True

    def until(self, wanted: Callable[[Frame], bool]) -> Frame:
        """Wait for a frame."""
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            for frame in self.frames(max(end - time.monotonic(), 0.001)):
                if wanted(frame):
                    return frame
        raise AssertionError("the server does not answer")

    def closed(self) -> bool:
        """Whether the server has hung up by now."""
        try:
            self.frames(0)
        except Gone:
            return True
        return False

    def wait_closed(self) -> None:
        """Wait until the server has hung up."""
        with contextlib.suppress(Gone):
            self.until(lambda frame: False)

    def greet(self, hello: Hello) -> bytes:
        """The frame of a hello, which tells what the connection is."""
        self.session, self.writes = hello.session, bool(hello.write)
        self.epoch, self.generation = hello.epoch, hello.generation
        self.number = hello.connection
        return self.whole(
            Frame(
                Opcode.HELLO,
                epoch=hello.epoch,
                generation=hello.generation,
                payload=hello.encode(),
            )
        )

    def request(self, opcode: int, sector: int = 0, sectors: int = 0, **more: Any) -> Frame:
        """A request with a handle of its own."""
        self.slot += 1
        handle = self.generation << 32 | self.slot
        self.asked.add(handle)
        return Frame(
            opcode,
            handle=handle,
            sector=sector,
            sectors=sectors,
            epoch=self.epoch,
            generation=self.generation,
            **more,
        )

    def stamped(self, opcode: int, **more: Any) -> Frame:
        """A frame of this connection that is no request."""
        return Frame(opcode, epoch=self.epoch, generation=self.generation, **more)

    def ask(self, frame: Frame) -> Frame:
        """Send a request that is right and wait for its answer."""
        self.send(self.whole(frame))
        answer = self.until(lambda found: found.handle == frame.handle)
        assert answer.status == 0, answer
        return answer


class Honest:
    """Somebody who keeps to the rules and wants to be served meanwhile."""

    def __init__(self, peer: Peer, dice: random.Random) -> None:
        self.peer = peer
        self.dice = dice
        self.data = bytearray(len(HONEST) * wire.SECTOR)
        self.peer.send(self.peer.greet(Hello("disk", b"honest" + bytes(10))))
        welcome = self.peer.until(lambda frame: frame.opcode == Opcode.HELLO | wire.REPLY)
        assert welcome.status == 0, welcome
        for sector in range(HONEST.start, HONEST.stop, 512):
            self.write(sector, self.dice.randbytes(512 * wire.SECTOR))

    def write(self, sector: int, data: bytes) -> None:
        """Write, and remember."""
        count = len(data) // wire.SECTOR
        self.peer.sock.settimeout(self.peer.patience)
        frame = self.peer.request(Opcode.WRITE, sector, count, payload=data)
        self.peer.sock.sendall(self.peer.whole(frame))
        answer = self.peer.until(lambda found: found.handle == frame.handle)
        assert answer.status == 0, answer
        self.data[sector * wire.SECTOR : (sector + count) * wire.SECTOR] = data

    def read(self, sector: int, count: int) -> None:
        """Read, and compare."""
        answer = self.peer.ask(self.peer.request(Opcode.READ, sector, count))
        place = slice(sector * wire.SECTOR, (sector + count) * wire.SECTOR)
        assert answer.payload == self.data[place], f"the honest client's data at {sector} is wrong"

    def step(self) -> None:
        """Do something useful."""
        count = self.dice.randint(1, 64)
        sector = self.dice.randrange(len(HONEST) - count)
        if self.dice.random() < 0.5:
            self.write(sector, self.dice.randbytes(count * wire.SECTOR))
        self.read(sector, count)
        if self.dice.random() < 0.1:
            self.peer.ask(self.peer.request(Opcode.FLUSH))

    def check_all(self) -> None:
        """Read everything."""
        for sector in range(HONEST.start, HONEST.stop, 512):
            self.read(sector, 512)
