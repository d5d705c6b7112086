# SPDX-License-Identifier: GPL-2.0
"""What has killed network disks before: each by its name."""

import contextlib
import random
import time

import pytest

from lab import fio
from lab.bed import Bed
from lab.dst import PORT
from lab.machine import Machine
from lab.pool import Spec
from lab.rpc import MachineGone
from lab.wild import WildDisk

MIB_SECTORS = 2048
SMALL = 64 << 20
# Of the exports here that say so: silence after which a peer is dead.
KEEPALIVE = 2


def reset(machine: Machine) -> None:
    """Reset all connections of a machine."""
    machine.run("ss", "-tK", f"sport = :{PORT} or dport = :{PORT}")


# A disk that grows while its connections break.


def grow(server: Machine, sectors: int) -> None:
    """Give the exported disk another size."""
    server.sh(
        "dmsetup suspend --nolockfs growing\n"
        f"dmsetup load growing --table '0 {sectors} linear {server.disk(0)} 0'\n"
        "dmsetup resume growing"
    )


@pytest.mark.stock(thorough=True)
def test_reconnecting_while_the_disk_grows(bed: Bed, server: Machine, client: Machine) -> None:
    sectors = 128 * MIB_SECTORS
    server.run("dmsetup", "create", "growing", "--table", f"0 {sectors} linear {server.disk(0)} 0")
    server.run("dmsetup", "mknodes")
    server.dst.export("disk", "/dev/mapper/growing")
    disk = client.dst.attach("disk", server)
    job = fio.start(client, disk, blocks="512-64k", size=64, depth=16, rate=16)
    client.wait("stat.written_at_least", 20, device="dst-disk", sectors=256)
    for number in range(8):
        sectors += MIB_SECTORS + number
        if number % 4 == 3:
            with bed.board.cut(server, client):
                reset(client)
                grow(server, sectors)
        else:
            reset((client, server)[number % 2])
            grow(server, sectors)
            reset(client)
        # Whoever asks meanwhile is answered.
        assert client.dst.show("disk")["name"] == "disk"
        client.wait("files.content_is", 20, path="/sys/block/dst-disk/size", text=str(sectors))
    assert job.wait(120).rc == 0
    client.call("blockio.write", path=disk, sector=sectors - 64, count=64, seed=1)
    assert client.call("blockio.wrong", path=disk, sector=sectors - 64, count=64, seed=1) == []
    assert client.dst.show("disk")["counters"]["errors"] == 0


# One sick disk beside healthy ones.


def busy_with_a_sick_disk(server: Machine, client: Machine) -> tuple[WildDisk, str]:
    """Two exports on one address: one whose disk has ceased to answer, and a healthy one.

    More is asked of the sick one than its device takes, so that whoever submits
    something to it waits.
    """
    sick = WildDisk(server)
    # It takes less than what the client may have under way. Lockdep finds a circle in the kernel
    # if this is done to a disk of nbd with a UNIX-domain socket; it takes 256 requests then.
    if not server.flavour.debug:
        server.sh("cd /sys/block/nbd0/queue; echo none > scheduler; echo 16 > nr_requests")
    server.dst.export("sick", sick.path)
    server.dst.export("well", server.call("blockio.memory_disk", size=64 << 20, name="well"))
    client.dst.attach("sick", server)
    well = client.dst.attach("well", server)
    sick.hold(1 << 30)
    return sick, well


@pytest.mark.stock(thorough=True)
def test_a_sick_disk_delays_nobody_else(server: Machine, client: Machine) -> None:
    # If one thread waits for the disk, all of them do.
    server.dst.ctl("pool", "set", "1")
    sick, well = busy_with_a_sick_disk(server, client)
    job = client.spawn(
        "fio",
        "--name=sick",
        "--filename=/dev/dst-sick",
        "--ioengine=libaio",
        "--direct=1",
        "--rw=randwrite",
        "--bs=4k",
        "--size=4M",
        "--iodepth=512",
    )
    server.wait("stat.in_flight", 60, device="nbd0")
    server.wait("objects.has_in_flight", 60, name="sick", least=200)

    def others_go_on(round: int) -> None:
        fio.verify(client, well, blocks="512-64k", size=8, depth=16)
        begin = time.monotonic()
        for words in (("sessions",), ("export", "show", "sick"), ("export", "list")):
            server.dst.ctl(*words, timeout=5)
        server.dst.ctl("export", "set", "well", "--keepalive", "9s", timeout=5)
        device = server.call("blockio.memory_disk", size=8 << 20, name=f"new{round}")
        server.dst.export(f"new{round}", device)
        disk = client.dst.attach(f"new{round}", server)
        client.call("blockio.write", path=disk, sector=0, count=64, seed=1)
        client.dst.ctl("del", f"new{round}", timeout=5)
        server.dst.ctl("export", "del", f"new{round}", "--force", timeout=5)
        client.dst.ctl("show", "sick", timeout=5)
        assert time.monotonic() - begin < 20 * client.flavour.slowness

    others_go_on(1)
    reset(client)
    client.dst.wait_state("sick", "draining")
    client.dst.wait_state("well", "connected")
    others_go_on(2)
    # What still waits for its connection was told that it does.
    assert client.dst.show("sick")["state"] == "draining"
    sick.release()
    assert job.wait(60).rc == 0
    client.dst.ctl("del", "sick")
    server.dst.ctl("export", "del", "sick", "--force")
    sick.remove()


# Outages.


@pytest.mark.parametrize(
    "seconds",
    [20, pytest.param(600, marks=[pytest.mark.long, pytest.mark.slow(reason="is long")])],
)
def test_a_long_outage(bed: Bed, disk: str, server: Machine, client: Machine, seconds: int) -> None:
    """A file system is mounted and written to; when the link is back, all goes on."""
    server.dst.ctl("export", "set", "disk", "--keepalive", f"{KEEPALIVE}s")
    client.mount_new(disk, "/mnt/disk")
    job = fio.start(
        client,
        "/mnt/disk/file",
        blocks="4k-64k",
        align=4096,
        size=96,
        rate=8,
        extra=("--fsync=64", "--fallocate=none"),
    )
    client.wait("stat.written_at_least", 20, device="dst-disk", sectors=8 * MIB_SECTORS)
    # Whoever waits for his data does so for as long as this lasts, and is meant to.
    detector = "/proc/sys/kernel/hung_task_timeout_secs"
    client.sh(f"[ ! -e {detector} ] || echo 0 > {detector}")
    with bed.board.cut(server, client):
        client.dst.wait_state("disk", "reconnecting", 30)
        # This is the outage; nothing may end in it, well or ill.
        assert client.call("stat.quiet", timeout=seconds + 60, device="dst-disk", seconds=seconds)
        assert job.poll().rc is None
    client.dst.wait_state("disk", "connected", 30)
    assert job.wait(180).rc == 0
    options = client.sh("grep /mnt/disk /proc/mounts").split()[3]
    assert options.startswith("rw")
    assert client.dst.show("disk")["counters"]["errors"] == 0
    client.sh(f"umount /mnt/disk; fsck.ext4 -fn {disk}", timeout=60)


@pytest.mark.stock(thorough=True)
def test_half_open_for_the_client(server: Machine, client: Machine) -> None:
    """The server vanishes, address and all: nobody is there to send a reset."""
    server.dst.export("disk", server.disk(0), "--keepalive", f"{KEEPALIVE}s")
    client.dst.attach("disk", server)
    uuid = server.dst.show_export("disk")["uuid"]
    server.kill()
    begin = time.monotonic()
    client.dst.wait_state("disk", "reconnecting", 2 * KEEPALIVE)
    assert time.monotonic() - begin < 2 * KEEPALIVE * client.flavour.slowness
    server.boot()
    server.dst.load()
    server.dst.export("disk", server.disk(0), "--uuid", uuid)
    client.dst.wait_state("disk", "connected", 30)


@pytest.mark.stock(thorough=True)
def test_half_open_for_the_server(server: Machine, client: Machine) -> None:
    """The client vanishes: its place is free after the keepalive."""
    server.dst.export("disk", server.disk(0), "--keepalive", f"{KEEPALIVE}s")
    client.dst.attach("disk", server)
    client.kill()
    begin = time.monotonic()
    server.wait("objects.no_connections", 2 * KEEPALIVE, name="disk")
    assert time.monotonic() - begin < 2 * KEEPALIVE * server.flavour.slowness
    client.boot()
    client.dst.load()
    client.dst.attach("disk", server)


@pytest.mark.stock(thorough=True)
def test_half_open_in_one_direction(bed: Bed, server: Machine, client: Machine) -> None:
    """Each notices that it hears nothing, whatever the other one hears."""
    server.dst.export("disk", server.disk(0), "--keepalive", f"{KEEPALIVE}s")
    disk = client.dst.attach("disk", server)
    for source, target in (client, server), (server, client):
        epoch = client.dst.show("disk")["epoch"]
        bed.board.direction(source, target, cut=True)
        begin = time.monotonic()
        server.wait("objects.no_connections", 2 * KEEPALIVE, name="disk")
        client.dst.wait_state("disk", "reconnecting", 2 * KEEPALIVE)
        assert time.monotonic() - begin < 2 * KEEPALIVE * client.flavour.slowness
        bed.board.link(server, client)
        client.dst.wait_state("disk", "connected", 30, epoch=epoch + 1)
    client.call("blockio.write", path=disk, sector=0, count=8, seed=1)


def test_slow_is_not_dead(bed: Bed, server: Machine, client: Machine) -> None:
    """A disk and a link that are slower than the keepalive cost no connection."""
    slow = WildDisk(server)
    keepalive = client.flavour.slowness
    server.dst.export("disk", slow.path, "--keepalive", f"{keepalive:.0f}s")
    disk = client.dst.attach("disk", server)
    slow.hold(1)
    bed.board.link(server, client, delay=0.1)
    writing = client.start_call("blockio.write", path=disk, sector=0, count=8, seed=1)
    slow.wait_held()
    assert client.call("stat.quiet", device="dst-disk", seconds=4 * keepalive)
    assert not writing.done()
    slow.release()
    writing.result(30)
    assert client.dst.show("disk")["epoch"] == 1
    client.dst.ctl("del", "disk")
    server.dst.ctl("export", "del", "disk", "--force")
    slow.remove()


# The end of a machine.


@pytest.mark.stock(thorough=True)
def test_shutdown_while_disconnected(bed: Bed, disk: str, server: Machine, client: Machine) -> None:
    """A mounted file system whose server is gone does not keep the machine from going down."""
    bed.reusable = False
    client.mount_new(disk, "/mnt/disk")
    server.kill()
    client.spawn("sh", "-c", "echo lost > /mnt/disk/file; sync")
    client.wait("stat.in_flight", 30, device="dst-disk")
    with contextlib.suppress(MachineGone):
        # What init does last: reboot(RB_POWER_OFF).
        client.spawn("python3", "-c", "import ctypes; ctypes.CDLL(None).reboot(0x4321fedc)")
    assert client.process is not None
    client.process.wait(20 * client.flavour.slowness)
    client.kill()


# Magic numbers of reboot(2), and the last word of the kernel.
ENDS = {
    "power off": (0x4321FEDC, "reboot: Power down"),
    "restart": (0x01234567, "reboot: Restarting system"),
}
# What init does at the end: it does not wait for ever for anything.
SHUT_DOWN = """
import ctypes, subprocess
def patiently(*words):
    try:
        subprocess.Popen(words).wait(3)
    except subprocess.TimeoutExpired:
        print(*words, "does not end", flush=True)
patiently("sync")
for place in %r:
    patiently("umount", "-l", place)
print("the end", flush=True)
ctypes.CDLL(None).reboot(%d)
"""


@pytest.mark.parametrize("how", sorted(ENDS))
@pytest.mark.parametrize("lazy", [True, False], ids=["unmounted", "mounted"])
def test_shutdown_with_two_file_systems(bed: Bed, lazy: bool, how: str) -> None:
    """The server is gone, both have something to write, and the machine goes down in order."""
    server, client = bed.machines(Spec("server", disks=(SMALL, SMALL)), Spec("client"))
    bed.reusable = False
    places = []
    for number, name in enumerate(("one", "two")):
        server.dst.export(name, server.disk(number))
        client.mount_new(client.dst.attach(name, server), f"/mnt/{name}")
        places.append(f"/mnt/{name}")
    server.kill()
    for name in "one", "two":
        write = f"head -c 4M /dev/urandom > /mnt/{name}/file; sync -f /mnt/{name}"
        client.spawn("sh", "-c", write)
        client.wait("stat.in_flight", 30, device=f"dst-{name}")
    number, word = ENDS[how]
    last = client.spawn("python3", "-c", SHUT_DOWN % (places if lazy else [], number))
    deadline = time.monotonic() + 30 * client.flavour.slowness
    # User Mode Linux restarts by itself, in the same process; an emulated machine ends.
    while word not in client.console():
        assert time.monotonic() < deadline, last.poll()
        time.sleep(0.1)
    if how == "power off" or client.flavour.stock:
        assert client.process is not None
        client.process.wait(10 * client.flavour.slowness)
    else:
        while client.console().count("Linux version") < 2:
            assert time.monotonic() < deadline, "it does not begin anew"
            time.sleep(0.1)
    client.kill()


# A server without credits.


@pytest.mark.stock(thorough=True)
def test_a_full_server_recovers(server: Machine, client: Machine) -> None:
    """All that it takes is under way and nothing is done; then everything is."""
    slow = WildDisk(server)
    # It is replies that let things go on, not the pings of a client that has nothing to do.
    server.dst.export("disk", slow.path, "--window", "128", "--keepalive", "10m")
    disk = client.dst.attach("disk", server)
    dice = random.Random(1)
    for _ in range(3):
        slow.hold(1 << 30)
        places = dice.sample(range(0, 1 << 18, 512), 24)
        writes = [
            client.start_call("blockio.write", path=disk, sector=place, count=256, seed=place)
            for place in places
        ]
        slow.wait_held()
        client.wait("stat.quiet", 20, device="dst-disk", seconds=1)
        assert not all(write.done() for write in writes)
        in_flight = server.dst.json("sessions")[0]["counters"]["in_flight"]
        assert 0 < in_flight <= 128
        slow.release()
        for write in writes:
            write.result(60)
        for place in places:
            wrong = client.call("blockio.wrong", path=disk, sector=place, count=256, seed=place)
            assert wrong == []
    assert client.dst.show("disk")["epoch"] == 1
    client.dst.ctl("del", "disk")
    server.dst.ctl("export", "del", "disk", "--force")
    slow.remove()
