# SPDX-License-Identifier: GPL-2.0
"""Tracepoints: each request leaves the same traces, and nothing else does.

Client and server are one machine here, so that what they record is in one order.
"""

import re

import pytest

from lab.bed import Bed
from lab.machine import Machine
from lab.noise import Identity
from lab.pool import GIB, Spec
from lab.wild import WildDisk

SIZE = 64 << 20
PAGE = 8
FRAME = 64 * PAGE

pytestmark = pytest.mark.stock

CLIENT = {
    "dst_submit": {"dev", "operation", "sector", "nr_sector"},
    "dst_split": {"dev", "handle", "operation", "sector", "nr_sector", "whole_sector"},
    "dst_send": {"dev", "connection", "handle", "operation", "sector", "nr_sector"},
    "dst_resend": {"dev", "handle", "old_handle", "operation", "sector", "nr_sector"},
    "dst_receive": {"dev", "connection", "handle", "operation", "sector", "nr_sector", "status"},
    "dst_complete": {"dev", "operation", "sector", "nr_sector", "error", "age_ns"},
    "dst_drain": {"dev", "connection", "left"},
}
DONE = {"dev", "handle", "operation", "sector", "nr_sector", "status", "device_ns"}
SERVER = {
    "dst_server_request": {"dev", "handle", "operation", "sector", "nr_sector"},
    "dst_server_io_done": DONE,
    "dst_server_reply": DONE,
}


# What becomes of each piece of a request, whose handle all of these tell.
WAY = [
    "dst_split",
    "dst_send",
    "dst_server_request",
    "dst_server_io_done",
    "dst_server_reply",
    "dst_receive",
]


@pytest.fixture
def machine(bed: Bed) -> Machine:
    """Client and server; only kernels with event tracing can tell."""
    (both,) = bed.machines(Spec("both", disks=(GIB,)))
    if not both.call("trace.available"):
        pytest.skip("this kernel has no event tracing")
    return both


def attached(machine: Machine, device: str) -> str:
    """A device, exported and attached again."""
    machine.dst.export("disk", device)
    return machine.dst.attach("disk", machine)


class Trace:
    """What was recorded while something was done, and so many replies were sent."""

    def __init__(self, machine: Machine, replies: int = 1) -> None:
        self.machine = machine
        self.replies = replies
        self.events: list[tuple[float, str, str]] = []

    def __enter__(self) -> "Trace":
        self.machine.call("trace.start", events="dst")
        return self

    def __exit__(self, *_: object) -> None:
        # The server may learn later that a reply was sent than the client gets it.
        self.machine.wait("trace.has", 10, event="dst_server_reply", count=self.replies)
        self.events = [
            (float(time), name, text)
            for time, name, text in self.machine.call("trace.stop", events="dst")
        ]

    def names(self, handle: str = "") -> list[str]:
        """The events, or those of a handle, in their order."""
        return [name for _, name, text in self.events if not handle or f" {handle} " in text]

    def texts(self, name: str) -> list[str]:
        """What the events of this name say, without their device and handle."""
        found = [text for _, event, text in self.events if event == name]
        return [re.sub(r"^\d+,\d+ (connection=\d+ )?([0-9a-f]+ (?=[a-z]))?", "", t) for t in found]

    def handles(self, name: str) -> list[str]:
        """The handles in the events of this name."""
        pattern = re.compile(r"^\d+,\d+ (?:connection=\d+ )?([0-9a-f]+) [a-z]")
        found = [pattern.match(text) for _, event, text in self.events if event == name]
        return [match.group(1) for match in found if match]

    def number(self, name: str, key: str) -> list[int]:
        """What the events of this name say behind a word."""
        found = [
            re.search(rf"{key}=(\d+)", text) for _, event, text in self.events if event == name
        ]
        return [int(match.group(1)) for match in found if match]


def test_the_events_have_their_fields(machine: Machine) -> None:
    fields = machine.call("trace.fields", events="dst")
    assert {name: set(words) for name, words in fields.items()} == CLIENT | SERVER


def test_a_write_leaves_its_trace(machine: Machine) -> None:
    """A write of 130 pages: three pieces, each sent, done and answered once."""
    disk = attached(machine, machine.disk(0))
    count = 2 * FRAME + 2 * PAGE
    with Trace(machine, replies=3) as trace:
        assert not machine.call(
            "blockio.attempt", path=disk, operation="write", sector=FRAME, count=count
        )
    assert sorted(trace.names()) == sorted(["dst_submit", *3 * WAY, "dst_complete"])
    ours = [name for name in trace.names() if name in CLIENT]
    assert ours[0] == "dst_submit" and ours[-1] == "dst_complete"
    assert trace.texts("dst_submit") == [f"write {FRAME} + {count}"]
    pieces = [(FRAME, FRAME), (2 * FRAME, FRAME), (3 * FRAME, 2 * PAGE)]
    texts = [f"write {sector} + {length}" for sector, length in pieces]
    assert trace.texts("dst_split") == [f"{text} of {FRAME}" for text in texts]
    assert trace.texts("dst_send") == trace.texts("dst_server_request") == texts
    assert sorted(trace.texts("dst_receive")) == sorted(f"{text} status=0" for text in texts)
    whole = trace.texts("dst_complete")[0]
    assert re.fullmatch(rf"write {FRAME} \+ {count} \[0\] age=\d+", whole)
    # The same handles everywhere, none of them twice, and each step after the one before.
    handles = trace.handles("dst_split")
    assert len(set(handles)) == 3
    for handle in handles:
        names = trace.names(handle)
        assert sorted(names) == sorted(WAY)
        names.remove("dst_server_reply")
        assert names == [name for name in WAY if name != "dst_server_reply"]
    age = trace.number("dst_complete", "age")[0]
    begin, end = trace.events[0][0], trace.events[-1][0]
    assert 0 < age / 1e9 <= end - begin + 0.01
    assert all(0 < ns < age for ns in trace.number("dst_server_io_done", "device"))


@pytest.mark.parametrize("operation", ["read", "flush", "discard", "zeroes"])
def test_so_does_everything_else(machine: Machine, operation: str) -> None:
    disk = attached(machine, machine.call("blockio.memory_disk", size=SIZE, name="traced"))
    with Trace(machine) as trace:
        assert not machine.call(
            "blockio.attempt", path=disk, operation=operation, sector=64, count=64
        )
    assert sorted(trace.names()) == sorted(["dst_submit", *WAY, "dst_complete"])
    word = "write-zeroes" if operation == "zeroes" else operation
    place = "0 + 0" if operation == "flush" else "64 + 64"
    assert trace.texts("dst_send") == [f"{word} {place}"]
    assert trace.texts("dst_server_request") == [f"{word} {place}"]
    (handle,) = trace.handles("dst_split")
    assert sorted(trace.names(handle)) == sorted(WAY)


def test_an_error_is_in_the_trace(machine: Machine) -> None:
    backing = machine.call("blockio.memory_disk", size=SIZE, name="sick")
    if machine.flavour.stock:
        machine.sh("modprobe dm-mod; modprobe dm-flakey")
    # Up for no second, down for a very long time.
    table = f"0 {SIZE // 512} flakey {backing} 0 0 100000 1 error_writes"
    machine.run("dmsetup", "create", "sick", stdin=table.encode())
    machine.run("dmsetup", "mknodes")
    disk = attached(machine, "/dev/mapper/sick")
    with Trace(machine) as trace:
        failed = machine.call("blockio.attempt", path=disk, operation="write", sector=0, count=8)
    assert failed == "EIO"
    assert "[-5]" in trace.texts("dst_complete")[0]
    (status,) = trace.number("dst_server_io_done", "status")
    assert status != 0
    assert trace.number("dst_server_reply", "status") == [status]
    assert trace.number("dst_receive", "status") == [status]


def test_a_broken_connection_leaves_its_trace(machine: Machine) -> None:
    """What is stuck in the disk is drained, then sent again under another handle."""
    stuck = WildDisk(machine)
    disk = attached(machine, stuck.path)
    with Trace(machine) as trace:
        stuck.hold(1)
        write = machine.start_call("blockio.write", path=disk, sector=0, count=64, seed=1)
        stuck.wait_held()
        machine.run("ss", "-tK", "dport = :7770")
        machine.wait("trace.has", 20, event="dst_drain", count=1)
        stuck.release()
        write.result(60)
    names = [name for name in trace.names() if name in CLIENT and name != "dst_drain"]
    assert names == [
        "dst_submit",
        "dst_split",
        "dst_send",
        "dst_resend",
        "dst_send",
        "dst_receive",
        "dst_complete",
    ]
    first, second = trace.handles("dst_send")
    assert first != second
    assert trace.handles("dst_split") == [first]
    assert trace.handles("dst_resend") == trace.handles("dst_receive") == [second]
    assert trace.texts("dst_resend") == [f"write 0 + 64 was={first}"]
    # The device did both of them, but nobody was told of the first one.
    assert trace.handles("dst_server_io_done") == [first, second]
    assert trace.handles("dst_server_reply") == [second]
    assert trace.number("dst_drain", "left")[0] == 1
    machine.dst.ctl("del", "disk")
    machine.dst.ctl("export", "del", "disk", "--force")
    stuck.remove()


def test_nobody_listens_unless_asked(machine: Machine) -> None:
    """One event does not bring the others, and without being asked nothing is recorded."""
    disk = attached(machine, machine.disk(0))

    def write() -> None:
        machine.call("blockio.attempt", path=disk, operation="write", sector=0, count=8)

    def names(events: str) -> list[str]:
        return [name for _, name, _ in machine.call("trace.stop", events=events)]

    assert not machine.call("trace.listening", events="dst")
    machine.call("trace.start", events="dst/dst_send")
    write()
    assert names("dst/dst_send") == ["dst_send"]
    assert not machine.call("trace.listening", events="dst")
    write()
    assert names("dst") == ["dst_send"], "of the first one"


@pytest.mark.parametrize("how", ["plain", "digest", "sealed"])
def test_threads_compute_over_what_is_long(machine: Machine, how: str) -> None:
    """Who submits a long write can go on while it is sealed; a short one is sealed right there."""
    words: tuple[str, ...] = ("--digest", "crc32c") if how == "digest" else ()
    machine.dst.export("disk", machine.disk(0))
    if how == "sealed":
        ours, theirs = Identity.generate(), Identity.generate()
        machine.dst.set_key(theirs)
        machine.dst.ctl("export", "allow", "disk", "--key", f"{ours.text}:rw")
        words = machine.dst.keys(ours, theirs.public)
    disk = machine.dst.attach("disk", machine, *words)
    for count, threads in (PAGE, False), (FRAME, how != "plain"):
        with Trace(machine, replies=2) as trace:
            for _ in range(2):
                machine.call("blockio.write", path=disk, sector=0, count=count, seed=1)
            senders = machine.call("trace.tasks", event="dst_send")
        assert len(senders) == trace.names().count("dst_send") >= 2, senders
        assert {sender.startswith("dst/") for sender in senders} == {threads}, senders
