# SPDX-License-Identifier: GPL-2.0
"""Who submits to a disk may have to wait: the threads that serve everybody never do."""

import time

import pytest

from lab import wire
from lab.machine import Machine
from lab.peer import Client
from lab.wild import ThrottledDisk, WildDisk
from lab.wire import Frame, Opcode, Status

# Seconds that a write to a slow disk takes; others are answered in half of that.
DELAY = 8


class Others:
    """The other export of a server, and those who give it commands."""

    def __init__(self, server: Machine) -> None:
        # If one thread waits for a disk, all of them do.
        server.dst.ctl("pool", "set", "1")
        self.server = server
        self.device = server.call("blockio.memory_disk", size=8 << 20, name="well")
        # It says nothing between the tests of others.
        server.dst.export("well", self.device, "--keepalive", "5m", allow=("127.0.0.0/8:rw",))
        self.client = Client(server)
        self.client.hello("well")

    def go_on(self) -> None:
        """They are served as if nothing were."""
        begin = time.monotonic()
        self.client.write(80, b"w" * 4096)
        assert self.client.read(80, 8) == b"w" * 4096
        late = Client(self.server)
        late.hello("well", write=False)
        late.close()
        self.server.dst.ctl("export", "list")
        self.server.dst.ctl("export", "set", "well", "--window", "1024")
        spent = time.monotonic() - begin
        assert spent < DELAY / 2 * self.server.flavour.slowness, f"{spent:.1f} s"


def ask(client: Client, frames: list[Frame]) -> None:
    """Send several requests at once."""
    client.send(b"".join(frame.encode() for frame in frames))


@pytest.mark.parametrize(("opcode", "count"), [(Opcode.WRITE, 32), (Opcode.DISCARD, 8)])
def test_throttled_requests_delay_nobody_else(server: Machine, opcode: Opcode, count: int) -> None:
    """Throttling has whoever writes or discards wait, whatever he has asked for."""
    others = Others(server)
    slow = ThrottledDisk(server, DELAY)
    server.dst.export("slow", slow.path, "--keepalive", "5m", allow=("127.0.0.0/8:rw",))
    client = Client(server, timeout=6 * DELAY)
    client.hello("slow")
    data = b"s" * 4096 if opcode == Opcode.WRITE else b""
    client.send(client.request(Opcode.READ, 0, 8))
    server.wait("objects.export_busy", name="slow")
    ask(client, [client.request(opcode, 64 * n, 8, payload=data) for n in range(count)])
    time.sleep(1)
    others.go_on()
    assert {client.answer().status for _ in range(1 + count)} == {Status.OK}
    client.close()
    # What it does at the end is throttled, too: that may take longer than the command waits.
    server.dst.ctl("export", "del", "slow", "--force", check=False)
    server.wait("objects.no_export", 6 * DELAY, name="slow")
    slow.remove()


def test_a_disk_without_room_delays_nobody_else(server: Machine) -> None:
    """It takes few requests at a time, and whoever has one more would have to wait for room."""
    others = Others(server)
    full = ThrottledDisk(server, DELAY, throttled=False)
    server.sh("echo 8 > /sys/block/nvme0n1/queue/nr_requests")
    server.dst.export("full", full.path, "--keepalive", "5m", allow=("127.0.0.0/8:rw",))
    client = Client(server, timeout=8 * DELAY)
    client.hello("full")
    count = 12
    data = b"s" * 4096
    ask(client, [client.request(Opcode.WRITE, 64 * n, 8, payload=data) for n in range(count)])
    server.wait("stat.in_flight_at_least", 20, device="nvme0n1", count=4)
    others.go_on()
    assert {client.answer().status for _ in range(count)} == {Status.OK}
    client.close()
    server.dst.ctl("export", "del", "full", "--force", check=False)
    server.wait("objects.no_export", 6 * DELAY, name="full")
    full.remove()


def test_drivers_that_sleep_delay_nobody_else(server: Machine) -> None:
    """Some drivers sleep in whoever submits, and say nevertheless that they need not."""
    others = Others(server)
    sleepy = WildDisk(server)
    server.dst.export("sleepy", sleepy.path, "--keepalive", "5m", allow=("127.0.0.0/8:rw",))
    client = Client(server, timeout=6 * DELAY)
    client.hello("sleepy")
    sleepy.deafen()
    # Far more than the socket takes that the disk does not read from.
    data = b"s" * (256 << 10)
    ask(client, [client.request(Opcode.WRITE, 1024 * n, 512, payload=data) for n in range(12)])
    server.wait("objects.export_busy", name="sleepy")
    others.go_on()
    sleepy.deafen(False)
    assert {client.answer().status for _ in range(12)} == {Status.OK}
    client.close()
    server.dst.ctl("export", "del", "sleepy", "--force")
    sleepy.remove()


def test_slow_is_not_dead(server: Machine) -> None:
    """Who only takes what he has asked for, slowly, is alive; who takes nothing is not."""
    keepalive = 2 * server.flavour.slowness
    server.dst.export(
        "disk", server.disk(0), "--keepalive", f"{keepalive:.0f}s", allow=("127.0.0.0/8:rw",)
    )
    client = Client(server)
    client.hello("disk")
    # More than all sockets take.
    count, length = 32, 256 << 10
    client.send(b"".join(client.request(Opcode.READ, 0, 512).encode() for _ in range(count)))
    left = count * (wire.HEADER_SIZE + length)
    begin = time.monotonic()
    # Some 3 MiB, however long it takes.
    portion = int((3 << 20) * 0.2 / (4 * keepalive))
    while time.monotonic() - begin < 4 * keepalive:
        left -= len(client.sock.receive(portion))
        time.sleep(0.2)
    assert left > 4 << 20, "most of it is not even sent yet"
    while left:
        data = client.sock.receive(min(left, 1 << 20))
        assert data, "hung up on"
        left -= len(data)
    assert client.alive()
    client.send(b"".join(client.request(Opcode.READ, 0, 512).encode() for _ in range(count)))
    server.wait("objects.no_connections", 20, name="disk")
    client.close()
