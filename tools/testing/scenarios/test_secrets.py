# SPDX-License-Identifier: GPL-2.0
"""Secrets that are not needed any more are nowhere in the memory of a machine.

Looked for are the bytes themselves. The text of a key is in the file that somebody has made, and
in whatever has read or written that.
"""

import hashlib
import time

import pytest

from lab.machine import Machine
from lab.noise import Identity
from lab.physical import copies


def core(secret: bytes) -> bytes:
    """What X25519 leaves as it is of a secret key."""
    return secret[1:-1]


def plant(machine: Machine, seed: str) -> bytes:
    """Have a process write something into a file, and both go: what was freed is not wiped."""
    machine.sh(
        "python3 -c 'import hashlib, sys; "
        f'sys.stdout.buffer.write(hashlib.sha256(b"{seed}").digest() * 4096)\' > /run/planted; '
        "rm /run/planted"
    )
    return hashlib.sha256(seed.encode()).digest()


def gone(machine: Machine, *secrets: bytes) -> None:
    """Wait until none of them is there."""
    deadline = time.monotonic() + 10 * machine.flavour.slowness
    while any(found := copies(machine, *secrets)):
        assert time.monotonic() < deadline, found


@pytest.mark.parametrize("forced", [False, True], ids=["idle", "forced"])
def test_configured_keys(server: Machine, client: Machine, forced: bool) -> None:
    mine, theirs = Identity.generate(), Identity.generate()
    psk = hashlib.sha256(mine.private).digest()
    server.dst.set_key(theirs)
    words = "--key", f"{mine.text}:rw", "--psk", server.dst.secret("psk", psk)
    server.dst.export("disk", server.disk(0), "--keys-only", allow=())
    server.dst.ctl("export", "allow", "disk", *words)
    keys = *client.dst.keys(mine, theirs.public), "--psk", client.dst.secret("psk", psk)
    disk = client.dst.attach("disk", server, *keys)
    client.call("blockio.write", path=disk, sector=0, count=2048, seed=1)
    used = {server: (core(theirs.private), psk), client: (core(mine.private), psk)}
    for machine, secrets in used.items():
        assert min(copies(machine, *secrets)) > 0, "they are not seen where they are"
    force = ("--force",) if forced else ()
    client.dst.ctl("del", "disk", *force)
    gone(client, *used[client])
    server.dst.ctl("export", "del", "disk", *force)
    # The server keeps its key, not that of an export that is no more.
    gone(server, psk)
    assert copies(server, core(theirs.private)) != [0]
    for machine, secrets in used.items():
        machine.dst.unload()
        planted = plant(machine, f"{machine.name} {forced}")
        assert copies(machine, *secrets) == [0, 0]
        assert copies(machine, planted) != [0], "the kernel wipes all that is freed"
