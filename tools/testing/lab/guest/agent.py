# SPDX-License-Identifier: GPL-2.0
"""The lab's hand inside a machine.

Requests arrive as lines of JSON on a dedicated serial line (never the console,
which belongs to the kernel) and are served concurrently, each in a thread of
its own, so that a command stuck in the kernel stops nobody else. Bytes travel
as base64: a serial line is no place for binary.

    request   {"id": 7, "op": "run", ...}
    answer    {"id": 7, "result": ...}  or  {"id": 7, "error": "sentence"}
    event     {"event": "up", ...}
    flow      {"taken": 512}

The last one counts the bytes read from the line. The host never has more than
a terminal's buffer under way: User Mode Linux may not recover from throttling.
"""

import base64
import importlib
import json
import os
import signal
import subprocess
import sys
import termios
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from lab.guest import sockets

Request = dict[str, Any]

CHUNK = 1 << 16


def encode(data: bytes) -> str:
    """Bytes as they travel on the line."""
    return base64.b64encode(data).decode()


def decode(text: str) -> bytes:
    """The reverse of encode()."""
    return base64.b64decode(text)


class Background:
    """A process that outlives the request that started it."""

    def __init__(self, process: subprocess.Popen, log: str) -> None:
        self.process = process
        self.log = log

    def output(self) -> bytes:
        """All that it has printed so far, both streams."""
        with open(self.log, "rb") as log:
            return log.read()


class Agent:
    """Reads requests from one line and serves them."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.lock = threading.Lock()
        self.jobs: dict[int, Background] = {}
        self.sockets = sockets.Table()
        self.ops: dict[str, Callable[[Request], Any]] = {
            "run": self.run,
            "spawn": self.spawn,
            "poll": self.poll,
            "signal": self.signal,
            "put": self.put,
            "get": self.get,
            "wait": self.wait,
            "call": self.call,
            "socket": lambda req: self.sockets.serve(req),
        }

    def send(self, message: dict[str, Any]) -> None:
        """Write one message, whole, whatever other threads are answering."""
        data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with self.lock:
            view = memoryview(data)
            while view:
                view = view[os.write(self.line, view[:CHUNK]) :]

    def serve(self) -> None:
        """Serve until the line is closed."""
        with open("/proc/uptime") as uptime:
            self.send(
                {
                    "event": "up",
                    "release": os.uname().release,
                    "uptime": float(uptime.read().split()[0]),
                }
            )
        buffered = bytearray()
        while True:
            data = os.read(self.line, CHUNK)
            if not data:
                return
            self.send({"taken": len(data)})
            start = len(buffered)
            buffered += data
            while (end := buffered.find(b"\n", start)) >= 0:
                request = bytes(buffered[:end])
                del buffered[: end + 1]
                start = 0
                if request.strip(b"\0\r "):
                    threading.Thread(target=self.answer, args=(request,), daemon=True).start()

    def answer(self, text: bytes) -> None:
        """Serve one request; whatever goes wrong becomes the answer."""
        number = None
        try:
            request = json.loads(text)
            number = request["id"]
            result = self.ops[request["op"]](request)
            self.send({"id": number, "result": result})
        except Exception as error:  # the host decides what an error means
            self.send(
                {
                    "id": number,
                    "error": f"{type(error).__name__}: {error}",
                    "errno": getattr(error, "errno", None),
                    "trace": traceback.format_exc(),
                }
            )

    @staticmethod
    def command(request: Request) -> dict[str, Any]:
        """Arguments of Popen that `run` and `spawn` have in common."""
        return {
            "args": request["argv"],
            "cwd": request.get("cwd", "/"),
            "env": {**os.environ, **request.get("env", {})},
            "start_new_session": True,
        }

    def run(self, request: Request) -> dict[str, Any]:
        """Run a command to its end, or kill it at its deadline.

        A task in uninterruptible sleep does not die: the answer then says so
        and carries its kernel stack, instead of hanging the test.
        """
        process = subprocess.Popen(
            **self.command(request),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        stdin = decode(request.get("stdin", ""))
        late, stuck = False, ""
        try:
            out, err = process.communicate(stdin, request.get("timeout"))
        except subprocess.TimeoutExpired:
            late = True
            os.killpg(process.pid, signal.SIGKILL)
            try:
                out, err = process.communicate(timeout=2)
            except subprocess.TimeoutExpired:
                out = err = b""
                stuck = stacks(process.pid)
        return {
            "rc": process.returncode,
            "out": encode(out),
            "err": encode(err),
            "late": late,
            "stuck": stuck,
        }

    def spawn(self, request: Request) -> int:
        """Start a command in the background; the answer is its pid."""
        log = f"/run/job.{time.monotonic_ns()}"
        with open(log, "wb") as output:
            process = subprocess.Popen(
                **self.command(request),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.jobs[process.pid] = Background(process, log)
        return process.pid

    def poll(self, request: Request) -> dict[str, Any]:
        """State of a background command, waiting for its end if asked."""
        job = self.jobs[request["pid"]]
        stuck = ""
        try:
            rc = job.process.wait(request.get("timeout", 0))
        except subprocess.TimeoutExpired:
            rc = None
            if request.get("timeout"):
                stuck = stacks(request["pid"])
        return {"rc": rc, "out": encode(job.output()), "stuck": stuck}

    def signal(self, request: Request) -> None:
        """Send a signal to a background command and its children."""
        os.killpg(request["pid"], request["signal"])

    def put(self, request: Request) -> None:
        """Write (or append to) a file."""
        path = request["path"]
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "ab" if request.get("append") else "wb") as file:
            file.write(decode(request["data"]))
            os.fchmod(file.fileno(), request.get("mode", 0o644))

    def get(self, request: Request) -> str:
        """Read a part of a file."""
        with open(request["path"], "rb") as file:
            file.seek(request.get("offset", 0))
            return encode(file.read(request.get("length", -1)))

    def wait(self, request: Request) -> dict[str, Any]:
        """Repeat a function until it returns something true.

        The polling happens in here because a round trip per try would cost
        more than most of the things waited for.
        """
        function = lookup(request["function"])
        deadline = time.monotonic() + request["timeout"]
        while True:
            value = function(**request.get("args", {}))
            if value or time.monotonic() > deadline:
                return {"value": value}
            time.sleep(request.get("interval", 0.01))

    def call(self, request: Request) -> Any:
        """Call a function of lab.guest and return what it returns."""
        return lookup(request["function"])(**request.get("args", {}))


def lookup(name: str) -> Callable[..., Any]:
    """Function by its name below lab.guest: "blockio.read"."""
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(f"lab.guest.{module}"), function)


def stacks(group: int) -> str:
    """Kernel stacks of every task of a process group."""
    lines = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getpgid(int(pid)) != group:
                continue
            for name in ("comm", "wchan", "stack"):
                with open(f"/proc/{pid}/{name}") as file:
                    lines.append(f"{pid} {name}: {file.read().strip()}")
        except OSError:
            continue
    return "\n".join(lines)


def raw(line: int) -> None:
    """Make a terminal transparent: no echo, no editing, no translation."""
    if not os.isatty(line):
        return
    mode = termios.tcgetattr(line)
    mode[0] = mode[1] = mode[3] = 0
    mode[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
    mode[6][termios.VMIN] = 1
    mode[6][termios.VTIME] = 0
    termios.tcsetattr(line, termios.TCSANOW, mode)


def main() -> None:
    """Serve the line named on the command line."""
    line = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
    raw(line)
    Agent(line).serve()


if __name__ == "__main__":
    main()
