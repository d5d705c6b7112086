# SPDX-License-Identifier: GPL-2.0
"""File systems on a storage: made, filled, unmounted, checked, compared."""

import pytest

from lab.machine import Machine

# Real trees with links, empty files and odd names: a part of the machine's own.
PLACE = "/usr/lib"
TREES = "python3*"

HASHES = (
    f"cd {{0}}; find {TREES} -type f | wc -l;"
    f"find {TREES} -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum;"
    f"find {TREES} -type l -printf '%p %l\\n' | LC_ALL=C sort | sha256sum;"
    f"find {TREES} -printf '%y %m %p\\n' | LC_ALL=C sort | sha256sum"
)
# How many files there are, at least.
MANY = 1000

KINDS = {
    "ext4": ("mkfs.ext4 -q {0}", "fsck.ext4 -fn {0}"),
    "xfs": ("mkfs.xfs -q {0}", "xfs_repair -n {0}"),
    "btrfs": ("mkfs.btrfs -q {0}", "btrfs check --readonly {0}"),
}


@pytest.mark.stock
@pytest.mark.parametrize(
    "kind",
    [
        "ext4",
        pytest.param("xfs", marks=pytest.mark.stock(thorough=True)),
        pytest.param("btrfs", marks=pytest.mark.stock(thorough=True)),
    ],
)
def test_made_filled_checked(disk: str, client: Machine, kind: str) -> None:
    make, check = (command.format(disk) for command in KINDS[kind])
    if client.flavour.stock:
        client.run("modprobe", kind)
    client.sh(make, timeout=60)
    client.sh(f"mkdir -p /mnt/disk; mount {disk} /mnt/disk")
    client.sh(f"cp -a {PLACE}/{TREES} /mnt/disk/; sync -f /mnt/disk", timeout=120)
    source = client.sh(HASHES.format(PLACE), timeout=60)
    assert int(source.split()[0]) > MANY, source
    copy = HASHES.format("/mnt/disk")
    assert client.sh(copy, timeout=60) == source
    client.sh("umount /mnt/disk; echo 3 > /proc/sys/vm/drop_caches")
    client.sh(check, timeout=60)
    client.sh(f"mount {disk} /mnt/disk")
    assert client.sh(copy, timeout=60) == source
    client.sh(f"rm -r /mnt/disk/{TREES}; umount /mnt/disk", timeout=60)
    client.sh(check, timeout=60)


def test_trim(disk: str, client: Machine) -> None:
    if not int(client.read("/sys/block/dst-disk/queue/discard_max_bytes")):
        pytest.skip("the backing device has no discard")
    client.mount_new(disk, "/mnt/disk")
    client.sh("dd if=/dev/urandom of=/mnt/disk/big bs=1M count=64 status=none; sync")
    client.sh("rm /mnt/disk/big; sync; fstrim /mnt/disk", timeout=60)
    assert client.dst.show("disk")["counters"]["discards"] > 0
    client.sh(f"umount /mnt/disk; fsck.ext4 -fn {disk}")


def test_another_machine_mounts_what_this_one_wrote(
    disk: str, server: Machine, client: Machine
) -> None:
    client.mount_new(disk, "/mnt/disk")
    client.sh("seq 100000 > /mnt/disk/numbers; umount /mnt/disk")
    client.dst.ctl("del", "disk")
    server.dst.ctl("export", "del", "disk")
    server.sh(f"mkdir -p /mnt/disk; mount -o ro {server.disk(0)} /mnt/disk")
    assert server.sh("sha256sum < /mnt/disk/numbers") == client.sh("seq 100000 | sha256sum")
