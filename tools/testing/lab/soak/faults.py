# SPDX-License-Identifier: GPL-2.0
"""What may go wrong, a function for each.

A fault is a generator: it begins, yields while it lasts, and heals. Another kind
is another function with `@fault`: what it hits, how long it lasts, how often it
happens. All that it chooses comes from its dice, so that a round that is run
again makes the same choices.
"""

import dataclasses
import random
from collections.abc import Callable, Iterator

from lab.machine import Machine
from lab.soak.share import MOST_SECTORS, Share
from lab.soak.world import Effect, World

Target = Machine | Share | None


@dataclasses.dataclass(frozen=True)
class Fault:
    """A kind of fault."""

    name: str
    effect: Effect
    # What it hits: "link" (of a machine to its servers), "connection", "pool" (of a
    # machine), "client", "share", "still share" (one that is not moving), "path" (a share
    # and its link), "move" (a share), "server", "other" (the other server).
    target: str
    # Seconds that it lasts.
    hold: tuple[float, float]
    weight: int
    # Word of dstctl's help without which it cannot be.
    needs: str


FAULTS: list[Fault] = []


def fault(
    name: str, target: str, hold: tuple[float, float] = (0, 0), weight: int = 10, needs: str = ""
) -> Callable[[Effect], Effect]:
    """Add a function to the kinds of faults."""

    def add(effect: Effect) -> Effect:
        FAULTS.append(Fault(name, effect, target, hold, weight, needs))
        return effect

    return add


# Networks.


@fault("link cut", "link", (0.05, 1.2), 14)
def cut(world: World, dice: random.Random, client: Machine) -> Iterator[None]:
    """Nothing passes."""
    world.link(client, cut=True)
    yield
    world.link(client)


@fault("link cut in one direction", "link", (0.05, 1.2), 14)
def half_cut(world: World, dice: random.Random, client: Machine) -> Iterator[None]:
    """One of them hears nothing, but is heard."""
    to_client = dice.random() < 0.5
    for server in world.servers_of(client):
        ends = (server, client) if to_client else (client, server)
        world.board.direction(*ends, cut=True)
    yield
    world.link(client)


def _bad_link(name: str, weight: int, make: Callable[[random.Random], dict[str, float]]) -> None:
    @fault(name, "link", (0.1, 0.8), weight)
    def bad(world: World, dice: random.Random, client: Machine) -> Iterator[None]:
        world.link(client, **make(dice))
        yield
        world.link(client)


_bad_link("delay", 8, lambda dice: {"delay": dice.uniform(0.002, 0.1), "jitter": 0.01})
_bad_link("loss", 8, lambda dice: {"drop": dice.uniform(0.01, 0.2)})
_bad_link("duplicates", 8, lambda dice: {"duplicate": dice.uniform(0.05, 0.5)})
_bad_link("reordering", 8, lambda dice: {"reorder": dice.uniform(0.05, 0.4)})
_bad_link("corruption", 8, lambda dice: {"corrupt": dice.uniform(0.01, 0.1)})
_bad_link("low rate", 6, lambda dice: {"rate": dice.uniform(2e6, 2e7)})


@fault("everything wrong with a link", "link", (0.1, 0.8), 6)
def bad_in_every_way(world: World, dice: random.Random, client: Machine) -> Iterator[None]:
    """A little of everything, differently in each direction."""
    for server in world.servers_of(client):
        for ends in (server, client), (client, server):
            world.board.direction(
                *ends,
                drop=dice.uniform(0, 0.03),
                duplicate=dice.uniform(0, 0.1),
                reorder=dice.uniform(0, 0.1),
                corrupt=dice.uniform(0, 0.02),
                jitter=dice.uniform(0, 0.005),
            )
    yield
    world.link(client)


# Connections.


@fault("one connection reset", "connection", weight=12)
def reset_one(world: World, dice: random.Random, machine: Machine) -> Iterator[None]:
    """One of them gets an RST."""
    world.reset(machine, dice.randrange(64))
    yield


@fault("all connections reset", "connection", weight=12)
def reset_all(world: World, dice: random.Random, machine: Machine) -> Iterator[None]:
    """All of a machine get an RST."""
    world.reset(machine)
    yield


@fault("connections reset again and again", "connection", weight=8)
def reset_often(world: World, dice: random.Random, machine: Machine) -> Iterator[None]:
    """As soon as they are there, or sooner."""
    for _ in range(dice.randint(2, 6)):
        world.reset(machine)
    yield


# Machines.


@fault("server killed", "server", (0, 0.4), 12)
def server_dies(world: World, dice: random.Random, target: Target) -> Iterator[None]:
    """Power failure; the disks are there again after the boot."""
    world.kill_server()
    yield
    world.boot_server()


@fault("other server killed", "other", (0, 0.4), 6)
def other_dies(world: World, dice: random.Random, target: Target) -> Iterator[None]:
    """Power failure of the machine between some clients and the disks."""
    world.kill_other()
    yield
    world.boot_other()


@fault("client killed", "client", (0, 0.3), 8)
def client_dies(world: World, dice: random.Random, client: Machine) -> Iterator[None]:
    """Power failure of a client that writes."""
    tick = world.kill_client(client)
    yield
    world.boot_client(client, tick)
    world.heal_links()
    world.client_is_back(client)


# Exports and storages.


@fault("export removed", "share", (0, 0.4))
def export_removed(world: World, dice: random.Random, share: Share) -> Iterator[None]:
    """By force; it comes back."""
    share.restarts(crash=False)
    share.server.sh(share.script_withdraw())
    yield
    share.server.sh(share.script_export())


@fault("module of the server reloaded", "server", (0, 0.2), 4)
def module_reloaded(world: World, dice: random.Random, target: Target) -> Iterator[None]:
    """All exports go, and so does all that the server remembers."""
    for share in world.shares:
        share.restarts(crash=False)
        share.server.sh(share.script_withdraw())
    world.server.dst.unload()
    yield
    world.server.dst.load()
    world.server.sh("\n".join(share.script_export() for share in world.shares))


@fault("storage removed", "still share", (0, 0.3), 8)
def storage_removed(world: World, dice: random.Random, share: Share) -> Iterator[None]:
    """By force, under load; it comes back as another session."""
    with share.reason("storage removed", late=True):
        share.client.dst.ctl("del", share.name, "--force")
        share.history.depart(share.now())
        yield
        share.epoch = 0
        share.client.sh(share.script_attach())
        world.heal_links()
        share.wait_connected(60)
        share.client.call("hammer.reopen", path=share.path)


@fault("pool resized", "pool", weight=6)
def pool_resized(world: World, dice: random.Random, machine: Machine) -> Iterator[None]:
    """Fewer threads, or more."""
    for _ in range(2):
        machine.dst.ctl("pool", "set", str(dice.randint(1, 4)))
    yield


@fault("number of connections changed", "still share", (0, 0.3), 8, needs="--io-timeout")
def connections_changed(world: World, dice: random.Random, share: Share) -> Iterator[None]:
    """To another one and back, online."""
    other = dice.randint(1, 8)
    share.client.dst.ctl("set", share.name, "--connections", str(other))
    yield
    share.client.dst.ctl("set", share.name, "--connections", str(share.connections))


@fault("given up by fail-after", "path", (0.3, 1.2), 6, needs="--fail-after")
def fails_after(world: World, dice: random.Random, share: Share) -> Iterator[None]:
    """What waits fails after a while; what the server had of it may still take effect."""
    with share.reason("fail-after", late=True):
        share.client.dst.ctl("set", share.name, "--fail-after", f"{dice.randint(100, 400)}ms")
        world.link(share.client, cut=True)
        world.reset(share.client)
        yield
        world.heal_links()
        share.wait_connected(60)
        share.client.dst.ctl("set", share.name, "--fail-after", "never")


@fault("suspended", "still share", (0, 0.5), 8, needs="suspend")
def suspended(world: World, dice: random.Random, share: Share) -> Iterator[None]:
    """I/O waits for the administrator."""
    share.client.dst.ctl("suspend", share.name)
    yield
    share.client.dst.ctl("resume", share.name)


@fault("moved to another server", "move", weight=30, needs="migrate")
def moves(world: World, dice: random.Random, share: Share) -> Iterator[None]:
    """Under load, and under whatever else is wrong; where it ends is found out later."""
    share.begin_move()
    yield


# Disks.


@fault("disk slow", "share", (0.1, 0.5))
def disk_slow(world: World, dice: random.Random, share: Share) -> Iterator[None]:
    """Reads and writes are held back, each for a time of its own."""
    read, write = dice.randint(0, 50), dice.randint(20, 400)
    share.become(f"0 {{sectors}} delay {{device}} 0 {read} {{device}} 0 {write}")
    yield
    share.become("0 {sectors} linear {device} 0")


@fault("disk slow in any order, then connections reset", "share", (0.1, 0.6), 18)
def ghosts(world: World, dice: random.Random, share: Share) -> Iterator[None]:
    """Writes of old connections are still under way when the client is back."""
    slowness = dice.uniform(0.1, 1.0)
    if share.wild:
        share.server.call("disk.slow", device=share.backing, seconds=slowness)
    else:
        share.become(f"0 {{sectors}} delay {{device}} 0 0 {{device}} 0 {int(slowness * 500)}")
    world.reset(share.client)
    yield
    world.reset(dice.choice([share.client, share.server]))
    if share.wild:
        share.server.call("disk.slow", device=share.backing, seconds=0)
    else:
        share.become("0 {sectors} linear {device} 0")


@fault("disk hangs", "share", (0.1, 1.0))
def disk_hangs(world: World, dice: random.Random, share: Share) -> Iterator[None]:
    """Nothing is completed at all for a while."""
    share.server.run("dmsetup", "suspend", "--nolockfs", "--noflush", share.name)
    yield
    share.server.run("dmsetup", "resume", share.name)


@fault("disk fails", "still share", (0.05, 0.3))
def disk_fails(world: World, dice: random.Random, share: Share) -> Iterator[None]:
    """Everything, or reads, or writes."""
    tables = (
        "0 {sectors} error",
        "0 {sectors} flakey {device} 0 0 100000 1 error_reads",
        "0 {sectors} flakey {device} 0 0 100000 1 error_writes",
    )
    with share.reason("disk fails"):
        share.become(dice.choice(tables))
        yield
        share.become("0 {sectors} linear {device} 0")


@fault("disk grows", "share")
def disk_grows(world: World, dice: random.Random, share: Share) -> Iterator[None]:
    """Online; a connection is made anew at the same time."""
    share.size = min(share.size + dice.choice((1, 8, 100, 512)), MOST_SECTORS)
    share.become("0 {sectors} linear {device} 0")
    world.reset(share.client)
    yield
