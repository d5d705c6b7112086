# SPDX-License-Identifier: GPL-2.0
"""Walls: who comes in great numbers, or says nothing, costs others little."""

import errno
import json
import re
import secrets
import time

import pytest

from lab import wire
from lab.crowd import besiege, is_held_off, keeps_its_throughput
from lab.dst import PORT
from lab.keyed import Keyed
from lab.machine import Machine
from lab.peer import Client, Refused
from lab.rpc import RemoteError
from lab.sealed import Binding
from lab.sealed_peer import SealedClient
from lab.wire import Frame, Hello, Opcode, Status

FLOOD = 10_000
HELLO_TIMEOUT = 10

# Addresses of the machine itself.
HERE = ("127.0.0.0/8:rw", "::1/128:rw")


def refused(server: Machine) -> dict[str, int]:
    """How often each wall has refused somebody."""
    return server.dst.json("server", "show")["refused"]


def held(server: Machine) -> dict[str, int]:
    """What all clients hold."""
    return server.dst.json("server", "show")["held"]


def is_shut_out(server: Machine, host: str = "127.0.0.1") -> bool:
    """Whether a connection is closed as soon as it is made."""
    try:
        return Client(server, host=host).closed()
    except RemoteError as error:
        return error.errno == errno.ECONNRESET


@pytest.mark.slow("what is measured is how much an honest client gets")
@pytest.mark.attack(
    "ten thousand connections that say nothing", "an honest client keeps its throughput"
)
def test_an_honest_client_in_a_crowd(disk: str, server: Machine, client: Machine) -> None:
    """Ten thousand connections that say nothing, from a few addresses."""
    siege = besiege(server, client, disk, FLOOD)
    keeps_its_throughput(siege)
    is_held_off(siege)
    server.wait("walls.holds", 30, connections=1, unwelcomed=0, sessions=1)


def test_limits_are_reached_and_released_exactly(server: Machine) -> None:
    server.dst.export("disk", server.disk(0), "--shared-writers", "--window", "64", allow=HERE)
    server.dst.ctl(
        *("server", "set", "--sessions-per-source", "3", "--pages-per-source", "256"),
    )
    clients = [Client(server) for _ in range(3)]
    for member in clients:
        member.hello("disk")
    assert held(server)["sessions"] == 3 and held(server)["pages"] == 3 * 64
    for _ in range(3):
        late = Client(server)
        with pytest.raises(Refused) as told:
            late.hello("disk")
        assert told.value.status == Status.RESOURCE and "sessions" in told.value.message
        late.close()
    assert refused(server)["source_sessions"] == 3
    clients.pop().close()
    server.wait("walls.holds", 10, sessions=2, pages=2 * 64)
    clients.append(Client(server))
    clients[-1].hello("disk")

    # Memory is another limit: one connection more is all there is, of a session that is there.
    second = Client(server, session=clients[0].session)
    second.hello("disk", connection=1, connections=2)
    assert held(server)["pages"] == 256
    third = Client(server, session=clients[0].session)
    with pytest.raises(Refused) as told:
        third.hello("disk", connection=2, connections=3)
    assert told.value.status == Status.RESOURCE and "memory" in told.value.message
    assert all(member.alive() for member in (*clients, second))

    # Other clients, such as those by IPv6, have limits of their own.
    other = Client(server, host="::1")
    other.hello("disk")
    for member in (*clients, second, third, other):
        member.close()
    server.wait("walls.holds", 10, connections=0, unwelcomed=0, sessions=0, pages=0)


def test_who_comes_back_gets_the_room_that_it_had(server: Machine) -> None:
    """What it has given up is cut, though there is no room for both."""
    server.dst.export("disk", server.disk(0), "--window", "64", allow=HERE)
    server.dst.ctl("server", "set", "--pages-per-source", "64")
    first = Client(server)
    first.hello("disk")
    again = Client(server, session=first.session)
    with pytest.raises(Refused) as told:
        again.hello("disk", epoch=2, generation=2)
    assert told.value.status == Status.RESOURCE
    assert first.closed()
    server.wait("walls.holds", 10, pages=0)
    again = Client(server, session=first.session)
    again.hello("disk", epoch=3, generation=3)
    assert again.alive()
    again.close()


def test_connections_are_limited(server: Machine) -> None:
    server.dst.export("disk", server.disk(0), "--shared-writers", allow=HERE)
    server.dst.ctl("server", "set", "--connections-per-source", "5")
    members = [Client(server) for _ in range(5)]
    for member in members:
        member.hello("disk")
    assert is_shut_out(server)
    assert refused(server)["source_connections"] == 1
    # As many as there are of all.
    server.dst.ctl("server", "set", "--connections-per-source", "100", "--connections", "6")
    members.append(Client(server, host="::1"))
    members[-1].hello("disk")
    assert is_shut_out(server, "::1")
    assert refused(server)["connections"] == 1
    members.pop().close()
    server.wait("walls.holds", 10, connections=5)
    members.append(Client(server))
    members[-1].hello("disk")
    assert all(member.alive() for member in members)
    for member in members:
        member.close()
    server.wait("walls.holds", 10, connections=0, sessions=0)


def test_who_says_nothing_makes_room(server: Machine) -> None:
    """The one that has waited longest goes; who means it is let in."""
    server.dst.export("disk", server.disk(0), "--shared-writers", allow=HERE)
    server.dst.ctl("server", "set", "--unwelcomed-per-source", "8")
    silent = [Client(server) for _ in range(8)]
    server.wait("walls.holds", 10, unwelcomed=8)
    late = Client(server)
    late.hello("disk")
    assert silent[0].closed()
    assert refused(server)["source_unwelcomed"] == 1
    late.close()
    for member in silent[1:]:
        member.hello("disk")
        member.close()
    server.wait("walls.holds", 10, connections=0, unwelcomed=0)


def test_a_hello_has_to_come_in_time(server: Machine) -> None:
    """Byte by byte it does not, however far it got."""
    server.dst.export("disk", server.disk(0), "--shared-writers", allow=HERE)
    payload = Hello("disk", secrets.token_bytes(16)).encode()
    hello = Frame(Opcode.HELLO, epoch=1, generation=1, payload=payload).encode()
    lasted = server.call(
        "flood.dribble",
        timeout=120,
        host="127.0.0.1",
        port=PORT,
        data=hello.hex(),
        interval=0.5,
        limit=60,
    )
    assert HELLO_TIMEOUT - 1 < lasted < HELLO_TIMEOUT + 5, f"{lasted:.1f} s"
    server.wait("walls.holds", 10, connections=0, unwelcomed=0)


def initiate(client: SealedClient) -> None:
    """Begin a handshake."""
    binding = Binding(session=client.session)
    client.send(client.handshake.initiate(binding, "disk", client.suites))


@pytest.mark.attack("more handshakes than a server has time for", "few are computed, told so")
def test_handshakes_are_limited(server: Machine) -> None:
    """What costs much is not begun, and who comes from elsewhere still gets it."""
    keyed = Keyed(server)
    server.dst.ctl("server", "set", "--handshakes-per-source", "1", "--handshakes", "1000")
    begin = time.monotonic()
    turned_away = 0
    for _ in range(4):
        clients = [keyed.client(keyed.stranger) for _ in range(10)]
        for client in clients:
            initiate(client)
        for client in clients:
            answer = client.receive()
            assert answer.opcode == Opcode.BYE
            if answer.status == Status.RESOURCE:
                text = wire.attributes(answer.payload)[wire.Attribute.MESSAGE]
                assert b"handshakes" in text
                turned_away += 1
            client.close()
    computed = 40 - turned_away
    assert 1 <= computed <= 2 + (time.monotonic() - begin) + 1
    assert turned_away >= 10
    assert refused(server)["source_handshakes"] == turned_away
    keyed.still_honest()
    other = keyed.client(keyed.alice, host="::1")
    other.hello("disk")
    other.close()

    # A session that is there goes on without handshakes: its connections join.
    assert keyed.honest.keys is not None
    joined = keyed.client(keyed.alice, session=keyed.honest.session)
    joined.join(keyed.honest.keys.secret, connection=1)
    joined.hello("disk", connection=1, connections=2)
    joined.close()

    # All together.
    server.dst.ctl("server", "set", "--handshakes-per-source", "1000", "--handshakes", "1")
    hosts = ("127.0.0.1", "::1") * 8
    clients = [keyed.client(keyed.stranger, host=host) for host in hosts]
    for client in clients:
        initiate(client)
    answers = [(host, client.receive().status) for host, client in zip(hosts, clients, strict=True)]
    assert {host for host, status in answers if status == Status.RESOURCE} == set(hosts)
    assert refused(server)["handshakes"] > 0
    keyed.still_honest()


def test_addresses_are_forgotten(server: Machine) -> None:
    """More addresses than there is room for: the table stays as it is, and people are let in."""
    server.dst.export("disk", server.disk(0), allow=HERE)
    assert server.call("flood.from_everywhere", timeout=300, port=PORT, count=5000) == 5000
    shown = server.dst.json("server", "show")
    assert 0 < shown["sources"] <= 4096
    late = Client(server)
    late.hello("disk")
    late.close()
    server.wait("walls.holds", 60, connections=0, unwelcomed=0)


def test_walls_belong_to_a_namespace(server: Machine) -> None:
    server.sh("ip netns add red; ip -n red link set lo up")
    server.dst.ctl("server", "set", "--sessions", "7")
    inside = json.loads(
        server.run(
            "ip", "netns", "exec", "red", "/machine/bin/dstctl", "--json", "server", "show"
        ).out
    )
    assert inside["limits"]["sessions"] != 7
    assert server.dst.json("server", "show")["limits"]["sessions"] == 7
    server.run("ip", "netns", "del", "red")


NAMES = ("a\x1b[31mb", "a\u202eb", "a\x9b2Jb", "a\nb", "a\u2066b", "a\u200bb")


def test_names_of_clients_cannot_steer_a_terminal(
    server: Machine, subtests: pytest.Subtests
) -> None:
    server.dst.export("disk", server.disk(0), "--shared-writers", allow=HERE)
    for name in NAMES:
        with subtests.test(name):
            client = Client(server)
            client.hello("disk", more=wire.attribute(wire.Attribute.CLIENT, name.encode()))
            wanted = re.sub("[^A-Za-z0-9[]", "?", name)
            for shown in (server.dst.ctl("sessions").out, server.dst.ctl("--json", "sessions").out):
                assert wanted in shown and name not in shown, shown
            client.close()
            server.wait("walls.holds", 10, connections=0)
    assert "client a?b attached" in server.console()
    assert not re.search("[\x1b\x9b\u202e\u2066\u200b]", server.console())
