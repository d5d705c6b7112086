# SPDX-License-Identifier: GPL-2.0
"""Allocations that fail, on kernels with fault injection."""

import ctypes
import os
import re

FINIT_MODULE = 313  # the number of the system call on x86-64
ROOT = "/sys/kernel/debug"
KINDS = "failslab", "fail_page_alloc"
# Longer than any function: symbols are known by where they begin.
MARGIN = 1 << 16


def possible() -> bool:
    """Whether this kernel can do that."""
    return all(os.path.isdir(f"{ROOT}/{kind}") for kind in KINDS)


def _set(**values: object) -> None:
    """Set attributes of all kinds of faults; some do not have all of them."""
    for kind in KINDS:
        for name, value in values.items():
            path = f"{ROOT}/{kind}/{name.replace('_', '-')}"
            if os.path.exists(path):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(str(value))


def _text(module: str) -> tuple[int, int]:
    """Where the code of a module begins and ends."""
    with open("/proc/kallsyms", encoding="utf-8") as file:
        words = [line.split() for line in file if line.endswith(f"[{module}]\n")]
    code = [int(word[0], 16) for word in words if word[1] in "tT"]
    return min(code), max(code) + MARGIN


def _function(name: str) -> tuple[int, int]:
    """Where a function of the kernel, or a Rust function of that name alone, begins and ends."""
    with open("/proc/kallsyms", encoding="utf-8") as file:
        symbols = [line.split() for line in file]
    # Rust puts the length of a name before it.
    mangled = re.compile(rf"_R.*[^0-9]{len(name)}{name}(?![0-9a-z_])")
    (start,) = [
        int(words[0], 16)
        for words in symbols
        if name in words[2] and (words[2] == name or mangled.match(words[2]))
    ]
    return start, min(address for words in symbols if (address := int(words[0], 16)) > start)


def _begin(percent: int, task: bool, start: int, end: int) -> None:
    """Let allocations fail by what is in their backtrace, or by who asks for them."""
    _set(
        task_filter="Y" if task else "N",
        require_start=start,
        require_end=end,
        stacktrace_depth=32,
        min_order=0,
        ignore_gfp_wait="N",
        # Pages of processes, of which there are too many to look at.
        ignore_gfp_highmem="Y",
        verbose=0,
        interval=1,
        space=0,
        times=-1,
    )
    _set(probability=percent)


def begin(percent: int) -> None:
    """Let so many in a hundred allocations with the module in their backtrace fail."""
    _begin(percent, False, *_text("dst"))


def begin_in(name: str, percent: int) -> None:
    """The same, but with one function, of the kernel or of a module, in their backtrace."""
    _begin(percent, False, *_function(name))


def load(path: str, percent: int) -> int:
    """Load a module while so many in a hundred allocations of that fail; the error, or 0."""
    mark = os.open("/proc/thread-self/make-it-fail", os.O_WRONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path, "rb") as file:
        _begin(percent, True, 0, 2**64 - 1)
        os.write(mark, b"1")
        failed = libc.syscall(FINIT_MODULE, file.fileno(), b"", 0)
        error = ctypes.get_errno()
        os.write(mark, b"0")
        end()
    os.close(mark)
    return error if failed else 0


def end() -> None:
    """Let no more allocations fail."""
    _set(probability=0)
