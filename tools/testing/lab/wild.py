# SPDX-License-Identifier: GPL-2.0
"""Disks that take their time: dm-delay, and the lab's own (lab.guest.disk) from the test's side."""

from lab.machine import Machine

DEVICE = "/dev/nbd0"


def delayed(machine: Machine, seconds: float) -> str:
    """A disk whose writes take so long, or longer if all else does; reads take no time."""
    table = (
        f"0 {machine.disks[0].size // 512} delay {machine.disk(0)} 0 0 "
        f"{machine.disk(0)} 0 {seconds * machine.flavour.slowness * 1000:.0f}"
    )
    machine.run("dmsetup", "create", "slow", stdin=table.encode())
    machine.run("dmsetup", "mknodes")
    return "/dev/mapper/slow"


class WildDisk:
    """A disk that holds what the test wants it to hold."""

    def __init__(self, machine: Machine, cached: bool = False) -> None:
        self.machine = machine
        if machine.flavour.stock:
            machine.sh("modprobe nbd")
        machine.call("disk.create", device=DEVICE, backing=machine.disk(0), cached=cached)
        self.path = DEVICE

    def fail(self, *kinds: str) -> None:
        """Have requests of these kinds fail, and no others."""
        self.machine.call("disk.fail", device=DEVICE, kinds=kinds)

    def hold(self, count: int) -> None:
        """Do not complete the next few writes."""
        self.machine.call("disk.hold", device=DEVICE, count=count)

    def wait_held(self, count: int = 1) -> None:
        """Wait until it holds so many."""
        self.machine.wait("disk.holding", device=DEVICE, least=count)

    def release_one(self) -> None:
        """Do the first of what is held."""
        self.machine.call("disk.release", device=DEVICE, count=1)

    def release(self) -> None:
        """Do what was held, and wait for it."""
        self.machine.call("disk.release", device=DEVICE)
        self.machine.wait("stat.idle", 120, device="nbd0")

    def remove(self) -> None:
        """Take it away; nobody uses it any more."""
        self.machine.call("disk.remove", device=DEVICE)
