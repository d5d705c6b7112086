# SPDX-License-Identifier: GPL-2.0
"""The lab's idea of what a server does with requests that are nearly right."""

import pytest

from lab import wire
from lab.guest.fuzz_model import ZERO, Change, Model, has_tail, is_frame
from lab.wire import Frame, Opcode


def request(opcode: Opcode, sectors: int = 1, payload: int = 0, length: int | None = None) -> Frame:
    return Frame(
        opcode,
        sectors=sectors,
        epoch=3,
        generation=4,
        payload=bytes(payload),
        length=length,
    )


@pytest.mark.parametrize(
    ("frame", "whole", "tail"),
    [
        (request(Opcode.WRITE, 1, 512), True, False),
        (request(Opcode.WRITE, 1, 512, 512), True, False),
        (request(Opcode.WRITE, 1, 512, 0), False, True),
        (request(Opcode.WRITE, 1, 4096, 512), False, True),
        (request(Opcode.WRITE, 8, 512), False, False),
        (request(Opcode.WRITE, 513, 513 * 512), False, False),
        (request(Opcode.DISCARD), True, False),
        (request(Opcode.DISCARD, 1, 512), False, False),
        # The header is right, and complete; then comes something else.
        (request(Opcode.DISCARD, 1, 512, 0), True, True),
        (request(Opcode.FLUSH, 0), True, False),
        (request(Opcode.FLUSH, 1), False, False),
        (request(Opcode.HELLO), False, False),
    ],
)
def test_what_is_carried_out(frame: Frame, whole: bool, tail: bool) -> None:
    assert is_frame(frame, 3, 4) == whole
    assert has_tail(frame) == tail
    assert not is_frame(frame, 3, 5) and not is_frame(frame, 4, 4)


def test_what_a_disk_may_hold() -> None:
    model = Model()
    data = b"d" * wire.SECTOR
    write = Frame(Opcode.WRITE, sector=8, sectors=1, payload=data)
    assert model.judge(8, data) == [8]
    model.begin(Change(1, b"s", 1, write))
    assert model.judge(8, data + data) == [9]
    # It was seen to be there, and nothing is under way that could undo it.
    assert model.judge(8, ZERO) == [8]
    model.end(1, Frame(Opcode.WRITE | wire.REPLY, sector=8, sectors=1))
    model.begin(Change(2, b"s", 1, Frame(Opcode.DISCARD, sector=8, sectors=1)))
    assert not model.judge(8, b"?" * wire.SECTOR)


def test_what_is_acknowledged_is_there() -> None:
    model = Model()
    data = [bytes([n]) * wire.SECTOR for n in range(3)]
    for n in 1, 2:
        model.begin(Change(n, b"s", n, Frame(Opcode.WRITE, sector=0, sectors=1, payload=data[n])))
        if n == 1:
            # Whoever comes back in a newer epoch is let in when all older requests are done.
            model.fence(b"s", 2)
    model.end(2, Frame(Opcode.WRITE | wire.REPLY, sector=0, sectors=1))
    assert model.judge(0, data[1]) == [0]
    assert not model.judge(0, data[2])
