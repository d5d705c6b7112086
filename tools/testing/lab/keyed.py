# SPDX-License-Identifier: GPL-2.0
"""An export with keys, and those who may use it."""

import uuid
from typing import Any

from lab.dst import PORT
from lab.machine import Machine
from lab.noise import Identity
from lab.peer import Connection
from lab.rpc import RemoteError
from lab.sealed_peer import SealedClient
from lab.wire import Frame, Opcode

PLACE = 80
MARK = b"h" * 4096
EVIL = b"evil" * 1024


def key(machine: Machine) -> tuple[str, str]:
    """A new key: the file that it is in on this machine, and the public one."""
    path = f"/run/key-{uuid.uuid4().hex}"
    machine.dst.ctl("key", "generate", "--out", path)
    return path, machine.dst.ctl("key", "public", path).out.strip()


def copy(source: Machine, path: str, target: Machine) -> str:
    """The same secret on another machine."""
    target.sh(f"umask 077; echo {source.get(path).decode().strip()} > {path}")
    return path


def identity(server: Machine) -> str:
    """Give a server a key; the public one."""
    path, public = key(server)
    server.dst.ctl("server", "set", "--key", path)
    return public


class Keys:
    """The keys of a pair of machines."""

    def __init__(self, server: Machine, client: Machine) -> None:
        self.server = identity(server)
        self.path, self.public = key(client)

    @property
    def options(self) -> tuple[str, ...]:
        """What a client has to say besides."""
        return "--key", self.path, "--server-key", self.server


class Keyed:
    """A server whose disk is exported as "disk" to those who have a key."""

    def __init__(self, machine: Machine, *options: str) -> None:
        self.machine = machine
        self.me = Identity.generate()
        self.alice, self.bob, self.reader, self.stranger = (Identity.generate() for _ in range(4))
        machine.dst.set_key(self.me)
        rights = ((self.alice, "rw"), (self.bob, "rw"), (self.reader, "ro"))
        # The honest client sends nothing by itself: others take their time.
        options = ("--shared-writers", "--keepalive", "10m", *options)
        keys = [word for who, may in rights for word in ("--allow-key", f"{who.text}:{may}")]
        machine.dst.export("disk", machine.disk(0), *keys, *options, allow=())
        self.honest = self.welcomed(self.alice)
        self.honest.write(PLACE, MARK)

    def client(self, who: Identity, **options: Any) -> SealedClient:
        """A connection of somebody, on which nothing was said yet."""
        options.setdefault("server", self.me.public)
        return SealedClient(self.machine, who, **options)

    def welcomed(self, who: Identity, **fields: Any) -> SealedClient:
        """A connection that has been welcomed."""
        client = self.client(who)
        client.hello("disk", **fields)
        return client

    def bare(self) -> Connection:
        """A connection of somebody who knows nothing."""
        return Connection(self.machine.connect("127.0.0.1", PORT))

    def errors(self) -> int:
        """How many records were not what their sender has sealed."""
        return self.machine.dst.show_export("disk")["counters"]["seal_errors"]

    def still_honest(self) -> None:
        """Nobody has disturbed who keeps to the rules, or touched the data."""
        assert self.honest.alive()
        assert self.honest.read(PLACE, 8) == MARK


def evil(client: SealedClient, sector: int = PLACE) -> Frame:
    """A write that must not happen."""
    return client.request(Opcode.WRITE, sector, 8, payload=EVIL)


def record(client: SealedClient, frame: Frame) -> bytes:
    """A frame sealed as the next one, kept back."""
    assert client.outgoing is not None
    return client.outgoing.frame(frame)


def throw(connection: Connection, *parts: Frame | bytes) -> None:
    """Send, to somebody who may have hung up already."""
    try:
        for part in parts:
            connection.send(part)
    except RemoteError as error:
        if error.errno not in (32, 104):  # EPIPE, ECONNRESET
            raise


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    """The same with one bit changed."""
    out = bytearray(data)
    out[at] ^= 1 << bit
    return bytes(out)
