# SPDX-License-Identifier: GPL-2.0
"""A storage moves to another server while it is in use."""

import time

import pytest

from lab import fio
from lab.bed import Bed
from lab.dst import PORT, TOOL
from lab.machine import Machine
from lab.pool import GIB, Spec
from lab.wild import WildDisk

SMALL = 64 << 20


@pytest.fixture
def servers(bed: Bed) -> tuple[Machine, Machine, Machine]:
    """Two servers with the same disk, the second by way of the first, and a client."""
    first, second, client = bed.machines(
        Spec("server", disks=(GIB,)), Spec("server"), Spec("client")
    )
    first.dst.export("disk", first.disk(0), "--share-device")
    first.dst.export("mirror", first.disk(0), "--share-device", port=PORT + 1)
    second.dst.attach("mirror", first, port=PORT + 1)
    uuid = first.dst.show_export("disk")["uuid"]
    second.dst.export("disk", "/dev/dst-mirror", "--uuid", uuid)
    return first, second, client


def peer(client: Machine) -> str:
    """Where the storage leads to."""
    return client.dst.show("disk")["peer"]


@pytest.mark.stock(thorough=True)
def test_under_load_and_back(servers: tuple[Machine, Machine, Machine]) -> None:
    first, second, client = servers
    disk = client.dst.attach("disk", first, "--connections", "2")
    job = fio.start(client, disk, blocks="512-64k", size=64, depth=16, rate=8)
    client.wait("stat.written_at_least", 20, device="dst-disk", sectors=2048)
    for target in (second, first, second):
        client.dst.ctl("migrate", "disk", f"{target.address()}:{PORT}")
        assert peer(client).startswith(target.address())
        client.wait("objects.storage_has", 20, name="disk", connected=2)
    first.wait("objects.no_connections", 10, name="disk")
    assert job.wait(180).rc == 0
    storage = client.dst.show("disk")
    assert storage["counters"]["errors"] == 0 and storage["counters"]["resent"] == 0


def test_with_a_file_system(servers: tuple[Machine, Machine, Machine]) -> None:
    first, second, client = servers
    disk = client.dst.attach("disk", first)
    client.mount_new(disk, "/mnt/disk")
    client.sh("cp -a /usr/lib/python3* /mnt/disk/", timeout=60)
    client.dst.ctl("migrate", "disk", f"{second.address()}:{PORT}")
    client.sh("echo 3 > /proc/sys/vm/drop_caches")
    source = "cd /usr/lib/; find python3* -type f | LC_ALL=C sort | xargs -d '\\n' sha256sum"
    target = source.replace("/usr/lib/", "/mnt/disk/")
    assert client.sh(source, timeout=60) == client.sh(target, timeout=60)
    client.sh(f"umount /mnt/disk; fsck.ext4 -fn {disk}", timeout=60)


@pytest.mark.parametrize(
    "wrong, text",
    [
        ("nobody", "nobody listens"),
        ("another disk", "different disk"),
        ("smaller disk", "export disk: the export is smaller than it was"),
        ("no export", "no export"),
        ("read-only", "read-only"),
    ],
)
def test_what_cannot_be_does_not_hurt(
    servers: tuple[Machine, Machine, Machine], wrong: str, text: str
) -> None:
    first, second, client = servers
    disk = client.dst.attach("disk", first)
    client.call("blockio.write", path=disk, sector=0, count=2048, seed=1)
    port = PORT
    if wrong == "nobody":
        port = PORT + 9
    else:
        second.dst.ctl("export", "del", "disk", "--force")
    if wrong == "read-only":
        uuid = first.dst.show_export("disk")["uuid"]
        second.dst.export("disk", "/dev/dst-mirror", "--uuid", uuid, "--read-only")
    if wrong == "another disk":
        second.dst.export("disk", "/dev/dst-mirror")
    if wrong == "smaller disk":
        uuid = first.dst.show_export("disk")["uuid"]
        table = f"0 {GIB // 512 - 8} linear /dev/dst-mirror 0"
        second.run("dmsetup", "create", "smaller", "--table", table)
        second.run("dmsetup", "mknodes")
        second.dst.export("disk", "/dev/mapper/smaller", "--uuid", uuid)
    if wrong == "no export":
        second.dst.export("else", "/dev/dst-mirror")
    result = client.dst.ctl("migrate", "disk", f"{second.address()}:{port}", check=False)
    assert result.rc != 0 and text in result.err.lower(), result.err
    client.dst.wait_state("disk", "connected")
    assert peer(client).startswith(first.address())
    assert client.call("blockio.wrong", path=disk, sector=0, count=2048, seed=1) == []
    client.call("blockio.write", path=disk, sector=0, count=2048, seed=2)
    assert client.call("blockio.wrong", path=disk, sector=0, count=2048, seed=2) == []


def test_a_server_that_does_not_answer_is_not_left(
    bed: Bed, servers: tuple[Machine, Machine, Machine]
) -> None:
    """What it accepted it may still execute, so nobody may go on elsewhere."""
    first, second, client = servers
    disk = client.dst.attach("disk", first)
    with bed.board.cut(first, client):
        writing = client.start_call("blockio.write", path=disk, sector=0, count=8, seed=1)
        result = client.dst.ctl(
            "migrate", "disk", f"{second.address()}:{PORT}", "--timeout", "3s", check=False
        )
        assert result.rc != 0 and "present server is not done" in result.err, result.err
        assert not writing.done()
    writing.result(60)
    assert peer(client).startswith(first.address())
    assert client.call("blockio.wrong", path=disk, sector=0, count=8, seed=1) == []


def test_nobody_lets_requests_go_meanwhile(bed: Bed) -> None:
    """The old server has one request to do. Nothing more may be sent to it."""
    first, second, client = bed.machines(
        Spec("server", disks=(SMALL,)), Spec("server"), Spec("client")
    )
    slow = WildDisk(first)
    identity = "--uuid", "5f7f6f0e-0000-4000-8000-000000000003"
    first.dst.export("disk", slow.path, "--share-device", *identity)
    first.dst.export("mirror", slow.path, "--share-device")
    second.dst.attach("mirror", first)
    second.dst.export("disk", "/dev/dst-mirror", *identity)
    disk = client.dst.attach("disk", first)
    slow.hold(1)
    one = client.start_call("blockio.write", path=disk, sector=0, count=8, seed=1)
    slow.wait_held()
    move = client.spawn(TOOL, "migrate", "disk", f"{second.address()}:{PORT}", "--timeout", "90s")
    # As long as it has not begun, there is nothing to refuse.
    deadline = time.monotonic() + 20 * client.flavour.slowness
    while (result := client.dst.ctl("resume", "disk", check=False)).rc == 0:
        assert time.monotonic() < deadline
    assert "being changed already" in result.err, result
    two = client.start_call("blockio.write", path=disk, sector=8, count=8, seed=2)
    for words in ("suspend", "disk"), ("resume", "disk"), ("set", "disk", "--connections", "2"):
        result = client.dst.ctl(*words, check=False)
        assert result.rc != 0 and "being changed already" in result.err, result
    assert client.call("stat.quiet", device="dst-disk", seconds=1)
    assert first.dst.show_export("disk")["counters"]["in_flight"] == 1
    assert move.poll().rc is None and not two.done()
    slow.release()
    assert move.wait(60).rc == 0
    one.result(30)
    two.result(30)
    assert peer(client).startswith(second.address())
    for sector, seed in (0, 1), (8, 2):
        assert client.call("blockio.wrong", path=disk, sector=sector, count=8, seed=seed) == []
    client.dst.ctl("del", "disk")
    second.dst.ctl("export", "del", "disk", "--force")
    second.dst.ctl("del", "mirror")
    for name in "disk", "mirror":
        first.dst.ctl("export", "del", name, "--force")
    slow.remove()


def test_a_loss_that_only_the_move_hears_of_is_not_forgotten(bed: Bed) -> None:
    """The disk says once that it has lost something; it says so to the flush before the move."""
    first, second, client = bed.machines(
        Spec("server", disks=(SMALL,)), Spec("server"), Spec("client")
    )
    bed.reusable = False
    identity = "--uuid", "5f7f6f0e-0000-4000-8000-000000000003"

    def export() -> None:
        cached = WildDisk(first, cached=True)
        first.dst.export("disk", cached.path, "--share-device", *identity)
        first.dst.export("mirror", cached.path, "--share-device", *identity)

    export()
    second.dst.attach("mirror", first)
    second.dst.export("disk", "/dev/dst-mirror", *identity)
    disk = client.dst.attach("disk", second)
    client.call("blockio.write", path=disk, sector=0, count=8, seed=1)
    first.kill()
    second.dst.wait_state("mirror", "reconnecting", 60)
    first.boot()
    first.dst.load()
    export()
    second.dst.wait_state("mirror", "connected", 30, epoch=2)
    assert second.read("/sys/block/dst-mirror/dst/lost_writes") == "1"
    words = "migrate", "disk", f"{first.address()}:{PORT}"
    result = client.dst.ctl(*words, check=False)
    assert result.rc != 0 and "durable" in result.err, result.err
    # Nobody has told the application yet.
    flush = {"path": disk, "operation": "flush", "sector": 0, "count": 8}
    assert client.call("blockio.attempt", **flush) == "EIO"
    assert client.call("blockio.attempt", **flush) == ""
    client.dst.ctl(*words)
    assert peer(client).startswith(first.address())
    assert client.call("blockio.attempt", **flush) == ""
