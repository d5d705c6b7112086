# SPDX-License-Identifier: GPL-2.0
"""Broken connections: nothing lost, nothing twice, nothing out of its time."""

import json
import re
import time

import pytest

from lab import fio
from lab.bed import Bed
from lab.dst import PORT
from lab.machine import Machine, Process, Promise
from lab.wild import WildDisk, become_delayed, delayed
from scenarios.test_netlink import ynl


def writer(client: Machine, disk: str, size: int = 96) -> Process:
    """fio in the background, slow enough to be still at it when things break."""
    return fio.start(client, disk, blocks="512-64k", size=size, depth=16, rate=16)


def io_begun(client: Machine, name: str = "disk", bytes_written: int = 1 << 20) -> None:
    """Wait until I/O really flows."""
    client.wait("stat.written_at_least", 20, device=f"dst-{name}", sectors=bytes_written // 512)


def sockets(client: Machine) -> list[str]:
    """The client's ends of its connections, also of those that are not welcome yet."""
    return sorted(client.sh(f"ss -tnH 'dport = :{PORT}' | awk '{{ print $4 }}'").split())


@pytest.mark.stock
@pytest.mark.parametrize(
    "direction",
    [
        "both",
        pytest.param("to the server", marks=pytest.mark.stock(thorough=True)),
        pytest.param("to the client", marks=pytest.mark.stock(thorough=True)),
    ],
)
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


@pytest.mark.stock(thorough=True)
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


def test_a_disk_that_needs_forty_seconds(server: Machine, client: Machine) -> None:
    """That is longer than anybody waits for a sign of life, and for an answer to a hello.

    The client is told all the time what is waited for, over the one connection that it
    has made anew.
    """
    seconds = 40
    server.dst.export("disk", delayed(server, 0))
    disk = client.dst.attach("disk", server)
    place = {"path": disk, "sector": 0, "count": 8}
    client.call("blockio.write", seed=1, **place)
    become_delayed(server, seconds)
    begin = time.monotonic()
    old = client.start_call("blockio.write", seed=2, **place)
    server.wait("objects.has_in_flight", 20, name="disk", least=1)
    client.run("ss", "-tK", f"dport = :{PORT}")
    client.dst.wait_state("disk", "draining", 20)
    again = sockets(client)
    while time.monotonic() < begin + seconds - 5:
        assert client.call("stat.quiet", device="dst-disk", seconds=1)
        shown = client.dst.show("disk")
        assert (shown["state"], shown["draining"]) == ("draining", 1), shown
        assert sockets(client) == again, "it has lost patience"
        assert not old.done()
    client.dst.wait_state("disk", "connected", 20, epoch=2)
    assert time.monotonic() - begin >= seconds
    assert client.dst.show("disk")["counters"]["reconnects"] == 1
    # The write is sent again, and takes no time any more.
    become_delayed(server, 0)
    old.result(20)
    client.call("blockio.write", seed=3, **place)
    server.run("dmsetup", "suspend", "--nolockfs", "slow")
    server.run("dmsetup", "resume", "slow")
    for machine, path in (client, disk), (server, "/dev/mapper/slow"):
        assert machine.call("blockio.wrong", path=path, sector=0, count=8, seed=3) == []
    client.dst.ctl("del", "disk")
    server.dst.ctl("export", "del", "disk")


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


def writes_held(slow: WildDisk, client: Machine, disk: str, count: int) -> list[Promise]:
    """So many writes in the background, far from each other, which the server's disk holds."""
    slow.hold(count)
    writes = [
        client.start_call("blockio.write", path=disk, sector=n * 1024, count=8, seed=1)
        for n in range(count)
    ]
    slow.wait_held(count)
    return writes


def left(client: Machine, count: int) -> str:
    """Wait until a storage says that the server has so many requests left; all it says then."""
    client.wait("control.shows", name="disk", field="draining", value=count)
    assert client.read("/sys/block/dst-disk/dst/draining") == str(count)
    return client.dst.ctl("show", "disk").out


def test_draining_shows(bed: Bed) -> None:
    """While the server completes old writes the client says how many it waits for."""
    server, client = bed.pair()
    slow = WildDisk(server)
    server.dst.export("disk", slow.path)
    disk = client.dst.attach("disk", server)
    writes = writes_held(slow, client, disk, 3)
    assert "left" not in left(client, 0)
    client.run("ss", "-tK", f"dport = :{PORT}")
    client.dst.wait_state("disk", "draining")
    for count in 3, 2, 1:
        text = left(client, count)
        assert re.search(rf"^state: +draining for \w+, {count} left$", text, re.M), text
        shown = json.loads(ynl(client, "--do", "storage-get", name="disk").out)
        assert (shown["state"], shown["draining"]) == ("draining", count)
        assert not any(write.done() for write in writes)
        if count == 2:
            # It is not heard of any more, and asked again by the next connection.
            with bed.board.cut(server, client):
                client.run("ss", "-tK", f"dport = :{PORT}")
                client.dst.wait_state("disk", "reconnecting")
                assert "left" not in left(client, 0)
            client.dst.wait_state("disk", "draining")
            assert ", 2 left" in left(client, 2)
        slow.release_one()
    client.dst.wait_state("disk", "connected")
    assert "left" not in left(client, 0)
    for write in writes:
        write.result(60)
    client.dst.ctl("del", "disk")
    server.dst.ctl("export", "del", "disk")
    slow.remove()


def test_draining_of_one_connection_shows(bed: Bed) -> None:
    """Others carry requests meanwhile, and it is told why one does not."""
    server, client = bed.pair()
    slow = WildDisk(server)
    server.dst.export("disk", slow.path)
    disk = client.dst.attach("disk", server, "--connections", "2")
    client.wait("control.shows", name="disk", field="connected", value=2)
    ports = client.sh(f"ss -tnH 'dport = :{PORT}' | awk '{{ print $4 }}'").split()
    assert len(ports) == 2
    writes = writes_held(slow, client, disk, 1)
    # Nobody knows which connection has the write: the other one comes back at once.
    for count, port in enumerate(ports, 1):
        client.run("ss", "-tK", f"sport = :{port.rpartition(':')[2]}")
        client.wait("objects.drains_or_is_back", name="disk", reconnects=count)
        if client.dst.show("disk")["draining"]:
            break
    text = left(client, 1)
    assert re.search(r"^state: +connected for \w+$", text, re.M), text
    assert re.search(r"^connections: +1 of 2 \(draining, 1 left\)$", text, re.M), text
    client.call("blockio.write", path=disk, sector=8192, count=8, seed=1)
    assert not writes[0].done()
    slow.release()
    client.wait("control.shows", name="disk", field="connected", value=2)
    assert "left" not in left(client, 0)
    writes[0].result(60)
    client.dst.ctl("del", "disk")
    server.dst.ctl("export", "del", "disk")
    slow.remove()


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
