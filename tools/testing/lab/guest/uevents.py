# SPDX-License-Identifier: GPL-2.0
"""What the kernel tells user space of devices."""

import socket
import threading

_BUFFER = 1 << 16
_NETLINK_KOBJECT_UEVENT = 15
_FROM_THE_KERNEL = 1

_seen: list[dict[str, str]] = []


def watch() -> None:
    """Remember all that is told from now on."""
    _seen.clear()
    listener = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_KOBJECT_UEVENT)
    listener.bind((0, _FROM_THE_KERNEL))
    threading.Thread(target=_listen, args=[listener], daemon=True).start()


def _listen(listener: socket.socket) -> None:
    while True:
        words = listener.recv(_BUFFER).decode(errors="replace").split("\0")
        _seen.append(dict(word.split("=", 1) for word in words if "=" in word))


def told(device: str, **facts: str) -> bool:
    """Whether something like this was told of a device."""
    wanted = {"DEVNAME": device, **facts}.items()
    return any(wanted <= event.items() for event in list(_seen))
