# SPDX-License-Identifier: GPL-2.0
"""Secrets that are not needed any more are nowhere in the memory of a machine.

Looked for are the bytes themselves. The text of a key is in the file that somebody has made, and
in whatever has read or written that.

The kernel's ChaCha leaves its state on the stack of the thread that has called it, until that uses
as much of its stack again. The driver has no hand in that, so a key in there does not count.
"""

import hashlib
import time

import pytest

from lab.bed import Bed
from lab.keyed import Keyed
from lab.machine import Machine
from lab.noise import Identity
from lab.physical import copies
from lab.pool import GIB, Spec
from lab.sealed import Suite
from lab.sealed_peer import Records, SealedServer
from lab.wire import Opcode

# The state of ChaCha is this and the key.
STATE = b"expand 32-byte k"


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


def left(machine: Machine, *secrets: bytes) -> list[int]:
    """In how many places each of them is, other than in what ChaCha has left."""
    counts = copies(machine, *secrets, *(STATE + secret for secret in secrets))
    return [counts[at] - counts[at + len(secrets)] for at in range(len(secrets))]


def gone(machine: Machine, *secrets: bytes) -> None:
    """Wait until none of them is there."""
    deadline = time.monotonic() + 10 * machine.flavour.slowness
    while any(found := left(machine, *secrets)):
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


def there(machine: Machine, *secrets: bytes) -> None:
    """They are seen as long as they are needed."""
    assert min(copies(machine, *secrets)) > 0, "they are not seen where they are"


def is_not_wiped_by_itself(machine: Machine, seed: str) -> None:
    """What was looked for would have been found."""
    assert copies(machine, plant(machine, seed)) != [0], "the kernel wipes all that is freed"


@pytest.mark.parametrize("suite", list(Suite))
def test_what_a_server_makes_for_a_session(bed: Bed, suite: Suite) -> None:
    """The client is no process of the machine, so that only the kernel knows the secrets there."""
    (server,) = bed.machines(Spec("server", disks=(GIB,)), load=False)
    server.dst.load("rekey_bytes=65536")
    keyed = Keyed(server)
    client = keyed.client(keyed.bob, suites=suite)
    client.hello("disk", connections=2)
    assert client.keys and client.outgoing and client.incoming
    secret, (up, down) = client.keys.secret, client.keys.keys
    there(server, secret, up, down)
    # New keys of the client, and of the server when it has sent enough.
    client.rekey()
    for _ in range(8):
        client.read(0, 64)
    assert client.incoming.key != down
    now = client.outgoing.key, client.incoming.key
    there(server, secret, *now)
    gone(server, up, down)
    # A connection that joins has keys of its own, and takes only those with it.
    joined = keyed.client(keyed.bob, session=client.session, suites=suite)
    both = joined.join(secret, connection=1).keys
    joined.hello("disk", connection=1, connections=2)
    there(server, *both)
    joined.close()
    gone(server, *both)
    there(server, secret, *now)
    # What an earlier epoch had is of no use in a later one.
    again = keyed.client(keyed.bob, session=client.session, suites=suite)
    again.hello("disk", epoch=2)
    assert again.keys
    there(server, again.keys.secret, *again.keys.keys)
    gone(server, secret, *now)
    again.close()
    gone(server, again.keys.secret, *again.keys.keys)
    keyed.still_honest()
    is_not_wiped_by_itself(server, suite.name)


@pytest.mark.parametrize("suite", list(Suite))
def test_what_a_client_makes_for_a_session(bed: Bed, suite: Suite) -> None:
    (client,) = bed.machines(Spec("client"), load=False)
    client.dst.load("rekey_bytes=65536")
    fake = SealedServer(client, Identity.generate())
    try:
        fake.suite = suite
        keys = client.dst.keys(Identity.generate(), fake.me.public)
        disk = client.dst.attach("fake", client, *keys)
        for epoch in 1, 2:
            line = fake.connection
            assert isinstance(line, Records) and line.keys and line.outgoing and line.incoming
            secret, (up, down) = line.keys.secret, line.keys.keys
            there(client, secret, up, down)
            line.change_keys(fake.frame(Opcode.REKEY))
            client.call("blockio.write", path=disk, sector=0, count=512, seed=epoch)
            assert client.call("blockio.wrong", path=disk, sector=0, count=8, seed=epoch) == []
            assert line.incoming.key != up
            now = line.incoming.key, line.outgoing.key
            there(client, secret, *now)
            gone(client, up, down)
            if epoch == 1:
                fake.hang_up()
                client.dst.wait_state("fake", "connected", epoch=2)
            else:
                client.dst.ctl("del", "fake")
            gone(client, secret, *now)
    finally:
        fake.stop()
    is_not_wiped_by_itself(client, suite.name)
