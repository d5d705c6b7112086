# SPDX-License-Identifier: GPL-2.0
"""Allocations of the module fail: commands refuse, I/O waits, nothing breaks."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from lab import fio
from lab.bed import Bed
from lab.dst import EVERYBODY, PORT
from lab.keyed import Keys
from lab.machine import Machine
from lab.pool import Spec
from lab.wild import WildDisk

ROUNDS = 8
BREAKS = 3
# Requests of a storage for which there is memory whatever happens.
RESERVE = 64


def need(*machines: Machine) -> None:
    """Skip the test if the kernels cannot do it."""
    if not all(machine.call("faults.possible") for machine in machines):
        pytest.skip("this kernel has no fault injection")


@contextlib.contextmanager
def failing(*machines: Machine, percent: int, function: str | None = None) -> Iterator[None]:
    """Let so many of the module's allocations fail, or of a function's, for a while."""
    need(*machines)
    try:
        for machine in machines:
            if function is None:
                machine.call("faults.begin", percent=percent)
            else:
                machine.call("faults.begin_in", name=function, percent=percent)
        yield
    finally:
        for machine in machines:
            machine.call("faults.end")


def attempt(machine: Machine, *words: str) -> bool:
    """Run dstctl, which works or says why not."""
    result = machine.dst.ctl(*words, check=False)
    assert result.rc is not None and result.rc >= 0, result
    assert result.rc == 0 or result.err.strip(), result
    return result.rc == 0


def test_commands_work_or_refuse(server: Machine, client: Machine) -> None:
    rules = [word for rule in EVERYBODY for word in ("--allow", rule)]
    export = ["export", "add", "disk", server.disk(0), "--listen", f"[::]:{PORT}", *rules]
    worked = []
    with failing(server, client, percent=2):
        for number in range(ROUNDS):
            worked += [
                attempt(server, *export),
                attempt(client, "add", "disk", f"{server.address()}:{PORT}", "--timeout", "2s"),
                attempt(client, "list"),
                attempt(client, "show", "disk"),
                attempt(client, "pool", "set", str(1 + number % 5)),
                attempt(server, "export", "show", "disk"),
                attempt(client, "del", "disk", "--force"),
                attempt(server, "export", "del", "disk", "--force"),
            ]
    assert {True, False} == set(worked)
    for machine in client, server:
        machine.dst.clear()
    server.dst.export("disk", server.disk(0))
    fio.verify(client, client.dst.attach("disk", server), size=16)


def test_disk_that_cannot_be_added_is_forgotten(server: Machine, client: Machine) -> None:
    server.dst.export("disk", server.disk(0))
    add = ["add", "disk", f"{server.address()}:{PORT}", "--timeout", "2s"]
    with failing(client, percent=100, function="add_disk_fwnode"):
        for _ in range(BREAKS):
            # What is lost is noticed when all tests in here are done.
            assert not attempt(client, *add)
    fio.verify(client, client.dst.attach("disk", server), size=16)


def plain(server: Machine, client: Machine) -> str:
    """A disk without any protection on its way."""
    server.dst.export("disk", server.disk(0))
    return client.dst.attach("disk", server)


def digested(server: Machine, client: Machine) -> str:
    """One whose data has a digest."""
    server.dst.export("disk", server.disk(0))
    return client.dst.attach("disk", server, "--digest", "crc32c")


def sealed(server: Machine, client: Machine) -> str:
    """One over sealed connections."""
    keys = Keys(server, client)
    server.dst.export("disk", server.disk(0), "--allow-key", f"{keys.public}:rw", allow=())
    return client.dst.attach("disk", server, *keys.options)


@pytest.mark.parametrize("attach", [plain, digested, sealed])
def test_io_does_not_notice(
    server: Machine, client: Machine, attach: Callable[[Machine, Machine], str]
) -> None:
    need(server, client)
    disk = attach(server, client)
    with failing(server, client, percent=1):
        job = fio.start(client, disk, size=64, blocks="512-128k")
        for number in range(BREAKS):
            client.run("ss", "-tK", f"dport = :{PORT}")
            # Attempts that meet no memory are repeated after a while.
            reconnects = "/sys/block/dst-disk/dst/reconnects"
            client.wait("files.number_at_least", 60, path=reconnects, least=number + 1)
        assert job.wait(120).rc == 0
    client.dst.wait_state("disk", "connected")
    client.call("blockio.write", path=disk, sector=0, count=64, seed=1)
    assert client.call("blockio.wrong", path=disk, sector=0, count=64, seed=1) == []


@pytest.mark.parametrize("side", ["server", "client"])
def test_what_met_no_memory_is_sent_soon_afterwards(
    server: Machine, client: Machine, side: str
) -> None:
    server.dst.export("disk", server.disk(0), "--keepalive", "10m")
    disk = client.dst.attach("disk", server)
    # The server has what a request needs from here on, but not what a packet does.
    client.call("blockio.write", path=disk, sector=0, count=8, seed=2)
    with failing({"server": server, "client": client}[side], percent=100):
        writing = client.start_call("blockio.write", path=disk, sector=0, count=8, seed=1)
        client.wait("stat.busy", 20, device="dst-disk")
        client.wait("stat.quiet", 20, device="dst-disk", seconds=1)
        assert not writing.done()
    # Nobody says anything for ten minutes.
    writing.result(10)
    assert client.call("blockio.wrong", path=disk, sector=0, count=8, seed=1) == []
    assert client.dst.show("disk")["counters"]["reconnects"] == 0


def test_requests_wait_for_the_memory_of_others(server: Machine, client: Machine) -> None:
    """There is memory for those in reserve, and each that ends has the next one begin."""
    need(server, client)
    slow = WildDisk(server)
    # Only what is asked for has the client look after what waits.
    server.dst.export("disk", slow.path, "--keepalive", "10m")
    disk = client.dst.attach("disk", server)
    slow.hold(1 << 30)
    # The bios themselves, and packets, find memory.
    with failing(client, percent=100, function="try_place"):
        job = fio.start(client, disk, blocks="4k-4k", align=4096, size=8, depth=4 * RESERVE)
        server.wait("objects.has_in_flight", 60, name="disk", least=RESERVE)
        client.wait("stat.quiet", 20, device="dst-disk", seconds=1)
        assert server.dst.show_export("disk")["counters"]["in_flight"] == RESERVE
        assert client.call("stat.in_flight", device="dst-disk") == RESERVE
        slow.release()
        # All are written, read and compared, and there still is no other memory.
        assert job.wait(60).rc == 0
    counters = client.dst.show("disk")["counters"]
    assert counters["errors"] == 0 and counters["reconnects"] == 0
    client.dst.ctl("del", "disk")
    server.dst.ctl("export", "del", "disk")
    slow.remove()


def test_the_module_is_loaded_or_not(bed: Bed) -> None:
    (machine,) = bed.machines(Spec("client"), load=False)
    need(machine)
    module = f"/machine/modules/dst-{machine.flavour.name}.ko"
    errors = []
    for _ in range(2 * ROUNDS):
        errors.append(machine.call("faults.load", path=module, percent=1))
        assert machine.dst.loaded == (errors[-1] == 0)
        if machine.dst.loaded:
            machine.dst.unload()
        assert machine.call("leftovers.after_unload") == []
    assert any(errors)
    machine.dst.load()
