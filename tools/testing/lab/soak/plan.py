# SPDX-License-Identifier: GPL-2.0
"""What happens in a round, and when: all of it from the seed and the number of the round."""

from __future__ import annotations

import dataclasses
import math
import random

from lab.machine import Machine
from lab.soak.faults import FAULTS, Fault, Target
from lab.soak.share import Share
from lab.soak.world import World

# Seconds in which faults begin.
BEGIN = 0.7


@dataclasses.dataclass(frozen=True)
class Planned:
    """A fault that will happen."""

    start: float
    end: float
    fault: Fault
    # Number of the target among those of its kind.
    index: int
    dice: random.Random

    def target(self, world: World) -> Target:
        """What it hits."""
        return _targets(world, self.fault.target)[self.index]

    def __str__(self) -> str:
        return f"{self.start:.2f} to {self.end:.2f} s: {self.fault.name} ({self.index})"


@dataclasses.dataclass(frozen=True)
class Plan:
    """A round."""

    seed: str
    number: int
    dice: random.Random
    faults: list[Planned]

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))


def _targets(world: World, kind: str) -> list[Target]:
    """Everything that a kind of fault can hit."""
    machines: list[Target] = list(world.machines)
    clients: list[Target] = list(world.clients)
    shares: list[Target] = list(world.shares)
    found: dict[str, list[Target]] = {
        "share": shares,
        "still share": shares,
        "path": shares,
        "move": shares,
        "server": [None],
        "other": [None],
        "link": [*clients, world.other],
        "client": clients,
        "connection": machines,
        "pool": machines,
    }
    return found[kind]


def _keys(world: World, kind: str, target: Target) -> set[object]:
    """What a fault needs for itself as long as it lasts."""
    if kind == "share":
        return {target}
    if kind == "still share":
        return {target, ("place", target)}
    if kind == "move":
        assert isinstance(target, Share)
        return {("place", target), ("life", target.client)}
    if kind == "path":
        assert isinstance(target, Share)
        return {target, ("link", target.client)}
    if kind == "link":
        return {("link", target)}
    if kind in ("connection", "pool"):
        # Whether the machine is there when that happens must not depend on chance.
        return {("up", target)}
    if kind == "server":
        return {("up", world.server), *world.shares}
    if kind == "other":
        # It comes back only if it reaches the disks.
        up = {("up", machine) for machine in (world.server, world.other)}
        return {*up, ("link", world.other), *world.shares}
    assert isinstance(target, Machine)
    up = {("up", machine) for machine in (target, world.server, world.other)}
    return {*up, ("life", target), *world.of(target)}


def make(world: World, seed: str, number: int, only: str = "") -> Plan:
    """The plan of a round, of faults with a word in their names."""
    dice = random.Random(f"{seed}.{number}")
    able = (fault for fault in FAULTS if not fault.needs or fault.needs in world.abilities)
    kinds = [fault for fault in able if only in fault.name]
    weights = [fault.weight for fault in kinds]
    chosen: list[Planned] = []
    taken: list[tuple[float, float, set[object]]] = []
    for order in range(dice.choice((1, 1, 2, 2, 3, 4, 6))):
        fault = dice.choices(kinds, weights)[0]
        targets = _targets(world, fault.target)
        index = dice.randrange(len(targets))
        start = dice.uniform(0, BEGIN)
        end = start + dice.uniform(*fault.hold)
        keys = _keys(world, fault.target, targets[index])
        # A move takes as long as it takes.
        last = math.inf if fault.target == "move" else end
        if any(
            begin <= last and start <= until and keys & theirs for begin, until, theirs in taken
        ):
            continue
        taken.append((start, last, keys))
        own = random.Random(f"{seed}.{number}.{order}")
        chosen.append(Planned(start, end, fault, index, own))
    chosen.sort(key=lambda planned: planned.start)
    return Plan(seed, number, dice, chosen)
