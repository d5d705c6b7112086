# SPDX-License-Identifier: GPL-2.0
"""What counts as a complaint of the kernel, and what does not."""

import pytest

from lab import splats
from lab.guest.init import MARK

QUIET = f"""\
WARNING: suspicious RCU usage
{MARK}
overlayfs: failed to set xattr on upper
dst: storage disk: connection lost: reset by peer
EXT4-fs (dst-disk): mounted filesystem
"""


def test_boot_messages_and_ordinary_lines_are_no_complaints() -> None:
    assert splats.find(QUIET) == []


def test_each_kind_is_found_once() -> None:
    for line in (
        "WARNING: CPU: 1 PID: 77 at drivers/block/dst/x.rs:1",
        "BUG: KASAN: slab-use-after-free in dst",
        "INFO: task fio:99 blocked for more than 120 seconds.",
        "======\nWARNING: possible circular locking dependency detected",
        "rust_kernel: panicked at x.rs:1:1:",
        "Kernel panic - not syncing: Fatal exception",
    ):
        found = splats.find(QUIET + line + "\nCall Trace:\n f+0x1/0x2\n")
        assert len(found) == 1 and "Call Trace" in found[0], line


def test_reports_far_apart_are_told_apart() -> None:
    text = QUIET + "BUG: one\n" + "x\n" * 50 + "BUG: two\n"
    assert len(splats.find(text)) == 2


def test_what_the_kernel_says_about_itself_hides_nothing_else() -> None:
    own = (
        "WARNING: suspicious RCU usage\n7.3.4 #4 Tainted: G           O\n-----\n"
        "lib/maple_tree.c:720 suspicious rcu_dereference_check() usage!\n"
    )
    assert splats.find(QUIET + own + "x\n" * 50) == []
    assert splats.find(QUIET + own + "x\n" * 5 + "BUG: one\n") == ["BUG: one\n"]


@pytest.mark.parametrize(
    ("console", "so"),
    [
        ("[ 3.4] Oops: int3: 0000 [#1]\n[ 3.5] Kernel panic - not syncing: Fatal\n", True),
        ("[ 3.4] Oops: int3: 0000 [#1]\n", False),
        ("[ 3.4] dst: disk: connected\n[ 3.5] Kernel panic - not syncing: Fatal\n", False),
        (QUIET + "[ 3.5] Kernel panic - not syncing: Fatal\n", False),
    ],
)
def test_a_kernel_that_has_not_seen_us(console: str, so: bool) -> None:
    assert splats.is_stillborn(console) == so
