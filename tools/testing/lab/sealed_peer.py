# SPDX-License-Identifier: GPL-2.0
"""A client and a server of sealed connections that a test plays itself.

They differ from those of lab.peer and lab.fake in what goes over the wire and
in nothing else: bytes are sent as they are, frames are sealed.
"""

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

from lab import sealed, wire
from lab.fake import FakeServer
from lab.machine import Machine
from lab.noise import NO_PSK, Forged, Identity
from lab.peer import Client, Closed, Connection
from lab.sealed import Binding, ClientHandshake, Direction, Joining, Keys, ServerHandshake, Suite
from lab.sockets import RemoteSocket
from lab.wire import Frame, Opcode, Status, Welcome


class Records(Connection):
    """Frames over one socket, sealed as soon as there are keys."""

    def __init__(self, sock: RemoteSocket) -> None:
        super().__init__(sock)
        self.keys: Keys | None = None
        self.outgoing: Direction | None = None
        self.incoming: Direction | None = None
        # Records leave in the order in which they were sealed.
        self.sending = threading.RLock()
        # Everything as it went over the wire, by send and by frame received.
        self.sent: list[bytes] = []
        self.heard: list[bytes] = []

    def seal(self, keys: Keys, outgoing: Direction, incoming: Direction) -> None:
        """Seal everything from now on."""
        self.keys, self.outgoing, self.incoming = keys, outgoing, incoming

    def send(self, frame: Frame | bytes) -> None:
        """Send a frame, sealed, or bytes as they are."""
        with self.sending:
            if isinstance(frame, bytes):
                data = frame
            else:
                data = frame.encode() if self.outgoing is None else self.outgoing.frame(frame)
                data = self.garble(frame, data)
            self.sent.append(data)
            super().send(data)

    def receive(self) -> Frame:
        """Next frame of the kernel; keys are changed when it says so."""
        if self.incoming is None:
            frame = super().receive()
            self.heard.append(frame.encode())
            return frame
        while True:
            raw = self._exactly(sealed.HEADER)
            frame, length = Frame.decode(self.incoming.open(raw))
            if length:
                part = self._exactly(length + sealed.TAG)
                frame.payload = self.incoming.open(part)
                raw += part
            self.heard.append(raw)
            if frame.opcode != Opcode.REKEY:
                return frame
            self.incoming.rekey()

    def change_keys(self, frame: Frame) -> None:
        """Say by a frame that the next key is used from now on, and use it."""
        assert self.outgoing is not None
        with self.sending:
            self.send(frame)
            self.outgoing.rekey()


class SealedClient(Client, Records):
    """A client of the kernel's server that has keys."""

    def __init__(
        self,
        machine: Machine,
        me: Identity,
        server: bytes,
        psk: bytes = NO_PSK,
        suites: int = sealed.BOTH,
        **options: Any,
    ) -> None:
        super().__init__(machine, **options)
        self.handshake = ClientHandshake(me, server, psk)
        self.suites = suites

    def shake(self, export: str, **binding: Any) -> Keys:
        """Do the full handshake for a connection."""
        binding.setdefault("session", self.session)
        return self.shake_with(self.handshake.initiate(Binding(**binding), export, self.suites))

    def shake_with(self, frame: Frame) -> Keys:
        """The same with a first frame of the test's own."""
        self.send(frame)
        keys = self.handshake.accept(self.receive())
        self.seal(keys, keys.up(), keys.down())
        return keys

    def join(self, secret: bytes, **binding: Any) -> Keys:
        """Join a session that has had its handshake."""
        binding.setdefault("session", self.session)
        joining = Joining(secret, Binding(**binding))
        self.send(joining.request(self.suites))
        keys = joining.accept(self.receive())
        self.seal(keys, keys.up(), keys.down())
        return keys

    def hello(self, export: str, **fields: Any) -> Welcome:
        """Greet, after the handshake if there was none."""
        if self.keys is None:
            names = {field.name for field in dataclasses.fields(Binding)}
            self.shake(export, **{name: fields[name] for name in names & fields.keys()})
        return super().hello(export, **fields)

    def say_hello(self, export: str, **fields: Any) -> None:
        """Greet only."""
        if self.keys is not None:
            fields.setdefault("features", sealed.FEATURE)
        super().say_hello(export, **fields)

    def rekey(self) -> None:
        """Go on with the next key."""
        self.change_keys(self.stamped(Opcode.REKEY))

    def stamped(self, opcode: int, **fields: Any) -> Frame:
        """A frame of this connection."""
        return Frame(opcode, epoch=self.epoch, generation=self.generation, **fields)


class SealedServer(FakeServer):
    """A server for the kernel's client that has keys."""

    def __init__(self, machine: Machine, me: Identity, psk: bytes = NO_PSK, **options: Any) -> None:
        self.me, self.psk = me, psk
        self.suite: int = Suite.CHACHA20_POLY1305
        self.secrets: dict[bytes, bytes] = {}
        # Everything that came where a handshake belongs, and whose it was.
        self.greetings: list[Frame] = []
        self.clients: list[bytes] = []
        self.forged = 0
        # What to answer instead, by operation; None hangs up.
        self.instead: dict[int, Callable[[Frame], Frame | bytes | None]] = {}
        super().__init__(machine, **options)
        self.lies = {"features": sealed.FEATURE}

    def _wrap(self, sock: RemoteSocket) -> Connection:
        return Records(sock)

    def _attend(self, connection: Connection) -> None:
        try:
            super()._attend(connection)
        except Forged:
            self.forged += 1
            connection.close()

    def _begin(self, connection: Connection) -> None:
        assert isinstance(connection, Records)
        frame = connection.receive()
        self.greetings.append(frame)
        with self.progress:
            self.progress.notify_all()
        if frame.opcode in self.instead:
            answer = self.instead[frame.opcode](frame)
            if answer is None:
                connection.close()
                raise Closed("as the test says")
            connection.send(answer)
            raise Closed("nothing follows")
        try:
            reply, keys = self._join(frame) if frame.opcode == Opcode.JOIN else self._shake(frame)
        except (Forged, AssertionError) as error:
            self.forged += 1
            connection.close()
            raise Closed(str(error)) from error
        connection.send(reply)
        connection.seal(keys, keys.down(), keys.up())

    def _shake(self, frame: Frame) -> tuple[Frame, Keys]:
        handshake = ServerHandshake(self.me, frame)
        self.clients.append(handshake.client)
        reply, keys = handshake.respond(Suite(self.suite), self.psk)
        self.secrets[handshake.binding.session] = keys.secret
        return reply, keys

    def _join(self, frame: Frame) -> tuple[Frame, Keys]:
        secret = self.secrets.get(frame.payload[:16])
        if secret is None or not sealed.join_is_genuine(secret, frame):
            raise Forged("a join of nobody")
        return sealed.join_reply(secret, frame, self.suite)


def refusal(request: Frame, status: Status, text: bytes = b"because the test says so") -> Frame:
    """A refusal in place of an answer of the handshake; nothing proves who it is from."""
    message = wire.attribute(wire.Attribute.MESSAGE, text)
    return dataclasses.replace(
        Frame(Opcode.BYE, status=status, payload=message),
        epoch=request.epoch,
        generation=request.generation,
    )
