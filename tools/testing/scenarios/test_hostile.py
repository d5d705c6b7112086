# SPDX-License-Identifier: GPL-2.0
"""Clients that break the protocol: refused, others served, nothing leaks."""

import re
import secrets
import time

import pytest

from lab import wire
from lab.dst import PORT
from lab.machine import Machine
from lab.peer import Client, Closed, Refused
from lab.rpc import RemoteError
from lab.wire import Frame, Hello, Opcode, Status

SECTORS = (1 << 30) // 512


@pytest.fixture
def rogue(server: Machine, honest: Client) -> Client:
    """A client that has been welcomed and means no good."""
    client = Client(server)
    client.hello("disk")
    return client


def test_an_honest_client_is_served(honest: Client) -> None:
    data = secrets.token_bytes(64 * 4096)
    honest.write(1600, data)
    assert honest.read(1600, 512) == data
    honest.write(3, data[:512], wire.FUA)
    assert honest.read(3, 1) == data[:512]
    assert honest.ask(honest.request(Opcode.FLUSH)).status == Status.OK


BEFORE_HELLO = {
    "garbage": secrets.token_bytes(4096),
    "text": b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n" * 4,
    "wrong magic": Frame(Opcode.HELLO, magic=b"DST2", payload=bytes(80)).encode(),
    "wrong checksum": Frame(Opcode.HELLO, crc=1, payload=bytes(80)).encode(),
    "huge payload": Frame(Opcode.HELLO, length=0xFFFFFFFF).encode(),
    "payload beyond the limit": Frame(Opcode.HELLO, length=4097).encode(),
    "read first": Frame(Opcode.READ, sectors=8).encode(),
    "empty hello": Frame(Opcode.HELLO).encode(),
    "short hello": Frame(Opcode.HELLO, payload=bytes(63)).encode(),
    "hello of zeroes": Frame(Opcode.HELLO, payload=bytes(64)).encode(),
    "reply first": Frame(Opcode.HELLO | wire.REPLY, payload=bytes(136)).encode(),
    "attribute beyond the end": Frame(
        Opcode.HELLO, payload=Hello("disk", bytes(16)).encode() + b"\1\0\xff\xff"
    ).encode(),
    "unknown critical attribute": Frame(
        Opcode.HELLO,
        epoch=1,
        generation=1,
        payload=Hello("disk", b"s" * 16, more=wire.attribute(0x9ABC, b"")).encode(),
    ).encode(),
    "name with control characters": Frame(
        Opcode.HELLO, epoch=1, generation=1, payload=Hello("di\n\x1bsk", b"s" * 16).encode()
    ).encode(),
}


@pytest.mark.attack(
    "garbage and malformed frames in place of a greeting", "the connection is dropped"
)
def test_bad_greetings(server: Machine, honest: Client, subtests: pytest.Subtests) -> None:
    for name, data in BEFORE_HELLO.items():
        with subtests.test(name):
            client = Client(server)
            client.send(data)
            try:
                client.hear_welcome()
            except (Closed, Refused):
                pass
            else:
                pytest.fail("was welcomed")
            assert honest.alive()


@pytest.mark.attack("the stream ends in the middle of any field, in plain", "nothing is executed")
def test_a_connection_may_end_anywhere(server: Machine, honest: Client) -> None:
    """Cut off within every field of a hello and of a write."""
    session = secrets.token_bytes(16)
    hello = Frame(
        Opcode.HELLO, epoch=1, generation=1, payload=Hello("disk", session).encode()
    ).encode()
    for end in (*range(0, 48, 4), 49, 64, 100, len(hello) - 1):
        client = Client(server)
        client.send(hello[:end])
        client.close(reset=end % 8 == 0)
    for end in (*range(4, 48, 4), 49, 1000, 48 + 4095):
        client = Client(server)
        client.hello("disk")
        write = client.request(Opcode.WRITE, 80, 8, payload=b"evil" * 1024).encode()
        client.send(write[:end])
        client.close(reset=end % 8 == 0)
    assert honest.read(80, 8) == b"h" * 4096


REFUSALS = {
    "version too old": ({"version_min": 0, "version_max": 0}, Status.VERSION),
    "version too new": ({"version_min": 2, "version_max": 9}, Status.VERSION),
    "no such export": ({"export": "nothing"}, Status.NO_EXPORT),
    "another identity": ({"uuid": b"x" * 16}, Status.IDENTITY),
}


def test_refusals(server: Machine, honest: Client, subtests: pytest.Subtests) -> None:
    for name, (fields, status) in REFUSALS.items():
        with subtests.test(name):
            client = Client(server)
            with pytest.raises(Refused) as refused:
                client.hello(**{"export": "disk", **fields})
            assert refused.value.status == status
            assert refused.value.message
    assert honest.alive()


# Requests that are answered by an error; the connection goes on.
ANSWERED = {
    "behind the end": (Opcode.READ, SECTORS, 8, Status.RANGE),
    "over the end": (Opcode.READ, SECTORS - 4, 8, Status.RANGE),
    "end beyond 64 bits": (Opcode.READ, 2**64 - 4, 8, Status.RANGE),
    "last sector of 64 bits": (Opcode.READ, 2**64 - 1, 1, Status.RANGE),
    "byte offset beyond 64 bits": (Opcode.READ, 2**55, 8, Status.RANGE),
    "nothing": (Opcode.READ, 0, 0, Status.INVALID),
    "too long": (Opcode.READ, 0, 520, Status.INVALID),
    "far too long": (Opcode.READ, 0, 0xFFFFFFFF, None),
    "touches too many pages": (Opcode.READ, 1, 512, Status.INVALID),
    "write behind the end": (Opcode.WRITE, SECTORS, 8, Status.RANGE),
    "write beyond 64 bits": (Opcode.WRITE, 2**64 - 4, 8, Status.RANGE),
    "zeroes behind the end": (Opcode.WRITE_ZEROES, SECTORS - 1, 2, Status.RANGE),
    "discard behind the end": (Opcode.DISCARD, 2**63, 8, None),
}


@pytest.mark.attack(
    "requests out of range, without length or with the largest, near 2^64", "answered with an error"
)
def test_impossible_requests(server: Machine, honest: Client, subtests: pytest.Subtests) -> None:
    before = server.call("blockio.digest", path=server.disk(0), sector=SECTORS - 2048, count=2048)
    for name, (opcode, sector, sectors, status) in ANSWERED.items():
        with subtests.test(name):
            client = Client(server)
            client.hello("disk")
            data = b"evil" * (sectors * 128) if opcode == Opcode.WRITE else b""
            request = client.request(opcode, sector, sectors, payload=data)
            answer = client.ask(request)
            assert answer.status != Status.OK and not answer.payload
            if status is not None:
                assert answer.status == status
            # The payload was consumed and the credits came back.
            assert client.read(80, 8) == b"h" * 4096
            client.close()
    assert before == server.call(
        "blockio.digest", path=server.disk(0), sector=SECTORS - 2048, count=2048
    )


# Requests that do not fit blocks of 4 KiB.
MISALIGNED = {
    "begins within a block": (84, 8),
    "ends within a block": (80, 12),
    "a sector of a block": (80, 1),
    "the last sector of a block": (87, 1),
    "begins and ends within blocks": (81, 14),
}


@pytest.mark.attack("requests that are no multiple of the block size", "answered with an error")
def test_misaligned_requests(server: Machine, honest: Client, subtests: pytest.Subtests) -> None:
    """The device would not take them; none gets as far as that."""
    size = 4 << 20
    device = server.call("blockio.memory_disk", size=size, name="blocks", block=4096)
    server.dst.export("blocks", device, allow=("127.0.0.0/8:rw",))
    client = Client(server)
    geometry = client.hello("blocks").geometry
    assert geometry.logical_block == 4096
    assert geometry.max_discard_sectors and geometry.max_write_zeroes_sectors
    client.write(0, secrets.token_bytes(64 * 4096))
    whole = {"path": device, "sector": 0, "count": size // 512}
    before = server.call("blockio.digest", **whole)
    done = server.call("stat.stat", device=device.removeprefix("/dev/"))
    for name, (sector, sectors) in MISALIGNED.items():
        for opcode in Opcode.READ, Opcode.WRITE, Opcode.DISCARD, Opcode.WRITE_ZEROES:
            with subtests.test(f"{opcode.name}: {name}"):
                data = b"evil" * (sectors * 128) if opcode == Opcode.WRITE else b""
                answer = client.ask(client.request(opcode, sector, sectors, payload=data))
                assert answer.status == Status.INVALID and not answer.payload, answer
                assert (answer.sector, answer.sectors) == (sector, sectors)
    assert server.call("stat.stat", device=device.removeprefix("/dev/")) == done
    assert server.call("blockio.digest", **whole) == before
    client.write(80, b"good" * 1024)
    assert client.read(80, 8) == b"good" * 1024
    client.close()
    server.dst.ctl("export", "del", "blocks", "--force")


# Frames after the welcome that cost the connection.
FATAL = {
    "garbage": lambda c: secrets.token_bytes(4096),
    "wrong magic": lambda c: c.request(Opcode.READ, 0, 8, magic=b"XXXX"),
    "wrong checksum": lambda c: c.request(Opcode.READ, 0, 8, crc=5),
    "unknown opcode": lambda c: c.request(99, 0, 8),
    "unknown flags": lambda c: c.request(Opcode.READ, 0, 8, flags=0x8000),
    "flag of another operation": lambda c: c.request(Opcode.READ, 0, 8, flags=wire.FUA),
    "status in a request": lambda c: c.request(Opcode.READ, 0, 8, status=1),
    "payload of a read": lambda c: c.request(Opcode.READ, 0, 8, payload=bytes(4096)),
    "write with less than it says": lambda c: c.request(Opcode.WRITE, 0, 8, payload=bytes(512)),
    "write with more than it says": lambda c: c.request(Opcode.WRITE, 0, 1, payload=bytes(4096)),
    "oversized write": lambda c: c.request(Opcode.WRITE, 0, 1 << 20, length=1 << 29),
    "second hello": lambda c: Frame(
        Opcode.HELLO,
        epoch=1,
        generation=2,
        payload=Hello("disk", c.session, generation=2).encode(),
    ),
    "reply": lambda c: c.request(Opcode.READ | wire.REPLY, 0, 8, payload=bytes(4096)),
    "draining": lambda c: Frame(Opcode.DRAINING, epoch=1, generation=1),
    "another epoch": lambda c: c.request(Opcode.READ, 0, 8, epoch=9),
    "another generation": lambda c: c.request(Opcode.READ, 0, 8, generation=9),
}


@pytest.mark.attack("frames that break a rule, after the greeting", "the connection is dropped")
def test_broken_frames(server: Machine, honest: Client, subtests: pytest.Subtests) -> None:
    for name, make in FATAL.items():
        with subtests.test(name):
            client = Client(server)
            client.hello("disk")
            client.send(make(client))
            assert client.closed()
            assert honest.alive()
    assert honest.read(80, 8) == b"h" * 4096


@pytest.mark.attack(
    "who may only read writes, discards and writes zeroes", "denied, nothing changes"
)
def test_a_reader_may_not_write(server: Machine, honest: Client) -> None:
    client = Client(server)
    client.hello("disk", write=False)
    for frame in (
        client.request(Opcode.WRITE, 80, 8, payload=b"evil" * 1024),
        client.request(Opcode.WRITE_ZEROES, 80, 8),
        client.request(Opcode.DISCARD, 80, 8),
    ):
        assert client.ask(frame).status in (Status.DENIED, Status.READ_ONLY)
    assert client.read(80, 8) == b"h" * 4096
    client.close()


@pytest.mark.attack(
    "each connection of a session says another number of them", "together they get no more"
)
@pytest.mark.parametrize("first", [1, 4])
def test_connections_share_a_window(server: Machine, honest: Client, first: int) -> None:
    """What the first one has said holds until the next epoch."""
    assert honest.welcome is not None
    whole, least = honest.welcome.window, 64
    session = secrets.token_bytes(16)

    def windows(epoch: int, said: list[int]) -> list[int]:
        """Windows of connections that say these numbers, one after the other."""
        found = []
        for number, connections in enumerate(said):
            client = Client(server, session=session)
            found.append(
                client.hello(
                    "disk",
                    epoch=epoch,
                    generation=100 * epoch + number,
                    connection=number,
                    connections=connections,
                ).window
            )
            clients.append(client)
        return found

    clients: list[Client] = []
    numbers = list(range(1, 9))
    numbers[0] = first
    assert windows(1, numbers) == [whole // first] * first + [least] * (8 - first)
    # A new epoch begins with another number; what is less than that counts as little as more.
    assert windows(2, [8, 2, 3, 16]) == [whole // 8] * 4
    for client in clients:
        client.close()


@pytest.mark.attack("more requests than credits", "the connection is dropped")
def test_credits_are_a_limit(server: Machine, honest: Client) -> None:
    """More in flight than was granted: the server hangs up, unharmed."""
    client = Client(server)
    window = client.hello("disk").window
    burst = b"".join(
        client.request(Opcode.READ, 0, 512).encode() for _ in range(window // 64 * 8 + 8)
    )
    with_limit = client.sock.send(burst)
    assert with_limit > 0
    # Not reading the replies keeps the requests outstanding: the limit is hit.
    assert client.closed()
    assert honest.alive()


@pytest.mark.attack("pings of who does not read", "answered when there is room")
def test_pings_wait_for_room(server: Machine, honest: Client) -> None:
    """Who has so many replies to fetch that there is no room for one more is not cut off."""
    client = Client(server)
    count = client.hello("disk").window
    read = sum(export["counters"]["bytes_read"] for export in server.dst.json("export", "list"))
    requests = [client.request(Opcode.READ, 8 * number, 8) for number in range(count)]
    requests.append(client.request(Opcode.PING))
    client.send(b"".join(request.encode() for request in requests))
    # More than the network takes: where the heads of replies are, there is no room.
    server.wait("objects.has_read", name="disk", bytes_least=read + 700 * 4096)
    whole = wire.HEADER_SIZE + 4096
    stream = b"".join(client.sock.receive(128 * whole) for _ in range(count // 128))
    stream += client.sock.receive(len(requests) * whole - 4096 - len(stream))
    answers = {}
    while stream:
        frame, length = Frame.decode(stream)
        answers[frame.handle] = frame.opcode
        stream = stream[wire.HEADER_SIZE + length :]
    assert answers == {request.handle: request.opcode | wire.REPLY for request in requests}
    client.close()


@pytest.mark.attack("connections that never greet", "others get in")
def test_a_full_house_recovers(server: Machine, honest: Client) -> None:
    """Connections that never greet do not keep others out, not even from the same address."""
    most = server.dst.json("server", "show")["limits"]["source_unwelcomed"]
    silent = [Client(server) for _ in range(most + 16)]
    server.wait("walls.holds", unwelcomed=most)
    late = Client(server)
    late.hello("disk")
    assert late.read(80, 8) == b"h" * 4096
    # Who has waited longest had to go, and nobody else.
    assert all(client.closed() for client in silent[:17])
    assert server.dst.json("server", "show")["held"]["unwelcomed"] == most - 1
    for client in silent:
        client.close(reset=True)
    assert late.read(80, 8) == b"h" * 4096
    late.close()


@pytest.mark.attack("a greeting of an earlier epoch or generation", "refused")
def test_a_stale_epoch_is_refused(server: Machine, honest: Client) -> None:
    session = secrets.token_bytes(16)
    first = Client(server, session=session)
    first.hello("disk", epoch=5, generation=5)
    second = Client(server, session=session)
    second.hello("disk", epoch=6, generation=6)
    assert first.closed()
    for epoch, generation in (5, 7), (6, 6), (6, 5), (1, 1):
        client = Client(server, session=session)
        with pytest.raises(Refused) as refused:
            client.hello("disk", epoch=epoch, generation=generation)
        assert refused.value.status == Status.STALE, (epoch, generation)
    second.write(160, b"2" * 4096)
    assert second.read(160, 8) == b"2" * 4096
    second.close()


# From within the machine, so that it takes little time.
RUBBISH = """
import socket, sys
for _ in range(200):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as sock:
        sock.sendall(b"\\x1b[31mred\\n" * 20)
"""


@pytest.mark.attack("rubbish that wants to be logged", "few lines, without control characters")
def test_the_log_is_not_flooded(server: Machine, honest: Client) -> None:
    lines = len(server.console().splitlines())
    begin = time.monotonic()
    server.run("python3", "-c", RUBBISH, str(PORT), timeout=300)
    assert honest.alive()
    seconds = time.monotonic() - begin
    said = server.console().splitlines()[lines:]
    # Who it was is told, but not each time: ten in five seconds, and a few of others.
    assert any(re.search(r"dst: 127\.0\.0\.1:\d+ at .*: \w+", line) for line in said), said
    assert len(said) <= 30 + 2 * seconds
    assert not any("\x1b" in line for line in said)


@pytest.mark.attack("a greeting that comes byte by byte, one in a second", "hung up on in the end")
def test_a_slow_greeting(server: Machine, honest: Client) -> None:
    hello = Frame(Opcode.HELLO, epoch=1, generation=1, payload=Hello("disk", b"s" * 16).encode())
    slow = Client(server)
    slow.sock.timeout = 1
    for byte in hello.encode()[:40]:
        try:
            slow.send(bytes([byte]))
        except RemoteError:
            break  # it has hung up
        if slow.closed():
            break
        assert honest.alive()
    else:
        pytest.fail("who says nothing that makes sense is still listened to")


@pytest.mark.attack("a write that comes byte by byte, one in a second", "it holds up nobody else")
def test_a_slow_write(server: Machine, honest: Client) -> None:
    """Every byte is a sign of life; the memory it holds is its own, and can be taken away."""
    server.dst.ctl("export", "set", "disk", "--keepalive", "10s")
    slow = Client(server)
    slow.sock.timeout = 1
    slow.hello("disk")
    write = slow.request(Opcode.WRITE, 80, 8, payload=b"evil" * 1024).encode()
    slow.send(write[:100])
    for byte in write[100:112]:
        slow.send(bytes([byte]))
        assert not slow.closed()
        assert honest.read(80, 8) == b"h" * 4096
    # Once it stops, the server is patient no longer than it has said.
    slow.sock.timeout = 60
    assert slow.closed()
