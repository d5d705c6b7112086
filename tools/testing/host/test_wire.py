# SPDX-License-Identifier: GPL-2.0
"""The lab's own idea of the protocol, against values known from elsewhere."""

import pytest

from lab import wire


def test_checksum_is_castagnoli() -> None:
    assert wire.crc32c(b"123456789") == 0xE3069283
    assert wire.crc32c(bytes(32)) == 0x8A9136AA


def test_sizes_are_those_of_the_specification() -> None:
    assert wire.HEADER_SIZE == 48
    assert len(wire.Geometry(1).encode()) == 48
    hello = wire.Hello("disk", bytes(16)).encode()
    assert len(hello) == 64 + 4 + 4
    welcome = wire.Welcome(bytes(16), bytes(16), bytes(16), wire.Geometry(1)).encode()
    assert len(welcome) == 136


def test_frames_survive_the_wire() -> None:
    frame = wire.Frame(
        wire.Opcode.WRITE,
        flags=1,
        handle=1 << 63 | 5,
        sector=1 << 40,
        sectors=9,
        epoch=3,
        generation=4,
        payload=b"x" * 512,
    )
    data = frame.encode()
    decoded, length = wire.Frame.decode(data[:48])
    decoded.payload = data[48:]
    assert (decoded, length) == (frame, 512)


def test_a_damaged_header_is_noticed() -> None:
    data = bytearray(wire.Frame(wire.Opcode.PING).encode())
    data[20] ^= 1
    with pytest.raises(AssertionError):
        wire.Frame.decode(bytes(data))


def test_greetings_survive_the_wire() -> None:
    hello = wire.Hello("disk", b"s" * 16, epoch=7, generation=8, uuid=b"u" * 16)
    assert wire.Hello.decode(hello.encode()) == hello
    welcome = wire.Welcome(b"s" * 16, b"u" * 16, b"b" * 16, wire.Geometry(99), window=17)
    assert wire.Welcome.decode(welcome.encode()) == welcome
