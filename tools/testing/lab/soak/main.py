# SPDX-License-Identifier: GPL-2.0
"""Random faults over disks whose every sector is judged.

    make soak ROUNDS=n SEED=s      n rounds
    make soak SEED=s.r             round r of seed s, alone

A round takes a second or two, most of it waiting; several run side by side, in
machines of their own.
"""

import argparse
import math
import pathlib
import queue
import threading
import time
from collections import Counter

from lab import stage
from lab.flavour import FLAVOURS
from lab.pool import Pool
from lab.show import say
from lab.soak import plan, rounds
from lab.soak.faults import FAULTS
from lab.soak.world import World

PROGRESS_SECONDS = 10


class Soak:
    """All rounds of a run."""

    def __init__(
        self,
        run_dir: pathlib.Path,
        flavour: str,
        seed: str,
        numbers: list[int],
        only: str,
        minutes: float,
    ) -> None:
        self.run_dir = run_dir
        self.flavour = flavour
        self.seed = seed
        self.only = only
        self.wanted = len(numbers)
        self.numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in numbers:
            self.numbers.put(number)
        stage.fill(run_dir / "stage", [flavour])
        self.pool = Pool(run_dir, run_dir / "stage")
        self.lock = threading.Lock()
        self.faults: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.moved = 0
        self.sectors = 0
        self.violations = 0
        self.begin = time.monotonic()
        self.end = self.begin + minutes * 60 if minutes else math.inf
        self.started: list[int] = []
        self.said = self.begin

    def work(self, index: int) -> None:
        """Play rounds until there are none left; a world with a violation is thrown away.

        Only the first of the worlds has machines with several processors: where real
        ones are few, such machines wait for locks most of the time.
        """
        kind = FLAVOURS[self.flavour]
        cpus = 1 if index else kind.cpus
        world: World | None = None
        while True:
            try:
                number = self.numbers.get_nowait()
            except queue.Empty:
                break
            if time.monotonic() > self.end:
                break
            self.started.append(number)
            if world is None:
                world = World(self.pool, self.flavour, cpus)
            script = plan.make(world, self.seed, number, self.only)
            outcome = rounds.play(world, script)
            self.count(number, outcome, world.moved)
            world.moved = 0
            if outcome.violations:
                directory = self.run_dir / "failed" / str(number)
                rounds.keep(world, script, outcome, directory)
                self.tell(number, outcome, directory)
                world.discard()
                world = None
        if world is not None and (left := world.close()):
            with self.lock:
                self.violations += len(left)
                say("\n".join(left))

    def count(self, number: int, outcome: rounds.Outcome, moved: int) -> None:
        """Add up, and say now and then how far it is."""
        with self.lock:
            self.moved += moved
            self.faults += outcome.faults
            self.sectors += outcome.sectors
            self.violations += len(outcome.violations)
            self.seconds.append(outcome.seconds)
            now = time.monotonic()
            if now - self.said >= PROGRESS_SECONDS:
                self.said = now
                done = len(self.seconds)
                say(
                    f"{done} of {self.wanted} rounds, {self.faults.total()} faults,"
                    f" {self.sectors} sectors, {self.violations} violations,"
                    f" {done / (now - self.begin):.2f} rounds/s"
                )

    def tell(self, number: int, outcome: rounds.Outcome, directory: pathlib.Path) -> None:
        """Say what was wrong, and how to see it again."""
        with self.lock:
            say(f"round {number} failed; again with: make soak SEED={self.seed}.{number}")
            for violation in outcome.violations[:5]:
                say("  " + violation.replace("\n", "\n  "))
            say(f"  logs: {directory}")

    def table(self) -> str:
        """How often each kind of fault happened."""
        width = max(len(fault.name) for fault in FAULTS)
        return "\n".join(
            f"  {fault.name:{width}} {self.faults[fault.name]:6}"
            for fault in FAULTS
            if self.faults[fault.name]
        )


def main(run_dir: pathlib.Path, arguments: list[str]) -> int:
    """Run rounds; the last line counts."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", default="1", help="SEED, or SEED.ROUND for that round alone")
    parser.add_argument("--jobs", type=int, default=4, help="rounds side by side")
    parser.add_argument("--flavour", default="uml")
    parser.add_argument("--only", default="", help="only faults with this in their names")
    parser.add_argument("--minutes", type=float, default=0, help="begin no round after so long")
    options = parser.parse_args(arguments)
    seed, dot, number = options.seed.partition(".")
    numbers = [int(number)] if dot else list(range(1, options.rounds + 1))
    soak = Soak(run_dir, options.flavour, seed, numbers, options.only, options.minutes)
    say(f"{len(numbers)} rounds, seed {options.seed}; logs in {run_dir}")
    threads = [
        threading.Thread(target=soak.work, args=[index])
        for index in range(min(options.jobs, len(numbers)))
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        soak.pool.close()
    done = len(soak.seconds)
    say("\nfaults by kind:")
    say(soak.table())
    say(f"moves that led to another server: {soak.moved}")
    slow = sorted(soak.seconds)
    if slow:
        say(f"seconds of a round: median {slow[done // 2]:.1f}, longest {slow[-1]:.1f}")
    # A round that was begun and not finished has gone wrong in a way of its own.
    lost = len(soak.started) - done
    violations = soak.violations + lost
    faults = soak.faults.total()
    say(f"rounds {done} faults {faults} sectors {soak.sectors} violations {violations}")
    return 1 if violations else 0
