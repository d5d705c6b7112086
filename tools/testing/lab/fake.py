# SPDX-License-Identifier: GPL-2.0
"""A server for the kernel's client, obedient or hostile as the test wants.

It serves in a thread of its own. A test replaces the answer to an operation by
putting a function in `on`; what the function returns is sent, be it a frame,
bytes that only look like one, several of these, or nothing.
"""

import contextlib
import dataclasses
import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Any

from lab import wire
from lab.dst import PORT
from lab.machine import Machine
from lab.peer import Closed, Connection
from lab.rpc import MachineGone, RemoteError
from lab.sockets import RemoteSocket
from lab.wire import Frame, Geometry, Hello, Opcode, Status, Welcome

Answer = Frame | bytes | Sequence[Frame | bytes] | None
# What lab.guest.blockio calls them.
OPCODES = {
    "read": Opcode.READ,
    "write": Opcode.WRITE,
    "flush": Opcode.FLUSH,
    "discard": Opcode.DISCARD,
    "zeroes": Opcode.WRITE_ZEROES,
}


def pages(frame: Frame) -> int:
    """Credits that a request has cost."""
    if frame.opcode not in (Opcode.READ, Opcode.WRITE):
        return 1
    last = frame.sector + frame.sectors - 1
    return last // wire.PAGE_SECTORS - frame.sector // wire.PAGE_SECTORS + 1


class FakeServer:
    """A disk of the test's own making."""

    def __init__(self, machine: Machine, port: int = PORT, sectors: int = 1 << 16) -> None:
        self.slowness = machine.flavour.slowness
        self.port = port
        self.uuid = secrets.token_bytes(16)
        self.boot_id = secrets.token_bytes(16)
        self.geometry = Geometry(sectors)
        self.data: dict[int, bytes] = {}
        self.on: dict[int, Callable[[Frame], Answer]] = {}
        # Fields of the welcome that are not the truth.
        self.lies: dict[str, Any] = {}
        # What becomes of a frame on its way out.
        self.garble: Callable[[Frame, bytes], bytes] = lambda frame, data: data
        # How many older requests it says that it completes before it welcomes somebody.
        self.drains = 0
        # The name of what follows data.
        self.digest: str | None = None
        self.refusal: Status | None = None
        # Whom that is for.
        self.refuses: Callable[[Hello], bool] = lambda hello: True
        # Bytes to send instead of a welcome.
        self.greeting: bytes | None = None
        # After how many bytes to hang up within the next welcome.
        self.cut_welcome: int | None = None
        # Everything the client has said, in its order.
        self.hellos: list[Hello] = []
        self.frames: list[Frame] = []
        self.answered: list[Frame] = []
        self.connection: Connection | None = None
        # The one over which something came last.
        self.speaking: Connection | None = None
        self.listener = RemoteSocket.listen(machine.channel, "0.0.0.0", port)
        self.listener.timeout = 3600
        self.stopped = False
        # Whether to serve several connections at the same time.
        self.parallel = False
        self.progress = threading.Condition()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    # What the test does.

    def offer_everything(self) -> None:
        """Be a disk of which everything can be asked; before it is attached."""
        self.geometry = dataclasses.replace(
            self.geometry,
            flags=wire.VOLATILE_CACHE,
            max_discard_sectors=8,
            discard_granularity=512,
            max_write_zeroes_sectors=8,
        )

    def send(self, frame: Frame | bytes) -> None:
        """Send something that nobody asked for."""
        assert self.connection is not None
        self.connection.send(frame)

    def wait_for(self, condition: Callable[[], Any], timeout: float = 30) -> None:
        """Wait until what the thread does makes something true."""
        with self.progress:
            if not self.progress.wait_for(condition, timeout * self.slowness):
                raise TimeoutError("the client did not do what was waited for")

    def hang_up(self) -> None:
        """Close the connection."""
        # As soon as it is closed there may be the next one.
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def stop(self) -> None:
        """Hang up and listen no more."""
        self.stopped = True
        self.listener.close()
        self.hang_up()
        self.thread.join(10)

    def frame(self, opcode: int, **fields: Any) -> Frame:
        """A frame of the current connection."""
        hello = self.hellos[-1]
        return dataclasses.replace(
            Frame(opcode, epoch=hello.epoch, generation=hello.generation), **fields
        )

    def answer(self, request: Frame, **fields: Any) -> Frame:
        """The truthful answer to a request, except for the fields given."""
        reply = Frame(
            request.opcode | wire.REPLY,
            handle=request.handle,
            epoch=request.epoch,
            generation=request.generation,
        )
        if request.opcode != Opcode.PING:
            reply.credits = pages(request)
        if request.opcode not in (Opcode.PING, Opcode.FLUSH):
            reply.sector, reply.sectors = request.sector, request.sectors
        if request.opcode == Opcode.READ and fields.get("status", 0) == 0:
            reply.payload = self.read(request.sector, request.sectors)
            if self.digest is not None:
                digest = wire.DIGESTS[self.digest]
                reply.trailer = digest(self.hellos[-1].session, reply.payload)
        return dataclasses.replace(reply, **fields)

    def read(self, sector: int, sectors: int) -> bytes:
        """What the disk holds."""
        return b"".join(
            self.data.get(number, bytes(wire.SECTOR)) for number in range(sector, sector + sectors)
        )

    # What the thread does.

    def _serve(self) -> None:
        while not self.stopped:
            try:
                self.connection = self._wrap(self.listener.accept())
                self.connection.sock.timeout = 3600
                self.connection.garble = lambda frame, data: self.garble(frame, data)
            except RemoteError:
                continue
            except MachineGone:
                return
            if self.parallel:
                threading.Thread(target=self._attend, args=(self.connection,), daemon=True).start()
            else:
                self._attend(self.connection)

    def _attend(self, connection: Connection) -> None:
        try:
            self._begin(connection)
            self._converse(connection)
        except (Closed, RemoteError, MachineGone):
            # The client, or the test, has hung up. A machine has not many files to have open.
            with contextlib.suppress(RemoteError, MachineGone):
                connection.close()

    def _wrap(self, sock: RemoteSocket) -> Connection:
        return Connection(sock)

    def _begin(self, connection: Connection) -> None:
        """Do what comes before the hello."""

    def _converse(self, connection: Connection) -> None:
        greeting = connection.receive()
        hello = Hello.decode(greeting.payload)
        self.hellos.append(hello)
        if self.greeting is not None:
            connection.send(self.greeting)
            connection.close()
            return
        if self.refusal is not None and self.refuses(hello):
            text = wire.attribute(wire.Attribute.MESSAGE, b"because the test says so")
            connection.send(
                self.frame(Opcode.HELLO | wire.REPLY, status=self.refusal, payload=text)
            )
            connection.close()
            return
        welcome = Welcome(
            session=hello.session,
            uuid=self.uuid,
            boot_id=self.boot_id,
            geometry=self.geometry,
            epoch=hello.epoch,
            generation=hello.generation,
            connection=hello.connection,
        )
        welcome = dataclasses.replace(welcome, **self.lies)
        greeting = self.frame(Opcode.HELLO | wire.REPLY, payload=welcome.encode())
        if self.cut_welcome is not None:
            connection.send(greeting.encode()[: self.cut_welcome])
            self.cut_welcome = None
            connection.close()
            return
        if self.drains:
            connection.send(self.frame(Opcode.DRAINING, sectors=self.drains))
        connection.send(greeting)
        with self.progress:
            self.progress.notify_all()
        while True:
            self._handle(connection, connection.receive())

    def _handle(self, connection: Connection, frame: Frame) -> None:
        if frame.opcode == Opcode.BYE:
            return
        if frame.opcode != Opcode.PING:
            self.frames.append(frame)
        self.speaking = connection
        if frame.opcode in self.on:
            answer = self.on[frame.opcode](frame)
        else:
            if frame.opcode == Opcode.WRITE:
                for index in range(frame.sectors):
                    part = frame.payload[index * wire.SECTOR : (index + 1) * wire.SECTOR]
                    self.data[frame.sector + index] = part
            answer = self.answer(frame)
        with self.progress:
            self.progress.notify_all()
        if answer is None:
            return
        for reply in [answer] if isinstance(answer, Frame | bytes) else answer:
            connection.send(reply)
        with self.progress:
            self.answered.append(frame)
            self.progress.notify_all()
