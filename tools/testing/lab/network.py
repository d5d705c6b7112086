# SPDX-License-Identifier: GPL-2.0
"""Networks between machines, and the faults a test gives them."""

import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, Protocol

# Kernel buffers of a card: a burst has to fit, or TCP sees losses that nobody
# asked for. Beyond the limit for ordinary programs, hence the forced options.
BUFFER = 4 << 20
SO_SNDBUFFORCE = 32


class Numbered(Protocol):
    """Whatever has a number in the networks: a machine."""

    number: int


class Switchboard:
    """Owner of the relay process and of all networks of one run."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lab.relay"],
            stdin=theirs.fileno(),
            cwd=pathlib.Path(__file__).resolve().parent.parent,
        )
        theirs.close()
        self._answers = self._control.makefile("r")
        self._lock = threading.Lock()

    def _ask(self, op: str, _descriptors: tuple[int, ...] = (), **fields: Any) -> Any:
        request = json.dumps({"op": op, **fields}).encode() + b"\n"
        with self._lock:
            if _descriptors:
                socket.send_fds(self._control, [request], _descriptors)
            else:
                self._control.sendall(request)
            answer = self._answers.readline()
        if not answer:
            raise RuntimeError("the relay died")
        return json.loads(answer)

    def plug(self, network: int, number: int) -> socket.socket:
        """A new network card: the end that the machine has to hold."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in ours, theirs:
            end.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, BUFFER)
        self._ask("plug", (ours.fileno(),), network=network, number=number)
        ours.close()
        return theirs

    def direction(
        self, source: Numbered, target: Numbered, network: int = 0, **faults: Any
    ) -> None:
        """Set the faults of packets from one machine to another; none heals it."""
        self._ask("faults", network=network, source=source.number, target=target.number, **faults)

    def link(self, one: Numbered, other: Numbered, network: int = 0, **faults: Any) -> None:
        """Set the faults of both directions between two machines."""
        self.direction(one, other, network, **faults)
        self.direction(other, one, network, **faults)

    @contextlib.contextmanager
    def cut(self, one: Numbered, other: Numbered, network: int = 0) -> Iterator[None]:
        """Nothing passes between two machines while this lasts."""
        self.link(one, other, network, cut=True)
        try:
            yield
        finally:
            self.link(one, other, network)

    def heal(self, seed: int = 0) -> None:
        """Every wire is perfect again, and the next faults come from a seed."""
        self._ask("heal", seed=seed)

    def listen(self, secret: bytes) -> None:
        """Count the packets in which these bytes are, as "overheard"."""
        self._ask("listen", secret=secret.hex())

    def counts(self) -> dict[str, int]:
        """How many packets met which fault so far."""
        return self._ask("counts")

    def close(self) -> None:
        """End the relay."""
        self._control.close()
        self._process.kill()
        self._process.wait()
