# SPDX-License-Identifier: GPL-2.0
"""Telling a person what happens, and how long each step takes."""

import contextlib
import sys
import time
from collections.abc import Iterator

from lab.machine import Machine

_WIDTH = 78


def _paint(code: str, text: str) -> str:
    """Colour, where there is somebody to see it."""
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text


def say(text: str = "") -> None:
    """One line."""
    print(text, flush=True)


def title(text: str) -> None:
    """What comes next."""
    say(_paint("1", text))


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """A line that ends with the time its step took."""
    say(f"  {text} ...")
    begin = time.monotonic()
    yield
    spent = time.monotonic() - begin
    say(f"  {_paint('32', 'done')}  {text}".ljust(_WIDTH) + f" {spent:6.1f} s")


def type_in(machine: Machine, command: str, timeout: float = 120) -> str:
    """Run a command as if typed, with its output, and the time it took."""
    say(_paint("36", f"    {machine.name}# {command}"))
    begin = time.monotonic()
    output = machine.sh(command, timeout=timeout)
    for line in output.rstrip().splitlines():
        say(f"      {line}")
    spent = time.monotonic() - begin
    if spent >= 0.5:
        say(f"      ({spent:.1f} s)")
    return output
