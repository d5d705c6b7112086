# SPDX-License-Identifier: GPL-2.0
"""Broken connections: nothing lost, nothing twice, nothing out of its time."""

import pytest

from lab import fio
from lab.bed import Bed
from lab.dst import PORT
from lab.machine import Machine, Process
from lab.wild import WildDisk, delayed


def writer(client: Machine, disk: str, size: int = 96) -> Process:
    """fio in the background, slow enough to be still at it when things break."""
    return fio.start(client, disk, blocks="512-64k", size=size, depth=16, rate=16)


def io_begun(client: Machine, name: str = "disk", bytes_written: int = 1 << 20) -> None:
    """Wait until I/O really flows."""
    client.wait("stat.written_at_least", 20, device=f"dst-{name}", sectors=bytes_written // 512)


@pytest.mark.stock
@pytest.mark.parametrize("direction", ["both", "to the server", "to the client"])
def test_a_cut_link(bed: Bed, disk: str, server: Machine, client: Machine, direction: str) -> None:
    job = writer(client, disk)
    io_begun(client)
    if direction != "to the client":
        bed.board.direction(client, server, cut=True)
    if direction != "to the server":
        bed.board.direction(server, client, cut=True)
    client.wait("stat.quiet", 20, device="dst-disk", seconds=2)
    bed.board.link(server, client)
    assert job.wait(120).rc == 0
    assert client.dst.show("disk")["counters"]["errors"] == 0


@pytest.mark.stock
def test_a_reset_connection(disk: str, server: Machine, client: Machine) -> None:
    job = writer(client, disk)
    io_begun(client)
    for epoch in range(2, 7):
        side = client if epoch % 2 else server
        side.run("ss", "-tK", f"sport = :{PORT} or dport = :{PORT}")
        client.dst.wait_state("disk", "connected", epoch=epoch)
    assert job.wait(120).rc == 0
    counters = client.dst.show("disk")["counters"]
    assert counters["errors"] == 0 and counters["reconnects"] >= 5


def test_reads_wait_and_are_right(bed: Bed, disk: str, server: Machine, client: Machine) -> None:
    client.call("blockio.write", path=disk, sector=0, count=2048, seed=1)
    with bed.board.cut(server, client):
        reading = client.start_call("blockio.wrong", path=disk, sector=0, count=2048, seed=1)
        server.run("ss", "-tK", f"sport = :{PORT}")
        client.run("ss", "-tK", f"dport = :{PORT}")
        client.dst.wait_state("disk", "reconnecting")
        assert not reading.done()
    assert reading.result(60) == []


@pytest.mark.slow(reason="packets are large there, so that there are too few to lose some")
def test_a_link_that_loses_and_reorders(
    bed: Bed, disk: str, server: Machine, client: Machine
) -> None:
    bed.board.heal(seed=7)
    bed.board.link(server, client, drop=0.01, duplicate=0.01, reorder=0.02, jitter=0.001)
    fio.verify(client, disk, blocks="512-256k", size=16)
    counts = bed.board.counts()
    assert min(counts.get(k, 0) for k in ("drop", "duplicate", "reorder")) > 0
    bed.board.link(server, client)


def test_the_server_dies_and_comes_back(
    bed: Bed, disk: str, server: Machine, client: Machine
) -> None:
    """Power failure under a writing client; the disk is the same one afterwards."""
    uuid = server.dst.show_export("disk")["uuid"]
    job = writer(client, disk)
    io_begun(client)
    server.kill()
    client.dst.wait_state("disk", "reconnecting", 60)
    server.boot()
    server.dst.load()
    server.dst.export("disk", server.disk(0), "--uuid", uuid)
    client.dst.wait_state("disk", "connected")
    assert client.dst.show("disk")["epoch"] > 1
    assert job.wait(120).rc == 0


def test_the_module_of_the_server_is_reloaded(disk: str, server: Machine, client: Machine) -> None:
    uuid = server.dst.show_export("disk")["uuid"]
    job = writer(client, disk)
    io_begun(client)
    server.dst.ctl("export", "del", "disk", "--force")
    server.dst.unload()
    server.dst.load()
    server.dst.export("disk", server.disk(0), "--uuid", uuid)
    assert job.wait(120).rc == 0


def test_a_file_system_outlives_an_outage(
    bed: Bed, disk: str, server: Machine, client: Machine
) -> None:
    client.mount_new(disk, "/mnt/disk")
    copy = client.spawn("sh", "-c", "cp -a /usr/lib/python3* /mnt/disk/ && sync -f /mnt/disk")
    io_begun(client)
    with bed.board.cut(server, client):
        client.wait("stat.quiet", 20, device="dst-disk", seconds=3)
    copy.wait(120)
    source = "cd /usr/lib/; find python3* -type f | LC_ALL=C sort | xargs -d '\\n' sha256sum"
    target = source.replace("/usr/lib/", "/mnt/disk/")
    client.sh("echo 3 > /proc/sys/vm/drop_caches")
    assert client.sh(source, timeout=60) == client.sh(target, timeout=60)
    client.sh(f"umount /mnt/disk; fsck.ext4 -fn {disk}", timeout=60)


def test_no_ghost_write(server: Machine, client: Machine) -> None:
    """A write that the old connection's server still holds must not land later.

    The disk holds back the old write, and only that. Meanwhile the connection
    breaks and the client comes back; it may send the write again, and write
    something newer to the same place, only when the old one is done. Whatever is
    acknowledged last has to be what is on the disk in the end.
    """
    slow = WildDisk(server)
    server.dst.export("disk", slow.path)
    disk = client.dst.attach("disk", server)
    client.call("blockio.write", path=disk, sector=0, count=8, seed=1)
    slow.hold(1)
    old = client.start_call("blockio.write", path=disk, sector=0, count=8, seed=2)
    slow.wait_held()
    client.run("ss", "-tK", f"dport = :{PORT}")
    # Nothing is acknowledged, though the disk would do it at once the second time.
    client.wait("stat.quiet", 10, device="dst-disk", seconds=2)
    early = old.done()
    if early:
        client.call("blockio.write", path=disk, sector=0, count=8, seed=3)
    slow.release()
    old.result(60)
    if not early:
        client.call("blockio.write", path=disk, sector=0, count=8, seed=3)
    for machine, path in (client, disk), (server, slow.path):
        assert machine.call("blockio.wrong", path=path, sector=0, count=8, seed=3) == []
    assert not early
    client.dst.ctl("del", "disk")
    server.dst.ctl("export", "del", "disk")
    slow.remove()


def test_memory_is_the_networks_until_it_lets_go(server: Machine, client: Machine) -> None:
    """What has failed may be written anew by its owner, so nobody may still send from there.

    The packets of a write get stuck in the client's machine. Its connection is reset,
    and it could fail then, because there is no other one. It has to wait until the
    packets are gone.
    """
    server.dst.export("disk", server.disk(0))
    disk = client.dst.attach("disk", server, "--fail-after", "200ms")
    card = client.sh(f"ip -o route get {server.address()}").split(" dev ")[1].split()[0]
    # One packet passes, the next ones wait for the next slot.
    client.sh(f"tc qdisc add dev {card} root netem slot 3600s packets 1")
    client.run("ping", "-c", "1", "-W", "1", server.address(), check=False)
    place = {"path": disk, "sector": 0, "count": 8}
    writing = client.start_call("blockio.attempt", operation="write", seed=1, **place)
    client.wait("stat.in_flight", device="dst-disk")
    reset = "ss", "-tK", f"dport = :{PORT}"
    client.run(*reset)
    client.dst.wait_state("disk", "reconnecting")
    # What comes now fails: the limit is reached.
    late = client.start_call("blockio.attempt", operation="write", seed=2, **place)
    assert late.result(30) != ""
    early = writing.done()
    assert client.call("stat.quiet", device="dst-disk", seconds=1)
    assert not early and not writing.done()
    client.sh(f"tc qdisc del dev {card} root")
    assert writing.result(30) != ""
    client.dst.wait_state("disk", "connected")
    assert client.call("blockio.attempt", operation="write", seed=3, **place) == ""


def test_draining_shows(bed: Bed) -> None:
    """While the server completes old writes the client says what it waits for."""
    server, client = bed.pair()
    server.dst.export("disk", delayed(server, 4))
    disk = client.dst.attach("disk", server)
    old = client.start_call("blockio.write", path=disk, sector=0, count=8, seed=2)
    server.wait("objects.export_busy", 10, name="disk")
    client.run("ss", "-tK", f"dport = :{PORT}")
    client.dst.wait_state("disk", "draining")
    client.dst.wait_state("disk", "connected")
    old.result(60)


def test_a_vanished_client_is_forgotten(
    bed: Bed, disk: str, server: Machine, client: Machine
) -> None:
    """A client that dies without a word: its place is free after the keepalive."""
    server.dst.ctl("export", "set", "disk", "--keepalive", "2s")
    client.dst.ctl("del", "disk")
    client.dst.attach("disk", server)
    client.kill()
    server.wait("objects.no_connections", 30, name="disk")
    client.boot()
    client.dst.load()
    client.dst.attach("disk", server)
    client.call("blockio.write", path=disk, sector=0, count=8, seed=1)
