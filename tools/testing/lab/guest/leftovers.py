# SPDX-License-Identifier: GPL-2.0
"""What a test may have left behind in a machine, and its removal."""

import ctypes
import errno
import glob
import os
import re
import socket
import struct
import subprocess
import time

DELETE_MODULE = 176  # the number of the system call on x86-64
NETLINK_GENERIC = 16
GENL_ID_CTRL = 16
CTRL_CMD_GETFAMILY = 3
CTRL_ATTR_FAMILY_NAME = 2
NLM_F_REQUEST = 1
NLMSG_ERROR = 2


def loaded() -> bool:
    """Whether the module is loaded."""
    return os.path.exists("/sys/module/dst/refcnt")


def unload() -> str:
    """Ask the kernel itself to unload the module; the name of the error, or nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(DELETE_MODULE, b"dst", os.O_NONBLOCK):
        return errno.errorcode[ctypes.get_errno()]
    return ""


def family_registered(name: str = "dst") -> bool:
    """Whether generic netlink knows a family."""
    value = name.encode() + b"\0"
    attribute = struct.pack("HH", 4 + len(value), CTRL_ATTR_FAMILY_NAME) + value
    attribute += bytes(-len(attribute) % 4)
    body = struct.pack("BBH", CTRL_CMD_GETFAMILY, 1, 0) + attribute
    header = struct.pack("IHHII", 16 + len(body), GENL_ID_CTRL, NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as sock:
        sock.send(header + body)
        answer = sock.recv(65536)
    return struct.unpack_from("IH", answer)[1] != NLMSG_ERROR


def threads() -> list[str]:
    """Names of kernel threads of the module."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                name, rest = file.read().partition("(")[2].rpartition(")")[::2]
            # All kernel threads are children of kthreadd.
            if name.startswith("dst") and rest.split()[1] == "2":
                found.append(name)
        except OSError:
            continue
    return found


def threads_at_most(name: str, most: int) -> bool:
    """Whether there are no more than so many threads of that name."""
    return threads().count(name) <= most


def threads_are(names: list[str]) -> bool:
    """Whether the module has just these kernel threads."""
    return sorted(threads()) == sorted(names)


def pool_is(count: int) -> bool:
    """Whether the threads of the pool are the first so many, and no others."""
    found = {name for name in threads() if re.fullmatch(r"dst/\d+", name)}
    return found == {f"dst/{number}" for number in range(count)}


def after_unload() -> list[str]:
    """What an unloaded module should have taken with it but did not."""
    found = [f"thread {name}" for name in threads()]
    for path in "/sys/module/dst", "/sys/class/dst":
        if os.path.exists(path):
            found.append(path)
    for directory in "/sys/block", "/dev":
        found += [
            f"{directory}/{name}" for name in os.listdir(directory) if name.startswith("dst-")
        ]
    if family_registered():
        found.append("netlink family dst")
    try:
        with open("/proc/slabinfo", encoding="utf-8") as file:
            found += [f"slab {line.split()[0]}" for line in file if line.startswith("dst_blk")]
    except OSError:
        pass
    return found


def lockdep_off() -> bool:
    """Whether lockdep, if there is one, has switched itself off."""
    try:
        with open("/proc/lockdep_stats", encoding="utf-8") as file:
            for line in file:
                if line.strip().startswith("debug_locks:"):
                    return line.split()[-1] != "1"
    except OSError:
        pass
    return False


def leaks() -> str:
    """What kmemleak, if there is one, believes to be lost."""
    path = "/sys/kernel/debug/kmemleak"
    if not os.path.exists(path):
        return ""
    try:
        # An object has to be five seconds old, and to be seen unreferenced twice.
        time.sleep(5)
        for _ in range(2):
            with open(path, "w", encoding="utf-8") as file:
                file.write("scan")
        with open(path, encoding="utf-8") as file:
            return losses(file.read())
    except OSError:
        return ""


def losses(report: str) -> str:
    """What a report of kmemleak says of objects that a test may have lost.

    Objects of the boot are found only now and then, so they cannot all be
    forgotten in advance; buffers that interrupts allocate for the network card
    of User Mode Linux, and that its console has, are hidden from kmemleak. None
    of this is our doing, unless the module is in the backtrace.
    """
    objects = re.split(r"^(?=unreferenced object)", report, flags=re.MULTILINE)
    alien = re.compile(r'comm "(swapper|hardirq|softirq)|\bline_write\+')
    return "".join(text for text in objects if text and ("[dst]" in text or not alien.search(text)))


def forget_leaks() -> None:
    """Let kmemleak ignore what is lost already."""
    try:
        for command in "scan", "scan", "clear":
            with open("/sys/kernel/debug/kmemleak", "w", encoding="utf-8") as file:
                file.write(command)
    except OSError:
        pass


def let_go() -> None:
    """Unmount and dismantle what tests build upon devices, topmost first."""
    with open("/proc/mounts", encoding="utf-8") as file:
        mounts = [line.split()[1] for line in file]
    for target in reversed(mounts):
        if target.startswith(("/mnt/", "/srv/")):
            subprocess.run(["umount", target], check=False)
    with open("/proc/swaps", encoding="utf-8") as file:
        swaps = [line.split()[0] for line in file][1:]
    if swaps:
        subprocess.run(["swapoff", *swaps], check=False)
    # To start a program takes a second on a slow kernel: only what is needed.
    for signs, command in (
        ("/sys/block/md*", ["mdadm", "--stop", "--scan"]),
        ("/sys/block/dm-*", ["dmsetup", "remove_all"]),
        ("/sys/block/loop*/loop/backing_file", ["losetup", "-D"]),
    ):
        if glob.glob(signs):
            subprocess.run(
                command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )


def mark(text: str) -> None:
    """Say in the kernel's log which test begins."""
    with open("/dev/kmsg", "w", encoding="utf-8") as log:
        log.write(f"dst-lab: {text}\n")
