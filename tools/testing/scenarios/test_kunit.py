# SPDX-License-Identifier: GPL-2.0
"""Tests that are part of the module, for what needs a kernel but no network."""

import re

import pytest

from lab.machine import Machine

# Machines do not run them whenever the module is loaded: see lab/uml.py.
SUITES = "/sys/kernel/debug/kunit"


@pytest.mark.built("KUnit")
@pytest.mark.parametrize("suite", ["dst_crypto", "dst_pool", "dst_queue", "dst_wire"])
def test_the_modules_own_tests(client: Machine, suite: str) -> None:
    client.sh(f"echo 1 > {SUITES}/{suite}/run", timeout=60)
    report = client.read(f"{SUITES}/{suite}/results")
    # The plan and the results of the cases are indented, those of the suite are not.
    planned = re.search(r"^ +1\.\.(\d+)$", report, re.MULTILINE)
    assert planned, report
    cases = re.findall(r"^ +((?:not )?ok) \d+ (\w+)(.*)$", report, re.MULTILINE)
    assert len(cases) == int(planned[1]) > 0, report
    assert [name for verdict, name, rest in cases if verdict != "ok" or "SKIP" in rest] == [], (
        report
    )
    assert re.search(rf"^ok \d+ {suite}$", report, re.MULTILINE), report
