# SPDX-License-Identifier: GPL-2.0
"""For how long I/O waits, and what fails when it does not."""

import time

from lab import fio
from lab.bed import Bed
from lab.dst import PORT
from lab.machine import Machine
from lab.pool import GIB
from lab.wild import delayed


def test_waiting_is_the_default(bed: Bed, disk: str, server: Machine, client: Machine) -> None:
    with bed.board.cut(server, client):
        client.run("ss", "-tK", f"dport = :{PORT}")
        client.dst.wait_state("disk", "reconnecting")
        writing = client.start_call("blockio.write", path=disk, sector=0, count=8, seed=1)
        client.wait("stat.quiet", 20, device="dst-disk", seconds=3)
        assert not writing.done()
    writing.result(30)
    assert client.call("blockio.wrong", path=disk, sector=0, count=8, seed=1) == []


def test_io_fails_when_there_was_no_connection_for_too_long(
    bed: Bed, server: Machine, client: Machine
) -> None:
    server.dst.export("disk", server.disk(0))
    disk = client.dst.attach("disk", server, "--fail-after", "2s")
    client.call("blockio.write", path=disk, sector=0, count=8, seed=1)
    with bed.board.cut(server, client):
        begin = time.monotonic()
        client.run("ss", "-tK", f"dport = :{PORT}")
        client.dst.wait_state("disk", "reconnecting")
        # One that waits when the time is over, and one that comes afterwards.
        assert client.call("blockio.attempt", path=disk, operation="write", sector=8, count=8) == (
            "ENOLINK"
        )
        assert time.monotonic() - begin >= 2
        late = time.monotonic()
        assert client.call("blockio.attempt", path=disk, operation="read", sector=0, count=8) == (
            "ENOLINK"
        )
        assert time.monotonic() - late < client.flavour.slowness
    client.dst.wait_state("disk", "connected", 30)
    assert client.call("blockio.wrong", path=disk, sector=0, count=8, seed=1) == []
    client.call("blockio.write", path=disk, sector=8, count=8, seed=2)
    assert client.call("blockio.wrong", path=disk, sector=8, count=8, seed=2) == []


def test_the_limit_is_changed_while_io_waits(
    bed: Bed, disk: str, server: Machine, client: Machine
) -> None:
    with bed.board.cut(server, client):
        client.run("ss", "-tK", f"dport = :{PORT}")
        client.dst.wait_state("disk", "reconnecting")
        waiting = client.start_call(
            "blockio.attempt", path=disk, operation="write", sector=0, count=8
        )
        client.wait("stat.quiet", 20, device="dst-disk", seconds=2)
        assert not waiting.done()
        client.dst.ctl("set", "disk", "--fail-after", "1s")
        assert waiting.result(20) == "ENOLINK"
    client.dst.wait_state("disk", "connected", 30)


def test_a_request_that_takes_too_long_fails(bed: Bed) -> None:
    server, client = bed.pair(disk=GIB)
    delay = 6 * server.flavour.slowness
    server.dst.export("disk", delayed(server, 6))
    disk = client.dst.attach("disk", server, "--io-timeout", "2s", "--connections", "2")
    begin = time.monotonic()
    result = client.call("blockio.attempt", path=disk, operation="write", sector=0, count=8)
    failed = time.monotonic() - begin
    assert result == "ETIMEDOUT"
    assert 2 <= failed < delay, f"failed after {failed:.1f} s"
    # The server is asked again when its disk is done with what has failed.
    client.dst.ctl("set", "disk", "--io-timeout", "never")
    assert client.call("blockio.attempt", path=disk, operation="read", sector=0, count=8) == ""
    assert time.monotonic() - begin >= delay
    assert client.dst.show("disk")["epoch"] >= 2


def test_requests_in_time_do_not_fail(bed: Bed) -> None:
    """Slow is not dead: many requests, each in time, together far beyond the limit."""
    server, client = bed.pair(disk=GIB)
    server.dst.export("disk", delayed(server, 0.3))
    limit = f"{3 * client.flavour.slowness:.0f}s"
    disk = client.dst.attach("disk", server, "--io-timeout", limit)
    fio.verify(client, disk, blocks="4k-4k", align=4096, size=1, depth=8)
    storage = client.dst.show("disk")
    assert storage["epoch"] == 1 and storage["counters"]["errors"] == 0


def test_force_ends_what_waits_for_a_stuck_disk(bed: Bed) -> None:
    server, client = bed.pair(disk=GIB)
    server.dst.export("disk", delayed(server, 8))
    disk = client.dst.attach("disk", server, "--connections", "2")
    writing = client.start_call("blockio.attempt", path=disk, operation="write", sector=0, count=8)
    server.wait("objects.export_busy", 10, name="disk")
    begin = time.monotonic()
    client.dst.ctl("del", "disk", "--force")
    assert writing.result(20) not in ("", "SHORT")
    assert time.monotonic() - begin < 6 * client.flavour.slowness
    assert client.dst.json("list") == []
