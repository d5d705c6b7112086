# SPDX-License-Identifier: GPL-2.0
"""Files whose content follows from their names, and that are synchronised one by one."""

import hashlib
import os
import random


def content(name: str) -> bytes:
    """What is in a file of that name."""
    dice = random.Random(name)
    return hashlib.blake2b(name.encode()).digest() * dice.randint(1, 400)


def write(directory: str, name: str) -> None:
    """Write a file and have it on the disk, its name included."""
    path = os.path.join(directory, name)
    with open(path, "wb") as file:
        file.write(content(name))
        file.flush()
        os.fsync(file.fileno())
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def missing(directory: str, names: list[str]) -> list[str]:
    """Names of files that are not what they should be."""
    wrong = []
    for name in names:
        try:
            with open(os.path.join(directory, name), "rb") as file:
                if file.read() != content(name):
                    wrong.append(name)
        except OSError:
            wrong.append(name)
    return wrong
