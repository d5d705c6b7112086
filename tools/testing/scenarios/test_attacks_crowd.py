# SPDX-License-Identifier: GPL-2.0
"""Crowds before a server with keys: who is honest keeps his throughput, and nobody gets in."""

import pytest

from lab.crowd import besiege, is_held_off, keeps_its_throughput
from lab.keyed import EVIL, MARK, PLACE, Keyed, key
from lab.machine import Machine
from lab.noise import Identity
from lab.sealed import Binding, ClientHandshake

HALF_OPEN = 10_000
REPLAYS = 5_000
JOINED = 48 + 52

pytestmark = pytest.mark.slow("what is measured is how much an honest client gets")


@pytest.fixture
def disk(keyed: Keyed, client: Machine) -> str:
    """The server's disk, used by another machine that has a key."""
    path, public = key(client)
    keyed.machine.dst.ctl("export", "allow", "disk", "--key", f"{public}:rw")
    options = "--key", path, "--server-key", keyed.me.text
    return client.dst.attach("disk", keyed.machine, *options)


@pytest.mark.attack(
    "ten thousand handshakes that stop half way", "an honest client keeps its throughput"
)
def test_handshakes_that_stop_half_way(keyed: Keyed, client: Machine, disk: str) -> None:
    stranger = ClientHandshake(Identity.generate(), keyed.me.public)
    first = stranger.initiate(Binding(b"half of session."), "disk").encode()
    siege = besiege(keyed.machine, client, disk, HALF_OPEN, first[: len(first) // 2])
    keeps_its_throughput(siege)
    is_held_off(siege)
    # Nothing was computed for any of them.
    assert siege.crowd["answered"] == 0, siege.crowd
    assert siege.server["refused"]["source_handshakes"] == 0
    keyed.machine.wait("walls.holds", 30, connections=2, unwelcomed=0, sessions=2)


@pytest.mark.attack(
    "the joining of a connection is sent again thousands of times",
    "nobody gets in, an honest client keeps its throughput",
)
def test_a_join_is_replayed_again_and_again(keyed: Keyed, client: Machine, disk: str) -> None:
    """To join takes no handshake, so nothing counts it: it has to cost little instead.

    Every other one also sends the records that came after it, which belong to other keys.
    """
    server = keyed.machine
    victim = keyed.welcomed(keyed.bob, connections=2)
    assert victim.keys
    joined = keyed.client(keyed.bob, session=victim.session)
    joined.join(victim.keys.secret, connection=1)
    joined.hello("disk", connection=1, connections=2)
    joined.write(PLACE, EVIL)
    keyed.honest.write(PLACE, MARK)
    join, *records = joined.sent
    before = keyed.errors()
    says = join, join + b"".join(records)
    siege = besiege(server, client, disk, REPLAYS, *says)
    keeps_its_throughput(siege)
    # Many were answered before they had to make room, and none got more than the answer.
    assert siege.crowd["answered"] >= REPLAYS // 4, siege.crowd
    assert siege.crowd["most"] == JOINED, siege.crowd
    # Those who went on were found out.
    assert keyed.errors() - before >= REPLAYS // 8
    assert siege.lines < 200
    # Whose joining it was has not noticed.
    assert victim.alive() and joined.alive()
    joined.write(PLACE + 8, EVIL)
    joined.close()
    victim.close()
    server.wait("walls.holds", 30, connections=2, unwelcomed=0, sessions=2)
