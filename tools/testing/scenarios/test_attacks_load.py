# SPDX-License-Identifier: GPL-2.0
"""Attacks of many kinds while an honest client works.

It gets on in every second, and on the whole half as well as alone, or better.
"""

import secrets
import statistics
from collections.abc import Callable

import pytest

from lab import fio, sealed
from lab.keyed import Keyed, evil, flipped, key, record, throw
from lab.machine import Machine
from lab.peer import Client, Closed, Refused
from lab.sealed import Binding, Joining
from lab.wire import Frame, Opcode

SECONDS = 20
# Before that, and after it, without any.
ALONE = 6
HANDSHAKES = 32
# MiB that the honest client writes in a second, and reads again: far less than it could.
RATE = 6
# Where nobody minds what is written.
ELSEWHERE = 800


def replay_a_session(keyed: Keyed) -> None:
    victim = keyed.welcomed(keyed.bob)
    victim.close()
    thief = keyed.bare()
    throw(thief, *victim.sent)
    assert thief.closed()


def replay_a_record(keyed: Keyed) -> None:
    client = keyed.welcomed(keyed.bob)
    # The first one is meant.
    client.send(evil(client, sector=ELSEWHERE))
    throw(client, client.sent[-1])
    assert client.closed()


def change_a_record(keyed: Keyed) -> None:
    client = keyed.welcomed(keyed.bob)
    throw(client, flipped(record(client, evil(client)), 1000))
    assert client.closed()


def cut_a_record_off(keyed: Keyed) -> None:
    client = keyed.welcomed(keyed.bob)
    client.send(record(client, evil(client))[:1000])
    client.close(reset=True)


def be_a_stranger(keyed: Keyed) -> None:
    client = keyed.client(keyed.stranger)
    with pytest.raises(Refused):
        client.hello("disk")
    assert client.closed()


def mean_another_server(keyed: Keyed) -> None:
    client = keyed.client(keyed.bob, server=keyed.stranger.public)
    with pytest.raises((Refused, Closed)):
        client.hello("disk")


def write_with_a_key_for_reading(keyed: Keyed) -> None:
    client = keyed.client(keyed.reader)
    with pytest.raises(Refused):
        client.hello("disk")
    client.close()


def join_without_the_secret(keyed: Keyed) -> None:
    client = keyed.client(keyed.bob)
    client.send(Joining(secrets.token_bytes(32), Binding(client.session)).request())
    with pytest.raises((Closed, Refused)):
        sealed.expect(client.receive(), Opcode.JOIN, 0)
    client.close()


def speak_in_plain(keyed: Keyed) -> None:
    client = Client(keyed.machine)
    with pytest.raises(Refused):
        client.hello("disk")
    assert client.closed()


def go_over_to_plain(keyed: Keyed) -> None:
    client = keyed.welcomed(keyed.bob)
    throw(client, Frame(Opcode.PING, handle=1, epoch=1, generation=1).encode(), bytes(64))
    assert client.closed()


def send_noise(keyed: Keyed) -> None:
    client = keyed.bare()
    throw(client, secrets.token_bytes(1 << 16))
    assert client.closed()


def ask_beyond_the_end(keyed: Keyed) -> None:
    client = keyed.welcomed(keyed.bob)
    for opcode in Opcode.READ, Opcode.DISCARD, Opcode.WRITE_ZEROES:
        assert client.ask(client.request(opcode, 1 << 40, 8)).status != 0
    client.close()


def ask_and_never_listen(keyed: Keyed) -> None:
    client = keyed.welcomed(keyed.bob, write=False)
    for _ in range(8):
        client.send(client.request(Opcode.READ, 0, 512))
    client.close(reset=True)


def crowd_the_door(keyed: Keyed) -> None:
    crowd = [keyed.bare() for _ in range(16)]
    for number, client in enumerate(crowd):
        throw(client, secrets.token_bytes(number))
        client.close(reset=number % 2 == 0)


def flood_with_handshakes(keyed: Keyed) -> None:
    """More than one can be computed at a time; who asks does not wait for the answers."""
    crowd = [keyed.client(keyed.stranger) for _ in range(HANDSHAKES)]
    for client in crowd:
        client.send(client.handshake.initiate(Binding(client.session), "disk"))
    for number, client in enumerate(crowd):
        client.close(reset=number % 2 == 0)


def splice_records(keyed: Keyed) -> None:
    client = keyed.welcomed(keyed.bob)
    one, other = record(client, evil(client)), record(client, evil(client))
    throw(client, one[: sealed.HEADER] + other[sealed.HEADER :])
    assert client.closed()


def reorder_records(keyed: Keyed) -> None:
    client = keyed.welcomed(keyed.bob)
    one, other = record(client, evil(client)), record(client, evil(client))
    throw(client, other, one)
    assert client.closed()


def reflect_a_record(keyed: Keyed) -> None:
    client = keyed.welcomed(keyed.bob)
    assert client.alive()
    throw(client, client.heard[-1])
    assert client.closed()


def use_a_revoked_key(keyed: Keyed) -> None:
    victim = keyed.client(keyed.stranger)
    who = "--key", keyed.stranger.text
    keyed.machine.dst.ctl("export", "allow", "disk", who[0], f"{who[1]}:rw")
    victim.hello("disk")
    keyed.machine.dst.ctl("export", "disallow", "disk", *who)
    throw(victim, evil(victim))
    assert victim.closed()
    late = keyed.client(keyed.stranger, session=victim.session)
    with pytest.raises(Refused):
        late.hello("disk", epoch=2)
    assert late.closed()


ATTACKS: tuple[Callable[[Keyed], None], ...] = (
    replay_a_session,
    replay_a_record,
    change_a_record,
    cut_a_record_off,
    be_a_stranger,
    mean_another_server,
    write_with_a_key_for_reading,
    join_without_the_secret,
    speak_in_plain,
    go_over_to_plain,
    send_noise,
    ask_beyond_the_end,
    ask_and_never_listen,
    crowd_the_door,
    flood_with_handshakes,
    splice_records,
    reorder_records,
    reflect_a_record,
    use_a_revoked_key,
)


@pytest.mark.attack(
    "all kinds of attacks, one after the other", "an honest client keeps half of its throughput"
)
def test_an_honest_client_gets_on(keyed: Keyed, client: Machine) -> None:
    server = keyed.machine
    path, public = key(client)
    server.dst.ctl("export", "allow", "disk", "--key", f"{public}:rw")
    options = "--key", path, "--server-key", keyed.me.text
    disk = client.dst.attach("disk", server, "--connections", "2", *options)
    client.wait("objects.storage_has", 30, name="disk", connected=2)
    step = client.flavour.slowness
    job = fio.start(
        client,
        disk,
        size=32,
        blocks="4k-64k",
        align=4096,
        rate=RATE,
        extra=("--offset=1M", "--time_based", f"--runtime={(2 * ALONE + SECONDS) * step + 30:.0f}"),
    )
    client.wait("stat.written_at_least", 30, device="dst-disk", sectors=512)
    progress = {"device": "dst-disk", "step": step}
    before = client.call("stat.progress", count=ALONE, **progress)
    moved = client.start_call("stat.progress", count=SECONDS, **progress)
    made = 0
    # A machine that has much else to do takes longer for all of them.
    while made < len(ATTACKS) or not moved.done():
        ATTACKS[made % len(ATTACKS)](keyed)
        made += 1
    pieces = moved.result(1)
    assert len(pieces) == SECONDS and min(pieces) > 0, pieces
    after = client.call("stat.progress", count=ALONE, **progress)
    # Kernels that check themselves are as busy as can be with less.
    if not client.flavour.debug:
        alone = min(map(statistics.mean, (before, after)))
        assert statistics.mean(pieces) >= alone / 2, (before, pieces, after)
    assert job.poll().rc is None
    assert job.wait(180).rc == 0
    shown = client.dst.show("disk")
    assert shown["epoch"] == 1 and shown["connected"] == 2, shown
    assert shown["counters"]["errors"] == shown["counters"]["reconnects"] == 0, shown
    assert shown["counters"]["seal_errors"] == 0, shown
    assert keyed.errors() > 0
