# SPDX-License-Identifier: GPL-2.0
"""Sockets of the machine, lent to the test outside.

A test that plays a hostile peer runs on the host but has to speak from inside
the machine's network. Each call is one socket call made here, nothing is read
ahead: a peer that does not read is then really one that does not read.
"""

import base64
import contextlib
import itertools
import socket
import struct
import threading
from typing import Any

RESET = struct.pack("ii", 1, 0)


class Table:
    """Open sockets by number."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.open: dict[int, socket.socket] = {}
        self.lock = threading.Lock()

    def add(self, sock: socket.socket) -> int:
        """Give a socket its number."""
        with self.lock:
            number = next(self.numbers)
            self.open[number] = sock
            return number

    def serve(self, request: dict[str, Any]) -> Any:
        """Do one call on one socket."""
        return getattr(self, "do_" + request["call"])(**request.get("args", {}))

    def do_connect(self, host: str, port: int, timeout: float) -> int:
        """Connect by TCP, or to a UNIX socket if port is 0."""
        if port == 0:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(timeout)
            sock.connect(host)
        else:
            sock = socket.create_connection((host, port), timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.add(sock)

    def do_listen(self, host: str, port: int) -> int:
        """Listen on a TCP address."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return self.add(socket.create_server((host, port), family=family, backlog=16))

    def do_accept(self, number: int, timeout: float) -> int:
        """Next connection of a listener."""
        listener = self.open[number]
        listener.settimeout(timeout)
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.add(sock)

    def do_send(self, number: int, data: str, timeout: float) -> int:
        """Send as much as goes out before the deadline; how much that was."""
        sock = self.open[number]
        sock.settimeout(timeout)
        view = memoryview(base64.b64decode(data))
        sent = 0
        try:
            while sent < len(view):
                sent += sock.send(view[sent:])
        except TimeoutError:
            pass
        return sent

    def do_receive(self, number: int, length: int, timeout: float) -> str:
        """Receive exactly length bytes, or fewer at the end of the stream."""
        sock = self.open[number]
        sock.settimeout(timeout)
        data = bytearray()
        while len(data) < length:
            part = sock.recv(length - len(data))
            if not part:
                break
            data += part
        return base64.b64encode(data).decode()

    def do_receive_some(self, number: int, limit: int, timeout: float) -> str:
        """Receive what is there, at least a byte unless the stream ends."""
        sock = self.open[number]
        sock.settimeout(timeout)
        return base64.b64encode(sock.recv(limit)).decode()

    def do_close(self, number: int, reset: bool) -> None:
        """Close, by a reset (RST instead of FIN) if asked."""
        sock = self.open.pop(number)
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        else:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in a call
        sock.close()

    def do_shutdown(self, number: int) -> None:
        """Say that nothing more will be sent."""
        self.open[number].shutdown(socket.SHUT_WR)
