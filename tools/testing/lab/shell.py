# SPDX-License-Identifier: GPL-2.0
"""The two machines of the demonstration, with a person at the keyboard."""

import base64
import contextlib
import os
import pathlib
import select
import shutil
import sys
import termios
import threading
import tty
from collections.abc import Iterator

from lab.demo import Lab
from lab.machine import Machine
from lab.show import say, title

SWITCH = 0x1D  # Ctrl-]

WELCOME = """\
You are in the server. Ctrl-] changes between server and client, "exit" ends
both. The server's free disk is /dev/vdb, the network is 10.77.0.0/24, the
server is {server}. Nothing is configured yet; try

  server# dstctl export add storage /dev/vdb --listen [::]:7770 --allow 10.77.0.0/24:rw
  client# dstctl add storage {server}:7770
  client# mkfs.ext4 /dev/dst-storage && mount /dev/dst-storage /mnt
"""


class Terminal:
    """A shell of one machine, its output collected by a thread."""

    def __init__(self, machine: Machine) -> None:
        size = shutil.get_terminal_size()
        self.machine = machine
        _, self.line = machine.call(
            "terminal.open_shell",
            prompt=f"{machine.name}# ",
            rows=size.lines,
            columns=size.columns,
        )
        self.shown = False
        self.kept = bytearray()
        self.lock = threading.Lock()
        self.ended = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        """Show what the shell says, or keep it until it is its turn."""
        try:
            while (
                data := self.machine.call("terminal.read", line=self.line, seconds=5)
            ) is not None:
                with self.lock:
                    self.kept += base64.b64decode(data)
                    self._flush()
        finally:
            self.ended.set()

    def _flush(self) -> None:
        if self.shown and self.kept:
            os.write(1, bytes(self.kept))
            self.kept.clear()

    def show(self, shown: bool) -> None:
        """Bring it to the front, or put it behind."""
        with self.lock:
            self.shown = shown
            self._flush()

    def type(self, data: bytes) -> None:
        """Pass on what was typed."""
        self.machine.call("terminal.write", line=self.line, data=base64.b64encode(data).decode())


@contextlib.contextmanager
def raw_keyboard() -> Iterator[None]:
    """Every key reaches the machine, control keys included."""
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def converse(terminals: list[Terminal]) -> None:
    """Carry keys to the terminal in front until one shell ends."""
    front = 0
    terminals[front].show(True)
    while not any(terminal.ended.is_set() for terminal in terminals):
        if not select.select([0], [], [], 0.2)[0]:
            continue
        data = os.read(0, 1024)
        if not data:
            return
        if SWITCH in data:
            terminals[front].show(False)
            front = (front + 1) % len(terminals)
            os.write(1, b"\r\n")
            terminals[front].show(True)
            terminals[front].type(b"\r")
        else:
            terminals[front].type(data)


def main(run_dir: pathlib.Path) -> int:
    """Boot, hand over, clean up."""
    if not sys.stdin.isatty():
        print("a shell needs a terminal", file=sys.stderr)
        return 2
    lab = Lab(run_dir)
    try:
        title("Two machines with the distribution's unmodified kernel")
        lab.boot()
        say(WELCOME.format(server=lab.server.address()))
        terminals = [Terminal(machine) for machine in (lab.server, lab.client)]
        with raw_keyboard():
            converse(terminals)
    finally:
        lab.close()
    return 0
