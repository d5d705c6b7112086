# SPDX-License-Identifier: GPL-2.0
"""The machines of one test, and the proof that it left nothing behind."""

from lab.flavour import Flavour
from lab.machine import Machine
from lab.pool import GIB, Pool, Spec


class Bed:
    """Takes machines from the pool, watches them and gives them back."""

    def __init__(self, pool: Pool, flavour: Flavour, test: str) -> None:
        self.pool = pool
        self.flavour = flavour
        self.test = test
        self.board = pool.board
        self.used: list[tuple[Spec, Machine]] = []
        self.complaints_before: dict[Machine, int] = {}
        # Tests that kill machines on purpose, or break them for good, say so.
        self.reusable = True
        self.board.heal()

    def machines(self, *specs: Spec, load: bool = True) -> list[Machine]:
        """Machines that are up, with the module loaded unless told otherwise."""
        taken = [(spec, self.pool.take(self.flavour, spec)) for spec in specs]
        self.used += taken
        for _, machine in taken:
            if not machine.ready:
                machine.wait_up()
                machine.call("leftovers.forget_leaks")
            self.complaints_before[machine] = len(machine.complaints())
            machine.call("leftovers.mark", text=self.test)
            for index, disk in enumerate(machine.disks):
                disk.erase()
                machine.run("blockdev", "--flushbufs", machine.disk(index))
            if load:
                machine.dst.load()
        return [machine for _, machine in taken]

    def pair(self, disk: int = GIB, load: bool = True) -> tuple[Machine, Machine]:
        """A server with one disk and a client."""
        server, client = self.machines(Spec("server", disks=(disk,)), Spec("client"), load=load)
        return server, client

    def finish(self, failed: bool) -> list[str]:
        """Take everything down; what is wrong with what remains."""
        self.board.heal()
        problems: list[str] = []
        dirty = failed or not self.reusable
        # Clients first: a server's exports are held by them.
        up = [m for _, m in reversed(self.used) if m.alive and m.ready]
        for machine in up:
            problems += self._clean(machine)
        if self.flavour.debug and not failed:
            problems += self._blind(up)
            if dirty or problems:
                # What the others have lost is looked for when their file is done.
                problems += self.pool.losses(up)
        for _, machine in self.used:
            new = machine.complaints()[self.complaints_before.get(machine, 0) :]
            problems += [f"{machine.name}'s kernel complains:\n{text}" for text in new]
            if machine.ready and not machine.alive:
                problems.append(f"{machine.name} died")
        for spec, machine in self.used:
            if dirty or problems:
                self.pool.discard(machine)
            else:
                self.pool.give_back(self.flavour, spec, machine)
        return problems

    def _clean(self, machine: Machine) -> list[str]:
        """Undo what the test configured and see that all of it goes."""
        problems = []
        try:
            machine.call("leftovers.let_go")
            if machine.dst.loaded:
                machine.dst.clear()
                machine.call("leftovers.let_go")  # what exports have held
                machine.dst.unload()
            problems += [
                f"{machine.name}: left behind: {what}"
                for what in machine.call("leftovers.after_unload")
            ]
        except Exception as error:  # whatever it is, the test must not pass
            problems.append(f"{machine.name}: cannot be cleaned: {error}")
        return problems

    def _blind(self, machines: list[Machine]) -> list[str]:
        """Which machines have stopped to look for wrong locking."""
        try:
            return [
                f"{machine.name}: lockdep has switched itself off"
                for machine in machines
                if machine.call("leftovers.lockdep_off")
            ]
        except Exception as error:  # whatever it is, the test must not pass
            return [f"nobody knows whether locking was watched: {error}"]
