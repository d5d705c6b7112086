# SPDX-License-Identifier: GPL-2.0
"""Whether the scenarios notice that a mechanism does not work.

First, the scenarios have to pass with the driver as it is. Then each of its mutants, which lack
one mechanism, has to make at least one of the scenarios fail that are named for it, while it is
still a disk for those who do not depend on that mechanism.
"""

import argparse
import dataclasses
import pathlib
import re
import signal
import subprocess
import time
import xml.etree.ElementTree as xml

from lab import env
from lab.mutants import source
from lab.mutants.mutant import INVARIANTS, Mutant
from lab.show import say, title
from lab.venv import python

TESTING = pathlib.Path(__file__).resolve().parents[2]
# Seconds that the scenarios of one mutant may take; they have deadlines of their own.
PATIENCE = 900
WIDTH = 76
# How a failure begins that says nothing about the driver. That a peer of it was hung up on, or
# not answered, does.
BED = re.compile(
    r"lab\.rpc\.(?!RemoteError: (ConnectionResetError|TimeoutError):)|.*did not come up"
)
# Files of scenarios that run at the same time, if none of them should fail.
SIDE_BY_SIDE = ["--numprocesses=2", "--dist=loadfile"]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a scenario went, and what it said if it did not pass."""

    scenario: str
    failure: str = ""
    # Something else than the scenario itself went wrong.
    error: str = ""


def short(text: str) -> str:
    """What a message says first: the assertion, and what the scenario has to say about it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no message"]
    line = re.sub(r"^(\w+\.)*AssertionError: ", "", lines[0])
    if lines[1:] and lines[1].startswith("assert "):
        line += f": {lines[1]}"
    line = re.sub(r"0x[0-9a-f]{6,}", "0x...", line)
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."


def results(report: pathlib.Path) -> list[Outcome]:
    """The outcomes that pytest has written down, in their order."""
    found = []
    for case in xml.parse(report).iter("testcase"):
        file = case.get("classname", "").removeprefix("scenarios.")
        what = {"failure": "", "error": ""}
        for part in case:
            if part.tag in what and not what[part.tag]:
                what[part.tag] = short(part.get("message") or part.text or "")
            elif part.tag == "skipped":
                what["error"] = "it was skipped"
        if BED.match(what["failure"]):
            # The bed has failed, not what the scenario wants to be true.
            what = {"failure": "", "error": what["failure"]}
        found.append(Outcome(f"{file}.py::{case.get('name', '').split('[')[0]}", **what))
    return found


def run(
    scenarios: list[str], directory: pathlib.Path, module: pathlib.Path | None
) -> list[Outcome]:
    """Run scenarios, with a module if it is another one; the first failure ends it then."""
    directory.mkdir()
    report = directory / "report.xml"
    command = [
        python(),
        "-m",
        "pytest",
        "--flavour=uml",
        f"--run-dir={directory}",
        f"--junitxml={report}",
        "-p",
        "no:cacheprovider",
        *(["-x", f"--module={module}"] if module else SIDE_BY_SIDE),
        *(f"scenarios/{scenario}" for scenario in scenarios),
    ]
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=TESTING, stdout=log, stderr=subprocess.STDOUT)
        try:
            process.wait(PATIENCE if module else None)
        except subprocess.TimeoutExpired:
            # It takes its machines along.
            process.send_signal(signal.SIGINT)
            process.wait()
    return results(report) if report.exists() else []


def judge(mutant: Mutant, outcomes: list[Outcome]) -> tuple[bool, str]:
    """Whether a mutant was noticed, and what is to be told of it."""
    for outcome in outcomes:
        if outcome.scenario == mutant.sound and (outcome.failure or outcome.error):
            return False, f"it is no disk any more: {outcome.failure or outcome.error}"
        if outcome.failure:
            return True, f"{outcome.scenario}: {outcome.failure}"
    for outcome in outcomes:
        if outcome.error:
            return False, f"{outcome.scenario} did not fail, but what it left: {outcome.error}"
    if {outcome.scenario for outcome in outcomes} != {mutant.sound, *mutant.scenarios}:
        return False, "the scenarios did not come to their end"
    return False, f"not noticed by {', '.join(mutant.scenarios)}"


def tell(passed: bool, name: str, text: str, begin: float) -> None:
    """One line."""
    say(f"{'PASS' if passed else 'FAIL'}  {name}: {text} ({time.monotonic() - begin:.0f} s)")


def unchanged(mutants: list[Mutant], run_dir: pathlib.Path) -> set[str]:
    """Run all scenarios of some mutants with the driver as it is; those that fail."""
    wanted = dict.fromkeys(
        scenario for mutant in mutants for scenario in (mutant.sound, *mutant.scenarios)
    )
    begin = time.monotonic()
    # Together, those of one file need their machines only once.
    outcomes = run(sorted(wanted), run_dir / "unchanged", None)
    bad = set(wanted) - {outcome.scenario for outcome in outcomes}
    for outcome in outcomes:
        if outcome.failure or outcome.error:
            bad.add(outcome.scenario)
            tell(False, outcome.scenario, outcome.failure or outcome.error, begin)
    tell(not bad, "the driver as it is", f"{len(wanted)} scenarios, {len(bad)} failed", begin)
    return bad


def build() -> pathlib.Path:
    """Compile all mutants."""
    copy = env.lab().build / "mutants"
    source.write(copy)
    command = [env.SCRIPTS / "build-module", "--variant", "mutants", "--source", copy, "uml"]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return pathlib.Path(answer.stdout.strip())


def main(run_dir: pathlib.Path, arguments: list[str]) -> int:
    """Try some mutants, or all."""
    parser = argparse.ArgumentParser(prog="check-mutants", description=__doc__)
    parser.add_argument("-k", default="", metavar="WORD", help="those with this in their name")
    parser.add_argument("--list", action="store_true", help="only say which there are")
    options = parser.parse_args(arguments)
    mutants = [mutant for mutant in source.MUTANTS if options.k in mutant.name]
    if options.list:
        for mutant in mutants:
            say(f"{mutant.invariant}  {mutant.name:26} {mutant.mechanism}")
        return 0
    if not mutants:
        parser.error(f"no mutant has {options.k!r} in its name")
    if faults := source.problems(source.MUTANTS):
        for fault in faults:
            say(f"FAIL  {fault}")
        say(f"0 passed, {len(faults)} failed")
        return 1
    bad = unchanged(mutants, run_dir)
    passed, failed = (0, len(bad)) if bad else (1, 0)
    try:
        module = build()
    except subprocess.CalledProcessError:
        say("FAIL  the mutants do not build")
        say(f"{passed} passed, {failed + len(mutants)} failed")
        return 1
    invariant = ""
    for mutant in sorted(mutants, key=lambda mutant: mutant.invariant):
        if mutant.invariant != invariant:
            invariant = mutant.invariant
            title(f"{invariant}: {INVARIANTS[invariant]}")
        begin = time.monotonic()
        if useless := bad & {mutant.sound, *mutant.scenarios}:
            good, text = False, f"fails with the driver as it is: {', '.join(sorted(useless))}"
        else:
            mutated = run_dir / f"{mutant.name}.ko"
            source.choose(module, mutant, mutated)
            outcomes = run([mutant.sound, *mutant.scenarios], run_dir / mutant.name, mutated)
            good, text = judge(mutant, outcomes)
            mutated.unlink()
        tell(good, f"{mutant.name} ({mutant.mechanism})", text, begin)
        passed, failed = passed + good, failed + (not good)
    say(f"the logs are in {run_dir}")
    say(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
