# SPDX-License-Identifier: GPL-2.0
"""Predicates about netlink sockets."""

NETLINK_GENERIC = 16


def subscribed() -> bool:
    """Whether some generic netlink socket listens to a multicast group."""
    with open("/proc/net/netlink", encoding="utf-8") as file:
        next(file)
        for line in file:
            words = line.split()
            if int(words[1]) == NETLINK_GENERIC and int(words[3], 16) != 0:
                return True
    return False
