# SPDX-License-Identifier: GPL-2.0
"""Nobody is woken who has nothing to do, and what can go together does."""

import re

import pytest

from lab.dst import PORT
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


@pytest.mark.parametrize("digest", [None, "crc32c", "xxhash64"])
@pytest.mark.parametrize("rw", ["randread", "randwrite"])
def test_short_replies_need_no_thread(
    server: Machine, client: Machine, rw: str, digest: str | None
) -> None:
    if digest == "xxhash64" and server.flavour.stock:
        pytest.skip("Debian's kernel does not have it")
    server.dst.export("disk", server.disk(0))
    disk = client.dst.attach("disk", server, *(("--digest", digest) if digest else ()))
    before = jobs(client)
    run(client, disk, rw, "4k")
    # Some find the socket in use by whoever sends the next request.
    assert jobs(client) - before < REQUESTS / 4


def test_a_thread_computes_what_takes_long(server: Machine, client: Machine) -> None:
    server.dst.export("disk", server.disk(0))
    disk = client.dst.attach("disk", server, "--digest", "sha512")
    before = jobs(client)
    run(client, disk, "randread", "4k")
    assert jobs(client) - before >= REQUESTS / 2
    before = jobs(client)
    # There is nothing to compute over the answers to these.
    run(client, disk, "randwrite", "4k")
    assert jobs(client) - before < REQUESTS / 4


def test_threads_that_roam_never_preempt(client: Machine) -> None:
    homes = client.flavour.cpus
    policies = {
        n: client.run("chrt", "-p", client.run("pgrep", "-x", f"dst/{n}").out.strip()).out
        for n in range(2 * homes)
    }
    assert all("SCHED_OTHER" in policies[n] for n in range(homes)), policies
    assert all("SCHED_BATCH" in policies[n] for n in range(homes, 2 * homes)), policies


def test_a_thread_receives_what_is_long(disk: str, client: Machine) -> None:
    before = jobs(client)
    run(client, disk, "randread", "64k")
    # One run may receive what is left of two.
    assert jobs(client) - before >= REQUESTS / 2


def segments(client: Machine) -> int:
    """How many segments with data the client has sent over its connection."""
    text = client.run("ss", "-tinH", f"dport = :{PORT}").out
    (number,) = re.findall(r"data_segs_out:(\d+)", text)
    return int(number)


@pytest.mark.parametrize("batch", [1, 16])
def test_what_is_submitted_together_is_sent_together(
    disk: str, client: Machine, batch: int
) -> None:
    before = segments(client)
    client.run(
        "fio",
        "--name=batch",
        f"--filename={disk}",
        "--rw=randread",
        "--bs=4k",
        "--size=32M",
        "--number_ios=800",
        "--ioengine=libaio",
        "--direct=1",
        "--iodepth=16",
        f"--iodepth_batch_submit={batch}",
        f"--iodepth_batch_complete_min={batch}",
        f"--iodepth_batch_complete_max={batch}",
        timeout=60,
    )
    sent = segments(client) - before
    if batch == 1:
        # Many have one of their own: nobody waits for others that may not come. An emulated
        # machine is so slow that others do come.
        assert sent >= 200, sent
    else:
        assert sent <= 100, sent
