# SPDX-License-Identifier: GPL-2.0
"""What counts as a leak, and what does not."""

from lab.guest.leftovers import losses

BOOT = """unreferenced object 0x644cdf60 (size 96):
  comm "swapper/0", pid 1, jiffies 4294937967
  backtrace (crc 5650ba86):
    save_stack_trace+0x10/0x20
"""
CARD = BOOT.replace("swapper/0", "hardirq")
CONSOLE = """unreferenced object 0x6705b000 (size 4096):
  comm "python3", pid 985, jiffies 4295013884
  backtrace (crc 2ec0725c):
    buffer_data+0x4a/0x11c
    line_write+0xa5/0xcc
    n_tty_write+0x405/0x4ab
"""
OURS = """unreferenced object 0x644cd000 (size 64):
  comm "dstctl", pid 99, jiffies 4294967967
  backtrace (crc 1):
    dst_alloc+0x1/0x2 [dst]
"""


def test_what_is_not_ours_is_not_held_against_us() -> None:
    assert losses("") == ""
    assert losses(BOOT) == ""
    assert losses(CARD) == ""
    assert losses(CONSOLE) == ""
    assert losses(CARD + "    dst_receive+0x1/0x2 [dst]\n") != ""
    assert losses(BOOT + OURS + BOOT) == OURS
