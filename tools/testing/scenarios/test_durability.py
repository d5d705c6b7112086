# SPDX-License-Identifier: GPL-2.0
"""What is durable when: restarts of the server, flushes that fail, write-through."""

import re

import pytest

from lab.bed import Bed
from lab.dst import PORT
from lab.guest.logwrites import DISCARD, FUA
from lab.machine import Machine
from lab.pool import Spec
from lab.wild import WildDisk

SIZE = 64 << 20


def attempt(client: Machine, operation: str, sector: int = 0, count: int = 8) -> str:
    """An operation on the disk: the name of its error, or nothing."""
    return client.call(
        "blockio.attempt", path="/dev/dst-disk", operation=operation, sector=sector, count=count
    )


def lost(client: Machine) -> int:
    """How often the client has reported that writes may be lost."""
    return int(client.read("/sys/block/dst-disk/dst/lost_writes"))


def complaints(client: Machine) -> int:
    """How often the log says so."""
    return client.run("dmesg").out.count("disk: the server was restarted: the next flush fails")


def volatile(client: Machine) -> bool:
    """Whether the client's disk has a volatile cache, as far as the client knows."""
    return client.read("/sys/block/dst-disk/queue/write_cache") == "write back"


def sent_by(client: Machine) -> list[int]:
    """How many bytes each connection of the client has sent."""
    text = client.run("ss", "-tniOH", "state", "established", f"dport = :{PORT}").out
    return [int(sent) for sent in re.findall(r"bytes_sent:(\d+)", text)]


def crash(server: Machine, client: Machine, *options: str) -> None:
    """Power failure of the server, which comes back with the same export."""
    uuid = server.dst.show_export("disk")["uuid"]
    server.kill()
    client.dst.wait_state("disk", "reconnecting", 60)
    server.boot()
    server.dst.load()
    server.dst.export("disk", server.disk(0), "--uuid", uuid, *options)
    client.dst.wait_state("disk", "connected", 30, epoch=2)


def readd(server: Machine, client: Machine, device: str) -> None:
    """Remove the export, and add it again."""
    uuid = server.dst.show_export("disk")["uuid"]
    epoch = client.dst.show("disk")["epoch"]
    server.dst.ctl("export", "del", "disk", "--force")
    server.dst.export("disk", device, "--uuid", uuid)
    client.dst.wait_state("disk", "connected", 30, epoch=epoch + 1)


@pytest.mark.stock(thorough=True)
def test_a_crash_of_the_server_fails_the_next_flush_once(
    disk: str, server: Machine, client: Machine
) -> None:
    assert volatile(client)
    before = complaints(client)
    client.call("blockio.write", path=disk, sector=0, count=8, seed=1)
    crash(server, client)
    assert lost(client) == 1 and complaints(client) == before + 1
    # Only what promises durability may say so.
    assert attempt(client, "read") == ""
    assert attempt(client, "write", 8) == ""
    assert attempt(client, "flush") == "EIO"
    assert attempt(client, "flush") == ""
    assert lost(client) == 1 and complaints(client) == before + 1


def test_a_crash_after_a_flush_costs_nothing(disk: str, server: Machine, client: Machine) -> None:
    client.call("blockio.write", path=disk, sector=0, count=8, seed=1)
    assert attempt(client, "flush") == ""
    crash(server, client)
    assert lost(client) == 0
    assert attempt(client, "flush") == ""
    assert client.call("blockio.wrong", path=disk, sector=0, count=8, seed=1) == []


def test_durable_writes_need_no_flush(disk: str, server: Machine, client: Machine) -> None:
    """Nothing but writes with FUA were acknowledged: there is nothing to lose."""
    client.call("blockio.write", path=disk, sector=0, count=8, seed=1, sync=True)
    crash(server, client)
    assert lost(client) == 0
    assert attempt(client, "flush") == ""


def test_an_export_that_is_removed_loses_nothing(
    disk: str, server: Machine, client: Machine
) -> None:
    """Its removal flushes."""
    client.call("blockio.write", path=disk, sector=0, count=8, seed=1)
    for _ in range(3):
        readd(server, client, server.disk(0))
        assert lost(client) == 0
        assert attempt(client, "flush") == ""
        assert attempt(client, "write", 8) == ""
    assert client.call("blockio.wrong", path=disk, sector=0, count=8, seed=1) == []


def test_a_module_that_is_reloaded_loses_nothing(
    disk: str, server: Machine, client: Machine
) -> None:
    """So does its end; it is still the same boot of the machine."""
    uuid = server.dst.show_export("disk")["uuid"]
    client.call("blockio.write", path=disk, sector=0, count=8, seed=1)
    for epoch in 2, 3:
        server.dst.unload()
        server.dst.load()
        server.dst.export("disk", server.disk(0), "--uuid", uuid)
        client.dst.wait_state("disk", "connected", 30, epoch=epoch)
        assert lost(client) == 0
    assert attempt(client, "flush") == ""
    assert client.call("blockio.wrong", path=disk, sector=0, count=8, seed=1) == []


def test_a_removal_that_cannot_flush_is_a_loss(bed: Bed) -> None:
    server, client = bed.pair(disk=SIZE)
    bed.reusable = False
    healthy = f"0 {SIZE // 512} linear {server.disk(0)} 0"
    sick = f"0 {SIZE // 512} flakey {server.disk(0)} 0 0 100000 1 error_writes"

    def become(table: str) -> None:
        server.run("dmsetup", "suspend", "--nolockfs", "sick")
        server.run("dmsetup", "load", "sick", stdin=table.encode())
        server.run("dmsetup", "resume", "sick")

    server.run("dmsetup", "create", "sick", stdin=healthy.encode())
    server.run("dmsetup", "mknodes")
    server.dst.export("disk", "/dev/mapper/sick")
    disk = client.dst.attach("disk", server)
    client.call("blockio.write", path=disk, sector=0, count=8, seed=1)
    uuid = server.dst.show_export("disk")["uuid"]
    become(sick)
    server.dst.ctl("export", "del", "disk", "--force")
    become(healthy)
    server.dst.export("disk", "/dev/mapper/sick", "--uuid", uuid)
    client.dst.wait_state("disk", "connected", 30, epoch=2)
    assert lost(client) == 1
    assert attempt(client, "flush") == "EIO"
    assert attempt(client, "flush") == ""
    # What was written since is flushed by the next removal.
    assert attempt(client, "write") == ""
    readd(server, client, "/dev/mapper/sick")
    assert lost(client) == 1 and attempt(client, "flush") == ""
    # The module does not know any more which exports have lost something, only that some have.
    assert attempt(client, "write") == ""
    server.dst.unload()
    assert server.call("files.exists", path="/sys/kernel/dst_lost_writes")
    server.dst.load()
    server.dst.export("disk", "/dev/mapper/sick", "--uuid", uuid)
    client.dst.wait_state("disk", "connected", 30, epoch=4)
    assert lost(client) == 2
    assert attempt(client, "flush") == "EIO"
    assert attempt(client, "flush") == ""


# Without a cache there is nothing to lose.


def test_a_crash_of_a_server_without_a_cache_costs_nothing(bed: Bed) -> None:
    """Nobody has asked for write-through: the device has no volatile cache by itself."""
    server, client = bed.pair(disk=SIZE)
    bed.reusable = False
    slow = WildDisk(server)
    server.dst.export("disk", slow.path)
    assert not server.dst.show_export("disk")["write_through"]
    disk = client.dst.attach("disk", server)
    assert not volatile(client)
    before = complaints(client)

    def place(n: int) -> dict[str, int]:
        return {"sector": 2048 * n, "count": 2048, "seed": n}

    for n in range(16):
        client.call("blockio.write", path=disk, **place(n))
    slow.hold(8)
    writes = [client.start_call("blockio.write", path=disk, **place(n)) for n in range(16, 32)]
    slow.wait_held()
    uuid = server.dst.show_export("disk")["uuid"]
    server.kill()
    done = [n for n in range(32) if n < 16 or writes[n - 16].done()]
    assert len(done) < 32
    client.dst.wait_state("disk", "reconnecting", 60)
    server.boot()
    # Before anything is sent again.
    for n in done:
        assert server.call("blockio.wrong", path=server.disk(0), **place(n)) == []
    server.dst.load()
    server.dst.export("disk", WildDisk(server).path, "--uuid", uuid)
    client.dst.wait_state("disk", "connected", 30, epoch=2)
    for write in writes:
        write.result(60)
    assert lost(client) == 0 and complaints(client) == before
    assert attempt(client, "flush") == ""
    for n in range(32):
        assert client.call("blockio.wrong", path=disk, **place(n)) == []
    assert client.dst.show("disk")["counters"]["errors"] == 0


# Write-through.


def test_a_crash_of_a_write_through_server_costs_nothing(server: Machine, client: Machine) -> None:
    server.dst.export("disk", server.disk(0), "--write-through")
    assert server.dst.show_export("disk")["write_through"]
    assert server.read("/sys/class/dst/export-disk/write_through") == "1"
    assert "durable" in server.dst.ctl("export", "show", "disk").out
    disk = client.dst.attach("disk", server)
    assert not volatile(client)
    client.call("blockio.write", path=disk, sector=0, count=64, seed=1)
    crash(server, client, "--write-through")
    assert lost(client) == 0
    assert attempt(client, "flush") == ""
    assert client.call("blockio.wrong", path=disk, sector=0, count=64, seed=1) == []


class Logged:
    """A disk of the server whose log says what is durable."""

    def __init__(self, bed: Bed, *options: str, connections: int = 1, cached: bool = True) -> None:
        self.server, self.client = bed.machines(
            Spec("server", disks=(SIZE, 4 * SIZE)), Spec("client")
        )
        self.log = self.server.disk(1)
        self.marks = 0
        table = f"0 {SIZE // 512} log-writes {self.server.disk(0)} {self.log}"
        self.server.run("dmsetup", "create", "logged", stdin=table.encode())
        self.server.run("dmsetup", "mknodes")
        self.cache(cached)
        self.server.dst.export("disk", "/dev/mapper/logged", *options)
        words = "--connections", str(connections)
        self.disk = self.client.dst.attach("disk", self.server, *words)
        self.client.wait("objects.storage_has", 20, name="disk", connected=connections)

    def run_on(self, processor: int, *words: str) -> None:
        """Run a command on one processor of the client: each prefers another connection."""
        self.client.run("taskset", "-c", str(processor), *words)

    def write_on(self, processor: int, sector: int, flags: str = "direct") -> None:
        """Write a page there."""
        self.run_on(
            processor,
            *("dd", "if=/dev/urandom", f"of={self.disk}", "bs=4k", "count=1"),
            *(f"seek={sector // 8}", f"oflag={flags}", "conv=notrunc", "status=none"),
        )

    def cache(self, cached: bool) -> None:
        """Give it a volatile cache, or switch that off, as far as its kernel knows."""
        info = ("dmsetup", "info", "-c", "--noheadings", "-o", "blkdevname", "logged")
        name = self.server.run(*info).out.strip()
        self.server.put(
            f"/sys/block/{name}/queue/write_cache", b"write back" if cached else b"write through"
        )

    def durable(self) -> list[tuple[int, int, int]]:
        """What is durable now, since the last look."""
        self.marks += 1
        self.server.run("dmsetup", "message", "logged", "0", "mark", f"m{self.marks}")
        self.server.wait("logwrites.has_marks", path=self.log, count=self.marks)
        entries = self.server.call("logwrites.entries", path=self.log)
        found = [tuple(entry) for entry in entries if not entry[2] & 8]
        new, self.seen = found[getattr(self, "seen", 0) :], len(found)
        return new


def covered(entries: list[tuple[int, int, int]], sector: int, count: int) -> bool:
    """Whether every one of some sectors is in one of the entries."""
    have = {s for begin, length, _ in entries for s in range(begin, begin + length)}
    return have >= set(range(sector, sector + count))


def test_write_through_means_durable(bed: Bed) -> None:
    """Whatever was acknowledged has been made durable before, write by write."""
    logged = Logged(bed, "--write-through")
    logged.durable()
    for sector, count in (0, 8), (1001, 1), (2048, 2048), (8193, 513):
        assert attempt(logged.client, "write", sector, count) == ""
        entries = logged.durable()
        assert covered(entries, sector, count), (sector, count, entries)
        assert all(flags & FUA for _, length, flags in entries if length), entries
    for operation in "discard", "zeroes":
        assert attempt(logged.client, operation, 16384, 4096) == ""
        entries = logged.durable()
        assert covered(entries, 16384, 4096), (operation, entries)
        assert any(flags & DISCARD for _, _, flags in entries) == (operation == "discard")
    # Its clients have nothing to flush.
    flushes = logged.server.dst.show_export("disk")["counters"]["flushes"]
    assert attempt(logged.client, "flush") == ""
    assert logged.server.dst.show_export("disk")["counters"]["flushes"] == flushes


def test_a_cache_that_appears_later(bed: Bed) -> None:
    """Clients that were told of no cache do not flush: nothing may get stuck in one."""
    logged = Logged(bed, cached=False)
    assert not volatile(logged.client)
    logged.cache(True)
    logged.durable()
    assert attempt(logged.client, "write", 0, 8) == ""
    entries = logged.durable()
    assert covered(entries, 0, 8), entries
    for operation in "discard", "zeroes":
        assert attempt(logged.client, operation, 16384, 4096) == ""
        entries = logged.durable()
        assert covered(entries, 16384, 4096), (operation, entries)
    # That the export has changed in another way is no reason to tell of the cache.
    for option in "--read-only", "--read-write":
        logged.server.dst.ctl("export", "set", "disk", option)
        logged.client.wait(
            "files.content_is",
            5,
            path="/sys/block/dst-disk/ro",
            text=str(int(option == "--read-only")),
        )
    assert not volatile(logged.client)
    assert attempt(logged.client, "write", 64, 8) == ""
    assert covered(logged.durable(), 64, 8)
    # Who comes now is told of it, and has to flush.
    logged.client.dst.ctl("del", "disk")
    logged.client.dst.attach("disk", logged.server)
    assert volatile(logged.client)
    assert attempt(logged.client, "write", 128, 8) == ""
    assert not any(length for _, length, _ in logged.durable())
    assert attempt(logged.client, "flush") == ""
    assert covered(logged.durable(), 128, 8)


def test_without_write_through_a_flush_makes_durable(bed: Bed) -> None:
    """The same look at a device sees the difference."""
    logged = Logged(bed)
    logged.durable()
    assert attempt(logged.client, "write", 0, 8) == ""
    assert attempt(logged.client, "discard", 16384, 4096) == ""
    assert not any(length for _, length, _ in logged.durable())
    assert attempt(logged.client, "flush") == ""
    entries = logged.durable()
    assert covered(entries, 0, 8) and covered(entries, 16384, 4096), entries
    logged.client.call("blockio.write", path=logged.disk, sector=64, count=8, seed=1, sync=True)
    assert covered(logged.durable(), 64, 8)


@pytest.mark.parametrize("connections", [2, 4])
def test_a_flush_is_one_of_all_connections(bed: Bed, connections: int) -> None:
    """It makes durable what was acknowledged over others; FUA does so for its own write."""
    logged = Logged(bed, connections=connections)
    logged.durable()
    # Who writes, and who flushes.
    for step, (writers, flusher) in enumerate((((0,), 1), ((1,), 0), ((0, 1), 0), ((0, 1), 1))):
        places = [4096 * step + 32 * n for n in range(16)]
        for n, sector in enumerate(places):
            logged.write_on(writers[n % len(writers)], sector)
        assert not any(length for _, length, _ in logged.durable())
        logged.run_on(flusher, "sync", logged.disk)
        entries = logged.durable()
        assert [sector for sector in places if not covered(entries, sector, 8)] == [], entries
        for processor in 0, 1:
            sector = 4096 * step + 2048 + 32 * processor
            logged.write_on(processor, sector, flags="direct,dsync")
            entries = [entry for entry in logged.durable() if entry[2] & FUA]
            assert covered(entries, sector, 8), entries
    assert sum(1 for sent in sent_by(logged.client) if sent > 8 * 4096) >= 2
    assert logged.client.dst.show("disk")["epoch"] == 1


@pytest.mark.stock
def test_write_through_flushes_the_device(server: Machine, client: Machine) -> None:
    """On whatever the stock kernel has, as its own statistics count it."""
    server.dst.export("disk", server.disk(0), "--write-through")
    disk = client.dst.attach("disk", server)
    device = server.disk(0).removeprefix("/dev/")
    if server.read(f"/sys/class/block/{device}/queue/write_cache") != "write back":
        pytest.skip("the disk of this machine has no volatile cache")
    if server.read(f"/sys/class/block/{device}/queue/fua") == "1":
        pytest.skip("the disk of this machine does without flushes")
    before = server.call("stat.flushes", device=device)
    for number in range(4):
        client.call("blockio.write", path=disk, sector=64 * number, count=8, seed=1)
        assert server.call("stat.flushes", device=device) >= before + number + 1
