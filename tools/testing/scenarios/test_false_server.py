# SPDX-License-Identifier: GPL-2.0
"""Servers that break the protocol: the client believes nothing it can check."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator

import pytest

from lab import wire
from lab.fake import FakeServer
from lab.machine import Machine
from lab.wire import Frame, Opcode, Status

PLACE = 4096
OLD, NEW = b"old!" * 1024, b"new!" * 1024


@pytest.fixture
def fake(client: Machine) -> Iterator[FakeServer]:
    server = FakeServer(client)
    yield server
    server.stop()


def start(client: Machine, operation: str, sector: int = PLACE, count: int = 8) -> object:
    return client.start_call(
        "blockio.attempt", path="/dev/dst-fake", operation=operation, sector=sector, count=count
    )


def wait_epoch(client: Machine, epoch: int) -> None:
    """Wait until the client has a new connection in a later epoch."""
    client.dst.wait_state("fake", "connected", epoch=epoch)


def test_an_honest_fake_is_believed(fake: FakeServer, client: Machine) -> None:
    disk = client.dst.attach("fake", client)
    client.call("blockio.write", path=disk, sector=3, count=700, seed=1)
    assert client.call("blockio.wrong", path=disk, sector=3, count=700, seed=1) == []
    client.dst.ctl("del", "fake")


def test_credits_come_back_with_the_last_byte(fake: FakeServer, client: Machine) -> None:
    """Until then the server holds what they are for, and may hang up on who uses them."""
    # No PONG may come in the middle of a reply.
    fake.lies |= {"window": 64, "keepalive_ms": 600_000}
    disk = client.dst.attach("fake", client)
    replies: list[bytes] = []

    def half(frame: Frame) -> bytes:
        replies.append(fake.answer(frame).encode())
        return replies[-1][: len(replies[-1]) // 2]

    fake.on[Opcode.READ] = half
    reads = [client.start_call("blockio.digest", path=disk, sector=0, count=512)]
    fake.wait_for(lambda: replies)
    reads.append(client.start_call("blockio.digest", path=disk, sector=512, count=512))
    asked = len(fake.frames)
    with pytest.raises(TimeoutError):
        fake.wait_for(lambda: len(fake.frames) > asked, 2)
    fake.on.clear()
    fake.send(replies[0][len(replies[0]) // 2 :])
    wanted = hashlib.sha256(bytes(512 * 512)).hexdigest()
    assert [read.result(30) for read in reads] == [wanted] * 2
    assert client.dst.show("fake")["epoch"] == 1
    client.dst.ctl("del", "fake")


WELCOMES = {
    "another session": {"session": b"x" * 16},
    "another epoch": {"epoch": 77},
    "another generation": {"generation": 77},
    "version of the future": {"version": 2},
    "version zero": {"version": 0},
    "unknown feature": {"features": 1 << 63},
    "no credits": {"window": 0},
    "reserved field": {"reserved": 1},
    "logical block of 3": {"geometry": wire.Geometry(1 << 16, logical_block=3)},
    "logical block of 1 MiB": {"geometry": wire.Geometry(1 << 16, logical_block=1 << 20)},
    "no frames": {"geometry": wire.Geometry(1 << 16, max_frame_sectors=0)},
    "giant frames": {"geometry": wire.Geometry(1 << 16, max_frame_sectors=1 << 20)},
    "giant disk": {"geometry": wire.Geometry((1 << 64) - 1)},
    "unknown flags": {"geometry": wire.Geometry(1 << 16, flags=1 << 31)},
}


@pytest.mark.attack("a server whose welcome cannot be true", "not believed, nothing is attached")
def test_impossible_welcomes(fake: FakeServer, client: Machine, subtests: pytest.Subtests) -> None:
    for name, lies in WELCOMES.items():
        with subtests.test(name):
            fake.lies = lies
            result = client.dst.ctl("add", "fake", "127.0.0.1", "--timeout", "1s", check=False)
            client.dst.clear()
            assert result.rc in (6, 7), result


@pytest.mark.attack("a server that answers a greeting with rubbish", "nothing is attached")
def test_garbage_instead_of_a_welcome(
    fake: FakeServer, client: Machine, subtests: pytest.Subtests
) -> None:
    for data in (
        b"SSH-2.0-OpenSSH_10.0\r\n" * 10,
        Frame(Opcode.HELLO | wire.REPLY, length=1 << 31).encode(),
        Frame(Opcode.HELLO | wire.REPLY, payload=bytes(4096)).encode(),
        Frame(Opcode.HELLO | wire.REPLY, status=200).encode(),
        Frame(Opcode.READ | wire.REPLY, sectors=8, payload=bytes(4096)).encode(),
        b"",
    ):
        with subtests.test(data[:8].hex()):
            fake.greeting = data
            result = client.dst.ctl("add", "fake", "127.0.0.1", "--timeout", "1s", check=False)
            assert result.rc in (6, 7), result
            assert client.dst.json("list") == []


# How the tool ends when its server refuses, the cause that it names, and the sentence.
REFUSALS = {
    Status.READ_ONLY: (7, "read-only", "export 'fake' can only be read by this client"),
    Status.DENIED: (7, "not-permitted", "127.0.0.1:7770 does not let this client in"),
    Status.INVALID: (6, "not-dst", "127.0.0.1:7770 is not a DST server"),
    Status.RESOURCE: (1, "other", "Cannot allocate memory"),
    Status.VERSION: (
        7,
        "version-mismatch",
        "127.0.0.1:7770 and this machine speak different versions of the protocol",
    ),
    Status.FEATURE: (
        7,
        "version-mismatch",
        "127.0.0.1:7770 and this machine speak different versions of the protocol",
    ),
    Status.NO_EXPORT: (7, "no-such-export", "127.0.0.1:7770 has no export 'fake'"),
    Status.IN_USE: (4, "in-use", "another client has export 'fake' for writing"),
    Status.STALE: (7, "going-away", "export 'fake' is being removed"),
    Status.IDENTITY: (7, "wrong-identity", "export 'fake' is not the disk that is expected"),
    Status.GONE: (7, "going-away", "export 'fake' is being removed"),
}


@pytest.mark.parametrize("status", REFUSALS)
def test_refusals_reach_the_person(fake: FakeServer, client: Machine, status: Status) -> None:
    """The tool says what it means, and what the server had to say."""
    fake.refusal = status
    words = "add", "fake", "127.0.0.1", "--timeout", "2s"
    result = client.dst.ctl("--json", *words, check=False)
    failure = json.loads(result.err)["error"]
    rc, cause, sentence = REFUSALS[status]
    assert (result.rc, failure["exit_code"], failure["cause"]) == (rc, rc, cause), result
    assert failure["message"].endswith(f": {sentence}"), result
    assert failure["kernel"] == "export fake: because the test says so", result
    plain = client.dst.ctl(*words, check=False)
    assert plain.rc == rc, plain
    assert sentence in plain.err and "because the test says so" in plain.err, plain
    assert client.dst.json("list") == []


# Answers to a read for which the client must hang up, and ask again later.
LIES = {
    "wrong magic": lambda f, r: f.answer(r, magic=b"XXXX"),
    "wrong checksum": lambda f, r: f.answer(r, crc=1),
    "another operation": lambda f, r: f.answer(r, opcode=Opcode.WRITE | wire.REPLY, payload=b""),
    "another place": lambda f, r: f.answer(r, sector=r.sector + 8),
    "too short": lambda f, r: f.answer(r, sectors=4, payload=bytes(2048)),
    "too long": lambda f, r: f.answer(r, sectors=16, payload=bytes(8192)),
    "more payload than sectors": lambda f, r: f.answer(r, payload=bytes(8192)),
    "success without data": lambda f, r: f.answer(r, payload=b""),
    "failure with data": lambda f, r: f.answer(r, status=Status.IO, payload=bytes(4096)),
    "unknown status": lambda f, r: f.answer(r, status=99, payload=b""),
    "unknown opcode": lambda f, r: f.answer(r, opcode=0xFE),
    "credits without end": lambda f, r: f.answer(r, credits=0xFFFFFFFF),
    "a request": lambda f, r: dataclasses.replace(r),
    "garbage": lambda f, r: b"\xa5" * 4096,
    "half a frame": lambda f, r: f.answer(r).encode()[:1000],
}


@pytest.mark.attack(
    "a server whose answers break a rule",
    "the connection is dropped, the data that arrives is right",
)
def test_false_answers_to_a_read(
    fake: FakeServer, client: Machine, subtests: pytest.Subtests
) -> None:
    """Whatever a server says once, the data that arrives is the right one."""
    client.dst.attach("fake", client)
    for sector in range(PLACE, PLACE + 8):
        fake.data[sector] = NEW[:512]
    for name, lie in LIES.items():
        with subtests.test(name):
            told = []

            def once(frame: Frame, lie=lie, told=told) -> object:
                if told or frame.sector != PLACE:
                    return fake.answer(frame)
                told.append(frame)
                return lie(fake, frame)

            fake.on[Opcode.READ] = once
            epoch = client.dst.show("fake")["epoch"]
            data = client.start_call("blockio.digest", path="/dev/dst-fake", sector=PLACE, count=8)
            if name == "half a frame":
                fake.wait_for(lambda told=told: told)
                fake.hang_up()
            assert data.result(60) == hashlib.sha256(NEW[:512] * 8).hexdigest()
            wait_epoch(client, epoch + 1)
    fake.on.clear()
    client.dst.ctl("del", "fake")


@pytest.mark.attack("a server that answers twice", "nothing changes")
def test_a_duplicate_answer_changes_nothing(fake: FakeServer, client: Machine) -> None:
    client.dst.attach("fake", client)
    fake.on[Opcode.WRITE] = lambda frame: [fake.answer(frame), fake.answer(frame, credits=0)]
    assert start(client, "write").result(60) == ""
    fake.on.clear()
    for number in range(20):
        client.call("blockio.write", path="/dev/dst-fake", sector=PLACE, count=8, seed=number)
    assert client.call("blockio.wrong", path="/dev/dst-fake", sector=PLACE, count=8, seed=19) == []
    client.dst.ctl("del", "fake")


@pytest.mark.attack("a server that answers what nobody asked", "skipped, the right answer is found")
def test_answers_to_questions_that_nobody_asked(fake: FakeServer, client: Machine) -> None:
    """Skipped, with their payload; the true answer behind them is found."""
    client.dst.attach("fake", client)
    for sector in range(PLACE, PLACE + 8):
        fake.data[sector] = NEW[:512]
    for change in 0x3FF, 1 << 32, 1 << 63:

        def answers(frame: Frame, change: int = change) -> list[Frame]:
            strange = fake.answer(frame, handle=frame.handle ^ change, payload=OLD, credits=0)
            return [strange, fake.answer(frame)] if frame.sector == PLACE else [fake.answer(frame)]

        fake.on[Opcode.READ] = answers
        assert (
            client.call("blockio.digest", path="/dev/dst-fake", sector=PLACE, count=8)
            == hashlib.sha256(NEW[:512] * 8).hexdigest()
        )
    assert client.dst.show("fake")["epoch"] == 1
    fake.on.clear()
    client.dst.ctl("del", "fake")


@pytest.mark.attack("an answer of an earlier connection", "nothing changes")
def test_a_late_answer_of_an_old_connection_changes_nothing(
    fake: FakeServer, client: Machine
) -> None:
    """What was read before the connection broke is not what is there now."""
    client.dst.attach("fake", client)
    held: list[Frame] = []

    def hold(frame: Frame) -> Frame | None:
        if frame.sector != PLACE:
            return fake.answer(frame)
        held.append(frame)
        return None

    fake.on[Opcode.READ] = hold
    reading = client.start_call("blockio.digest", path="/dev/dst-fake", sector=PLACE, count=8)
    fake.wait_for(lambda: held)
    fake.hang_up()
    for sector in range(PLACE, PLACE + 8):
        fake.data[sector] = NEW[:512]
    # It comes when the same is asked for again, before the answer to that.
    fake.wait_for(lambda: len(held) == 2)
    late = fake.answer(held[0], payload=OLD, credits=0)
    fake.send(late)
    fake.send(fake.answer(held[1]))
    fake.on.clear()
    digest = reading.result(60)
    assert digest == hashlib.sha256(NEW[:512] * 8).hexdigest()
    fake.send(late)
    assert client.call("blockio.digest", path="/dev/dst-fake", sector=PLACE, count=8) == digest
    client.dst.ctl("del", "fake")


def test_partial_acknowledgement(fake: FakeServer, client: Machine) -> None:
    """A write of several pages may be acknowledged page by page."""
    client.dst.attach("fake", client)

    def by_pages(frame: Frame) -> list[Frame]:
        return [
            fake.answer(frame, sector=frame.sector + at, sectors=8, credits=1)
            for at in reversed(range(0, frame.sectors, 8))
        ]

    fake.on[Opcode.WRITE] = by_pages
    assert start(client, "write", 8192, 128).result(60) == ""
    assert client.dst.show("fake")["epoch"] == 1
    fake.on.clear()
    client.dst.ctl("del", "fake")


def test_only_what_was_not_acknowledged_is_sent_again(fake: FakeServer, client: Machine) -> None:
    client.dst.attach("fake", client)
    fake.on[Opcode.WRITE] = lambda frame: (
        fake.answer(frame, sectors=8, credits=1) if frame.sectors > 8 else fake.answer(frame)
    )
    writing = start(client, "write", 8192, 64)
    fake.wait_for(lambda: any(frame.opcode == Opcode.WRITE for frame in fake.answered))
    seen = len(fake.frames)
    fake.hang_up()
    fake.on.clear()
    assert writing.result(60) == ""
    again = [f for f in fake.frames[seen:] if f.opcode == Opcode.WRITE]
    assert min(frame.sector for frame in again) >= 8192 + 8
    assert client.dst.show("fake")["counters"]["resent"] == 7
    client.dst.ctl("del", "fake")


def test_a_restarted_server_gets_all_of_a_write_again(fake: FakeServer, client: Machine) -> None:
    """What it had acknowledged may be gone with its cache; the data is still here."""
    fake.geometry.flags = wire.VOLATILE_CACHE
    client.dst.attach("fake", client)
    fake.on[Opcode.WRITE] = lambda frame: (
        fake.answer(frame, sectors=8, credits=1) if frame.sectors > 8 else fake.answer(frame)
    )
    writing = start(client, "write", 8192, 64)
    fake.wait_for(lambda: any(frame.opcode == Opcode.WRITE for frame in fake.answered))
    # Once it has this answer, the client has the acknowledgement before it, too.
    client.call("blockio.digest", path="/dev/dst-fake", sector=0, count=8)
    seen = len(fake.frames)
    fake.boot_id = b"another boot ..."
    fake.on.clear()
    fake.hang_up()
    assert writing.result(60) == ""
    again = [f for f in fake.frames[seen:] if f.opcode == Opcode.WRITE]
    assert (min(f.sector for f in again), sum(f.sectors for f in again)) == (8192, 64)
    client.dst.ctl("del", "fake")


def test_nothing_follows_what_took_too_long(fake: FakeServer, client: Machine) -> None:
    """The server may still carry out what has failed: a newer write to the same
    place must not reach it before it has said that it will not."""
    client.dst.attach("fake", client, "--io-timeout", "1s")
    fake.on[Opcode.WRITE] = lambda frame: None if frame.epoch == 1 else fake.answer(frame)
    assert start(client, "write").result(30) == "ETIMEDOUT"
    assert start(client, "write").result(30) == ""
    assert [f.epoch for f in fake.frames if f.opcode == Opcode.WRITE] == [1, 2]
    client.dst.ctl("del", "fake")


def test_who_is_refused_does_not_keep_requests(fake: FakeServer, client: Machine) -> None:
    """One of two connections breaks and is not let in again: the other one cannot say that the
    server is done with what the first had, but a new epoch can."""
    fake.parallel = True
    fake.lies["max_connections"] = 2
    client.dst.attach("fake", client, "--connections", "2")
    client.wait("objects.storage_has", name="fake", connected=2)

    def cut(frame: Frame) -> None:
        assert fake.speaking is not None
        fake.on.clear()
        fake.refusal, fake.refuses = Status.RESOURCE, lambda hello: hello.epoch == 1
        fake.speaking.close()

    fake.on[Opcode.WRITE] = cut
    assert start(client, "write").result(60) == ""
    assert [f.epoch for f in fake.frames if f.opcode == Opcode.WRITE] == [1, 2]
    # Not before it was tried for a while.
    assert len([hello for hello in fake.hellos if hello.epoch == 1]) > 3
    client.wait("objects.storage_has", name="fake", connected=2)
    client.dst.ctl("del", "fake")


@pytest.mark.attack("another disk under the name of the old one", "refused")
def test_a_server_with_another_disk_is_not_taken_for_the_old_one(
    fake: FakeServer, client: Machine
) -> None:
    client.dst.attach("fake", client)
    fake.uuid = b"another disk ..."
    fake.hang_up()
    client.dst.wait_state("fake", "failed")
    assert "different disk" in client.dst.show("fake")["error"].lower()
    client.dst.ctl("del", "fake", "--force")


def test_a_silent_server_is_dropped(fake: FakeServer, client: Machine) -> None:
    """Connected, but it answers nothing: keepalive notices."""
    fake.lies = {"keepalive_ms": 1000}
    client.dst.attach("fake", client)
    for opcode in Opcode.PING, Opcode.READ:
        fake.on[opcode] = lambda frame: None if frame.epoch == 1 else fake.answer(frame)
    reading = start(client, "read")
    client.dst.wait_state("fake", "connected", epoch=2)
    fake.on.clear()
    assert reading.result(60) == ""
    client.dst.ctl("del", "fake")
