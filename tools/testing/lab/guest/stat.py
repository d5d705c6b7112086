# SPDX-License-Identifier: GPL-2.0
"""Predicates about what block devices are doing."""

import time

READ_SECTORS, WRITTEN_SECTORS, IN_FLIGHT, FLUSHES = 2, 6, 8, 15


def stat(device: str) -> list[int]:
    """Statistics of a device."""
    with open(f"/sys/class/block/{device}/stat", encoding="utf-8") as file:
        return [int(word) for word in file.read().split()]


def written_at_least(device: str, sectors: int) -> bool:
    """Whether that much has been written."""
    return stat(device)[WRITTEN_SECTORS] >= sectors


def moved(device: str) -> int:
    """How many sectors were read or written."""
    now = stat(device)
    return now[READ_SECTORS] + now[WRITTEN_SECTORS]


def moved_on(device: str, than: int) -> bool:
    """Whether more than so many sectors were read or written."""
    return moved(device) > than


def flushes(device: str) -> int:
    """How often it was flushed."""
    return stat(device)[FLUSHES]


def in_flight(device: str) -> int:
    """How many requests are under way."""
    with open(f"/sys/class/block/{device}/inflight", encoding="utf-8") as file:
        return sum(map(int, file.read().split()))


def in_flight_at_least(device: str, count: int) -> bool:
    """Whether so many requests are under way."""
    return in_flight(device) >= count


def idle(device: str) -> bool:
    """Whether no request is under way."""
    return in_flight(device) == 0


def busy(device: str) -> bool:
    """Whether a request is under way."""
    return in_flight(device) > 0


def quiet(device: str, seconds: float) -> bool:
    """Whether nothing is completed for some time, which this takes."""
    before = stat(device)[:8]
    time.sleep(seconds)
    return stat(device)[:8] == before


def progress(device: str, step: float, count: int) -> list[int]:
    """How many sectors were read and written in each of some stretches of time."""
    moved = []
    before = stat(device)
    for _ in range(count):
        time.sleep(step)
        now = stat(device)
        moved.append(sum(now[n] - before[n] for n in (READ_SECTORS, WRITTEN_SECTORS)))
        before = now
    return moved
