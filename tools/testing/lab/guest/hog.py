# SPDX-License-Identifier: GPL-2.0
"""A process that has more memory than its machine, and looks whether it stays what it was."""

import argparse
import mmap
import struct

PAGE = 4096


def content(page: int, sweep: int) -> bytes:
    """What a page holds from one sweep to the next."""
    return struct.pack("<QQ", page, sweep) * (PAGE // 16)


def hog(pages: int, sweeps: int) -> list[int]:
    """Write all pages, and compare each before it is written again, so often; the wrong ones."""
    wrong = []
    # By default others could share it, and then it would be a file in memory.
    with mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        for sweep in range(sweeps + 1):
            # What was written last comes first: only what is not there any more comes back.
            for page in range(pages) if sweep % 2 else reversed(range(pages)):
                place = slice(page * PAGE, (page + 1) * PAGE)
                if sweep and memory[place] != content(page, sweep - 1):
                    wrong.append(page)
                memory[place] = content(page, sweep)
            print(f"sweep {sweep} done, {len(wrong)} wrong", flush=True)
    return wrong


def main() -> int:
    """Use some MiB."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mib", type=int)
    parser.add_argument("sweeps", type=int)
    words = parser.parse_args()
    wrong = hog(words.mib * (1 << 20) // PAGE, words.sweeps)
    print(f"wrong: {wrong[:16]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
