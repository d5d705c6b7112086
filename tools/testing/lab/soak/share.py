# SPDX-License-Identifier: GPL-2.0
"""One disk of a server, the storage that uses it, and its history."""

import contextlib
import random
import uuid
from typing import Any

from lab.dst import PORT, TOOL
from lab.history import NEVER, History, Operation
from lab.machine import Machine, Process

# A small disk is written often, and read completely after each round.
SECTORS = 4096
# How far it may grow.
MOST_SECTORS = 2 * SECTORS
KEEPALIVE = "2s"
# How long a move to another server may take; it waits for what else is wrong meanwhile.
MOVE_TIMEOUT = "20s"
# Operations per second of all readers and writers of a disk, and how many at most in a round.
RATE = 250
OPERATIONS = 300
# Sockets of DST, seen from either end.
SOCKETS = f"( sport = :{PORT} or dport = :{PORT} )"

HEALTHY = "0 {sectors} linear {device} 0"


class Share:
    """A disk, on both ends, and on the way round by another server.

    There is one disk, with one cache, in the machine of the server. The other server
    has it as a storage of its own, the relay, and exports that under the name and the
    identity of the disk: a client may use it from either. What the other server
    acknowledges, the disk has acknowledged; what the other server has of its own, and
    loses when it dies, is nothing. So it is the crash of the disk's machine after which
    something may be lost, wherever the client is.
    """

    def __init__(
        self,
        name: str,
        number: int,
        server: Machine,
        other: Machine,
        client: Machine,
        wild: bool,
        cached: bool,
    ) -> None:
        self.name = name
        self.number = number
        self.server = server
        self.other = other
        self.client = client
        # Whether the disk completes what is under way in any order, and whether it has a
        # volatile cache that a crash really loses.
        self.wild = wild
        self.cached = cached
        self.uuid = str(uuid.UUID(int=number + 1))
        self.path = f"/dev/dst-{name}"
        self.relay = f"{name}-relay"
        self.relay_uuid = str(uuid.UUID(int=number + 101))
        self.history = History(SECTORS)
        self.size = SECTORS
        self.connections = 1
        # When the server crashed, if nobody knows yet that it is back, and in which
        # epoch it will be.
        self.crashes: list[tuple[int, bool]] = []
        self.epoch = 0
        # The same for crashes that the epoch of the client tells nothing about.
        self.far_crashes: list[tuple[int, bool]] = []
        # Whether the client uses it by way of the other server, and what moves it.
        self.away = False
        self.move: Process | None = None

    # Server.

    @property
    def backing(self) -> str:
        """What the disk is made of."""
        return f"/dev/nbd{self.number}" if self.wild else self.server.disk(self.number)

    def table(self, text: str) -> str:
        """A table of device mapper for this disk."""
        return text.format(sectors=self.size, device=self.backing)

    def make(self) -> None:
        """Make what the disk is made of after the server has booted."""
        if self.wild:
            self.server.call(
                "disk.create",
                device=self.backing,
                backing=self.server.disk(self.number),
                cached=self.cached,
                seed=self.number,
            )

    def script_up(self) -> str:
        """Commands that make the disk, and export it."""
        return (
            f"dmsetup create {self.name} --table '{self.table(HEALTHY)}'\n"
            f"dmsetup mknodes\n{self.script_export()}"
        )

    def script_export(self) -> str:
        """The commands that export the disk, to the client and to the other server."""
        device = f"/dev/mapper/{self.name} --share-device"
        return (
            f"{_export(self.name, device, self.uuid)}\n"
            f"{_export(self.relay, device, self.relay_uuid)}"
        )

    def script_withdraw(self) -> str:
        """The commands that do the reverse, whoever uses it."""
        return f"dstctl export del {self.name} --force\ndstctl export del {self.relay} --force"

    def become(self, text: str) -> None:
        """Change the nature of the disk, when nothing is under way any more."""
        self.server.sh(
            f"dmsetup suspend --nolockfs {self.name}\n"
            f"dmsetup load {self.name} --table '{self.table(text)}'\n"
            f"dmsetup resume {self.name}",
            timeout=60,
        )

    # The other server.

    def script_relay(self) -> str:
        """The command that makes the relay, sooner or later."""
        return (
            f"dstctl add {self.relay} {self.server.address()}:{PORT} --timeout 0"
            f" --connections 2 --uuid {self.relay_uuid}"
        )

    def export_relay(self, timeout: float) -> None:
        """Export the relay in place of the disk, as soon as it is there."""
        path = f"/dev/dst-{self.relay}"
        self.other.wait("files.is_block_device", timeout, path=path)
        self.other.sh(_export(self.name, path, self.uuid))

    def script_no_relay(self) -> str:
        """The commands that do the reverse."""
        return f"dstctl export del {self.name} --force\ndstctl del {self.relay}"

    # Client.

    def script_attach(self) -> str:
        """The command that makes the storage, sooner or later, where it was before."""
        return (
            f"dstctl add {self.name} {self.place(self.away)} --timeout 0"
            f" --connections {self.connections} --uuid {self.uuid}"
        )

    def place(self, away: bool) -> str:
        """Where the client finds the disk: at its server, or away from there."""
        return f"{(self.other if away else self.server).address()}:{PORT}"

    def begin_move(self) -> None:
        """Begin to move to the server where it is not."""
        words = TOOL, "migrate", self.name, self.place(not self.away), "--timeout", MOVE_TIMEOUT
        self.move = self.client.spawn(*words)

    def end_move(self, timeout: float) -> bool:
        """Find out where a move has led to; whether to another server."""
        assert self.move is not None
        result = self.move.wait(timeout, check=False)
        self.move = None
        if result.rc == 0:
            self.away = not self.away
        return result.rc == 0

    def attribute(self, name: str) -> str:
        """A file of the storage."""
        return f"/sys/block/dst-{self.name}/dst/{name}"

    def wait_connected(self, timeout: float) -> None:
        """Wait until I/O flows, also after a crash that may not have been noticed yet."""
        try:
            self._wait_connected(timeout)
        except TimeoutError as error:
            shown = self.client.dst.ctl("show", self.name, check=False)
            raise TimeoutError(f"{error}\n{shown}") from None

    def _wait_connected(self, timeout: float) -> None:
        self.client.wait(
            "files.number_at_least",
            timeout,
            f"{self.name} is in epoch {self.epoch}",
            path=self.attribute("epoch"),
            least=self.epoch,
        )
        self.client.wait(
            "files.content_is",
            timeout,
            f"{self.name} is connected",
            path=self.attribute("state"),
            text="connected",
        )
        self.client.wait("files.is_block_device", timeout, path=self.path)
        if self.crashes:
            # What is acknowledged now was acknowledged after all of them.
            tick = self.now()
            for begin, lossy in self.crashes:
                self.history.crash(begin, tick, lossy)
            self.crashes.clear()

    def restarts(self, crash: bool) -> None:
        """The server is about to die, or to let the export go.

        In either case the client, or the other server, may not know what was lost, and
        say so once.
        """
        entry = self.now(), crash and self.cached
        # An export that comes back soon need not cost all connections at the same time; if
        # it does not, the epoch is still the same.
        if self.away or self.move or not crash:
            self.far_crashes.append(entry)
        else:
            self._restarts(entry)

    def other_restarts(self) -> None:
        """The other server is about to die, which never loses anything."""
        if self.move:
            self.far_crashes.append((self.now(), False))
        elif self.away:
            self._restarts((self.now(), False))

    def _restarts(self, entry: tuple[int, bool]) -> None:
        """The server that the client uses is about to die; so is the client's session."""
        self.crashes.append(entry)
        if self.client.call("files.exists", path=self.path):
            live = self.client.read(self.attribute("state")) == "connected"
            self.epoch = int(self.client.read(self.attribute("epoch"))) + live

    # History.

    def quiet(self) -> None:
        """Nothing is under way, so nothing that is acknowledged later was before a crash."""
        tick = self.now()
        for begin, lossy in self.far_crashes:
            self.history.crash(begin, tick, lossy)
        self.far_crashes.clear()

    def now(self) -> int:
        """The client's next tick."""
        return self.client.call("hammer.now")

    def note(self, diary: dict[str, list[dict[str, Any]]], dead: bool = False) -> None:
        """Add what the readers and writers have done; a dead client has ended nothing."""
        self.history.add(Operation(**entry) for entry in diary["closed"])
        if dead:
            self.history.add(Operation(**{**entry, "end": NEVER}) for entry in diary["open"])

    def begin(self, dice: random.Random, seed: str, number: int) -> None:
        """Let the readers and writers loose, until they are stopped."""
        workers = dice.choice((2, 4, 8, 12))
        self.client.call(
            "hammer.start",
            path=self.path,
            disk=self.number,
            size=self.size,
            seed=f"{seed}.{self.name}",
            first=1 + 100 * self.number,
            number=number << 20,
            workers=workers,
            operations=OPERATIONS // workers,
            pace=2 * workers / RATE,
        )

    @contextlib.contextmanager
    def reason(self, text: str, late: bool = False) -> Any:
        """Operations may fail while this lasts."""
        begin = self.now()
        try:
            yield
        finally:
            self.history.excuse(begin, self.now(), text, late)


def _export(name: str, device: str, identity: str) -> str:
    """The command that exports a device."""
    return (
        f"dstctl export add {name} {device} --listen [::]:{PORT}"
        f" --allow 10.77.0.0/16:rw --uuid {identity} --keepalive {KEEPALIVE}"
    )
