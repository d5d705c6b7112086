# SPDX-License-Identifier: GPL-2.0
"""Somebody who writes a block at a time, and notices for how long he had to wait."""

import os
import threading
import time

from lab.guest import blockio

BLOCK = 4096

_pulses: dict[str, "Pulse"] = {}


class Pulse:
    """One of them."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.beats = 0
        self.last = time.monotonic()
        self.longest = 0.0
        self.error = ""
        self.stopping = False
        self.thread = threading.Thread(target=self._beat, daemon=True)
        self.thread.start()

    def _beat(self) -> None:
        data = bytes(BLOCK)
        with blockio.opened(self.path, os.O_WRONLY) as fd:
            while not self.stopping:
                try:
                    blockio.transfer(fd, 0, data)
                except OSError as error:
                    self.error = str(error)
                    return
                now = time.monotonic()
                self.longest = max(self.longest, now - self.last)
                self.last = now
                self.beats += 1
                time.sleep(0.001)


def start(path: str) -> None:
    """Begin."""
    _pulses[path] = Pulse(path)


def stop(path: str) -> None:
    """End, when the block under way is written."""
    pulse = _pulses.pop(path)
    pulse.stopping = True
    pulse.thread.join(60)


def forget(path: str) -> int:
    """Forget the longest wait; how many blocks were written so far."""
    pulse = _pulses[path]
    pulse.longest = 0.0
    return pulse.beats


def beats(path: str) -> int:
    """How many blocks were written so far."""
    return _pulses[path].beats


def reached(path: str, beats: int) -> bool:
    """Whether so many blocks were written."""
    pulse = _pulses[path]
    return pulse.beats >= beats or bool(pulse.error)


def longest(path: str) -> tuple[float, str]:
    """The longest wait since it was forgotten, and the error that ended it all."""
    pulse = _pulses[path]
    return pulse.longest, pulse.error
