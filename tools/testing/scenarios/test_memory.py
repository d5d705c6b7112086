# SPDX-License-Identifier: GPL-2.0
"""Little memory: no deadlock, and the right bytes."""

import pytest

from lab.bed import Bed
from lab.machine import Machine
from lab.pool import GIB, Spec

# The stock kernel leaves about 50 MiB of this to others.
SMALL = Spec("small", disks=(GIB,), memory="160M")
MIB_SECTORS = 2048

pytestmark = [
    pytest.mark.stock(thorough=True),
    pytest.mark.slow(reason="has to write more than a machine can keep in memory"),
]


def fill(machine: Machine, device: str, directory: str) -> None:
    """Write more than fits into memory, most of which may be dirty, and read it back."""
    machine.sh("echo 80 > /proc/sys/vm/dirty_ratio; echo 60 > /proc/sys/vm/dirty_background_ratio")
    # In MiB.
    much = 64 if machine.flavour.stock else 192
    machine.sh(
        f"for i in $(seq {much // 8}); do"
        f" head -c 8M /dev/urandom > {directory}/f$i; sha256sum {directory}/f$i; done > /run/sums",
        timeout=180,
    )
    machine.run("sync", "-f", directory, timeout=60)
    machine.sh("echo 3 > /proc/sys/vm/drop_caches")
    before = machine.call("stat.stat", device=device)
    machine.sh("sha256sum --quiet -c /run/sums", timeout=120)
    after = machine.call("stat.stat", device=device)
    # It was memory that it came from once, but not now; but for the pages that
    # a processor has on lists of its own, which nothing drops.
    assert before[6] >= much * MIB_SECTORS
    assert after[2] - before[2] >= much * MIB_SECTORS * 7 // 8
    machine.sh("echo 20 > /proc/sys/vm/dirty_ratio; echo 10 > /proc/sys/vm/dirty_background_ratio")


def test_writeback(bed: Bed) -> None:
    """Dirty pages of a file system are most of the memory there is."""
    server, client = bed.machines(Spec("server", disks=(GIB,)), SMALL)
    server.dst.export("disk", server.disk(0))
    disk = client.dst.attach("disk", server, usual=True)
    client.mount_new(disk, "/mnt/disk")
    fill(client, "dst-disk", "/mnt/disk")
    client.sh(f"umount /mnt/disk; fsck.ext4 -fn {disk}", timeout=60)


def test_both_halves_in_one_machine(bed: Bed) -> None:
    """Client and server share the memory that the file system on top wants for itself."""
    (machine,) = bed.machines(SMALL)
    machine.dst.export("own", machine.disk(0), allow=("10.77.0.0/16:rw", "127.0.0.0/8:rw"))
    disk = machine.dst.attach("own", machine, usual=True)
    machine.mount_new(disk, "/mnt/own")
    fill(machine, "dst-own", "/mnt/own")
    machine.sh(f"umount /mnt/own; fsck.ext4 -fn {disk}", timeout=60)
