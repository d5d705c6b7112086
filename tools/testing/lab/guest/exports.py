# SPDX-License-Identifier: GPL-2.0
"""Predicates about exports, told by dstctl."""

import json
import subprocess
from typing import Any


def show(name: str) -> dict[str, Any]:
    """Everything about an export."""
    result = subprocess.run(
        ["/machine/bin/dstctl", "--json", "export", "show", name],
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(result.stdout)


def no_connections(name: str) -> bool:
    """Whether nobody is connected to an export."""
    return show(name)["connections"] == 0
