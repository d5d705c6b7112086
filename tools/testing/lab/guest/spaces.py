# SPDX-License-Identifier: GPL-2.0
"""Predicates about network namespaces, and what they have of DST."""

import errno
import json
import os
import subprocess
import time
from typing import Any

NETLINK_GENERIC = 16


def is_gone(name: str) -> bool:
    """Whether a namespace has ended, and with it the device that led into it."""
    return not os.path.exists(f"/sys/class/net/up-{name}")


def is_free(path: str) -> bool:
    """Whether nobody has claimed a block device."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL))
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        raise
    return True


def is_stuck(pid: int) -> bool:
    """Whether a process is in an uninterruptible sleep, and not just for a moment."""
    for _ in range(20):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            if file.read().rpartition(")")[2].split()[0] != "D":
                return False
        time.sleep(0.01)
    return True


def subscribed(pid: int) -> bool:
    """Whether somebody in the network namespace of a process listens to events."""
    with open(f"/proc/{pid}/net/netlink", encoding="utf-8") as file:
        next(file)
        for line in file:
            words = line.split()
            if int(words[1]) == NETLINK_GENERIC and int(words[3], 16) != 0:
                return True
    return False


def inside(name: str, *words: str) -> str:
    """What a command prints in a namespace."""
    return subprocess.run(
        ["ip", "netns", "exec", name, *words], stdout=subprocess.PIPE, check=True, text=True
    ).stdout


def export(name: str, export: str) -> dict[str, Any]:
    """Everything about an export of a namespace."""
    return json.loads(inside(name, "/machine/bin/dstctl", "--json", "export", "show", export))


def has_no_sessions(name: str, disk: str) -> bool:
    """Whether nobody is attached to an export of a namespace."""
    return export(name, disk)["sessions"] == 0


def has_in_flight(name: str, disk: str) -> bool:
    """Whether an export of a namespace has accepted something and not completed it yet."""
    return export(name, disk)["counters"]["in_flight"] > 0


def has_no_orphans(name: str) -> bool:
    """Whether no connection in a namespace waits for the other side to agree to its end."""
    states = [word for state in ("fin-wait-1", "last-ack", "closing") for word in ("state", state)]
    return inside(name, "ss", "-Htan", *states) == ""
