# SPDX-License-Identifier: GPL-2.0
"""Clients that come in great numbers and say nothing, or next to nothing."""

import json
import os
import resource
import select
import socket
import sys
import time

STATE = "/run/flood"


class Crowd:
    """So many connections, made anew as soon as the server has closed them."""

    def __init__(self, host: str, port: int, count: int, rate: int, sources: list[str]) -> None:
        self.target = (host, port)
        self.count = count
        self.rate = rate
        self.begun = time.monotonic()
        self.sources = sources
        self.poll = select.epoll()
        self.open: dict[int, socket.socket] = {}
        self.made = 0
        self.closed = 0

    def add(self) -> None:
        """Begin one more connection."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.bind((self.sources[self.made % len(self.sources)], 0))
        self.made += 1
        sock.connect_ex(self.target)
        self.open[sock.fileno()] = sock
        # Nothing is ever said, so there is nothing to wait for but the end.
        self.poll.register(sock, select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR)

    def drop(self, number: int) -> None:
        """Forget a connection that the server has closed."""
        self.poll.unregister(number)
        self.open.pop(number).close()
        self.closed += 1

    def step(self) -> None:
        """Replace what was closed."""
        for number, _ in self.poll.poll(0.02):
            self.drop(number)
        due = int((time.monotonic() - self.begun) * self.rate) - self.made
        for _ in range(min(due, self.count - len(self.open))):
            self.add()

    def note(self) -> None:
        """Say how it stands."""
        state = {"made": self.made, "closed": self.closed, "open": len(self.open)}
        with open(f"{STATE}.new", "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.rename(f"{STATE}.new", STATE)


def main() -> None:
    """Keep as many connections as the arguments say, making so many per second, until the end."""
    host, port, count, rate, *sources = sys.argv[1:]
    limit = int(count) + 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    crowd = Crowd(host, int(port), int(count), int(rate), sources)
    while True:
        crowd.step()
        crowd.note()


def made_at_least(count: int) -> bool:
    """Whether so many connections were begun."""
    try:
        with open(STATE, encoding="utf-8") as file:
            return json.load(file)["made"] >= count
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
