# SPDX-License-Identifier: GPL-2.0
"""What is no key, and who may not hand one over: refused with a sentence, and nothing changes."""

import base64
import os

import pytest

from lab.dst import TOOL
from lab.machine import Machine
from scenarios.test_keys import ZERO, Key, request
from scenarios.test_netlink import UNPRIVILEGED, address

# Points of small order: whoever agrees on a secret with one of them agrees with everybody.
WORTHLESS = (
    ZERO,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ec" + "ff" * 30 + "7f",
    "ed" + "ff" * 30 + "7f",
    "ee" + "ff" * 30 + "7f",
    "ed" + "ff" * 31,
)

SECRETS = {
    "a closed descriptor": ("closed", "", "is no open file descriptor"),
    "a number beyond all descriptors": ("none", "ffffffff", "is no open file descriptor"),
    "a directory": ("directory", "", "not a readable file in memory"),
    "a path": ("path", "", "is no open file descriptor"),
    "a device": ("device", "", "not a readable file in memory"),
    "a pipe": ("pipe", "11" * 32, "not a readable file in memory"),
    "a file on a disk": ("disk", "", "not a readable file in memory"),
    "a file of the kernel": ("proc", "", "not a readable file in memory"),
    "a file that is not open for reading": ("write-only", "11" * 32, "not a readable file"),
    "an empty file": ("memory", "", "the file has 0 bytes, a key has 32"),
    "a short file": ("memory", "11" * 31, "the file has 31 bytes, a key has 32"),
    "a long file": ("memory", "11" * 33, "the file is longer than the 32 raw bytes"),
    "a key in base64": ("memory", base64.b64encode(b"x" * 32).hex(), "is longer than the 32"),
    "zeroes": ("memory", ZERO, "zeroes are no key"),
}


@pytest.mark.parametrize("kind", SECRETS)
def test_what_is_no_secret_is_refused(
    kind: str, disk: str, server: Machine, client: Machine
) -> None:
    form, data, sentence = SECRETS[kind]
    good = Key(server)
    server.dst.ctl("server", "set", "--key", good.path)
    before = (
        server.dst.json("server", "show"),
        server.dst.show_export("disk"),
        client.dst.show("disk")["session"],
    )
    place = [address(server.address())]
    client_key = {"public": good.digits, "access": "read-only"}
    # The first request makes Python open what it keeps open.
    assert "missing" in request(server, "server-set")
    assert "missing" in request(client, "export-allow")
    open_before = [machine.call("keys.descriptors") for machine in (server, client)]
    for machine, operation, name, inside, attributes in (
        (server, "server-set", "key-fd", "", {}),
        (server, "export-allow", "psk-fd", "allow-key", {"name": "disk"}),
        (client, "storage-add", "key-fd", "", {"name": "new", "address": place}),
        (client, "storage-add", "psk-fd", "", {"name": "new", "address": place}),
        (client, "storage-set", "key-fd", "", {"name": "disk"}),
        (client, "storage-set", "psk-fd", "", {"name": "disk"}),
    ):
        attributes = dict(attributes)
        if inside:
            attributes[inside] = [dict(client_key)]
        refusal = machine.call(
            "keys.request",
            operation=operation,
            attributes=attributes,
            secrets={name: (form, data)},
            inside=inside,
            timeout=20,
        )
        assert f"{name}: " in refusal and sentence in refusal, (operation, refusal)
    assert [machine.call("keys.descriptors") for machine in (server, client)] == open_before
    after = (
        server.dst.json("server", "show"),
        server.dst.show_export("disk"),
        client.dst.show("disk")["session"],
    )
    assert after[0] == before[0] and after[2] == before[2]
    assert not after[1]["keyed"] and after[1]["sessions"] == 1
    assert [storage["name"] for storage in client.dst.json("list")] == ["disk"]


@pytest.mark.parametrize("digits", WORTHLESS)
def test_a_public_key_that_anybody_could_use_is_refused(
    digits: str, server: Machine, client: Machine
) -> None:
    server.dst.export("disk", server.disk(0))
    rule = {"public": digits, "access": "read-write"}
    refusal = request(server, "export-allow", name="disk", allow_key=[rule])
    assert "no secret key has this public key" in refusal
    secret = {"key-fd": ("memory", os.urandom(32).hex())}
    place = [address(server.address())]
    refusal = request(client, "storage-add", secret, name="disk", address=place, server_key=digits)
    assert "The key of the server: no secret key has this public key" in refusal
    text = base64.b64encode(bytes.fromhex(digits)).decode()
    result = server.dst.ctl("export", "allow", "disk", "--key", f"{text}:rw", check=False)
    assert result.rc == 2 and "no secret key has this public key" in result.err, result
    assert not server.dst.show_export("disk")["keyed"]


def test_only_an_administrator_has_to_do_with_keys(server: Machine) -> None:
    key = Key(server)
    server.run("chmod", "644", key.path)
    server.dst.export("disk", server.disk(0))
    for words in (
        ("server", "set", "--key", key.path),
        ("server", "set", "--suite", "aes-256-gcm"),
        ("export", "allow", "disk", "--key", f"{key.public}:rw"),
        ("export", "disallow", "disk", "--key", key.public),
        ("export", "set", "disk", "--no-keys"),
        ("add", "new", "127.0.0.1", "--key", key.path, "--server-key", key.public),
        ("set", "new", "--key", key.path),
    ):
        result = server.run(*UNPRIVILEGED, TOOL, *words, check=False)
        assert result.rc == 5, result
        assert key.secret not in result.out + result.err
        # The root of a user namespace is not the administrator of the machine.
        result = server.run("unshare", "--user", "--map-root-user", TOOL, *words, check=False)
        assert result.rc == 5, result
    shown = server.dst.json("server", "show")
    assert (shown["public_key"], shown["suite"]) == (None, "any"), shown
    assert not server.dst.show_export("disk")["keyed"]
    server.dst.ctl("server", "set", "--key", key.path)
    # Public keys are public.
    assert key.public in server.run(*UNPRIVILEGED, TOOL, "server", "show").out
