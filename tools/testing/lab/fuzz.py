# SPDX-License-Identifier: GPL-2.0
"""How long a fuzzer of the lab runs, and from which seeds.

As a scenario it is short and always does the same; `make fuzz` gives it time, and then it takes
seeds one after the other.
"""

import dataclasses
import time
from collections import Counter
from collections.abc import Iterator

# What one seed is good for, so that what it found can be repeated soon.
PART = 60


@dataclasses.dataclass(frozen=True)
class Part:
    """A piece of work."""

    seed: int
    seconds: float
    bounded: bool

    def most(self, steps: int) -> int:
        """How many steps at most: a short run does always the same."""
        return steps if self.bounded else 1 << 60


class Fuzz:
    """What was asked for, and what came of it."""

    def __init__(self, seed: int, seconds: float) -> None:
        self.seed = seed
        self.seconds = seconds
        self.steps = 0
        self.outcomes: Counter[str] = Counter()

    def parts(self) -> Iterator[Part]:
        """One short piece of work, or as many as there is time for."""
        if not self.seconds:
            yield Part(self.seed, 600, True)
            return
        end = time.monotonic() + self.seconds
        seed = self.seed
        while (left := end - time.monotonic()) > 0:
            yield Part(seed, min(left, PART), False)
            seed += 1

    def tell(self, part: Part, steps: int, outcomes: dict[str, int]) -> None:
        """Add to what was seen."""
        self.steps += steps
        self.outcomes.update(outcomes)
        print(f"seed {part.seed}: {steps} steps, {self.steps} in all: {outcomes}", flush=True)
