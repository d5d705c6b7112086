# SPDX-License-Identifier: GPL-2.0
"""Machines made of QEMU, with the distribution's unmodified kernel."""

import functools
import pathlib
import socket
import subprocess

from lab import env
from lab import stage as staging
from lab.env import Lab
from lab.flavour import Flavour
from lab.machine import Machine
from lab.network import Switchboard

_BASE = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-nographic", "-no-reboot"]
# Where the processor is emulated and busy, the kernel waits for its timer in vain, and panics.
_CONSOLE = "console=ttyS0 panic=-1 oops=panic no_timer_check"
# With a thread for each processor, one may run code that another has just rewritten, as kernels do
# for their static branches, and end at a breakpoint that is not there any more.
_EMULATION = ["-accel", "tcg,thread=single", "-cpu", "max"]
_HARDWARE = ["-accel", "kvm", "-cpu", "host"]


@functools.cache
def accelerator(vmlinuz: pathlib.Path) -> list[str]:
    """Virtualisation if it works here, else emulation.

    That /dev/kvm can be opened says little: inside some virtual machines it
    fails at the first instructions of a kernel. So a kernel without a root is
    booted; one that gets as far as missing it will do.
    """
    if not pathlib.Path("/dev/kvm").exists():
        return _EMULATION
    verdict = env.lab().cache / "kvm"
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()
    if not verdict.exists() or not verdict.read_text().startswith(boot):
        command = [
            *_BASE,
            *_HARDWARE,
            "-m",
            "256",
            "-serial",
            "stdio",
            "-monitor",
            "none",
            "-kernel",
            str(vmlinuz),
            "-append",
            _CONSOLE,
        ]
        try:
            said = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=15, check=False
            ).stdout
        except subprocess.TimeoutExpired:
            said = b""
        verdict.write_text(boot + ("works" if b"Kernel panic" in said else "broken"))
    return _HARDWARE if verdict.read_text().endswith("works") else _EMULATION


@functools.cache
def initramfs(base: pathlib.Path, stage: pathlib.Path) -> pathlib.Path:
    """The lab's initramfs with the stage of this run behind it."""
    path = stage.parent / "initramfs"
    path.write_bytes(base.read_bytes() + staging.archive(stage, "machine"))
    return path


class Qemu(Machine):
    """One virtual PC."""

    def __init__(
        self,
        name: str,
        flavour: Flavour,
        run_dir: pathlib.Path,
        number: int,
        *,
        paths: Lab,
        stage: pathlib.Path,
        board: Switchboard,
        cards: int = 1,
        memory: str = "1G",
        mtu: int = 1500,
    ) -> None:
        super().__init__(name, flavour, run_dir, number)
        self.paths = paths
        self.stage = stage
        self.board = board
        self.cards = cards
        self.memory = memory
        self.mtu = mtu

    def networks(self) -> int:
        """How many networks it is plugged into."""
        return self.cards

    def disk(self, index: int) -> str:
        """Path of a disk in the order of the command line."""
        return f"/dev/vd{chr(ord('b') + index)}"

    def accelerator(self) -> list[str]:
        """What executes its instructions."""
        return accelerator(self.paths.vmlinuz)

    def _command(self, line: int, cards: list[int]) -> list[str]:
        """The emulator with its arguments; line and cards are descriptors."""
        words = [
            *_BASE,
            *self.accelerator(),
            "-smp",
            str(self.flavour.cpus),
            "-m",
            self.memory,
            # Memory that others can look into, see lab/physical.py.
            "-object",
            f"memory-backend-memfd,id=ram,size={self.memory}",
            "-machine",
            "memory-backend=ram",
            "-kernel",
            str(self.paths.vmlinuz),
            "-initrd",
            str(initramfs(self.paths.initramfs, self.stage)),
            "-append",
            f"{_CONSOLE} rootfstype=ext4 raid=noautodetect",
            "-serial",
            f"file:{self.console_path}",
            "-monitor",
            "none",
            "-device",
            "virtio-rng-pci",
            "-device",
            "virtio-serial-pci",
            "-chardev",
            f"socket,id=agent,fd={line}",
            "-device",
            "virtserialport,chardev=agent,name=dst.agent",
            "-drive",
            f"file={self.paths.guest_image},format=raw,if=virtio,readonly=on",
        ]
        for disk in self.disks:
            words += ["-drive", f"file={disk.path},format=raw,if=virtio,discard=unmap"]
        for number, descriptor in enumerate(cards):
            words += [
                "-netdev",
                f"dgram,id=net{number},local.type=fd,local.str={descriptor}",
                "-device",
                f"virtio-net-pci,netdev=net{number},mac={self.mac(number)},host_mtu={self.mtu}",
            ]
        return words

    def _launch(self) -> tuple[subprocess.Popen, socket.socket]:
        ours, theirs = socket.socketpair()
        cards = [self.board.plug(network, self.number) for network in range(self.cards)]
        descriptors = [end.fileno() for end in (theirs, *cards)]
        with open(self.run_dir / f"qemu.{self.boots}.log", "wb") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._command(descriptors[0], descriptors[1:])],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=descriptors,
                start_new_session=True,
            )
        for end in (theirs, *cards):
            end.close()
        return process, ours
