# SPDX-License-Identifier: GPL-2.0
"""Where and how it was measured, without anything that names a machine or its files."""

import argparse
import os
import pathlib
import platform
import re
from typing import Any

from lab.bench.loads import LOADS
from lab.bench.peers import PEERS
from lab.dst import TOOL
from lab.flavour import Flavour
from lab.machine import Machine

# Load of the machine from which on others take part in what is measured.
BUSY = 0.5
KINDS = {
    "uml": "User Mode Linux: the kernel as a process",
    "qemu": "the stock kernel of the distribution in QEMU",
}
TOOLS = {
    "dstctl": f"{TOOL} --version",
    "fio": "fio --version",
    "nvme-cli": "nvme version",
    "nbdkit": "nbdkit --version",
    "nbd-client": "nbd-client -V 2>&1",
}


def processor() -> str:
    """Model of the processor."""
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def version(text: str) -> str:
    """The number in what a program says about itself."""
    found = re.search(r"[0-9]+(\.[0-9]+)+", text)
    return found[0] if found else text.strip()


def facts(
    machine: Machine, flavour: Flavour, options: argparse.Namespace, disk_mib: int, load: float
) -> dict[str, Any]:
    """What a reader has to know before he believes a number."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    commands = [
        {"peer": name, "lines": PEERS[name].commands()} for name in options.peers if name != "raw"
    ]
    runs = [
        {
            "work": name,
            "milliseconds": LOADS[name].milliseconds,
            "line": " ".join(LOADS[name].command("DEVICE", options.seconds, options.warm)),
        }
        for name in options.works
    ]
    return {
        "machine": {
            "processor": processor(),
            "processors": os.cpu_count(),
            "memory_gib": round(memory / (1 << 30)),
            "system": f"Linux {platform.release()}",
            "kind": KINDS[flavour.name],
            "guest_processors": flavour.cpus,
            "emulated": emulated(machine),
            "load_before": round(load, 1),
        },
        "kernel": machine.run("uname", "-r").out.strip(),
        "versions": {
            name: version(machine.sh(f"{command} | head -n 1")) for name, command in TOOLS.items()
        },
        "rounds": options.rounds,
        "seconds": options.seconds,
        "warm": options.warm,
        "disk_mib": disk_mib,
        "peers": options.peers,
        "commands": commands,
        "loads": runs,
    }


def emulated(machine: Machine) -> bool:
    """Whether its instructions are interpreted by a program."""
    accelerator = getattr(machine, "accelerator", None)
    return accelerator is not None and "tcg" in " ".join(accelerator())
