# SPDX-License-Identifier: GPL-2.0
"""What of the kernel the calls of a thread reach, on kernels with KCOV."""

import contextlib
import ctypes
import fcntl
import mmap
import os
import struct
from collections.abc import Iterator

PATH = "/sys/kernel/debug/kcov"
_INIT_TRACE = 0x80086301  # _IOR('c', 1, unsigned long)
_ENABLE = 0x6364  # _IO('c', 100)
_DISABLE = 0x6365
_TRACE_PC = 0
# Places that are kept at a time; the kernel leaves out what comes after that.
_ROOM = 1 << 16
_WORD = ctypes.sizeof(ctypes.c_ulong)


class Coverage:
    """All places that were reached while it watched; on other kernels there are none."""

    def __init__(self) -> None:
        self.reached: set[int] = set()
        # Whether something was reached for the first time when it last watched.
        self.news = False
        self.possible = os.path.exists(PATH)
        if self.possible:
            self.file = os.open(PATH, os.O_RDWR)
            fcntl.ioctl(self.file, _INIT_TRACE, _ROOM)
            self.places = mmap.mmap(self.file, _ROOM * _WORD)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Notes what this thread reaches meanwhile."""
        if not self.possible:
            yield
            return
        self.places[:_WORD] = bytes(_WORD)
        fcntl.ioctl(self.file, _ENABLE, _TRACE_PC)
        try:
            yield
        finally:
            fcntl.ioctl(self.file, _DISABLE, 0)
        (count,) = struct.unpack_from("=Q", self.places)
        found = set(struct.unpack_from(f"={count}Q", self.places, _WORD))
        self.news = not found <= self.reached
        self.reached |= found
