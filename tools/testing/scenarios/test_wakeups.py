# SPDX-License-Identifier: GPL-2.0
"""Nobody is woken who has nothing to do."""

import pytest

from lab.machine import Machine

REQUESTS = 1000


def jobs(machine: Machine) -> int:
    """How often a thread of the pool was needed so far."""
    return machine.dst.json("pool", "show")["jobs"]


def run(client: Machine, disk: str, rw: str, block: str) -> None:
    """Some requests, one after the other."""
    client.run(
        "fio",
        "--name=wakeups",
        f"--filename={disk}",
        f"--rw={rw}",
        f"--bs={block}",
        f"--number_ios={REQUESTS}",
        "--ioengine=psync",
        "--direct=1",
        "--size=32M",
        "--output-format=terse",
        timeout=60,
    )


@pytest.mark.parametrize("rw", ["randread", "randwrite"])
def test_short_replies_need_no_thread(disk: str, client: Machine, rw: str) -> None:
    before = jobs(client)
    run(client, disk, rw, "4k")
    # Some find the socket in use by whoever sends the next request.
    assert jobs(client) - before < REQUESTS / 4


def test_a_thread_receives_what_is_long(disk: str, client: Machine) -> None:
    before = jobs(client)
    run(client, disk, "randread", "64k")
    # One run may receive what is left of two.
    assert jobs(client) - before >= REQUESTS / 2
