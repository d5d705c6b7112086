# SPDX-License-Identifier: GPL-2.0
"""Attacks of many kinds while an honest client works: it gets on in every second."""

import secrets
from collections.abc import Callable

import pytest

from lab import fio, sealed
from lab.keyed import Keyed, evil, flipped, key, record, throw
from lab.machine import Machine
from lab.peer import Client, Closed, Refused
from lab.sealed import Binding, Joining
from lab.wire import Frame, Opcode

SECONDS = 20
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
)


@pytest.mark.attack("all kinds of attacks, one after the other", "an honest client gets on")
def test_an_honest_client_gets_on(keyed: Keyed, client: Machine) -> None:
    server = keyed.machine
    path, public = key(client)
    server.dst.ctl("export", "allow", "disk", "--key", f"{public}:rw")
    options = "--key", path, "--server-key", keyed.me.text
    disk = client.dst.attach("disk", server, "--connections", "2", *options)
    client.wait("objects.storage_has", 30, name="disk", connected=2)
    seconds = SECONDS * client.flavour.slowness
    job = fio.start(
        client,
        disk,
        size=32,
        blocks="4k-64k",
        align=4096,
        rate=8,
        extra=("--offset=1M", "--time_based", f"--runtime={seconds + 30:.0f}"),
    )
    client.wait("stat.written_at_least", 30, device="dst-disk", sectors=512)
    step = client.flavour.slowness
    moved = client.start_call("stat.progress", device="dst-disk", step=step, count=SECONDS)
    made = 0
    while not moved.done():
        ATTACKS[made % len(ATTACKS)](keyed)
        made += 1
    assert made >= len(ATTACKS), made
    pieces = moved.result(1)
    assert len(pieces) == SECONDS and min(pieces) > 0, pieces
    assert job.poll().rc is None
    assert job.wait(180).rc == 0
    shown = client.dst.show("disk")
    assert shown["epoch"] == 1 and shown["connected"] == 2, shown
    assert shown["counters"]["errors"] == shown["counters"]["reconnects"] == 0, shown
    assert shown["counters"]["seal_errors"] == 0, shown
    assert keyed.errors() > 0
