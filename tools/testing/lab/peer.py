# SPDX-License-Identifier: GPL-2.0
"""A client of the kernel's server that a test plays itself.

It is as obedient or as hostile as the test wants: everything it sends can be
replaced by something else.
"""

import dataclasses
import secrets
from collections.abc import Callable
from typing import Any

from lab import wire
from lab.dst import PORT
from lab.machine import Machine
from lab.sockets import RemoteSocket
from lab.wire import Frame, Hello, Opcode, Status, Welcome


class Closed(ConnectionError):
    """The kernel has closed the connection."""


class Refused(ConnectionError):
    """The kernel has refused a hello."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(f"{status.name}: {message}")
        self.status = status
        self.message = message


class Connection:
    """Frames over one socket."""

    def __init__(self, sock: RemoteSocket) -> None:
        self.sock = sock
        # Bytes that follow the data of a reply.
        self.trailer = 0
        # What becomes of a frame on its way out.
        self.garble: Callable[[Frame, bytes], bytes] = lambda frame, data: data

    def send(self, frame: Frame | bytes) -> None:
        """Send a frame, or bytes that only look like one."""
        data = frame if isinstance(frame, bytes) else self.garble(frame, frame.encode())
        sent = self.sock.send(data)
        if sent != len(data):
            raise TimeoutError(f"only {sent} of {len(data)} bytes went out")

    def receive(self) -> Frame:
        """Next frame of the kernel, which has to be a correct one."""
        head = self._exactly(wire.HEADER_SIZE)
        frame, length = Frame.decode(head)
        frame.payload = self._exactly(length) if length else b""
        if frame.opcode == Opcode.READ | wire.REPLY and frame.payload:
            frame.trailer = self._exactly(self.trailer) if self.trailer else b""
        return frame

    def _exactly(self, length: int) -> bytes:
        try:
            data = self.sock.receive(length)
        except Exception as error:
            if getattr(error, "errno", None) in (104, 32):  # ECONNRESET, EPIPE
                raise Closed("reset") from error
            raise
        if len(data) < length:
            raise Closed(f"end of stream after {len(data)} of {length} bytes")
        return data

    def closed(self) -> bool:
        """Wait until the kernel closes the connection; frames before are skipped."""
        try:
            while True:
                self.receive()
        except Closed:
            return True
        except Exception as error:
            if "imeout" in str(error) or "imed out" in str(error):
                return False
            raise

    def close(self, reset: bool = False) -> None:
        """Hang up."""
        self.sock.close(reset)


class Client(Connection):
    """A client of the kernel's server."""

    def __init__(
        self,
        machine: Machine,
        host: str = "127.0.0.1",
        port: int = PORT,
        session: bytes | None = None,
        timeout: float = 10,
    ) -> None:
        super().__init__(machine.connect(host, port, timeout * machine.flavour.slowness))
        self.session = session or secrets.token_bytes(16)
        self.welcome: Welcome | None = None
        self.epoch = self.generation = 0
        self.slot = 0

    def hello(self, export: str, **fields: Any) -> Welcome:
        """Greet, and wait through the drain for the answer."""
        self.say_hello(export, **fields)
        return self.hear_welcome()

    def say_hello(self, export: str, **fields: Any) -> None:
        """Greet only."""
        hello = Hello(export, fields.pop("session", self.session), **fields)
        self.epoch, self.generation = hello.epoch, hello.generation
        self.send(
            Frame(
                Opcode.HELLO,
                epoch=hello.epoch,
                generation=hello.generation,
                payload=hello.encode(),
            )
        )

    def hear_welcome(self) -> Welcome:
        """Wait for the answer to a hello."""
        while (frame := self.receive()).opcode == Opcode.DRAINING:
            pass
        assert frame.opcode == Opcode.HELLO | wire.REPLY, frame
        if frame.status != Status.OK:
            found = wire.attributes(frame.payload)
            text = found.get(wire.Attribute.MESSAGE, b"").decode()
            raise Refused(Status(frame.status), text)
        self.welcome = Welcome.decode(frame.payload)
        return self.welcome

    def hello_with_digest(self, export: str, name: str, **fields: Any) -> Welcome:
        """Greet, and have all data carry a digest."""
        more = wire.attribute(wire.Attribute.DIGEST | wire.CRITICAL, name.encode())
        welcome = self.hello(export, features=wire.DIGEST, more=more, **fields)
        assert welcome.features == wire.DIGEST, welcome
        self.trailer = len(wire.DIGESTS[name](self.session, b""))
        return welcome

    def request(self, opcode: Opcode, sector: int = 0, sectors: int = 0, **fields: Any) -> Frame:
        """A request with a handle of its own, not sent yet."""
        self.slot += 1
        return dataclasses.replace(
            Frame(
                opcode,
                sector=sector,
                sectors=sectors,
                epoch=self.epoch,
                generation=self.generation,
                handle=self.generation << 32 | self.slot,
            ),
            **fields,
        )

    def ask(self, frame: Frame) -> Frame:
        """Send a request and receive the one answer that names it."""
        self.send(frame)
        answer = self.answer()
        assert answer.handle == frame.handle, answer
        assert answer.opcode == frame.opcode | wire.REPLY, answer
        return answer

    def answer(self) -> Frame:
        """Next answer to a request; what the server says by itself is skipped."""
        while True:
            frame = self.receive()
            if frame.opcode not in (Opcode.EVENT, Opcode.PING):
                return frame

    def failed_flush(self) -> Frame:
        """Flush, which fails; the PING that follows, for which nothing was waited before."""
        assert self.ask(self.request(Opcode.FLUSH)).status == Status.IO
        ping = self.receive()
        assert ping.opcode == Opcode.PING, ping
        return ping

    def pong(self, ping: Frame) -> None:
        """Answer a PING of the server."""
        self.send(dataclasses.replace(ping, opcode=Opcode.PING | wire.REPLY))

    def read(self, sector: int, sectors: int) -> bytes:
        """Read within one frame."""
        answer = self.ask(self.request(Opcode.READ, sector, sectors))
        assert answer.status == Status.OK, answer
        assert len(answer.payload) == sectors * wire.SECTOR
        return answer.payload

    def write(self, sector: int, data: bytes, flags: int = 0) -> None:
        """Write within one frame."""
        answer = self.ask(
            self.request(Opcode.WRITE, sector, len(data) // wire.SECTOR, payload=data, flags=flags)
        )
        assert answer.status == Status.OK, answer

    def alive(self) -> bool:
        """Whether the server still answers on this connection."""
        frame = Frame(Opcode.PING, handle=7, epoch=self.epoch, generation=self.generation)
        return self.ask(frame).status == Status.OK
