# SPDX-License-Identifier: GPL-2.0
"""A disk of the lab's own making, with the liberties that disks take.

It has a volatile cache, which dies with the machine, completes what is under way
in any order, and holds requests for as long as the test wants. The kernel's nbd
makes a block device of it; this is the program at the other end of the socket.
"""

import contextlib
import errno
import fcntl
import heapq
import itertools
import mmap
import os
import random
import socket
import struct
import threading
import time

SECTOR = 512
MOST = 1 << 20

_SET_SOCK, _SET_BLKSIZE, _DO_IT, _CLEAR_SOCK = 0xAB00, 0xAB01, 0xAB03, 0xAB04
_SET_SIZE_BLOCKS, _SET_TIMEOUT, _SET_FLAGS = 0xAB07, 0xAB09, 0xAB0A
_HAS_FLAGS, _SEND_FLUSH, _SEND_FUA, _SEND_ZEROES = 1, 4, 8, 64
_READ, _WRITE, _DISCONNECT, _FLUSH, _ZEROES = 0, 1, 2, 3, 6
_KINDS = {"read": _READ, "write": _WRITE, "flush": _FLUSH, "zeroes": _ZEROES}
_FUA = 1
_REQUEST = struct.Struct(">IHHQQI")
_REPLY = struct.Struct(">II8s")
_REQUEST_MAGIC, _REPLY_MAGIC = 0x25609513, 0x67446698

_disks: dict[str, "Disk"] = {}


class Disk:
    """One of them."""

    def __init__(self, device: str, backing: str, cached: bool, fua: bool, seed: int) -> None:
        self.dice = random.Random(seed)
        self.stable = os.open(backing, os.O_RDWR | os.O_DIRECT)
        self.memory = mmap.mmap(-1, MOST)
        self.cached = cached
        self.cache: dict[int, bytes] = {}
        # Seconds that a write may take, if not held.
        self.slowness = 0.0
        self.holds = 0
        # Whether requests are left in the socket, until that is full.
        self.deaf = False
        self.held: list[tuple] = []
        # Kinds of requests that fail, without being done.
        self.failing: set[int] = set()
        self.due: list[tuple[float, int, tuple]] = []
        self.order = itertools.count()
        self.changed = threading.Condition()
        self.ours, self.theirs = socket.socketpair()
        size = os.lseek(self.stable, 0, os.SEEK_END)
        self.nbd = os.open(device, os.O_RDWR)
        fcntl.ioctl(self.nbd, _SET_BLKSIZE, SECTOR)
        fcntl.ioctl(self.nbd, _SET_SIZE_BLOCKS, size // SECTOR)
        flush = _SEND_FLUSH | (_SEND_FUA if fua else 0) if cached else 0
        fcntl.ioctl(self.nbd, _SET_FLAGS, _HAS_FLAGS | _SEND_ZEROES | flush)
        fcntl.ioctl(self.nbd, _SET_TIMEOUT, 0)
        queue = f"/sys/block/{os.path.basename(device)}/queue/max_sectors_kb"
        with open(queue, "w", encoding="utf-8") as file:
            file.write(str(MOST >> 10))
        fcntl.ioctl(self.nbd, _SET_SOCK, self.theirs.fileno())
        for work in self._device, self._receive, self._work:
            threading.Thread(target=work, daemon=True).start()

    def _device(self) -> None:
        """The kernel's end; returns when the device goes."""
        with contextlib.suppress(OSError):
            fcntl.ioctl(self.nbd, _DO_IT)

    def _exactly(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            part = self.ours.recv(length - len(data))
            if not part:
                raise ConnectionError
            data += part
        return bytes(data)

    def _receive(self) -> None:
        """Take requests, and decide when each is done."""
        with contextlib.suppress(ConnectionError):
            while True:
                with self.changed:
                    self.changed.wait_for(lambda: not self.deaf)
                _, flags, kind, cookie, offset, length = _REQUEST.unpack(
                    self._exactly(_REQUEST.size)
                )
                data = self._exactly(length) if kind == _WRITE else b""
                if kind == _DISCONNECT:
                    break
                request = (kind, flags, cookie, offset // SECTOR, length, data)
                with self.changed:
                    if kind == _WRITE and self.holds:
                        self.holds -= 1
                        self.held.append(request)
                    else:
                        wait = self.slowness * self.dice.random() if kind == _WRITE else 0
                        item = time.monotonic() + wait, next(self.order), request
                        heapq.heappush(self.due, item)
                    self.changed.notify_all()

    def _work(self) -> None:
        """Do what is due."""
        while True:
            with self.changed:
                while True:
                    wait = self.due[0][0] - time.monotonic() if self.due else None
                    if wait is not None and wait <= 0:
                        break
                    self.changed.wait(wait)
                request = heapq.heappop(self.due)[2]
            error = errno.EIO if request[0] in self.failing else 0
            answer = b"" if error else self._do(*request)
            head = _REPLY.pack(_REPLY_MAGIC, error, struct.pack(">Q", request[2]))
            self.ours.sendall(head + answer)

    def _do(
        self, kind: int, flags: int, cookie: int, sector: int, length: int, data: bytes
    ) -> bytes:
        """Do one request; what it reads."""
        if kind == _READ:
            return self._read(sector, length)
        if kind in (_WRITE, _ZEROES):
            data = data or bytes(length)
            if not self.cached:
                self._store(sector, data)
                return b""
            for offset in range(0, length, SECTOR):
                self.cache[sector + offset // SECTOR] = data[offset : offset + SECTOR]
            if flags & _FUA:
                self._destage(range(sector, sector + length // SECTOR))
            elif self.dice.random() < 0.1:
                self._destage([self.dice.choice(list(self.cache))])
        elif kind == _FLUSH:
            self._destage(sorted(self.cache))
        return b""

    def _read(self, sector: int, length: int) -> bytes:
        view = memoryview(self.memory)[:length]
        os.preadv(self.stable, [view], sector * SECTOR)
        data = bytearray(view)
        view.release()
        for number in range(length // SECTOR):
            if found := self.cache.get(sector + number):
                data[number * SECTOR : (number + 1) * SECTOR] = found
        return bytes(data)

    def _store(self, sector: int, data: bytes) -> None:
        view = memoryview(self.memory)[: len(data)]
        view[:] = data
        os.pwritev(self.stable, [view], sector * SECTOR)
        view.release()

    def _destage(self, numbers: range | list[int]) -> None:
        """Make sectors stable, neighbours at once."""
        begin, data = 0, bytearray()
        for number in numbers:
            if data and (number != begin + len(data) // SECTOR or len(data) >= MOST // 2):
                self._store(begin, data)
                data = bytearray()
            if not data:
                begin = number
            data += self.cache.pop(number)
        if data:
            self._store(begin, data)


def create(device: str, backing: str, cached: bool, fua: bool = True, seed: int = 0) -> None:
    """Make a disk of a backing device, as an nbd device."""
    _disks[device] = Disk(device, backing, cached, fua, seed)


def slow(device: str, seconds: float) -> None:
    """Let every write take up to so long, in any order."""
    _disks[device].slowness = seconds


def fail(device: str, kinds: list[str]) -> None:
    """From now on requests of these kinds fail, and no others."""
    _disks[device].failing = {_KINDS[kind] for kind in kinds}


def hold(device: str, count: int) -> None:
    """Do not complete the next few writes."""
    disk = _disks[device]
    with disk.changed:
        disk.holds = count


def deafen(device: str, deaf: bool) -> None:
    """Take no more requests, or take them again; one more may be on its way."""
    disk = _disks[device]
    with disk.changed:
        disk.deaf = deaf
        disk.changed.notify_all()


def holding(device: str, least: int = 1) -> bool:
    """Whether so many writes are held."""
    return len(_disks[device].held) >= least


def release(device: str, count: int | None = None) -> None:
    """Do what was held, or the first few of that; what comes now is not held any more."""
    disk = _disks[device]
    with disk.changed:
        disk.holds = 0
        for request in disk.held[:count]:
            heapq.heappush(disk.due, (time.monotonic(), next(disk.order), request))
        del disk.held[:count]
        disk.changed.notify_all()


def remove(device: str) -> None:
    """Take it away."""
    disk = _disks.pop(device)
    fcntl.ioctl(disk.nbd, _CLEAR_SOCK)
    disk.ours.close()
    os.close(disk.nbd)
    os.close(disk.stable)
