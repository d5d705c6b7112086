# SPDX-License-Identifier: GPL-2.0
"""Secrets handed to the kernel by the kernel's own netlink client, and looked for afterwards."""

import base64
import contextlib
import fcntl
import glob
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

SPEC = "/machine/dst.yaml"
PYYNL = "/machine/pyynl"


@contextlib.contextmanager
def _family() -> Iterator[Any]:
    """The family, by the kernel's own client."""
    if PYYNL not in sys.path:
        sys.path.append(PYYNL)
    from lib import ynl

    # It remembers the numbers of families, and the module may have been loaded again.
    ynl.GenlProtocol.genl_family_name_to_id = {}
    family = ynl.YnlFamily(SPEC, schema="")
    try:
        yield family
    finally:
        family.sock.close()


def _memory(data: bytes, flags: int = 0) -> int:
    """A file in memory."""
    fd = os.memfd_create("secret", flags)
    os.write(fd, data)
    return fd


def _descriptor(kind: str, data: bytes) -> list[int]:
    """A descriptor of some kind, and others that have to be closed as well."""
    if kind == "memory":
        return [_memory(data)]
    if kind == "write-only":
        fd = _memory(data)
        return [os.open(f"/proc/self/fd/{fd}", os.O_WRONLY), fd]
    if kind == "pipe":
        fds = os.pipe()
        os.write(fds[1], data)
        return list(fds)
    if kind == "directory":
        return [os.open("/run", os.O_RDONLY | os.O_DIRECTORY)]
    if kind == "path":
        return [os.open("/run", os.O_PATH)]
    if kind == "device":
        return [os.open("/dev/zero", os.O_RDONLY)]
    if kind == "disk":
        return [os.open("/machine/dst.yaml", os.O_RDONLY)]
    if kind == "proc":
        return [os.open("/proc/self/status", os.O_RDONLY)]
    raise ValueError(kind)


def request(
    operation: str,
    attributes: dict[str, Any],
    secrets: dict[str, list[str]] | None = None,
    inside: str = "",
) -> str:
    """Ask the kernel for something; its refusal, or nothing.

    Each of the secrets is a kind of descriptor and the bytes in it as hexadecimal digits. They are
    attributes, or inside of the first one of a name.
    """
    place = attributes[inside][0] if inside else attributes
    fds = []
    for name, (kind, data) in (secrets or {}).items():
        if kind == "closed":
            # A number that nobody takes meanwhile.
            fd = _memory(b"")
            place[name] = fcntl.fcntl(fd, fcntl.F_DUPFD, 900)
            os.close(place[name])
            os.close(fd)
        elif kind == "none":
            place[name] = int(data, 16)
        else:
            mine = _descriptor(kind, bytes.fromhex(data))
            fds += mine
            place[name] = mine[0]
    try:
        with _family() as family:
            family.do(operation, attributes)
    except Exception as error:  # whatever it is, the test wants to see it
        return f"{type(error).__name__}: {error}"
    finally:
        for fd in fds:
            os.close(fd)
    return ""


def descriptors() -> int:
    """How many descriptors this process has."""
    return len(os.listdir("/proc/self/fd"))


def _forms(secret: bytes) -> list[bytes]:
    """What a secret can look like."""
    digits = secret.hex().encode()
    text = base64.b64encode(secret)
    return [
        secret,
        # The last digits depend on what comes behind.
        text[:42],
        digits,
        digits.upper(),
        b" ".join(digits[i : i + 2] for i in range(0, len(digits), 2)),
        b",".join(b"%d" % byte for byte in secret),
        b", ".join(b"%d" % byte for byte in secret),
    ]


def _texts() -> list[tuple[str, bytes]]:
    """All that the system tells whoever asks."""
    found = []
    for words in (
        ("dmesg",),
        ("ps", "auxeww"),
        *(
            ("/machine/bin/dstctl", *json, *words)
            for json in ((), ("--json",))
            for words in (
                ("list",),
                ("export", "list"),
                ("sessions",),
                ("server", "show"),
            )
        ),
    ):
        result = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        found.append((" ".join(words), result.stdout))
    with _family() as family:
        for operation in (
            "storage-get",
            "export-get",
            "session-get",
            "storage-stats-get",
            "export-stats-get",
        ):
            found.append((operation, str(family.dump(operation, {})).encode()))
        for operation in ("server-get", "pool-get"):
            found.append((operation, str(family.do(operation, {})).encode()))
    patterns = (
        "/sys/class/dst/*/*",
        "/sys/block/dst-*/dst/*",
        "/sys/module/dst/**/*",
        "/proc/[0-9]*/cmdline",
        "/proc/[0-9]*/environ",
    )
    for pattern in patterns:
        for path in glob.glob(pattern, recursive=True):
            try:
                with open(path, "rb") as file:
                    found.append((path, file.read()))
            except OSError:
                pass
    return found


def places(secrets: list[str], known: list[str]) -> list[str]:
    """Where secrets can be read, which are given as hexadecimal digits.

    Of what is known, each has to be found somewhere: then the search is worth something.
    """
    texts = _texts()
    bad = [
        name
        for secret in secrets
        for form in _forms(bytes.fromhex(secret))
        for name, text in texts
        if form in text
    ]
    missing = [
        digits
        for digits in known
        if not any(form in text for form in _forms(bytes.fromhex(digits)) for _, text in texts)
    ]
    return bad + [f"nowhere: {digits}" for digits in missing]
