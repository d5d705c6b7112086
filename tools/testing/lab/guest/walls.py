# SPDX-License-Identifier: GPL-2.0
"""Predicates about what the server has given to its clients."""

import json
import subprocess


def holds(**wanted: int) -> bool:
    """Whether all clients together hold exactly so much."""
    result = subprocess.run(
        ["/machine/bin/dstctl", "--json", "server", "show"], stdout=subprocess.PIPE, check=True
    )
    held = json.loads(result.stdout)["held"]
    return all(held[stock] == number for stock, number in wanted.items())
