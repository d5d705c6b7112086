# SPDX-License-Identifier: GPL-2.0
"""The server's disk at every instant at which it may have lost power."""

import pytest

from lab.bed import Bed
from lab.dst import PORT
from lab.logwrites import Replay
from lab.machine import Machine
from lab.pool import Spec

MIB = 1 << 20
SIZES = {"ext4": 64 * MIB, "xfs": 320 * MIB}
MAKE = {"ext4": "mkfs.ext4 -q -J size=4", "xfs": "mkfs.xfs -q"}
CHECK = {"ext4": "fsck.ext4 -fn", "xfs": "xfs_repair -n"}
MOUNT = {"ext4": "-o commit=1", "xfs": "-o nouuid"}
FILES = 24
# Of the instants, so many are looked at, and all at which somebody relied on something; with
# --long, all of them.
MOST_POINTS = 60


def write_files(client: Machine, server: Machine) -> None:
    """Synchronise files one by one, over connections that break, and note when each was done."""
    for number in range(FILES):
        if number % 6 == 5:
            client.run("ss", "-tK", f"dport = :{PORT}")
        client.call("synced.write", directory="/mnt/disk", name=f"file{number}")
        server.run("dmsetup", "message", "log", "0", "mark", f"file{number}")
        if number % 5 == 4:
            client.sh(f"rm -f /mnt/disk/scratch*; cp /bin/ls /mnt/disk/scratch{number}")


def check_point(judge: Machine, kind: str, files: list[str]) -> list[str]:
    """Mount a copy of the disk as it would be found after the crash; files that are not there.

    What recovery writes goes to a snapshot.
    """
    disk = judge.disk(0)
    judge.sh(
        f"blockdev --flushbufs {disk}\n"
        f"size=$(blockdev --getsz {disk}); cow=$(cat /run/cow)\n"
        f'dmsetup create look --table "0 $size snapshot {disk} $cow N 8"\n'
        "dmsetup mknodes\n"
        f"mount {MOUNT[kind]} /dev/mapper/look /mnt/look"
    )
    missing = judge.call("synced.missing", directory="/mnt/look", names=files)
    judge.sh(f"umount /mnt/look\n{CHECK[kind]} /dev/mapper/look\ndmsetup remove look", timeout=60)
    return missing


@pytest.mark.slow(reason="recovers and checks a file system some sixty times")
@pytest.mark.parametrize("kind", sorted(SIZES))
def test_every_flush_is_a_consistent_disk(bed: Bed, pytestconfig: pytest.Config, kind: str) -> None:
    size = SIZES[kind]
    server, judge, client = bed.machines(
        Spec("server", disks=(size, 512 * MIB)), Spec("judge", disks=(size,)), Spec("client")
    )
    table = f"0 {size // 512} log-writes {server.disk(0)} {server.disk(1)}"
    server.run("dmsetup", "create", "log", "--table", table)
    server.run("dmsetup", "mknodes")
    server.dst.export("disk", "/dev/mapper/log")
    disk = client.dst.attach("disk", server, usual=True)
    client.sh(f"{MAKE[kind]} {disk}; mkdir -p /mnt/disk; mount {MOUNT[kind]} {disk} /mnt/disk")
    client.run("sync", "-f", "/mnt/disk")
    server.run("dmsetup", "message", "log", "0", "mark", "mounted")
    write_files(client, server)
    client.sh("umount /mnt/disk")
    client.dst.ctl("del", "disk")
    server.dst.ctl("export", "del", "disk")
    server.run("dmsetup", "remove", "log")

    loop = judge.call("blockio.memory_disk", size=64 * MIB, name="cow")
    judge.sh(f"mkdir -p /mnt/look; echo {loop} > /run/cow")
    replay = Replay(server.disks[1].path, judge.disks[0].path)
    points = sum(entry.is_point for entry in replay.entries)
    assert sum(bool(entry.mark) for entry in replay.entries) == FILES + 1
    assert points > 2 * FILES, "flushes have reached the disk"
    every = 1 if pytestconfig.getoption("--long") else points // MOST_POINTS + 1
    seen = looked = 0
    known: list[str] = []
    for number, marks in replay.points():
        if "mounted" not in marks:
            continue
        seen += 1
        relied = marks != known
        known = marks
        if relied or seen % every == 0:
            files = [mark for mark in marks if mark != "mounted"]
            assert check_point(judge, kind, files) == [], f"after entry {number}"
            looked += 1
    assert looked >= FILES and len(known) == FILES + 1
