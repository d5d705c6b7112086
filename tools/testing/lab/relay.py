# SPDX-License-Identifier: GPL-2.0
"""The process every packet between two machines passes through.

It is a switch without learning: hardware addresses say which machine a frame
is for. Each direction between two machines has its own faults, all drawn from
one seed. A network card is one end of a pair of datagram sockets, one Ethernet
frame per datagram, whatever kind of machine holds the other end.

Requests are lines of JSON on standard input (a socket, because a request may
carry the relay's end of a card), each answered by one line.
"""

import dataclasses
import errno
import heapq
import itertools
import json
import random
import select
import socket
import time
from typing import Any

LARGEST = 65536
# Packets taken from one socket before the next one gets its turn.
BATCH = 128
# First byte of a frame that may be corrupted: leave the Ethernet header alone.
PAYLOAD = 14
# Bytes that a TCP segment has to carry to be scrambled: it is data, not a header.
SCRAMBLED = 512


def segment(packet: bytes) -> range:
    """Where the payload of a TCP segment is; nowhere if it is something else."""
    kind = int.from_bytes(packet[12:14], "big")
    if kind == 0x0800 and packet[23] == 6:
        header = PAYLOAD + 4 * (packet[14] & 15)
        end = PAYLOAD + int.from_bytes(packet[16:18], "big")
    elif kind == 0x86DD and packet[20] == 6:
        header = PAYLOAD + 40
        end = header + int.from_bytes(packet[18:20], "big")
    else:
        return range(0)
    return range(header + 4 * (packet[header + 12] >> 4), min(end, len(packet)))


def scrambled(packet: bytes, dice: random.Random) -> bytes | None:
    """The packet with two words of its data exchanged, if it has two that differ.

    The checksum of TCP is a sum of words, which does not tell their order.
    """
    data = segment(packet)
    if len(data) < SCRAMBLED:
        return None
    for _ in range(64):
        one, other = (data.start + 2 * dice.randrange(len(data) // 2) for _ in range(2))
        if packet[one : one + 2] != packet[other : other + 2]:
            damaged = bytearray(packet)
            damaged[one : one + 2] = packet[other : other + 2]
            damaged[other : other + 2] = packet[one : one + 2]
            return bytes(damaged)
    return None


@dataclasses.dataclass
class Faults:
    """What happens to packets of one direction; all zero is a perfect wire."""

    cut: bool = False
    drop: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    scramble: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    rate: float = 0.0

    def perfect(self) -> bool:
        """Whether packets pass untouched and at once."""
        return self == Faults()


class Port:
    """The relay's end of one network card."""

    def __init__(self, key: tuple[int, int], fd: int) -> None:
        self.key = key
        self.sock = socket.socket(fileno=fd)
        self.sock.setblocking(False)
        self.peers: dict[int, Port] = {}


class Relay:
    """All ports, all faults, and the packets that are under way."""

    def __init__(self) -> None:
        self.random = random.Random(0)
        self.ports: dict[tuple[int, int], Port] = {}
        self.faults: dict[tuple[int, int, int], Faults] = {}
        self.late: list[tuple[float, int, Port, bytes]] = []
        self.order = itertools.count()
        self.busy_until: dict[tuple[int, int, int], float] = {}
        self.counts: dict[str, int] = {}
        self.secret = b""
        self.poll = select.epoll()
        self.by_fd: dict[int, Port] = {}
        self.descriptors: list[int] = []

    def count(self, what: str) -> None:
        """Remember that something was done to a packet."""
        self.counts[what] = self.counts.get(what, 0) + 1

    def carry(self, source: Port) -> None:
        """Take what a machine has sent and pass it on."""
        receive = source.sock.recv
        peers = source.peers
        for _ in range(BATCH):
            try:
                packet = receive(LARGEST)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if len(packet) < PAYLOAD:
                self.unplug(source)
                return
            if self.secret and self.secret in packet:
                self.count("overheard")
            if packet[0] & 1:
                targets = list(peers.values())
            elif packet[5] in peers:
                targets = [peers[packet[5]]]
            else:
                continue
            for target in targets:
                key = (source.key[0], source.key[1], target.key[1])
                faults = self.faults.get(key)
                if faults is None:
                    self.deliver(target, packet)
                else:
                    self.mistreat(key, faults, target, packet)

    def deliver(self, target: Port, packet: bytes) -> None:
        """Hand over a frame; a machine that is off or too slow loses it."""
        try:
            target.sock.send(packet)
        except OSError as error:
            self.count(errno.errorcode.get(error.errno or 0, "lost"))

    def mistreat(
        self, key: tuple[int, int, int], faults: Faults, target: Port, packet: bytes
    ) -> None:
        """Pass on a packet (or not) over a direction that has faults."""
        chance = self.random.random
        if faults.cut or (faults.drop and chance() < faults.drop):
            self.count("cut" if faults.cut else "drop")
            return
        if faults.corrupt and chance() < faults.corrupt:
            self.count("corrupt")
            damaged = bytearray(packet)
            where = self.random.randrange(PAYLOAD, len(packet))
            damaged[where] ^= 1 << self.random.randrange(8)
            packet = bytes(damaged)
        if faults.scramble and chance() < faults.scramble:
            damage = scrambled(packet, self.random)
            if damage is not None:
                self.count("scramble")
                packet = damage
        copies = 1
        if faults.duplicate and chance() < faults.duplicate:
            self.count("duplicate")
            copies = 2
        now = time.monotonic()
        due = now + faults.delay + faults.jitter * chance() * bool(faults.jitter)
        if faults.rate:
            begin = max(now, self.busy_until.get(key, 0.0))
            if begin - now > 0.2:
                self.count("queue full")
                return
            self.busy_until[key] = begin + len(packet) * 8 / faults.rate
            due += self.busy_until[key] - now
        if faults.reorder and chance() < faults.reorder:
            self.count("reorder")
            due += 0.005
        for _ in range(copies):
            if due <= now:
                self.deliver(target, packet)
            else:
                heapq.heappush(self.late, (due, next(self.order), target, packet))

    def request(self, request: dict) -> object:
        """Serve one request of the test."""
        return getattr(self, "do_" + request.pop("op"))(**request)

    def do_plug(self, network: int, number: int) -> None:
        """Give a machine a card in a network, in place of any it had."""
        key = (network, number)
        if key in self.ports:
            self.unplug(self.ports[key])
        port = Port(key, self.descriptors.pop(0))
        for (other_network, other), peer in self.ports.items():
            if other_network == network:
                peer.peers[number] = port
                port.peers[other] = peer
        self.ports[key] = port
        self.by_fd[port.sock.fileno()] = port
        self.poll.register(port.sock, select.EPOLLIN)

    def unplug(self, port: Port) -> None:
        """Forget a card whose machine is gone."""
        if self.ports.get(port.key) is port:
            del self.ports[port.key]
            del self.by_fd[port.sock.fileno()]
            for peer in port.peers.values():
                peer.peers.pop(port.key[1], None)
            self.poll.unregister(port.sock)
            port.sock.close()

    def do_faults(self, network: int, source: int, target: int, **faults: Any) -> None:
        """Replace the faults of one direction."""
        wanted = Faults(**faults)
        key = (network, source, target)
        if wanted.perfect():
            self.faults.pop(key, None)
        else:
            self.faults[key] = wanted

    def do_heal(self, seed: int) -> None:
        """Make every wire perfect and start the dice anew."""
        self.faults.clear()
        self.counts.clear()
        self.secret = b""
        self.random.seed(seed)

    def do_listen(self, secret: str) -> None:
        """Count the packets in which these bytes, as hexadecimal digits, are from now on."""
        self.secret = bytes.fromhex(secret)

    def do_counts(self) -> dict[str, int]:
        """How many packets met which fault."""
        return self.counts

    def serve(self) -> None:
        """Carry packets until standard input is closed."""
        control = socket.socket(fileno=0)
        self.poll.register(control, select.EPOLLIN)
        buffered = b""
        while True:
            timeout = -1.0
            if self.late:
                timeout = max(0.0, self.late[0][0] - time.monotonic())
            for fd, _ in self.poll.poll(timeout):
                if fd in self.by_fd:
                    self.carry(self.by_fd[fd])
                elif fd == control.fileno():
                    data, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 8)
                    if not data:
                        return
                    self.descriptors += descriptors
                    *lines, buffered = (buffered + data).split(b"\n")
                    for line in lines:
                        answer = json.dumps(self.request(json.loads(line)))
                        control.sendall(answer.encode() + b"\n")
            now = time.monotonic()
            while self.late and self.late[0][0] <= now:
                _, _, target, packet = heapq.heappop(self.late)
                self.deliver(target, packet)


if __name__ == "__main__":
    Relay().serve()
