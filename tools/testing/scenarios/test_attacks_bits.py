# SPDX-License-Identifier: GPL-2.0
"""A bit changes in a frame, at every place of every kind of frame, and a server notices.

Handshakes are in test_attacks.py, and so is the data of a write.
"""

import pytest

from lab.dst import PORT
from lab.machine import Machine
from lab.noise import Identity

attack = pytest.mark.attack
OPTIONS = ("--shared-writers", "--keepalive", "10m")
REQUESTS = ("read", "write", "flush", "discard", "write zeroes", "ping", "bye")


def flip(server: Machine, keys: dict[str, str] | None) -> dict[str, int]:
    """Change all there is; how many bytes were changed, by the kind of frame."""
    disk = server.disk(0)
    found = server.call(
        "flips.run",
        600,
        port=PORT,
        patience=30 * server.flavour.slowness,
        device=disk.removeprefix("/dev/"),
        keys=keys,
    )
    # Whatever was sent, nothing is kept for it.
    server.wait("walls.holds", 30, connections=0, unwelcomed=0, sessions=0, pages=0)
    assert server.dst.show_export("disk")["counters"]["in_flight"] == 0
    return found


@attack("a bit changes anywhere in a header, in plain", "the connection is dropped, nothing done")
def test_every_byte_of_plain_headers(server: Machine) -> None:
    server.dst.export("disk", server.disk(0), *OPTIONS, allow=("127.0.0.0/8:rw",))
    assert flip(server, None) == dict.fromkeys(("hello", *REQUESTS), 48)


@attack("a bit changes anywhere in a sealed header or hello", "the connection is dropped")
def test_every_byte_of_sealed_records(server: Machine) -> None:
    keys = {name: Identity.generate() for name in ("server", "writer")}
    server.dst.set_key(keys["server"])
    allow = "--allow-key", f"{keys['writer'].text}:rw"
    server.dst.export("disk", server.disk(0), *OPTIONS, *allow, allow=())
    found = flip(server, {name: key.private.hex() for name, key in keys.items()})
    # Two records: a header, and 64 bytes and an attribute with the name.
    hello = 48 + 16 + 64 + 4 + 4 + 16
    assert found == {"hello": hello} | dict.fromkeys((*REQUESTS, "pong", "rekey"), 64)
