# SPDX-License-Identifier: GPL-2.0
"""Fixtures of the scenarios: kernels to run on, machines, finished set-ups."""

import json
import os
import pathlib
import time
from collections.abc import Iterator

import pytest

from lab import env, stage
from lab.bed import Bed
from lab.flavour import FLAVOURS, Flavour
from lab.fuzz import Fuzz
from lab.keyed import Keyed
from lab.machine import Machine
from lab.peer import Client
from lab.pool import Pool

FAILED = pytest.StashKey[bool]()
# What was attacked, and with which outcome, by the name of the scenario.
ATTACKS: dict[str, dict[str, str]] = {}
# Scenarios of which some part has failed.
UNSUCCESSFUL: set[str] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--flavour",
        action="append",
        choices=sorted(FLAVOURS),
        help="kernel to run on; may be repeated (default: uml)",
    )
    parser.addoption(
        "--long", action="store_true", help="also run what takes many minutes by its nature"
    )
    parser.addoption(
        "--brief", action="store_true", help="leave out what is thorough on the stock kernel"
    )
    parser.addoption(
        "--all", action="store_true", help="also run on the stock kernel what is not marked for it"
    )
    parser.addoption("--fuzz-seed", type=int, default=1, help="what the fuzzers begin with")
    parser.addoption(
        "--fuzz-seconds", type=float, default=0, help="how long each fuzzer runs (default: shortly)"
    )
    parser.addoption(
        "--run-dir",
        type=pathlib.Path,
        help="where logs and disks go (default: a new directory in the lab's cache)",
    )
    parser.addoption(
        "--module", type=pathlib.Path, help="what to test instead of the dst.ko of this checkout"
    )


def chosen(config: pytest.Config) -> list[str]:
    return config.getoption("--flavour") or ["uml"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "stock(thorough=False): also run on the distribution's kernel, in QEMU; what is thorough"
        " takes minutes there and is not run if --brief",
    )
    config.addinivalue_line(
        "markers", "built(reason): never run on the distribution's kernel, which lacks something"
    )
    config.addinivalue_line("markers", "long: only run when asked for, by --long")
    config.addinivalue_line("markers", "slow(reason): not run on kernels that check themselves")
    config.addinivalue_line("markers", "attack(what, outcome): listed by make attacks")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "flavour" in metafunc.fixturenames:
        metafunc.parametrize("flavour", chosen(metafunc.config), indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep only what a kernel is meant to run; group tests by kernel."""
    keep, drop = [], []
    for item in items:
        callspec = getattr(item, "callspec", None)
        name = callspec.params.get("flavour", "uml") if callspec else "uml"
        wanted = True
        if FLAVOURS[name].stock:
            stock = list(item.iter_markers("stock"))
            thorough = any(mark.kwargs.get("thorough") for mark in stock)
            wanted = bool(stock) and not (thorough and config.getoption("--brief"))
            wanted |= config.getoption("--all") and item.get_closest_marker("built") is None
        elif FLAVOURS[name].debug:
            wanted = item.get_closest_marker("slow") is None
        if item.get_closest_marker("long") is not None and not config.getoption("--long"):
            wanted = False
        (keep if wanted else drop).append(item)
    config.hook.pytest_deselected(items=drop)
    items[:] = keep


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call" and report.failed:
        item.stash[FAILED] = True
    return report


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Say in the report which attack it is: it may be written in another process."""
    if mark := item.get_closest_marker("attack"):
        what, outcome = mark.args
        if callspec := getattr(item, "callspec", None):
            variant = "-".join(callspec.id.split("-")[1:])
            what += f" ({variant})" if variant else ""
        item.user_properties.append(("attack", {"what": what, "outcome": outcome}))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect the attacks; one is repelled only if all of its scenario is well."""
    if attack := dict(report.user_properties).get("attack"):
        ATTACKS[report.nodeid] = attack
    if report.failed:
        UNSUCCESSFUL.add(report.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Leave the numbers where the caller of several runs can add them up."""
    directory = terminalreporter.config.getoption("--run-dir")
    if directory is not None:
        stats = terminalreporter.stats
        counts = {
            "passed": len(stats.get("passed", [])),
            "failed": len(stats.get("failed", [])) + len(stats.get("error", [])),
        }
        (directory / "counts.json").write_text(json.dumps(counts))
        attacks = [
            {**attack, "passed": name not in UNSUCCESSFUL} for name, attack in ATTACKS.items()
        ]
        (directory / "attacks.json").write_text(json.dumps(attacks))


@pytest.fixture(scope="session")
def run_dir(pytestconfig: pytest.Config) -> pathlib.Path:
    """Where this run keeps logs and disks; each process of pytest has its own."""
    path = pytestconfig.getoption("--run-dir")
    if path is None:
        path = env.lab().cache / "runs" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    path /= os.environ.get("PYTEST_XDIST_WORKER", "")
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(scope="session")
def pool(pytestconfig: pytest.Config, run_dir: pathlib.Path) -> Iterator[Pool]:
    """The machines of this run."""
    directory = run_dir / "stage"
    stage.fill(directory, chosen(pytestconfig), pytestconfig.getoption("--module"))
    machines = Pool(run_dir, directory)
    yield machines
    machines.close()


@pytest.fixture
def flavour(request: pytest.FixtureRequest) -> Flavour:
    """The kernel that a test runs on."""
    return FLAVOURS[request.param]


@pytest.fixture(scope="module")
def losses(pool: Pool) -> Iterator[None]:
    """Memory that a scenario of a file loses fails the last one of the file."""
    yield
    if problems := pool.losses():
        pytest.fail("\n".join(["by some scenario of this file:", *problems]), pytrace=False)


@pytest.fixture
def bed(
    request: pytest.FixtureRequest, pool: Pool, losses: None, flavour: Flavour
) -> Iterator[Bed]:
    """Machines on demand; afterwards they have to be clean."""
    machines = Bed(pool, flavour, request.node.nodeid)
    yield machines
    failed = request.node.stash.get(FAILED, False)
    problems = machines.finish(failed)
    names = "\n".join(str(machine.run_dir) for _, machine in machines.used)
    request.node.add_report_section("teardown", "logs", names)
    if failed:
        print("\n".join([*problems, "logs:", names]))
    elif problems:
        pytest.fail("\n".join([*problems, "logs:", names]), pytrace=False)


@pytest.fixture
def pair(bed: Bed) -> tuple[Machine, Machine]:
    """A server with a disk of 1 GiB and a client, the module loaded in both."""
    return bed.pair()


@pytest.fixture
def disk(pair: tuple[Machine, Machine]) -> str:
    """The server's disk, exported as "disk" and attached: the client's device."""
    server, client = pair
    server.dst.export("disk", server.disk(0))
    return client.dst.attach("disk", server)


@pytest.fixture
def server(pair: tuple[Machine, Machine]) -> Machine:
    """The server of the pair."""
    return pair[0]


@pytest.fixture
def client(pair: tuple[Machine, Machine]) -> Machine:
    """The client of the pair."""
    return pair[1]


@pytest.fixture
def honest(server: Machine) -> Iterator[Client]:
    """A well-behaved client that has to be served whatever others do."""
    # Its client sends nothing by itself: others take their time.
    options = ("--shared-writers", "--keepalive", "10m")
    server.dst.export("disk", server.disk(0), *options, allow=("127.0.0.0/8:rw",))
    client = Client(server)
    client.hello("disk")
    client.write(80, b"h" * 4096)
    yield client
    assert client.read(80, 8) == b"h" * 4096
    assert client.alive()
    client.close()
    # Whatever others did, nothing is kept for any of them.
    server.wait("walls.holds", 30, connections=0, unwelcomed=0, sessions=0, pages=0)
    assert server.dst.show_export("disk")["counters"]["in_flight"] == 0


@pytest.fixture
def keyed(server: Machine) -> Iterator[Keyed]:
    """A server with an export that has keys; its honest client is served to the end."""
    export = Keyed(server)
    yield export
    export.still_honest()
    export.honest.close()


@pytest.fixture
def fuzz(pytestconfig: pytest.Config) -> Fuzz:
    """How long a fuzzer runs and with which seeds."""
    return Fuzz(pytestconfig.getoption("--fuzz-seed"), pytestconfig.getoption("--fuzz-seconds"))
