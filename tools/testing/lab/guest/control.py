# SPDX-License-Identifier: GPL-2.0
"""Predicates about single facts that dstctl tells."""

import subprocess
from typing import Any

from lab.guest.objects import show


def _shown(*words: str) -> dict[str, Any]:
    """Everything about an object, nothing if there is none."""
    try:
        return show(*words)
    except subprocess.CalledProcessError:
        return {}


def shows(name: str, field: str, value: Any, at_least: bool = False) -> bool:
    """Whether a storage has a property."""
    found = _shown("show", name).get(field)
    return found is not None and (found == value or (at_least and found >= value))


def export_shows(name: str, field: str, value: Any) -> bool:
    """Whether an export has a property."""
    return _shown("export", "show", name).get(field) == value


def is_gone(name: str) -> bool:
    """Whether there is no storage of a name."""
    return not _shown("show", name)


def has_written(name: str, more_than: int) -> bool:
    """Whether a storage has written more than so many bytes."""
    return _shown("show", name).get("counters", {}).get("bytes_written", 0) > more_than
