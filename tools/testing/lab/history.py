# SPDX-License-Identifier: GPL-2.0
"""What a correct disk may return: the judge of every sector that is read.

It is given all that was done to a disk, by anybody and in any order: who wrote,
read and flushed what, when each of it began and ended, and when the machine of
the disk crashed. From that it decides for every sector of every read whether its
value is one that a correct disk could return then.

Times are ticks of one counter. All that is known of an operation is that it took
effect between its beginning and its end, so one write is *older* than another one
only if it had ended before the other began. The rules:

``never written``
    A sector holds what somebody has written there, zeroes if nobody has.
``torn``
    All of it is from one write, of this disk and this sector.
``of the future``
    The write has begun before the read ended.
``stale``
    No newer write was acknowledged before the read began. If the machine of the
    disk crashed, that goes for what was flushed before, or written with FUA. But a
    flush that succeeds after the crash, while none has failed, says that nothing
    was lost, unless whoever was told of the writes is gone: nobody else is told of
    a loss.
``went back``
    Once a version was read, older ones are not, unless a crash lies between.
``failed``
    Nothing fails unless a reason is known: a sick disk, a storage that was taken
    away. A crash is the reason for the failure of one flush, and of those that were
    under way when that ended: nobody had heard of it before. So is a write with FUA
    that may have failed: the disk may have been flushed for it, unheard.

A write that failed, or whose client died, may have taken effect or not.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import Any

from lab.guest.sectors import ZERO, name

READ, WRITE, DURABLE, ZEROES, FLUSH = "r", "w", "d", "z", "f"
NEVER = math.inf
# Enough to understand what went wrong; there may be thousands.
MOST_VIOLATIONS = 20


@dataclasses.dataclass(eq=False)
class Operation:
    """What somebody did; of reads, the values are runs of equal neighbours."""

    kind: str
    begin: float
    end: float
    sector: int = 0
    count: int = 0
    version: int = ZERO
    error: str = ""
    values: list[list[Any]] = dataclasses.field(default_factory=list)

    @property
    def writes(self) -> bool:
        """Whether it gives sectors a value."""
        return self.kind in (WRITE, DURABLE, ZEROES)

    @property
    def flushes(self) -> bool:
        """Whether what was acknowledged before it is durable after it."""
        return self.kind in (FLUSH, DURABLE)

    @property
    def good(self) -> bool:
        """Whether it was acknowledged."""
        return not self.error and self.end != NEVER

    def __str__(self) -> str:
        what = {READ: "read", WRITE: "write", DURABLE: "write with FUA", ZEROES: "zeroing"}
        text = what.get(self.kind, "flush")
        if self.kind != FLUSH:
            text += f" of {self.count} at {self.sector}"
        if self.writes:
            text += f" ({name(self.version)})"
        end = "never ended" if self.end == NEVER else f"to {self.end:.0f}"
        return f"{text}, {self.begin:.0f} {end}{', ' + self.error if self.error else ''}"


@dataclasses.dataclass(frozen=True)
class Crash:
    """The disk's machine died between two ticks."""

    begin: float
    end: float
    # Whether it had a volatile cache, which is gone.
    lossy: bool = True


@dataclasses.dataclass(frozen=True)
class Excuse:
    """Operations may fail between two ticks; why."""

    begin: float
    end: float
    reason: str
    # What has failed may still take effect until the end.
    late: bool = False


@dataclasses.dataclass(frozen=True)
class Violation:
    """Something that a correct disk does not do."""

    rule: str
    sector: int
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: sector {self.sector}: {self.text}"


@dataclasses.dataclass(eq=False)
class _Value:
    """A value that one sector may have: from a write, or from the beginning."""

    version: int
    begin: float
    end: float
    acknowledged: bool
    # Periods in which it does not count that it was acknowledged: it may be lost.
    lost: list[tuple[float, float]]

    def binds(self, read: Operation) -> bool:
        """Whether a read must not return anything older."""
        if not self.acknowledged or not self.end < read.begin:
            return False
        return not any(begin < read.end and read.begin < end for begin, end in self.lost)


class History:
    """One disk."""

    def __init__(self, sectors: int) -> None:
        self.sectors = sectors
        # What each sector held when everything was quiet; zeroes if not there.
        self.base: dict[int, int] = {}
        self.operations: list[Operation] = []
        self.crashes: list[Crash] = []
        self.excuses: list[Excuse] = []
        # When whoever used the disk was gone, and with it what it would have been told.
        self.departures: list[float] = []
        self.checked = 0
        # What was judged last, for whoever wants to understand the verdict.
        self.past: list[Operation] = []

    # What happened.

    def add(self, operations: Iterable[Operation]) -> None:
        """Somebody did this."""
        self.operations += operations

    def crash(self, begin: float, end: float, lossy: bool = True) -> None:
        """The machine of the disk crashed, and what its cache held may be lost, if it has one.

        What was acknowledged after the end was not acknowledged before the crash.
        """
        self.crashes.append(Crash(begin, end, lossy))

    def excuse(self, begin: float, end: float, reason: str, late: bool = False) -> None:
        """Operations that overlap this may fail."""
        self.excuses.append(Excuse(begin, end, reason, late))

    def depart(self, tick: float) -> None:
        """Whoever has used the disk is gone; another one comes, who knows nothing."""
        self.departures.append(tick)

    def close(self, tick: float) -> None:
        """What has not ended yet, did: its client is dead, and the disk is rid of it."""
        for operation in self.operations:
            if operation.end == NEVER:
                operation.end = tick
                operation.error = operation.error or "client died"

    # The verdict.

    @property
    def _losses(self) -> list[Crash]:
        """Crashes in which something may have been lost."""
        return [crash for crash in self.crashes if crash.lossy]

    def settle(self) -> list[Violation]:
        """Judge all that happened and begin anew from what was read last.

        Every sector has to have been read when nothing else went on any more.
        """
        violations = self.check()
        last: dict[int, tuple[float, int]] = {}
        quiet = max((o.end for o in self.operations if o.writes), default=-1)
        for operation in self.operations:
            if operation.kind != READ or operation.error or operation.begin < quiet:
                continue
            for sector, value in _each(operation):
                if operation.end >= last.get(sector, (-1, 0))[0] and isinstance(value, int):
                    last[sector] = operation.end, value
        for sector in range(self.sectors):
            if sector not in last:
                violations.append(Violation("failed", sector, "was not read in the end"))
                break
        self.base = {sector: value for sector, (_, value) in last.items() if value != ZERO}
        self.past = self.operations
        self.operations, self.crashes, self.excuses, self.departures = [], [], [], []
        return violations

    def check(self) -> list[Violation]:
        """Judge every operation; what is wrong, the first of it."""
        violations = list(self._failures())
        flushes = sorted((o for o in self.operations if o.flushes), key=lambda o: o.end)
        values: dict[int, list[_Value]] = {}
        for operation in self.operations:
            if operation.writes:
                value = self._value(operation, flushes)
                for sector in range(operation.sector, operation.sector + operation.count):
                    values.setdefault(sector, []).append(value)
        reads: dict[int, list[tuple[Operation, int | str]]] = {}
        for operation in self.operations:
            if operation.kind == READ and not operation.error:
                for sector, found in _each(operation):
                    reads.setdefault(sector, []).append((operation, found))
        for sector, ours in reads.items():
            base = _Value(self.base.get(sector, ZERO), -2, -1, True, [])
            known = [base, *values.get(sector, ())]
            violations += self._judge(sector, known, ours)
            self.checked += len(ours)
            if len(violations) >= MOST_VIOLATIONS:
                break
        return violations[:MOST_VIOLATIONS]

    def _failures(self) -> Iterator[Violation]:
        """Operations that failed for no reason that is known."""
        pardons, doubts, heard = len(self.crashes), 0, -1.0
        for operation in sorted(self.operations, key=lambda o: o.end):
            excused = any(e.begin < operation.end and operation.begin < e.end for e in self.excuses)
            doubts += excused and operation.kind == DURABLE
            if not operation.error or operation.error == "client died":
                continue
            if excused:
                heard = max(heard, operation.end if operation.flushes else heard)
                continue
            crashed = any(c.begin < operation.end for c in self.crashes)
            if operation.flushes:
                if operation.begin < heard:
                    continue
                if crashed and pardons:
                    pardons, heard = pardons - 1, operation.end
                    continue
                if doubts:
                    doubts, heard = doubts - 1, operation.end
                    continue
            yield Violation("failed", operation.sector, str(operation))

    def _value(self, write: Operation, flushes: list[Operation]) -> _Value:
        """A write as the value that it gives to each of its sectors."""
        end = write.end
        if write.error:
            late = [e.end for e in self.excuses if e.late and e.begin < end and write.begin < e.end]
            end = max([end, *late])
        lost = []
        if write.good:
            for crash in self._losses:
                if end < crash.end and not self._durable(write, crash, flushes):
                    lost.append((crash.begin, self._promised(write, crash, flushes)))
        return _Value(write.version, write.begin, end, write.good, lost)

    def _durable(self, write: Operation, crash: Crash, flushes: list[Operation]) -> bool:
        """Whether an acknowledged write was stable before a crash."""
        if write.kind == DURABLE and write.end < crash.begin:
            return True
        return self._promised(write, Crash(crash.begin, -1), flushes) < crash.begin

    def _promised(self, write: Operation, crash: Crash, flushes: list[Operation]) -> float:
        """When a flush has said that an acknowledged write is stable, if one did.

        After a crash a flush says nothing about what was written before it, if
        the loss has been reported by one that failed meanwhile, or would have
        been to somebody who is gone.
        """
        for flush in flushes:
            if not flush.good or not write.end < flush.begin or flush.end < crash.end:
                continue
            between = [c for c in self._losses if write.end < c.end and c.begin < flush.end]
            reported = between and any(
                other.error and c.begin < other.end and other.begin < flush.end
                for c in between
                for other in flushes
            )
            gone = between and any(write.end < tick < flush.begin for tick in self.departures)
            if not reported and not gone:
                return flush.end
        return NEVER

    def _judge(
        self, sector: int, values: list[_Value], reads: list[tuple[Operation, int | str]]
    ) -> Iterator[Violation]:
        """Judge all reads of one sector."""
        by_version: dict[int, list[_Value]] = {}
        for value in values:
            by_version.setdefault(value.version, []).append(value)
        # What reads have shown, for the reads that began later.
        shown: list[tuple[Operation, _Value]] = []
        for read, found in sorted(reads, key=lambda item: item[0].end):
            if isinstance(found, str):
                rule = "torn" if found.startswith("torn") else "never written"
                yield Violation(rule, sector, f"{found}; {read}")
                continue
            candidates = by_version.get(found, [])
            if not candidates:
                yield Violation("never written", sector, f"{name(found)}; {read}")
                continue
            begun = sorted(
                (value for value in candidates if value.begin < read.end), key=lambda v: v.begin
            )
            if not begun:
                yield Violation("of the future", sector, f"{name(found)}; {read}")
                continue
            faults = [self._fault(value, values, shown, read) for value in begun]
            if all(faults):
                rule, why = faults[-1] or ("", "")
                yield Violation(rule, sector, f"{name(found)}, {why}; {read}")
                continue
            # If it may be one of several, nothing is known but the oldest.
            shown.append((read, begun[faults.index(None)]))

    def _fault(
        self,
        value: _Value,
        values: list[_Value],
        shown: list[tuple[Operation, _Value]],
        read: Operation,
    ) -> tuple[str, str] | None:
        """Why a read must not return a value."""
        for other in values:
            if value.end < other.begin and other.binds(read):
                return "stale", f"but {name(other.version)} was acknowledged at {other.end:.0f}"
        for earlier, seen in shown:
            if seen is value or seen.version == value.version or not earlier.end < read.begin:
                continue
            if value.end < seen.begin or value.end < earlier.begin:
                crashed = any(
                    earlier.begin < crash.end and crash.begin < read.end for crash in self._losses
                )
                if not crashed:
                    return "went back", f"but {name(seen.version)} was seen by {earlier}"
        return None


def _each(read: Operation) -> Iterator[tuple[int, int | str]]:
    """Sectors of a read and what each held."""
    sector = read.sector
    for count, value in read.values:
        for _ in range(count):
            yield sector, value
            sector += 1
