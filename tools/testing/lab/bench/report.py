# SPDX-License-Identifier: GPL-2.0
"""What was measured, for people: on the screen, and as a chapter of the documentation."""

import dataclasses
import pathlib
import textwrap
from typing import Any

from lab.bench import charts
from lab.bench.charts import Bar, Group, compact, span
from lab.bench.facts import BUSY
from lab.bench.results import DIGEST, GOALS, SEALED, Goal

PLAIN = ("raw", "dst", "nvme-tcp", "nbd", "tcp", "kernel")
# What variants of DST are divided by.
VARIANTS = ("dst", "nvme-tcp", "nvme-tcp-tls", "aead")
WIDTH = 78


@dataclasses.dataclass(frozen=True)
class Chapter:
    """Works that belong together."""

    name: str
    title: str
    unit: str
    works: tuple[str, ...]
    # What there is to know before the numbers.
    about: str
    # Whether bars of different works can be compared.
    together: bool = False
    # Whether peers with digests and keys have a table of their own.
    variants: bool = True


SMALL = tuple(
    f"rand{rw}-4k-{depth}"
    for depth in ("qd1", "qd32", "qd32-b8", "qd32-j4")
    for rw in ("read", "write")
)
LARGE = tuple(f"{rw}-{block}-qd8" for block in ("128k", "1m") for rw in ("read", "write"))
MIX = ("mix-20ms-qd64", "mix-20ms-qd64-read", "mix-20ms-qd64-write")

CHAPTERS = [
    Chapter("small", "4 KiB at random places", "IOPS", SMALL, "More is better."),
    Chapter(
        "large",
        "Large requests, one behind the other",
        "MiB/s",
        (*LARGE, "stream"),
        "More is better. ``stream`` is what one TCP connection carries between the same "
        "ends, without a disk.",
    ),
    Chapter(
        "ciphers",
        "Ciphers alone",
        "MiB/s",
        ("aead-chacha20", "aead-aes256"),
        "What all processors of the machine seal and open again if they do nothing else: no "
        "disk and no network. Sealed DST cannot be faster. More is better.",
        variants=False,
    ),
    Chapter(
        "delay",
        "4 to 64 KiB, mixed, 20 ms away",
        "requests per second",
        MIX,
        "Seven reads to three writes, 64 under way, over a network with a round-trip time "
        "of 20 ms. The lines ``-read`` and ``-write`` are how many requests of that kind "
        "one place of the queue would do in a second, that is one divided by their mean "
        "latency. More is better.",
    ),
    Chapter(
        "cpu",
        "Time of processors",
        "microseconds per request",
        tuple(f"{work}-cpu" for work in (*SMALL, *LARGE, MIX[0])),
        "What all processors of the machine were busy with, divided by the requests that "
        "were done: the benchmark, client, server and network. Less is better.",
    ),
    Chapter(
        "switches",
        "Context switches",
        "per request",
        tuple(f"{work}-switches" for work in SMALL[:2]),
        "Of the whole machine. Less is better.",
    ),
    Chapter(
        "growth",
        "Many of them",
        "IOPS in all",
        (
            *(f"growth-storages-{n}" for n in (1, 8, 64, 256)),
            *(f"growth-clients-{n}" for n in (1, 8, 64)),
        ),
        "4 KiB are read at random places by one job with 64 requests under way, spread over "
        "so many disks of as many exports, or over so many clients of one export.",
        together=True,
        variants=False,
    ),
    Chapter(
        "add",
        "Adding 256 disks, one after another",
        "milliseconds each",
        ("growth-add", "growth-add-longest"),
        "With the start of the tool that does it. Less is better.",
        variants=False,
    ),
    Chapter(
        "memory",
        "Memory when idle",
        "KiB",
        ("memory-export", "memory-storage", "memory-connection"),
        "An export that nobody uses, a storage with one connection, and one connection "
        "more; the last two with what the server has of them. Less is better.",
        variants=False,
    ),
]


def bar(found: dict[str, Any], work: str, peer: str) -> Bar | None:
    """What one peer did in one work."""
    values = found["samples"].get(work, {}).get(peer)
    if not values:
        return None
    return Bar(peer, found["medians"][work][peer], min(values), max(values))


def grid(head: list[str], rows: list[list[str]]) -> str:
    """A simple table of reStructuredText, which can be read as it is."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    rule = "  ".join("=" * width for width in widths)

    def line(row: list[str]) -> str:
        cells = [f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)]
        return "  ".join(cells).rstrip()

    return "\n".join([rule, line(head), rule, *map(line, rows), rule])


def _line(text: str) -> str:
    """A paragraph."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def peers_of(found: dict[str, Any], works: tuple[str, ...], plain: bool) -> list[str]:
    """Who has done any of these works, in the order of the run."""
    known = [*found["peers"], "tcp", "kernel"]
    return [
        peer
        for peer in known
        if (peer in PLAIN) == plain and any(bar(found, work, peer) for work in works)
    ]


def table(found: dict[str, Any], works: tuple[str, ...], peers: list[str], mark: str = "``") -> str:
    """Medians with the least and the most, the names of works between marks."""
    rows = []
    for work in works:
        bars = [bar(found, work, peer) for peer in peers]
        if any(bars):
            rows.append([f"{mark}{work}{mark}", *(span(b) if b else "-" for b in bars)])
    return grid(["work", *peers], rows)


def bound(goal: Goal) -> str:
    """What is wanted, as a formula."""
    return f"{'at most' if goal.at_most else 'at least'} {goal.bound:g}"


def goal_rows(found: dict[str, Any]) -> list[list[str]]:
    """Each goal that can be judged: what is wanted, is, could be, and how much of it is missed."""
    rows = []
    for goal in GOALS:
        value = goal.value(found["medians"])
        if value is None:
            continue
        verdict = "reached" if goal.reached(value) else f"missed by {goal.missed_by(value):.0%}"
        against = goal.against or "-"
        best = goal.best(found["medians"])
        at_best = "-" if best is None else compact(best)
        rows.append([goal.work, against, bound(goal), compact(value), at_best, verdict])
    return rows


def ratio_rows(found: dict[str, Any]) -> list[list[str]]:
    """DST divided by the others: for works that have no goal of their own."""
    return [
        [work, *(compact(row[name]) if name in row else "-" for name in VARIANTS)]
        for work, row in found["ratios"].items()
        if work.endswith((DIGEST, *SEALED)) and "-cpu" not in work and "-switches" not in work
    ]


def text(found: dict[str, Any]) -> str:
    """All of it on the screen."""
    parts = []
    for chapter in CHAPTERS:
        for plain in (True, False):
            if peers := peers_of(found, chapter.works, plain):
                what = f"{chapter.title}, {chapter.unit}"
                shown = table(found, chapter.works, peers, mark="")
                parts.append(f"{what}\n{shown}")
    if rows := goal_rows(found):
        head = ["goal", "against", "wanted", "is", "at best", ""]
        parts.append("DST divided by the other\n" + grid(head, rows))
    return "\n\n".join(parts)


def chart(found: dict[str, Any], chapter: Chapter) -> str:
    """The chart of a chapter."""
    peers = [p for plain in (True, False) for p in peers_of(found, chapter.works, plain)]
    groups = []
    for work in chapter.works:
        bars = [b for peer in peers if (b := bar(found, work, peer))]
        if bars:
            groups.append(Group(work, bars))
    return charts.bars(chapter.title, chapter.unit, groups, chapter.together)


def heading(words: str, mark: str) -> str:
    """A headline."""
    return f"{words}\n{mark * len(words)}"


def literal(lines: list[str]) -> str:
    """A block of commands."""
    return "\n".join(["::", "", *(f"    {line}" for line in lines)])


def _setup(found: dict[str, Any]) -> list[str]:
    """Where it was measured."""
    where = found["machine"]
    rows = [
        ["processor", f"{where['processor']}, {where['processors']} of them"],
        ["memory", f"{where['memory_gib']} GiB"],
        ["system", where["system"]],
        ["machine of the test", f"{where['kind']}, {where['guest_processors']} processors"],
        ["kernel of the test", found["kernel"]],
        *([name, version] for name, version in found["versions"].items()),
        ["rounds", f"{found['rounds']}, {found['seconds']:g} s of each work after"],
    ]
    rows[-1][1] += f" {found['warm']:g} s of warming up"
    notes = []
    if where["emulated"]:
        notes.append(
            "The processor of that machine is a program: the numbers tell about the length of "
            "paths through the code, and nothing about what hardware would do."
        )
    if where["load_before"] > BUSY:
        notes.append(
            f"Others were at work on the machine (its load was {where['load_before']}), so that "
            "none of these numbers and ratios is to be relied on. They show what the report "
            "looks like."
        )
    if found["rounds"] < 5 or found["seconds"] < 3:
        notes.append(
            "This was a short run, of fewer rounds or seconds than ``make bench`` takes: its "
            "numbers are rough."
        )
    notes = [f".. note::\n\n{textwrap.indent(_line(note), '   ')}" for note in notes]
    return [heading("Where", "="), grid(["what", "which"], rows), *notes]


def _commands(found: dict[str, Any]) -> list[str]:
    """How it was measured."""
    parts = [
        heading("Commands", "="),
        _line(
            "The disk is a null_blk device, which keeps nothing, of "
            f"{found['disk_mib']} MiB, blocks of 4 KiB and two queues. Each peer was set up by "
            "these commands, all in one machine:"
        ),
    ]
    for entry in found["commands"]:
        parts += [f"``{entry['peer']}``", literal(entry["lines"])]
    parts.append("The loads, with the device of each peer for ``DEVICE``:")
    for entry in found["loads"]:
        delay = entry["milliseconds"]
        before = [f"tc qdisc add dev lo root netem delay {delay / 2:g}ms limit 1000000"]
        parts.append(literal([*(before if delay else []), entry["line"]]))
    return parts


def document(found: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The text, and the charts that it shows, by the names of their files."""
    drawn: dict[str, str] = {}
    parts = [
        ".. SPDX-License-Identifier: GPL-2.0",
        ".. Written by make bench REPORT=1; what is changed here is lost.",
        f"{'=' * 15}\nHow fast DST is\n{'=' * 15}",
        _line(
            "DST beside nvme-tcp and nbd, measured by ``make bench``, see "
            "Documentation/block/dst/testing.rst. Client and server are one kernel that talks to "
            "itself over its loopback interface, on a disk that keeps nothing: ratios between "
            "peers mean something, absolute numbers do not. Every number is the median of all "
            "rounds, with the least and the most of them behind it."
        ),
        *_setup(found),
    ]
    if rows := goal_rows(found):
        parts += [
            heading("Goals", "="),
            _line(
                "What DST reached, divided by what the other one did; or by what it did itself "
                "in another work; or, without another one, by nothing. At best is what a network "
                "disk would reach that takes no time: the disk itself, divided by the other one."
            ),
            grid(["work", "against", "goal", "is", "at best", "verdict"], rows),
        ]
    for chapter in CHAPTERS:
        plain = peers_of(found, chapter.works, True)
        variants = peers_of(found, chapter.works, False) if chapter.variants else []
        if not plain and not variants:
            continue
        name = f"performance-{chapter.name}.svg"
        drawn[name] = chart(found, chapter)
        alt = f"{chapter.title}, {chapter.unit}; the numbers are in the table below"
        parts += [
            heading(f"{chapter.title}, {chapter.unit}", "="),
            _line(chapter.about),
            f".. image:: {name}\n   :alt: {alt}",
            *(table(found, chapter.works, peers) for peers in (plain, variants) if peers),
        ]
    if rows := ratio_rows(found):
        parts += [
            heading("With digests and keys", "="),
            _line(
                "DST with a digest divided by nvme-tcp with one, and sealed DST divided by DST "
                "and by nvme-tcp as they are without, by nvme-tcp with TLS, and by what its "
                "cipher does alone."
            ),
            grid(["work", *VARIANTS], rows),
        ]
    return "\n\n".join([*parts, *_commands(found)]) + "\n", drawn


def write(directory: pathlib.Path, found: dict[str, Any]) -> list[pathlib.Path]:
    """Put the report into a directory; what was written."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("performance-*.svg"):
        old.unlink()
    content, drawn = document(found)
    files = {"performance.rst": content, **drawn}
    for name, data in files.items():
        (directory / name).write_text(data)
    return [directory / name for name in files]
