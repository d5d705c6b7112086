# SPDX-License-Identifier: GPL-2.0
"""One round: I/O, faults, quiet, judgement."""

import contextlib
import dataclasses
import heapq
import itertools
import json
import pathlib
import shutil
import time
import traceback
from collections import Counter
from collections.abc import Iterator

from lab.soak.plan import Plan, Planned
from lab.soak.world import World


@dataclasses.dataclass
class Outcome:
    """How a round went."""

    faults: Counter[str] = dataclasses.field(default_factory=Counter)
    sectors: int = 0
    violations: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0


def play(world: World, plan: Plan) -> Outcome:
    """Play a round; what goes wrong with the machines is a violation, too."""
    outcome = Outcome()
    begin = time.monotonic()
    for machine in world.machines:
        machine.new_diary(f"round {plan.seed}.{plan.number}:\n{plan}")
    try:
        world.renew(plan.dice)
        for share in world.shares:
            share.begin(plan.dice, f"{plan.seed}.{plan.number}", plan.number)
        _happen(world, plan, outcome)
        outcome.sectors = world.settle(outcome.violations.append)
    except Exception:  # whatever it is, the round has failed
        outcome.violations.append(f"broken off: {traceback.format_exc()}")
    outcome.violations += world.complaints()
    outcome.seconds = time.monotonic() - begin
    return outcome


def _happen(world: World, plan: Plan, outcome: Outcome) -> None:
    """Let faults begin and end in their time."""
    order = itertools.count()
    queue: list[tuple[float, int, Planned, Iterator[None] | None]] = [
        (planned.start, next(order), planned, None) for planned in plan.faults
    ]
    heapq.heapify(queue)
    begin = time.monotonic()
    while queue:
        due, _, planned, effect = heapq.heappop(queue)
        time.sleep(max(0.0, begin + due - time.monotonic()))
        if effect is None:
            effect = planned.fault.effect(world, planned.dice, planned.target(world))
            next(effect)
            outcome.faults[planned.fault.name] += 1
            heapq.heappush(queue, (planned.end, next(order), planned, effect))
        else:
            with contextlib.suppress(StopIteration):
                next(effect)


def keep(world: World, plan: Plan, outcome: Outcome, directory: pathlib.Path) -> None:
    """Keep all that is known of a round that failed."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "plan").write_text(f"{plan}\n")
    (directory / "violations").write_text("\n".join(outcome.violations) + "\n")
    for machine in world.machines:
        shutil.copytree(
            machine.run_dir,
            directory / machine.name,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("disk*.img"),
        )
    for share in world.shares:
        past = share.history.operations or share.history.past
        lines = [json.dumps(vars(operation)) for operation in past]
        (directory / f"{share.name}.history").write_text("\n".join(lines) + "\n")
