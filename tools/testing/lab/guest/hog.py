# SPDX-License-Identifier: GPL-2.0
"""A program that wants more memory than there is, and looks whether it keeps its content.

python3 -m lab.guest.hog MIB ROUNDS
"""

import struct
import sys

PAGE = 4096
STAMP = struct.Struct("<QQ")


def main() -> int:
    """Fill all pages, look at all of them, and again with something else."""
    pages = int(sys.argv[1]) << 8
    memory = bytearray(pages * PAGE)
    for round in range(int(sys.argv[2])):
        for page in range(pages):
            STAMP.pack_into(memory, page * PAGE, page, round)
            STAMP.pack_into(memory, page * PAGE + PAGE - STAMP.size, round, page)
        for page in range(pages):
            first = STAMP.unpack_from(memory, page * PAGE)
            last = STAMP.unpack_from(memory, page * PAGE + PAGE - STAMP.size)
            if first != (page, round) or last != (round, page):
                print(f"round {round}, page {page}: {first} {last}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
