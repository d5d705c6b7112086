# SPDX-License-Identifier: GPL-2.0
"""The directory that every machine of a run sees as /machine.

It is filled once per run, so that all machines of it execute the same code
whatever happens to the checkout meanwhile. User Mode Linux sees the directory
itself; QEMU gets it as an archive behind the initramfs.
"""

import os
import pathlib
import shutil
import subprocess

from lab import env

_INIT = """#!/bin/sh
PYTHONPATH="${0%/init}/python" exec /usr/bin/python3 -m lab.guest.init
"""


def fill(stage: pathlib.Path, flavours: list[str], instead: pathlib.Path | None = None) -> None:
    """Put the lab's package, the tool and the modules of some flavours in place.

    If there is a module to be tested `instead`, it is the one of all flavours.
    """
    paths = env.lab()
    source = pathlib.Path(__file__).resolve().parent
    for name in "python", "bin", "modules":
        (stage / name).mkdir(parents=True, exist_ok=True)
    shutil.copytree(
        source,
        stage / "python" / "lab",
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    init = stage / "init"
    init.write_text(_INIT)
    init.chmod(0o755)
    if paths.dstctl.exists():
        shutil.copy(paths.dstctl, stage / "bin" / "dstctl")
    for flavour in flavours:
        module = instead or paths.modules[flavour]
        if module.exists():
            target = stage / "modules" / f"dst-{flavour}.ko"
            subprocess.run(["objcopy", "--strip-debug", module, target], check=True)
    spec = env.CHECKOUT / "Documentation/netlink/specs/dst.yaml"
    if spec.exists():
        shutil.copy(spec, stage / "dst.yaml")
    client = paths.tree / "tools/net/ynl/pyynl"
    if client.is_dir():
        shutil.copytree(client, stage / "pyynl", dirs_exist_ok=True)


def archive(directory: pathlib.Path, prefix: str) -> bytes:
    """A cpio archive ("newc", what kernels unpack) of a directory."""
    out = bytearray()

    def add(name: str, mode: int, data: bytes) -> None:
        raw = name.encode() + b"\0"
        fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
        out.extend(b"070701" + b"".join(b"%08x" % field for field in fields) + raw)
        out.extend(bytes(-len(out) % 4))
        out.extend(data)
        out.extend(bytes(-len(out) % 4))

    add(prefix, 0o040755, b"")
    for path in sorted(directory.rglob("*")):
        name = f"{prefix}/{path.relative_to(directory)}"
        if path.is_symlink():
            add(name, 0o120777, os.readlink(path).encode())
        elif path.is_dir():
            add(name, 0o040755, b"")
        else:
            add(name, 0o100000 | (path.stat().st_mode & 0o777), path.read_bytes())
    add("TRAILER!!!", 0, b"")
    return bytes(out)
