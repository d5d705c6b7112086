# SPDX-License-Identifier: GPL-2.0
"""The machines of the soak: a server with several disks, another one, and their clients."""

import contextlib
import dataclasses
import random
from collections.abc import Callable, Iterator
from typing import Any

from lab import splats
from lab.flavour import FLAVOURS
from lab.machine import Machine
from lab.pool import Pool, Spec
from lab.soak.share import MOST_SECTORS, SECTORS, SOCKETS, Share

MEMORY = "512M"
PATIENCE = 60
# How much slower than usual everything may be: rounds run side by side.
SLOWNESS = 4
# How many of the storages are at the other server when a round begins.
AWAY = 0.25


class World:
    """Everything that chaos is let loose on."""

    def __init__(self, pool: Pool, flavour: str, cpus: int) -> None:
        kind = dataclasses.replace(FLAVOURS[flavour], cpus=cpus, slowness=SLOWNESS)
        disk = MOST_SECTORS * 512
        self.pool = pool
        self.board = pool.board
        self.server = pool.take(kind, Spec("server", disks=(disk,) * 3, memory=MEMORY))
        self.other = pool.take(kind, Spec("other", memory=MEMORY))
        self.clients = [pool.take(kind, Spec("client", memory=MEMORY)) for _ in range(2)]
        servers = self.server, self.other
        self.shares = [
            Share("a", 0, *servers, self.clients[0], wild=False, cached=False),
            Share("b", 1, *servers, self.clients[0], wild=True, cached=True),
            Share("c", 2, *servers, self.clients[1], wild=True, cached=False),
        ]
        for machine in self.machines:
            machine.wait_up()
            machine.dst.load()
        help_texts = [self.server.dst.ctl(*words).out for words in (["help"], ["help", "set"])]
        # What the tool can do, so that faults that need more are left out.
        self.abilities = set(" ".join(help_texts).split())
        self.consoles: dict[Machine, tuple[int, int]] = {}
        # How many of the storages that were to move while other things happened did so.
        self.moved = 0
        self.raise_server()
        self.raise_other()
        for share in self.shares:
            share.client.sh(share.script_attach())
        for share in self.shares:
            share.wait_connected(PATIENCE)
        several = self.clients[0].dst.ctl("set", "a", "--connections", "4", check=False)
        # How many connections a storage can have.
        self.most_connections = 1 if several.rc else 4

    @property
    def machines(self) -> list[Machine]:
        """All of them."""
        return [self.server, self.other, *self.clients]

    def of(self, client: Machine) -> list[Share]:
        """Disks that a client uses."""
        return [share for share in self.shares if share.client is client]

    def raise_server(self) -> None:
        """Make and export all disks of a server that has just booted."""
        for share in self.shares:
            share.make()
        self.server.sh("\n".join(share.script_up() for share in self.shares))

    def raise_other(self) -> None:
        """Let the other server have all disks as well, after it has booted."""
        self.other.sh("\n".join(share.script_relay() for share in self.shares))
        for share in self.shares:
            share.export_relay(PATIENCE)

    def servers_of(self, machine: Machine) -> list[Machine]:
        """Machines that have an export for another machine."""
        return [self.server] if machine is self.other else [self.server, self.other]

    def link(self, machine: Machine, **faults: Any) -> None:
        """Set the faults of the wires between a machine and its servers."""
        for server in self.servers_of(machine):
            self.board.link(server, machine, **faults)

    def heal_links(self) -> None:
        """Make all wires of this world perfect."""
        for machine in self.other, *self.clients:
            self.link(machine)

    # What faults are made of.

    def kill_server(self) -> None:
        """Power failure of the server."""
        for share in self.shares:
            share.restarts(crash=True)
        self.server.kill()

    def boot_server(self) -> None:
        """Let the server come back with the same disks."""
        self.server.boot()
        self.server.dst.load()
        self.raise_server()

    def kill_other(self) -> None:
        """Power failure of the other server."""
        for share in self.shares:
            share.other_restarts()
        self.other.kill()

    def boot_other(self) -> None:
        """Let the other server come back."""
        self.other.boot()
        self.other.dst.load()
        self.raise_other()

    def kill_client(self, client: Machine) -> int:
        """Power failure of a client under load; its next tick."""
        for share in self.of(client):
            share.note(client.call("hammer.freeze", path=share.path), dead=True)
        tick = client.call("hammer.now")
        client.kill()
        for share in self.of(client):
            share.history.depart(tick)
        return tick + 1

    def boot_client(self, client: Machine, tick: int) -> None:
        """Let a client come back; its readers and writers do not."""
        client.boot()
        client.dst.load()
        client.call("hammer.begin_at", tick=tick)
        for share in self.of(client):
            share.epoch = 0
            client.sh(share.script_attach())

    def client_is_back(self, client: Machine) -> None:
        """See that it is let in, which is when nothing of its earlier life is left."""
        for share in self.of(client):
            share.wait_connected(PATIENCE)
            share.history.close(share.now())
            client.call("hammer.adopt", path=share.path, disk=share.number, size=share.size)

    def reset(self, machine: Machine, which: int = -1) -> None:
        """Reset the connections of a machine: all, or the one of that number."""
        if not (machine.alive and machine.ready):
            return
        if which < 0:
            machine.run("ss", "-tK", "state", "established", SOCKETS)
            return
        machine.sh(
            f"ports=$(ss -tnH state established '{SOCKETS}' | awk '{{print $3, $4}}'"
            " | sed 's/[^ ]*:\\([0-9]*\\) [^ ]*:\\([0-9]*\\)/\\1 \\2/' | sort)\n"
            'count=$(echo "$ports" | grep -c .) || exit 0\n'
            f'set -- $(echo "$ports" | sed -n "$(({which} % count + 1))p")\n'
            "ss -tK state established sport = :$1 and dport = :$2"
        )

    # The end of a round.

    def settle(self, problem: Callable[[str], None]) -> int:
        """Wait until all is quiet, and judge; the number of sectors that were judged."""
        self.heal_links()
        for share in self.shares:
            if share.move:
                self.moved += share.end_move(PATIENCE)
        for share in self.shares:
            share.wait_connected(PATIENCE)
        stops = [
            (share, share.client.start_call("hammer.stop", path=share.path, timeout=2 * PATIENCE))
            for share in self.shares
        ]
        for share, stop in stops:
            if stuck := stop.result(PATIENCE):
                problem(f"hung: {share.name}: {stuck} operations do not end")
        for share in self.shares:
            share.quiet()
            self._final_size(share, problem)
            for _ in range(3):  # a crash is reported once
                if not share.client.call("hammer.flush", path=share.path):
                    break
        looks = [
            (share, share.client.start_call("hammer.inspect", path=share.path, size=share.size))
            for share in self.shares
        ]
        judged = 0
        for share, look in looks:
            share.note(look.result(PATIENCE))
            share.history.sectors = share.size
            before = share.history.checked
            for violation in share.history.settle():
                problem(f"{share.name}: {violation}")
            judged += share.history.checked - before
        return judged

    def _final_size(self, share: Share, problem: Callable[[str], None]) -> None:
        """See that the client knows how large the disk has become."""
        try:
            share.client.wait(
                "files.content_is",
                10,
                path=f"/sys/block/dst-{share.name}/size",
                text=str(share.size),
            )
        except TimeoutError as error:
            problem(f"size: {error}")

    def complaints(self) -> Iterator[str]:
        """What kernels have complained of since this was asked last."""
        for machine in self.machines:
            boots, seen = self.consoles.get(machine, (machine.boots, 0))
            text = machine.console()
            if boots != machine.boots:
                seen = 0
            self.consoles[machine] = machine.boots, len(text)
            for complaint in splats.find(text[seen:]):
                yield f"kernel: {machine.name}: {complaint}"
            if not machine.alive:
                yield f"kernel: {machine.name} died"

    # Between rounds.

    def renew(self, dice: random.Random) -> None:
        """Attach some disks anew, in their first size, and move some to the other server."""
        for share in self.shares:
            if share.size != SECTORS or dice.random() < 0.2:
                share.connections = min(dice.randint(1, 4), self.most_connections)
                self._attach_anew(share)
            if (dice.random() < AWAY) != share.away:
                share.begin_move()
                if not share.end_move(PATIENCE):
                    raise AssertionError(f"{share.name} does not move though nothing is wrong")

    def _attach_anew(self, share: Share) -> None:
        """Take a disk away everywhere and bring it back."""
        share.client.dst.ctl("del", share.name)
        # A server may not have heard yet that the client is gone.
        share.other.sh(share.script_no_relay())
        share.server.sh(share.script_withdraw())
        share.size = SECTORS
        share.become("0 {sectors} linear {device} 0")
        share.server.sh(share.script_export())
        share.other.sh(share.script_relay())
        share.export_relay(PATIENCE)
        share.epoch = 0
        share.away = False
        share.client.sh(share.script_attach())
        share.wait_connected(PATIENCE)

    def close(self) -> list[str]:
        """Take everything down; what is left behind."""
        left = []
        for machine in reversed(self.machines):
            with contextlib.suppress(Exception):
                machine.dst.clear()
                machine.call("leftovers.let_go")
            try:
                machine.dst.unload()
                left += [
                    f"{machine.name}: left behind: {what}"
                    for what in machine.call("leftovers.after_unload")
                ]
            except Exception as error:
                left.append(f"{machine.name}: cannot be cleaned: {error}")
        self.discard()
        return left

    def discard(self) -> None:
        """Power everything off."""
        for machine in self.machines:
            self.pool.discard(machine)


Effect = Callable[[World, random.Random, Any], Iterator[None]]
