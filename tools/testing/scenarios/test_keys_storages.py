# SPDX-License-Identifier: GPL-2.0
"""Keys of storages: set, shown and changed; without the right ones there is no connection."""

import time
from typing import Any

import pytest

from lab.dst import PORT, TOOL
from lab.machine import Machine
from lab.wild import WildDisk
from scenarios.test_keys import Key, raw, request
from scenarios.test_netlink import address, ynl


def keyed(client: Machine, server: Machine, *words: str) -> tuple[Key, Key, Any]:
    """Try to add a storage with keys: its key, that of the server, and how it went."""
    own, theirs = Key(client), Key(server)
    result = client.dst.ctl(
        "add", "disk", server.address(), "--key", own.path, "--server-key", theirs.public, *words,
        check=False,
    )  # fmt: skip
    return own, theirs, result


@pytest.mark.stock
def test_a_storage_with_keys_never_connects_in_plain(server: Machine, client: Machine) -> None:
    """Though the server would let it in by its address."""
    server.dst.export("disk", server.disk(0))
    _, _, result = keyed(client, server)
    assert result.rc == 7, result
    assert client.dst.json("list") == []
    _, _, result = keyed(client, server, "--timeout", "0")
    assert result.rc == 0, result
    client.dst.wait_state("disk", "failed")
    shown = client.dst.show("disk")
    assert shown["device"] is None and shown["connected"] == 0 and shown["error"]
    assert server.dst.json("sessions") == []
    assert server.dst.show_export("disk")["counters"]["reads"] == 0
    # Not by another address and not by any change either.
    client.dst.ctl("set", "disk", "--server", f"{server.address()}:{PORT}", "--suite", "any")
    client.dst.ctl("set", "disk", "--connections", "2")
    client.wait("control.shows", name="disk", field="state", value="failed")
    assert server.dst.json("sessions") == []
    client.dst.ctl("del", "disk")


def test_keys_of_a_storage_are_set_shown_and_changed(server: Machine, client: Machine) -> None:
    psk = Key(client, "preshared")
    own, theirs, result = keyed(
        client, server, "--timeout", "0", "--psk", psk.path, "--suite", "aes-256-gcm"
    )
    assert result.rc == 0, result

    def shown() -> tuple[str, str, bool, str]:
        storage = client.dst.show("disk")
        return (
            storage["public_key"],
            storage["server_key"],
            storage["psk"],
            storage["suite"],
        )

    now = [own.public, theirs.public, True, "aes-256-gcm"]
    assert shown() == tuple(now)
    text = client.dst.ctl("show", "disk").out
    assert own.public in text and theirs.public in text and "aes-256-gcm" in text
    other, third = Key(client), Key(client)
    for words, index, value in (
        (("--server-key", other.public), 1, other.public),
        (("--no-psk",), 2, False),
        (("--psk", psk.path), 2, True),
        (("--suite", "chacha20-poly1305"), 3, "chacha20-poly1305"),
        (("--suite", "any"), 3, "any"),
        (("--key", third.path), 0, third.public),
    ):
        client.dst.ctl("set", "disk", *words)
        now[index] = value
        assert shown() == tuple(now), words
    told = raw(ynl(client, "--do", "storage-get", name="disk"))
    assert told["public-key"] == third.digits and told["server-key"] == other.digits
    assert "key-fd" not in told and "psk-fd" not in told


def test_a_storage_without_keys_shows_none(disk: str, client: Machine) -> None:
    shown = client.dst.show("disk")
    assert (shown["public_key"], shown["server_key"], shown["psk"], shown["suite"]) == (
        None,
        None,
        False,
        None,
    )


def test_half_of_the_keys_are_refused(disk: str, server: Machine, client: Machine) -> None:
    key, before = Key(client), client.dst.show("disk")
    secret = {"key-fd": ("memory", key.secret)}
    psk = {"psk-fd": ("memory", key.secret)}
    places = [address(server.address())]
    for operation, secrets, attributes in (
        ("storage-add", secret, {"name": "new", "address": places}),
        ("storage-add", psk, {"name": "new", "address": places}),
        ("storage-add", {}, {"name": "new", "address": places, "server_key": key.digits}),
        ("storage-add", {}, {"name": "new", "address": places, "suite": "aes-256-gcm"}),
        ("storage-set", secret, {"name": "disk"}),
        ("storage-set", psk, {"name": "disk"}),
        ("storage-set", {}, {"name": "disk", "server_key": key.digits}),
        ("storage-set", {}, {"name": "disk", "no_psk": True}),
        ("storage-migrate", secret, {"name": "disk", "address": places}),
    ):
        refusal = request(client, operation, secrets, **attributes)
        assert "sealed connections need key-fd and server-key" in refusal, (operation, refusal)
    refusal = request(
        client, "storage-set", {**secret, **psk}, name="disk", server_key=key.digits, no_psk=True
    )
    assert "exclude each other" in refusal, refusal
    # Who is told to use a digest has data that is sent in plain.
    refusal = request(
        client,
        "storage-add",
        secret,
        name="new",
        address=places,
        server_key=key.digits,
        digest="crc32c",
    )
    assert "use keys or a digest, not both" in refusal, refusal
    after = client.dst.show("disk")
    for field in ("state", "epoch", "session", "public_key", "server_key"):
        assert after[field] == before[field], field
    assert [storage["name"] for storage in client.dst.json("list")] == ["disk"]


@pytest.mark.stock
def test_keys_that_do_not_work_leave_a_storage_as_it_was(
    disk: str, server: Machine, client: Machine
) -> None:
    """The command says so, and I/O goes on by the way that it had, in a session of its own."""
    own, theirs, before = Key(client), Key(server), client.dst.show("disk")
    client.call("blockio.write", path=disk, sector=0, count=64, seed=1)
    words = ("--key", own.path, "--server-key", theirs.public)
    result = client.dst.ctl("set", "disk", *words, check=False)
    assert result.rc not in (0, None), result
    shown = client.dst.show("disk")
    assert shown["public_key"] is None and shown["server_key"] is None
    client.call("blockio.write", path=disk, sector=64, count=64, seed=2)
    client.dst.wait_state("disk", "connected")
    assert client.call("blockio.wrong", path=disk, sector=0, count=64, seed=1) == []
    assert client.call("blockio.wrong", path=disk, sector=64, count=64, seed=2) == []
    after = client.dst.show("disk")
    assert after["session"] != before["session"] and after["epoch"] > before["epoch"]
    assert after["counters"]["errors"] == 0
    server.wait("control.export_shows", name="disk", field="sessions", value=1)
    assert server.dst.json("sessions")[0]["id"] == after["session"]


def test_a_change_that_takes_long_leaves_alone_what_it_does_not_mention(
    server: Machine, client: Machine
) -> None:
    """It waits for a write, and meanwhile somebody else sets for how long requests may wait."""
    own, other, theirs = Key(client), Key(client), Key(server)
    slow = WildDisk(server)
    server.dst.ctl("server", "set", "--key", theirs.path)
    allowed = [word for key in (own, other) for word in ("--allow-key", f"{key.public}:rw")]
    server.dst.export("disk", slow.path, *allowed, allow=())
    words = "--key", own.path, "--server-key", theirs.public, "--connections", "1"
    disk = client.dst.attach("disk", server, *words)
    slow.hold(1)
    write = {"path": disk, "sector": 0, "count": 8, "seed": 1}
    writing = client.start_call("blockio.write", **write)
    slow.wait_held()
    words = "--key", other.path, "--connections", "2", "--fail-after", "1m"
    change = client.spawn(TOOL, "set", "disk", *words)
    # As long as it has not begun, there is nothing to refuse.
    deadline = time.monotonic() + 20 * client.flavour.slowness
    while (result := client.dst.ctl("resume", "disk", check=False)).rc == 0:
        assert time.monotonic() < deadline
    assert "being changed already" in result.err, result
    client.dst.ctl("set", "disk", "--io-timeout", "5m")
    assert change.poll().rc is None and not writing.done()
    slow.release()
    assert change.wait(60).rc == 0
    writing.result(30)
    client.wait("objects.storage_has", 20, name="disk", connected=2)
    shown = client.dst.show("disk")
    assert shown["public_key"] == other.public and shown["connections"] == 2, shown
    assert shown["fail_after_ms"] == 60_000 and shown["io_timeout_ms"] == 300_000, shown
    assert client.call("blockio.wrong", **write) == []
    client.dst.ctl("del", "disk")
    server.dst.ctl("export", "del", "disk", "--force")
    slow.remove()
