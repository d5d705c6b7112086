# SPDX-License-Identifier: GPL-2.0
"""What is in the physical memory of a machine, in use or not.

It is a file without a name, which a process of the machine has open. The kernel's own static data
is not in that of User Mode Linux.
"""

import mmap
import os
import pathlib
import stat
from collections.abc import Iterator

from lab.machine import Machine

# No machine has less.
LEAST = 128 << 20


def _descendants(pid: int) -> Iterator[int]:
    """A process, its children and theirs."""
    yield pid
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _descendants(int(child))


def _open(machine: Machine) -> int:
    """A descriptor of the file."""
    assert machine.process is not None
    for pid in _descendants(machine.process.pid):
        for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            about = link.stat()
            if stat.S_ISREG(about.st_mode) and not about.st_nlink and about.st_size >= LEAST:
                return os.open(link, os.O_RDONLY)
    raise RuntimeError(f"{machine.name} has no memory")


def _used(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Where something was ever written."""
    end = 0
    while True:
        try:
            begin = os.lseek(fd, end, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing follows
            return
        end = min(os.lseek(fd, begin, os.SEEK_HOLE), size)
        yield begin, end


def copies(machine: Machine, *secrets: bytes) -> list[int]:
    """In how many places each of them is, at this moment."""
    fd = _open(machine)
    try:
        size = os.fstat(fd).st_size
        counts = [0] * len(secrets)
        with mmap.mmap(fd, size, prot=mmap.PROT_READ) as memory:
            for begin, end in _used(fd, size):
                for number, secret in enumerate(secrets):
                    at = memory.find(secret, begin, end)
                    while at >= 0:
                        counts[number] += 1
                        at = memory.find(secret, at + 1, end)
        return counts
    finally:
        os.close(fd)
