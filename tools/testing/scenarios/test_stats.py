# SPDX-License-Identifier: GPL-2.0
"""What storages and exports do, and how long it takes: dstctl stats."""

import json
from typing import Any

import pytest

from lab.bed import Bed
from lab.machine import Machine
from lab.wild import delayed

KIB = 1 << 10
SIZE = 64 << 20
OPERATIONS = {"read", "write", "flush", "discard", "write-zeroes"}
PERCENTILES = ["p50", "p90", "p99", "p99.9", "max"]
SHARED = {"name", "period_ns", "operations", "errors", "in_flight"}
OF_STORAGES = SHARED | {"resent", "reconnects", "credit_waits", "credit_wait_ns"}


def of_storage(client: Machine, name: str = "disk") -> dict[str, Any]:
    """What a storage has done."""
    return client.dst.json("stats", name)


def of_export(server: Machine, name: str = "disk") -> dict[str, Any]:
    """What the device of an export has done."""
    return server.dst.json("export", "stats", name)


def done(before: dict[str, Any], after: dict[str, Any], what: str = "count") -> dict[str, int]:
    """How often each operation was done in between, or how many bytes it was about."""
    return {
        name: after["operations"][name][what] - operation[what]
        for name, operation in before["operations"].items()
    }


def dd(client: Machine, disk: str, way: str, block: int, count: int) -> None:
    """So many reads or writes, one after the other."""
    ends = {
        "read": [f"if={disk}", "of=/dev/null", "iflag=direct"],
        "write": ["if=/dev/zero", f"of={disk}", "oflag=direct"],
    }
    client.run("dd", *ends[way], f"bs={block}", f"count={count}", "status=none")


def latency(stats: dict[str, Any], operation: str, percentile: str) -> float:
    """How long so many have not exceeded, in seconds."""
    return stats["operations"][operation]["latency_ns"][percentile] / 1e9


@pytest.mark.stock
def test_everything_is_counted_once(server: Machine, client: Machine) -> None:
    """What is asked for is what is counted, here and there."""
    server.dst.export("disk", server.call("blockio.memory_disk", size=SIZE, name="counted"))
    disk = client.dst.attach("disk", server)
    here, there = of_storage(client), of_export(server)
    dd(client, disk, "write", 4 * KIB, 37)
    dd(client, disk, "read", 64 * KIB, 11)
    for operation, times in ("flush", 3), ("discard", 2), ("zeroes", 1):
        for n in range(times):
            assert not client.call(
                "blockio.attempt", path=disk, operation=operation, sector=n * 64, count=64
            )
    wanted = {"write": 37, "read": 11, "flush": 3, "discard": 2, "write-zeroes": 1}
    assert done(here, of_storage(client)) == wanted
    assert done(there, of_export(server)) == wanted
    # A flush is about nothing.
    wanted = {
        "write": 37 * 4 * KIB,
        "read": 11 * 64 * KIB,
        "flush": 0,
        "discard": 2 * 32 * KIB,
        "write-zeroes": 32 * KIB,
    }
    assert done(here, of_storage(client), "bytes") == wanted
    assert done(there, of_export(server), "bytes") == wanted
    counters = client.dst.show("disk")["counters"]
    assert counters["writes"] == of_storage(client)["operations"]["write"]["count"]


def test_failures_are_counted_but_not_their_bytes(server: Machine, client: Machine) -> None:
    backing = server.call("blockio.memory_disk", size=SIZE, name="sick")
    # Up for no second, down for a very long time.
    table = f"0 {SIZE // 512} flakey {backing} 0 0 100000 1 error_writes"
    server.run("dmsetup", "create", "sick", stdin=table.encode())
    server.run("dmsetup", "mknodes")
    server.dst.export("disk", "/dev/mapper/sick")
    disk = client.dst.attach("disk", server)
    before = of_storage(client)
    assert client.call("blockio.attempt", path=disk, operation="write", sector=0, count=8) == "EIO"
    after = of_storage(client)
    assert done(before, after)["write"] == 1
    assert done(before, after, "bytes")["write"] == 0
    assert after["errors"] - before["errors"] == 1
    assert of_export(server)["errors"] == 1


def test_what_programs_get(disk: str, server: Machine, client: Machine) -> None:
    """The form of the JSON, and that its parts belong together."""
    dd(client, disk, "read", 4 * KIB, 50)
    for stats, names in (
        (of_storage(client), OF_STORAGES),
        (of_export(server), SHARED),
    ):
        assert set(stats) == names
        assert stats["name"] == "disk"
        assert set(stats["operations"]) == OPERATIONS
        for operation in stats["operations"].values():
            buckets = operation["buckets"]
            assert operation["count"] == sum(bucket["count"] for bucket in buckets)
            assert all(bucket["count"] > 0 for bucket in buckets)
            for one, next_one in zip(buckets, buckets[1:], strict=False):
                assert one["from_ns"] <= one["to_ns"] < next_one["from_ns"]
            times = [operation["latency_ns"][name] for name in PERCENTILES]
            if not operation["count"]:
                assert times == [None] * len(PERCENTILES)
                continue
            assert times == sorted(times)
            assert times[0] > 0 and times[-1] < stats["period_ns"]
            assert operation["per_second"] == pytest.approx(
                operation["count"] / stats["period_ns"] * 1e9
            )
    for word in "OPERATION", "P99.9", "read", "resent pages", "waits for credits":
        assert word in client.dst.ctl("stats", "disk").out


def test_an_interval_knows_nothing_of_before(disk: str, client: Machine) -> None:
    dd(client, disk, "write", 4 * KIB, 20)
    lines = client.dst.ctl(
        *("--json", "stats", "disk", "--interval", "100ms", "--count", "2")
    ).out.splitlines()
    assert len(lines) == 2
    for line in lines:
        stats = json.loads(line)
        assert stats["operations"]["write"]["count"] == 0
        assert stats["operations"]["write"]["latency_ns"]["max"] is None
        assert stats["period_ns"] >= 100e6
    assert of_storage(client)["operations"]["write"]["count"] >= 20
    process = client.spawn(
        *("/machine/bin/dstctl", "--json", "stats", "disk", "--interval", "2s", "--count", "1")
    )
    # However late it begins: it ends after what it has seen at first.
    while process.poll().rc is None:
        dd(client, disk, "read", 4 * KIB, 1)
    result = process.wait(60)
    assert json.loads(result.out)["operations"]["read"]["count"] > 0


def test_a_slow_disk_is_slow_at_both_ends(bed: Bed) -> None:
    """Writes wait for the disk, reads do not, and neither does another disk."""
    server, client = bed.pair()
    delay = 0.2 * server.flavour.slowness
    server.dst.export("disk", delayed(server, 0.2))
    server.dst.export(
        "quick", server.call("blockio.memory_disk", size=SIZE, name="quick"), port=7771
    )
    slow = client.dst.attach("disk", server)
    quick = client.dst.attach("quick", server, port=7771)
    dd(client, slow, "write", 4 * KIB, 5)
    dd(client, slow, "read", 4 * KIB, 100)
    dd(client, quick, "write", 4 * KIB, 100)
    for stats in of_storage(client), of_export(server):
        # Buckets are no wider than an eighth.
        assert latency(stats, "write", "p50") >= delay
        assert latency(stats, "write", "max") >= delay
        assert latency(stats, "read", "p90") < delay / 2
    for stats in of_storage(client, "quick"), of_export(server, "quick"):
        assert latency(stats, "write", "p90") < delay / 2


def test_a_slow_network_is_not_the_disk(bed: Bed) -> None:
    """The client waits for the network, the device of the server does not."""
    server, client = bed.pair()
    delay = 0.1 * server.flavour.slowness
    server.dst.export("disk", server.disk(0))
    disk = client.dst.attach("disk", server)
    before = of_storage(client)
    assert latency(before, "read", "p50") < delay
    bed.board.link(server, client, delay=delay)
    dd(client, disk, "write", 4 * KIB, 5)
    bed.board.heal()
    assert latency(of_storage(client), "write", "p50") >= delay
    assert latency(of_export(server), "write", "p50") < delay


def test_a_broken_connection_shows(bed: Bed) -> None:
    """What is under way when it breaks is sent again, page by page, and takes longer."""
    server, client = bed.pair()
    delay = 2 * server.flavour.slowness
    server.dst.export("disk", delayed(server, 2))
    disk = client.dst.attach("disk", server)
    before = of_storage(client)
    assert (before["resent"], before["reconnects"]) == (0, 0)
    write = client.start_call("blockio.write", path=disk, sector=0, count=512, seed=2)
    server.wait("objects.export_busy", 10, name="disk")
    server.wait("objects.has_in_flight", 10, name="disk", least=1)
    client.run("ss", "-tK", "dport = :7770")
    write.result(60)
    after = of_storage(client)
    assert after["reconnects"] == 1
    assert 0 < after["resent"] <= 64
    assert done(before, after)["write"] == 1
    # The server completes the first one before it takes the second.
    assert latency(after, "write", "max") >= 2 * delay * 0.9


def test_a_small_window_makes_wait(bed: Bed) -> None:
    """Four frames of the largest size, of which one has room."""
    server, client = bed.pair()
    delay = 0.3 * server.flavour.slowness
    device = delayed(server, 0.3)
    server.dst.export("disk", device, "--window", "64")
    disk = client.dst.attach("disk", server)
    assert of_storage(client)["credit_waits"] == 0
    client.call("blockio.write", path=disk, sector=0, count=2048, seed=1)
    waited = of_storage(client)
    assert waited["credit_waits"] >= 1
    assert waited["credit_wait_ns"] / 1e9 >= 2 * delay
    client.dst.ctl("del", "disk")
    server.dst.ctl("export", "set", "disk", "--window", "1024")
    client.dst.attach("disk", server)
    client.call("blockio.write", path=disk, sector=0, count=2048, seed=1)
    assert of_storage(client)["credit_waits"] == 0
    assert of_storage(client)["credit_wait_ns"] == 0


def test_there_has_to_be_one(server: Machine, client: Machine) -> None:
    for machine, words, text in (
        (client, ("stats", "nothing"), "storage 'nothing'"),
        (server, ("export", "stats", "nothing"), "export 'nothing'"),
    ):
        result = machine.dst.ctl(*words, check=False)
        assert result.rc == 3 and text in result.err
    result = client.dst.ctl("stats", "nothing", "--interval", "0", check=False)
    assert result.rc == 2
