# SPDX-License-Identifier: GPL-2.0
"""DST beside its neighbours, in one run, on one machine.

Client and server of each are one kernel, which talks to itself over its loopback
interface, on a disk that keeps nothing. All that is compared takes its turn in every round.
So the numbers compare the work that each does per request, not networks and not
disks. In User Mode Linux, system calls and switches between processes cost more than
on hardware, and nbdkit, which is a program and not a part of the kernel, looks worse
than it is; in an emulated machine everything costs more. Ratios mean something there,
absolute numbers do not.
"""

import argparse
import json
import os
import pathlib
from typing import Any

from lab import stage
from lab.bench import growth, loads, measure, peers, report, results
from lab.bench.facts import BUSY, facts
from lab.bench.peers import PEERS
from lab.bench.results import Samples
from lab.flavour import FLAVOURS
from lab.machine import Machine
from lab.pool import Pool, Spec
from lab.show import say, step, title

# Of a disk that may have to be filled by an emulated processor, it is less.
DISK_MIB = {"uml": 512, "qemu": 128}
GROWING = ("dst", "nvme-tcp")
QUICK_PEERS = ("raw", "dst", "nvme-tcp", "nbd")
# Where the report belongs.
DOCUMENTATION = pathlib.Path("Documentation/block/dst")


def debug_kernel(machine: Machine) -> bool:
    """Whether the kernel checks itself, which makes every number worthless."""
    traces = "/proc/lockdep_stats", "/sys/kernel/debug/kmemleak", "/sys/kernel/debug/failslab"
    return any(machine.call("files.exists", path=path) for path in traces)


def chosen(text: str, known: Any, what: str) -> list[str]:
    """A list with commas between its words, all of which are known."""
    words = [word for word in text.split(",") if word]
    for word in words:
        if word not in known:
            raise argparse.ArgumentTypeError(f"no {what} {word}; there are {', '.join(known)}")
    return words


def options_of(arguments: list[str]) -> argparse.Namespace:
    """What the user wants, with all that he did not say."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, help="how often everybody has a turn (5)")
    parser.add_argument("--seconds", type=float, help="of each measurement (3)")
    parser.add_argument("--warm", type=float, default=1, help="seconds before it")
    parser.add_argument("--on", choices=("uml", "qemu"), default="uml", help="which kernel")
    parser.add_argument(
        "--peers", type=lambda text: chosen(text, PEERS, "peer"), help="which, with commas"
    )
    parser.add_argument(
        "--works", type=lambda text: chosen(text, loads.LOADS, "work"), help="which, with commas"
    )
    parser.add_argument(
        "--growth", action=argparse.BooleanOptionalAction, help="many storages, many clients"
    )
    parser.add_argument("--quick", action="store_true", help="few rounds, works and peers")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("bench.json"))
    parser.add_argument(
        "--report",
        type=pathlib.Path,
        nargs="?",
        const=DOCUMENTATION,
        metavar="DIRECTORY",
        help=f"also write performance.rst and its charts ({DOCUMENTATION})",
    )
    parser.add_argument(
        "--from",
        type=pathlib.Path,
        dest="source",
        metavar="BENCH.JSON",
        help="measure nothing: a report on what was measured then",
    )
    options = parser.parse_args(arguments)
    emulated = options.on == "qemu"
    few = options.quick or emulated
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 3)
    usual = [name for name in PEERS if name not in peers.SPECIAL]
    options.peers = options.peers or list(QUICK_PEERS if few else usual)
    if options.works is None:
        names = loads.EMULATED if emulated else loads.QUICK if few else loads.LOADS
        options.works = list(names)
    if options.growth is None:
        options.growth = not few
    return options


def kernel(arguments: list[str]) -> str:
    """Which kernel has to be there."""
    return options_of(arguments).on


def all_rounds(machine: Machine, options: argparse.Namespace) -> Samples:
    """Everybody's turn in everything, round after round."""
    samples: Samples = {}
    wanted = [loads.LOADS[name] for name in options.works]
    length = options.seconds, options.warm
    if options.growth:
        growth.make_disks(machine, growth.STORAGES[-1])
    for number in range(options.rounds):
        for name in results.rotated(options.peers, number):
            peer = PEERS[name]
            with (
                step(f"round {number + 1}: {name}"),
                peer.up(machine, peers.Share()) as device,
            ):
                for load in wanted:
                    found = measure.measure(machine, device, load, *length)
                    results.add(samples, name, found)
        with step(f"round {number + 1}: one TCP stream"):
            results.add(samples, "tcp", measure.stream(machine, *length))
        if any(name.endswith(results.SEALED) for name in options.peers):
            with step(f"round {number + 1}: ciphers alone"):
                results.add(samples, "kernel", measure.ciphers(machine, *length))
        growing = [name for name in GROWING if options.growth and name in options.peers]
        for name in results.rotated(growing, number) if growing else []:
            with step(f"round {number + 1}: {name}, many of them"):
                results.add(samples, name, growth.measure(machine, PEERS[name], *length))
    return samples


def run(run_dir: pathlib.Path, options: argparse.Namespace) -> dict[str, Any] | None:
    """Measure; everything that is known afterwards."""
    flavour = FLAVOURS[options.on]
    load = os.getloadavg()[0]
    if load > BUSY:
        say(f"others work on this machine (load {load:.1f}): the numbers will be theirs as well")
    stage.fill(run_dir / "stage", [flavour.name])
    pool = Pool(run_dir, run_dir / "stage")
    try:
        machine = pool.take(flavour, Spec("bench", memory="3G"))
        machine.wait_up()
        if debug_kernel(machine):
            say("this kernel checks itself: numbers would mean nothing")
            return None
        if flavour.stock:
            machine.sh("""
                modprobe nvme_core multipath=N  # clients of one disk stay apart
                modprobe null_blk nr_devices=0; modprobe -a nvmet-tcp nvme-tcp nbd
                mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
            """)
        disk = DISK_MIB[flavour.name]
        peers.make_disk(machine, disk)
        title(f"{options.rounds} rounds of {options.seconds:g} s each, medians")
        known = facts(machine, flavour, options, disk, load)
        return {**known, **results.summary(all_rounds(machine, options))}
    finally:
        pool.close()


def main(run_dir: pathlib.Path, arguments: list[str]) -> int:
    """Measure, print, and write what came out."""
    options = options_of(arguments)
    if options.source:
        found = json.loads(options.source.read_text())
    else:
        found = run(run_dir, options)
        if found is None:
            return 1
        options.output.write_text(json.dumps(found, indent=2) + "\n")
    say()
    say(report.text(found))
    say()
    say(" ".join((__doc__ or "").split("\n\n", 1)[1].split()))
    if not options.source:
        say(f"\nwritten to {options.output}")
    if options.report:
        for path in report.write(options.report, found):
            say(f"written to {path}")
    return 0
