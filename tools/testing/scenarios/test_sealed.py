# SPDX-License-Identifier: GPL-2.0
"""Sealed connections: with the right keys a disk like any other, without them nothing."""

import re
import secrets
import uuid
from collections.abc import Callable

import pytest

from lab import fio
from lab.bed import Bed
from lab.dst import PORT
from lab.keyed import Keyed, Keys, copy, identity, key
from lab.machine import Machine
from lab.pool import GIB, Spec
from lab.sealed import HEADER as RECORD
from lab.sealed import TAG, Suite

SUITES = ("chacha20-poly1305", "aes-256-gcm")
COUNT = 3


@pytest.fixture
def keys(server: Machine, client: Machine) -> Keys:
    """Both have keys, and the server has an export for that of the client."""
    both = Keys(server, client)
    server.dst.export("disk", server.disk(0), "--allow-key", f"{both.public}:rw", allow=())
    return both


@pytest.fixture
def sealed(server: Machine, client: Machine, keys: Keys) -> str:
    """A disk over several sealed connections."""
    disk = client.dst.attach("disk", server, "--connections", str(COUNT), *keys.options)
    client.wait("objects.storage_has", 30, name="disk", connected=COUNT)
    return disk


def unharmed(server: Machine, client: Machine) -> None:
    """Nothing has failed, and nobody has noticed anything that is not authentic."""
    for counters in (
        client.dst.show("disk")["counters"],
        server.dst.show_export("disk")["counters"],
    ):
        for name in ("errors", "seal_errors", "digest_errors", "protocol_errors"):
            assert counters[name] == 0, counters


@pytest.mark.stock
@pytest.mark.parametrize("suite", SUITES)
def test_two_commands_and_keys_give_a_disk(
    server: Machine, client: Machine, keys: Keys, suite: str
) -> None:
    disk = client.dst.attach("disk", server, *keys.options, "--suite", suite)
    fio.verify(client, disk, blocks="512-256k", size=8)
    shown = client.dst.show("disk")
    assert shown["suite"] == suite, shown
    assert shown["server_key"] == keys.server and shown["public_key"] == keys.public
    (session,) = server.dst.json("sessions")
    assert session["key"] == keys.public
    assert client.sh("cat /sys/block/dst-disk/queue/stable_writes").strip() == "1"
    unharmed(server, client)


def test_a_preshared_key_besides(server: Machine, client: Machine) -> None:
    both = Keys(server, client)
    psk = f"/run/psk-{uuid.uuid4().hex}"
    server.dst.ctl("key", "preshared", "--out", psk)
    server.dst.export("disk", server.disk(0), "--keys-only", allow=())
    server.dst.ctl("export", "allow", "disk", "--key", f"{both.public}:rw", "--psk", psk)
    options = *both.options, "--psk", copy(server, psk, client)
    fio.verify(client, client.dst.attach("disk", server, *options), size=4)
    unharmed(server, client)


def test_several_connections_join(sealed: str, server: Machine, client: Machine) -> None:
    fio.verify(client, sealed, blocks="512-256k", size=16, jobs=2)
    assert client.dst.show("disk")["epoch"] == 1
    unharmed(server, client)


@pytest.mark.parametrize("operation", ["read", "write"])
def test_who_writes_into_its_own_buffer_does_no_harm(
    sealed: str, server: Machine, client: Machine, operation: str
) -> None:
    """What is sealed and opened is in memory that nobody else can get at."""
    args = {"path": sealed, "operation": operation, "sector": 0, "count": 2048, "rounds": 40}
    assert client.call("blockio.scribble", 120, **args) > 40
    counters = client.dst.show("disk")["counters"]
    assert counters["reconnects"] == counters["resent"] == 0, counters
    unharmed(server, client)


def log(machine: Machine) -> str:
    """What the kernel has said."""
    return machine.run("dmesg").out


def refused(
    server: Machine, client: Machine, *options: str, client_says: str, server_says: str
) -> None:
    """The storage is not added; both sides say why, once for each attempt, and nothing is left."""
    before = log(server)
    result = client.dst.ctl(
        "add", "disk", f"{server.address()}:{PORT}", "--timeout", "5s", *options, check=False
    )
    assert result.rc == 7, result
    (sentence,) = [line for line in result.err.splitlines() if not line.startswith("hint: ")]
    assert client_says in sentence, result
    assert client.dst.json("list") == []
    assert server.dst.json("sessions") == []
    # The kernel forgets what it has said long ago, and the client may be told before it says so.
    last = before.splitlines()[-1]
    server.wait("files.logged", text=server_says, count=1, since=last)
    said = log(server).rpartition(last)[2]
    peers = re.findall(rf"dst: (\S+) at \S+: [^\n]*{server_says}", said)
    # Until it is removed, the client may have tried once more.
    assert len(peers) in (1, 2) and len(set(peers)) == len(peers), said
    assert [said.count(peer) for peer in peers] == [1] * len(peers), said


def test_the_wrong_server(server: Machine, client: Machine, keys: Keys) -> None:
    _, other = key(server)
    refused(
        server,
        client,
        "--key",
        keys.path,
        "--server-key",
        other,
        client_says="keys do not match",
        server_says="keys do not match",
    )


def test_a_key_that_is_not_allowed(server: Machine, client: Machine, keys: Keys) -> None:
    path, _ = key(client)
    refused(
        server,
        client,
        "--key",
        path,
        "--server-key",
        keys.server,
        client_says="this key is not permitted",
        server_says="this key is not permitted",
    )


@pytest.mark.parametrize("case", ["none", "another"])
def test_the_wrong_preshared_key(server: Machine, client: Machine, case: str) -> None:
    both = Keys(server, client)
    psk = f"/run/psk-{uuid.uuid4().hex}"
    server.dst.ctl("key", "preshared", "--out", psk)
    server.dst.export("disk", server.disk(0), "--keys-only", allow=())
    server.dst.ctl("export", "allow", "disk", "--key", f"{both.public}:rw", "--psk", psk)
    options = both.options
    if case == "another":
        client.dst.ctl("key", "preshared", "--out", psk)
        options = *options, "--psk", psk
    refused(
        server,
        client,
        *options,
        client_says="preshared key",
        server_says="preshared key",
    )


def test_a_plain_client_of_a_sealed_export(server: Machine, client: Machine, keys: Keys) -> None:
    text = "this export needs keys"
    refused(server, client, client_says=text, server_says=text)


def test_a_sealed_client_of_a_plain_export(server: Machine, client: Machine) -> None:
    both = Keys(server, client)
    server.dst.export("disk", server.disk(0))
    refused(
        server,
        client,
        *both.options,
        client_says="this key is not permitted",
        server_says="no keys to check a client against",
    )


def test_a_server_without_a_key(server: Machine, client: Machine) -> None:
    path, public = key(client)
    server.dst.export("disk", server.disk(0))
    text = "this server has no key"
    refused(
        server, client, "--key", path, "--server-key", public, client_says=text, server_says=text
    )


@pytest.mark.attack("a client insists on a suite that the server does not allow", "refused")
@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_that_the_server_does_not_allow(
    server: Machine, client: Machine, keys: Keys, suite: str
) -> None:
    server.dst.ctl("server", "set", "--suite", suite)
    (other,) = set(SUITES) - {suite}
    text = f"this server seals only with {suite}"
    options = *keys.options, "--suite", other
    refused(server, client, *options, client_says=text, server_says=text)
    # Whoever leaves the choice to the server gets in, and so does everybody when it has one again.
    client.dst.attach("disk", server, *keys.options)
    assert client.dst.show("disk")["suite"] == suite
    client.dst.ctl("del", "disk")
    server.dst.ctl("server", "set", "--suite", "any")
    client.dst.attach("disk", server, *options)
    assert client.dst.show("disk")["suite"] == other
    unharmed(server, client)


def test_no_common_suite_is_never_plain(server: Machine, client: Machine, keys: Keys) -> None:
    """A digest and keys exclude each other, and nothing is left out on the quiet."""
    result = client.dst.ctl(
        "add",
        "disk",
        f"{server.address()}:{PORT}",
        *keys.options,
        "--digest",
        "crc32c",
        check=False,
    )
    assert result.rc == 2, result
    assert client.dst.json("list") == []


# Over time.


@pytest.mark.parametrize("suite", SUITES)
def test_another_suite_is_for_connections_that_begin_later(
    bed: Bed, sealed: str, server: Machine, client: Machine, suite: str
) -> None:
    """Those that exist go on; whichever way one begins, it is sealed with nothing else."""
    before = client.dst.show("disk")["suite"]
    (other,) = set(SUITES) - {suite}
    server.dst.ctl("server", "set", "--suite", suite)
    fio.verify(client, sealed, size=4)
    shown = client.dst.show("disk")
    assert (shown["suite"], shown["counters"]["reconnects"]) == (before, 0), shown
    # One joins; then another epoch begins, with a whole handshake.
    client.run("ss", "-tK", f"sport = :{ports(client)[0]}")
    client.wait("objects.storage_has", 30, name="disk", connected=COUNT, reconnects=1)
    shown = client.dst.show("disk")
    assert (shown["suite"], shown["epoch"]) == (suite, 1), shown
    fio.verify(client, sealed, size=4)
    server.dst.ctl("server", "set", "--suite", other)
    with bed.board.cut(server, client):
        client.run("ss", "-tK", f"dport = :{PORT}")
        client.wait("objects.storage_has", 30, name="disk", connected=0)
    client.dst.wait_state("disk", "connected", timeout=60, epoch=2)
    client.wait("objects.storage_has", 30, name="disk", connected=COUNT)
    assert client.dst.show("disk")["suite"] == other
    fio.verify(client, sealed, size=4)
    unharmed(server, client)


def begin(client: Machine, disk: str, size: int = 64) -> object:
    """I/O in the background that really flows."""
    job = fio.start(client, disk, blocks="512-64k", size=size, depth=16, rate=16)
    client.wait("stat.written_at_least", 30, device="dst-disk", sectors=2048)
    return job


def ports(client: Machine) -> list[int]:
    """Local ports of the client's connections."""
    text = client.run("ss", "-tnOH", "state", "established", f"dport = :{PORT}").out
    return sorted(int(line.split()[2].rsplit(":", 1)[1]) for line in text.splitlines())


def test_one_connection_breaks(sealed: str, server: Machine, client: Machine) -> None:
    """It joins again, in the same epoch."""
    job = begin(client, sealed)
    for round in range(6):
        client.run("ss", "-tK", f"sport = :{ports(client)[round % COUNT]}")
        client.wait("objects.storage_has", 30, name="disk", connected=COUNT, reconnects=round + 1)
    assert job.wait(120).rc == 0
    assert client.dst.show("disk")["epoch"] == 1
    unharmed(server, client)


def test_all_connections_break(bed: Bed, sealed: str, server: Machine, client: Machine) -> None:
    """Another epoch begins with a whole handshake, whether the server has noticed or not."""
    job = begin(client, sealed)
    for epoch in range(2, 6):
        with bed.board.cut(server, client):
            for side in (client, server)[: 1 + epoch % 2]:
                side.run("ss", "-tK", f"sport = :{PORT} or dport = :{PORT}")
            client.wait("objects.storage_has", 30, name="disk", connected=0)
        client.dst.wait_state("disk", "connected", timeout=60, epoch=epoch)
    assert job.wait(120).rc == 0
    unharmed(server, client)


def test_the_server_is_restarted(sealed: str, server: Machine, client: Machine, keys: Keys) -> None:
    identity_of = server.dst.show_export("disk")["uuid"]
    path = server.sh("ls -t /run/key-* | head -n 1").strip()
    job = begin(client, sealed)
    server.dst.ctl("export", "del", "disk", "--force")
    server.dst.unload()
    server.dst.load()
    server.dst.ctl("server", "set", "--key", path)
    server.dst.export(
        "disk",
        server.disk(0),
        "--allow-key",
        f"{keys.public}:rw",
        "--uuid",
        identity_of,
        allow=(),
    )
    assert job.wait(120).rc == 0
    client.wait("objects.storage_has", 30, name="disk", connected=COUNT)
    unharmed(server, client)


def test_it_moves_to_another_server(bed: Bed) -> None:
    first, second, client = bed.machines(
        Spec("server", disks=(GIB,)), Spec("server"), Spec("client")
    )
    both = Keys(first, client)
    allow = "--allow-key", f"{both.public}:rw"
    first.dst.export("disk", first.disk(0), "--share-device", *allow, allow=())
    first.dst.export("mirror", first.disk(0), "--share-device", port=PORT + 1)
    second.dst.attach("mirror", first, port=PORT + 1)
    theirs = identity(second)
    of_disk = first.dst.show_export("disk")["uuid"]
    second.dst.export("disk", "/dev/dst-mirror", "--uuid", of_disk, *allow, allow=())
    job = begin(client, client.dst.attach("disk", first, *both.options), size=48)
    for target, public in ((second, theirs), (first, both.server)):
        client.dst.ctl("migrate", "disk", f"{target.address()}:{PORT}", "--server-key", public)
        assert client.dst.show("disk")["peer"].startswith(target.address())
    assert job.wait(180).rc == 0
    unharmed(first, client)


@pytest.mark.parametrize("suite", SUITES)
def test_keys_are_replaced_under_load(bed: Bed, suite: str) -> None:
    """With a limit that is reached many times a second."""
    server, client = bed.pair(load=False)
    for machine in server, client:
        machine.dst.load("rekey_bytes=65536")
    both = Keys(server, client)
    server.dst.export("disk", server.disk(0), "--allow-key", f"{both.public}:rw", allow=())
    disk = client.dst.attach("disk", server, *both.options, "--suite", suite)
    fio.verify(client, disk, blocks="512-256k", size=16)
    assert client.dst.show("disk")["epoch"] == 1
    unharmed(server, client)


def sent(client: Machine) -> int:
    """Bytes that have arrived over the only connection of the client."""
    text = client.run("ss", "-tniOH", "state", "established", f"dport = :{PORT}").out
    (acknowledged,) = re.findall(r"bytes_acked:(\d+)", text)
    return int(acknowledged)


def beat(client: Machine, disk: str, count: int) -> float:
    """Write so many pages, one by one; the longest that one of them took."""
    client.call("pulse.start", path=disk)
    client.wait("pulse.reached", 120, path=disk, beats=count)
    longest, error = client.call("pulse.longest", path=disk)
    client.call("pulse.stop", path=disk)
    assert error == ""
    return longest


@pytest.mark.parametrize("suite", SUITES)
def test_nothing_waits_for_new_keys(bed: Bed, suite: str) -> None:
    """Single writes take no longer for it, alone and beside others."""
    server, client = bed.pair(load=False)
    longest = []
    for words in (), ("rekey_bytes=8192",):
        for machine in server, client:
            machine.dst.load(*words)
        both = Keys(server, client)
        allow = "--allow-key", f"{both.public}:rw"
        # Nothing but what is written goes over the line.
        server.dst.export("disk", server.disk(0), *allow, "--keepalive", "10m", allow=())
        disk = client.dst.attach("disk", server, *both.options, "--suite", suite)
        before, written = sent(client), client.dst.show("disk")["counters"]["writes"]
        alone = beat(client, disk, 500)
        writes = client.dst.show("disk")["counters"]["writes"] - written
        # A write is its header and a page, each with a tag; what remains are REKEYs.
        rekeys, rest = divmod(sent(client) - before - writes * (RECORD + 4096 + TAG), RECORD)
        assert rest == 0 and rekeys >= (writes // 3 if words else 0), (rekeys, rest, writes)
        assert words or rekeys == 0
        job = fio.start(client, disk, size=32, rate=8, extra=("--offset=1M",))
        client.wait("stat.written_at_least", 30, device="dst-disk", sectors=written + 4096)
        longest.append(max(alone, beat(client, disk, 500)))
        assert job.wait(120).rc == 0
        assert client.dst.show("disk")["epoch"] == 1
        unharmed(server, client)
        for machine in client, server:
            machine.dst.clear()
            machine.dst.unload()
    usual, changing = longest
    # This machine may have other things to do.
    assert changing < max(client.flavour.slowness, 4 * usual), longest


@pytest.mark.parametrize("suite", list(Suite))
def test_new_keys_of_the_server_are_those_of_the_specification(bed: Bed, suite: Suite) -> None:
    """Two kernels could agree on anything, even on the same key once more."""
    (server,) = bed.machines(Spec("server", disks=(GIB,)), load=False)
    server.dst.load("rekey_bytes=65536")
    keyed = Keyed(server)
    client = keyed.client(keyed.bob, suites=suite)
    client.hello("disk")
    assert client.incoming
    first = used = client.incoming.key
    changes = 0
    for number in range(64):
        data = secrets.token_bytes(32 * 512)
        client.write(32 * number, data)
        assert client.read(32 * number, 32) == data
        changes += used != client.incoming.key
        used = client.incoming.key
    assert changes >= 8 and used != first
    assert keyed.errors() == 0
    client.close()
    keyed.honest.close()


# On the wire.

PATTERN = b"nobody is to read this!!" * 512


def overheard(bed: Bed, client: Machine, disk: str, write: Callable[[], None]) -> int:
    """In how many packets the data is that is written and read."""
    bed.board.heal()
    bed.board.listen(PATTERN[:24])
    write()
    client.sh("echo 3 > /proc/sys/vm/drop_caches")
    client.sh(f"dd if={disk} of=/dev/null bs=64k count=15 iflag=direct status=none")
    return bed.board.counts().get("overheard", 0)


def test_nothing_is_readable(bed: Bed, server: Machine, client: Machine, keys: Keys) -> None:
    """What is plain to see without keys is not there with them."""
    client.put("/run/pattern", PATTERN * ((1 << 20) // len(PATTERN)))

    def write() -> None:
        client.sh(f"dd if=/run/pattern of={disk} bs=4k oflag=direct status=none")

    disk = client.dst.attach("disk", server, *keys.options)
    assert overheard(bed, client, disk, write) == 0
    client.dst.ctl("del", "disk")
    server.dst.ctl("export", "del", "disk")
    server.dst.export("disk", server.disk(0))
    disk = client.dst.attach("disk", server)
    assert overheard(bed, client, disk, write) > 100, "the ear is deaf"


@pytest.mark.parametrize("direction", ["to the server", "to the client"])
def test_what_was_changed_is_not_believed(
    bed: Bed, server: Machine, client: Machine, keys: Keys, direction: str
) -> None:
    disk = client.dst.attach("disk", server, *keys.options)
    source, target = (client, server) if direction == "to the server" else (server, client)
    bed.board.heal(seed=5)
    job = {"blocks": "4k-64k", "align": 4096, "size": 16}
    bed.board.direction(source, target, scramble=32 / fio.packets(client, **job))
    fio.verify(client, disk, **job)
    assert bed.board.counts()["scramble"] >= 5
    bed.board.direction(source, target)
    client.dst.wait_state("disk", "connected")
    ours = client.dst.show("disk")["counters"]
    theirs = server.dst.show_export("disk")["counters"]
    noticed, other = (theirs, ours) if target is server else (ours, theirs)
    assert noticed["seal_errors"] >= 3, (ours, theirs)
    assert other["seal_errors"] == 0
    for counters in ours, theirs:
        assert counters["errors"] == 0 and counters["protocol_errors"] == 0, counters
