# SPDX-License-Identifier: GPL-2.0
"""A machine of the lab, whatever it is made of."""

import abc
import base64
import contextlib
import dataclasses
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from lab import splats
from lab.dst import Dst
from lab.flavour import Flavour
from lab.rpc import Channel, MachineGone
from lab.sockets import RemoteSocket

CHUNK = 1 << 18

# How often a machine is powered on whose kernel dies before it has seen anything of us.
_BOOTS = 3


class CommandFailed(AssertionError):
    """A command that had to succeed inside a machine did not."""


@dataclasses.dataclass(frozen=True)
class Result:
    """How a command ended."""

    argv: Sequence[str]
    rc: int | None
    out: str
    err: str
    late: bool = False
    stuck: str = ""

    def __str__(self) -> str:
        text = f"$ {shlex.join(self.argv)}\nexit code {self.rc}"
        if self.late:
            text += " (killed at its deadline)"
        for name, value in ("stdout", self.out), ("stderr", self.err), ("stuck", self.stuck):
            if value:
                text += f"\n--- {name}\n{value}"
        return text


class Process:
    """A background command of a machine."""

    def __init__(self, machine: "Machine", argv: Sequence[str], pid: int) -> None:
        self.machine = machine
        self.argv = argv
        self.pid = pid

    def _poll(self, timeout: float) -> Result:
        state = self.machine.channel.call(
            "poll", timeout + self.machine.grace, pid=self.pid, timeout=timeout
        )
        out = base64.b64decode(state["out"]).decode(errors="replace")
        return Result(self.argv, state["rc"], out, "", stuck=state["stuck"])

    def poll(self) -> Result:
        """How it stands now; rc is None while it runs."""
        return self._poll(0)

    def wait(self, timeout: float = 30, check: bool = True) -> Result:
        """Its end, which has to come before the deadline."""
        timeout *= self.machine.flavour.slowness
        result = self._poll(timeout)
        if result.rc is None:
            raise TimeoutError(f"still running after {timeout:.0f} s:\n{result}")
        self.machine._note(f"background {self.pid} ended: {result}")
        if check and result.rc != 0:
            raise CommandFailed(str(result))
        return result

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it (and its children) a signal."""
        self.machine.channel.call("signal", self.machine.grace, pid=self.pid, signal=int(number))


class Promise:
    """The value of a call that was begun and not waited for."""

    def __init__(self, machine: "Machine", future: Future) -> None:
        self.machine = machine
        self.future = future

    def done(self) -> bool:
        """Whether it is there."""
        return self.future.done()

    def result(self, timeout: float) -> Any:
        """The value, which has to be there before the deadline."""
        return self.future.result(timeout * self.machine.flavour.slowness)


@dataclasses.dataclass
class Disk:
    """A virtual disk: a file of the host that survives the machine."""

    path: pathlib.Path
    size: int

    @classmethod
    def create(cls, path: pathlib.Path, size: int) -> "Disk":
        """Make an empty sparse disk."""
        with open(path, "wb") as file:
            file.truncate(size)
        return cls(path, size)

    def erase(self) -> None:
        """Make it empty again, behind the back of the machine that has it."""
        os.truncate(self.path, 0)
        os.truncate(self.path, self.size)


class Machine(abc.ABC):
    """A whole kernel with an agent in it, that can be killed at any instant."""

    # Seconds that an answer may take beyond what the request allows itself.
    grace: float = 30

    def __init__(self, name: str, flavour: Flavour, run_dir: pathlib.Path, number: int) -> None:
        self.name = name
        self.flavour = flavour
        self.run_dir = run_dir
        self.number = number
        self.disks: list[Disk] = []
        self.process: subprocess.Popen | None = None
        self.boots = 0
        self.started = 0.0
        # Whether its agent has answered since it was powered on.
        self.ready = False
        # How much of a console was written before the machine was killed.
        self._ends: dict[pathlib.Path, int] = {}
        self._channel: Channel | None = None
        self.dst = Dst(self)
        self.run_dir.mkdir(parents=True, exist_ok=True)

    # What the kinds of machines do differently.

    @abc.abstractmethod
    def _launch(self) -> tuple[subprocess.Popen, socket.socket]:
        """Start the machine's process; its end of the agent's line."""

    @abc.abstractmethod
    def disk(self, index: int) -> str:
        """Path inside the machine of its index-th disk."""

    # Life and death.

    @property
    def console_path(self) -> pathlib.Path:
        """Everything the kernel has said in this boot."""
        return self.run_dir / f"console.{self.boots}.log"

    def start(self) -> None:
        """Power on, without waiting."""
        self.boots += 1
        self.started = time.monotonic()
        self._note(f"boot {self.boots}")
        self.process, stream = self._launch()
        self._channel = Channel(stream)

    def wait_up(self, timeout: float = 120) -> None:
        """Wait until the agent answers, then bring the network up."""
        for attempt in range(_BOOTS):
            try:
                self.channel.up.result(timeout * self.flavour.slowness)
                break
            except (TimeoutError, MachineGone) as error:
                console = self.console()
                if attempt + 1 == _BOOTS or not splats.is_stillborn(console):
                    tail = console[-3000:]
                    raise RuntimeError(f"{self.name} did not come up:\n{tail}") from error
                self._note("the kernel died before user space: once more")
                self.kill()
                self.start()
        self.grace = 30 * self.flavour.slowness
        self.configure_network()
        self.ready = True
        self._note(f"up after {time.monotonic() - self.started:.2f} s")

    def boot(self) -> None:
        """Power on and wait until it is usable."""
        self.start()
        self.wait_up()

    def kill(self) -> None:
        """Power off, now: nothing inside gets a chance to notice."""
        self._note("killed")
        self.ready = False
        if self.process is not None:
            with contextlib.suppress(FileNotFoundError):
                self._ends[self.console_path] = self.console_path.stat().st_size
            self.process.kill()
            self.process.wait()
            self.process = None
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    @property
    def alive(self) -> bool:
        """Whether it runs (it may have panicked by itself)."""
        return self.process is not None and self.process.poll() is None

    @property
    def channel(self) -> Channel:
        """The line to its agent."""
        if self._channel is None:
            raise MachineGone(f"{self.name} is off")
        return self._channel

    # Networks.

    def address(self, network: int = 0, version: int = 4) -> str:
        """Its address in a network."""
        if version == 4:
            return f"10.77.{network}.{self.number}"
        return f"fd77:{network}::{self.number:x}"

    def mac(self, network: int) -> str:
        """Its hardware address in a network."""
        return f"02:64:73:74:{network:02x}:{self.number:02x}"

    @abc.abstractmethod
    def networks(self) -> int:
        """How many networks it is plugged into."""

    def configure_network(self) -> None:
        """Give every interface its addresses."""
        links = {
            self.mac(n): [f"{self.address(n)}/24", f"{self.address(n, 6)}/64"]
            for n in range(self.networks())
        }
        self.call("network.configure", name=self.name, links=links)

    # Commands.

    def run(
        self,
        *argv: str,
        timeout: float = 30,
        check: bool = True,
        stdin: bytes = b"",
        env: dict[str, str] | None = None,
    ) -> Result:
        """Run a command to its end."""
        timeout *= self.flavour.slowness
        begin = time.monotonic()
        answer = self.channel.call(
            "run",
            timeout + self.grace,
            argv=argv,
            timeout=timeout,
            stdin=base64.b64encode(stdin).decode(),
            env=env or {},
        )
        result = Result(
            argv,
            answer["rc"],
            base64.b64decode(answer["out"]).decode(errors="replace"),
            base64.b64decode(answer["err"]).decode(errors="replace"),
            answer["late"],
            answer["stuck"],
        )
        self._note(f"{time.monotonic() - begin:.3f} s: {result}")
        if result.late:
            raise TimeoutError(str(result))
        if check and result.rc != 0:
            raise CommandFailed(f"{self.name}: {result}")
        return result

    def sh(self, script: str, **options: Any) -> str:
        """Run a shell script that stops at the first failure; its output."""
        return self.run("sh", "-ec", script, **options).out

    def mount_new(self, disk: str, place: str) -> None:
        """Make a file system and mount it. To discard a whole disk takes a slow kernel its time."""
        self.sh(f"mkfs.ext4 -q -E nodiscard {disk}; mkdir -p {place}; mount {disk} {place}")

    def spawn(self, *argv: str, env: dict[str, str] | None = None) -> Process:
        """Start a command in the background."""
        pid = self.channel.call("spawn", self.grace, argv=argv, env=env or {})
        self._note(f"background {pid}: $ {shlex.join(argv)}")
        return Process(self, argv, pid)

    def call(self, function: str, timeout: float = 60, **args: Any) -> Any:
        """Call a function of lab.guest inside the machine."""
        begin = time.monotonic()
        value = self.channel.call(
            "call", timeout * self.flavour.slowness, function=function, args=args
        )
        self._note(f"{time.monotonic() - begin:.3f} s: {function}({args}) = {str(value)[:300]}")
        return value

    def start_call(self, function: str, **args: Any) -> Promise:
        """The same without waiting."""
        self._note(f"start {function}({args})")
        return Promise(self, self.channel.start("call", function=function, args=args))

    def wait(self, function: str, timeout: float = 10, what: str = "", **args: Any) -> Any:
        """Wait until a function of lab.guest returns something true."""
        timeout *= self.flavour.slowness
        value = self.channel.call(
            "wait", timeout + self.grace, function=function, args=args, timeout=timeout
        )["value"]
        self._note(f"wait {function}({args}) = {str(value)[:300]}")
        if not value:
            raise TimeoutError(
                f"{self.name}: {what or f'{function}({args})'} not so within {timeout:.0f} s"
            )
        return value

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a file inside the machine."""
        for offset in range(0, max(len(data), 1), CHUNK):
            part = base64.b64encode(data[offset : offset + CHUNK]).decode()
            self.channel.call("put", self.grace, path=path, data=part, mode=mode, append=offset > 0)

    def get(self, path: str, offset: int = 0, length: int = -1) -> bytes:
        """Read a (part of a) file of the machine."""
        data = self.channel.call("get", self.grace, path=path, offset=offset, length=length)
        return base64.b64decode(data)

    def read(self, path: str) -> str:
        """Text of a small file (an attribute of sysfs, say), stripped."""
        return self.get(path).decode().strip()

    def connect(self, host: str, port: int, timeout: float = 10) -> RemoteSocket:
        """A socket of the machine, connected; port 0 means a UNIX path."""
        return RemoteSocket.connect(self.channel, host, port, timeout)

    # What its kernel has to say.

    def console(self) -> str:
        """The console's text of this boot."""
        try:
            return self.console_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def complaints(self) -> list[str]:
        """Reports of the kernel, of all boots, since user space started.

        A process of many threads does not die at once: what those say that see others gone
        does not count.
        """
        found = []
        for path in sorted(self.run_dir.glob("console.*.log")):
            text = path.read_bytes()[: self._ends.get(path)]
            found += splats.find(text.decode(errors="replace"))
        return found

    def new_diary(self, title: str) -> None:
        """Begin the diary anew, so that a long run keeps only what was last."""
        with open(self.run_dir / "commands.log", "w", encoding="utf-8") as log:
            log.write(f"{title}\n")

    def _note(self, text: str) -> None:
        """Add to the machine's own diary, for whoever reads a failure."""
        stamp = time.strftime("%H:%M:%S")
        with open(self.run_dir / "commands.log", "a", encoding="utf-8") as log:
            log.write(f"[{stamp}] {text}\n")
