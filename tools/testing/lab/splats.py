# SPDX-License-Identifier: GPL-2.0
"""Recognise a kernel that complains, in the text of its console."""

import re

from lab.guest.init import MARK

_SPLAT = re.compile(
    r"BUG:|WARNING:|Oops|Kernel panic|general protection fault|KASAN:|UBSAN:|KCSAN:"
    r"|ODEBUG:|INFO: task .* blocked|INFO: rcu|suspicious RCU usage"
    r"|possible (recursive|circular|irq lock inversion)|bad unlock balance|held lock freed"
    r"|inconsistent lock state|sleeping function called|scheduling while atomic"
    r"|refcount_t:|list_(add|del) corruption|unable to handle|panicked at|soft lockup"
    r"|hard LOCKUP|Bad page (state|map)|stack-protector|Objects remaining in|still has objects"
    r"|self-detected stall|hung_task"
)

# Complaints of the kernel about itself, as they begin: tracing has found no memory for what it
# knows of a module; a processor of User Mode Linux was stopped in the middle of something; User
# Mode Linux looks for what is mapped without the lock that it takes.
_ITS_OWN = re.compile(
    r"WARNING: kernel/trace/trace_events\.c:\d+ at event_define_fields"
    r"|Callback enqueued on offline CPU"
    r"|lib/maple_tree\.c:\d+ suspicious rcu_dereference_check"
)
_BEGINNING = 4

# Lines of a report worth quoting after the one that matched.
_CONTEXT = 40


def is_stillborn(console: str) -> bool:
    """Whether the kernel died before user space, without a word of the driver.

    An emulated processor may meet a breakpoint that another one has put into
    the kernel's text, and taken away again, while it is being patched.
    """
    return "Kernel panic" in console and MARK not in console and "dst: " not in console


def find(console: str) -> list[str]:
    """Complaints made since user space started, each with what follows it.

    What the kernel says about its own early boot is not our doing (User Mode
    Linux cannot boot under lockdep without a report).
    """
    lines = console.split("\n")
    start = 0
    for number, line in enumerate(lines):
        if MARK in line:
            start = number
    found = []
    quoted = -1
    for number in range(start, len(lines)):
        if number > quoted and _SPLAT.search(lines[number]):
            if _ITS_OWN.search("\n".join(lines[number : number + _BEGINNING])):
                continue
            quoted = number + _CONTEXT
            found.append("\n".join(lines[number:quoted]))
    return found
