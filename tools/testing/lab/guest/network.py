# SPDX-License-Identifier: GPL-2.0
"""The machine's own view of its networks."""

import os
import socket
import subprocess


def configure(name: str, links: dict[str, list[str]]) -> None:
    """Name the machine and bring up interfaces, found by hardware address."""
    socket.sethostname(name)
    commands = ["link set lo up"]
    for interface in os.listdir("/sys/class/net"):
        try:
            with open(f"/sys/class/net/{interface}/address") as file:
                mac = file.read().strip()
        except OSError:
            continue
        if mac in links:
            commands.append(f"link set {interface} up")
            # Duplicate address detection would keep IPv6 unusable for a second.
            commands += [f"addr add {a} dev {interface}{' nodad' * (':' in a)}" for a in links[mac]]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


def all_read(port: int) -> bool:
    """Whether whoever listens at a port has read all that its connections have brought."""
    waiting = 0
    for path in "/proc/net/tcp", "/proc/net/tcp6":
        with open(path, encoding="utf-8") as file:
            next(file)
            for line in file:
                _, local, _, _, queues, *_ = line.split()
                if int(local.rpartition(":")[2], 16) == port:
                    waiting += int(queues.rpartition(":")[2], 16)
    return waiting == 0
