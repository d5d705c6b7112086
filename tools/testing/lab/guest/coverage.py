# SPDX-License-Identifier: GPL-2.0
"""What of the kernel the calls of a thread reach, on kernels with KCOV."""

import contextlib
import ctypes
import fcntl
import mmap
import os
from collections.abc import Iterator

PATH = "/sys/kernel/debug/kcov"
_INIT_TRACE = 0x80086301  # _IOR('c', 1, unsigned long)
_ENABLE = 0x6364  # _IO('c', 100)
_DISABLE = 0x6365
_TRACE_PC = 0
# Places that are kept at a time; the kernel leaves out what comes after that.
_ROOM = 1 << 16
_Places = ctypes.c_ulong * _ROOM


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
            self.places = _Places.from_address(self._map())

    def _map(self) -> int:
        """Where the kernel writes how many places it has seen, and which."""
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        # The module mmap looks at the size of the file, which is 0.
        flags = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED
        size = ctypes.c_size_t(ctypes.sizeof(_Places))
        address = libc.mmap(None, size, *flags, self.file, ctypes.c_long(0))
        assert address != ctypes.c_void_p(-1).value, os.strerror(ctypes.get_errno())
        return address

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Notes what this thread reaches meanwhile."""
        if not self.possible:
            yield
            return
        self.places[0] = 0
        fcntl.ioctl(self.file, _ENABLE, _TRACE_PC)
        try:
            yield
        finally:
            fcntl.ioctl(self.file, _DISABLE, 0)
        found = set(self.places[1 : self.places[0] + 1])
        self.news = not found <= self.reached
        self.reached |= found
