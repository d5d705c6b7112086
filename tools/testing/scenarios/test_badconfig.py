# SPDX-License-Identifier: GPL-2.0
"""Wrong configuration: a clear sentence, a documented exit code, nothing half made."""

import dataclasses
import json

import pytest

from lab.dst import PORT
from lab.machine import Machine


@dataclasses.dataclass(frozen=True)
class Case:
    """A command that has to fail, and how."""

    words: str
    rc: int
    cause: str
    # What the sentence has to name so that a person knows what to change.
    names: str


LISTEN = f"--listen 0.0.0.0:{PORT}"
LONG = "x" * 28

EXPORTS = {
    "unknown device": Case(
        f"export add new /dev/nonsense {LISTEN}", 3, "no-such-device", "/dev/nonsense"
    ),
    "not a block device": Case(f"export add new /dev/null {LISTEN}", 9, "bad-device", "/dev/null"),
    "busy device": Case("export add new {disk} --listen 0.0.0.0:7771", 4, "in-use", "{disk}"),
    "name taken": Case("export add taken {free} --listen 0.0.0.0:7771", 4, "name-taken", "taken"),
    "name with a slash": Case(f"export add a/b {{free}} {LISTEN}", 2, "usage", "a/b"),
    "empty name": Case(f"export add '' {{free}} {LISTEN}", 2, "usage", ""),
    "name too long": Case(f"export add {'x' * 64} {{free}} {LISTEN}", 2, "usage", "x" * 64),
    "port in use": Case("export add new {free} --listen 0.0.0.0:7772", 4, "address-in-use", "7772"),
    "foreign address": Case(
        "export add new {free} --listen 192.0.2.1:7770", 9, "bad-address", "192.0.2.1"
    ),
    "impossible port": Case("export add new {free} --listen 0.0.0.0:70000", 2, "usage", "70000"),
    "no address": Case("export add new {free}", 2, "usage", "--listen"),
    "bad rule": Case(
        f"export add new {{free}} {LISTEN} --allow 10.0.0.0/33:rw", 2, "usage", "10.0.0.0/33"
    ),
    "unknown export": Case("export del nothing", 3, "no-such-object", "nothing"),
    "unknown export shown": Case("export show nothing", 3, "no-such-object", "nothing"),
}

STORAGES = {
    "name with a slash": Case("add a/b {host}", 2, "usage", "a/b"),
    "name too long": Case(f"add {LONG} {{host}}", 2, "usage", LONG),
    "name that begins with a dot": Case("add .x {host}", 2, "usage", ".x"),
    "name taken": Case("add present {host} --export taken", 4, "name-taken", "present"),
    "unresolvable host": Case(
        "add new no-such-host.invalid", 6, "unresolvable", "no-such-host.invalid"
    ),
    "nobody listens": Case(
        "add new {host}:9 --timeout 2s", 6, "connection-refused", "nobody listens on {host}:9"
    ),
    "nobody answers": Case("add new 10.77.0.250 --timeout 1s", 6, "timeout", "10.77.0.250"),
    "no such export": Case("add new {host}", 7, "no-such-export", "new"),
    "export is read-only": Case("add new {host} --export readonly", 7, "read-only", "readonly"),
    "not let in": Case("add new {host} --export private", 7, "not-permitted", "{host}"),
    "may only read": Case("add new {host} --export looking", 7, "not-permitted", "{host}"),
    "another identity": Case(
        "add new {host} --export taken --uuid 00000000-0000-0000-0000-000000000001",
        7,
        "wrong-identity",
        "taken",
    ),
    "not a DST server": Case(
        "add new {host}:7772 --timeout 2s", 6, "not-dst", "{host}:7772 is not a DST server"
    ),
    "impossible port": Case("add new {host}:70000", 2, "usage", "70000"),
    "unknown storage": Case("del nothing", 3, "no-such-object", "nothing"),
    "unknown storage shown": Case("show nothing", 3, "no-such-object", "nothing"),
}


def objects(machine: Machine) -> list[str]:
    """Everything that exists on a machine, who listens there, and what has a device for itself."""
    loops = machine.sh("ls -d /dev/loop[0-9]* || true").split()
    listening = machine.sh("ss -Hltn").splitlines()
    return sorted(
        [f"storage {entry['name']}" for entry in machine.dst.json("list")]
        + [f"export {entry['name']}" for entry in machine.dst.json("export", "list")]
        + [f"listens {line.split()[3]}" for line in listening]
        + [f"held {loop}" for loop in loops if not machine.call("spaces.is_free", path=loop)]
        + machine.sh("ls /dev /sys/block /sys/class/dst").split()
    )


def check(machine: Machine, case: Case, **values: str) -> None:
    """Run the command; see how it fails and that nothing has changed."""
    before, threads = objects(machine), machine.call("leftovers.threads")
    words = [word.strip("'") for word in case.words.format(**values).split()]
    result = machine.dst.ctl("--json", *words, check=False)
    assert result.rc == case.rc, result
    failure = json.loads(result.err.strip().splitlines()[-1])["error"]
    assert failure["cause"] == case.cause, result
    assert case.names.format(**values) in failure["message"] + str(failure.get("kernel")), result
    plain = machine.dst.ctl(*words, check=False)
    assert plain.rc == case.rc
    assert len(plain.err.strip()) > 20 and "panicked" not in plain.err, plain
    assert objects(machine) == before
    # Who has ended may not be buried yet.
    machine.wait("leftovers.threads_are", what=f"threads {threads}", names=threads)


# A polite one: it does not reset the connection, which would tell something else.
STRANGER = """
import contextlib, socket
listener = socket.create_server(("0.0.0.0", 7772))
while True:
    client, _ = listener.accept()
    with client, contextlib.suppress(OSError):
        client.sendall(b"220 mail.example.org ESMTP ready" * 4)
        while client.recv(4096):
            pass
"""


@pytest.fixture
def devices(server: Machine) -> dict[str, str]:
    """A server with some exports, a free device, and a stranger on a port."""
    made = {
        name: server.call("blockio.memory_disk", size=4 << 20, name=name)
        for name in ("disk", "free", "readonly", "private", "looking")
    }
    server.dst.export("taken", made["disk"])
    server.dst.export("readonly", made["readonly"], "--read-only")
    server.dst.export("private", made["private"], allow=("192.0.2.0/24:rw",))
    server.dst.export("looking", made["looking"], allow=("10.77.0.0/16:ro",))
    server.spawn("python3", "-c", STRANGER)
    server.wait("files.content_matches", path="/proc/net/tcp", pattern=":1E5C .* 0A ")
    return made


def test_exports(server: Machine, devices: dict[str, str], subtests: pytest.Subtests) -> None:
    for name, case in EXPORTS.items():
        with subtests.test(name):
            check(server, case, disk=devices["disk"], free=devices["free"])


@pytest.mark.usefixtures("devices")
def test_storages(server: Machine, client: Machine, subtests: pytest.Subtests) -> None:
    client.dst.attach("present", server, "--export", "taken")
    for name, case in STORAGES.items():
        with subtests.test(name):
            check(client, case, host=server.address())


def test_pool(client: Machine) -> None:
    for threads in "0", "-1", "many", "100000":
        assert client.dst.ctl("pool", "set", threads, check=False).rc == 2
    limit = client.dst.json("pool", "show")["threads_limit"]
    result = client.dst.ctl("pool", "set", str(limit + 1), check=False)
    assert result.rc != 0 and str(limit) in result.err


def test_what_is_in_use_is_not_removed(disk: str, server: Machine, client: Machine) -> None:
    client.mount_new(disk, "/mnt/disk")
    result = client.dst.ctl("del", "disk", check=False)
    assert result.rc == 4 and "disk" in result.err
    result = server.dst.ctl("export", "del", "disk", check=False)
    assert result.rc == 4 and "disk" in result.err
    assert client.run("rmmod", "dst", check=False).rc != 0
    client.sh("echo still > /mnt/disk/here; sync; umount /mnt/disk")


def test_without_the_module(server: Machine) -> None:
    server.dst.unload()
    for words in (("list",), ("add", "x", "127.0.0.1"), ("pool", "show")):
        result = server.dst.ctl(*words, check=False)
        assert result.rc == 8 and "module" in result.err, result
    server.dst.load()
