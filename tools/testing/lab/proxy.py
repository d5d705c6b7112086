# SPDX-License-Identifier: GPL-2.0
"""A man in the middle of a connection between two kernels.

It listens in one machine and connects to another one; the bytes pass through
the test, which records them and changes them at places that it names by their
offset in the stream. It knows no keys.
"""

import dataclasses
import threading
from collections.abc import Callable

from lab.dst import PORT
from lab.machine import Machine
from lab.rpc import MachineGone, RemoteError
from lab.sockets import RemoteSocket

Change = Callable[[bytes], bytes]


@dataclasses.dataclass
class Edit:
    """What becomes of a stretch of a stream."""

    at: int
    length: int
    change: Change


class Flow:
    """One direction of one connection."""

    def __init__(self, pair: "Pair", source: RemoteSocket, target: RemoteSocket) -> None:
        self.pair, self.source, self.target = pair, source, target
        # All that came in, and how far it has been passed on.
        self.seen = bytearray()
        self.passed = 0
        self.edits: list[Edit] = []
        self.lock = threading.Condition()
        self.thread = threading.Thread(target=self._pump, daemon=True)

    def edit(self, length: int, change: Change, at: int | None = None) -> Edit:
        """Change the next bytes, or those from an offset on, once all of them are there."""
        with self.lock:
            edit = Edit(len(self.seen) if at is None else at, length, change)
            self.edits.append(edit)
            self.edits.sort(key=lambda other: other.at)
        return edit

    def inject(self, data: bytes) -> None:
        """Send something that the other side has not sent."""
        self.target.send(data)

    def wait(self, length: int, timeout: float = 30) -> None:
        """Wait until so many bytes have come in."""
        with self.lock:
            if not self.lock.wait_for(lambda: len(self.seen) >= length, timeout):
                raise TimeoutError(f"only {len(self.seen)} of {length} bytes have come")

    def done(self, edit: Edit) -> bool:
        """Whether the stretch has come and been changed."""
        return edit not in self.edits

    def wait_done(self, edit: Edit, timeout: float = 30) -> None:
        """Wait for it."""
        with self.lock:
            if not self.lock.wait_for(lambda: self.done(edit), timeout):
                raise TimeoutError("what was to be changed has not come")

    def _next(self) -> bytes:
        """What can be passed on now."""
        out = bytearray()
        while self.passed < len(self.seen):
            edit = self.edits[0] if self.edits else None
            if edit is None or edit.at > self.passed:
                end = len(self.seen) if edit is None else min(edit.at, len(self.seen))
                out += self.seen[self.passed : end]
            else:
                end = edit.at + edit.length
                if end > len(self.seen):
                    break
                out += edit.change(bytes(self.seen[edit.at : end]))
                self.edits.pop(0)
            self.passed = end
        return bytes(out)

    def _pump(self) -> None:
        try:
            while data := self.source.receive_some():
                with self.lock:
                    self.seen += data
                    out = self._next()
                    self.lock.notify_all()
                if out:
                    self.target.send(out)
        except (RemoteError, MachineGone, TimeoutError):
            pass  # one side has hung up
        self.pair.close()


class Pair:
    """One connection: what goes up to the server and what comes down."""

    def __init__(self, client: RemoteSocket, server: RemoteSocket) -> None:
        client.timeout = server.timeout = 3600
        self.sockets = (client, server)
        self.up = Flow(self, client, server)
        self.down = Flow(self, server, client)
        self.lock = threading.Lock()
        self.open = True

    def start(self) -> None:
        """Carry bytes from now on."""
        self.up.thread.start()
        self.down.thread.start()

    def close(self) -> None:
        """Hang up on both sides."""
        with self.lock:
            if not self.open:
                return
            self.open = False
        for sock in self.sockets:
            try:
                sock.close()
            except (RemoteError, MachineGone):
                pass


class Proxy:
    """Listens in the machine of a client, for the connections to a server."""

    def __init__(self, machine: Machine, server: Machine, port: int = PORT) -> None:
        self.machine, self.server, self.port = machine, server, port
        # The port of the server.
        self.target = PORT
        self.pairs: list[Pair] = []
        # Called with each connection before a byte passes.
        self.prepare: Callable[[Pair], None] = lambda pair: None
        self.stopped = False
        self.progress = threading.Condition()
        self.listener = RemoteSocket.listen(machine.channel, "127.0.0.1", port)
        self.listener.timeout = 3600
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def last(self) -> Pair:
        """The latest connection."""
        return self.pairs[-1]

    def wait_pairs(self, count: int, timeout: float = 30) -> None:
        """Wait until so many connections have been made."""
        with self.progress:
            if not self.progress.wait_for(lambda: len(self.pairs) >= count, timeout):
                raise TimeoutError(f"only {len(self.pairs)} connections")

    def stop(self) -> None:
        """Hang up and listen no more."""
        self.stopped = True
        self.listener.close()
        for pair in self.pairs:
            pair.close()
        self.thread.join(10)

    def _serve(self) -> None:
        while not self.stopped:
            try:
                client = self.listener.accept()
                server = self.machine.connect(self.server.address(), self.target)
            except RemoteError:
                continue
            except MachineGone:
                return
            pair = Pair(client, server)
            self.prepare(pair)
            with self.progress:
                # Whoever is answered by way of it has to find it.
                self.pairs.append(pair)
                pair.start()
                self.progress.notify_all()
