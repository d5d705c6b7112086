# SPDX-License-Identifier: GPL-2.0
"""What benchmarks calculate: medians, ratios, turns, charts and tables."""

import json
import pathlib
import re
import socket
import xml.etree.ElementTree as ElementTree

import pytest

from lab import count, env
from lab.bench import charts, facts, main, report, results
from lab.bench.charts import Bar, Group
from lab.bench.loads import LOADS, MIX
from lab.bench.measure import parsed
from lab.bench.peers import PEERS, SPECIAL
from lab.bench.results import Goal
from lab.flavour import FLAVOURS

FOUND = {
    "machine": {
        "processor": "Example 3000",
        "processors": 2,
        "memory_gib": 8,
        "system": "Linux 6.1",
        "kind": "User Mode Linux: the kernel as a process",
        "guest_processors": 2,
        "emulated": False,
        "load_before": 0.1,
    },
    "kernel": "7.3.4",
    "versions": {"fio": "fio-3.39"},
    "rounds": 5,
    "seconds": 3,
    "warm": 1,
    "disk_mib": 512,
    "peers": ["raw", "dst", "nvme-tcp", "nbd", "dst-crc32c", "nvme-tcp-crc32c", "dst-aes256"],
    "commands": [{"peer": "dst", "lines": ["dstctl add bench 127.0.0.1"]}],
    "loads": [
        {"work": "randread-4k-qd1", "milliseconds": 0, "line": "fio --one"},
        {"work": MIX.name, "milliseconds": 20, "line": "fio --mix"},
    ],
}

SAMPLES = {
    "randread-4k-qd1": {
        "raw": [100.0, 90.0, 110.0, 95.0, 105.0],
        "dst": [30.0, 10.0, 20.0, 60.0, 50.0],
        "nvme-tcp": [20.0, 20.0, 20.0, 20.0, 20.0],
        "nbd": [12.0, 11.0, 13.0, 12.0, 12.0],
        "dst-crc32c": [32.0, 32.0, 32.0, 32.0, 32.0],
        "nvme-tcp-crc32c": [16.0, 16.0, 16.0, 16.0, 16.0],
        "dst-aes256": [15.0, 15.0, 15.0, 15.0, 15.0],
    },
    "randread-4k-qd1-cpu": {"dst": [9.0], "nvme-tcp": [10.0], "nbd": [30.0]},
    "randread-4k-qd1-switches": {"dst": [2.5], "nvme-tcp": [4.0]},
    "read-1m-qd8": {
        "dst": [800.0],
        "nvme-tcp": [1000.0],
        "dst-aes256": [160.0],
        "dst-chacha20": [300.0],
        "nvme-tcp-tls": [200.0],
    },
    "stream": {"tcp": [1600.0]},
    "aead-aes256": {"kernel": [200.0]},
    "growth-storages-1": {"dst": [100.0]},
    "growth-storages-8": {"dst": [95.0]},
    "growth-storages-64": {"dst": [80.0]},
    "growth-add": {"dst": [25.0]},
}


def complete() -> dict:
    return {**FOUND, **results.summary(SAMPLES)}


NOW = {"same": 104.9, "more": 105.1, "less": 90.0}


# Turns.


def test_each_round_has_everybody_and_another_order() -> None:
    peers = ["a", "b", "c"]
    orders = [results.rotated(peers, number) for number in range(6)]
    assert all(sorted(order) == peers for order in orders)
    assert len({tuple(order) for order in orders}) == 6


def test_everybody_has_every_place_and_every_neighbour() -> None:
    peers = ["a", "b", "c", "d"]
    orders = [results.rotated(peers, number) for number in range(8)]
    for place in range(4):
        assert sorted(order[place] for order in orders) == sorted(peers * 2)
    before = {(order[i], order[i + 1]) for order in orders for i in range(3)}
    assert ("a", "b") in before and ("b", "a") in before


# Medians and ratios.


def test_a_median_is_not_moved_by_one_bad_round() -> None:
    table = results.medians({"w": {"dst": [1.0, 2.0, 1000.0], "nbd": [4.0, 1.0]}})
    assert table == {"w": {"dst": 2.0, "nbd": 2.5}}


def test_samples_come_in_the_order_of_the_rounds() -> None:
    samples: results.Samples = {}
    results.add(samples, "dst", {"w": 1.0, "w-cpu": 5.0})
    results.add(samples, "nbd", {"w": 2.0})
    results.add(samples, "dst", {"w": 3.0})
    assert samples == {"w": {"dst": [1.0, 3.0], "nbd": [2.0]}, "w-cpu": {"dst": [5.0]}}


def test_ratios_are_those_of_medians() -> None:
    ratios = complete()["ratios"]
    assert ratios["randread-4k-qd1"] == pytest.approx(
        {"raw": 0.3, "nvme-tcp": 1.5, "nbd": 2.5}, rel=1e-9
    )
    assert ratios["randread-4k-qd1-cpu"]["nvme-tcp"] == pytest.approx(0.9)


def test_a_digest_is_compared_with_the_same_digest() -> None:
    assert complete()["ratios"]["randread-4k-qd1-crc32c"] == {"nvme-tcp": 2.0}


def test_what_is_sealed_is_compared_with_what_is_not() -> None:
    assert complete()["ratios"]["randread-4k-qd1-aes256"] == {"dst": 0.5, "nvme-tcp": 0.75}


def test_large_requests_are_compared_with_a_stream() -> None:
    ratios = complete()["ratios"]
    assert ratios["read-1m-qd8"] == {"nvme-tcp": 0.8, "stream": 0.5}
    assert "stream" not in ratios["randread-4k-qd1"] and "stream" not in ratios


def test_what_is_sealed_is_compared_with_what_is_sealed_and_with_its_cipher() -> None:
    ratios = complete()["ratios"]
    assert ratios["read-1m-qd8-aes256"] == {
        "dst": 0.2,
        "nvme-tcp": 0.16,
        "aead": 0.8,
    }
    # TLS has chosen its own cipher.
    assert ratios["read-1m-qd8-chacha20"]["nvme-tcp-tls"] == 1.5
    assert "aead" not in ratios["randread-4k-qd1-aes256"]


def test_who_did_nothing_has_no_ratio() -> None:
    assert results.ratios({"w": {"dst": 1.0, "nbd": 0.0}, "v": {"nbd": 3.0}}) == {}


# Goals.


@pytest.mark.parametrize(
    "goal, value, reached, missed",
    [
        (Goal("w", "nvme-tcp", 1.25), 1.25, True, 0.0),
        (Goal("w", "nvme-tcp", 1.25), 1.0, False, 0.2),
        (Goal("w", "nvme-tcp", 0.8, True), 0.8, True, 0.0),
        (Goal("w", "nvme-tcp", 0.8, True), 1.0, False, 0.25),
    ],
)
def test_how_far_a_goal_is(goal: Goal, value: float, reached: bool, missed: float) -> None:
    assert goal.reached(value) is reached
    assert goal.missed_by(value) == pytest.approx(missed)


def test_what_a_goal_is_about() -> None:
    table = results.medians(SAMPLES)
    assert Goal("randread-4k-qd1", "nvme-tcp", 1).value(table) == 1.5
    assert Goal("growth-storages-64", "growth-storages-1", 1).value(table) == 0.8
    assert Goal("growth-add", "", 20, True).value(table) == 25
    assert Goal("growth-add", "nvme-tcp", 1).value(table) is None
    assert Goal("write-1m-qd8", "growth-storages-1", 1).value(table) is None


def test_goals_are_about_works_that_there_are() -> None:
    """A misspelt one would never be judged, and nobody would miss it."""
    known = {*LOADS, *(f"{name}-{what}" for name in LOADS for what in ("cpu", "switches"))}
    known |= {f"{name}-crc32c" for name in known}
    known |= {f"{MIX.name}-write", f"{MIX.name}-write-crc32c"}
    known |= {f"{name}{suffix}" for name in LOADS for suffix in results.SEALED}
    for goal in results.GOALS:
        assert goal.work in known or goal.work.startswith(("growth-", "memory-")), goal
        assert goal.against in {
            *PEERS,
            "stream",
            "aead",
            "",
            "growth-storages-1",
            "growth-clients-1",
        }
    for work in LOADS:
        judged = f"{work}-write" if work == MIX.name else work
        assert any(goal.work == judged for goal in results.GOALS), work


# What fio says.


def side(ios: int, block: int, iops: float, milliseconds: float) -> dict:
    return {
        "total_ios": ios,
        "io_bytes": ios * block,
        "iops": iops,
        "bw_bytes": iops * block,
        "clat_ns": {"mean": milliseconds * 1e6},
    }


def output(read: dict, write: dict) -> str:
    return "fio: a warning\n" + json.dumps({"jobs": [{"read": read, "write": write}]})


def test_costs_are_divided_by_what_was_done_meanwhile() -> None:
    text = output(side(3000, 4096, 1000.0, 1), side(0, 0, 0, 0))
    counted = {"bytes": 2000 * 4096, "busy": 0.5, "switches": 8000}
    assert parsed(LOADS["randread-4k-qd1"], text, counted) == pytest.approx(
        {"randread-4k-qd1": 1000, "randread-4k-qd1-cpu": 250, "randread-4k-qd1-switches": 4}
    )


def test_large_requests_are_bytes() -> None:
    text = output(side(0, 0, 0, 0), side(30, 1 << 20, 10.0, 1))
    counted = {"bytes": 10 << 20, "busy": 1.0, "switches": 20}
    found = parsed(LOADS["write-1m-qd8"], text, counted)
    assert found["write-1m-qd8"] == 10 and found["write-1m-qd8-switches"] == 2


def test_a_mix_has_a_latency_for_each_kind() -> None:
    text = output(side(70, 8192, 70.0, 20), side(30, 8192, 30.0, 40))
    found = parsed(MIX, text, {"bytes": 100 * 8192, "busy": 1, "switches": 100})
    assert found[MIX.name] == 100
    assert found[f"{MIX.name}-read"] == 50 and found[f"{MIX.name}-write"] == 25


def test_nothing_done_is_no_result() -> None:
    text = output(side(10, 4096, 1.0, 1), side(0, 0, 0, 0))
    with pytest.raises(RuntimeError, match="nothing was done"):
        parsed(LOADS["randread-4k-qd1"], text, {"bytes": 0, "busy": 0, "switches": 0})


# Charts.


def test_numbers_have_three_digits() -> None:
    shown = [charts.compact(n) for n in (0, 0.123, 1, 9.994, 9.996, 99.96, 999.4, 1234, 999_600)]
    assert shown == ["0.00", "0.12", "1.00", "9.99", "10.0", "100", "999", "1.23k", "1.00M"]


def test_the_longest_bar_takes_all_of_the_room() -> None:
    room = charts.WIDTH - 2 * charts.MARGIN - charts.NAMES - charts.NUMBERS
    assert charts.length(7, 7) == room
    assert charts.length(3.5, 7) == room / 2
    assert charts.length(0, 7) == charts.length(5, 0) == 0


def rectangles(svg: str) -> dict[str, list[float]]:
    """Widths of the bars by their classes."""
    root = ElementTree.fromstring(svg)
    found: dict[str, list[float]] = {}
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        found.setdefault(rect.get("class", ""), []).append(float(rect.get("width", 0)))
    return found


GROUPS = [
    Group("a", [Bar("dst", 50, 40, 100), Bar("nvme-tcp", 25, 25, 25)]),
    Group("b", [Bar("dst", 1000, 1000, 1000), Bar("dst-crc32c", 500, 500, 500)]),
]


def test_groups_have_scales_of_their_own_unless_drawn_together() -> None:
    room = charts.length(1, 1)
    alone = rectangles(charts.bars("title", "unit", GROUPS))
    # The longest of the first group is a round that went better than the median.
    assert alone["dst"] == [room / 2, room]
    assert alone["nvme-tcp"] == [room / 4] and alone["dst variant"] == [room / 2]
    together = rectangles(charts.bars("title", "unit", GROUPS, together=True))
    assert together["dst"] == [round(room / 20, 1), room]


def test_a_chart_has_room_for_everything_in_it() -> None:
    svg = charts.bars("<title>", "unit", GROUPS)
    root = ElementTree.fromstring(svg)
    width, height = float(root.get("width")), float(root.get("height"))
    for shape in root.iter():
        if shape.tag.endswith("rect") and shape.get("class") != "ground":
            assert float(shape.get("x")) + float(shape.get("width")) <= width - charts.NUMBERS
            assert float(shape.get("y")) + float(shape.get("height")) <= height
        if shape.tag.endswith("text"):
            assert 0 < float(shape.get("y")) < height


def test_charts_have_colours_for_light_and_for_dark() -> None:
    svg = charts.bars("title", "unit", GROUPS)
    light, dark = svg.split("prefers-color-scheme:dark")
    for name, (bright, dim) in charts.COLOURS.items():
        assert f".{name}{{fill:{bright}}}" in light and f".{name}{{fill:{dim}}}" in dark
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


# Reports.


def columns(table: str) -> list[list[str]]:
    """Cells of a simple table of reStructuredText, as docutils cuts them."""
    lines = table.splitlines()
    spans = [match.span() for match in re.finditer("=+", lines[0])]
    assert lines[0] == lines[2] == lines[-1]
    rows = []
    for line in [lines[1], *lines[3:-1]]:
        for (_, end), (begin, _) in zip(spans, spans[1:], strict=False):
            assert line[end:begin].strip() == "", line
        rows.append([line[begin:end].strip() for begin, end in spans])
        assert len(line.rstrip()) <= spans[-1][1]
    return rows


def test_tables_have_their_cells_below_each_other() -> None:
    assert columns(report.grid(["a", "long head"], [["longer", "1"], ["x", "a b c d e"]])) == [
        ["a", "long head"],
        ["longer", "1"],
        ["x", "a b c d e"],
    ]


def test_a_table_has_medians_and_their_spread() -> None:
    rows = columns(report.table(complete(), ("randread-4k-qd1", "no-such"), ["dst", "nbd"]))
    assert rows == [
        ["work", "dst", "nbd"],
        ["``randread-4k-qd1``", "30.0 (10.0 to 60.0)", "12.0 (11.0 to 13.0)"],
    ]


def test_goals_say_by_how_much_they_were_missed() -> None:
    rows = {(row[0], row[1]): row[2:] for row in report.goal_rows(complete())}
    assert rows["randread-4k-qd1", "nvme-tcp"] == ["at least 1.25", "1.50", "5.00", "reached"]
    assert rows["randread-4k-qd1", "nbd"] == ["at least 3", "2.50", "8.33", "missed by 17%"]
    assert rows["randread-4k-qd1-cpu", "nvme-tcp"] == ["at most 0.8", "0.90", "-", "missed by 12%"]
    assert rows["randread-4k-qd1-switches", "-"] == ["at most 2", "2.50", "-", "missed by 25%"]
    assert rows["read-1m-qd8", "stream"] == ["at least 0.9", "0.50", "-", "missed by 44%"]
    assert rows["growth-storages-64", "growth-storages-1"][3] == "missed by 11%"
    assert rows["growth-storages-8", "growth-storages-1"][3] == "reached"
    # What was not measured is not judged.
    assert ("randwrite-4k-qd1", "nvme-tcp") not in rows


def test_a_report_shows_the_charts_that_it_draws(tmp_path: pathlib.Path) -> None:
    (tmp_path / "performance-old.svg").write_text("of a work that there is no more")
    written = report.write(tmp_path, complete())
    assert sorted(written) == sorted(tmp_path.iterdir())
    text = (tmp_path / "performance.rst").read_text()
    shown = set(re.findall(r"^\.\. image:: (\S+)$", text, re.M))
    assert shown == {path.name for path in written} - {"performance.rst"}
    assert "performance-memory.svg" not in shown
    for path in written:
        if path.suffix == ".svg":
            ElementTree.fromstring(path.read_text())


def test_a_report_says_where_and_how(tmp_path: pathlib.Path) -> None:
    text, _ = report.document(complete())
    for words in ("Example 3000", "7.3.4", "fio-3.39", "dstctl add bench", "fio --one"):
        assert words in text
    before = text[: text.index("fio --mix")].splitlines()[-2]
    assert before.strip() == "tc qdisc add dev lo root netem delay 10ms limit 1000000"
    assert ".. note::" not in text


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"rounds": 1}, "a short run"),
        ({"seconds": 1}, "a short run"),
        ({"machine": {**FOUND["machine"], "emulated": True}}, "is a program"),
        ({"machine": {**FOUND["machine"], "load_before": 2.5}}, "its load was 2.5"),
    ],
)
def test_a_report_says_why_not_to_believe_it(changed: dict, said: str) -> None:
    text = report.document({**complete(), **changed})[0]
    assert text.count(".. note::") == 1 and said in " ".join(text.split())


def test_what_is_read_again_is_reported_the_same() -> None:
    found = complete()
    assert report.document(json.loads(json.dumps(found))) == report.document(found)


# Facts.


class Told:
    """A machine that answers the same to everything."""

    out = "program 7.3.4+x from somebody\n"

    def run(self, *words: str) -> "Told":
        return self

    def sh(self, script: str) -> str:
        return self.out


def test_facts_are_a_report_with_samples_and_name_no_machine() -> None:
    options = main.options_of([])
    known = facts.facts(Told(), FLAVOURS["uml"], options, 512, 1.25)
    found = json.loads(json.dumps({**known, **results.summary(SAMPLES)}))
    text = report.document(found)[0]
    assert found["versions"]["fio"] == "7.3.4" and found["machine"]["load_before"] == 1.2
    assert {entry["peer"] for entry in found["commands"]} == set(PEERS) - {"raw", *SPECIAL}
    assert {entry["work"] for entry in found["loads"]} == set(LOADS)
    everything = json.dumps(found) + text
    for name in (socket.gethostname(), str(env.CHECKOUT), str(pathlib.Path.home()), "/machine"):
        assert not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", everything), name


# Instructions.


def test_only_more_instructions_than_known_fail() -> None:
    known = {"same": 100.0, "more": 100.0, "less": 100.0, "gone": 1.0}
    lines = dict(zip("smlng", count.compare(known, {**NOW, "new": 1.0}), strict=True))
    assert [good for good, _ in lines.values()] == [True, False, True, False, False]
    assert "+5.1%" in lines["m"][1] and "--renew" in lines["l"][1]
    assert lines["n"][1] == "new: not known" and lines["g"][1] == "gone: not counted"


def test_counts_of_another_kernel_say_nothing(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(count, "KNOWN", tmp_path / "known.json")
    count.KNOWN.write_text(json.dumps({"kernel": "7.3.4", "dst": {"w": 100.0}}))
    assert count.check("7.3.4", {"w": 100.0}) == 0
    assert count.check("7.3.4", {"w": 110.0}) == 1
    assert count.check("7.3.5", {"w": 100.0}) == 1


def test_all_loads_that_are_counted_are_known() -> None:
    known = json.loads(count.KNOWN.read_text())
    assert set(known["dst"]) == {load.name for load in count.WORKLOADS}


# Options.


def test_usual_options_are_enough_to_be_believed() -> None:
    options = main.options_of([])
    assert options.rounds >= 5 and options.growth
    assert options.peers == [name for name in PEERS if name not in SPECIAL]
    assert options.works == list(LOADS)
    assert not main.options_of(["--on", "qemu"]).growth
    assert main.options_of(["--quick"]).rounds == 3


def test_unknown_words_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--peers", "dst,smb"], ["--works", "randread-5k"]):
        with pytest.raises(SystemExit):
            main.options_of(arguments)
        assert "there are" in capsys.readouterr().err
