# SPDX-License-Identifier: GPL-2.0
"""Signs of life beside bulk: a busy link is not a dead one, and who is dead is missed anyway."""

import time

import pytest

from lab.bed import Bed
from lab.machine import Machine, Process

# Of the link, in bits per second, each way: what the server grants at once takes longer to pass
# than the keepalive.
RATE = 8e6
KEEPALIVE = 2
PERIODS = 5


def attached(bed: Bed, server: Machine, client: Machine, *options: str) -> tuple[str, float]:
    """A disk behind a narrow link, and its keepalive in seconds."""
    keepalive = KEEPALIVE * client.flavour.slowness
    server.dst.export("disk", server.disk(0), "--keepalive", f"{keepalive:.0f}s")
    disk = client.dst.attach("disk", server, *options)
    bed.board.link(server, client, rate=RATE)
    return disk, keepalive


def saturate(client: Machine, disk: str, work: str, seconds: float) -> Process:
    """Have more under way than the link can carry."""
    return client.spawn(
        "fio",
        "--name=bulk",
        f"--filename={disk}",
        "--ioengine=libaio",
        "--direct=1",
        f"--rw={work}",
        "--bs=1M",
        "--size=256M",
        "--iodepth=32",
        "--time_based",
        f"--runtime={seconds:.0f}",
    )


@pytest.mark.parametrize("connections", [1, 2])
@pytest.mark.parametrize("work", ["randread", "randwrite", "randrw"])
def test_bulk_does_not_delay_signs_of_life(
    bed: Bed, server: Machine, client: Machine, work: str, connections: int
) -> None:
    disk, keepalive = attached(bed, server, client, "--connections", str(connections))
    client.wait("objects.storage_has", 20, name="disk", connected=connections)
    begin = time.monotonic()
    job = saturate(client, disk, work, PERIODS * keepalive)
    assert job.wait(12 * KEEPALIVE * PERIODS).rc == 0
    took = time.monotonic() - begin
    assert took >= PERIODS * keepalive
    assert bed.board.counts().get("queue full", 0) > 0, "the link was never full"
    shown = client.dst.show("disk")
    counters = shown["counters"]
    moved = max(counters["bytes_read"], counters["bytes_written"])
    assert moved > RATE / 8 * took / 6, "the link was idle"
    assert shown["epoch"] == 1 and shown["connected"] == connections, shown
    assert counters["reconnects"] == counters["resent"] == counters["errors"] == 0, counters


@pytest.mark.parametrize("direction", ["to the server", "to the client"])
def test_who_falls_silent_in_the_middle_of_bulk_is_dead(
    bed: Bed, server: Machine, client: Machine, direction: str
) -> None:
    disk, keepalive = attached(bed, server, client)
    job = saturate(client, disk, "randrw", 3 * keepalive)
    client.wait("stat.written_at_least", 60, device="dst-disk", sectors=2048)
    source, target = (client, server) if direction == "to the server" else (server, client)
    bed.board.direction(source, target, cut=True)
    begin = time.monotonic()
    client.dst.wait_state("disk", "reconnecting", 2 * KEEPALIVE)
    server.wait("objects.no_connections", 2 * KEEPALIVE, name="disk")
    # What was on the line may have come a little later.
    assert keepalive / 2 < time.monotonic() - begin < 2 * keepalive
    assert job.poll().rc is None
    bed.board.link(server, client)
    client.dst.wait_state("disk", "connected", 30, epoch=2)
    assert job.wait(120).rc == 0
    assert client.dst.show("disk")["counters"]["errors"] == 0
