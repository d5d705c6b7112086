# SPDX-License-Identifier: GPL-2.0
"""Several connections of one storage: each breaks for itself."""

import re
import time

import pytest

from lab import fio
from lab.bed import Bed
from lab.dst import PORT
from lab.machine import Machine
from lab.pool import GIB
from lab.wild import WildDisk, delayed

COUNT = 4


def sockets(client: Machine) -> dict[int, int]:
    """Local ports of the client's connections, and the bytes sent over each."""
    text = client.run("ss", "-tniOH", "state", "established", f"dport = :{PORT}").out
    found = {}
    for line in text.splitlines():
        port = int(line.split()[2].rsplit(":", 1)[1])
        sent = re.search(r"bytes_sent:(\d+)", line)
        found[port] = int(sent.group(1)) if sent else 0
    return found


def attached(client: Machine, server: Machine, *options: str) -> str:
    """A storage with all of its connections."""
    disk = client.dst.attach("disk", server, "--connections", str(COUNT), *options)
    client.wait("objects.storage_has", 20, name="disk", connected=COUNT)
    return disk


@pytest.fixture
def wide(server: Machine, client: Machine, bed: Bed) -> str:
    """A disk that is reached over several connections."""
    server.dst.export("disk", server.disk(0))
    return attached(client, server)


@pytest.mark.stock
def test_there_are_two_unless_somebody_says_otherwise(server: Machine, client: Machine) -> None:
    server.dst.export("disk", server.disk(0))
    client.dst.attach("disk", server, usual=True)
    assert client.flavour.cpus > 1
    client.wait("objects.storage_has", 20, name="disk", connected=2)
    assert client.dst.show("disk")["connections"] == 2 == len(sockets(client))
    if client.flavour.stock:
        client.dst.ctl("del", "disk")
        client.sh("echo 0 > /sys/devices/system/cpu/cpu1/online")
        client.dst.attach("disk", server, usual=True)
        client.sh("echo 1 > /sys/devices/system/cpu/cpu1/online")
        assert client.dst.show("disk")["connections"] == 1


@pytest.mark.stock
def test_all_connections_carry(wide: str, server: Machine, client: Machine) -> None:
    fio.verify(client, wide, blocks="512-256k", size=32, jobs=2, depth=16)
    storage = client.dst.show("disk")
    assert storage["connections"] == COUNT and storage["connected"] == COUNT
    assert server.dst.show_export("disk")["connections"] == COUNT
    assert storage["counters"]["errors"] == 0
    # Each processor prefers one of them.
    busy = [sent for sent in sockets(client).values() if sent > 1 << 20]
    assert len(busy) >= min(2, client.flavour.cpus), sockets(client)


@pytest.mark.stock(thorough=True)
def test_one_breaks_and_the_others_go_on(wide: str, server: Machine, client: Machine) -> None:
    job = fio.start(client, wide, blocks="512-64k", size=96, depth=16, jobs=1, rate=16)
    client.wait("stat.written_at_least", 20, device="dst-disk", sectors=2048)
    for round in range(8):
        port = sorted(sockets(client))[round % COUNT]
        client.run("ss", "-tK", f"sport = :{port}")
        client.wait("objects.storage_has", 20, name="disk", connected=COUNT, reconnects=round + 1)
    assert job.wait(120).rc == 0
    storage = client.dst.show("disk")
    assert storage["epoch"] == 1, "one connection was lost, not all of them"
    assert storage["counters"]["errors"] == 0
    assert storage["counters"]["reconnects"] >= 8


def test_all_break_at_once(wide: str, server: Machine, client: Machine) -> None:
    job = fio.start(client, wide, blocks="512-64k", size=96, depth=16, rate=16)
    client.wait("stat.written_at_least", 20, device="dst-disk", sectors=2048)
    for _ in range(5):
        server.run("ss", "-tK", f"sport = :{PORT}")
        client.wait("objects.storage_has", 20, name="disk", connected=COUNT)
    assert job.wait(120).rc == 0
    assert client.dst.show("disk")["counters"]["errors"] == 0


def test_a_broken_connection_is_fenced_for_itself(bed: Bed) -> None:
    """What the server still has of one connection holds up nobody else.

    A write is stuck in the disk when its connection breaks. It must not be
    sent again before the disk is done with it, while other requests, over
    the other connections, go on as if nothing had happened.
    """
    server, client = bed.pair(disk=GIB)
    delay = 5 * server.flavour.slowness
    server.dst.export("disk", delayed(server, 5))
    disk = attached(client, server)
    before = sockets(client)
    old = client.start_call("blockio.write", path=disk, sector=0, count=512, seed=2)
    begin = time.monotonic()
    server.wait("objects.export_busy", 10, name="disk")
    after = sockets(client)
    port = max(after, key=lambda port: after[port] - before.get(port, 0))
    client.run("ss", "-tK", f"sport = :{port}")
    client.wait("objects.storage_has", 10, name="disk", connected=COUNT - 1)
    for sector in range(4096, 8192, 512):
        client.call("blockio.digest", path=disk, sector=sector, count=512)
    storage = client.dst.show("disk")
    assert storage["state"] == "connected"
    # It is not sent again while the server still has it.
    assert storage["counters"]["resent"] == 0
    assert not old.done() and time.monotonic() - begin < delay
    old.result(60)
    assert time.monotonic() - begin >= delay
    storage = client.dst.show("disk")
    assert storage["epoch"] == 1 and storage["counters"]["resent"] > 0
    assert client.call("blockio.wrong", path=disk, sector=0, count=512, seed=2) == []


def test_what_a_broken_connection_had_is_not_forgotten_with_it(bed: Bed) -> None:
    """It breaks with a write in the disk, and is not wanted any more before it is back."""
    server, client = bed.pair(disk=GIB)
    slow = WildDisk(server)
    server.dst.export("disk", slow.path)
    disk = attached(client, server)
    before = sockets(client)
    slow.hold(1)
    # Each processor has its connection; that of the first one is the last to go.
    job = client.spawn(
        *("fio", "--name=write", f"--filename={disk}", "--rw=write", "--verify=crc32c"),
        *("--bs=256k", "--size=256k", "--direct=1", "--cpus_allowed=1"),
    )
    slow.wait_held()
    after = sockets(client)
    port = max(after, key=lambda port: after[port] - before.get(port, 0))
    client.run("ss", "-tK", f"sport = :{port}")
    client.wait("objects.storage_has", 10, name="disk", connected=COUNT - 1)
    client.dst.ctl("set", "disk", "--connections", "1")
    assert job.poll().rc is None
    slow.release()
    assert job.wait(30).rc == 0
    storage = client.dst.show("disk")
    assert (storage["state"], storage["epoch"], storage["connected"]) == ("connected", 2, 1)
    assert storage["counters"]["resent"] > 0
    client.dst.ctl("del", "disk")
    server.dst.ctl("export", "del", "disk")
    slow.remove()


def test_the_server_dies_under_all_of_them(bed: Bed) -> None:
    server, client = bed.pair(disk=GIB)
    server.dst.export("disk", delayed(server, 2))
    uuid = server.dst.show_export("disk")["uuid"]
    disk = attached(client, server)
    client.call("blockio.write", path=disk, sector=0, count=2048, seed=1)
    client.run("blockdev", "--flushbufs", disk)
    writing = client.start_call("blockio.write", path=disk, sector=2048, count=65536, seed=3)
    server.wait("objects.export_busy", 10, name="disk")
    server.kill()
    client.dst.wait_state("disk", "reconnecting", 60)
    server.boot()
    server.dst.load()
    # The disk itself can do less than what dm makes of it, and would be refused.
    server.dst.export("disk", delayed(server, 0), "--uuid", uuid)
    client.wait("objects.storage_has", 30, name="disk", connected=COUNT)
    writing.result(60)
    assert client.call("blockio.wrong", path=disk, sector=0, count=2048, seed=1) == []
    assert client.call("blockio.wrong", path=disk, sector=2048, count=65536, seed=3) == []


def test_more_and_less_of_them_under_load(wide: str, server: Machine, client: Machine) -> None:
    job = fio.start(client, wide, blocks="512-64k", size=96, depth=16, rate=16)
    client.wait("stat.written_at_least", 20, device="dst-disk", sectors=2048)
    for count in (1, 8, 2, 3, 1, 4):
        client.dst.ctl("set", "disk", "--connections", str(count))
        client.wait("objects.storage_has", 20, name="disk", connected=count)
        assert len(sockets(client)) == count
    assert job.wait(120).rc == 0
    storage = client.dst.show("disk")
    assert storage["epoch"] == 1 and storage["counters"]["errors"] == 0


@pytest.mark.parametrize("lost", [4, 6])
def test_two_ways_to_one_server(bed: Bed, lost: int) -> None:
    """The addresses of a server are ways to it: one that ends is not the end."""
    server, client = bed.pair()
    server.dst.export("disk", server.disk(0))
    server.dst.ctl("export", "set", "disk", "--keepalive", "2s")
    ways = {4: server.address(version=4), 6: f"[{server.address(version=6)}]"}
    client.dst.ctl("add", "disk", *(f"{way}:{PORT}" for way in ways.values()), "--connections", "2")
    client.wait("objects.storage_has", 20, name="disk", connected=2)
    family = {4: "ip", 6: "ip6"}[lost]
    job = fio.start(client, "/dev/dst-disk", blocks="4k-64k", size=64, depth=8, rate=16)
    client.wait("stat.written_at_least", 20, device="dst-disk", sectors=2048)
    server.sh(
        f"nft add table {family} way; "
        f"nft 'add chain {family} way in {{ type filter hook input priority 0; }}'; "
        f"nft add rule {family} way in tcp dport {PORT} drop"
    )
    client.wait("objects.storage_has", 30, name="disk", connected=2, reconnects=1)
    assert job.wait(120).rc == 0
    assert client.dst.show("disk")["counters"]["errors"] == 0
    server.sh(f"nft delete table {family} way")


def test_an_export_is_back_before_all_know(wide: str, server: Machine, client: Machine) -> None:
    """One connection does not hear that the export has gone; the others come back to the new one.

    The session has never been without a connection, so all of this is one epoch. What
    the deaf one carried is done by the old export, or dropped.
    """
    uuid = server.dst.show_export("disk")["uuid"]
    deaf = min(sockets(client))
    client.sh(f"""
        nft add table inet deaf
        nft add chain inet deaf in '{{ type filter hook input priority 0; }}'
        nft add rule inet deaf in tcp dport {deaf} drop
    """)
    writes = [
        client.start_call("blockio.write", path=wide, sector=512 * n, count=64, seed=n)
        for n in range(32)
    ]
    server.dst.ctl("export", "del", "disk", "--force")
    server.dst.export("disk", server.disk(0), "--uuid", uuid)
    client.wait("objects.storage_has", 20, name="disk", connected=COUNT, reconnects=COUNT - 1)
    assert client.dst.show("disk")["epoch"] == 1
    client.run("nft", "flush", "ruleset")
    for write in writes:
        write.result(60)
    for n in range(32):
        wrong = client.call("blockio.wrong", path=wide, sector=512 * n, count=64, seed=n)
        assert wrong == []
    assert client.dst.show("disk")["counters"]["errors"] == 0
