# SPDX-License-Identifier: GPL-2.0
"""The judge of disks, before disks that break each rule in turn."""

import pytest

from lab.guest import sectors
from lab.guest.sectors import SECTOR, ZERO
from lab.history import DURABLE, FLUSH, NEVER, READ, WRITE, ZEROES, History, Operation

DISK = 7
SIZE = 16


class Story:
    """Things that happen one after the other, unless told otherwise."""

    def __init__(self) -> None:
        self.history = History(SIZE)
        self.tick = 0
        self.writes = 0

    def now(self) -> int:
        self.tick += 1
        return self.tick

    def do(self, kind: str, sector: int = 0, count: int = 1, **fields: object) -> Operation:
        operation = Operation(kind, self.now(), self.now(), sector, count, **fields)
        if kind == FLUSH:
            operation.count = 0
        if operation.writes and kind != ZEROES and "version" not in fields:
            self.writes += 1
            operation.version = sectors.version(1, self.writes)
        self.history.add([operation])
        return operation

    def write(self, sector: int = 0, count: int = 1, kind: str = WRITE, **fields: object) -> int:
        return self.do(kind, sector, count, **fields).version

    def flush(self, error: str = "") -> Operation:
        return self.do(FLUSH, error=error)

    def read(self, value: int | str, sector: int = 0, count: int = 1) -> Operation:
        return self.do(READ, sector, count, values=[[count, value]])

    def crash(self, lossy: bool = True) -> None:
        self.history.crash(self.now(), self.now(), lossy)

    def rules(self) -> list[str]:
        return [violation.rule for violation in self.history.check()]


@pytest.fixture
def story() -> Story:
    return Story()


# Sectors and what is in them.


def test_a_sector_says_what_it_is() -> None:
    value = sectors.version(3, 9)
    data = sectors.encode(DISK, 5, 2, value)
    assert len(data) == 2 * SECTOR
    assert sectors.decode(DISK, 5, data[:SECTOR]) == value
    assert sectors.decode(DISK, 6, data[SECTOR:]) == value
    assert sectors.decode(DISK, 5, bytes(SECTOR)) == ZERO
    assert sectors.runs(DISK, 4, bytes(SECTOR) + data) == [[1, ZERO], [2, value]]


def test_what_is_wrong_with_a_sector_is_found() -> None:
    value = sectors.version(3, 9)
    good = sectors.encode(DISK, 5, 1, value)
    other = sectors.encode(DISK, 5, 1, sectors.version(3, 10))
    assert "of sector 5" in sectors.decode(DISK, 6, good)
    assert "of disk 7" in sectors.decode(8, 5, good)
    for end in (17, 31, 32, 100, 256, 490):
        for rest in other, bytes(SECTOR):
            assert isinstance(sectors.decode(DISK, 5, good[:end] + rest[end:]), str), end
    assert sectors.decode(DISK, 5, good[:256] + other[256:]).startswith("torn")
    for bit in range(0, SECTOR * 8, 37):
        damaged = bytearray(good)
        damaged[bit // 8] ^= 1 << bit % 8
        assert isinstance(sectors.decode(DISK, 5, bytes(damaged)), str), bit


# A correct disk is not accused.


def test_a_quiet_life(story: Story) -> None:
    story.read(ZERO, count=SIZE)
    one = story.write(0, 8)
    story.read(one, 0, 8)
    two = story.write(4, 8, kind=DURABLE)
    story.read(one, 0, 4)
    story.read(two, 4, 8)
    story.write(4, 4, kind=ZEROES)
    story.read(ZERO, 4, 4)
    story.flush()
    assert story.rules() == []


def test_what_happens_at_the_same_time_may_have_any_order(story: Story) -> None:
    one = Operation(WRITE, 10, 20, 0, 1, sectors.version(1, 1))
    two = Operation(WRITE, 15, 25, 0, 1, sectors.version(2, 1))
    story.history.add([one, two])
    for begin, value in (11, ZERO), (12, one.version), (16, two.version), (18, one.version):
        story.history.add([Operation(READ, begin, begin + 2, 0, 1, values=[[1, value]])])
    story.history.add([Operation(READ, 30, 31, 0, 1, values=[[1, one.version]])])
    assert story.rules() == []


@pytest.mark.parametrize("effect", [False, True])
def test_a_failed_write_may_have_taken_effect_or_not(story: Story, effect: bool) -> None:
    story.history.excuse(0, 100, "sick disk")
    values = story.write(), story.write(error="EIO")
    story.read(values[effect])
    story.read(values[effect])
    assert story.rules() == []
    story.read(values[not effect])
    assert story.rules() == ["went back"]


def test_a_crash_may_lose_what_was_not_flushed(story: Story) -> None:
    one = story.write()
    story.flush()
    two = story.write()
    story.read(two)
    story.crash()
    story.read(one)
    story.flush(error="EIO")
    story.read(one)
    story.flush()
    story.read(one)
    assert story.rules() == []


def test_a_crash_may_also_lose_nothing(story: Story) -> None:
    story.write()
    two = story.write()
    story.crash()
    story.read(two)
    story.flush()
    story.read(two)
    assert story.rules() == []


def test_of_two_flushes_after_a_crash_either_may_report_it(story: Story) -> None:
    one = story.write(kind=DURABLE)
    story.write()
    story.crash()
    at = story.now()
    story.history.add([Operation(FLUSH, at, at + 3), Operation(FLUSH, at + 1, at + 4, error="EIO")])
    story.tick += 10
    story.read(one)
    assert story.rules() == []


def test_a_write_of_a_dead_client_may_land_until_the_disk_is_rid_of_it(story: Story) -> None:
    one = story.write()
    lost = Operation(WRITE, story.now(), NEVER, 0, 1, sectors.version(2, 1))
    story.history.add([lost])
    story.read(one)
    story.history.close(story.now())
    story.read(lost.version)
    assert story.rules() == []


# Each rule, broken.


def test_never_written(story: Story) -> None:
    story.write(0)
    story.read(sectors.version(1, 99))
    story.read("garbage: 00", 1)
    story.read("of sector 9: write 1 of writer 1", 1)
    assert story.rules() == ["never written"] * 3


def test_written_elsewhere(story: Story) -> None:
    value = story.write(0)
    story.read(value, 1)
    assert story.rules() == ["never written"]


def test_torn(story: Story) -> None:
    story.read("torn: 00 11")
    assert story.rules() == ["torn"]


def test_of_the_future(story: Story) -> None:
    read = story.read(sectors.version(1, 1))
    assert story.write() == read.values[0][1]
    assert story.rules() == ["of the future"]


def test_stale(story: Story) -> None:
    one = story.write()
    story.write()
    story.read(one)
    assert story.rules() == ["stale"]


def test_a_lost_first_write_is_stale(story: Story) -> None:
    story.write()
    story.read(ZERO)
    assert story.rules() == ["stale"]


def test_zeroes_that_were_not_written_are_stale(story: Story) -> None:
    story.write()
    zeroed = story.write(kind=ZEROES)
    assert zeroed == ZERO
    story.read(ZERO)
    story.write()
    story.read(ZERO)
    assert story.rules() == ["stale"]


def test_a_ghost_write(story: Story) -> None:
    """The old write lands again after a newer one was acknowledged and seen."""
    one = story.write()
    two = story.write()
    story.read(two)
    story.read(one)
    assert story.rules() == ["stale"]


def test_a_ghost_of_a_failed_write(story: Story) -> None:
    story.history.excuse(0, 3, "sick disk")
    failed = story.write(error="EIO")
    two = story.write()
    story.read(two)
    story.read(failed)
    assert story.rules() == ["stale"]


def test_a_ghost_of_a_dead_client(story: Story) -> None:
    lost = Operation(WRITE, story.now(), NEVER, 0, 1, sectors.version(2, 1))
    story.history.add([lost])
    story.history.close(story.now())
    story.read(ZERO)
    story.read(lost.version)
    assert story.rules() == ["went back"]


def test_went_back_to_what_a_newer_unacknowledged_write_replaced(story: Story) -> None:
    one = story.write()
    open_write = Operation(WRITE, story.now(), 100, 0, 1, sectors.version(2, 1))
    story.history.add([open_write])
    story.read(open_write.version)
    story.read(one)
    assert story.rules() == ["went back"]


def test_two_writes_at_once_do_not_take_turns_for_ever(story: Story) -> None:
    one = Operation(WRITE, 10, 20, 0, 1, sectors.version(1, 1))
    two = Operation(WRITE, 15, 25, 0, 1, sectors.version(2, 1))
    story.history.add([one, two])
    for begin, value in (30, one.version), (40, two.version):
        story.history.add([Operation(READ, begin, begin + 2, 0, 1, values=[[1, value]])])
    assert story.rules() == ["went back"]


def test_a_crash_may_not_lose_what_was_flushed(story: Story) -> None:
    one = story.write()
    story.write()
    story.flush()
    story.crash()
    story.read(one)
    assert story.rules() == ["stale"]


def test_a_crash_may_not_lose_what_was_written_through(story: Story) -> None:
    one = story.write()
    story.write(kind=DURABLE)
    story.crash()
    story.read(one)
    assert story.rules() == ["stale"]


def test_a_flush_with_fua_flushes_what_came_before(story: Story) -> None:
    one = story.write()
    story.write()
    story.write(8, kind=DURABLE)
    story.crash()
    story.read(one)
    assert story.rules() == ["stale"]


def test_a_flush_covers_only_what_was_acknowledged_before_it(story: Story) -> None:
    one = story.write()
    story.flush()
    at = story.now()
    two = Operation(WRITE, at, at + 5, 0, 1, sectors.version(2, 1))
    story.history.add([two, Operation(FLUSH, at + 1, at + 4)])
    story.tick += 10
    story.crash()
    story.read(one)
    assert story.rules() == []


def test_silence_about_a_loss(story: Story) -> None:
    """The flush after the crash succeeds, and no flush has failed."""
    one = story.write()
    story.write()
    story.crash()
    story.flush()
    story.read(one)
    assert story.rules() == ["stale"]


@pytest.mark.parametrize("order", ["crash, departure", "departure, crash"])
def test_a_loss_that_nobody_is_left_to_be_told_of(story: Story, order: str) -> None:
    """Who comes later has been promised nothing, so his flush says nothing about it."""
    one = story.write()
    two = story.write()
    for event in order.split(", "):
        story.crash() if event == "crash" else story.history.depart(story.now())
    story.flush()
    story.read(one)
    assert story.rules() == []
    story.read(two)
    assert story.rules() == ["went back"]


@pytest.mark.parametrize(
    "course",
    [
        ("departure", "write", "crash", "flush"),
        ("write", "flush", "crash", "departure"),
        ("write", "crash", "flush", "departure"),
        ("write", "departure", "flush", "crash"),
        ("write", "departure"),
    ],
    ids=" ".join,
)
def test_a_departure_is_no_excuse_for_everything(story: Story, course: tuple[str, ...]) -> None:
    one = story.write()
    story.flush()
    for event in course:
        if event == "crash":
            story.crash()
        elif event == "departure":
            story.history.depart(story.now())
        elif event == "write":
            story.write()
        else:
            story.flush()
    story.read(one)
    assert story.rules() == ["stale"]


def test_a_disk_without_a_cache_loses_nothing_in_a_crash(story: Story) -> None:
    one = story.write()
    story.write()
    story.crash(lossy=False)
    story.flush(error="EIO")
    story.read(one)
    assert story.rules() == ["stale"]


def test_a_report_of_one_crash_is_none_of_the_next(story: Story) -> None:
    one = story.write()
    story.write()
    story.crash()
    story.flush(error="EIO")
    story.write()
    story.crash()
    story.flush()
    story.read(one)
    assert story.rules() == ["stale"]


def test_what_was_acknowledged_after_the_crash_is_not_lost(story: Story) -> None:
    one = story.write()
    story.crash()
    story.write()
    story.read(one)
    assert story.rules() == ["stale"]


def test_failures_without_a_reason(story: Story) -> None:
    story.do(READ, error="EIO")
    story.write(error="EIO")
    story.flush(error="EIO")
    assert story.rules() == ["failed"] * 3


def test_a_crash_is_a_reason_for_one_failed_flush(story: Story) -> None:
    story.write()
    story.crash()
    story.flush(error="EIO")
    assert story.rules() == []
    story.flush(error="EIO")
    assert story.rules() == ["failed"]


def test_a_failed_write_with_fua_is_a_reason_for_one_failed_flush(story: Story) -> None:
    begin = story.now()
    story.write(kind=DURABLE, error="EIO")
    story.history.excuse(begin, story.now(), "sick")
    story.flush(error="EIO")
    assert story.rules() == []
    story.flush(error="EIO")
    assert story.rules() == ["failed"]


def test_a_crash_is_a_reason_for_flushes_that_are_under_way_at_once(story: Story) -> None:
    story.write()
    story.crash()
    at = story.now()
    for begin, end in (at, at + 3), (at + 1, at + 5), (at + 2, at + 6):
        story.history.add([Operation(FLUSH, begin, end, error="EIO")])
    assert story.rules() == []
    story.history.add([Operation(FLUSH, at + 4, at + 7, error="EIO")])
    assert story.rules() == ["failed"]


# From one round to the next.


def test_the_past_is_past(story: Story) -> None:
    one = story.write()
    two = story.write()
    story.history.add([Operation(READ, 50, 51, 0, SIZE, values=[[1, two], [SIZE - 1, ZERO]])])
    assert story.history.settle() == []
    story.tick = 60
    story.read(two)
    assert story.rules() == []
    story.read(one)
    assert story.rules() == ["never written"]


def test_every_sector_is_read_in_the_end(story: Story) -> None:
    value = story.write(0, SIZE)
    story.read(value, 0, SIZE - 1)
    assert [v.rule for v in story.history.settle()] == ["failed"]
