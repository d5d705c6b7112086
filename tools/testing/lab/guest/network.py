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
