# SPDX-License-Identifier: GPL-2.0
"""The lab itself: what the other scenarios take for granted is so."""

import time

import pytest

from lab import fio
from lab.bed import Bed
from lab.history import History, Operation
from lab.machine import CommandFailed
from lab.pool import Spec
from lab.rpc import MachineGone

PAIR = (Spec("server", disks=(1 << 30,)), Spec("client"))


@pytest.mark.stock
def test_commands(bed: Bed) -> None:
    (machine,) = bed.machines(Spec("client"), load=False)
    assert machine.sh("echo $((6 * 7))") == "42\n"
    with pytest.raises(CommandFailed, match="exit code 3"):
        machine.sh("exit 3")
    with pytest.raises(TimeoutError):
        machine.run("sleep", "100", timeout=0.1)
    data = bytes(range(256)) * 4096
    machine.put("/run/file", data)
    assert machine.get("/run/file") == data
    process = machine.spawn("sh", "-c", "echo begun; exec sleep 100")
    assert process.poll().rc is None
    process.kill()
    assert process.wait(check=False).rc == -9
    machine.spawn("sh", "-c", "sleep 0.2; touch /run/sign")
    machine.wait("files.exists", path="/run/sign")


def test_a_kill_is_a_power_failure(bed: Bed) -> None:
    (machine,) = bed.machines(PAIR[0], load=False)
    disk = machine.disk(0)
    machine.call("blockio.write", path=disk, sector=0, count=64, seed=1, sync=True)
    machine.sh("echo gone > /run/memory")
    begin = time.monotonic()
    machine.kill()
    assert time.monotonic() - begin < 1
    assert not machine.alive
    with pytest.raises(MachineGone):
        machine.sh("true")
    machine.boot()
    assert machine.call("blockio.wrong", path=disk, sector=0, count=64, seed=1) == []
    assert not machine.call("files.exists", path="/run/memory")


def test_links_have_the_faults_they_are_given(bed: Bed) -> None:
    server, client = bed.machines(*PAIR, load=False)
    board = bed.board

    def lost() -> int:
        words = client.run(
            "ping", "-q", "-c", "20", "-i", "0.01", "-W", "1", server.address(), check=False
        ).out.split()
        return 20 - int(words[words.index("received,") - 1])

    assert lost() == 0
    board.direction(server, client, cut=True)
    assert lost() == 20
    board.link(server, client)
    board.link(server, client, drop=0.3)
    assert 0 < lost() < 20
    board.link(server, client, delay=0.05)
    assert "time=1" in client.run("ping", "-c", "1", server.address()).out
    board.link(server, client, duplicate=1.0)
    assert "DUP!" in client.run("ping", "-c", "3", "-i", "0.05", server.address()).out
    assert board.counts()["duplicate"] >= 3


def test_a_complaint_of_the_kernel_is_found(bed: Bed) -> None:
    (machine,) = bed.machines(Spec("client"), load=False)
    assert machine.complaints() == []
    machine.call("leftovers.mark", text="WARNING: CPU: 0 PID: 1 at kernel/panic.c:1")
    machine.wait("files.content_matches", path="/proc/uptime", pattern=".")
    assert any("kernel/panic.c" in text for text in machine.complaints())
    # This one was asked for.
    bed.complaints_before[machine] = len(machine.complaints())
    bed.reusable = False


def test_jumbo_frames(bed: Bed) -> None:
    server, client = bed.machines(Spec("server", mtu=9000), Spec("client", mtu=9000), load=False)
    client.run("ping", "-c", "1", "-M", "do", "-s", "8900", server.address())


def test_fio_and_the_patterns_notice_a_wrong_byte(bed: Bed) -> None:
    """A disk that changes one byte of what it returns does not get away with it."""
    (machine,) = bed.machines(Spec("client"), load=False)
    if machine.flavour.stock:
        machine.sh("modprobe dm-mod; modprobe dm-flakey")
    size = 8 << 20
    backing = machine.call("blockio.memory_disk", size=size, name="liar")
    lies = f"0 {size // 512} flakey {backing} 0 0 1000 5 corrupt_bio_byte 32 r 1 0"
    machine.run("dmsetup", "create", "liar", stdin=lies.encode())
    machine.run("dmsetup", "mknodes")
    with pytest.raises(CommandFailed, match="verify"):
        fio.verify(machine, "/dev/mapper/liar", size=4)
    machine.call("blockio.write", path="/dev/mapper/liar", sector=0, count=64, seed=1)
    assert machine.call("blockio.wrong", path="/dev/mapper/liar", sector=0, count=64, seed=1)


@pytest.mark.parametrize("lies", [False, True])
def test_the_judge_of_soak_notices_a_disk_that_forgets(bed: Bed, lies: bool) -> None:
    """A real one: for a while it acknowledges writes and throws them away, if it lies."""
    (machine,) = bed.machines(Spec("client"), load=False)
    sectors = 4096
    backing = machine.call("blockio.memory_disk", size=sectors * 512, name="liar")
    honest = f"0 {sectors} linear {backing} 0"
    machine.run("dmsetup", "create", "liar", "--table", honest)
    machine.run("dmsetup", "mknodes")

    def become(table: str) -> None:
        machine.sh(
            f"dmsetup suspend --nolockfs liar; dmsetup load liar --table '{table}'\n"
            "dmsetup resume liar"
        )

    path = {"path": "/dev/mapper/liar"}
    what = {"disk": 0, "size": sectors, "seed": "1", "first": 1, "number": 0}
    machine.call("hammer.start", workers=4, operations=150, pace=0.02, **what, **path)
    machine.wait("stat.written_at_least", 20, device="dm-0", sectors=500)
    if lies:
        become(f"0 {sectors} flakey {backing} 0 0 1000 1 drop_writes")
        machine.wait("stat.written_at_least", 20, device="dm-0", sectors=1000)
        become(honest)
    assert machine.start_call("hammer.stop", timeout=60, **path).result(90) == 0
    history = History(sectors)
    seen = machine.call("hammer.inspect", size=sectors, **path)
    history.add(Operation(**entry) for entry in seen["closed"])
    assert {violation.rule for violation in history.settle()} == ({"stale"} if lies else set())
