# SPDX-License-Identifier: GPL-2.0
"""Messages that nobody in his right mind would send to the control plane.

They are made from the specification, so that what is added to it is tried as well: right messages
with something wrong in some places. On kernels that tell what of their code was reached, messages
are kept that reached something new, and changed further. Everything comes out of a seed. All
addresses are those of this machine: what it exports, it attaches.
"""

import dataclasses
import errno
import random
import socket
import struct
import time
from typing import Any
from unicodedata import category

import yaml

from lab.guest import genetlink
from lab.guest.coverage import Coverage
from lab.guest.genetlink import Answer, Family, attribute

PORTS = range(7770, 7774)
NAMES = ("a", "b", "c-1", "d.e_f")
# Attributes that change by themselves.
VOLATILE = {
    "storage device", "state", "state-ms", "counters", "error", "connected", "peer", "epoch",
    "generation", "session", "major", "minor", "openers", "size", "granted", "protocol", "window",
    "keepalive", "sessions", "connections", "logical-block", "physical-block", "uuid", "draining",
}  # fmt: skip
# Errors of generic netlink itself come without a sentence.
SPEECHLESS = {errno.EOPNOTSUPP, errno.EPERM}
# Characters that control instead of being seen.
UNSEEN = ("Cc", "Cf", "Zl", "Zp")
KINDS = ("storage", "export")
# Attributes at most of a message that was made of others.
_PARTS = 100
IDENTITY = b"\x11" * 16
# What is in most messages.
USUAL = {
    "name", "device", "listen", "address", "uuid", "family", "prefix-len", "access", "threads",
    "timeout",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Message:
    """What is sent, and what it is in the specification."""

    operation: dict[str, Any]
    number: int
    flags: int
    version: int
    # Attributes, one by one; the last one may be none.
    parts: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """What it is called in outcomes."""
        return self.operation["name"]

    def __str__(self) -> str:
        body = b"".join(self.parts)
        flags = f"flags {self.flags:#x} version {self.version}"
        return f"{self.name} {self.number} {flags}: {body.hex()}"


class Fuzzer:
    """Sends, and judges the answers."""

    def __init__(self, seed: int, devices: list[str], patience: float) -> None:
        with open("/machine/dst.yaml", encoding="utf-8") as file:
            spec = yaml.safe_load(file)
        self.random = random.Random(seed)
        self.devices = devices
        self.consts = {d["name"]: d["value"] for d in spec["definitions"] if d["type"] == "const"}
        self.enums = {
            d["name"]: len(d["entries"]) for d in spec["definitions"] if d["type"] == "enum"
        }
        self.sets: dict[str, list[dict[str, Any]]] = {
            s["name"]: s["attributes"] for s in spec["attribute-sets"]
        }
        operations = spec["operations"]["list"]
        self.numbers = {op["name"]: number for number, op in enumerate(operations, 1)}
        self.operations = [op for op in operations if "do" in op or "dump" in op]
        self.family = Family("dst", patience)
        # What was tried, and how often it went how.
        self.outcomes: dict[str, int] = {}
        self.sent = 0
        self.last = ""
        self.coverage = Coverage()
        # Messages that reached something new.
        self.kept: list[Message] = []

    # Values.

    def bound(self, attr: dict[str, Any], which: str, default: int) -> int:
        """A limit of a value."""
        value = attr.get("checks", {}).get(which, default)
        return value if isinstance(value, int) else self.consts[value]

    def address(self) -> bytes:
        """An address of this machine, where somebody may listen."""
        port = struct.pack(">H", self.random.choice(PORTS))
        return self.random.choice(
            [
                struct.pack("=H", socket.AF_INET) + port + bytes([127, 0, 0, 1]) + bytes(8),
                struct.pack("=H", socket.AF_INET6) + port + bytes(4 + 15) + b"\1" + bytes(4),
                struct.pack("=H", socket.AF_UNIX) + b"/run/fuzz\0",
            ]
        )

    def good(self, attr: dict[str, Any]) -> bytes:
        """A value that makes sense."""
        name, kind = attr["name"], attr["type"]
        if name in ("address", "listen", "peer") and attr.get("multi-attr"):
            return self.address()
        if name == "device":
            return self.random.choice(self.devices).encode() + b"\0"
        if name == "digest":
            return self.random.choice([b"crc32c\0", b"sha256\0", b"md5\0"])
        if name == "family":
            return struct.pack("=I", socket.AF_INET)
        if name == "prefix-len":
            return bytes([8])
        if name == "address":
            return bytes([127, 0, 0, 0])
        if name == "timeout":
            return struct.pack("=I", self.random.choice([0, 1, 30]))
        if name == "threads":
            return struct.pack("=I", self.random.randint(1, 4))
        if kind == "string":
            return self.random.choice(NAMES).encode() + b"\0"
        if kind == "nest":
            return b"".join(self.parts(attr["nested-attributes"], None, 0))
        if kind == "flag":
            return b""
        if kind == "binary":
            return IDENTITY
        if "enum" in attr:
            return struct.pack("=I", self.random.randint(1, self.enums[attr["enum"]]))
        if kind == "u8":
            return bytes([self.random.randrange(256)])
        low, high = self.bound(attr, "min", 0), self.bound(attr, "max", 1000)
        number = self.random.choice([low, high, self.random.randint(low, high)])
        return struct.pack("=I", number)

    def bad(self, attr: dict[str, Any]) -> bytes:
        """A value that may make no sense."""
        dice = self.random
        if attr["name"] == "timeout":
            # Nobody waits for an hour here.
            return dice.choice([struct.pack("=I", 3600001), b"", b"\1", bytes(5)])
        if attr["type"] in ("u32", "u8", "uint") and dice.random() < 0.5:
            low, high = self.bound(attr, "min", 0), self.bound(attr, "max", 0xFFFFFFFF)
            edge = dice.choice([low - 1, low, high, high + 1, 0, 0x7FFFFFFF, 0xFFFFFFFF])
            return struct.pack("=I", edge & 0xFFFFFFFF)
        if attr["type"] == "string" and dice.random() < 0.5:
            most = self.bound(attr, "max-len", 64)
            long = "x" * most
            text = dice.choice([long, long + "x", "", "../a", "a\nb\x1b[2J", "-x", "é", "a b"])
            return text.encode() + dice.choice([b"\0", b"\0", b"", b"\0\0", b"\0y"])
        if attr["type"] == "nest" and dice.random() < 0.7:
            return b"".join(self.parts(attr["nested-attributes"], None, 2))
        value = bytearray(
            dice.randbytes(dice.choice([0, 1, 2, 4, 7, 8, 16, 17, 28, 110, 128, 129]))
        )
        if attr["name"] in ("address", "listen") and len(value) > 1:
            # Whatever family it is, it leads nowhere else.
            here = self.address()
            value[: len(here)] = here[: len(value)]
            if dice.random() < 0.5:
                value[0:2] = struct.pack("=H", dice.choice([0, 3, 16, 0xFFFF]))
        return bytes(value)

    # Messages.

    def one(self, attr: dict[str, Any], number: int, wrong: bool) -> bytes:
        """One attribute."""
        dice = self.random
        if attr["type"] == "nest" and not (wrong and dice.random() < 0.2):
            number |= genetlink.NLA_F_NESTED
        value = self.bad(attr) if wrong else self.good(attr)
        if wrong and dice.random() < 0.05:
            number ^= dice.choice([0x8000, 0x4000, 0x40])
        length = None
        if wrong and dice.random() < 0.05:
            length = dice.choice([0, 1, 3, 4, len(value) + 5, 0xFFFF])
        return attribute(number, value, length)

    def parts(self, name: str, usual: list[str] | None, wrongs: int) -> list[bytes]:
        """Attributes of a set: mostly the usual ones, some of them wrong."""
        dice = self.random
        known = list(enumerate(self.sets[name], 1))
        chosen = [
            (number, attr)
            for number, attr in known
            if (usual is None or attr["name"] in usual)
            and (attr["name"] in USUAL or dice.random() < 0.3)
        ]
        for _ in range(wrongs):
            action = dice.randrange(4)
            if action == 0 and chosen:
                chosen.pop(dice.randrange(len(chosen)))
            elif action == 1:
                chosen.append(dice.choice(known))
            elif action == 2 and chosen:
                chosen.append(dice.choice(chosen))
            else:
                dice.shuffle(chosen)
        spoiled = {dice.randrange(max(len(chosen), 1)) for _ in range(wrongs)}
        parts = [self.one(attr, number, n in spoiled) for n, (number, attr) in enumerate(chosen)]
        if wrongs and dice.random() < 0.1:
            parts.append(dice.randbytes(dice.randrange(24)))
        return parts

    def fresh(self) -> Message:
        """A message that has nothing to do with others."""
        dice = self.random
        operation = dice.choice(self.operations)
        number, flags, version = self.numbers[operation["name"]], genetlink.NLM_F_ACK, 1
        if "do" not in operation or "dump" in operation and dice.random() < 0.3:
            flags |= genetlink.NLM_F_DUMP
        usual = operation.get("do", operation.get("dump")).get("request", {}).get("attributes", [])
        wrongs = dice.choice([0, 0, 0, 1, 1, 2, 5])
        parts = self.parts(operation["attribute-set"], usual, wrongs)
        if dice.random() < 0.02:
            number, operation = dice.randrange(256), operation | {"name": "unknown"}
        if dice.random() < 0.02:
            version = dice.randrange(256)
        if dice.random() < 0.02:
            flags ^= 1 << dice.randrange(5, 16)
        return Message(operation, number, flags, version, tuple(parts))

    def changed(self, message: Message) -> Message:
        """A message that was of use, with some of its parts others."""
        dice = self.random
        parts = list(message.parts)
        known = list(enumerate(self.sets[message.operation["attribute-set"]], 1))
        for _ in range(dice.choice([1, 1, 2, 4])):
            number, attr = dice.choice(known)
            place = dice.randrange(len(parts) + 1)
            action = dice.randrange(4)
            if action == 0:
                del parts[place : place + 1]
            elif action == 1:
                parts[place : place + dice.randrange(2)] = [
                    self.one(attr, number, dice.random() < 0.5)
                ]
            elif action == 2:
                parts[place:place] = parts[place : place + 1]
            else:
                other = dice.choice(self.kept)
                parts[place:place] = other.parts[dice.randrange(len(other.parts) + 1) :]
        return dataclasses.replace(message, parts=tuple(parts[:_PARTS]))

    def step(self) -> None:
        """One message, judged."""
        guided = self.kept and self.random.random() < 0.5
        message = self.changed(self.random.choice(self.kept)) if guided else self.fresh()
        name, body = message.name, b"".join(message.parts)
        adding = name.endswith(("-add", "-set", "-migrate"))
        adding = adding and message.operation["attribute-set"] in KINDS
        before = self.objects() if adding else None
        self.last = str(message)
        with self.coverage.watching():
            answer = self.family.ask(message.number, body, message.flags, message.version)
        self.sent += 1
        if self.coverage.news:
            self.kept.append(message)
        self.judge(name, answer)
        if before is not None and answer.error:
            after = self.objects()
            assert after == before, f"refused, but it is not as before:\n{before}\n{after}"

    def judge(self, name: str, answer: Answer) -> None:
        """What is true of every answer."""
        verdict = errno.errorcode.get(answer.error, str(answer.error)) if answer.error else "ok"
        self.outcomes[f"{name} {verdict}"] = self.outcomes.get(f"{name} {verdict}", 0) + 1
        assert answer.error == 0 or answer.error in errno.errorcode, "no number of an error"
        for character in answer.text:
            assert category(character) not in UNSEEN, f"control characters: {answer.text!r}"
        if answer.error and answer.error not in SPEECHLESS and name != "unknown":
            assert len(answer.text) > 5, f"no reason is given for {verdict}"

    # Objects.

    def objects(self) -> dict[str, list[tuple[str, bytes]]]:
        """All storages and exports with what was set."""
        found = {}
        for kind in KINDS:
            names = dict(enumerate((attr["name"] for attr in self.sets[kind]), 1))
            answer = self.family.ask(
                self.numbers[f"{kind}-get"], b"", genetlink.NLM_F_ACK | genetlink.NLM_F_DUMP
            )
            assert answer.error == 0, answer
            for part in answer.parts:
                title = next(value for number, value in part if names[number] == "name")
                found[f"{kind} {title.rstrip(bytes(1)).decode()}"] = [
                    (names[number], value)
                    for number, value in part
                    # The device of a storage comes and goes.
                    if names[number] not in VOLATILE and f"{kind} {names[number]}" not in VOLATILE
                ]
        return found

    def clear(self) -> None:
        """Take all away, storages first."""
        for title in sorted(self.objects(), reverse=True):
            kind, _, name = title.partition(" ")
            numbers = {attr["name"]: n for n, attr in enumerate(self.sets[kind], 1)}
            body = attribute(numbers["name"], name.encode() + b"\0")
            body += attribute(numbers["force"], b"")
            answer = self.family.ask(self.numbers[f"{kind}-del"], body)
            assert answer.error in (0, errno.ENOENT), f"{title} cannot be removed: {answer}"
        assert self.objects() == {}, "something stays"


def run(
    seed: int, seconds: float, most: int, devices: list[str], patience: float
) -> dict[str, Any]:
    """Send messages for so long, or so many; what was tried and what went wrong, if anything."""
    fuzzer = Fuzzer(seed, devices, patience)
    deadline = time.monotonic() + seconds
    wrong = ""
    try:
        while fuzzer.sent < most and time.monotonic() < deadline:
            fuzzer.step()
            if fuzzer.sent % 200 == 0:
                fuzzer.clear()
        fuzzer.last = "the end"
        fuzzer.clear()
    except Exception as error:  # the scenario is told all of it
        wrong = (
            f"seed {seed}, message {fuzzer.sent}: {type(error).__name__}: {error}\n{fuzzer.last}"
        )
    return {
        "sent": fuzzer.sent,
        "outcomes": fuzzer.outcomes,
        "wrong": wrong,
        "places": len(fuzzer.coverage.reached) if fuzzer.coverage.possible else None,
    }
