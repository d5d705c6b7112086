# SPDX-License-Identifier: GPL-2.0
"""What a mutant is."""

import dataclasses

DRIVER = "drivers/block/dst"
# What even a driver without some mechanism has to be able to do, or all scenarios would fail with
# it, for no reason that says anything.
SOUND = "test_basics.py::test_what_is_written_is_read_on_both_sides"


@dataclasses.dataclass(frozen=True)
class Edit:
    """A change of one place in a file of the driver.

    `old` has to be there exactly once, whatever the spaces and line breaks. All of it is
    replaced, or if there is something in double brackets, that: expressions by expressions, and
    statements by statements.
    """

    file: str
    old: str
    new: str


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A driver without a mechanism."""

    name: str
    # Of those in the table below.
    invariant: str
    # What is switched off.
    mechanism: str
    edits: tuple[Edit, ...]
    # At least one of these has to fail.
    scenarios: tuple[str, ...]
    # This one has not.
    sound: str = SOUND


# What each of them breaks.
INVARIANTS = {
    "I1": "an error is an error",
    "I2": "what is sent again is fenced",
    "I3": "late, double or false replies change nothing",
    "I4": "a flush means durable, an acknowledgement executed",
    "I5": "a server that restarted is noticed",
    "I6": "identity and geometry are checked",
    "I7": "pages belong to the network until it lets go",
    "L1": "waiting and trying again, for ever",
    "L2": "dead is noticed, slow is not dead",
    "L3": "one sick disk delays nobody else",
    "L4": "whatever goes away does not wait for a server",
    "M2": "credits bound what a client has in the server",
    "S1": "the server enforces what it promises",
    "S3": "all is authenticated, nothing replays",
}
