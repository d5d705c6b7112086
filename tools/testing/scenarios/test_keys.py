# SPDX-License-Identifier: GPL-2.0
"""Keys of servers, exports and storages: set, shown, changed, revoked, and never told."""

import base64
import json
import uuid
from typing import Any

import pytest

from lab.dst import PORT, TOOL
from lab.machine import Machine, Result
from scenarios.test_netlink import ynl

ZERO = "00" * 32


class Key:
    """A key in a file of a machine."""

    def __init__(self, machine: Machine, kind: str = "generate") -> None:
        self.path = f"/run/key-{uuid.uuid4().hex}"
        machine.dst.ctl("key", kind, "--out", self.path)
        self.secret = base64.b64decode(machine.get(self.path)).hex()
        self.public = ""
        if kind == "generate":
            self.public = machine.dst.ctl("key", "public", self.path).out.strip()

    @property
    def digits(self) -> str:
        """The public key as hexadecimal digits."""
        return base64.b64decode(self.public).hex()


def request(
    machine: Machine,
    operation: str,
    secrets: dict[str, tuple[str, str]] | None = None,
    inside: str = "",
    **attributes: object,
) -> str:
    """One operation by the kernel's own client, with descriptors; the refusal."""
    attributes = {name.replace("_", "-"): value for name, value in attributes.items()}
    return machine.call(
        "keys.request",
        operation=operation,
        attributes=attributes,
        secrets=secrets or {},
        inside=inside,
    )


def raw(result: Result) -> dict[str, Any]:
    """What the kernel's own client tells of an object, with the digits of bytes side by side."""
    told = json.loads(result.out)
    return {k: v.replace(" ", "") if isinstance(v, str) else v for k, v in told.items()}


def allowed(server: Machine, name: str = "disk") -> dict[str, tuple[str, bool]]:
    """The keys of an export, what they may do, and whether they have a preshared key."""
    keys = server.dst.show_export(name)["keys"]
    return {key["key"]: (key["access"], key["psk"]) for key in keys}


def revoked(server: Machine) -> int:
    """How many connections of the export were cut."""
    return server.dst.show_export("disk")["counters"]["revoked"]


# The server.


@pytest.mark.stock
def test_the_server_has_a_key(server: Machine) -> None:
    assert server.dst.json("server", "show")["public_key"] is None
    for _ in range(2):
        key = Key(server)
        assert server.dst.json("server", "set", "--key", key.path)["public_key"] == key.public
        assert server.dst.json("server", "show")["public_key"] == key.public
        assert key.public in server.dst.ctl("server", "show").out
        assert raw(ynl(server, "--do", "server-get"))["public-key"] == key.digits
    server.dst.unload()
    server.dst.load()
    assert server.dst.json("server", "show")["public_key"] is None


def test_the_suite_of_the_server_is_set_and_shown(server: Machine) -> None:
    """With a key or without, and by either tool."""

    def shown() -> tuple[str, str]:
        suite = server.dst.json("server", "show")["suite"]
        assert f"suite: {suite}\n" in server.dst.ctl("server", "show").out
        return suite, json.loads(ynl(server, "--do", "server-get").out)["suite"]

    assert shown() == ("any", "any")
    server.dst.ctl("server", "set", "--suite", "aes-256-gcm")
    assert shown() == ("aes-256-gcm", "aes-256-gcm")
    # What is not mentioned stays.
    key = Key(server)
    server.dst.ctl("server", "set", "--key", key.path, "--sessions", "7")
    assert shown() == ("aes-256-gcm", "aes-256-gcm")
    ynl(server, "--do", "server-set", suite="chacha20-poly1305")
    assert shown() == ("chacha20-poly1305", "chacha20-poly1305")
    assert server.dst.json("server", "show")["public_key"] == key.public
    result = ynl(server, "--do", "server-set", check=False, suite=3)
    assert result.rc != 0 and shown()[0] == "chacha20-poly1305", result
    server.dst.ctl("server", "set", "--suite", "any")
    assert shown() == ("any", "any")
    server.dst.ctl("server", "set", "--suite", "aes-256-gcm")
    server.dst.unload()
    server.dst.load()
    assert shown() == ("any", "any")


def test_the_kernels_own_client_hands_over_a_key(server: Machine) -> None:
    key = Key(server)
    words = {"key-fd": ("memory", key.secret)}
    assert request(server, "server-set", words) == ""
    assert server.dst.json("server", "show")["public_key"] == key.public
    # The same from a shell: descriptors are inherited, and /dev/shm is memory.
    other = Key(server)
    server.put("/dev/shm/key", bytes.fromhex(other.secret), mode=0o600)
    server.sh(
        "exec 9</dev/shm/key; rm /dev/shm/key; cd /machine/pyynl;"
        "python3 cli.py --spec /machine/dst.yaml --no-schema --do server-set"
        " --json '{\"key-fd\": 9}'"
    )
    assert server.dst.json("server", "show")["public_key"] == other.public


# Exports.


@pytest.mark.stock
def test_keys_of_an_export_are_set_shown_changed_and_revoked(server: Machine) -> None:
    one, two, psk = Key(server), Key(server), Key(server, "preshared")
    export = server.dst.json(
        "export", "add", "disk", server.disk(0), "--listen", f"[::]:{PORT}",
        "--allow-key", f"{one.public}:ro",
    )  # fmt: skip
    assert export["keyed"] and export["allow"] == []
    assert allowed(server) == {one.public: ("read-only", False)}

    def change(*words: str) -> dict[str, tuple[str, bool]]:
        server.dst.ctl("export", words[0], "disk", *words[1:])
        return allowed(server)

    assert change("allow", "--key", f"{one.public}:rw") == {one.public: ("read-write", False)}
    words = ("allow", "--key", f"{two.public}:ro", "--psk", psk.path)
    assert change(*words)[two.public] == ("read-only", True)
    # What is not mentioned stays.
    assert change("allow", "--key", f"{two.public}:rw")[two.public] == ("read-write", True)
    assert change("allow", "--key", f"{two.public}:rw", "--no-psk") == {
        one.public: ("read-write", False),
        two.public: ("read-write", False),
    }
    assert change("disallow", "--key", one.public) == {two.public: ("read-write", False)}
    result = server.dst.ctl("export", "disallow", "disk", "--key", one.public, check=False)
    assert result.rc == 3 and one.public in result.err, result
    # Without the last one it is closed, not open.
    assert change("disallow", "--key", two.public) == {}
    assert server.dst.show_export("disk")["keyed"]
    assert server.read("/sys/class/dst/export-disk/keyed") == "1"
    assert "nobody" in server.dst.ctl("export", "show", "disk").out
    assert change("set", "--no-keys") == {}
    assert not server.dst.show_export("disk")["keyed"]
    assert server.read("/sys/class/dst/export-disk/keyed") == "0"
    assert change("set", "--keys-only") == {}
    assert server.dst.show_export("disk")["keyed"]


def test_rules_for_addresses_are_allowed_and_disallowed(server: Machine) -> None:
    server.dst.export("disk", server.disk(0), allow=("10.0.0.0/8:rw",))

    def rules() -> list[tuple[str, str]]:
        return [(r["prefix"], r["access"]) for r in server.dst.show_export("disk")["allow"]]

    for words, expected in (
        (("allow", "--from", "10.77.0.0/16:ro"), ["10.0.0.0/8:rw", "10.77.0.0/16:ro"]),
        (("allow", "--from", "10.0.0.0/8:ro"), ["10.0.0.0/8:ro", "10.77.0.0/16:ro"]),
        (("disallow", "--from", "10.0.0.0/8"), ["10.77.0.0/16:ro"]),
    ):
        server.dst.ctl("export", words[0], "disk", *words[1:])
        assert [f"{p}:{'rw' if a == 'read-write' else 'ro'}" for p, a in rules()] == expected
    # Nothing that is called disallow lets anybody in.
    result = server.dst.ctl("export", "disallow", "disk", "--from", "10.77.0.0/16", check=False)
    assert result.rc == 2 and "no-rules" in result.err, result
    assert rules() == [("10.77.0.0/16", "read-only")]
    server.dst.ctl("export", "set", "disk", "--no-rules")
    assert rules() == []


def test_a_refused_change_changes_nothing(server: Machine) -> None:
    one, two = Key(server), Key(server)
    server.dst.export("disk", server.disk(0), "--allow-key", f"{one.public}:ro")
    before = server.dst.show_export("disk")
    rule = {"family": 2, "address": "10.1.0.0", "prefix-len": 16, "access": "read-only"}
    good = {"public": two.digits, "access": "read-write"}
    for operation, attributes, sentence in (
        ("export-allow", {}, "The rule or the key of a client is missing"),
        ("export-disallow", {}, "The rule or the key of a client is missing"),
        (
            "export-allow",
            {"allow": [rule], "allow-key": [good, {"public": ZERO, "access": "read-only"}]},
            "no secret key has this public key",
        ),
        ("export-allow", {"allow-key": [{"access": "read-only"}]}, "has no public key"),
        ("export-allow", {"allow-key": [{"public": two.digits}]}, "neither read-only nor"),
        ("export-allow", {"allow-key": [{**good, "psk": True}]}, "by psk-fd, not by psk"),
        ("export-allow", {"allow-key": [{**good, "public": "ab" * 31}]}, "Numerical result"),
        ("export-allow", {"allow-key": [{**good, "public": "ab" * 33}]}, "Numerical result"),
        (
            "export-disallow",
            {"allow-key": [{"public": one.digits}, {"public": two.digits}]},
            "is not allowed",
        ),
        ("export-disallow", {"allow": [rule]}, "There is no rule for 10.1.0.0/16"),
        ("export-set", {"keyed": True, "no-keys": True}, "exclude each other"),
        ("export-set", {"allow": [rule], "no-rules": True}, "exclude each other"),
        ("server-set", {}, "What there is to change is missing"),
    ):
        names = {} if operation == "server-set" else {"name": "disk"}
        refusal = server.call(
            "keys.request", operation=operation, attributes={**names, **attributes}
        )
        assert sentence in refusal, (operation, attributes, refusal)
        assert server.dst.show_export("disk") == before, (operation, attributes)


def test_an_export_has_no_more_keys_than_it_may_have(server: Machine) -> None:
    server.dst.export("disk", server.disk(0), "--keys-only")
    keys = [
        {"public": number.to_bytes(32, "little").hex(), "access": "read-write"}
        for number in range(2, 300)
    ]
    assert request(server, "export-allow", name="disk", allow_key=keys[:256]) == ""
    assert len(allowed(server)) == 256
    refusal = request(server, "export-allow", name="disk", allow_key=keys[256:257])
    assert "at most 256 keys" in refusal
    refusal = request(server, "export-allow", name="disk", allow_key=keys[:257])
    assert "More than 256 keys" in refusal
    assert len(allowed(server)) == 256
    assert len(server.dst.json("export", "list")[0]["keys"]) == 256
    assert len(json.loads(ynl(server, "--dump", "export-get").out)[0]["allow-key"]) == 256
    # Those that it has can still be changed.
    keys[0]["access"] = "read-only"
    assert request(server, "export-allow", name="disk", allow_key=keys[:1]) == ""
    assert request(server, "export-disallow", name="disk", allow_key=keys[:256]) == ""
    assert allowed(server) == {} and server.dst.show_export("disk")["keyed"]


# Who gets in.


@pytest.mark.stock
def test_an_export_with_keys_lets_in_nobody_without(server: Machine, client: Machine) -> None:
    """Not from an address that is allowed, not from the machine itself, not by a socket."""
    key = Key(server)
    server.dst.ctl("server", "set", "--key", Key(server).path)
    rules = ("10.77.0.0/16:rw", "127.0.0.0/8:rw")
    server.dst.export("disk", server.disk(0), "--allow-key", f"{key.public}:rw", allow=rules)
    server.dst.ctl(
        "export", "set", "disk", "--listen", f"[::]:{PORT}", "--listen", "unix:/run/dst.socket"
    )

    def refused() -> None:
        for machine, place in (
            (client, server.address()),
            (server, "127.0.0.1"),
            (server, "unix:/run/dst.socket"),
        ):
            result = machine.dst.ctl("add", "disk", place, check=False)
            assert result.rc == 7 and "this export needs keys" in result.err, result
            assert "--key FILE --server-key KEY" in result.err, result
        assert server.dst.json("sessions") == []

    refused()
    server.dst.ctl("export", "set", "disk", "--no-rules")
    refused()
    server.dst.ctl("export", "disallow", "disk", "--key", key.public)
    refused()
    # Who would not be let in with a key either is not told about keys.
    server.dst.ctl("export", "set", "disk", "--allow", "192.0.2.0/24:rw")
    result = client.dst.ctl("add", "disk", server.address(), check=False)
    assert result.rc == 7 and "this export needs keys" not in result.err, result
    server.dst.ctl("export", "set", "disk", "--allow", "10.77.0.0/16:rw", "--no-keys")
    client.dst.attach("disk", server)


def test_an_abstract_socket_lets_in_nobody_without_a_key(server: Machine) -> None:
    """It has no permissions: whoever is on the machine can connect."""
    place = "unix:@dst"
    server.dst.export("disk", server.disk(0), listen=place, allow=())
    for rules in [], ["10.77.0.0/16:rw"]:
        for rule in rules:
            server.dst.ctl("export", "allow", "disk", "--from", rule)
        result = server.dst.ctl("add", "disk", place, check=False)
        assert result.rc == 7 and "does not let this client in" in result.err, result
        assert server.dst.json("sessions") == []
    own, key = Key(server), Key(server)
    server.dst.ctl("server", "set", "--key", own.path)
    server.dst.ctl("export", "allow", "disk", "--key", f"{key.public}:rw")
    result = server.dst.ctl("add", "disk", place, check=False)
    assert result.rc == 7 and "this export needs keys" in result.err, result
    server.dst.ctl("add", "disk", place, "--key", key.path, "--server-key", own.public)
    server.call("blockio.write", path="/dev/dst-disk", sector=0, count=64, seed=1)
    args = {"path": "/dev/dst-disk", "sector": 0, "count": 64}
    assert server.call("blockio.wrong", **args, seed=1) == []
    server.dst.ctl("del", "disk")


@pytest.mark.stock
def test_the_first_key_cuts_those_without(disk: str, server: Machine, client: Machine) -> None:
    """At once, and their I/O waits until somebody says that the address is enough."""
    key = Key(server)
    client.call("blockio.write", path=disk, sector=0, count=64, seed=1)
    server.dst.ctl("export", "allow", "disk", "--key", f"{key.public}:rw")
    server.wait("control.export_shows", name="disk", field="sessions", value=0)
    assert revoked(server) == 1
    assert server.read("/sys/class/dst/export-disk/revoked") == "1"
    client.dst.wait_state("disk", "failed")
    waiting = client.start_call(
        "blockio.attempt", path=disk, operation="write", sector=64, count=8, seed=2
    )
    client.wait("control.shows", name="disk", field="error", value="this export needs keys")
    assert not waiting.done()
    # Taking the key away again opens nothing.
    server.dst.ctl("export", "disallow", "disk", "--key", key.public)
    client.wait("stat.quiet", 20, device="dst-disk", seconds=2)
    assert not waiting.done() and server.dst.json("sessions") == []
    server.dst.ctl("export", "set", "disk", "--no-keys")
    assert waiting.result(60) == ""
    assert client.call("blockio.wrong", path=disk, sector=0, count=64, seed=1) == []
    assert revoked(server) == 1


def test_lesser_rights_cut_at_once(disk: str, server: Machine, client: Machine) -> None:
    """Of a rule for addresses, as of a key: a session that writes may not go on reading only."""
    server.dst.ctl("export", "allow", "disk", "--from", f"{client.address()}:ro")
    server.wait("control.export_shows", name="disk", field="sessions", value=0)
    assert revoked(server) == 1
    client.dst.wait_state("disk", "failed")
    server.dst.ctl("export", "disallow", "disk", "--from", client.address())
    client.dst.wait_state("disk", "connected", epoch=2)
    # More rights cut nobody.
    server.dst.ctl("export", "allow", "disk", "--from", f"{client.address()}:rw")
    server.dst.ctl("export", "allow", "disk", "--from", "192.0.2.0/24:rw")
    assert revoked(server) == 1
    assert server.dst.show_export("disk")["sessions"] == 1


@pytest.mark.stock
def test_no_secret_can_be_read_anywhere(server: Machine, client: Machine) -> None:
    """Whatever was done with it, and whether that worked or not."""
    secrets: dict[Machine, list[str]] = {server: [], client: []}

    def key(machine: Machine, kind: str = "generate") -> Key:
        made = Key(machine, kind)
        secrets[machine].append(made.secret)
        return made

    watch = {m: m.spawn(TOOL, "--json", "events") for m in secrets}
    for machine in watch:
        machine.wait("netlink.subscribed", what="dstctl listens")
    mine, own, client_psk, psk = (
        key(server),
        key(client),
        key(client, "preshared"),
        key(server, "preshared"),
    )
    server.dst.ctl("server", "set", "--key", mine.path)
    server.dst.export("disk", server.disk(0), "--allow-key", f"{own.public}:rw")
    server.dst.ctl("export", "allow", "disk", "--key", f"{own.public}:rw", "--psk", psk.path)
    words = ("--key", own.path, "--server-key", mine.public)
    result = client.dst.ctl("add", "disk", server.address(), *words, check=False)
    assert own.secret not in result.out + result.err
    client.dst.ctl(
        "add", "other", server.address(), *words, "--psk", client_psk.path, "--timeout", "0"
    )
    client.dst.ctl("set", "other", "--key", key(client).path)
    # A tool that waits for its key; its arguments and surroundings can be read meanwhile.
    waiting = server.spawn("sh", "-c", f"tail -f /dev/null | {TOOL} server set --key -")
    for machine, known in ((server, [mine.digits, own.digits]), (client, [mine.digits])):
        assert machine.call("keys.places", secrets=secrets[machine], known=known) == []
    waiting.kill()
    for machine, process in watch.items():
        text = process.poll().out
        process.kill()
        for secret in secrets[machine]:
            assert base64.b64encode(bytes.fromhex(secret)).decode()[:42] not in text
            assert secret not in text
