# SPDX-License-Identifier: GPL-2.0
"""Clients that want the server to keep memory for them: it is theirs, bounded, and comes back."""

import time

import pytest

from lab.dst import PORT
from lab.machine import Machine
from lab.peer import Client
from lab.rpc import RemoteError
from lab.wire import Opcode, Status

# How often something is done that may cost memory each time, and what may be lost to others.
ROUNDS = 10
LITTLE = 8 << 20


def spare(server: Machine) -> int:
    """How many bytes of memory nobody needs."""
    text = server.sh("echo 3 > /proc/sys/vm/drop_caches; grep MemAvailable /proc/meminfo")
    return int(text.split()[1]) << 10


def never_read(server: Machine) -> tuple[Client, int]:
    """A client that has asked for all that it may and reads nothing: it blocks the server."""
    deaf = Client(server)
    window = deaf.hello("disk").window
    deaf.send(b"".join(deaf.request(Opcode.READ, 0, 512).encode() for _ in range(window // 64)))
    stuck = server.wait("tcp.blocked", 60, port=PORT, seconds=1)
    (queues,) = stuck.values()
    # The rest is where the server has it.
    assert sum(queues.values()) < window * 4096 / 2, queues
    return deaf, window


@pytest.mark.attack(
    "a client that never reads its replies", "its own memory is used up, others are served"
)
def test_a_client_that_never_reads(server: Machine, honest: Client) -> None:
    """Its replies fill its own pipe and nobody else's."""
    before = spare(server)
    deaf, window = never_read(server)
    for number in range(50):
        honest.write(800 + 8 * number, bytes([number]) * 4096)
        assert honest.read(800 + 8 * number, 8) == bytes([number]) * 4096
    assert honest.alive()
    assert server.wait("tcp.blocked", 30, port=PORT, seconds=0.1)
    # Both have been granted as much, and nobody takes more than that. What the rest of the machine
    # takes meanwhile is some MiB, sometimes eight.
    assert server.dst.json("server", "show")["held"]["pages"] == 2 * window
    assert before - spare(server) < window * 4096 + 2 * LITTLE
    deaf.close(reset=True)


@pytest.mark.attack(
    "clients that leave in the middle of what they do, again and again", "their memory comes back"
)
def test_memory_comes_back(server: Machine, honest: Client) -> None:
    def leave() -> None:
        deaf, window = never_read(server)
        writer = Client(server)
        writer.hello("disk")
        write = writer.request(Opcode.WRITE, 4096, 512, payload=bytes(512 * 512)).encode()
        # More takes its time on the way into the machine.
        writer.send(write[: len(write) // 2])
        deaf.close(reset=True)
        writer.close()
        server.wait("walls.holds", 30, connections=1, sessions=1, pages=window)

    leave()
    before = spare(server)
    for _ in range(ROUNDS):
        leave()
    # Each of them had some MiB.
    assert before - spare(server) < LITTLE


def free_memory(machine: Machine) -> int:
    """Bytes of memory that nobody uses."""
    words = machine.read("/proc/meminfo").split()
    return int(words[words.index("MemFree:") + 1]) << 10


@pytest.mark.attack(
    "thousands of short reads whose replies nobody reads", "they keep no more than the window"
)
def test_short_reads_keep_whole_pages(server: Machine, honest: Client) -> None:
    """A socket counts bytes, but each reply keeps the page that it comes from."""
    burst, bursts, window = 32, 100, 64
    server.dst.ctl("export", "set", "disk", "--window", str(window))
    deaf = Client(server)
    assert deaf.hello("disk").window == window
    before = free_memory(server)
    sent = 0
    for _ in range(bursts):
        deaf.send(b"".join(deaf.request(Opcode.READ, 8, 1).encode() for _ in range(burst)))
        sent += burst
        try:
            server.wait("network.all_read", 1, port=PORT)
        except TimeoutError:
            break
    reads = server.dst.show_export("disk")["counters"]["reads"]
    assert reads <= 2 * window + burst, f"{reads} of {sent} reads are answered"
    assert before - free_memory(server) < 4 << 20
    assert honest.alive()
    # All are answered as soon as somebody listens.
    for _ in range(sent):
        assert deaf.answer().status == Status.OK
    assert deaf.alive()
    deaf.close()


@pytest.mark.attack("the same, and nothing else is ever said", "hung up on in the end")
def test_who_does_not_read_is_dead(server: Machine, honest: Client) -> None:
    """That the server waits for pages is no sign of the client's life."""
    server.dst.ctl("export", "set", "disk", "--window", "64", "--keepalive", "2s")
    deaf = Client(server)
    deaf.hello("disk")
    for _ in range(6):
        try:
            deaf.send(b"".join(deaf.request(Opcode.READ, 8, 1).encode() for _ in range(32)))
        except RemoteError:
            break  # it has hung up
        time.sleep(0.2)
    # Nobody but the honest one is left.
    server.wait("objects.sessions_are", 20, count=1)
    assert deaf.closed()
