# SPDX-License-Identifier: GPL-2.0
"""Digests: what the network changes unnoticed is never data."""

import secrets
from collections.abc import Iterator

import pytest

from lab import fio, wire
from lab.bed import Bed
from lab.fake import FakeServer
from lab.machine import Machine
from lab.peer import Client, Closed, Refused
from lab.wire import Opcode, Status

# Kernels are built with all of these; others only in the lab.
USUAL = ("crc32c", "sha256", "sha512", "hmac(sha256)")
UNUSUAL = [
    pytest.param(name, marks=pytest.mark.built("digests that it does not have"))
    for name in sorted(set(wire.DIGESTS) - set(USUAL))
]


@pytest.mark.stock
@pytest.mark.parametrize("name", USUAL)
def test_a_usual_digest(server: Machine, client: Machine, name: str) -> None:
    moves_data(server, client, name)


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_digest(server: Machine, client: Machine, name: str) -> None:
    moves_data(server, client, name)


def moves_data(server: Machine, client: Machine, name: str) -> None:
    """Write and read with a digest; nothing is ever wrong with it."""
    server.dst.export("disk", server.disk(0))
    disk = client.dst.attach("disk", server, "--digest", name, "--connections", "2")
    fio.verify(client, disk, blocks="512-256k", size=8)
    shown = client.dst.show("disk")
    assert shown["digest"] == name
    assert shown["connected"] == 2 and shown["epoch"] == 1, shown
    assert shown["counters"]["digest_errors"] == 0
    assert server.dst.show_export("disk")["counters"]["digest_errors"] == 0
    assert client.sh("cat /sys/block/dst-disk/dst/digest").strip() == name
    assert client.sh("cat /sys/block/dst-disk/queue/stable_writes").strip() == "1"


def test_without_a_digest_pages_need_not_be_stable(disk: str, client: Machine) -> None:
    assert client.dst.show("disk")["digest"] is None
    assert client.sh("cat /sys/block/dst-disk/queue/stable_writes").strip() == "0"


@pytest.mark.parametrize("direction", ["to the server", "to the client"])
@pytest.mark.parametrize("name", ["crc32c", "hmac(sha256)"])
def test_damage_is_never_data(
    bed: Bed, server: Machine, client: Machine, name: str, direction: str
) -> None:
    """A wire that exchanges words of the data, which the checksum of TCP does not notice."""
    server.dst.export("disk", server.disk(0))
    disk = client.dst.attach("disk", server, "--digest", name)
    source, target = (client, server) if direction == "to the server" else (server, client)
    bed.board.heal(seed=11)
    job = {"blocks": "4k-64k", "align": 4096, "size": 24}
    bed.board.direction(source, target, scramble=32 / fio.packets(client, **job))
    fio.verify(client, disk, **job)
    assert bed.board.counts()["scramble"] >= 5
    bed.board.direction(source, target)
    client.dst.wait_state("disk", "connected")
    shown = client.dst.show("disk")
    theirs = server.dst.show_export("disk")["counters"]
    ours = shown["counters"]
    noticed = theirs if target is server else ours
    assert noticed["digest_errors"] >= 3, (ours, theirs)
    assert (ours if target is server else theirs)["digest_errors"] == 0
    assert ours["reconnects"] >= noticed["digest_errors"]
    assert ours["errors"] == 0 and theirs["errors"] == 0
    name = "export-disk" if target is server else "dst-disk"
    counter = f"cat /sys/class/dst/{name}/digest_errors"
    if target is client:
        counter = "cat /sys/block/dst-disk/dst/digest_errors"
    assert int(target.sh(counter)) >= noticed["digest_errors"]


@pytest.mark.parametrize("operation", ["read", "write"])
def test_who_writes_into_its_own_buffer_does_no_harm(
    server: Machine, client: Machine, operation: str
) -> None:
    """The digest is that of what was sent, whatever becomes of the memory that it comes from."""
    server.dst.export("disk", server.disk(0))
    disk = client.dst.attach("disk", server, "--digest", "crc32c")
    args = {"path": disk, "operation": operation, "sector": 0, "count": 2048, "rounds": 40}
    assert client.call("blockio.scribble", 120, **args) > 40
    ours = client.dst.show("disk")["counters"]
    theirs = server.dst.show_export("disk")["counters"]
    for counters in ours, theirs:
        assert counters["digest_errors"] == counters["errors"] == 0, (ours, theirs)
    assert ours["reconnects"] == ours["resent"] == 0, ours


@pytest.fixture
def peer(server: Machine) -> Iterator[Client]:
    # What a test does meanwhile takes its time on a busy machine.
    server.dst.export(
        "disk",
        server.disk(0),
        "--shared-writers",
        "--keepalive",
        "2m",
        allow=("127.0.0.0/8:rw",),
    )
    yield Client(server, timeout=60)


@pytest.mark.parametrize("name", [*USUAL, *UNUSUAL])
def test_digests_are_those_of_the_specification(server: Machine, peer: Client, name: str) -> None:
    peer.hello_with_digest("disk", name)
    for sector, sectors in ((0, 1), (5, 8), (64, 200)):
        data = secrets.token_bytes(sectors * wire.SECTOR)
        digest = wire.DIGESTS[name](peer.session, data)
        frame = peer.request(Opcode.WRITE, sector, sectors, payload=data, trailer=digest)
        assert peer.ask(frame).status == Status.OK
        answer = peer.ask(peer.request(Opcode.READ, sector, sectors))
        assert answer.payload == data
        assert answer.trailer == digest
    assert server.dst.show_export("disk")["counters"]["digest_errors"] == 0


def test_what_has_a_wrong_digest_is_not_written(server: Machine, peer: Client) -> None:
    good, evil = b"good" * 1024, b"evil" * 1024
    digest = wire.DIGESTS["sha256"](peer.session, good)
    peer.hello_with_digest("disk", "sha256")
    frame = peer.request(Opcode.WRITE, 8, 8, payload=good, trailer=digest)
    assert peer.ask(frame).status == Status.OK
    for trailer in (digest, bytes(32), digest[:-1] + b"?"):
        client = Client(server, timeout=60)
        client.hello_with_digest("disk", "sha256")
        client.send(client.request(Opcode.WRITE, 8, 8, payload=evil, trailer=trailer))
        with pytest.raises(Closed):
            client.answer()
    assert peer.ask(peer.request(Opcode.READ, 8, 8)).payload == good
    counters = server.dst.show_export("disk")["counters"]
    assert counters["digest_errors"] == 3, counters
    assert counters["protocol_errors"] == 0 and counters["errors"] == 0, counters
    assert "digest mismatch" in server.dst.show_export("disk")["error"]


def test_refused_data_takes_its_digest_along(peer: Client) -> None:
    """What is skipped is skipped whole: the next frame is found."""
    peer.hello_with_digest("disk", "sha512")
    for sector in (1 << 40, (1 << 30) // 512):
        frame = peer.request(Opcode.WRITE, sector, 8, payload=bytes(4096), trailer=bytes(64))
        assert peer.ask(frame).status == Status.RANGE
    answer = peer.ask(peer.request(Opcode.READ, 1 << 40, 8))
    assert (answer.status, answer.payload) == (Status.RANGE, b"")
    assert peer.alive()


@pytest.mark.parametrize("name", ["md5", "sha1", "pcrypt(sha256)", "x" * 32])
def test_the_server_says_which_digests_it_has(peer: Client, name: str) -> None:
    more = wire.attribute(wire.Attribute.DIGEST | wire.CRITICAL, name.encode())
    with pytest.raises(Refused) as refused:
        peer.hello("disk", features=wire.DIGEST, more=more)
    assert refused.value.status == Status.FEATURE
    for known in USUAL:
        assert known in refused.value.message


def test_a_digest_that_is_not_offered_is_invalid(peer: Client) -> None:
    more = wire.attribute(wire.Attribute.DIGEST | wire.CRITICAL, b"crc32c")
    with pytest.raises(Refused) as refused:
        peer.hello("disk", features=0, more=more)
    assert refused.value.status == Status.INVALID


def test_a_feature_alone_changes_nothing(peer: Client) -> None:
    assert peer.hello("disk", features=wire.DIGEST).features == 0
    peer.write(0, b"data" * 128)
    assert peer.read(0, 1) == b"data" * 128


@pytest.fixture
def fake(client: Machine) -> Iterator[FakeServer]:
    server = FakeServer(client)
    yield server
    server.stop()


def test_a_client_never_goes_on_without(fake: FakeServer, client: Machine) -> None:
    """A server that welcomes, but does not know of digests, or that refuses them."""
    add = ("add", "fake", "127.0.0.1", "--digest", "crc32c", "--timeout", "2s")
    result = client.dst.ctl(*add, check=False)
    assert result.rc == 7, result
    assert "does not agree on the features" in result.err, result
    fake.refusal = Status.FEATURE
    result = client.dst.ctl(*add, check=False)
    assert result.rc == 7, result
    assert "does not offer this digest" in result.err, result
    assert "because the test says so" in result.err, result
    assert client.dst.json("list") == []
    assert fake.frames == []
    for hello in fake.hellos:
        assert hello.features == wire.DIGEST


def test_a_digest_that_does_not_exist(client: Machine) -> None:
    result = client.dst.ctl("add", "fake", "127.0.0.1", "--digest", "md5", check=False)
    assert result.rc == 2, result
    assert "no such digest; there are crc32c" in result.err
