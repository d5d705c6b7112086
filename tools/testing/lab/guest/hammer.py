# SPDX-License-Identifier: GPL-2.0
"""Many readers and writers of one disk, who keep a diary of all that they do.

What they do comes from a seed; when they do it is up to the machine. The diary
is in the order of one counter for all disks of this machine, which is what
lab.history compares: nothing is known of an operation but that it took effect
between the tick before it and the tick after it.
"""

import dataclasses
import errno
import fcntl
import itertools
import mmap
import os
import random
import struct
import threading
import time
from typing import Any

from lab.guest import sectors
from lab.guest.blockio import BLKZEROOUT
from lab.guest.sectors import SECTOR

READ, WRITE, DURABLE, ZEROES, FLUSH = "r", "w", "d", "z", "f"
# What is done how often; a durable write is one with FUA, and a flush.
MIX = {READ: 40, WRITE: 42, DURABLE: 6, ZEROES: 3, FLUSH: 9}
# Sectors of an operation, and how often.
SIZES = ((1, 8), (8, 8), (9, 64), (65, 512))
SIZE_WEIGHTS = (50, 25, 20, 5)
MOST_SECTORS = 512
# How much of the disk belongs to nobody, and to all.
COMMON = 4

_ticks = itertools.count(1)
_hammers: dict[str, "Hammer"] = {}


def now() -> int:
    """The next tick."""
    return next(_ticks)


def begin_at(tick: int) -> None:
    """Let the counter go on where that of an earlier life of the machine ended."""
    global _ticks
    _ticks = itertools.count(tick)


@dataclasses.dataclass
class Entry:
    """A line of the diary; the end is 0 as long as it has none."""

    kind: str
    begin: int
    sector: int = 0
    count: int = 0
    version: int = 0
    end: int = 0
    error: str = ""
    values: list[list[Any]] = dataclasses.field(default_factory=list)


class Hammer:
    """The readers and writers of one disk."""

    def __init__(self, path: str, disk: int, size: int, seed: str, first: int, number: int) -> None:
        self.path = path
        self.disk = disk
        self.size = size
        self.seed = seed
        # Writers are numbered from `first`, their writes from `number`.
        self.first = first
        self.number = number
        self.lock = threading.Lock()
        self.open: dict[int, Entry] = {}
        self.closed: list[Entry] = []
        self.stopping = threading.Event()
        self.frozen = False
        # Counts the devices of this path: what is open is reopened when there is another one.
        self.device = 0
        self.threads: list[threading.Thread] = []

    def start(self, workers: int, operations: int, pace: float) -> None:
        """Begin; each of them rests up to `pace` seconds after an operation."""
        for worker in range(workers):
            args = (worker, workers, operations, pace)
            self.threads.append(threading.Thread(target=self._work, args=args, daemon=True))
        for thread in self.threads:
            thread.start()

    def _work(self, worker: int, workers: int, operations: int, pace: float) -> None:
        dice = random.Random(f"{self.seed}.{worker}")
        own = self.size // (workers + COMMON)
        done = 0
        while done < operations and not self.stopping.is_set():
            device = self.device
            try:
                fd = os.open(self.path, os.O_RDWR | os.O_DIRECT)
            except OSError:
                self.stopping.wait(0.005)  # it was taken away, and may come back
                continue
            with mmap.mmap(-1, MOST_SECTORS * SECTOR) as memory:
                good = True
                while good and done < operations and not self.stopping.is_set():
                    kind = dice.choices(list(MIX), MIX.values())[0]
                    count = dice.randint(*dice.choices(SIZES, SIZE_WEIGHTS)[0])
                    start, room = worker * own, own
                    if kind == READ:
                        start, room = 0, self.size
                    elif dice.random() < 0.3:
                        start, room = workers * own, self.size - workers * own
                    count = min(count, room)
                    sector = start + dice.randrange(room - count + 1)
                    done += 1
                    version = sectors.version(self.first + worker, self.number + done)
                    entry = self._enter(worker, kind, sector, count, version, device)
                    if entry is None:
                        break
                    good = self._do(fd, memory, entry)
                    self._leave(worker, entry)
                    self.stopping.wait(dice.random() * pace)
            os.close(fd)

    def _enter(
        self, worker: int, kind: str, sector: int, count: int, version: int, device: int
    ) -> Entry | None:
        """Write down what is about to be done, unless it may not be, or not to this device."""
        entry = Entry(kind, 0)
        if kind != FLUSH:
            entry.sector, entry.count = sector, count
        if kind in (WRITE, DURABLE):
            entry.version = version
        with self.lock:
            if self.frozen:
                self.stopping.set()
                return None
            if device != self.device:
                return None
            entry.begin = now()
            self.open[worker] = entry
        return entry

    def _leave(self, worker: int, entry: Entry) -> None:
        """Write down that it is done."""
        with self.lock:
            entry.end = now()
            del self.open[worker]
            self.closed.append(entry)

    def _do(self, fd: int, memory: mmap.mmap, entry: Entry) -> bool:
        """Do it; whether it was successful."""
        offset, length = entry.sector * SECTOR, entry.count * SECTOR
        try:
            if entry.kind == FLUSH:
                os.fsync(fd)
            elif entry.kind == ZEROES:
                fcntl.ioctl(fd, BLKZEROOUT, struct.pack("QQ", offset, length))
            else:
                view = memoryview(memory)[:length]
                try:
                    self._transfer(fd, view, offset, entry)
                finally:
                    view.release()
        except OSError as error:
            entry.error = errno.errorcode.get(error.errno or 0, str(error.errno))
        return not entry.error

    def _transfer(self, fd: int, view: memoryview, offset: int, entry: Entry) -> None:
        """Read or write."""
        if entry.kind == READ:
            done = os.preadv(fd, [view], offset)
        else:
            view[:] = sectors.encode(self.disk, entry.sector, entry.count, entry.version)
            flags = os.RWF_DSYNC if entry.kind == DURABLE else 0
            done = os.pwritev(fd, [view], offset, flags)
        if done != len(view):
            entry.error = "SHORT"
        elif entry.kind == READ:
            entry.values = sectors.runs(self.disk, entry.sector, bytes(view))

    def one(self, worker: int, kind: str, sector: int = 0, count: int = 0) -> str:
        """Do one thing; the error, if there is one."""
        entry = self._enter(worker, kind, sector, count, 0, self.device)
        if entry is None:
            return "frozen"
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_DIRECT)
        except OSError as error:
            entry.error = errno.errorcode.get(error.errno or 0, "")
        else:
            try:
                with mmap.mmap(-1, max(count, 1) * SECTOR) as memory:
                    self._do(fd, memory, entry)
            finally:
                os.close(fd)
        self._leave(worker, entry)
        return entry.error

    def diary(self) -> dict[str, list]:
        """What was done since this was asked last, and what is being done."""
        with self.lock:
            closed, self.closed = self.closed, []
            return {
                "closed": [vars(entry) for entry in closed],
                "open": [dict(vars(entry)) for entry in self.open.values()],
            }


def start(
    path: str,
    disk: int,
    size: int,
    seed: str,
    first: int,
    number: int,
    workers: int,
    operations: int,
    pace: float,
) -> None:
    """Let readers and writers loose on a device."""
    hammer = _hammers[path] = Hammer(path, disk, size, seed, first, number)
    hammer.start(workers, operations, pace)


def stop(path: str, timeout: float) -> int:
    """Let them finish what they are doing; how many could not."""
    hammer = _hammers[path]
    hammer.stopping.set()
    deadline = time.monotonic() + timeout
    for thread in hammer.threads:
        thread.join(max(0, deadline - time.monotonic()))
    return sum(thread.is_alive() for thread in hammer.threads)


def reopen(path: str) -> None:
    """There is another device: begin nothing any more with the one of before."""
    hammer = _hammers[path]
    with hammer.lock:
        hammer.device += 1


def freeze(path: str) -> dict[str, list]:
    """Begin nothing any more; what was done, and what still is being done."""
    hammer = _hammers[path]
    with hammer.lock:
        hammer.frozen = True
    return hammer.diary()


def flush(path: str) -> str:
    """Flush; the error, if there is one."""
    return _hammers[path].one(-1, FLUSH)


def inspect(path: str, size: int) -> dict[str, list]:
    """Read all of the disk, a piece at a time; the diary since it was asked last."""
    hammer = _hammers[path]
    for sector in range(0, size, MOST_SECTORS):
        hammer.one(-1, READ, sector, min(MOST_SECTORS, size - sector))
    return hammer.diary()


def diary(path: str) -> dict[str, list]:
    """What was done since this was asked last, and what is being done."""
    return _hammers[path].diary()


def adopt(path: str, disk: int, size: int) -> None:
    """Take note of a disk that only is to be inspected."""
    _hammers[path] = Hammer(path, disk, size, "", 0, 0)
