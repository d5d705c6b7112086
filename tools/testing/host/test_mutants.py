# SPDX-License-Identifier: GPL-2.0
"""Mutations that fit, that do not, and what is made of them."""

import dataclasses
import pathlib

import pytest

from lab.mutants import main, source
from lab.mutants.mutant import SOUND, Edit, Mutant

TEXT = """
fn check(a: u32) -> bool {
    let b = a;

    a == b
}
"""


def mutated(*edits: tuple[str, str]) -> str:
    return source.mutate(TEXT, [(7, Edit("a.rs", old, new)) for old, new in edits])


def test_all_mutants_fit_the_driver() -> None:
    assert source.problems(source.MUTANTS) == []


def test_an_expression_gets_parentheses() -> None:
    assert "(if crate::mutants::is(7) { true } else { a == b })\n}" in mutated(("a == b", "true"))


def test_a_statement_gets_none() -> None:
    text = mutated(("let b\n = a;", "let b = 0;"))
    assert "\n    if crate::mutants::is(7) { let b = 0; } else { let b = a; }\n" in text


def test_only_what_is_in_brackets_is_replaced() -> None:
    text = mutated(("let b = [[a]];", "0"), ("a == [[b]] }", "9"))
    assert "let b = (if crate::mutants::is(7) { 0 } else { a });" in text
    assert "a == (if crate::mutants::is(7) { 9 } else { b })" in text


@pytest.mark.parametrize(
    ("old", "message"),
    [("a != b", "not in"), ("a", "3 times in"), ("chec", "not in"), ("let b = c;", "not in")],
)
def test_what_is_not_there_once_is_outdated(old: str, message: str) -> None:
    with pytest.raises(source.Outdated, match=message):
        mutated((old, "true"))


def test_edits_do_not_overlap() -> None:
    with pytest.raises(source.Outdated, match="overlaps"):
        mutated(("let b = [[a;\n\n a == b]]", "true"), ("[[a]] == b", "b"))


RIGHT = Mutant("m", "I1", "", (), (SOUND,))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"edits": (Edit("client/none.rs", "a", "b"),)}, "none.rs"),
        ({"edits": (Edit("client/queue.rs", "no such thing", "b"),)}, "this is not in"),
        ({"scenarios": ("test_killers.py::test_nothing",)}, "there is no scenario"),
        ({"invariant": "X1"}, "there is no invariant"),
    ],
)
def test_what_is_wrong_with_a_mutant_is_said(wrong: dict, message: str) -> None:
    assert source.problems([RIGHT]) == []
    faults = source.problems([dataclasses.replace(RIGHT, **wrong)])
    assert any(message in fault for fault in faults), faults


def test_the_chosen_mutant_is_in_the_module(tmp_path: pathlib.Path) -> None:
    module, target = tmp_path / "all.ko", tmp_path / "one.ko"
    module.write_bytes(b"code" + source.MARK + b"\0more")
    source.choose(module, source.MUTANTS[2], target)
    assert target.read_bytes() == b"code" + source.MARK + b"\3more"


SOUND_PASSED = main.Outcome(SOUND)


@pytest.mark.parametrize(
    ("outcomes", "noticed"),
    [
        ([SOUND_PASSED, main.Outcome("s", failure="assert 1 == 2")], True),
        ([SOUND_PASSED, main.Outcome("s")], False),
        ([SOUND_PASSED, main.Outcome("s", error="it does not boot")], False),
        ([main.Outcome(SOUND, failure="no disk"), main.Outcome("s", failure="no disk")], False),
        ([SOUND_PASSED], False),
        ([], False),
    ],
)
def test_only_a_scenario_that_fails_notices(outcomes: list, noticed: bool) -> None:
    assert main.judge(dataclasses.replace(RIGHT, scenarios=("s",)), outcomes)[0] == noticed


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("AssertionError: assert 1 == 2\n +  where 1 = f()", "assert 1 == 2"),
        ("AssertionError: read\nassert '' == 'EIO'\n  \n  - EIO", "read: assert '' == 'EIO'"),
        ("lab.rpc.RemoteError: too late", "lab.rpc.RemoteError: too late"),
        ("", "no message"),
    ],
)
def test_messages_are_shortened(message: str, text: str) -> None:
    assert main.short(message) == text


REPORT = """<testsuites><testsuite>
<testcase classname="scenarios.test_a" name="test_one[uml]">
<failure message="AssertionError: assert 1 == 2"/></testcase>
<testcase classname="scenarios.test_a" name="test_two[uml]">
<failure message="lab.rpc.RemoteError: BrokenPipeError"/></testcase>
<testcase classname="scenarios.test_a" name="test_three[uml]"><skipped message="no"/></testcase>
<testcase classname="scenarios.test_a" name="test_four[uml]">
<failure message="lab.rpc.RemoteError: ConnectionResetError: reset by peer"/></testcase>
</testsuite></testsuites>"""


def test_only_what_a_scenario_asserts_is_a_failure(tmp_path: pathlib.Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    assert main.results(report) == [
        main.Outcome("test_a.py::test_one", failure="assert 1 == 2"),
        main.Outcome("test_a.py::test_two", error="lab.rpc.RemoteError: BrokenPipeError"),
        main.Outcome("test_a.py::test_three", error="it was skipped"),
        main.Outcome(
            "test_a.py::test_four",
            failure="lab.rpc.RemoteError: ConnectionResetError: reset by peer",
        ),
    ]
