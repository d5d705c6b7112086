# SPDX-License-Identifier: GPL-2.0
"""First process of a machine: mounts, marks the log, starts the agent, reaps.

The root is shared by all machines and never written: a tmpfs lies over it.
The marker in the kernel log separates what the kernel said while it booted
from what it says because of us.
"""

import ctypes
import os
import sys

MARK = "dst-lab: user space"

MS_BIND, MS_MOVE = 4096, 8192
LIBC = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """mount(2), with an exception instead of -1."""
    if LIBC.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()):
        number = ctypes.get_errno()
        raise OSError(number, f"mount {kind} on {target}: {os.strerror(number)}")


def writable_root() -> None:
    """Put a tmpfs over the shared root and move into the result."""
    mount("tmpfs", "/mnt", "tmpfs")
    for name in ("upper", "work", "root"):
        os.mkdir(f"/mnt/{name}")
    mount(
        "overlay",
        "/mnt/root",
        "overlay",
        0,
        "lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work",
    )
    # What the lab brought lies on a mount of its own, which overlayfs hides.
    os.mkdir("/mnt/root/machine")
    mount("/opt", "/mnt/root/machine", "none", MS_BIND)
    os.chdir("/mnt/root")
    mount(".", "/", "none", MS_MOVE)
    os.chroot(".")
    os.chdir("/")


def kernel_file_systems() -> None:
    """The mounts every program expects."""
    mount("proc", "/proc", "proc")
    mount("sys", "/sys", "sysfs")
    mount("dev", "/dev", "devtmpfs")
    os.makedirs("/dev/pts", exist_ok=True)
    os.makedirs("/dev/shm", exist_ok=True)
    mount("devpts", "/dev/pts", "devpts")
    for path in ("/dev/shm", "/run", "/tmp"):
        mount("tmpfs", path, "tmpfs")


def debug_file_systems() -> None:
    """Mounts that some tests look into."""
    for kind, path in (
        ("debugfs", "/sys/kernel/debug"),
        ("configfs", "/sys/kernel/config"),
    ):
        try:
            mount(kind, path, kind)
        except OSError:
            pass  # not every kernel has it, and no test needs it everywhere


def agent_line() -> str:
    """The line the host talks to us on: virtio port in QEMU, serial in UML."""
    ports = "/sys/class/virtio-ports"
    if os.path.isdir(ports):
        for port in os.listdir(ports):
            with open(f"{ports}/{port}/name") as name:
                if name.read().strip() == "dst.agent":
                    return f"/dev/{port}"
    return "/dev/ttyS0"


def main() -> None:
    """Prepare the machine, then run the agent as a child and reap for ever."""
    if not __file__.startswith("/machine/"):  # else an initramfs has done it
        writable_root()
        kernel_file_systems()
    debug_file_systems()
    os.environ.update(
        PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/machine/bin",
        HOME="/root",
        LANG="C.UTF-8",
        PYTHONPATH="/machine/python",
        PYTHONDONTWRITEBYTECODE="1",
    )
    with open("/dev/kmsg", "w") as log:
        log.write(f"{MARK}\n")
    child = os.fork()
    if child == 0:
        os.setsid()
        os.execv(sys.executable, [sys.executable, "-m", "lab.guest.agent", agent_line()])
    while True:
        pid, _ = os.wait()
        if pid == child:
            # Nobody can reach the machine any more: end it.
            with open("/proc/sysrq-trigger", "w") as trigger:
                trigger.write("o")


if __name__ == "__main__":
    main()
