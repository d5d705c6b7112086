# SPDX-License-Identifier: GPL-2.0
"""Storages are suspended, resumed and changed while they are in use."""

import ipaddress
import json
import time

import pytest

from lab import fio
from lab.bed import Bed
from lab.dst import PORT, TOOL
from lab.machine import Machine, Process
from lab.wild import delayed
from scenarios.test_netlink import address, ynl

# An address in the network that no machine has.
NOWHERE = "10.77.0.250"


def begun(client: Machine, sectors: int = 2048) -> None:
    """Wait until I/O really flows."""
    client.wait("stat.written_at_least", 20, device="dst-disk", sectors=sectors)


def write(client: Machine, disk: str, sector: int = 0) -> object:
    """A write in the background: the name of its error, or nothing."""
    return client.start_call(
        "blockio.attempt", path=disk, operation="write", sector=sector, count=8, seed=1
    )


# Suspend and resume.


@pytest.mark.stock(thorough=True)
def test_io_of_a_suspended_storage_waits(disk: str, client: Machine) -> None:
    job = fio.start(client, disk, blocks="512-64k", size=96, rate=8)
    begun(client)
    for _ in range(3):
        client.dst.ctl("suspend", "disk")
        assert client.dst.show("disk")["state"] == "suspended"
        assert client.read("/sys/block/dst-disk/dst/state") == "suspended"
        client.wait("stat.quiet", 20, device="dst-disk", seconds=1)
        assert job.poll().rc is None
        # A second time changes nothing.
        client.dst.ctl("suspend", "disk")
        client.dst.ctl("resume", "disk")
        assert client.dst.show("disk")["state"] == "connected"
        before = client.dst.show("disk")["counters"]["bytes_written"]
        client.wait("control.has_written", name="disk", more_than=before)
    client.dst.ctl("resume", "disk")
    assert job.wait(120).rc == 0
    assert client.dst.show("disk")["counters"]["errors"] == 0


def test_what_was_under_way_is_completed(bed: Bed) -> None:
    """Suspended means that nothing new is asked of the server, and all else is done."""
    server, client = bed.pair(disk=1 << 26)
    server.dst.export("disk", delayed(server, 3))
    disk = client.dst.attach("disk", server)
    before = write(client, disk)
    server.wait("objects.export_busy", 10, name="disk")
    client.dst.ctl("suspend", "disk")
    after = write(client, disk, 8)
    assert before.result(30) == ""
    client.wait("stat.in_flight", device="dst-disk")
    client.wait("stat.quiet", 20, device="dst-disk", seconds=1)
    assert not server.call("objects.export_busy", name="disk")
    assert not after.done()
    client.dst.ctl("resume", "disk")
    assert after.result(30) == ""


def test_nothing_fails_while_a_storage_is_suspended(
    bed: Bed, disk: str, server: Machine, client: Machine
) -> None:
    """Neither the loss of the connection nor the limits of waiting count."""
    client.dst.ctl("set", "disk", "--fail-after", "500ms", "--io-timeout", "500ms")
    client.dst.ctl("suspend", "disk")
    waiting = write(client, disk)
    client.wait("stat.quiet", 20, device="dst-disk", seconds=2)
    assert not waiting.done()
    with bed.board.cut(server, client):
        client.run("ss", "-tK", f"dport = :{PORT}")
        client.wait("control.shows", name="disk", field="connected", value=0)
        client.wait("stat.quiet", 20, device="dst-disk", seconds=2)
        assert not waiting.done()
        assert client.dst.show("disk")["state"] == "suspended"
    client.wait("control.shows", 30, name="disk", field="connected", value=1, at_least=True)
    assert client.dst.show("disk")["state"] == "suspended"
    assert not waiting.done()
    client.dst.ctl("resume", "disk")
    assert waiting.result(30) == ""
    client.dst.wait_state("disk", "connected", epoch=2)
    assert client.call("blockio.wrong", path=disk, sector=0, count=8, seed=1) == []
    assert client.dst.show("disk")["counters"]["errors"] == 0


def test_a_storage_is_resumed_before_it_is_connected(
    bed: Bed, disk: str, server: Machine, client: Machine
) -> None:
    client.dst.ctl("suspend", "disk")
    waiting = write(client, disk)
    client.wait("stat.in_flight", device="dst-disk")
    client.wait("stat.quiet", 20, device="dst-disk", seconds=1)
    assert not waiting.done()
    with bed.board.cut(server, client):
        client.run("ss", "-tK", f"dport = :{PORT}")
        client.wait("control.shows", name="disk", field="connected", value=0)
        client.dst.ctl("resume", "disk")
        client.dst.wait_state("disk", "reconnecting")
        assert not waiting.done()
    assert waiting.result(30) == ""
    assert client.call("blockio.wrong", path=disk, sector=0, count=8, seed=1) == []


@pytest.mark.stock
def test_a_suspended_storage_is_removed_by_force(disk: str, client: Machine) -> None:
    client.dst.ctl("suspend", "disk")
    waiting = write(client, disk)
    client.wait("stat.in_flight", device="dst-disk")
    assert client.dst.ctl("del", "disk", check=False).rc == 4
    assert not waiting.done()
    client.dst.ctl("del", "disk", "--force", timeout=20)
    assert waiting.result(20) == "ENODEV"
    assert client.dst.json("list") == []


def test_the_module_goes_though_a_storage_is_suspended(disk: str, client: Machine) -> None:
    client.dst.ctl("suspend", "disk")
    client.dst.unload()
    assert client.call("leftovers.after_unload") == []


# Changes.


@pytest.mark.stock(thorough=True)
def test_everything_is_changed_while_io_runs(disk: str, server: Machine, client: Machine) -> None:
    job = fio.start(client, disk, blocks="512-64k", size=32, rate=8)
    begun(client)
    v6 = ipaddress.ip_address(server.address(version=6))
    both = [f"{server.address()}:{PORT}", f"[{v6}]:{PORT}"]
    for words, field, value, attribute in (
        (("--connections", "4"), "connections", 4, "connections"),
        (("--connections", "1"), "connections", 1, "connections"),
        (("--connections", "2"), "connections", 2, "connections"),
        (("--fail-after", "30s"), "fail_after_ms", 30_000, "fail_after"),
        (("--fail-after", "never"), "fail_after_ms", 0, "fail_after"),
        (("--io-timeout", "1m"), "io_timeout_ms", 60_000, "io_timeout"),
        (("--io-timeout", "never"), "io_timeout_ms", 0, "io_timeout"),
        (("--server", both[0], "--server", both[1]), "addresses", both, None),
        (("--server", both[0]), "addresses", both[:1], None),
    ):
        before = client.dst.show("disk")
        assert client.dst.json("set", "disk", *words)[field] == value
        after = client.dst.show("disk")
        assert after[field] == value
        for name in ("connections", "fail_after_ms", "io_timeout_ms", "addresses"):
            assert name == field or after[name] == before[name], words
        if attribute:
            assert client.read(f"/sys/block/dst-disk/dst/{attribute}") == str(value)
        if field == "connections":
            client.wait("control.shows", name="disk", field="connected", value=value)
            assert client.read("/sys/block/dst-disk/dst/connected") == str(value)
            assert server.dst.show_export("disk")["connections"] == value
    assert job.wait(120).rc == 0
    shown = client.dst.show("disk")
    assert shown["counters"]["errors"] == 0 and shown["epoch"] == 1


def test_a_storage_follows_its_server_to_another_address(
    disk: str, server: Machine, client: Machine
) -> None:
    """It is told the new address while nobody listens at the old one, and what waits is done."""
    uuid = server.dst.show_export("disk")["uuid"]
    client.call("blockio.write", path=disk, sector=0, count=8, seed=1)
    server.dst.ctl("export", "del", "disk", "--force")
    client.dst.wait_state("disk", "reconnecting")
    waiting = client.start_call("blockio.write", path=disk, sector=8, count=8, seed=2)
    client.wait("stat.in_flight", device="dst-disk")
    server.dst.export("disk", server.disk(0), "--uuid", uuid, port=PORT + 1)
    place = f"{server.address()}:{PORT + 1}"
    assert client.dst.json("set", "disk", "--server", place)["addresses"] == [place]
    client.dst.wait_state("disk", "connected", epoch=2)
    waiting.result(30)
    for path, machine in (disk, client), (server.disk(0), server):
        assert machine.call("blockio.wrong", path=path, sector=0, count=8, seed=1) == []
        assert machine.call("blockio.wrong", path=path, sector=8, count=8, seed=2) == []
    # Further connections are made there, too.
    client.dst.ctl("set", "disk", "--connections", "3")
    client.wait("control.shows", name="disk", field="connected", value=3)
    shown = client.dst.show("disk")
    assert shown["peer"] == place and shown["counters"]["errors"] == 0, shown


def test_a_storage_is_added_with_its_limits(server: Machine, client: Machine) -> None:
    server.dst.export("disk", server.disk(0))
    words = ("--connections", "3", "--fail-after", "1m", "--io-timeout", "2m")
    client.dst.attach("disk", server, *words)
    client.wait("control.shows", name="disk", field="connected", value=3)
    shown = client.dst.show("disk")
    assert (shown["connections"], shown["fail_after_ms"], shown["io_timeout_ms"]) == (
        3,
        60_000,
        120_000,
    )
    text = client.dst.ctl("show", "disk").out
    assert "3 of 3" in text and "1m" in text and "2m" in text
    assert "3 of 3" in client.dst.ctl("list").out


def test_an_event_tells_of_changes(disk: str, client: Machine) -> None:
    watch = client.spawn(TOOL, "--json", "events")
    client.wait("netlink.subscribed", what="dstctl listens")
    client.dst.ctl("set", "disk", "--fail-after", "1m")
    client.dst.ctl("suspend", "disk")
    client.dst.ctl("resume", "disk")
    lines = [json.loads(line) for line in watch.poll().out.splitlines()]
    watch.kill()
    seen = [(line["event"], line["storage"]["state"]) for line in lines]
    assert seen == [("changed", "connected"), ("state", "suspended"), ("state", "connected")]


# Refusals.


def test_what_cannot_be_is_refused_with_a_sentence(disk: str, client: Machine) -> None:
    """The kernel's own words, as any program gets them."""
    server = [address(NOWHERE)]
    for operation, attributes, sentence in (
        ("storage-set", {"fail-after": 99}, "The longest time without a connection is 0"),
        ("storage-set", {"io-timeout": 1}, "The longest time of a request is 0"),
        ("storage-add", {"address": server, "io-timeout": 1}, "The longest time of a request"),
        ("storage-migrate", {"address": server, "timeout": 0}, "cannot be 0"),
        ("storage-migrate", {}, "The address of the server is missing"),
        ("storage-suspend", {"name": "nothing"}, "There is no storage called nothing"),
        ("storage-resume", {"name": "nothing"}, "There is no storage called nothing"),
        ("storage-set", {"name": "nothing"}, "There is no storage called nothing"),
        (
            "storage-migrate",
            {"name": "nothing", "address": server},
            "There is no storage called nothing",
        ),
        ("storage-set", {"connections": 33}, "integer out of range"),
        ("storage-set", {"fail-after": 604_800_001}, "integer out of range"),
    ):
        before = client.dst.show("disk")
        result = ynl(client, "--do", operation, check=False, **{"name": "disk", **attributes})
        assert result.rc != 0, (operation, attributes)
        assert sentence in result.out + result.err, result
        after = client.dst.show("disk")
        for name in ("connections", "fail_after_ms", "io_timeout_ms", "addresses", "state"):
            assert after[name] == before[name], (operation, attributes)


def test_the_tool_names_the_cause(disk: str, client: Machine) -> None:
    for words, rc, cause in (
        (("set", "nothing", "--connections", "2"), 3, "no-such-object"),
        (("suspend", "nothing"), 3, "no-such-object"),
        (("resume", "nothing"), 3, "no-such-object"),
        (("migrate", "nothing", NOWHERE), 3, "no-such-object"),
        (("set", "disk", "--fail-after", "0"), 2, "usage"),
        (("set", "disk", "--connections", "33"), 2, "usage"),
        (("migrate", "disk", NOWHERE, "--timeout", "0"), 2, "usage"),
        (("migrate", "disk", "no-such-host.invalid"), 6, "unresolvable"),
    ):
        result = client.dst.ctl("--json", *words, check=False)
        assert result.rc == rc, result
        assert json.loads(result.err)["error"]["cause"] == cause, result
    assert client.dst.show("disk")["state"] == "connected"


# Nobody waits for somebody else's command.


def add_nowhere(client: Machine, timeout: str) -> Process:
    """Add a storage whose server never answers, at so many addresses that it takes long."""
    client.sh(
        f"dev=$(ip -o route get {NOWHERE} | grep -o 'dev [^ ]*');"
        f"ip neigh replace {NOWHERE} lladdr 02:64:73:74:00:fa nud permanent $dev"
    )
    servers = [f"{NOWHERE}:{port}" for port in range(1, 17)]
    return client.spawn(TOOL, "--json", "add", "new", *servers, "--timeout", timeout)


@pytest.mark.stock
def test_an_add_that_waits_delays_nobody(disk: str, client: Machine) -> None:
    adding = add_nowhere(client, "1m")
    client.wait("control.shows", name="new", field="state", value="connecting")
    # Whoever comes with a family of its own must not be held up, nor who comes after it.
    if client.flavour.stock:
        client.run("modprobe", "nbd", "nbds_max=0", timeout=5)
    begin = time.monotonic()
    for _ in range(3):
        assert [s["name"] for s in client.dst.json("list")] == ["disk", "new"]
        client.dst.ctl("set", "disk", "--fail-after", "1m")
        client.dst.ctl("suspend", "disk")
        client.dst.ctl("resume", "disk")
    assert time.monotonic() - begin < 10 * client.flavour.slowness
    assert adding.poll().rc is None
    begin = time.monotonic()
    client.dst.ctl("del", "new")
    assert adding.wait(10, check=False).rc == 1
    assert time.monotonic() - begin < 5 * client.flavour.slowness
    assert [s["name"] for s in client.dst.json("list")] == ["disk"]


def test_a_server_that_does_not_answer_in_time(client: Machine) -> None:
    begin = time.monotonic()
    result = add_nowhere(client, "1s").wait(20, check=False)
    assert result.rc == 6 and time.monotonic() - begin >= 1, result
    assert json.loads(result.out)["error"]["cause"] == "timeout", result
    assert client.dst.json("list") == []


def test_an_interrupted_add_leaves_nothing(server: Machine, client: Machine) -> None:
    """Who has asked does not live to see the disk, so it goes again."""
    server.dst.export("disk", server.disk(0))
    adding = client.spawn(TOOL, "add", "disk", NOWHERE, server.address(), "--timeout", "20s")
    client.wait("control.shows", name="disk", field="state", value="connecting")
    adding.kill()
    client.wait("control.is_gone", 40, name="disk")
    client.dst.attach("disk", server)


def test_the_module_goes_though_an_add_waits(client: Machine) -> None:
    adding = add_nowhere(client, "5m")
    client.wait("control.shows", name="new", field="state", value="connecting")
    client.dst.unload()
    assert adding.wait(10, check=False).rc == 1
    assert client.call("leftovers.after_unload") == []
    client.dst.load()


def test_a_sick_disk_delays_only_its_own_removal(bed: Bed) -> None:
    server, client = bed.pair(disk=1 << 26)
    # Whatever the kernel is like, the command does not wait for more than ten seconds.
    server.dst.export("slow", delayed(server, 4 / server.flavour.slowness))
    disk = client.dst.attach("slow", server)
    waiting = write(client, disk)
    server.wait("objects.export_busy", 10, name="slow")
    removing = [server.spawn(TOOL, "export", "del", "slow", "--force") for _ in range(2)]
    server.wait("control.export_shows", name="slow", field="state", value="removing")
    assert [e["name"] for e in server.dst.json("export", "list")] == ["slow"]
    assert [command.poll().rc for command in removing] == [None, None]
    # Who comes second finds it gone, or waits for the same.
    codes = sorted(command.wait(30, check=False).rc for command in removing)
    assert codes in ([0, 0], [0, 3]), codes
    assert server.dst.json("export", "list") == []
    client.dst.ctl("del", "slow", "--force")
    waiting.result(30)


def test_a_removal_that_is_stuck_can_be_forced(server: Machine, client: Machine) -> None:
    """Partitions are looked for on a disk that does not answer."""
    size = server.disks[0].size // 512
    server.run("dmsetup", "create", "held", stdin=f"0 {size} linear {server.disk(0)} 0".encode())
    server.run("dmsetup", "mknodes")
    server.dst.export("disk", "/dev/mapper/held")
    server.run("dmsetup", "suspend", "--noflush", "held")
    client.dst.ctl("add", "disk", server.address(), "--timeout", "0")
    server.wait("objects.export_busy", 10, name="disk")
    gentle = client.spawn(TOOL, "del", "disk")
    client.wait("control.shows", name="disk", field="state", value="removing")
    assert gentle.poll().rc is None
    client.dst.ctl("del", "disk", "--force", timeout=10)
    assert gentle.wait(10).rc == 0
    assert client.dst.json("list") == []
    assert not client.call("files.exists", path="/dev/dst-disk")
    server.run("dmsetup", "resume", "held")


# Sockets with a path.


def test_the_socket_goes_with_the_export(server: Machine) -> None:
    devices = [server.call("blockio.memory_disk", size=1 << 20, name=name) for name in "ab"]
    for name, device in zip("ab", devices, strict=True):
        server.dst.export(name, device, listen="unix:/run/dst.sock", allow=())
    server.dst.ctl("export", "del", "a")
    assert server.call("files.exists", path="/run/dst.sock")
    server.dst.ctl("add", "local", "unix:/run/dst.sock", "--export", "b")
    server.dst.ctl("del", "local")
    server.dst.ctl("export", "set", "b", "--listen", "unix:/run/other.sock")
    assert not server.call("files.exists", path="/run/dst.sock")
    server.dst.ctl("export", "del", "b")
    assert not server.call("files.exists", path="/run/other.sock")


def test_a_socket_on_which_nobody_listens_is_no_obstacle(server: Machine) -> None:
    device = server.call("blockio.memory_disk", size=1 << 20, name="a")
    bind = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]);"
        "len(sys.argv) > 2 and (s.listen(), print('listens', flush=True), sys.stdin.read())"
    )
    server.run("python3", "-c", bind, "/run/stale.sock")
    server.dst.export("a", device, listen="unix:/run/stale.sock", allow=())
    server.dst.ctl("export", "del", "a")
    # One that somebody listens on, and what is no socket, stay where they are.
    server.spawn("sh", "-c", f'sleep 60 | python3 -c "{bind}" /run/other.sock listen')
    server.wait("files.content_matches", path="/proc/net/unix", pattern="/run/other.sock")
    server.sh("echo precious > /run/file")
    for path in "/run/other.sock", "/run/file":
        listen = ("--listen", f"unix:{path}")
        result = server.dst.ctl("export", "add", "a", device, *listen, check=False)
        assert result.rc == 4 and path in result.err, result
    assert server.read("/run/file") == "precious"
    assert server.call("files.exists", path="/run/other.sock")
