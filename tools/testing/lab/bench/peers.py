# SPDX-License-Identifier: GPL-2.0
"""Who is compared: what serves a disk, and what attaches it.

Each is told what to do by a few lines for a shell, which the report shows as they
are. Client and server are in one machine and talk over its loopback interface.
"""

import contextlib
import dataclasses
from collections.abc import Iterator

from lab.dst import PORT, TOOL
from lab.machine import Machine

NQN = "nqn.2026-11.org.example:bench"
NVMET = "/sys/kernel/config/nvmet"
NVME_PORT = 4420
NBD_PORT = 10809
ADDRESS = "127.0.0.1"
# Connections of peers that have to be told: one for each processor, which is what
# nvme-tcp takes by itself.
CONNECTIONS = 2


@dataclasses.dataclass(frozen=True)
class Share:
    """A disk that is served, under a name."""

    name: str = "bench"
    disk: str = "/dev/bench"

    @classmethod
    def number(cls, number: int) -> "Share":
        """One of many."""
        return cls(f"bench{number}", f"/dev/bench{number}")


class Peer:
    """One way to get at a disk; this one is the disk itself."""

    name = "raw"

    def prepare(self) -> str:
        """What is done once, before anything is served."""
        return ""

    def many(self) -> str:
        """What is needed besides for very many of them."""
        return ""

    def serve(self, share: Share, shared: bool = False) -> str:
        """Serve a disk, to several clients or to one."""
        return ""

    def attach(self, share: Share, client: int = 0, connections: int = 0) -> str:
        """Attach it as one of its clients, with as many connections as is usual or as said."""
        return ""

    def detach(self, share: Share, client: int = 0) -> str:
        """The reverse of attach()."""
        return ""

    def withdraw(self, share: Share) -> str:
        """The reverse of serve()."""
        return ""

    def finish(self) -> str:
        """The reverse of prepare()."""
        return ""

    def device(self, machine: Machine, share: Share, client: int = 0) -> str:
        """Path of what was attached, as soon as it is usable."""
        return share.disk

    @contextlib.contextmanager
    def up(self, machine: Machine, share: Share) -> Iterator[str]:
        """The disk while it is attached: its path."""
        sh(machine, self.prepare(), self.serve(share), self.attach(share))
        try:
            yield self.device(machine, share)
        finally:
            sh(machine, self.detach(share), self.withdraw(share), self.finish())

    def commands(self) -> list[str]:
        """What is typed to get there."""
        share = Share()
        text = "\n".join((self.prepare(), self.serve(share), self.attach(share)))
        return [line.strip() for line in text.replace(TOOL, "dstctl").splitlines() if line.strip()]


class Dst(Peer):
    """DST on both ends, with or without a digest."""

    def __init__(self, name: str, options: str = "") -> None:
        self.name = name
        self.options = options
        self.rights = f"--allow {ADDRESS}/32:rw"

    def prepare(self) -> str:
        """Load the module."""
        return "modprobe dst"

    def many(self) -> str:
        """All clients have one address here."""
        return (
            f"{TOOL} server set --connections-per-source 2048 --sessions-per-source 1024"
            " --pages 4000000 --pages-per-source 4000000"
        )

    def serve(self, share: Share, shared: bool = False) -> str:
        """Export the disk."""
        return (
            f"{TOOL} export add {share.name} {share.disk} --listen {ADDRESS}:{PORT}"
            f" {self.rights}{' --shared-writers' * shared}"
        )

    def attach(self, share: Share, client: int = 0, connections: int = 0) -> str:
        """Add a storage."""
        name = self._storage(share, client)
        export = f" --export {share.name}" if client else ""
        number = f" --connections {connections}" if connections else ""
        return f"{TOOL} add {name} {ADDRESS}{export}{number} {self.options}".rstrip()

    def detach(self, share: Share, client: int = 0) -> str:
        """Delete it."""
        return f"{TOOL} del {self._storage(share, client)}"

    def withdraw(self, share: Share) -> str:
        """Delete the export."""
        return f"{TOOL} export del {share.name}"

    def finish(self) -> str:
        """Unload the module."""
        return "rmmod dst"

    def device(self, machine: Machine, share: Share, client: int = 0) -> str:
        """The device has the name of the storage."""
        path = f"/dev/dst-{self._storage(share, client)}"
        machine.wait("files.is_block_device", path=path)
        return path

    @staticmethod
    def _storage(share: Share, client: int) -> str:
        """Several clients of an export have storages of different names."""
        return f"{share.name}-{client}" if client else share.name


class Sealed(Dst):
    """DST with keys."""

    SERVER, CLIENT = "/run/bench-server.key", "/run/bench-client.key"

    def __init__(self, name: str, suite: str, options: str = "") -> None:
        public = f'"$({TOOL} key public {self.SERVER})"'
        keys = f"--suite {suite} --key {self.CLIENT} --server-key {public}"
        super().__init__(name, f"{keys} {options}".rstrip())
        self.rights = f'--allow-key "$({TOOL} key public {self.CLIENT})":rw'

    def prepare(self) -> str:
        """Give both sides keys."""
        return f"""{super().prepare()}
            {TOOL} key generate --out {self.SERVER}
            {TOOL} key generate --out {self.CLIENT}
            {TOOL} server set --key {self.SERVER}
        """

    def finish(self) -> str:
        """Forget them."""
        return f"{super().finish()}; rm {self.SERVER} {self.CLIENT}"


class NvmeTcp(Peer):
    """nvme-tcp on nvmet, both of the kernel, with or without digests."""

    def __init__(self, name: str, options: str = "") -> None:
        self.name = name
        self.options = options

    def prepare(self) -> str:
        """A port that subsystems can be put on."""
        return f"""
            cd {NVMET}
            mkdir -p ports/1
            echo ipv4 > ports/1/addr_adrfam
            echo tcp > ports/1/addr_trtype
            echo {ADDRESS} > ports/1/addr_traddr
            echo {NVME_PORT} > ports/1/addr_trsvcid
        """

    def serve(self, share: Share, shared: bool = False) -> str:
        """A subsystem with one namespace."""
        subsystem = f"subsystems/{self._nqn(share)}"
        return f"""
            cd {NVMET}
            mkdir {subsystem} {subsystem}/namespaces/1
            echo 1 > {subsystem}/attr_allow_any_host
            echo {share.disk} > {subsystem}/namespaces/1/device_path
            echo 1 > {subsystem}/namespaces/1/enable
            ln -s {NVMET}/{subsystem} ports/1/subsystems/
        """

    def attach(self, share: Share, client: int = 0, connections: int = 0) -> str:
        """Connect."""
        number = f" --nr-io-queues={connections}" if connections else ""
        return (
            f"nvme connect -t tcp -a {ADDRESS} -s {NVME_PORT} -n {self._nqn(share)}"
            f" --hostnqn={NQN}.host{client}"
            f" --hostid=00000000-0000-0000-0000-{client + 1:012}"
            f"{number} {self.options}"
        ).rstrip()

    def detach(self, share: Share, client: int = 0) -> str:
        """Disconnect, all clients at once."""
        return "" if client else f"nvme disconnect -n {self._nqn(share)}"

    def withdraw(self, share: Share) -> str:
        """Take the subsystem away."""
        subsystem = f"subsystems/{self._nqn(share)}"
        return f"""
            cd {NVMET}
            rm ports/1/{subsystem}
            echo 0 > {subsystem}/namespaces/1/enable
            rmdir {subsystem}/namespaces/1 {subsystem}
        """

    def finish(self) -> str:
        """Take the port away."""
        return f"rmdir {NVMET}/ports/1"

    def device(self, machine: Machine, share: Share, client: int = 0) -> str:
        """Whatever the kernel calls it."""
        return machine.wait("bench.nvme_device", 30, subsystem=self._nqn(share))

    @staticmethod
    def _nqn(share: Share) -> str:
        """Name of the subsystem."""
        return f"{NQN}.{share.name}"


class NvmeTls(NvmeTcp):
    """nvme-tcp through TLS of the kernel, with a preshared key."""

    PID_FILE = "/run/bench-tlshd.pid"

    def prepare(self) -> str:
        """A port that wants TLS, and the daemon that makes its handshakes."""
        return f"""{super().prepare()}
            echo tls1.3 > ports/1/addr_tsas
            echo required > ports/1/addr_treq
            tlshd >/dev/null 2>&1 & echo $! > {self.PID_FILE}
        """

    def serve(self, share: Share, shared: bool = False) -> str:
        """The key is one of this host and this subsystem."""
        return f"""{super().serve(share, shared)}
            nvme gen-tls-key --insert --hmac=2 --identity=1 \\
                --hostnqn={NQN}.host0 --subsysnqn={self._nqn(share)} >/dev/null
        """

    def finish(self) -> str:
        """End the daemon as well."""
        return f"""{super().finish()}
            pid=$(cat {self.PID_FILE})
            kill $pid; tail --pid=$pid --follow /dev/null
            rm {self.PID_FILE}
        """


class Nbd(Peer):
    """The kernel's nbd on nbdkit."""

    name = "nbd"
    PID_FILE = "/run/bench-nbdkit.pid"

    def serve(self, share: Share, shared: bool = False) -> str:
        """A server for the disk."""
        return (
            f"nbdkit --ipaddr={ADDRESS} --port={NBD_PORT} --threads=16"
            f" --pidfile={self.PID_FILE} file {share.disk}"
        )

    def attach(self, share: Share, client: int = 0, connections: int = 0) -> str:
        """As many connections as there are processors."""
        return (
            f"nbd-client {ADDRESS} {NBD_PORT} /dev/nbd0"
            f" -connections {connections or CONNECTIONS} -block-size 4096"
        )

    def detach(self, share: Share, client: int = 0) -> str:
        """Disconnect."""
        return "nbd-client -d /dev/nbd0"

    def withdraw(self, share: Share) -> str:
        """End the server, and wait for its end: the next one needs the port."""
        return f"""
            pid=$(cat {self.PID_FILE})
            kill $pid; tail --pid=$pid --follow /dev/null
            rm -f {self.PID_FILE}
        """

    def device(self, machine: Machine, share: Share, client: int = 0) -> str:
        """It was named by us."""
        return "/dev/nbd0"


RAW = Peer()
DST = Dst("dst")
NVME_TCP = NvmeTcp("nvme-tcp")

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        RAW,
        DST,
        NVME_TCP,
        Nbd(),
        Dst("dst-crc32c", "--digest crc32c"),
        NvmeTcp("nvme-tcp-crc32c", "--hdr-digest --data-digest"),
        Sealed("dst-chacha20", "chacha20-poly1305"),
        Sealed("dst-aes256", "aes-256-gcm"),
        NvmeTls("nvme-tcp-tls", "--tls"),
        # What the usual number of connections is compared with.
        Dst("dst-1-connection", "--connections 1"),
        Dst("dst-4-connections", "--connections 4"),
        Sealed("dst-chacha20-1-connection", "chacha20-poly1305", "--connections 1"),
    )
}
# Those that only are measured when they are named.
SPECIAL = tuple(name for name in PEERS if "-connection" in name)


def sh(machine: Machine, *scripts: str) -> None:
    """Run what a peer says, where the module is the one that was built for the machine."""
    for script in scripts:
        if "modprobe dst" in script:
            machine.dst.load()
            script = script.replace("modprobe dst", "")
        if script.strip():
            machine.sh(script, timeout=60 + 2 * script.count("\n"))


def make_disk(machine: Machine, size_mib: int, share: Share | None = None) -> None:
    """A disk with two queues and no cost of its own to speak of: it keeps nothing.

    If it did, its driver would have to be allowed to wait, and whoever takes that into account,
    as DST does, would be measured with a thread that no usual disk needs.
    """
    share = share or Share()
    machine.sh(
        f"""
        mkdir /sys/kernel/config/nullb/{share.name}; cd /sys/kernel/config/nullb/{share.name}
        echo {size_mib} > size; echo 4096 > blocksize
        echo 2 > submit_queues; echo 0 > irqmode; echo 1 > power
        test -b {share.disk}
    """,
        timeout=120,
    )


def remove_disk(machine: Machine, share: Share) -> None:
    """The reverse."""
    machine.sh(f"cd /sys/kernel/config/nullb; echo 0 > {share.name}/power; rmdir {share.name}")
