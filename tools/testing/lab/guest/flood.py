# SPDX-License-Identifier: GPL-2.0
"""Clients that come in great numbers and say nothing, or the same as somebody before them."""

import argparse
import itertools
import json
import os
import resource
import select
import socket
import time

STATE = "/run/flood"
END = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class Crowd:
    """So many connections, made anew as soon as the server has closed them."""

    def __init__(
        self, host: str, port: int, count: int, rate: int, sources: list[str], says: list[bytes]
    ) -> None:
        self.target = (host, port)
        self.count = count
        self.rate = rate
        self.begun = time.monotonic()
        self.sources = sources
        # What they say, by turns.
        self.says = itertools.cycle(says or [b""])
        self.poll = select.epoll()
        self.open: dict[int, socket.socket] = {}
        # Bytes that each of them was told.
        self.heard: dict[int, int] = {}
        self.made = 0
        self.closed = 0
        # How many were told something, and the most that one of them was.
        self.answered = 0
        self.most = 0

    def add(self) -> None:
        """Begin one more connection."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.bind((self.sources[self.made % len(self.sources)], 0))
        self.made += 1
        sock.connect_ex(self.target)
        self.open[sock.fileno()] = sock
        self.poll.register(sock, select.EPOLLOUT | END)

    def drop(self, number: int) -> None:
        """Forget a connection that the server has closed."""
        self.poll.unregister(number)
        self.open.pop(number).close()
        self.heard.pop(number, None)
        self.closed += 1

    def say(self, number: int) -> None:
        """Say the one thing that there is to say, on a connection that there is now."""
        if data := next(self.says):
            # It fits into any buffer.
            self.open[number].send(data)
        self.poll.modify(number, select.EPOLLIN | END)

    def hear(self, number: int) -> bool:
        """Count what is told; returns whether there was anything."""
        data = self.open[number].recv(4096)
        before = self.heard.get(number, 0)
        self.heard[number] = before + len(data)
        self.answered += before == 0 and len(data) > 0
        self.most = max(self.most, self.heard[number])
        return bool(data)

    def serve(self, number: int, events: int) -> None:
        """Do what there is to do for one of them."""
        try:
            if events & select.EPOLLOUT:
                self.say(number)
                return
            # What came before the end is not lost.
            if events & select.EPOLLIN and self.hear(number):
                return
        except OSError:
            pass
        self.drop(number)

    def step(self) -> None:
        """Replace what was closed."""
        for number, events in self.poll.poll(0.02):
            self.serve(number, events)
        due = int((time.monotonic() - self.begun) * self.rate) - self.made
        for _ in range(min(due, self.count - len(self.open))):
            self.add()

    def note(self) -> None:
        """Say how it stands."""
        state = {
            "made": self.made,
            "closed": self.closed,
            "open": len(self.open),
            "answered": self.answered,
            "most": self.most,
        }
        with open(f"{STATE}.new", "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.rename(f"{STATE}.new", STATE)


def main() -> None:
    """Keep as many connections as the arguments say, making so many per second, until the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("rate", type=int)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--say", type=bytes.fromhex, action="append", default=[])
    args = parser.parse_args()
    limit = args.count + 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    crowd = Crowd(args.host, args.port, args.count, args.rate, args.sources, args.say)
    while True:
        crowd.step()
        crowd.note()


def state() -> dict[str, int]:
    """How it stood when it was said last."""
    with open(STATE, encoding="utf-8") as file:
        return json.load(file)


def made_at_least(count: int) -> bool:
    """Whether so many connections were begun."""
    try:
        return state()["made"] >= count
    except OSError:
        return False


def dribble(host: str, port: int, data: str, interval: float, limit: float) -> float:
    """Say something byte by byte; the seconds until the server hangs up, or the limit."""
    begin = time.monotonic()
    with socket.create_connection((host, port), limit) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in bytes.fromhex(data):
            try:
                sock.send(bytes([byte]))
            except OSError:
                break
            if select.select([sock], [], [], interval)[0]:
                break
            if time.monotonic() - begin > limit:
                break
    return time.monotonic() - begin


def from_everywhere(port: int, count: int) -> int:
    """Come from as many addresses of this machine, one after the other; how many got in."""
    came = 0
    for number in range(1, count + 1):
        source = f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.settimeout(10)
            sock.bind((source, 0))
            try:
                sock.connect(("127.0.0.1", port))
                came += 1
            except OSError:
                pass
    return came


if __name__ == "__main__":
    main()
