# SPDX-License-Identifier: GPL-2.0
"""Machines that are running already, for the next test that needs some.

A boot costs from half a second to half a minute. A machine that a test left
clean, which is checked, serves the next one; a machine that was killed, that
complained or that could not be cleaned is thrown away.
"""

import dataclasses
import itertools
import pathlib
import shutil
from collections.abc import Iterable

from lab import env
from lab.flavour import Flavour
from lab.machine import Disk, Machine
from lab.network import Switchboard
from lab.qemu import Qemu
from lab.uml import Uml

GIB = 1 << 30


@dataclasses.dataclass(frozen=True)
class Spec:
    """What a test wants of a machine."""

    role: str
    disks: tuple[int, ...] = ()
    cards: int = 1
    memory: str = "1G"
    mtu: int | None = None


class Pool:
    """All machines of one run."""

    def __init__(self, run_dir: pathlib.Path, stage: pathlib.Path) -> None:
        self.run_dir = run_dir
        self.stage = stage
        self.board = Switchboard()
        self.numbers = itertools.count(1)
        self.idle: dict[tuple[str, Spec], list[Machine]] = {}
        self.all: list[Machine] = []
        # Those that tests have used since somebody looked for what they have lost.
        self.suspects: set[Machine] = set()

    def take(self, flavour: Flavour, spec: Spec) -> Machine:
        """A machine that runs already, or one that has only been started."""
        waiting = self.idle.get((flavour.name, spec), [])
        if waiting:
            machine = waiting.pop()
        else:
            machine = self._build(flavour, spec)
            self.all.append(machine)
            machine.start()
        if flavour.debug:
            self.suspects.add(machine)
        return machine

    def give_back(self, flavour: Flavour, spec: Spec, machine: Machine) -> None:
        """Keep a clean machine for the next test."""
        self.idle.setdefault((flavour.name, spec), []).append(machine)

    def discard(self, machine: Machine) -> None:
        """Power a machine off for good; its logs stay, its disks do not."""
        self.suspects.discard(machine)
        machine.kill()
        for disk in machine.disks:
            disk.path.unlink(missing_ok=True)

    def losses(self, machines: Iterable[Machine] | None = None) -> list[str]:
        """What machines have lost, all suspects or those of them. If any has, none is used again.

        They look for it at the same time: most of it is waiting.
        """
        asked = self.suspects if machines is None else self.suspects.intersection(machines)
        looked = [machine for machine in asked if machine.alive and machine.ready]
        self.suspects.difference_update(looked)
        problems = []
        try:
            looks = [(m, m.start_call("leftovers.leaks")) for m in looked]
            for machine, look in looks:
                if leaks := look.result(60):
                    problems.append(f"{machine.name}: leaks:\n{leaks}")
        except Exception as error:  # whatever it is, nobody may rely on it
            problems.append(f"nobody knows what was lost: {error}")
        if problems:
            for waiting in self.idle.values():
                waiting[:] = [machine for machine in waiting if machine not in looked]
            for machine in looked:
                self.discard(machine)
        return problems

    def close(self) -> None:
        """Power everything off."""
        for machine in self.all:
            self.discard(machine)
        self.board.close()

    def _build(self, flavour: Flavour, spec: Spec) -> Machine:
        number = next(self.numbers)
        name = f"{spec.role}{number}"
        run_dir = self.run_dir / "machines" / f"{flavour.name}-{name}"
        shutil.rmtree(run_dir, ignore_errors=True)
        paths = env.lab()
        kind = Qemu if flavour.stock else Uml
        machine = kind(
            name,
            flavour,
            run_dir,
            number,
            stage=self.stage,
            board=self.board,
            cards=spec.cards,
            memory=spec.memory,
            mtu=spec.mtu or flavour.mtu,
            paths=paths,
        )
        machine.disks = [
            Disk.create(run_dir / f"disk{index}.img", size) for index, size in enumerate(spec.disks)
        ]
        return machine
