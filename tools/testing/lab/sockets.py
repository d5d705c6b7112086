# SPDX-License-Identifier: GPL-2.0
"""Sockets that live inside a machine and are driven from the test."""

import base64
from typing import Any

from lab.rpc import Channel

# Seconds for the round trip itself.
MARGIN = 30


class RemoteSocket:
    """One TCP or UNIX socket of a machine; every call is one call there."""

    def __init__(self, channel: Channel, number: int, timeout: float) -> None:
        self.channel = channel
        self.number = number
        self.timeout = timeout
        self.open = True

    @staticmethod
    def _ask(channel: Channel, call: str, patience: float, **args: Any) -> Any:
        return channel.call("socket", patience + MARGIN, call=call, args=args)

    @classmethod
    def connect(cls, channel: Channel, host: str, port: int, timeout: float) -> "RemoteSocket":
        """Connect from inside the machine."""
        number = cls._ask(channel, "connect", timeout, host=host, port=port, timeout=timeout)
        return cls(channel, number, timeout)

    @classmethod
    def listen(cls, channel: Channel, host: str, port: int) -> "RemoteSocket":
        """Listen inside the machine."""
        return cls(channel, cls._ask(channel, "listen", 5, host=host, port=port), 10)

    def accept(self) -> "RemoteSocket":
        """The next connection."""
        number = self._ask(
            self.channel, "accept", self.timeout, number=self.number, timeout=self.timeout
        )
        return RemoteSocket(self.channel, number, self.timeout)

    def send(self, data: bytes) -> int:
        """Send what goes out before the deadline; how much that was."""
        return self._ask(
            self.channel,
            "send",
            self.timeout,
            number=self.number,
            data=base64.b64encode(data).decode(),
            timeout=self.timeout,
        )

    def receive(self, length: int) -> bytes:
        """Receive exactly length bytes, or fewer at the end of the stream."""
        return base64.b64decode(
            self._ask(
                self.channel,
                "receive",
                self.timeout,
                number=self.number,
                length=length,
                timeout=self.timeout,
            )
        )

    def receive_some(self, limit: int = 1 << 16) -> bytes:
        """Receive what is there, at least a byte unless the stream ends."""
        return base64.b64decode(
            self._ask(
                self.channel,
                "receive_some",
                self.timeout,
                number=self.number,
                limit=limit,
                timeout=self.timeout,
            )
        )

    def close(self, reset: bool = False) -> None:
        """Close it, politely or by a reset."""
        if self.open:
            self.open = False
            self._ask(self.channel, "close", 5, number=self.number, reset=reset)

    def shutdown(self) -> None:
        """Say that nothing more will be sent."""
        self._ask(self.channel, "shutdown", 5, number=self.number)
