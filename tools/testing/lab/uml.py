# SPDX-License-Identifier: GPL-2.0
"""Machines made of User Mode Linux: a kernel that is an ordinary process.

The binary needs the C library of the root it was built in and the machine
takes its files from that root, so it runs chrooted there, in a mount and a
process namespace of its own: killing the first process of that kills all of
the machine, and nothing it mounted is left behind.
"""

import pathlib
import shlex
import socket
import subprocess

from lab.env import Lab
from lab.flavour import Flavour
from lab.machine import Machine
from lab.network import Switchboard

# Where the root's namespace shows the machine's things. The shell stays: the
# first process of a namespace ignores the signal a dying kernel sends itself.
_SCRIPT = """
mount --bind {stage} {root}/opt
mount --bind {run} {root}/srv
mount --bind {kernel} {root}/media
mount --rbind /dev {root}/dev
mount -t proc proc {root}/proc
cd {root}
chroot {root} {command}
"""


class Uml(Machine):
    """One User Mode Linux."""

    def __init__(
        self,
        name: str,
        flavour: Flavour,
        run_dir: pathlib.Path,
        number: int,
        *,
        paths: Lab,
        stage: pathlib.Path,
        board: Switchboard,
        cards: int = 1,
        memory: str = "1G",
        mtu: int = 1500,
    ) -> None:
        super().__init__(name, flavour, run_dir, number)
        self.root = paths.guest
        self.kernel = paths.uml[flavour.name]
        self.stage = stage
        self.board = board
        self.cards = cards
        self.memory = memory
        self.mtu = mtu

    def networks(self) -> int:
        """How many networks it is plugged into."""
        return self.cards

    def disk(self, index: int) -> str:
        """Path of a disk in the order of the command line."""
        return f"/dev/ubd{chr(ord('a') + index)}"

    def _command(self, line: int, cards: list[int]) -> str:
        """The kernel with its command line; line and cards are descriptors."""
        words = [
            f"/media/{self.kernel.name}",
            f"mem={self.memory}",
            f"ncpus={self.flavour.cpus}",
            *self.flavour.arguments,
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            "init=/opt/init",
            "con=null",
            "con0=null,fd:1",
            "ssl=null",
            f"ssl0=fd:{line},fd:{line}",
            "panic=-1",
            "raid=noautodetect",
            "kunit.autorun=0",
            "oops=panic",
            *(
                f"vec{n}:transport=fd,fd={fd},depth=128,mtu={self.mtu},mac={self.mac(n)}"
                for n, fd in enumerate(cards)
            ),
            *(f"ubd{n}=/srv/{disk.path.name}" for n, disk in enumerate(self.disks)),
        ]
        return shlex.join(words)

    def _launch(self) -> tuple[subprocess.Popen, socket.socket]:
        ours, theirs = socket.socketpair()
        cards = [self.board.plug(network, self.number) for network in range(self.cards)]
        descriptors = [end.fileno() for end in (theirs, *cards)]
        script = _SCRIPT.format(
            stage=self.stage,
            run=self.run_dir,
            kernel=self.kernel.parent,
            root=self.root,
            command=self._command(descriptors[0], descriptors[1:]),
        )
        with open(self.console_path, "wb") as console:
            process = subprocess.Popen(
                [
                    "setpriv",
                    "--pdeathsig",
                    "KILL",
                    "unshare",
                    "--mount",
                    "--propagation",
                    "private",
                    "--pid",
                    "--fork",
                    "--kill-child=KILL",
                    "sh",
                    "-ec",
                    script,
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                pass_fds=descriptors,
                start_new_session=True,
            )
        for end in (theirs, *cards):
            end.close()
        return process, ours
