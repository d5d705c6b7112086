# SPDX-License-Identifier: GPL-2.0
"""Predicates about what waits in TCP sockets."""

import subprocess
import time


def waiting(port: int) -> dict[str, dict[str, int]]:
    """Bytes that wait at both ends of connections to a port, by the address of the client.

    They were "unread" by the client, or are "unsent" by the server, or on their way.
    """
    found: dict[str, dict[str, int]] = {}
    for end, who, queue, what in (("sport", 3, 1, "unsent"), ("dport", 2, 0, "unread")):
        command = ["ss", "-Htn", "state", "established", f"{end} = :{port}"]
        text = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
        for words in map(str.split, text.splitlines()):
            client = words[who].replace("[::ffff:", "").replace("]", "")
            found.setdefault(client, {})[what] = int(words[queue])
    return found


def blocked(port: int, seconds: float) -> dict[str, dict[str, int]]:
    """Connections over which a server has sent nothing for some time, which this takes."""

    def unsent() -> dict[str, dict[str, int]]:
        return {who: queues for who, queues in waiting(port).items() if queues.get("unsent")}

    before = unsent()
    time.sleep(seconds)
    return before if unsent() == before else {}
