# SPDX-License-Identifier: GPL-2.0
"""Charts: bars in groups, as SVG that is readable on light and on dark pages."""

import dataclasses
from xml.sax.saxutils import escape

WIDTH = 760
MARGIN = 16
# From the left: names, then bars, then numbers behind the longest of them.
NAMES = 132
NUMBERS = 190
BAR = 16
GAP = 4
HEAD = 24
TITLE = 44

# Light and dark of the background, of text, of what is less important, and of each peer.
COLOURS = {
    "ground": ("#ffffff", "#16191d"),
    "text": ("#1c2024", "#e6e8ea"),
    "faint": ("#60666d", "#9aa1a8"),
    "dst": ("#0b6bcb", "#58a6ff"),
    "nvme-tcp": ("#c2570c", "#f0883e"),
    "nbd": ("#6e4bb5", "#b392f0"),
    "raw": ("#8a9199", "#79818a"),
    "tcp": ("#2a7f4f", "#56d38a"),
}


@dataclasses.dataclass(frozen=True)
class Bar:
    """One peer: its median, and how far the rounds were apart."""

    peer: str
    middle: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Group:
    """What stands under one headline."""

    label: str
    bars: list[Bar]


def compact(value: float) -> str:
    """Three digits, however large it is."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= limit * 0.9995:
            return f"{_digits(value / limit)}{unit}"
    return _digits(value)


def _digits(value: float) -> str:
    """A number below a thousand, with as many digits behind the point as make three."""
    for places, limit in ((2, 9.995), (1, 99.95)):
        if abs(value) < limit:
            return f"{value:.{places}f}"
    return f"{value:.0f}"


def span(bar: Bar) -> str:
    """The number of a bar, with the least and the most."""
    if bar.low == bar.high:
        return compact(bar.middle)
    return f"{compact(bar.middle)} ({compact(bar.low)} to {compact(bar.high)})"


def length(value: float, most: float) -> float:
    """How long a bar is when the longest one takes all of the room."""
    room = WIDTH - 2 * MARGIN - NAMES - NUMBERS
    return 0.0 if most <= 0 else round(room * value / most, 1)


def colour(peer: str) -> str:
    """The class of a peer: a variant looks like what it is a variant of, only paler."""
    base = next((name for name in COLOURS if peer == name or peer.startswith(f"{name}-")), "raw")
    return base if base == peer else f"{base} variant"


def _style() -> str:
    """The colours, for both kinds of pages."""

    def rules(which: int) -> str:
        return " ".join(f".{name}{{fill:{pair[which]}}}" for name, pair in COLOURS.items())

    line = ".spread{{fill:none;stroke:{};stroke-width:1.5}}"
    light, dark = (rules(i) + line.format(COLOURS["text"][i]) for i in (0, 1))
    return (
        "text{font-family:system-ui,sans-serif;font-size:12px}"
        ".title{font-size:15px;font-weight:600} .group{font-weight:600} .variant{opacity:.6}"
        f"{light} @media (prefers-color-scheme:dark){{{dark}}}"
    )


def _bar(bar: Bar, most: float, y: float) -> list[str]:
    """The name, the bar with its spread, and the number."""
    left = MARGIN + NAMES
    end, low, high = (length(v, most) for v in (bar.middle, bar.low, bar.high))
    middle, base = y + BAR / 2, y + BAR - 4
    return [
        f'<text class="text" x="{left - 8}" y="{base}" text-anchor="end">{escape(bar.peer)}</text>',
        f'<rect class="{colour(bar.peer)}" x="{left}" y="{y}" width="{end}" height="{BAR}"/>',
        f'<path class="spread" d="M{left + low:.1f} {middle}H{left + high:.1f}'
        f'M{left + low:.1f} {y + 4}v{BAR - 8}M{left + high:.1f} {y + 4}v{BAR - 8}"/>',
        f'<text class="faint" x="{left + max(end, high) + 8:.1f}" y="{base}">'
        f"{escape(span(bar))}</text>",
    ]


def bars(title: str, unit: str, groups: list[Group], together: bool = False) -> str:
    """A chart. Each group has a scale of its own unless all are drawn together."""
    everything = max((bar.high for group in groups for bar in group.bars), default=0)
    y: float = TITLE
    shapes = [
        f'<text class="text title" x="{MARGIN}" y="26">{escape(title)}'
        f'<tspan class="faint" dx="8" font-size="12">{escape(unit)}</tspan></text>'
    ]
    for group in groups:
        most = everything if together else max((bar.high for bar in group.bars), default=0)
        shapes.append(
            f'<text class="text group" x="{MARGIN}" y="{y + 14}">{escape(group.label)}</text>'
        )
        y += HEAD
        for bar in group.bars:
            shapes += _bar(bar, most, y)
            y += BAR + GAP
        y += HEAD / 3
    height = y + MARGIN / 2
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}"'
            f' viewBox="0 0 {WIDTH} {height:.0f}" role="img">',
            "<!-- SPDX-License-Identifier: GPL-2.0 -->",
            f"<title>{escape(title)}</title>",
            f"<style>{_style()}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{height:.0f}"/>',
            *shapes,
            "</svg>",
            "",
        ]
    )
