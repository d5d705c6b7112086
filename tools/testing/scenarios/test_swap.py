# SPDX-License-Identifier: GPL-2.0
"""Swap on a storage: the way to get memory is the network, and must not need any.

User Mode Linux hangs when it swaps, even to a disk of its own.
"""

import pytest

from lab.bed import Bed
from lab.dst import PORT
from lab.machine import Machine
from lab.pool import GIB, Spec
from scenarios.test_memory import MIB_SECTORS, SMALL

PAGES = 256  # of a MiB
# What has to be moved there and back, at least, in MiB.
MOVED = 8
GROUP = "/run/group"
# Where processes may have 32 MiB.
LIMIT = f"""
mkdir -p {GROUP}
mount -t cgroup2 none {GROUP}
echo +memory > {GROUP}/cgroup.subtree_control
mkdir {GROUP}/little
echo 32M > {GROUP}/little/memory.max
"""

pytestmark = pytest.mark.stock(thorough=True)


def swapped(machine: Machine) -> tuple[int, int]:
    """How many MiB have been swapped out and in."""
    counts = dict(line.split() for line in machine.read("/proc/vmstat").splitlines())
    return int(counts["pswpout"]) // PAGES, int(counts["pswpin"]) // PAGES


@pytest.mark.parametrize(
    "scarce",
    # Where the machine has none, everybody waits for his memory: an emulated one takes minutes.
    ["in a group", pytest.param("everywhere", marks=pytest.mark.long)],
)
def test_swap_over_resets(bed: Bed, scarce: str) -> None:
    """Pages go to another machine and come back as they were, while connections are reset."""
    if not bed.flavour.stock:
        pytest.skip("this kernel hangs when it swaps")
    everywhere = scarce == "everywhere"
    server, client = bed.machines(
        Spec("server", disks=(GIB,)), SMALL if everywhere else Spec("client")
    )
    server.dst.export("swap", server.disk(0))
    disk = client.dst.attach("swap", server, usual=True)
    client.sh(f"mkswap {disk}; swapon {disk}")
    device = server.disk(0).removeprefix("/dev/")
    before = server.call("stat.stat", device=device)
    moved = server.call("stat.moved", device=device)
    out, back = swapped(client)
    client.sh("rm -f /run/hog.stop")
    hog = "exec python3 -m lab.guest.hog"
    if everywhere:
        job = client.spawn("sh", "-ec", f"{hog} 80")
    else:
        client.sh(LIMIT)
        job = client.spawn("sh", "-ec", f"echo $$ > {GROUP}/little/cgroup.procs; {hog} 40")
    server.wait("stat.moved_on", 60, device=device, than=moved + MOVED // 2 * MIB_SECTORS)
    for number in 1, 2:
        server.run("ss", "-tK", f"sport = :{PORT}")
        # The client is not asked for its connections: it may have no memory to answer with.
        text = "export swap: client"
        server.wait("files.logged", 60, text=text, count=number + 1, since=bed.test)
        than = server.call("stat.moved", device=device) + MOVED // 2 * MIB_SECTORS
        server.wait("stat.moved_on", 60, device=device, than=than)
    client.sh("touch /run/hog.stop", timeout=60)
    # It has compared every page, once more after the last reset.
    assert job.wait(180).rc == 0
    after = server.call("stat.stat", device=device)
    moved_out, moved_back = swapped(client)
    assert moved_out - out >= MOVED and after[6] - before[6] >= MOVED * MIB_SECTORS
    assert moved_back - back >= MOVED and after[2] - before[2] >= MOVED * MIB_SECTORS
    counters = client.dst.show("swap")["counters"]
    assert counters["errors"] == 0 and counters["reconnects"] >= 2
    client.sh(f"swapoff {disk}", timeout=60)
    if not everywhere:
        client.sh(f"rmdir {GROUP}/little; umount {GROUP}")
