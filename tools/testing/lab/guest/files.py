# SPDX-License-Identifier: GPL-2.0
"""Predicates about files, cheap enough to be polled."""

import os
import re
import stat
import subprocess


def exists(path: str) -> bool:
    """Whether there is anything at a path."""
    return os.path.lexists(path)


def missing(path: str) -> bool:
    """Whether there is nothing at a path."""
    return not os.path.lexists(path)


def is_block_device(path: str) -> bool:
    """Whether a path is a block device."""
    try:
        return stat.S_ISBLK(os.stat(path).st_mode)
    except OSError:
        return False


def content_is(path: str, text: str) -> bool:
    """Whether a small file holds exactly a text, white space aside."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip() == text
    except OSError:
        return False


def content_matches(path: str, pattern: str) -> str:
    """First match of a pattern in a file, or nothing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            match = re.search(pattern, file.read())
    except OSError:
        return ""
    return match.group(0) if match else ""


def number_at_least(path: str, least: int) -> bool:
    """Whether a file holds a number that is large enough."""
    try:
        with open(path, encoding="utf-8") as file:
            return int(file.read()) >= least
    except (OSError, ValueError):
        return False


def logged(text: str, count: int, since: str = "") -> bool:
    """Whether the kernel has said something so often, or since it has said something else."""
    log = subprocess.run(["dmesg"], stdout=subprocess.PIPE, check=True, text=True).stdout
    if since:
        log = log.rpartition(since)[2]
    return log.count(text) >= count
