# SPDX-License-Identifier: GPL-2.0
"""Host side of the conversation with a machine's agent."""

import itertools
import json
import socket
import threading
from concurrent.futures import Future
from typing import Any

# Bytes that may be under way to a machine: half of what its terminal buffers.
WINDOW = 2048


class MachineGone(ConnectionError):
    """The machine died (or was killed) while, or before, it was asked."""


class RemoteError(RuntimeError):
    """The agent could not do what it was asked."""

    def __init__(self, message: str, errno: int | None, trace: str) -> None:
        super().__init__(message)
        self.errno = errno
        self.trace = trace


class Channel:
    """Requests and answers over one stream socket."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.numbers = itertools.count(1)
        self.pending: dict[int, Future] = {}
        self.lock = threading.Lock()
        self.sending = threading.Lock()
        self.under_way = 0
        self.taken = threading.Condition()
        self.gone = False
        self.up: Future = Future()
        threading.Thread(target=self._receive, daemon=True).start()

    def start(self, op: str, **fields: Any) -> Future:
        """Send a request; its answer arrives in the future."""
        future: Future = Future()
        with self.lock:
            if self.gone:
                raise MachineGone("the machine is gone")
            number = next(self.numbers)
            self.pending[number] = future
        data = json.dumps({"id": number, "op": op, **fields}).encode() + b"\n"
        try:
            with self.sending:
                for begin in range(0, len(data), WINDOW):
                    self._send(data[begin : begin + WINDOW])
        except OSError as error:
            self._fail()
            raise MachineGone("the machine is gone") from error
        return future

    def call(self, op: str, patience: float, **fields: Any) -> Any:
        """Send a request and wait for its answer."""
        try:
            return self.start(op, **fields).result(patience)
        except TimeoutError:
            raise TimeoutError(f"no answer to {op} {fields} in {patience:.0f} s") from None

    def close(self) -> None:
        """End the conversation; everything outstanding fails."""
        self._fail()
        self.stream.close()

    def _send(self, part: bytes) -> None:
        """Send some bytes once the machine has taken enough of the others."""
        with self.taken:
            while self.under_way + len(part) > WINDOW and not self.gone:
                self.taken.wait()
            self.under_way += len(part)
        self.stream.sendall(part)

    def _receive(self) -> None:
        """Deliver answers until the other end is gone."""
        buffered = bytearray()
        try:
            while data := self.stream.recv(1 << 18):
                start = len(buffered)
                buffered += data
                while (end := buffered.find(b"\n", start)) >= 0:
                    line = bytes(buffered[:end])
                    del buffered[: end + 1]
                    start = 0
                    self._deliver(line)
        except OSError:
            pass
        self._fail()

    def _deliver(self, line: bytes) -> None:
        """Complete the future that a line answers."""
        try:
            message = json.loads(line)
        except ValueError:
            return  # noise of a serial line while a machine starts or dies
        if "taken" in message:
            with self.taken:
                self.under_way -= message["taken"]
                self.taken.notify_all()
            return
        if "event" in message:
            if not self.up.done():
                self.up.set_result(message)
            return
        with self.lock:
            future = self.pending.pop(message.get("id"), None)
        if future is None:
            return
        if "error" in message:
            future.set_exception(
                RemoteError(message["error"], message.get("errno"), message.get("trace", ""))
            )
        else:
            future.set_result(message["result"])

    def _fail(self) -> None:
        """Nobody will answer any more: say so to everybody who waits."""
        with self.lock:
            self.gone = True
            orphans = list(self.pending.values())
            self.pending.clear()
        with self.taken:
            self.taken.notify_all()
        for future in [*orphans, self.up]:
            if not future.done():
                future.set_exception(MachineGone("the machine is gone"))
