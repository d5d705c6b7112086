# SPDX-License-Identifier: GPL-2.0
"""Disks that take their time: dm-delay, and the lab's own (lab.guest.disk) from the test's side."""

import pytest

from lab.machine import CommandFailed, Machine

DEVICE = "/dev/nbd0"


def _delay(machine: Machine, reads: float, writes: float) -> bytes:
    """The table of a disk whose requests take so many seconds, or more if all else does."""
    times = [seconds * machine.flavour.slowness * 1000 for seconds in (reads, writes)]
    disk = machine.disk(0)
    return (
        f"0 {machine.disks[0].size // 512} delay {disk} 0 {times[0]:.0f} {disk} 0 {times[1]:.0f}"
    ).encode()


def delayed(machine: Machine, seconds: float) -> str:
    """A disk whose writes take so long, or longer if all else does; reads take no time."""
    machine.run("dmsetup", "create", "slow", stdin=_delay(machine, 0, seconds))
    machine.run("dmsetup", "mknodes")
    return "/dev/mapper/slow"


def become_delayed(machine: Machine, seconds: float) -> None:
    """Have the writes of such a disk take another time, exactly; those it holds are done now."""
    disk, sectors = machine.disk(0), machine.disks[0].size // 512
    machine.sh(
        "dmsetup suspend --nolockfs slow\n"
        f"dmsetup load slow --table '0 {sectors} delay {disk} 0 0 {disk} 0 {seconds * 1000:.0f}'\n"
        "dmsetup resume slow"
    )


class ThrottledDisk:
    """The same in the shape of a local NVMe disk, writes to which the block layer throttles.

    Its driver queues requests for others to do, and never sleeps. A read that takes long makes
    the block layer throttle; if there is none it lets ever more pass.
    """

    _TARGET = "/sys/kernel/config/nvmet"

    def __init__(self, machine: Machine, seconds: float, throttled: bool = True) -> None:
        self.machine = machine
        self.path = "/dev/nvme0n1"
        if machine.flavour.stock:
            # With several paths the disk would have no queue of its own.
            machine.sh("""
                modprobe nvme_core multipath=N
                modprobe nvme-loop
                mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
            """)
        machine.sh(f"""
            cd {self._TARGET}
            mkdir -p subsystems/slow/namespaces/1 ports/1
            echo 1 > subsystems/slow/attr_allow_any_host
            printf %s {delayed(machine, seconds)} > subsystems/slow/namespaces/1/device_path
            echo 1 > subsystems/slow/namespaces/1/enable
            echo loop > ports/1/addr_trtype
            ln -s {self._TARGET}/subsystems/slow ports/1/subsystems/
            echo transport=loop,nqn=slow > /dev/nvme-fabrics
        """)
        machine.wait("files.is_block_device", path=self.path)
        queue = "/sys/block/nvme0n1/queue"
        # NVMe takes discards of many places as one. Lockdep does not like what the kernel does when
        # somebody asks for a scheduler, be it the present one.
        machine.sh(f"""
            grep -qF '[none]' {queue}/scheduler || echo none > {queue}/scheduler
            echo 2 > {queue}/nomerges
        """)
        try:
            machine.sh(f"echo {2000 * throttled} > {queue}/wbt_lat_usec")
        except CommandFailed:
            if throttled:
                self.remove()
                pytest.skip("this kernel does not throttle writeback")
        machine.run("dmsetup", "suspend", "--nolockfs", "slow")
        machine.run("dmsetup", "load", "slow", stdin=_delay(machine, seconds, seconds))
        machine.run("dmsetup", "resume", "slow")

    def remove(self) -> None:
        """Take it away; nobody uses it any more."""
        self.machine.sh(f"""
            echo 1 > /sys/block/nvme0n1/device/delete_controller
            cd {self._TARGET}
            rm ports/1/subsystems/slow
            rmdir ports/1 subsystems/slow/namespaces/1 subsystems/slow
            dmsetup remove --retry slow
        """)


class WildDisk:
    """A disk that holds what the test wants it to hold."""

    def __init__(self, machine: Machine, cached: bool = False, fua: bool = True) -> None:
        self.machine = machine
        if machine.flavour.stock:
            machine.sh("modprobe nbd")
        machine.call("disk.create", device=DEVICE, backing=machine.disk(0), cached=cached, fua=fua)
        self.path = DEVICE

    def fail(self, *kinds: str) -> None:
        """Have requests of these kinds fail, and no others."""
        self.machine.call("disk.fail", device=DEVICE, kinds=kinds)

    def hold(self, count: int) -> None:
        """Do not complete the next few writes."""
        self.machine.call("disk.hold", device=DEVICE, count=count)

    def deafen(self, deaf: bool = True) -> None:
        """Take no more requests, so that whoever hands them over waits; or take them again."""
        self.machine.call("disk.deafen", device=DEVICE, deaf=deaf)

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
