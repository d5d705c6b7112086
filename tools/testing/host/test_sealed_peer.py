# SPDX-License-Identifier: GPL-2.0
"""The lab's client, server and man in the middle with keys, against each other.

What attacks are made of has to work when nobody attacks.
"""

import socket
import types
from collections.abc import Iterator
from typing import Any

import pytest

from lab import sealed, wire
from lab.guest.sockets import Table
from lab.keyed import flipped
from lab.noise import Identity
from lab.peer import Closed, Refused
from lab.proxy import Proxy
from lab.rpc import RemoteError
from lab.sealed_peer import SealedClient, SealedServer, refusal
from lab.sockets import RemoteSocket
from lab.wire import Frame, Opcode, Status

DATA = b"data" * 1024
PSK = b"p" * 32


class Here:
    """This machine, in place of one of the lab."""

    flavour = types.SimpleNamespace(slowness=1)

    def __init__(self) -> None:
        self.table = Table()
        self.channel = self

    def call(self, op: str, patience: float, **request: Any) -> Any:
        assert op == "socket" and patience
        try:
            return self.table.serve(request)
        except (OSError, KeyError) as error:
            raise RemoteError(str(error), getattr(error, "errno", None), "") from error

    def connect(self, host: str, port: int, timeout: float = 10) -> RemoteSocket:
        return RemoteSocket.connect(self, host, port, timeout)

    def address(self) -> str:
        return "127.0.0.1"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


@pytest.fixture
def server() -> Iterator[SealedServer]:
    fake = SealedServer(Here(), Identity.generate(), PSK, port=free_port())
    fake.parallel = True
    yield fake
    fake.stop()


def client_of(server: SealedServer, port: int = 0, psk: bytes = PSK, **options: Any) -> Any:
    me = Identity.generate()
    return SealedClient(Here(), me, server.me.public, psk, port=port or server.port, **options)


@pytest.mark.parametrize("suite", list(sealed.Suite))
def test_a_conversation(server: SealedServer, suite: sealed.Suite) -> None:
    server.suite = suite
    client = client_of(server)
    assert client.hello("disk", epoch=3, generation=4).features == sealed.FEATURE
    joined = client_of(server, session=client.session)
    joined.join(client.keys.secret, epoch=3, generation=1, connection=1)
    joined.hello("disk", epoch=3, generation=1, connection=1, connections=2)
    client.write(8, DATA)
    for one in client, joined, client:
        one.rekey()
        assert one.read(8, 8) == DATA
        server.connection.change_keys(server.frame(Opcode.REKEY))
        assert one.alive()
    assert server.forged == 0


def test_who_knows_something_else_is_refused(server: SealedServer) -> None:
    with pytest.raises(ValueError):
        client_of(server, psk=bytes(32)).hello("disk")
    stranger = SealedClient(
        Here(), Identity.generate(), Identity.generate().public, PSK, port=server.port
    )
    with pytest.raises(Closed):
        stranger.hello("disk")
    server.instead[Opcode.INITIATE] = lambda frame: refusal(frame, Status.DENIED, b"no")
    with pytest.raises(Refused) as refused:
        client_of(server).hello("disk")
    assert refused.value.message == "no"
    joining = client_of(server)
    with pytest.raises(Closed):
        joining.join(bytes(32))


@pytest.mark.parametrize("at", [0, 63, 64, 64 + 4096, 64 + 4096 + 15])
def test_the_middle_changes_what_it_was_told(server: SealedServer, at: int) -> None:
    proxy = Proxy(Here(), Here(), port=free_port())
    proxy.target = server.port
    client = client_of(server, proxy.port)
    client.hello("disk")
    client.write(8, DATA)
    edit = proxy.last.up.edit(64 + 4096 + 16, lambda data: flipped(data, at))
    client.send(client.request(Opcode.WRITE, 8, 8, payload=b"evil" * 1024))
    assert client.closed()
    proxy.last.up.wait_done(edit)
    assert server.forged == 1
    assert server.read(8, 8) == DATA
    proxy.stop()


def test_the_middle_can_leave_out_and_put_in(server: SealedServer) -> None:
    proxy = Proxy(Here(), Here(), port=free_port())
    proxy.target = server.port
    client = client_of(server, proxy.port)
    client.hello("disk")
    ping = Frame(Opcode.PING, epoch=1, generation=1, handle=7)
    left_out = client.outgoing.frame(ping)
    proxy.last.up.edit(64, lambda data: left_out + data)
    assert client.alive()
    assert client.receive().handle == 7  # the answer to what was put in
    proxy.last.down.edit(64, lambda data: b"")
    client.send(ping)
    client.send(ping)
    with pytest.raises(ValueError):
        client.receive()
    assert bytes(proxy.last.up.seen).count(wire.MAGIC) == 1
    client.close()
    proxy.stop()
