# SPDX-License-Identifier: GPL-2.0
"""The sources of all mutants at once.

A driver takes a minute to compile, so all mutations are in one module, each beside what it
replaces. A number in the data of the module says which of them is in force, and the modules of
the mutants differ in that number alone.

Executed, this says which mutations do not fit the driver of this checkout any more.
"""

import ast
import pathlib
import re
import shutil
import sys

from lab.mutants import conduct, integrity
from lab.mutants.mutant import DRIVER, INVARIANTS, Edit, Mutant

CHECKOUT = pathlib.Path(__file__).resolve().parents[4]
SCENARIOS = CHECKOUT / "tools/testing/scenarios"
MUTANTS = integrity.MUTANTS + conduct.MUTANTS
# What the module consists of.
PARTS = ("Kbuild", "Kconfig", "drivers", "include")
# The number of a mutant follows this; 0 is none of them.
MARK = b"number of mutant"
SWITCH = """// SPDX-License-Identifier: GPL-2.0

//! Which mutation is in force.

static NUMBER: [u8; 17] = *b"number of mutant\\0";

/// Returns whether it is the one of this number.
#[inline(never)]
pub(crate) fn is(number: u8) -> bool {
    core::hint::black_box(&NUMBER)[16] == number
}
"""
# It is declared behind this one.
NEIGHBOUR = "mod log;\n"


class Outdated(Exception):
    """A mutation does not fit the driver any more."""


def _pattern(text: str) -> str:
    """An expression that finds a text, whatever its spaces and line breaks."""
    tokens = re.findall(r"\w+|[^\w\s]", text)
    return r"\s*".join(
        rf"\b{token}\b" if token.isidentifier() else re.escape(token) for token in tokens
    )


def _find(edit: Edit, text: str) -> tuple[int, int]:
    """Where in the text of its file the edit replaces something."""
    before, rest = edit.old.split("[[") if "[[" in edit.old else ("", edit.old)
    middle, after = rest.split("]]") if "]]" in rest else (rest, "")
    parts = (_pattern(before), f"({_pattern(middle)})", _pattern(after))
    found = list(re.finditer(r"\s*".join(part for part in parts if part), text))
    if len(found) != 1:
        place = f"{DRIVER}/{edit.file}"
        times = f"{len(found)} times" if found else "not"
        raise Outdated(f"this is {times} in {place}: {' '.join(edit.old.split())}")
    return found[0].span(1)


def mutate(text: str, edits: list[tuple[int, Edit]]) -> str:
    """The text of a file with some edits, each of which is in force if its number is chosen."""
    places = sorted(((*_find(edit, text), number, edit) for number, edit in edits), reverse=True)
    behind = len(text)
    for start, end, number, edit in places:
        old = text[start:end]
        if end > behind:
            raise Outdated(f"it overlaps with another one: {' '.join(edit.old.split())}")
        choice = f"if crate::mutants::is({number}) {{ {edit.new} }} else {{ {old} }}"
        if not old.endswith((";", "}")):
            choice = f"({choice})"
        text = text[:start] + choice + text[end:]
        behind = start
    return text


def _sources(mutants: list[Mutant]) -> dict[pathlib.Path, str]:
    """The files of the driver that are changed, and how they are then."""
    edits: dict[str, list[tuple[int, Edit]]] = {}
    for number, mutant in enumerate(mutants, 1):
        for edit in mutant.edits:
            edits.setdefault(edit.file, []).append((number, edit))
    files = {
        pathlib.Path(DRIVER, file): mutate((CHECKOUT / DRIVER / file).read_text(), some)
        for file, some in edits.items()
    }
    root = pathlib.Path(DRIVER, "dst_main.rs")
    text = (CHECKOUT / root).read_text()
    if text.count(NEIGHBOUR) != 1:
        raise Outdated(f"{root} has no line to declare the switch behind: {NEIGHBOUR}")
    text = text.replace(NEIGHBOUR, f"{NEIGHBOUR}#[rustfmt::skip]\nmod mutants;\n")
    # The parentheses around what an edit replaces are not always needed.
    files[root] = text.replace("#![deny(", "#![allow(unused_parens)]\n#![deny(", 1)
    files[pathlib.Path(DRIVER, "mutants.rs")] = SWITCH
    return files


def write(target: pathlib.Path) -> None:
    """Have `target` be a copy of the driver with all mutations. What is there already keeps its
    time, so that nothing is compiled for it."""
    changed = _sources(MUTANTS)
    wanted = set(changed)
    for part in PARTS:
        path = CHECKOUT / part
        wanted |= {
            file.relative_to(CHECKOUT)
            for file in (path.rglob("*") if path.is_dir() else [path])
            if file.is_file() and file.suffix not in (".o", ".ko", ".mod", ".cmd", ".rmeta")
        }
    for file in wanted:
        text = changed[file].encode() if file in changed else (CHECKOUT / file).read_bytes()
        path = target / file
        if not path.exists() or path.read_bytes() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
            if file not in changed:
                shutil.copymode(CHECKOUT / file, path)
    for path in target.rglob("*"):
        if path.is_file() and path.relative_to(target) not in wanted:
            path.unlink()


def choose(module: pathlib.Path, mutant: Mutant, target: pathlib.Path) -> None:
    """Make the module of one mutant of that of all of them."""
    data = module.read_bytes()
    if data.count(MARK) != 1:
        raise Outdated(f"{module} has no place for the number of a mutant")
    place = data.index(MARK) + len(MARK)
    number = MUTANTS.index(mutant) + 1
    target.write_bytes(data[:place] + bytes([number]) + data[place + 1 :])


def _functions(file: pathlib.Path) -> set[str]:
    """Names of the functions of a file with scenarios."""
    if not file.exists():
        return set()
    nodes = ast.parse(file.read_text()).body
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


def problems(mutants: list[Mutant]) -> list[str]:
    """What is wrong with the mutants, each by itself and all together."""
    found = []
    for mutant in mutants:
        try:
            _sources([mutant])
        except (Outdated, FileNotFoundError) as error:
            found.append(f"{mutant.name}: {error}")
        for scenario in (*mutant.scenarios, mutant.sound):
            file, _, function = scenario.partition("::")
            if function not in _functions(SCENARIOS / file):
                found.append(f"{mutant.name}: there is no scenario {scenario}")
        if mutant.invariant not in INVARIANTS:
            found.append(f"{mutant.name}: there is no invariant {mutant.invariant}")
    if not found:
        try:
            _sources(mutants)
        except Outdated as error:
            found.append(str(error))
    if len({mutant.name for mutant in mutants}) != len(mutants):
        found.append("two mutants have the same name")
    return found


if __name__ == "__main__":
    faults = problems(MUTANTS)
    print("\n".join(faults) or f"{len(MUTANTS)} mutants fit the driver")
    sys.exit(bool(faults))
