# SPDX-License-Identifier: GPL-2.0
"""Direct I/O on block devices, with contents that can be told apart.

The pattern of a sector depends on its number and on a seed, so that a sector
in the wrong place, or one of another time, is recognised.
"""

import contextlib
import errno
import fcntl
import hashlib
import mmap
import os
import struct
import subprocess
import threading
from collections.abc import Iterator

SECTOR = 512
STEP = 1 << 20
BLKGETSIZE64 = 0x80081272
BLKROGET = 0x125E
BLKDISCARD = 0x1277
BLKZEROOUT = 0x127F


def pattern(sector: int, count: int, seed: int) -> bytes:
    """Contents of some sectors."""
    out = bytearray()
    for number in range(sector, sector + count):
        digest = hashlib.blake2b(struct.pack("<QQ", number, seed)).digest()
        out += digest * (SECTOR // len(digest))
    return bytes(out)


@contextlib.contextmanager
def opened(path: str, flags: int) -> Iterator[int]:
    """A descriptor for direct I/O."""
    fd = os.open(path, flags | os.O_DIRECT)
    try:
        yield fd
    finally:
        os.close(fd)


def transfer(fd: int, offset: int, data: bytes | int) -> bytes:
    """Write data, or read a number of bytes; direct I/O wants aligned memory."""
    length = data if isinstance(data, int) else len(data)
    with mmap.mmap(-1, max(length, 1)) as memory:
        view = memoryview(memory)
        try:
            if isinstance(data, int):
                done = os.preadv(fd, [view[:length]], offset)
                return bytes(view[:done])
            view[:length] = data
            done = os.pwritev(fd, [view[:length]], offset)
            if done != length:
                raise OSError(errno.EIO, f"short write: {done} of {length}")
            return b""
        finally:
            view.release()


def write(path: str, sector: int, count: int, seed: int, sync: bool = False) -> None:
    """Write the pattern of a seed."""
    with opened(path, os.O_WRONLY | (os.O_DSYNC if sync else 0)) as fd:
        step = STEP // SECTOR
        for begin in range(sector, sector + count, step):
            length = min(step, sector + count - begin)
            transfer(fd, begin * SECTOR, pattern(begin, length, seed))


def wrong(path: str, sector: int, count: int, seed: int) -> list[int]:
    """Sectors (the first few) that do not hold the pattern of a seed."""
    bad: list[int] = []
    with opened(path, os.O_RDONLY) as fd:
        step = STEP // SECTOR
        for begin in range(sector, sector + count, step):
            length = min(step, sector + count - begin)
            data = transfer(fd, begin * SECTOR, length * SECTOR)
            good = pattern(begin, length, seed)
            if data != good:
                bad += [
                    begin + n
                    for n in range(length)
                    if data[n * SECTOR : (n + 1) * SECTOR] != good[n * SECTOR : (n + 1) * SECTOR]
                ]
                if len(bad) > 16:
                    return bad[:16]
    return bad


def digest(path: str, sector: int, count: int) -> str:
    """Hash of some sectors as they are on the device now."""
    state = hashlib.sha256()
    with opened(path, os.O_RDONLY) as fd:
        for begin in range(sector * SECTOR, (sector + count) * SECTOR, STEP):
            length = min(STEP, (sector + count) * SECTOR - begin)
            state.update(transfer(fd, begin, length))
    return state.hexdigest()


def scribble(path: str, operation: str, sector: int, count: int, rounds: int) -> int:
    """Read or write again and again while somebody else writes into the same memory.

    How often he got through all of it.
    """
    length = count * SECTOR
    sweeps = 0
    done = threading.Event()
    with opened(path, os.O_RDWR) as fd, mmap.mmap(-1, length) as memory:

        def sweep() -> None:
            nonlocal sweeps
            while not done.is_set():
                junk = bytes([sweeps % 251]) * 4096
                for begin in range(0, length, len(junk)):
                    memory[begin : begin + len(junk)] = junk
                sweeps += 1

        thread = threading.Thread(target=sweep)
        thread.start()
        try:
            with memoryview(memory) as view:
                move = os.preadv if operation == "read" else os.pwritev
                for _ in range(rounds):
                    if move(fd, [view], sector * SECTOR) != length:
                        raise OSError(errno.EIO, f"short {operation}")
        finally:
            done.set()
            thread.join()
    return sweeps


def attempt(path: str, operation: str, sector: int, count: int, seed: int = 0) -> str:
    """Name of the error that an operation meets, or an empty string."""
    try:
        flags = os.O_RDONLY if operation == "read" else os.O_RDWR
        with opened(path, flags) as fd:
            span = struct.pack("QQ", sector * SECTOR, count * SECTOR)
            if operation == "read":
                data = transfer(fd, sector * SECTOR, count * SECTOR)
                if len(data) != count * SECTOR:
                    return "SHORT"
            elif operation == "write":
                transfer(fd, sector * SECTOR, pattern(sector, count, seed))
            elif operation == "flush":
                os.fsync(fd)
            elif operation == "discard":
                fcntl.ioctl(fd, BLKDISCARD, span)
            elif operation == "zeroes":
                fcntl.ioctl(fd, BLKZEROOUT, span)
            else:
                raise ValueError(operation)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return "EOPNOTSUPP"  # has two names in Python
        return errno.errorcode.get(error.errno or 0, str(error.errno))
    return ""


def repeat(path: str, operation: str, sector: int, count: int, times: int) -> list[str]:
    """How an operation ends, time after time: the hash of what was read, or the error's name."""
    if operation == "read":
        return [digest(path, sector, count) for _ in range(times)]
    return [attempt(path, operation, sector, count, seed) for seed in range(times)]


def read_at_once(path: str, sector: int, count: int, seed: int) -> str:
    """How a read ends that must not wait before it is under way: an error, or what it brings."""
    with opened(path, os.O_RDONLY) as fd, mmap.mmap(-1, count * SECTOR) as memory:
        try:
            done = os.preadv(fd, [memory], sector * SECTOR, os.RWF_NOWAIT)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                return "EOPNOTSUPP"
            return errno.errorcode.get(error.errno or 0, str(error.errno))
        return "RIGHT" if memory[:done] == pattern(sector, count, seed) else "WRONG"


def size(path: str) -> int:
    """Size of a device in bytes."""
    with open(path, "rb") as device:
        data = fcntl.ioctl(device, BLKGETSIZE64, bytes(8))
    return struct.unpack("Q", data)[0]


def read_only(path: str) -> bool:
    """Whether a device says that it cannot be written."""
    with open(path, "rb") as device:
        data = fcntl.ioctl(device, BLKROGET, bytes(4))
    return struct.unpack("i", data)[0] != 0


def memory_disk(size: int, name: str, block: int = SECTOR) -> str:
    """A loop device on memory, with blocks of some size: quick, and gone with the machine."""
    # Where it is not part of the kernel.
    subprocess.run(["modprobe", "--quiet", "loop"], check=False)
    path = f"/run/disk.{name}"
    with open(path, "wb") as file:
        file.truncate(size)
    return subprocess.run(
        ["losetup", "--find", "--show", "--direct-io=off", f"--sector-size={block}", path],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()
