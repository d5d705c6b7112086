# SPDX-License-Identifier: GPL-2.0
"""A crowd before a server's door, and somebody honest who wants to be served meanwhile."""

import dataclasses
import json

from lab.dst import PORT
from lab.machine import Machine
from lab.space import Space

# Connections that are made in a second, by machines that are not emulated.
RATE = 200
PIECES = 5
SOURCES = tuple(f"10.98.0.{number}" for number in range(2, 6))


def fio(client: Machine, device: str, seconds: int) -> tuple[float, float]:
    """Use a disk for a while: bytes per second, and the longest that a request took."""
    out = client.run(
        "fio",
        "--name=honest",
        f"--filename={device}",
        "--ioengine=libaio",
        "--rw=randrw",
        "--bs=16k",
        "--offset=1M",
        "--size=64M",
        "--iodepth=8",
        "--direct=1",
        "--time_based",
        f"--runtime={seconds}",
        "--output-format=json",
        timeout=seconds + 60,
    ).out
    job = json.loads(out)["jobs"][0]
    assert job["error"] == 0
    speed = job["read"]["bw_bytes"] + job["write"]["bw_bytes"]
    longest = max(job["read"]["clat_ns"]["max"], job["write"]["clat_ns"]["max"])
    return speed, longest / 1e9


@dataclasses.dataclass(frozen=True)
class Siege:
    """What came of it."""

    # Connections that the crowd was to make at least.
    count: int
    # Bytes per second before or after it, and meanwhile; the longest that a request took then.
    alone: float
    crowded: float
    longest: float
    # The honest client's storage, what the server shows, and what the crowd says of itself.
    storage: dict
    server: dict
    crowd: dict[str, int]
    # Lines that the server's kernel has written.
    lines: int


def besiege(server: Machine, client: Machine, disk: str, count: int, *says: bytes) -> Siege:
    """Have so many connections made from a few addresses, which say something by turns or nothing,
    while somebody else uses a disk of the server."""
    mob = Space(server, "mob")
    server.sh(
        "ip addr add 10.98.0.1/24 dev up-mob\n"
        "ip link set up-mob up\n"
        "ip -n mob link set outside up\n"
        + "".join(f"ip -n mob addr add {source}/24 dev outside\n" for source in SOURCES)
    )
    rate = int(RATE / server.flavour.slowness)
    lines = len(server.console().splitlines())
    before, _ = fio(client, disk, 5)
    flood = mob.spawn(
        *("python3", "-m", "lab.guest.flood", "10.98.0.1", str(PORT), str(count), str(rate)),
        *SOURCES,
        *(word for data in says for word in ("--say", data.hex())),
    )
    try:
        server.wait("flood.made_at_least", 20, count=rate)
        pieces = [fio(client, disk, count // rate // PIECES) for _ in range(PIECES)]
        server.wait("flood.made_at_least", 60, count=count)
        shown = server.dst.json("server", "show")
        crowd = server.call("flood.state")
    finally:
        flood.kill()
        flood.wait(check=False)
    after, _ = fio(client, disk, 5)
    mob.delete()
    return Siege(
        count=count,
        # What else goes on in the machine that this one runs on changes all the time. The crowd
        # is there in every piece.
        alone=min(before, after),
        crowded=max(speed for speed, _ in pieces),
        longest=max(longest for _, longest in pieces),
        storage=client.dst.show("disk"),
        server=shown,
        crowd=crowd,
        # So many in a second may be written, and it takes longer on some machines.
        lines=int((len(server.console().splitlines()) - lines) / server.flavour.slowness),
    )


def keeps_its_throughput(siege: Siege) -> None:
    """Who is honest gets half of what he gets alone, and no connection of his is lost."""
    speeds = f"{siege.crowded / 1e6:.1f} of {siege.alone / 1e6:.1f} MB/s"
    assert siege.crowded >= siege.alone / 2, speeds
    assert siege.longest < 5, f"{siege.longest:.1f} s"
    assert siege.storage["counters"]["reconnects"] == 0 and siege.storage["epoch"] == 1


def is_held_off(siege: Siege) -> None:
    """Those who were not welcomed have to go when there are too many, and the log stays short."""
    most = len(SOURCES) * siege.server["limits"]["source_unwelcomed"]
    # Those that have to go may not have gone yet.
    assert siege.server["held"]["unwelcomed"] <= 2 * most
    assert siege.server["refused"]["source_unwelcomed"] >= siege.count - 2 * most
    assert siege.lines < 200
