# SPDX-License-Identifier: GPL-2.0
"""Everything can be added, changed and removed at any time, under load."""

import contextlib
import itertools
import random

import pytest

from lab import fio
from lab.bed import Bed
from lab.dst import TOOL
from lab.keyed import Keys
from lab.machine import Machine
from lab.pool import Spec
from lab.wild import WildDisk

ROUNDS = 10
# For how many seconds the pool is resized under load, how often at least, and how long a request
# may take then.
RESIZED = 20
RESIZES = 5
PATIENCE = 3
POOL = "/sys/class/dst/pool/threads"


@pytest.mark.stock
def test_load_and_unload(bed: Bed) -> None:
    (machine,) = bed.machines(Spec("client"), load=False)
    for _ in range(ROUNDS):
        machine.dst.load()
        machine.dst.unload()
        assert machine.call("leftovers.after_unload") == []


@pytest.mark.stock
def test_add_and_del_in_a_loop(server: Machine, client: Machine) -> None:
    for number in range(ROUNDS):
        server.dst.export("disk", server.disk(0))
        disk = client.dst.attach("disk", server)
        client.call("blockio.write", path=disk, sector=number, count=64, seed=number)
        assert client.call("blockio.wrong", path=disk, sector=number, count=64, seed=number) == []
        client.dst.ctl("del", "disk")
        assert not client.call("files.exists", path=disk)
        server.dst.ctl("export", "del", "disk")
    assert client.dst.json("list") == []
    assert server.dst.json("export", "list") == []


def test_del_under_load(disk: str, server: Machine, client: Machine) -> None:
    """Forced: what is under way fails, nothing hangs."""
    for _ in range(ROUNDS):
        job = fio.start(client, disk, size=256, blocks="4k-64k", depth=32)
        client.wait("stat.written_at_least", device="dst-disk", sectors=2048)
        client.dst.ctl("del", "disk", "--force")
        assert job.wait(30, check=False).rc != 0
        client.dst.attach("disk", server)
    client.call("blockio.write", path=disk, sector=0, count=8, seed=1)


def test_export_del_under_load(disk: str, server: Machine, client: Machine) -> None:
    uuid = server.dst.show_export("disk")["uuid"]
    job = fio.start(client, disk, size=96, blocks="4k-64k", rate=16)
    client.wait("stat.written_at_least", device="dst-disk", sectors=2048)
    for _ in range(ROUNDS // 2):
        server.dst.ctl("export", "del", "disk", "--force")
        server.dst.export("disk", server.disk(0), "--uuid", uuid)
        client.dst.wait_state("disk", "connected")
    job.wait(120)


@pytest.mark.stock
def test_force_while_the_server_is_dead(
    bed: Bed, disk: str, server: Machine, client: Machine
) -> None:
    client.mount_new(disk, "/mnt/disk")
    server.kill()
    bed.reusable = False
    syncing = client.spawn(
        "dd", "if=/dev/zero", "of=/mnt/disk/file", "bs=1M", "count=8", "conv=fsync"
    )
    client.wait("stat.in_flight", device="dst-disk")
    client.dst.ctl("del", "disk", "--force", timeout=20)
    assert syncing.wait(30, check=False).rc != 0
    client.run("umount", "/mnt/disk", check=False)
    client.wait("files.missing", path=disk)
    client.dst.unload()
    assert client.call("leftovers.after_unload") == []


def test_force_while_memory_is_written_back(server: Machine, client: Machine) -> None:
    """A file system whose disk is taken away waits for that, so it has to fail meanwhile."""
    size = server.disks[0].size // 512
    server.run("dmsetup", "create", "held", stdin=f"0 {size} linear {server.disk(0)} 0".encode())
    server.run("dmsetup", "mknodes")
    server.dst.export("held", "/dev/mapper/held")
    # Soon, and by nobody who holds the file.
    client.sh("cd /proc/sys/vm; echo 10 | tee dirty_writeback_centisecs >dirty_expire_centisecs")
    for _ in range(3):
        disk = client.dst.attach("held", server)
        client.mount_new(disk, "/mnt/disk")
        # Nothing has to be looked for later.
        write = "dd", "if=/dev/zero", "of=/mnt/disk/file", "bs=64K", "count=64", "conv=notrunc"
        client.run(*write)
        client.run("sync", "-f", "/mnt/disk")
        server.run("dmsetup", "suspend", "--noflush", "held")
        client.run(*write)
        client.wait("stat.in_flight", device="dst-held")
        client.dst.ctl("del", "held", "--force", timeout=20)
        client.run("umount", "/mnt/disk", check=False)
        client.wait("files.missing", path=disk)
        server.run("dmsetup", "resume", "held")
    client.dst.unload()
    assert client.call("leftovers.after_unload") == []


def test_unload_with_everything_configured_but_idle(
    disk: str, server: Machine, client: Machine
) -> None:
    """Nothing is open: the module goes and takes all of it along."""
    client.dst.unload()
    assert client.call("leftovers.after_unload") == []
    server.dst.unload()
    assert server.call("leftovers.after_unload") == []


@pytest.mark.stock
def test_unload_under_load(disk: str, server: Machine, client: Machine) -> None:
    """Refused where a device is in use; a server goes, and its clients wait for the next one."""
    uuid = server.dst.show_export("disk")["uuid"]
    job = fio.start(client, disk, size=96, blocks="4k-64k", rate=16)
    client.wait("stat.written_at_least", device="dst-disk", sectors=2048)
    for epoch in range(2, 5):
        # This is what the kernel says as long as somebody holds a module.
        assert client.call("leftovers.unload") == "EAGAIN"
        assert client.dst.show("disk")["state"] == "connected"
        server.dst.unload()
        assert server.call("leftovers.after_unload") == []
        client.dst.wait_state("disk", "reconnecting")
        assert client.call("leftovers.unload") == "EAGAIN"
        assert job.poll().rc is None
        server.dst.load()
        server.dst.export("disk", server.disk(0), "--uuid", uuid)
        client.dst.wait_state("disk", "connected", epoch=epoch)
        before = client.call("stat.moved", device="dst-disk")
        client.wait("stat.moved_on", device="dst-disk", than=before)
    job.wait(120)
    assert client.dst.show("disk")["counters"]["errors"] == 0


@pytest.mark.stock(thorough=True)
def test_all_of_it_in_a_loop_under_load(server: Machine, client: Machine) -> None:
    """Loaded, added, used by as much as there can be, removed by force, unloaded."""
    for number in range(ROUNDS):
        server.dst.export("disk", server.disk(0))
        disk = client.dst.attach("disk", server)
        job = fio.start(client, disk, size=256, blocks="4k-64k", depth=32)
        client.wait("stat.written_at_least", device="dst-disk", sectors=2048)
        if number % 2:
            server.dst.unload()  # with the connections, and what is under way
        client.dst.ctl("del", "disk", "--force")
        assert job.wait(30, check=False).rc != 0
        client.dst.unload()
        if number % 2 == 0:
            server.dst.ctl("export", "del", "disk", "--force")
            server.dst.unload()
        for machine in server, client:
            assert machine.call("leftovers.after_unload") == []
            machine.dst.load()
    server.dst.export("disk", server.disk(0))
    fio.verify(client, client.dst.attach("disk", server), size=16)


def resize(machine: Machine, threads: int, by: str) -> None:
    """Change the number of threads, and see that there are as many, no more and no fewer."""
    if by == "sysfs":
        machine.sh(f"echo {threads} > {POOL}")
    else:
        machine.dst.ctl("pool", "set", str(threads))
    assert machine.dst.json("pool", "show")["threads"] == threads
    assert machine.read(POOL) == str(threads)
    # The last one may not be buried yet.
    machine.wait("leftovers.pool_is", what=f"{threads} threads", count=threads)


@pytest.mark.stock(thorough=True)
@pytest.mark.parametrize("by", ["netlink", "sysfs"])
def test_the_pool_is_resized_under_load(
    disk: str, server: Machine, client: Machine, by: str
) -> None:
    """As much load as there can be goes on all the time, and no request waits for long."""
    seconds = RESIZED * client.flavour.slowness
    job = client.spawn(
        *fio.command(disk, size=64, blocks="512-64k", extra=fio.timed(seconds)),
    )
    client.wait("stat.written_at_least", device="dst-disk", sectors=256)
    limit = client.dst.json("pool", "show")["threads_limit"]
    dice = random.Random(1)
    sizes = itertools.chain((1, limit) * 2, iter(lambda: dice.randint(1, limit), 0))
    rounds = 0
    for threads in sizes:
        before = client.call("stat.moved", device="dst-disk")
        for machine in server, client:
            resize(machine, threads, by)
        try:
            client.wait("stat.moved_on", device="dst-disk", than=before)
        except TimeoutError:
            # Nothing moves any more when it is over.
            assert job.poll().rc is not None
        if job.poll().rc is not None:
            break
        rounds += 1
    assert rounds >= RESIZES, rounds
    assert fio.longest(job.wait(30)) < PATIENCE * client.flavour.slowness
    assert client.dst.show("disk")["epoch"] == 1


@pytest.mark.parametrize("protection", ["digest", "sealed"])
def test_what_is_protected_stays_in_order(
    server: Machine, client: Machine, protection: str
) -> None:
    """Digests and seals are made by the threads of the pool, however many there are."""
    if protection == "sealed":
        keys = Keys(server, client)
        server.dst.export("disk", server.disk(0), "--allow-key", f"{keys.public}:rw", allow=())
        options = keys.options
    else:
        server.dst.export("disk", server.disk(0))
        options = ("--digest", "crc32c")
    disk = client.dst.attach("disk", server, "--connections", "2", *options)
    client.wait("objects.storage_has", 20, name="disk", connected=2)
    job = fio.start(client, disk, size=96, blocks="512-64k", rate=16)
    client.wait("stat.written_at_least", device="dst-disk", sectors=256)
    limit = client.dst.json("pool", "show")["threads_limit"]
    dice = random.Random(1)
    rounds = 0
    while rounds < 4 * ROUNDS and job.poll().rc is None:
        for machine in server, client:
            threads = (1, limit)[rounds % 2] if rounds < 4 else dice.randint(1, limit)
            machine.dst.ctl("pool", "set", str(threads))
            assert machine.dst.json("pool", "show")["threads"] == threads
        rounds += 1
    assert rounds > 4, "the load has ended too early"
    assert job.wait(120).rc == 0
    shown = client.dst.show("disk")
    assert shown["epoch"] == 1 and shown["counters"]["reconnects"] == 0, shown
    for counters in shown["counters"], server.dst.show_export("disk")["counters"]:
        for name in "errors", "seal_errors", "digest_errors", "protocol_errors":
            assert counters[name] == 0, counters


def test_the_pool_by_sysfs(client: Machine) -> None:
    for threads in 3, 1, 2:
        resize(client, threads, "sysfs")
    assert client.run("sh", "-c", f"echo 0 > {POOL}", check=False).rc != 0
    assert client.call("leftovers.pool_is", count=2)


def test_many_storages(server: Machine, client: Machine) -> None:
    device = server.call("blockio.memory_disk", size=16 << 20, name="many")
    server.dst.export("many", device, "--shared-writers")
    for number in range(32):
        client.dst.attach(f"s{number}", server, "--export", "many")
    for number in range(32):
        client.call(
            "blockio.write", path=f"/dev/dst-s{number}", sector=number * 64, count=64, seed=5
        )
    assert client.call("blockio.wrong", path="/dev/dst-s0", sector=0, count=2048, seed=5) == []
    for number in range(32):
        client.dst.ctl("del", f"s{number}")


def test_an_export_whose_disk_does_not_answer(server: Machine, client: Machine) -> None:
    """Who removes it does not wait for ever; what remains goes by itself, and hurts nobody."""
    sick = WildDisk(server)
    server.dst.export("sick", sick.path)
    disk = client.dst.attach("sick", server)
    sick.hold(1 << 30)
    writing = client.start_call("blockio.write", path=disk, sector=0, count=8, seed=1)
    sick.wait_held()
    words = "export", "del", "sick", "--force"
    for _ in range(2):
        result = server.dst.ctl(*words, check=False, timeout=25)
        assert result.rc == 4 and "has not done yet" in result.err, result
        shown = server.dst.show_export("sick")
        assert shown["state"] == "removing" and shown["counters"]["in_flight"] == 1
        # However often it is asked for, one thread waits for the disk.
        server.wait("leftovers.threads_at_most", 3, name="dst-errand", most=1)
    client.dst.wait_state("sick", "reconnecting")
    assert not writing.done()
    # Its name and its device are taken, all else goes on.
    listen = "--listen", "[::]:7771"
    result = server.dst.ctl("export", "add", "sick", sick.path, *listen, check=False)
    assert result.rc != 0, result
    server.dst.export("well", server.call("blockio.memory_disk", size=8 << 20, name="well"))
    well = client.dst.attach("well", server)
    client.call("blockio.write", path=well, sector=0, count=64, seed=1)
    client.dst.ctl("del", "well")
    server.dst.ctl("export", "del", "well", "--force")
    # Another one who waits for the same.
    waiting = server.spawn(TOOL, *words)
    sick.release()
    result = waiting.wait(25, check=False)
    assert result.rc in (0, 3), result
    server.wait("objects.no_exports", 20)
    server.dst.export("sick", sick.path)
    server.dst.ctl("export", "del", "sick")
    client.dst.ctl("del", "sick", "--force")
    with contextlib.suppress(Exception):
        writing.result(30)
    sick.remove()
