# SPDX-License-Identifier: GPL-2.0
"""Generic netlink by hand: messages that need not be right, and what the kernel answers."""

import dataclasses
import socket
import struct

NETLINK_GENERIC = 16
SOL_NETLINK = 270
NETLINK_EXT_ACK = 11
GENL_ID_CTRL = 16
CTRL_CMD_GETFAMILY = 3
CTRL_ATTR_FAMILY_ID = 1
CTRL_ATTR_FAMILY_NAME = 2
NLM_F_REQUEST = 1
NLM_F_ACK = 4
NLM_F_DUMP = 0x300
NLM_F_CAPPED = 0x100
NLM_F_ACK_TLVS = 0x200
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSGERR_ATTR_MSG = 1
NLA_F_NESTED = 0x8000

_HEADER = struct.Struct("=IHHII")
_GENERIC = struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")


def attribute(number: int, value: bytes, length: int | None = None) -> bytes:
    """One attribute, padded; it may lie about its length."""
    said = _ATTRIBUTE.size + len(value) if length is None else length
    return _ATTRIBUTE.pack(said & 0xFFFF, number) + value + bytes(-len(value) % 4)


def attributes(data: bytes) -> list[tuple[int, bytes]]:
    """All attributes of what the kernel has sent, which has to be right."""
    found = []
    while data:
        length, number = _ATTRIBUTE.unpack_from(data)
        assert _ATTRIBUTE.size <= length <= len(data), data.hex()
        found.append((number & 0x3FFF, data[_ATTRIBUTE.size : length]))
        data = data[(length + 3) & ~3 :]
    return found


@dataclasses.dataclass
class Answer:
    """All that the kernel has answered to a message."""

    # 0, or the number of the error.
    error: int
    # The sentence of the extended acknowledgement.
    text: str
    # The attributes of each message before the end.
    parts: list[list[tuple[int, bytes]]]


class Family:
    """A socket that speaks to one family."""

    def __init__(self, name: str, timeout: float) -> None:
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.settimeout(timeout)
        self.sequence = 0
        self.number = GENL_ID_CTRL
        wanted = attribute(CTRL_ATTR_FAMILY_NAME, name.encode() + b"\0")
        found = dict(self.ask(CTRL_CMD_GETFAMILY, wanted).parts[0])
        self.number = struct.unpack("=H", found[CTRL_ATTR_FAMILY_ID])[0]

    def ask(self, command: int, body: bytes, flags: int = NLM_F_ACK, version: int = 1) -> Answer:
        """Send a message and wait for the end of its answer."""
        self.sequence += 1
        payload = _GENERIC.pack(command, version, 0) + body
        self.sock.send(
            _HEADER.pack(
                _HEADER.size + len(payload), self.number, flags | NLM_F_REQUEST, self.sequence, 0
            )
            + payload
        )
        parts: list[list[tuple[int, bytes]]] = []
        while True:
            data = self.sock.recv(1 << 20)
            while data:
                length, kind, answer_flags, sequence, _ = _HEADER.unpack_from(data)
                message, data = data[_HEADER.size : length], data[(length + 3) & ~3 :]
                assert sequence == self.sequence, f"an answer to message {sequence}"
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    return self._end(kind, answer_flags, message, parts)
                parts.append(attributes(message[_GENERIC.size :]))

    @staticmethod
    def _end(kind: int, flags: int, message: bytes, parts: list[list[tuple[int, bytes]]]) -> Answer:
        error = -struct.unpack_from("=i", message)[0]
        rest = message[4:]
        if kind == NLMSG_ERROR:
            # The request, or only its header, is repeated.
            size = struct.unpack_from("=I", rest)[0]
            rest = rest[_HEADER.size if flags & NLM_F_CAPPED else (size + 3) & ~3 :]
        said = dict(attributes(rest)) if flags & NLM_F_ACK_TLVS else {}
        return Answer(error, said.get(NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode(), parts)
