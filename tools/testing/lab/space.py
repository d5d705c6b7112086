# SPDX-License-Identifier: GPL-2.0
"""Network namespaces of a machine, each with DST of its own."""

from __future__ import annotations

import json
import typing
from typing import Any

from lab.dst import PORT, TOOL

if typing.TYPE_CHECKING:
    from lab.machine import Machine, Process, Result


class Space:
    """A network namespace of a machine."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine = machine
        self.name = name
        # The device that leads into it ends with it, and not before what is in there.
        machine.sh(
            f"ip netns add {name}\n"
            f"ip -n {name} link set lo up\n"
            f"ip link add up-{name} type veth peer name outside netns {name}\n"
        )

    def words(self, *words: str) -> tuple[str, ...]:
        """What runs a command in it."""
        return ("ip", "netns", "exec", self.name, *words)

    def run(self, *words: str, check: bool = True, timeout: float = 60) -> Result:
        """Run a command in it."""
        return self.machine.run(*self.words(*words), check=check, timeout=timeout)

    def ctl(self, *words: str, check: bool = True, timeout: float = 60) -> Result:
        """Run dstctl in it."""
        return self.run(TOOL, *words, check=check, timeout=timeout)

    def json(self, *words: str) -> Any:
        """Run dstctl in it and understand what it prints."""
        return json.loads(self.ctl("--json", *words).out)

    def names(self, *words: str) -> list[str]:
        """The names of the storages, or with "export" of the exports, in it."""
        return [entry["name"] for entry in self.json(*words, "list")]

    def export(self, name: str, device: str, *options: str) -> None:
        """Export a device to everybody in it."""
        self.ctl(
            *("export", "add", name, device, "--listen", f"0.0.0.0:{PORT}"),
            *("--allow", "0.0.0.0/0:rw", *options),
        )

    def attach(self, name: str, host: str, *options: str) -> str:
        """Attach an export; the path of the device, which all namespaces see."""
        self.ctl("add", name, host, *options)
        device = f"/dev/dst-{name}"
        self.machine.wait("files.is_block_device", what=f"{device} exists", path=device)
        return device

    def spawn(self, *words: str) -> Process:
        """Start a command in it in the background."""
        return self.machine.spawn(*self.words(*words))

    def delete(self) -> None:
        """Take its name away; it ends when nobody is in it any more."""
        self.machine.run("ip", "netns", "del", self.name)


def join(one: Space, other: Space) -> tuple[str, str]:
    """Connect two namespaces; the address of each."""
    machine, a, b = one.machine, one.name, other.name
    machine.sh(
        f"ip -n {a} link add to-{b} type veth peer name to-{a} netns {b}\n"
        f"ip -n {a} addr add 10.99.0.1/24 dev to-{b}\n"
        f"ip -n {b} addr add 10.99.0.2/24 dev to-{a}\n"
        f"ip -n {a} link set to-{b} up\n"
        f"ip -n {b} link set to-{a} up\n"
    )
    return "10.99.0.1", "10.99.0.2"
