# SPDX-License-Identifier: GPL-2.0
"""The kernel's event tracing."""

import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path("/sys/kernel/tracing")
# "  dd-123   [001] .....  12.345678: dst_submit: 259,0 write 0 + 8"
LINE = re.compile(r"^.*?\s(\d+\.\d+): (\w+): (.*)$")


def available() -> bool:
    """Whether this kernel has any."""
    return ROOT.is_dir()


def mounted() -> pathlib.Path:
    """Where it is, mounted if it was not."""
    if not os.path.ismount(ROOT):
        subprocess.run(["mount", "-t", "tracefs", "tracefs", ROOT], check=True)
    return ROOT


def start(events: str) -> None:
    """Forget what was recorded and record these events from now on."""
    root = mounted()
    # The clock of the scheduler, which is the default, may tick too seldom to tell the order of
    # what happens on several processors.
    (root / "trace_clock").write_text("mono")
    (root / "trace").write_text("")
    # To know the names of tasks the kernel would rewrite its scheduler while that runs, which
    # emulators with several processors do not survive always.
    (root / "options" / "record-cmd").write_text("0")
    (root / "events" / events / "enable").write_text("1")


def has(event: str, count: int) -> bool:
    """Whether an event was recorded so often."""
    return (mounted() / "trace").read_text().count(f": {event}: ") >= count


def tasks(event: str) -> list[str]:
    """The name of the task that recorded each event of this name, if it is still there."""
    pids = re.findall(rf"-(\d+)\s.*: {event}: ", (mounted() / "trace").read_text())
    names = (pathlib.Path("/proc", pid, "comm") for pid in pids)
    return [path.read_text().strip() if path.exists() else "" for path in names]


def stop(events: str) -> list[list[str]]:
    """Record them no more; time in seconds, name and text of each, in their order."""
    root = mounted()
    (root / "events" / events / "enable").write_text("0")
    lines = (root / "trace").read_text().splitlines()
    found = [LINE.match(line) for line in lines if not line.startswith("#")]
    return [list(match.groups()) for match in found if match]


def fields(events: str) -> dict[str, list[str]]:
    """What each event of a system records, by its name."""
    return {
        path.parent.name: re.findall(r"field:[^;]*\b(\w+);", path.read_text().partition("\n\n")[2])
        for path in (mounted() / "events" / events).glob("*/format")
    }


def listening(events: str) -> bool:
    """Whether any event of a system is recorded."""
    return (mounted() / "events" / events / "enable").read_text().strip() != "0"
