# SPDX-License-Identifier: GPL-2.0
"""What DST is for, shown on two machines with the distribution's own kernel."""

import pathlib
import sys
import threading
import time

from lab import env, stage
from lab.flavour import FLAVOURS
from lab.machine import Machine
from lab.network import Switchboard
from lab.pool import GIB, Pool, Spec
from lab.qemu import accelerator
from lab.show import say, step, title, type_in

# Files of all sizes, with links: the machine's own libraries.
TREE = "/usr/lib/*-linux-gnu /etc"
AT_LEAST = 100  # MB

# One line for all contents, one for all links. BLAKE2 because it is quick where
# the processor is emulated.
DIGEST = (
    "cd {0} && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 b2sum | b2sum;"
    " find . -type l -printf '%p %l\\n' | LC_ALL=C sort | b2sum"
)

HOME = """\
To do the same at home, with two Debian machines, type on both as root

  # apt install -t trixie-backports linux-image-amd64 linux-headers-amd64  (and boot it)
  # make kernel-tree
  # make
  # make install
  # modprobe dst

and then

  server# dstctl export add storage /dev/vdb --listen [::]:7770 --allow 10.0.0.0/24:rw
  client# dstctl add storage server:7770
  client# mkfs.ext4 /dev/dst-storage && mount /dev/dst-storage /mnt

"dstctl show storage" tells its state, "umount /mnt && dstctl del storage" ends it.
"make shell" puts you into two machines like these.
"""


class Lab:
    """The two machines."""

    def __init__(self, run_dir: pathlib.Path) -> None:
        self.pool = Pool(run_dir, run_dir / "stage")
        self.board: Switchboard = self.pool.board
        self.server: Machine
        self.client: Machine

    def boot(self) -> None:
        """Power both on, load the module in both."""
        stage.fill(self.pool.stage, ["qemu"])
        kind = "KVM" if "kvm" in accelerator(env.lab().vmlinuz) else "emulation, so be patient"
        with step(f"booting two virtual machines with Debian's kernel ({kind})"):
            flavour = FLAVOURS["qemu"]
            self.server = self.pool.take(flavour, Spec("server", disks=(2 * GIB,)))
            self.client = self.pool.take(flavour, Spec("client"))
            self.server.name, self.client.name = "server", "client"
            for machine in self.server, self.client:
                machine.wait_up()
        with step("loading the module in both"):
            for machine in self.server, self.client:
                machine.dst.load()
                machine.sh("ln -s /machine/bin/dstctl /usr/local/bin/dstctl")
                machine.run("modprobe", "ext4", check=False)

    def connect(self) -> None:
        """The two commands."""
        type_in(self.server, "uname -r; lsblk -dno NAME,SIZE /dev/vdb")
        type_in(
            self.server,
            "dstctl export add storage /dev/vdb --listen [::]:7770 --allow 10.77.0.0/24:rw",
        )
        type_in(self.client, f"dstctl add storage {self.server.address()}:7770")
        self.client.wait("files.is_block_device", path="/dev/dst-storage")

    def close(self) -> None:
        """Power both off."""
        self.pool.close()


def copy(lab: Lab, target: str) -> None:
    """Copy the tree."""
    lab.client.sh(f"mkdir {target}; cp -a {TREE} {target}/; sync -f {target}", timeout=900)


def interrupted_copy(lab: Lab, target: str) -> None:
    """The same, with no network for some seconds in its middle."""
    client = lab.client
    failure: list[BaseException] = []

    def work() -> None:
        try:
            copy(lab, target)
        except BaseException as error:
            failure.append(error)

    worker = threading.Thread(target=work)
    before = client.call("stat.stat", device="dst-storage")[6]
    worker.start()
    client.wait(
        "stat.written_at_least", 120, device="dst-storage", sectors=before + (20 << 20) // 512
    )

    def must_run(when: str) -> None:
        if not worker.is_alive() and not failure:
            raise SystemExit(f"the copy was complete before the network was {when}")

    begin = time.monotonic()
    with lab.board.cut(lab.server, client):
        must_run("cut")
        say("      the network is cut, the copy is running")
        client.dst.wait_state("storage", "reconnecting", 60)
        type_in(client, "dstctl list")
        must_run("back")
    say(f"      the network is back after {time.monotonic() - begin:.0f} s, and the copy goes on")
    worker.join()
    if failure:
        raise failure[0]


def show(lab: Lab) -> None:
    """The story, step by step."""
    title("1. Two machines with the distribution's unmodified kernel")
    lab.boot()
    title("2. Two commands")
    lab.connect()
    title("3. A disk like any other")
    client = lab.client
    type_in(client, "lsblk -o NAME,SIZE,RO,TYPE /dev/dst-storage; dstctl list")
    type_in(
        client,
        "mkfs.ext4 -q /dev/dst-storage; mkdir -p /mnt/storage; mount /dev/dst-storage /mnt/storage",
    )
    size = int(client.sh(f"du -smc {TREE} | tail -n 1").split()[0])
    say(f"      to be copied: {size} MB")
    if size < AT_LEAST:
        raise SystemExit(f"that is not enough to see anything: {AT_LEAST} MB are wanted")
    with step("copying a directory tree"):
        copy(lab, "/mnt/storage/first")
    with step("unmounting, dropping caches, mounting again"):
        client.sh(
            "umount /mnt/storage; echo 3 > /proc/sys/vm/drop_caches;"
            " mount /dev/dst-storage /mnt/storage"
        )
    with step("comparing every file by its hash"):
        client.sh(
            f"mkdir -p /mnt/source; for d in {TREE}; do mkdir -p /mnt/source/${{d##*/}};"
            " mount --bind $d /mnt/source/${d##*/}; done"
        )
        source = client.sh(DIGEST.format("/mnt/source"), timeout=900)
        if client.sh(DIGEST.format("/mnt/storage/first"), timeout=900) != source:
            raise SystemExit("the copy differs from the original")
    title("4. The network fails in the middle of a copy")
    with step("copying again"):
        interrupted_copy(lab, "/mnt/storage/second")
    with step("comparing every file by its hash, caches dropped"):
        client.sh("echo 3 > /proc/sys/vm/drop_caches")
        if client.sh(DIGEST.format("/mnt/storage/second"), timeout=900) != source:
            raise SystemExit("the copy differs from the original")
    type_in(client, "dstctl show storage")
    with step("unmounting and checking the file system"):
        client.sh("umount /mnt/storage; fsck.ext4 -fn /dev/dst-storage", timeout=120)
    for machine in lab.server, lab.client:
        if complaints := machine.complaints():
            raise SystemExit(f"{machine.name}'s kernel complains:\n{complaints[0]}")
    say()
    title("Both copies are intact, and no program saw an error.")
    say()
    say(HOME)


def main(run_dir: pathlib.Path) -> int:
    """The whole demonstration."""
    lab = Lab(run_dir)
    try:
        show(lab)
    except Exception as error:
        print(f"the demonstration failed: {error}\nlogs: {run_dir}", file=sys.stderr)
        return 1
    finally:
        lab.close()
    return 0
