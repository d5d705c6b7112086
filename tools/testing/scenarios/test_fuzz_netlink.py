# SPDX-License-Identifier: GPL-2.0
"""The control plane under messages made from its specification, with something wrong in them."""

from lab.fuzz import Fuzz
from lab.machine import Machine


def test_messages_that_make_no_sense(server: Machine, fuzz: Fuzz) -> None:
    """Each is answered with success or a sentence, and a refusal changes nothing."""
    devices = [server.disk(0), server.disk(0), "/dev/null", "/nowhere", "/run", "relative"]
    for part in fuzz.parts():
        report = server.call(
            "netlink_fuzz.run",
            part.seconds + 120,
            seed=part.seed,
            seconds=part.seconds,
            most=part.most(3000),
            devices=devices,
            patience=60 * server.flavour.slowness,
        )
        fuzz.tell(part, report["sent"], report["outcomes"])
        print(f"seed {part.seed}: {report['places']} places of the kernel were reached")
        assert not report["wrong"], report["wrong"]
        assert server.dst.json("list") == [] and server.dst.json("export", "list") == []
        if server.flavour.name == "uml-kasan":
            # This kernel tells what was reached, and the fuzzer goes by it.
            assert report["places"] > 1000
    # Something has come through.
    for wanted in "storage-add ok", "export-add ok", "pool-set ok", "export-add EINVAL":
        assert fuzz.outcomes[wanted], f"not once {wanted}: {fuzz.outcomes}"
