# SPDX-License-Identifier: GPL-2.0
"""Interactive shells of the machine, for people who want to look around."""

import base64
import fcntl
import os
import pty
import select
import struct
import termios
from typing import Any

PIECE = 1024


def open_shell(prompt: str, rows: int, columns: int) -> list[int]:
    """Start a shell on a terminal of its own; its pid and descriptor."""
    pid, line = pty.fork()
    if pid == 0:
        os.chdir("/root")
        environment = {**os.environ, "PS1": prompt, "TERM": "linux", "PYTHONPATH": ""}
        os.execve("/bin/bash", ["bash", "--norc", "--noprofile"], environment)
    fcntl.ioctl(line, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    return [pid, line]


def write(line: int, data: str) -> None:
    """What the person has typed."""
    os.write(line, base64.b64decode(data))


def read(line: int, seconds: float) -> Any:
    """What the shell says next; an empty string if it is silent, nothing at its end."""
    if not select.select([line], [], [], seconds)[0]:
        return ""
    try:
        data = os.read(line, PIECE)
    except OSError:  # a terminal whose programs are all gone
        return None
    return base64.b64encode(data).decode() if data else None
