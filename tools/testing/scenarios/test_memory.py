# SPDX-License-Identifier: GPL-2.0
"""Little memory: no deadlock, and the right bytes.

Swap is not among this: User Mode Linux hangs when it swaps to a disk of its own.
"""

import pytest

from lab.bed import Bed
from lab.machine import Machine
from lab.pool import GIB, Spec

LITTLE = "160M"
# More than a machine with little memory has.
MUCH = 192

pytestmark = pytest.mark.slow(reason="has to write more than a machine can keep in memory")


def fill(machine: Machine, directory: str) -> None:
    """Write more than fits into memory, and read it back."""
    blocks = MUCH // 8
    machine.sh(
        f"for i in $(seq {blocks}); do"
        f" head -c 8M /dev/urandom > {directory}/f$i; sha256sum {directory}/f$i; done > /run/sums",
        timeout=180,
    )
    machine.run("sync", "-f", directory, timeout=60)
    machine.sh("echo 3 > /proc/sys/vm/drop_caches")
    machine.sh("sha256sum --quiet -c /run/sums", timeout=120)


@pytest.fixture
def small(bed: Bed) -> tuple[Machine, Machine]:
    """A server, and a client with little memory."""
    server, client = bed.machines(Spec("server", disks=(GIB,)), Spec("client", memory=LITTLE))
    return server, client


def test_writeback(small: tuple[Machine, Machine]) -> None:
    """Dirty pages of a file system are most of the memory there is."""
    server, client = small
    server.dst.export("disk", server.disk(0))
    disk = client.dst.attach("disk", server)
    client.mount_new(disk, "/mnt/disk")
    client.sh("echo 80 > /proc/sys/vm/dirty_ratio; echo 60 > /proc/sys/vm/dirty_background_ratio")
    fill(client, "/mnt/disk")
    client.sh(f"umount /mnt/disk; fsck.ext4 -fn {disk}", timeout=60)


def test_both_halves_in_one_machine(bed: Bed) -> None:
    """Client and server share the memory that the file system on top wants for itself."""
    (machine,) = bed.machines(Spec("both", disks=(GIB,), memory=LITTLE))
    machine.dst.export("own", machine.disk(0), allow=("10.77.0.0/16:rw", "127.0.0.0/8:rw"))
    disk = machine.dst.attach("own", machine)
    machine.mount_new(disk, "/mnt/own")
    fill(machine, "/mnt/own")
    machine.sh(f"umount /mnt/own; fsck.ext4 -fn {disk}", timeout=60)
