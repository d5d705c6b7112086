# SPDX-License-Identifier: GPL-2.0
"""The judge of disks, before simulated ones: with a cache, many clients and crashes."""

import random

import pytest

from lab.guest import sectors
from lab.guest.sectors import ZERO
from lab.history import DURABLE, FLUSH, NEVER, READ, WRITE, ZEROES, History, Operation

SIZE = 16

DEFECTS = (
    "loses a write",
    "returns an old value",
    "lands an old write again",
    "loses a flushed write in a crash",
    "ignores a flush",
    "ignores FUA",
    "reports no loss",
    "writes beside the place",
    "invents",
)


class Disk:
    """A disk with a volatile cache, and perhaps a defect."""

    def __init__(self, dice: random.Random, defect: str = "") -> None:
        self.dice = dice
        self.defect = defect
        self.cache: dict[int, int] = {}
        self.stable: dict[int, int] = {}
        self.old: list[tuple[int, int]] = []
        self.lost = False

    def broken(self, defect: str) -> bool:
        # What shows only after a crash has to be there all the time.
        rare = not defect.startswith("ignores")
        return self.defect == defect and not (rare and self.dice.random() > 0.1)

    def write(self, sector: int, value: int, durable: bool) -> None:
        self.old.append((sector, self.read_right(sector)))
        if self.broken("writes beside the place"):
            sector = (sector + 1) % SIZE
        if self.broken("loses a write"):
            return
        self.cache[sector] = value
        if durable and not self.broken("ignores FUA"):
            self.stable[sector] = value
        if self.broken("lands an old write again"):
            sector, value = self.dice.choice(self.old)
            self.cache[sector] = value

    def flush(self) -> str:
        if self.lost:
            self.lost = False
            if self.defect != "reports no loss":
                return "EIO"
        if not self.broken("ignores a flush"):
            self.stable.update(self.cache)
        return ""

    def read_right(self, sector: int) -> int:
        return self.cache.get(sector, self.stable.get(sector, ZERO))

    def read(self, sector: int) -> int:
        if self.broken("returns an old value") and self.old:
            sector, value = self.dice.choice(self.old)
            return value
        if self.broken("invents"):
            return sectors.version(99, 1)
        return self.read_right(sector)

    def crash(self) -> None:
        for sector, value in self.cache.items():
            if self.dice.random() < 0.3:
                self.stable[sector] = value
        if self.defect == "loses a flushed write in a crash" and self.stable:
            del self.stable[self.dice.choice(list(self.stable))]
        self.cache.clear()
        self.lost = True


def live(seed: int, defect: str = "") -> list[str]:
    """Rules that such a disk has broken in a short and wild life.

    Operations of several clients overlap: each takes effect at some instant
    between its beginning and its end.
    """
    dice = random.Random(seed)
    disk = Disk(dice, defect)
    history = History(SIZE)
    open_operations: list[tuple[Operation, bool]] = []
    writes = tick = 0
    for tick in range(1, 400):
        choice = dice.random()
        if choice < 0.015:
            # What has taken effect but was not acknowledged is done again.
            disk.crash()
            history.crash(tick, tick + 0.5)
            open_operations = [(operation, False) for operation, _ in open_operations]
        elif choice < 0.4 and len(open_operations) < 4:
            kind = dice.choice((READ, READ, WRITE, WRITE, WRITE, DURABLE, ZEROES, FLUSH))
            operation = Operation(kind, tick, NEVER, dice.randrange(SIZE), 1)
            if kind in (WRITE, DURABLE):
                writes += 1
                operation.version = sectors.version(1, writes)
            open_operations.append((operation, False))
        elif choice < 0.7 and open_operations:
            index = dice.randrange(len(open_operations))
            operation, done = open_operations[index]
            if not done:
                take_effect(disk, operation)
                open_operations[index] = operation, True
        elif open_operations:
            index = dice.randrange(len(open_operations))
            operation, done = open_operations[index]
            if done:
                del open_operations[index]
                operation.end = tick
                history.add([operation])
    for operation, done in open_operations:
        if not done:
            take_effect(disk, operation)
        operation.end = tick = tick + 1
        history.add([operation])
    for sector in range(SIZE):
        tick += 2
        value = disk.read(sector)
        history.add([Operation(READ, tick, tick + 1, sector, 1, values=[[1, value]])])
    return [str(violation) for violation in history.settle()]


def take_effect(disk: Disk, operation: Operation) -> None:
    """Do what a client wants."""
    if operation.kind == READ:
        operation.values = [[1, disk.read(operation.sector)]]
    if operation.writes:
        disk.write(operation.sector, operation.version, operation.kind == DURABLE)
    if operation.flushes and not (operation.writes and disk.defect == "ignores FUA"):
        operation.error = disk.flush()


def test_a_correct_disk_is_never_accused() -> None:
    for seed in range(300):
        assert live(seed) == [], seed


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_found(defect: str) -> None:
    caught = sum(bool(live(seed, defect)) for seed in range(40))
    assert caught >= 10, f"only {caught} of 40 disks that {defect}"
