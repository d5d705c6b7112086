# SPDX-License-Identifier: GPL-2.0
"""A process that has more memory than its machine, and looks whether it stays what it was."""

import argparse
import mmap
import pathlib
import struct

PAGE = 4096
# When this is there, it looks at everything once more and ends.
STOP = pathlib.Path("/run/hog.stop")


def content(page: int, sweep: int) -> bytes:
    """What a page holds from one sweep to the next."""
    return struct.pack("<QQ", page, sweep) * (PAGE // 16)


def hog(pages: int) -> list[int]:
    """Write all pages, and compare each before it is written again, until told not to; the wrong
    ones."""
    wrong = []
    sweep, last = 0, False
    # By default others could share it, and then it would be a file in memory.
    with mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        while not last:
            last = sweep > 0 and STOP.exists()
            # What was written last comes first: only what is not there any more comes back.
            for page in range(pages) if sweep % 2 else reversed(range(pages)):
                place = slice(page * PAGE, (page + 1) * PAGE)
                if sweep and memory[place] != content(page, sweep - 1):
                    wrong.append(page)
                memory[place] = content(page, sweep)
            print(f"sweep {sweep} done, {len(wrong)} wrong", flush=True)
            sweep += 1
    return wrong


def main() -> int:
    """Use some MiB."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mib", type=int)
    words = parser.parse_args()
    wrong = hog(words.mib * (1 << 20) // PAGE)
    print(f"wrong: {wrong[:16]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
