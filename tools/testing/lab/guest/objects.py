# SPDX-License-Identifier: GPL-2.0
"""Predicates about storages and exports, told by dstctl."""

import json
import subprocess
from typing import Any


def show(*words: str) -> Any:
    """Everything about an object."""
    result = subprocess.run(
        ["/machine/bin/dstctl", "--json", *words], stdout=subprocess.PIPE, check=True
    )
    return json.loads(result.stdout)


def no_connections(name: str) -> bool:
    """Whether nobody is connected to an export."""
    return show("export", "show", name)["connections"] == 0


def export_busy(name: str) -> bool:
    """Whether an export has accepted something and not completed it yet."""
    return show("export", "show", name)["counters"]["in_flight"] > 0


def has_in_flight(name: str, least: int) -> bool:
    """Whether an export has accepted so many requests and not completed them yet."""
    return show("export", "show", name)["counters"]["in_flight"] >= least


def storage_is(name: str, state: str, epoch: int = 0) -> bool:
    """Whether a storage is in a state, and its session in an epoch or a later one."""
    storage = show("show", name)
    return storage["state"] == state and (storage["epoch"] or 0) >= epoch


def storage_has(name: str, connected: int, reconnects: int = 0) -> bool:
    """Whether so many connections of a storage carry requests, after so many were replaced."""
    storage = show("show", name)
    return storage["connected"] == connected and storage["counters"]["reconnects"] >= reconnects


def drains_or_is_back(name: str, reconnects: int) -> bool:
    """Whether a connection of a storage waits for what it carried, or so many were replaced."""
    storage = show("show", name)
    return storage["draining"] > 0 or storage["counters"]["reconnects"] >= reconnects


def no_exports() -> bool:
    """Whether nothing is exported."""
    return show("export", "list") == []


def no_export(name: str) -> bool:
    """Whether there is no such export, not even one that is being removed."""
    return all(export["name"] != name for export in show("export", "list"))


def sessions_are(count: int) -> bool:
    """Whether so many clients are attached."""
    return len(show("sessions")) == count


def has_read(name: str, bytes_least: int) -> bool:
    """Whether so many bytes of an export were read from its device."""
    return show("export", "show", name)["counters"]["bytes_read"] >= bytes_least
