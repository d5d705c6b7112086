# SPDX-License-Identifier: GPL-2.0
"""DST inside a machine: the module, the tool, exports and storages."""

from __future__ import annotations

import base64
import json
import typing
from typing import Any

if typing.TYPE_CHECKING:
    from lab.machine import Machine, Result
    from lab.noise import Identity

PORT = 7770
TOOL = "/machine/bin/dstctl"

# Everybody in the lab's networks may do everything unless a test says no.
EVERYBODY = ("10.77.0.0/16:rw", "fd77::/16:rw")


class Dst:
    """What a test does with DST on one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    # The module.

    def load(self, *parameters: str) -> None:
        """Load the module that was built for this machine's kernel, and what it depends on."""
        module = f"/machine/modules/dst-{self.machine.flavour.name}.ko"
        self.machine.sh(
            f"depends=$(modinfo -F depends {module} | tr , ' ') && "
            'if [ -n "$depends" ]; then modprobe -a $depends; fi'
        )
        self.machine.run("insmod", module, *parameters)

    def unload(self) -> None:
        """Unload it; what it leaves behind is found by leftovers()."""
        self.machine.run("rmmod", "dst", timeout=60)

    @property
    def loaded(self) -> bool:
        """Whether the module is there."""
        return self.machine.call("leftovers.loaded")

    # The tool.

    def ctl(self, *words: str, check: bool = True, timeout: float = 60) -> Result:
        """Run dstctl."""
        return self.machine.run(TOOL, *words, check=check, timeout=timeout)

    def json(self, *words: str, timeout: float = 60) -> Any:
        """Run dstctl and understand what it prints."""
        return json.loads(self.ctl("--json", *words, timeout=timeout).out)

    # Server.

    def export(
        self,
        name: str,
        device: str,
        *options: str,
        port: int = PORT,
        listen: str | None = None,
        allow: tuple[str, ...] = EVERYBODY,
    ) -> None:
        """Export a device; to everybody and on every address by default."""
        rules = [word for rule in allow for word in ("--allow", rule)]
        self.ctl(
            "export",
            "add",
            name,
            device,
            "--listen",
            listen or f"[::]:{port}",
            *rules,
            *options,
        )

    # Keys.

    def secret(self, name: str, data: bytes) -> str:
        """Put a secret into a file of the machine; its path."""
        path = f"/run/{name}.key"
        self.machine.put(path, base64.b64encode(data) + b"\n", mode=0o600)
        return path

    def set_key(self, identity: Identity) -> None:
        """Give the server its key."""
        # Attackers are faster than any client.
        self.ctl(
            *("server", "set", "--key", self.secret("server", identity.private)),
            *("--handshakes", "10000", "--handshakes-per-source", "10000"),
        )

    def keys(self, me: Identity, server: bytes) -> tuple[str, ...]:
        """Options of a storage that has keys."""
        return (
            "--key",
            self.secret("client", me.private),
            "--server-key",
            base64.b64encode(server).decode(),
        )

    # Client.

    def attach(
        self,
        name: str,
        server: Machine,
        *options: str,
        port: int = PORT,
        version: int = 4,
        usual: bool = False,
    ) -> str:
        """Attach an export of another machine; the path of the new device.

        There is one connection, so that an epoch ends with it, unless the options say otherwise or
        the `usual` number is asked for.
        """
        host = server.address(version=version)
        if version == 6:
            host = f"[{host}]"
        if not usual and "--connections" not in options:
            options += ("--connections", "1")
        self.ctl("add", name, f"{host}:{port}", *options)
        device = f"/dev/dst-{name}"
        self.machine.wait("files.is_block_device", what=f"{device} exists", path=device)
        return device

    def show(self, name: str) -> dict[str, Any]:
        """Everything about a storage."""
        return self.json("show", name)

    def show_export(self, name: str) -> dict[str, Any]:
        """Everything about an export."""
        return self.json("export", "show", name)

    def wait_state(self, name: str, state: str, timeout: float = 20, epoch: int = 0) -> None:
        """Wait until a storage is in a state, in an epoch or a later one."""
        self.machine.wait(
            "objects.storage_is",
            timeout,
            f"storage {name} is {state} in epoch {epoch}",
            name=name,
            state=state,
            epoch=epoch,
        )

    # The end.

    def clear(self) -> None:
        """Remove everything that a test left configured."""
        for storage in self.json("list"):
            self.ctl("del", storage["name"], "--force")
        for export in self.json("export", "list"):
            # It may end before the device is done with what it has.
            self.ctl("export", "del", export["name"], "--force", check=False)
        self.machine.wait("objects.no_exports", 60)
