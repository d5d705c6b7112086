# SPDX-License-Identifier: GPL-2.0
"""Storages and exports belong to network namespaces, are seen there only, and go with them."""

import json

import pytest

from lab import fio
from lab.dst import PORT, TOOL
from lab.machine import Machine
from lab.space import Space, join
from scenarios.test_keys import Key

DISK = 64 << 20


@pytest.fixture
def spaces(server: Machine) -> tuple[Space, Space]:
    """Two namespaces of one machine, joined."""
    red, blue = Space(server, "red"), Space(server, "blue")
    join(red, blue)
    return red, blue


def disk(machine: Machine, name: str) -> str:
    """A small disk in memory."""
    return machine.call("blockio.memory_disk", size=DISK, name=name)


def leave(*spaces: Space) -> None:
    """End namespaces, and see that they have."""
    for space in spaces:
        space.delete()
    machine = spaces[0].machine
    for space in spaces:
        machine.wait("spaces.is_gone", 20, f"{space.name} has ended", name=space.name)


def wait_free(machine: Machine, *devices: str) -> None:
    """Wait until nobody has devices open any more."""
    for device in devices:
        machine.wait("spaces.is_free", 20, f"{device} is not used any more", path=device)


def test_each_sees_its_own(server: Machine, spaces: tuple[Space, Space]) -> None:
    red, blue = spaces
    a, b = disk(server, "a"), disk(server, "b")
    red.export("disk", a)
    blue.export("disk", b)
    assert red.json("export", "show", "disk")["device"] == a
    assert blue.json("export", "show", "disk")["device"] == b
    assert server.dst.json("export", "list") == []

    # Each reaches the export of the other, and what is written to one is not in the other.
    for number, space, host in ((1, red, "10.99.0.2"), (2, blue, "10.99.0.1")):
        device = space.attach(f"disk{number}", host, "--export", "disk")
        server.call("blockio.write", path=device, sector=8, count=8, seed=number)
    for number, back in ((1, b), (2, a)):
        assert server.call("blockio.wrong", path=back, sector=8, count=8, seed=number) == []

    assert (red.names(), blue.names()) == (["disk1"], ["disk2"])
    assert server.dst.json("list") == []
    # Nor by the kernel's own numbering of what is dumped, or by name.
    assert red.ctl("show", "disk2", check=False).rc == 3
    assert server.dst.ctl("show", "disk1", check=False).rc == 3
    for space in spaces:
        assert len(space.json("sessions")) == 1
        assert space.run("ls", "/sys/class/dst").out.split() == ["export-disk"]
    assert server.run("ls", "/sys/class/dst").out.split() == ["pool"]

    assert server.dst.json("sessions") == []

    # The same address is another one in another namespace, and one of a kind in its own.
    assert red.ctl("export", "add", "disk", b, "--listen", "0.0.0.0:1", check=False).rc == 4

    leave(red, blue)
    wait_free(server, a, b)


def test_a_storage_has_its_name_for_the_machine(
    server: Machine, spaces: tuple[Space, Space]
) -> None:
    red, blue = spaces
    a = disk(server, "a")
    red.export("disk", a)
    blue.attach("disk", "10.99.0.1")
    for refused in (
        red.ctl("add", "disk", "127.0.0.1", check=False),
        server.dst.ctl("add", "disk", "127.0.0.1", check=False),
    ):
        assert refused.rc == 4, refused
        assert "/dev/dst-disk" in refused.err and "blue" not in refused.err, refused
    blue.ctl("del", "disk")
    red.attach("disk", "127.0.0.1")
    leave(red, blue)


def test_nobody_reaches_over(server: Machine, spaces: tuple[Space, Space]) -> None:
    red, blue = spaces
    a = disk(server, "a")
    red.export("disk", a)
    device = blue.attach("disk", "10.99.0.1")
    before = red.json("export", "show", "disk")["window"]
    for words in (
        ("del", "disk", "--force"),
        ("set", "disk", "--fail-after", "1s"),
        ("suspend", "disk"),
        ("resume", "disk"),
        ("migrate", "disk", "10.99.0.1"),
        ("show", "disk"),
    ):
        for run in (red.ctl, server.dst.ctl):
            refused = run(*words, check=False)
            assert refused.rc == 3, refused
    for words in (
        ("export", "del", "disk", "--force"),
        ("export", "set", "disk", "--window", "64"),
        ("export", "show", "disk"),
    ):
        for run in (blue.ctl, server.dst.ctl):
            refused = run(*words, check=False)
            assert refused.rc == 3, refused
    assert red.json("export", "show", "disk")["window"] == before
    assert blue.json("show", "disk")["fail_after_ms"] == 0
    server.call("blockio.write", path=device, sector=0, count=8, seed=1)
    leave(red, blue)


def test_each_has_a_key_of_its_own(server: Machine, spaces: tuple[Space, Space]) -> None:
    """Who pins the key of one server does not get to another one, in whichever namespace."""
    red, blue = spaces
    one, two, mine = Key(server), Key(server), Key(server)
    red.ctl("server", "set", "--key", one.path)
    blue.ctl("server", "set", "--key", two.path, "--suite", "aes-256-gcm")
    assert red.json("server", "show")["public_key"] == one.public
    assert blue.json("server", "show")["public_key"] == two.public
    assert server.dst.json("server", "show")["public_key"] is None
    suites = [it.json("server", "show")["suite"] for it in (red, blue, server.dst)]
    assert suites == ["any", "aes-256-gcm", "any"]
    red.ctl("server", "set", "--suite", "chacha20-poly1305")
    red.ctl(
        *("export", "add", "disk", disk(server, "a"), "--listen", f"0.0.0.0:{PORT}"),
        *("--allow-key", f"{mine.public}:rw"),
    )
    for wrong in (two, mine):
        refused = blue.ctl(
            *("add", "disk", "10.99.0.1", "--key", mine.path, "--server-key", wrong.public),
            check=False,
        )
        assert refused.rc != 0, refused
        assert blue.names() == []
    device = blue.attach("disk", "10.99.0.1", "--key", mine.path, "--server-key", one.public)
    server.call("blockio.write", path=device, sector=0, count=8, seed=1)
    leave(red, blue)
    # A namespace that has the name next does not have the key, nor the suite.
    again = Space(server, "red")
    shown = again.json("server", "show")
    assert (shown["public_key"], shown["suite"]) == (None, "any"), shown
    leave(again)


def test_events_are_heard_where_they_belong(server: Machine, spaces: tuple[Space, Space]) -> None:
    red, blue = spaces
    paths = {}
    for name, start in (("red", red.spawn), ("blue", blue.spawn), ("machine", server.spawn)):
        paths[name] = f"/run/events.{name}"
        pid = start("sh", "-c", f"exec {TOOL} --json events >{paths[name]}").pid
        server.wait("spaces.subscribed", 10, f"{name} listens", pid=pid)
    a = disk(server, "a")
    red.export("disk", a)
    blue.attach("disk", "10.99.0.1")
    blue.ctl("del", "disk")
    red.ctl("export", "del", "disk")
    # What is heard last was sent last.
    for run in (red.ctl, blue.ctl, server.dst.ctl):
        run("add", "last", "127.0.0.1", "--timeout", "0")
        run("del", "last", "--force")
    seen: dict[str, set[str]] = {}
    for name, path in paths.items():
        server.wait("files.content_matches", 10, path=path, pattern='"event":"removed".*"last"')
        lines = [json.loads(line) for line in server.read(path).splitlines()]
        seen[name] = {
            kind
            for line in lines
            for kind in ("storage", "export", "session")
            if kind in line and line[kind].get("name", line[kind].get("export")) == "disk"
        }
    assert seen == {"red": {"export", "session"}, "blue": {"storage"}, "machine": set()}
    server.run("pkill", "-f", f"{TOOL} --json events")
    leave(red, blue)


@pytest.mark.parametrize("reachable", [True, False], ids=["reachable", "unreachable"])
def test_a_namespace_ends_under_a_file_system(
    server: Machine, spaces: tuple[Space, Space], reachable: bool
) -> None:
    """Mounted and under I/O: I/O fails, nothing hangs, the server is rid of the client."""
    red, blue = spaces
    a = disk(server, "a")
    red.export("disk", a)
    device = blue.attach("disk", "10.99.0.1")
    server.mount_new(device, "/mnt/disk")
    job = fio.start(server, "/mnt/disk/file", size=32, blocks="4k-64k", depth=16)
    server.wait("stat.written_at_least", device="dst-disk", sectors=1024)
    if not reachable:
        server.run("ip", "-n", "red", "link", "set", "to-blue", "down")
        server.wait("stat.in_flight", 10, device="dst-disk")
    blue.delete()
    server.wait("spaces.is_gone", 20, "the namespace has ended", name="blue")
    server.wait("files.missing", 20, path=device)
    assert job.wait(30, check=False).rc != 0
    server.run("umount", "/mnt/disk")
    if reachable:
        server.wait("spaces.has_no_sessions", 10, name="red", disk="disk")
    leave(red)
    wait_free(server, a)
    # The machine still makes namespaces, and takes commands.
    leave(Space(server, "third"))
    assert server.dst.json("list") == []


def test_a_namespace_ends_under_its_clients(server: Machine, spaces: tuple[Space, Space]) -> None:
    """The server's end: clients wait, and go on when there is a server again."""
    red, blue = spaces
    a = disk(server, "a")
    red.export("disk", a)
    uuid = red.json("export", "show", "disk")["uuid"]
    device = blue.attach("disk", "10.99.0.1")
    job = fio.start(server, device, size=16, blocks="4k-64k", depth=16)
    server.wait("stat.written_at_least", device="dst-disk", sectors=1024)
    red.delete()
    server.wait("spaces.is_gone", 20, "the namespace has ended", name="red")
    wait_free(server, a)
    again = Space(server, "again")
    join(again, blue)
    again.export("disk", a, "--uuid", uuid)
    assert job.wait(120).rc == 0
    assert blue.json("show", "disk")["epoch"] > 1
    leave(again, blue)


def test_a_sick_disk_does_not_keep_a_namespace(
    server: Machine, spaces: tuple[Space, Space]
) -> None:
    """What waits for a device is not waited for, and other namespaces come and go."""
    red, blue = spaces
    a = disk(server, "a")
    sectors = DISK // 512
    server.sh(
        f"dmsetup create sick --table '0 {sectors} delay {a} 0 0 {a} 0 0 {a} 0 0'\n"
        "dmsetup mknodes sick\n"
    )
    red.export("disk", "/dev/mapper/sick")
    device = blue.attach("disk", "10.99.0.1")
    server.run("dmsetup", "suspend", "--noflush", "--nolockfs", "sick")
    job = server.spawn(*("dd", "if=/dev/zero", f"of={device}", "bs=64k", "count=4", "oflag=direct"))
    server.wait("spaces.has_in_flight", 10, name="red", disk="disk")
    leave(red, Space(server, "third"))
    assert server.call("spaces.is_free", path="/dev/mapper/sick") is False
    server.run("dmsetup", "resume", "sick")
    wait_free(server, "/dev/mapper/sick")
    leave(blue)
    assert job.wait(30, check=False).rc != 0
    server.run("dmsetup", "remove", "sick")


def test_a_sick_file_system_does_not_keep_a_namespace(
    server: Machine, spaces: tuple[Space, Space]
) -> None:
    """An export is to listen in a file system that waits: nobody waits for that but who says so."""
    red, blue = spaces
    a, b, c = disk(server, "a"), disk(server, "b"), disk(server, "c")
    red.export("disk", a)
    blue.export("disk", b)
    server.mount_new(c, "/mnt/frozen")
    server.run("fsfreeze", "--freeze", "/mnt/frozen")
    devices = (disk(server, "d"), disk(server, "e"))
    adding = []
    for device in devices:
        add = ("export", "add", device.rpartition("/")[2], device)
        adding.append(server.spawn(TOOL, *add, "--listen", "unix:/mnt/frozen/socket"))
        if len(adding) == 1:
            server.wait("spaces.is_stuck", 20, "it waits to listen", pid=adding[0].pid)
    blue.ctl("export", "del", "disk")
    leave(red, Space(server, "third"))
    wait_free(server, a, b)
    assert [process.poll().rc for process in adding] == [None, None]

    # They have asked for the same address, and share it.
    server.run("fsfreeze", "--unfreeze", "/mnt/frozen")
    for process in adding:
        process.wait(30)
    assert len(server.dst.json("export", "list")) == len(devices)
    leave(blue)
    for device in devices:
        server.dst.ctl("export", "del", device.rpartition("/")[2])
    server.run("umount", "/mnt/frozen")


def test_unload_with_namespaces(server: Machine, spaces: tuple[Space, Space]) -> None:
    red, blue = spaces
    a, b = disk(server, "a"), disk(server, "b")
    for number, space in enumerate(spaces):
        space.export("disk", (a, b)[number])
    red.attach("disk1", "10.99.0.2", "--export", "disk")
    blue.attach("disk2", "10.99.0.1", "--export", "disk")
    server.dst.unload()
    assert server.call("leftovers.after_unload") == []
    server.dst.load()
    red.export("disk", a)
    leave(red, blue)


USER = ("unshare", "--user", "--map-root-user", "--net")


def test_root_of_a_container_has_no_power_over_the_machine(server: Machine) -> None:
    a = disk(server, "a")
    server.dst.export("disk", a)
    for words in (
        ("export", "add", "x", a, "--listen", "0.0.0.0:7775"),
        ("add", "x", "127.0.0.1"),
    ):
        refused = server.run(*USER, TOOL, *words, check=False)
        assert refused.rc == 5 and "CAP_SYS_ADMIN" in refused.err, refused
    assert server.run(*USER, TOOL, "pool", "set", "3", check=False).rc == 5
    # It sees nothing of the machine, and may look at what it has itself.
    assert json.loads(server.run(*USER, TOOL, "--json", "export", "list").out) == []
    # Without a namespace of its own it is nobody in that of the machine.
    for words in (
        ("export", "del", "disk", "--force"),
        ("export", "set", "disk", "--window", "64"),
    ):
        refused = server.run("unshare", "--user", "--map-root-user", TOOL, *words, check=False)
        assert refused.rc == 5, refused
    assert server.dst.show_export("disk")["device"] == a


def test_root_of_a_container_has_what_it_was_given(server: Machine) -> None:
    """It may remove and change what is in its namespace, but not let others in."""
    a = disk(server, "a")
    holder = server.spawn(*USER, "sh", "-c", "ip link set lo up; exec sleep 1000")
    pid = holder.pid
    server.wait("files.content_is", 10, path=f"/proc/{pid}/comm", text="sleep")
    inside = ("nsenter", f"--net=/proc/{pid}/ns/net")
    as_root = ("nsenter", f"--net=/proc/{pid}/ns/net", f"--user=/proc/{pid}/ns/user", "-S", "0")
    server.run(
        *inside,
        *(TOOL, "export", "add", "disk", a, "--listen", f"0.0.0.0:{PORT}"),
        *("--allow", "127.0.0.1/32:ro", "--allow", "127.0.0.0/8:rw", "--allow", "10.0.0.0/8:rw"),
    )
    server.run(*inside, TOOL, "add", "disk", "127.0.0.1", "--read-only")
    key, other = Key(server), Key(server)
    server.run(
        *inside,
        *(TOOL, "export", "add", "keyed", disk(server, "k"), "--listen", "0.0.0.0:7771"),
        *("--allow-key", f"{key.public}:rw", "--allow-key", f"{other.public}:rw"),
    )
    for words in (
        ("export", "set", "disk", "--allow", "127.0.0.0/8:rw"),
        ("export", "set", "disk", "--no-rules"),
        ("export", "set", "disk", "--shared-writers"),
        ("export", "set", "disk", "--listen", "unix:/run/dst"),
        ("export", "set", "keyed", "--no-keys"),
        ("export", "allow", "disk", "--from", "127.0.0.2/32:rw"),
        ("export", "allow", "keyed", "--key", f"{Key(server).public}:rw"),
        # Without it, this address may write.
        ("export", "disallow", "disk", "--from", "127.0.0.1/32"),
        ("set", "disk", "--server", "unix:/run/dst"),
        ("set", "disk", "--key", key.path, "--server-key", other.public),
        ("migrate", "disk", "unix:/run/dst"),
        ("migrate", "disk", "127.0.0.1", "--key", key.path, "--server-key", other.public),
        ("server", "set", "--sessions", "5"),
    ):
        refused = server.run(*as_root, TOOL, *words, check=False)
        assert refused.rc == 5 and "CAP_SYS_ADMIN" in refused.err, refused
    for words in (
        ("export", "set", "disk", "--window", "64"),
        ("export", "disallow", "disk", "--from", "10.0.0.0/8"),
        ("export", "disallow", "keyed", "--key", other.public),
        ("server", "set", "--key", key.path),
        ("export", "del", "keyed"),
        ("set", "disk", "--fail-after", "1s"),
        ("del", "disk"),
        ("export", "del", "disk"),
    ):
        server.run(*as_root, TOOL, *words)
    holder.kill()
    holder.wait(check=False)
    wait_free(server, a)


def test_a_namespace_is_not_kept_by_what_was_closed(
    server: Machine, spaces: tuple[Space, Space]
) -> None:
    """A client vanishes; what the server still has to tell it ends with the namespace, or soon."""
    red, blue = spaces
    a = disk(server, "a")
    red.export("disk", a, "--keepalive", "1s")
    blue.attach("disk", "10.99.0.1")
    server.run("ip", "-n", "red", "link", "set", "to-blue", "down")
    server.wait("spaces.has_no_sessions", 20, name="red", disk="disk")
    server.wait("spaces.has_no_orphans", 20, "nothing is left of the connection", name="red")
    leave(red, blue)
