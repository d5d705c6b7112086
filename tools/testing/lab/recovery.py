# SPDX-License-Identifier: GPL-2.0
"""How long I/O stands still when something breaks, beside nvme-tcp.

Two machines, a disk of the one on the other, a writer of single blocks. What is
printed is the longest time between two of them. A silent connection is one whose
packets are dropped, while a new one could be made at once; for a reboot the time
counts from the power failure, and how much of it was the boot is printed, too.
Both have the same keepalive, and nvme-tcp the shortest delay before it connects
again that it can be given; it is also shown as it is when nothing is said.
"""

import argparse
import json
import pathlib
import statistics
import time
from collections.abc import Callable

from lab import stage
from lab.bench.peers import NQN
from lab.dst import PORT
from lab.flavour import FLAVOURS
from lab.machine import Machine
from lab.pool import Pool, Spec
from lab.show import say, step, title

KEEPALIVE = 2
NVME_PORT = 4420
UUID = "5f7f6f0e-0000-4000-8000-000000000001"
# Blocks after which I/O flows again.
BEATS = 20
PATIENCE = 180


class Dst:
    """DST on both ends."""

    name = "DST"
    port = PORT
    path = "/dev/dst-disk"

    def serve(self, server: Machine) -> None:
        """Export the disk, on a machine that has just booted."""
        if not server.dst.loaded:
            server.dst.load()
        server.dst.export("disk", server.disk(0), "--uuid", UUID, "--keepalive", f"{KEEPALIVE}s")

    def withdraw(self, server: Machine) -> None:
        """Export it no more, whoever uses it."""
        server.dst.ctl("export", "del", "disk", "--force")

    def attach(self, server: Machine, client: Machine) -> None:
        """Make it a disk of the client."""
        client.dst.load()
        client.dst.attach("disk", server)

    def detach(self, client: Machine) -> None:
        """The reverse."""
        client.dst.ctl("del", "disk", "--force")
        client.dst.unload()


class Nvme:
    """nvme-tcp and nvmet."""

    port = NVME_PORT
    path = "/dev/nvme0n1"

    def __init__(self, name: str, options: str) -> None:
        self.name = name
        self.options = options

    def serve(self, server: Machine) -> None:
        """Export the disk, on a machine that has just booted."""
        server.sh(f"""
            cd /sys/kernel/config/nvmet
            if ! [ -d subsystems/{NQN} ]; then
                mkdir -p subsystems/{NQN}/namespaces/1 ports/1
                echo 1 > subsystems/{NQN}/attr_allow_any_host
                echo {server.disk(0)} > subsystems/{NQN}/namespaces/1/device_path
                echo {UUID} > subsystems/{NQN}/namespaces/1/device_uuid
                echo 1 > subsystems/{NQN}/namespaces/1/enable
                cd ports/1
                echo ipv4 > addr_adrfam; echo tcp > addr_trtype
                echo {server.address()} > addr_traddr; echo {NVME_PORT} > addr_trsvcid
                cd ../..
            fi
            ln -s /sys/kernel/config/nvmet/subsystems/{NQN} ports/1/subsystems/
        """)

    def withdraw(self, server: Machine) -> None:
        """Export it no more, whoever uses it."""
        server.sh(f"rm /sys/kernel/config/nvmet/ports/1/subsystems/{NQN}")

    def attach(self, server: Machine, client: Machine) -> None:
        """Make it a disk of the client, which never gives up."""
        client.sh(
            f"nvme connect -t tcp -a {server.address()} -s {NVME_PORT} -n {NQN}"
            f" --hostnqn={NQN}.host --hostid={UUID} --ctrl-loss-tmo=-1 {self.options}"
        )
        client.wait("files.is_block_device", path=self.path)

    def detach(self, client: Machine) -> None:
        """The reverse."""
        client.run("nvme", "disconnect", "-n", NQN, check=False)


Peer = Dst | Nvme
PEERS: list[Peer] = [
    Dst(),
    Nvme("nvme-tcp", f"--keep-alive-tmo={KEEPALIVE} --reconnect-delay=1"),
    Nvme("nvme-tcp, as it comes", ""),
]


def reset(peer: Peer, server: Machine, client: Machine) -> None:
    """Reset the connections."""
    server.run("ss", "-tK", "state", "established", f"sport = :{peer.port}")


def silence(peer: Peer, server: Machine, client: Machine) -> None:
    """Drop the packets of the connections that there are."""
    client.sh(f"""
        nft add table inet silence
        nft add chain inet silence out '{{ type filter hook output priority 0; }}'
        nft add chain inet silence in '{{ type filter hook input priority 0; }}'
        for port in $(ss -tnH state established "dport = :{peer.port}" \\
                | awk '{{print $3}}' | sed 's/.*://'); do
            nft add rule inet silence out tcp sport $port drop
            nft add rule inet silence in tcp dport $port drop
        done
    """)


def withdraw(peer: Peer, server: Machine, client: Machine) -> None:
    """Export it no more, and again."""
    peer.withdraw(server)
    peer.serve(server)


def reboot(peer: Peer, server: Machine, client: Machine) -> None:
    """Power failure of the server, which boots again at once."""
    begin = time.monotonic()
    server.kill()
    server.boot()
    peer.serve(server)
    say(f"      (the server was back after {time.monotonic() - begin:.1f} s)")


Event = Callable[[Peer, Machine, Machine], None]
EVENTS: dict[str, Event] = {
    "connections reset": reset,
    "connections silent": silence,
    "export withdrawn": withdraw,
    "server rebooted": reboot,
}


def measure(peer: Peer, event: Event, server: Machine, client: Machine) -> float:
    """For how long I/O stood still, in seconds; infinite if it failed."""
    path = peer.path
    client.wait("pulse.reached", 60, path=path, beats=client.call("pulse.forget", path=path) + 100)
    client.call("pulse.forget", path=path)
    event(peer, server, client)
    beats = client.call("pulse.beats", path=path)
    client.wait("pulse.reached", PATIENCE, path=path, beats=beats + BEATS)
    seconds, error = client.call("pulse.longest", path=path)
    client.run("nft", "flush", "ruleset")
    return float("inf") if error else seconds


def main(run_dir: pathlib.Path, arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="recovery", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("recovery.json"))
    options = parser.parse_args(arguments)
    stage.fill(run_dir / "stage", ["uml"])
    pool = Pool(run_dir, run_dir / "stage")
    kind = FLAVOURS["uml"]
    samples: dict[str, dict[str, list[float]]] = {event: {} for event in EVENTS}
    title(f"{options.rounds} times each, keepalive {KEEPALIVE} s, medians in seconds")
    try:
        for peer in PEERS:
            server = pool.take(kind, Spec("server", disks=(64 << 20,)))
            client = pool.take(kind, Spec("client"))
            for machine in server, client:
                machine.wait_up()
            peer.serve(server)
            peer.attach(server, client)
            client.call("pulse.start", path=peer.path)
            for name, event in EVENTS.items():
                with step(f"{peer.name}: {name}"):
                    samples[name][peer.name] = [
                        measure(peer, event, server, client) for _ in range(options.rounds)
                    ]
            client.call("pulse.stop", path=peer.path)
            peer.detach(client)
            for machine in server, client:
                pool.discard(machine)
    finally:
        pool.close()
    medians = {
        name: {peer: statistics.median(values) for peer, values in row.items()}
        for name, row in samples.items()
    }
    say()
    say(f"{'':22}" + "".join(f"{peer.name:>24}" for peer in PEERS))
    for name, row in medians.items():
        say(f"{name:22}" + "".join(f"{row[peer.name]:24.2f}" for peer in PEERS))
    say()
    say(" ".join((__doc__ or "").split("\n\n", 1)[1].split()))
    report = {"keepalive": KEEPALIVE, "medians": medians, "samples": samples}
    options.output.write_text(json.dumps(report, indent=2) + "\n")
    say(f"\nwritten to {options.output}")
    return 0
