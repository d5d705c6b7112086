# SPDX-License-Identifier: GPL-2.0
"""The kernel's server under insiders that come out of a seed, beside an honest client."""

import time

from lab.bed import Bed
from lab.dst import PORT
from lab.fuzz import Fuzz
from lab.noise import Identity
from lab.pool import Spec

SIZE = 64 << 20
# What has to have happened, or nothing was tried.
WANTED = (
    *("shaken", "joined", "settled", "ghost", "trespass"),
    *("do_ping", "do_beyond", "do_rekey", "do_damage", "do_stop", "do_other"),
    *("answer 0x90 0", "answer 0x91 0", "answer 0x91 5"),
)


def test_insiders_out_of_a_seed(bed: Bed, fuzz: Fuzz) -> None:
    """The honest one is served, nothing is written that nobody could, and nothing stays behind."""
    (server,) = bed.machines(Spec("server", disks=(SIZE,)))
    keys = {n: Identity.generate() for n in ("server", "honest", "writer", "reader", "stranger")}
    server.dst.set_key(keys["server"])
    rights = {"honest": "rw", "writer": "rw", "reader": "ro"}
    allowed = [w for n, may in rights.items() for w in ("--allow-key", f"{keys[n].text}:{may}")]
    options = ("--shared-writers", "--keepalive", "10m", "--window", "256")
    for part in fuzz.parts():
        server.disks[0].erase()
        server.dst.export("disk", server.disk(0), *allowed, *options, allow=())
        lines, begin = len(server.console().splitlines()), time.monotonic()
        report = server.call(
            "sealed_fuzz.run",
            part.seconds + 120,
            seed=part.seed,
            seconds=part.seconds,
            most=part.most(1000),
            port=PORT,
            patience=30 * server.flavour.slowness,
            keys={name: key.private.hex() for name, key in keys.items()},
            disk=server.disk(0),
        )
        fuzz.tell(part, report["sent"], report["outcomes"])
        assert not report["wrong"], report["wrong"]
        # The driver's are two in a second, and ten at once; the kernel may say something, too.
        said = len(server.console().splitlines()) - lines
        assert said <= 30 + 2 * (time.monotonic() - begin), f"{said} lines in the log"
        # All of them have hung up, and nothing is kept for any of them.
        server.wait("walls.holds", 30, connections=0, unwelcomed=0, sessions=0, pages=0)
        shown = server.dst.show_export("disk")
        assert shown["connections"] == 0 and shown["counters"]["in_flight"] == 0, shown
        assert shown["counters"]["seal_errors"] > 0, shown
        assert shown["counters"]["protocol_errors"] > 0, shown
        server.dst.ctl("export", "del", "disk")
    missing = [wanted for wanted in WANTED if not fuzz.outcomes[wanted]]
    assert not missing, f"never: {missing}, but {fuzz.outcomes}"
