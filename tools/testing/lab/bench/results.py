# SPDX-License-Identifier: GPL-2.0
"""What was measured, and what follows from it: medians, spread, ratios, goals.

A *work* is a name of something that was measured, such as ``randread-4k-qd1``,
or ``randread-4k-qd1-cpu`` for the time that processors have spent on it.
"""

import dataclasses
import statistics
from collections.abc import Iterable
from typing import Any

# Work -> peer -> what was measured, in the order of the rounds.
Samples = dict[str, dict[str, list[float]]]
Table = dict[str, dict[str, float]]

# What a peer name ends with -> the variant that it is of its protocol.
DIGEST = "-crc32c"
SEALED = ("-chacha20", "-aes256")
TLS = "-tls"
# The variant that is sealed with the cipher that tlshd prefers.
AS_TLS = "-chacha20"


def rotated(peers: list[str], number: int) -> list[str]:
    """The order of a round: everybody is first, last and behind everybody else in turn."""
    turn = number % len(peers)
    order = peers[turn:] + peers[:turn]
    return order if number // len(peers) % 2 == 0 else order[::-1]


def add(samples: Samples, peer: str, values: dict[str, float]) -> None:
    """Put what one measurement has found to the others."""
    for work, value in values.items():
        samples.setdefault(work, {}).setdefault(peer, []).append(value)


def medians(samples: Samples) -> Table:
    """The median of each."""
    return {
        work: {peer: statistics.median(values) for peer, values in row.items()}
        for work, row in samples.items()
    }


def _compared(row: dict[str, float], of: str, names: Iterable[str]) -> dict[str, float]:
    """One divided by each of some others, where both are there."""
    if of not in row:
        return {}
    return {name: row[of] / row[name] for name in names if row.get(name)}


def ratios(table: Table) -> Table:
    """DST divided by each peer.

    With a digest, which has a work of its own, by nvme-tcp with the same digest; sealed,
    by DST and by nvme-tcp without any such thing, by nvme-tcp with TLS, where the cipher is
    the same, and by what its cipher does alone.
    """
    found: Table = {}
    for work, row in table.items():
        plain = [
            name for name in row if name != "dst" and not name.endswith((DIGEST, *SEALED, TLS))
        ]
        found[work] = _compared(row, "dst", plain)
        digests = {
            name.removesuffix(DIGEST): value for name, value in row.items() if DIGEST in name
        }
        found[work + DIGEST] = _compared(digests, "dst", [n for n in digests if n != "dst"])
        for suffix in SEALED:
            others = ["dst", "nvme-tcp", *(["nvme-tcp" + TLS] if suffix == AS_TLS else [])]
            found[work + suffix] = _compared(row, "dst" + suffix, others)
    # What one TCP connection carries, and a cipher does, is not measured once for each work.
    if stream := table.get("stream", {}).get("tcp"):
        for work, row in table.items():
            if "-1m-" in work and work.endswith("-qd8") and "dst" in row:
                found[work]["stream"] = row["dst"] / stream
    for suffix in SEALED:
        if alone := table.get("aead" + suffix, {}).get("kernel"):
            for work, row in table.items():
                if "-1m-" in work and work.endswith("-qd8") and "dst" + suffix in row:
                    found[work + suffix]["aead"] = row["dst" + suffix] / alone
    return {work: row for work, row in found.items() if row}


@dataclasses.dataclass(frozen=True)
class Goal:
    """What a number should be."""

    work: str
    # A peer: of the ratio. Another work: of what DST reaches, divided by what it reaches
    # there. Nothing: of what DST reaches.
    against: str
    bound: float
    at_most: bool = False

    def value(self, table: Table) -> float | None:
        """What it is; nothing if it was not measured."""
        if not self.against:
            return table.get(self.work, {}).get("dst")
        value = ratios(table).get(self.work, {}).get(self.against)
        if value is None:
            mine, other = (table.get(work, {}).get("dst") for work in (self.work, self.against))
            return mine / other if mine is not None and other else None
        return value

    def best(self, table: Table) -> float | None:
        """What a network disk would reach that takes no time beyond that of the disk itself."""
        row = table.get(self.work, {})
        return row["raw"] / row[self.against] if "raw" in row and row.get(self.against) else None

    def reached(self, value: float) -> bool:
        """Whether that is good enough."""
        return value <= self.bound if self.at_most else value >= self.bound

    def missed_by(self, value: float) -> float:
        """By which part of the goal it was missed; negative if it was exceeded."""
        part = value / self.bound - 1
        return part if self.at_most else -part


SMALL = ["randread-4k", "randwrite-4k"]
SPEED = {
    # Works -> at least so much of nvme-tcp, of nbd.
    tuple(f"{work}-qd1" for work in SMALL): (1.25, 3.0),
    tuple(f"{work}-qd32{jobs}" for jobs in ("", "-b8", "-j4") for work in SMALL): (1.5, 3.0),
    ("read-128k-qd8", "write-128k-qd8"): (1.25, 2.0),
    ("read-1m-qd8", "write-1m-qd8"): (1.1, 2.0),
    ("mix-20ms-qd64-write",): (1.3, 2.0),
}


def _goals() -> list[Goal]:
    """All of them, in the order of the report."""
    goals = []
    for works, (nvme, nbd) in SPEED.items():
        for work in works:
            goals += [Goal(work, "nvme-tcp", nvme), Goal(work, "nbd", nbd)]
            if "-1m-" in work:
                goals.append(Goal(work, "stream", 0.9))
                for suffix in SEALED:
                    goals.append(Goal(work + suffix, "aead", 0.8))
                goals.append(Goal(work + AS_TLS, "nvme-tcp" + TLS, 1.0))
            goals.append(Goal(work + DIGEST, "nvme-tcp", nvme))
    for works in SPEED:
        for work in works:
            cost = work.removesuffix("-write") if work.startswith("mix") else work
            goals += [
                Goal(f"{cost}-cpu", "nvme-tcp", 0.8, True),
                Goal(f"{cost}-cpu", "nbd", 0.4, True),
            ]
    goals += [Goal(f"{work}-qd1-switches", "", 2, True) for work in SMALL]
    goals += [Goal(f"{work}-qd1-switches", "nbd", 1, True) for work in SMALL]
    goals += [
        Goal(f"memory-{what}", "nvme-tcp", 0.5, True)
        for what in ("storage", "connection", "export")
    ]
    for what, numbers in (("storages", (8, 64, 256)), ("clients", (8, 64))):
        goals += [Goal(f"growth-{what}-{n}", f"growth-{what}-1", 0.9) for n in numbers]
    return [*goals, Goal("growth-add", "", 20, True)]


GOALS = _goals()


def summary(samples: Samples) -> dict[str, Any]:
    """What is written to bench.json about the numbers."""
    table = medians(samples)
    return {"medians": table, "ratios": ratios(table), "samples": samples}
