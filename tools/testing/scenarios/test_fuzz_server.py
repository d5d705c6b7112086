# SPDX-License-Identifier: GPL-2.0
"""The kernel's server under clients that come out of a seed, beside an honest one."""

from lab.dst import PORT
from lab.fuzz import Fuzz
from lab.machine import Machine


def test_clients_out_of_a_seed(server: Machine, fuzz: Fuzz) -> None:
    """The honest one is served, nobody else's write is seen, and nothing stays behind."""
    options = ("--shared-writers", "--keepalive", "10m", "--window", "256")
    server.dst.export("disk", server.disk(0), *options, allow=("127.0.0.0/8:rw",))
    for part in fuzz.parts():
        report = server.call(
            "server_fuzz.run",
            part.seconds + 120,
            seed=part.seed,
            seconds=part.seconds,
            most=part.most(3000),
            port=PORT,
            patience=30 * server.flavour.slowness,
        )
        fuzz.tell(part, report["sent"], report["outcomes"])
        assert not report["wrong"], report["wrong"]
        # All of them have hung up.
        server.wait("control.export_shows", 30, name="disk", field="sessions", value=0)
        shown = server.dst.show_export("disk")
        assert shown["connections"] == 0 and shown["counters"]["in_flight"] == 0, shown
        assert server.dst.json("sessions") == []
    # Something has come through, and something was refused.
    for wanted in "ghost", "trespass", "answer 0x81 0", "answer 0x90 0", "answer 0x91 0":
        assert fuzz.outcomes[wanted], f"not once {wanted}: {fuzz.outcomes}"
    assert fuzz.outcomes["answer 0x91 5"], f"nobody was denied anything: {fuzz.outcomes}"
