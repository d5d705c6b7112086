# SPDX-License-Identifier: GPL-2.0
"""The control plane without our own tool: the kernel's YNL client and our YAML."""

import json
import re
import socket
import struct
import uuid
from typing import Any

from lab.dst import PORT, TOOL
from lab.machine import Machine, Result

CLI = (
    "python3",
    "/machine/pyynl/cli.py",
    "--spec",
    "/machine/dst.yaml",
    "--no-schema",
    "--output-json",
)


UNPRIVILEGED = (
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--bounding-set=-all",
    "--inh-caps=-all",
)


def ynl(
    machine: Machine, kind: str, operation: str, check: bool = True, **attributes: object
) -> Result:
    """One operation by the kernel's own client."""
    words = [*CLI, kind, operation, "--json", json.dumps(attributes)]
    return machine.run(*words, check=check)


def address(host: str, port: int = PORT) -> str:
    """struct sockaddr_in, as hexadecimal digits."""
    return (
        struct.pack("=H", socket.AF_INET)
        + struct.pack(">H", port)
        + socket.inet_aton(host)
        + bytes(8)
    ).hex()


def export(server: Machine, name: str = "disk", device: str = "") -> Result:
    return ynl(
        server,
        "--do",
        "export-add",
        name=name,
        device=device or server.disk(0),
        listen=[address("0.0.0.0")],
        uuid=uuid.uuid4().hex,
        allow=[
            {
                "family": socket.AF_INET,
                "address": "10.77.0.0",
                "prefix-len": 16,
                "access": "read-write",
            }
        ],
    )


def test_the_whole_life_of_a_storage(server: Machine, client: Machine) -> None:
    export(server)
    added = ynl(client, "--do", "storage-add", name="disk", address=[address(server.address())])
    # It is answered when it is done, to whoever has the port of who has asked by then.
    assert json.loads(added.out)["name"] == "disk" and "session" not in json.loads(added.out)
    client.wait("files.is_block_device", path="/dev/dst-disk")
    shown = json.loads(ynl(client, "--do", "storage-get", name="disk").out)
    assert shown["state"] == "connected" and shown["size"] == 1 << 30
    assert shown["session"], shown
    assert [s["name"] for s in json.loads(ynl(client, "--dump", "storage-get").out)] == ["disk"]
    assert len(json.loads(ynl(server, "--dump", "session-get").out)) == 1
    client.call("blockio.write", path="/dev/dst-disk", sector=0, count=64, seed=1)
    ynl(client, "--do", "storage-del", name="disk")
    assert not client.call("files.exists", path="/dev/dst-disk")
    ynl(server, "--do", "export-del", name="disk")
    assert json.loads(ynl(server, "--dump", "export-get").out) == []


# Many operations by one run of the kernel's own client: the error and the sentence of each.
MANY = """
import json, sys
sys.path.insert(0, "/machine/pyynl")
from lib import NlError, YnlFamily
family = YnlFamily("/machine/dst.yaml", schema="")
answers = []
for kind, operation, attributes in json.load(sys.stdin):
    try:
        getattr(family, kind)(operation, attributes)
        answers.append((0, ""))
    except NlError as error:
        answers.append((error.nl_msg.error, (error.nl_msg.extack or {}).get("msg", "")))
print(json.dumps(answers))
"""
ABSENT = "nothing"
LONG = "x" * 65
# Names end where they end.
NO_TEXT = "a\0b"
RULE = {"family": socket.AF_INET, "address": "10.0.0.0", "prefix-len": 8, "access": "read-only"}
# What is wrong with messages of each operation that takes arguments.
REFUSED: dict[str, list[dict[str, Any]]] = {
    "storage-add": [
        {},
        {"name": "x"},
        {"name": LONG, "address": [address("127.0.0.1")]},
        {"name": "a/b", "address": [address("127.0.0.1")]},
        {"name": "x", "address": ["ffff"]},
        {"name": "x", "address": [address("127.0.0.1", 9)]},
        {"name": "x", "address": [address("127.0.0.1")], "digest": "rot13"},
        {"name": "x", "address": [address("127.0.0.1")], "digest": NO_TEXT},
    ],
    "storage-del": [{}, {"name": ABSENT}, {"name": LONG}, {"name": NO_TEXT}],
    "storage-set": [{}, {"name": ABSENT, "connections": 1}, {"name": ABSENT, "connections": 0}],
    "storage-get": [{}, {"name": ABSENT}, {"name": NO_TEXT}],
    "storage-suspend": [{}, {"name": ABSENT}],
    "storage-resume": [{}, {"name": ABSENT}],
    "storage-migrate": [{}, {"name": ABSENT}, {"name": ABSENT, "address": [address("127.0.0.1")]}],
    "storage-stats-get": [{}, {"name": ABSENT}],
    "export-add": [
        {},
        {"name": "x", "device": "/dev/nonsense", "uuid": "11" * 16},
        {"name": "x", "device": "/dev/nonsense", "listen": [address("0.0.0.0")]},
        {
            "name": "x",
            "device": "/dev/nonsense",
            "listen": [address("0.0.0.0")],
            "uuid": "11" * 16,
        },
        {"name": "x", "device": "/dev/null", "listen": [address("0.0.0.0")], "uuid": "11" * 16},
    ],
    "export-del": [{}, {"name": ABSENT}, {"name": LONG}],
    "export-set": [{}, {"name": ABSENT}, {"name": "disk", "window": 1}],
    "export-get": [{}, {"name": ABSENT}],
    "export-allow": [{}, {"name": ABSENT, "allow": [RULE]}, {"name": "disk"}],
    "export-disallow": [
        {},
        {"name": ABSENT, "allow": [RULE]},
        {"name": "disk"},
        {"name": "disk", "allow": [RULE]},
    ],
    "export-stats-get": [{}, {"name": ABSENT}],
    "session-get": [{"export": ABSENT}],
    "pool-set": [{}, {"threads": 0}, {"threads": 1 << 30}],
    "server-set": [{"key-fd": 12345}, {"limits": {"source-sessions": 0}}, {"suite": 3}],
}


def specified(machine: Machine) -> dict[str, str]:
    """Operations that take arguments, and whether they are done or dumped."""
    code = "import json, yaml; print(json.dumps(yaml.safe_load(open('/machine/dst.yaml'))))"
    operations = json.loads(machine.run("python3", "-c", code).out)["operations"]["list"]
    return {
        operation["name"]: kind
        for operation in operations
        for kind in ("dump", "do")
        if operation.get(kind, {}).get("request", {}).get("attributes")
    }


def configured(machine: Machine) -> list[Any]:
    """All that can be changed."""
    return [
        machine.dst.json("list"),
        machine.dst.json("export", "list"),
        machine.dst.show_export("disk"),
        machine.dst.json("pool", "show")["threads"],
        [machine.dst.json("server", "show")[name] for name in ("public_key", "suite", "limits")],
    ]


def test_refusals_carry_a_sentence(server: Machine) -> None:
    """Each operation that there is says what is wrong, and does nothing."""
    export(server)
    kinds = specified(server)
    assert kinds.keys() == REFUSED.keys()
    asked = [(kinds[name], name, wrong) for name, many in REFUSED.items() for wrong in many]
    before = configured(server)
    out = server.run("python3", "-c", MANY, stdin=json.dumps(asked).encode()).out
    for (_, name, wrong), (error, text) in zip(asked, json.loads(out), strict=True):
        assert error, (name, wrong)
        # The kernel's own checks of the policy begin with a small letter, others with a path.
        assert re.fullmatch(r"[\w/].{9,}", text), (name, wrong, error, text)
        # That is what the module says if nobody has thought of it.
        assert "Failed with error" not in text, (name, wrong, error, text)
        # What there is not is named.
        if wrong.get("name", wrong.get("export")) == ABSENT and len(wrong) == 1:
            assert ABSENT in text, (name, wrong, error, text)
    assert configured(server) == before


def test_an_address_that_cannot_be_listened_on(server: Machine) -> None:
    """It is said why, whatever it is."""
    server.run("mount", "-t", "tmpfs", "-o", "ro", "none", "/mnt")
    said = {}
    for where in "192.0.2.1", "/mnt/socket", "/mnt/none/socket":
        local = struct.pack("=H", socket.AF_UNIX) + where.encode() + b"\0"
        result = ynl(
            server,
            "--do",
            "export-add",
            check=False,
            name="disk",
            device=server.disk(0),
            listen=[local.hex() if where[0] == "/" else address(where)],
            uuid=uuid.uuid4().hex,
        )
        assert result.rc != 0, where
        said[where] = result.out + result.err
    server.run("umount", "/mnt")
    assert "192.0.2.1:7770: it is not one of this machine" in said["192.0.2.1"], said
    assert "/mnt/socket: the file system is read-only" in said["/mnt/socket"], said
    assert "/mnt/none/socket: no such directory" in said["/mnt/none/socket"], said


def test_a_list_that_is_too_long_for_sysfs_says_so(server: Machine) -> None:
    rules = [f"10.1.{i}.0/24" for i in range(256)]
    path = "/sys/class/dst/export-disk/allow"
    server.dst.export("disk", server.disk(0), allow=tuple(f"{rule}:rw" for rule in rules))
    *lines, last = server.read(path).splitlines()
    assert last == "..." and 60 <= len(lines) < 256, (lines, last)
    assert lines == [f"{rule} read-write" for rule in rules[: len(lines)]]
    server.dst.ctl("export", "del", "disk")
    server.dst.export("disk", server.disk(0), allow=(f"{rules[0]}:ro",))
    assert server.read(path) == f"{rules[0]} read-only"


def test_what_was_done_and_how_long_it_took(disk: str, server: Machine, client: Machine) -> None:
    """All of it by the kernel's own client: no number needs to be known."""
    client.call("blockio.write", path=disk, sector=0, count=4096, seed=1)
    one = json.loads(ynl(client, "--do", "storage-stats-get", name="disk").out)
    every = json.loads(ynl(client, "--dump", "storage-stats-get").out)
    assert [stats["name"] for stats in every] == ["disk"]
    assert every[0]["timing"] == one["timing"]
    there = json.loads(ynl(server, "--do", "export-stats-get", name="disk").out)
    assert len(json.loads(ynl(server, "--dump", "export-stats-get").out)) == 1
    for stats in one, there:
        timings = {timing["operation"]: timing for timing in stats["timing"]}
        assert set(timings) == {"read", "write", "flush", "discard", "write-zeroes"}
        write = timings["write"]
        assert write["bytes"] == 4096 * 512
        assert write["count"] == sum(bucket["count"] for bucket in write["bucket"]) >= 2
        assert write["count"] == stats["counters"]["writes"]
        last = write["bucket"][-1]
        assert last["from-ns"] <= write["longest-ns"] <= last["to-ns"] < stats["age-ns"]
        assert "bucket" not in timings["discard"] and timings["discard"]["count"] == 0
    for operation, machine, reason in (
        ("storage-stats-get", client, "There is no storage called nothing: No such device"),
        ("export-stats-get", server, "nothing: No such file or directory"),
    ):
        result = ynl(machine, "--do", operation, check=False, name="nothing")
        assert result.rc != 0 and reason in result.out + result.err, result


def test_sentences_do_not_control_terminals(server: Machine) -> None:
    """Names that are none are repeated, without what a terminal would obey."""
    for name in "a\nb\x1b[2J", "a\x7fb":
        for operation in "storage-del", "storage-get", "storage-suspend", "export-del":
            result = ynl(server, "--do", operation, check=False, name=name)
            assert result.rc != 0
            text = result.out + result.err
            assert re.search(r"Netlink error: .*a(\?|(\\x[0-9a-f]{2})+)b", text), result
            assert name not in text, result


def test_only_an_administrator_configures(disk: str, server: Machine, client: Machine) -> None:
    tool = "/machine/bin/dstctl"
    for words in (
        ("add", "more", server.address(), "--export", "disk"),
        ("del", "disk", "--force"),
        ("pool", "set", "3"),
        ("export", "add", "x", disk, "--listen", "0.0.0.0:7775"),
    ):
        result = client.run(*UNPRIVILEGED, tool, *words, check=False)
        assert result.rc == 5, result
    assert "disk" in client.run(*UNPRIVILEGED, tool, "list").out
    assert client.dst.show("disk")["state"] == "connected"
    # The root of a user namespace is not the administrator of the machine.
    result = client.run(
        "unshare", "--user", "--map-root-user", tool, "pool", "set", "3", check=False
    )
    assert result.rc != 0
    result = client.run(
        "unshare", "--user", "--map-root-user", "--net", tool, "pool", "set", "3", check=False
    )
    assert result.rc != 0


def test_events(server: Machine, client: Machine) -> None:
    watch = {m: m.spawn("/machine/bin/dstctl", "--json", "events") for m in (server, client)}
    for machine in watch:
        machine.wait("netlink.subscribed", what="dstctl listens")
    server.dst.export("disk", server.disk(0))
    client.dst.attach("disk", server)
    server.run("ss", "-tK", f"sport = :{PORT}")
    client.dst.wait_state("disk", "connected", epoch=2)
    client.dst.ctl("del", "disk")
    server.dst.ctl("export", "del", "disk", "--force")

    def seen(machine: Machine) -> list[tuple[str, str]]:
        lines = [json.loads(line) for line in watch[machine].poll().out.splitlines()]
        return [
            (kind, line["event"])
            for line in lines
            for kind in ("storage", "export", "session")
            if kind in line
        ]

    on_client, on_server = seen(client), seen(server)
    for process in watch.values():
        process.kill()
    storage = [event for kind, event in on_client if kind == "storage"]
    assert storage[0] == "added" and storage[-1] == "removed"
    assert storage.count("connected") >= 2 and "disconnected" in storage
    assert ("export", "added") in on_server and ("export", "removed") in on_server
    assert ("session", "connected") in on_server and ("session", "disconnected") in on_server


def test_only_an_administrator_learns_the_identity_of_a_session(
    disk: str, server: Machine, client: Machine
) -> None:
    """Without keys, whoever knows it can take the session over."""
    identity = client.dst.show("disk")["session"]
    assert "session" not in client.run("ls", "/sys/block/dst-disk/dst").out.split()
    (session,) = server.dst.json("sessions")
    assert session["id"] == identity
    watch = {m: m.spawn(TOOL, "--json", "events") for m in (server, client)}
    for machine in watch:
        machine.wait("netlink.subscribed", what="dstctl listens")

    def told(machine: Machine, who: tuple[str, ...], *words: str) -> dict[str, Any]:
        text = machine.run(*who, TOOL, "--json", *words).out
        assert identity not in text and identity.replace("-", "") not in text
        shown = json.loads(text)
        return shown[0] if isinstance(shown, list) else shown

    for who in UNPRIVILEGED, ("unshare", "--user", "--map-root-user"):
        shown = told(client, who, "show", "disk")
        assert shown["session"] is None and shown["epoch"] == 1, shown
        listed = told(client, who, "list")
        assert listed["session"] is None and listed["name"] == "disk", listed
        session = told(server, who, "sessions")
        assert session["id"] is None and session["export"] == "disk", session
    server.run("ss", "-tK", f"sport = :{PORT}")
    client.dst.wait_state("disk", "connected", epoch=2)
    assert client.dst.show("disk")["session"] == identity
    # Everybody may listen.
    for machine, process in watch.items():
        text = process.poll().out
        process.kill()
        assert '"connected"' in text and identity not in text, (machine, text)
