# SPDX-License-Identifier: GPL-2.0
"""The interpreter that runs the scenarios."""

import fcntl
import hashlib
import pathlib
import subprocess
import sys

from lab import env

HERE = pathlib.Path(__file__).resolve().parents[1]


def python() -> pathlib.Path:
    """An interpreter that has exactly the packages of requirements.txt."""
    wanted = HERE / "requirements.txt"
    digest = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()[:16]
    directory = env.lab().cache / f"venv-{digest}"
    # Several checks begin at the same time.
    with open(env.lab().cache / "locks" / "venv", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "complete").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
            subprocess.run(
                [
                    directory / "bin/pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--requirement",
                    wanted,
                ],
                check=True,
            )
            (directory / "complete").touch()
    return directory / "bin" / "python"
