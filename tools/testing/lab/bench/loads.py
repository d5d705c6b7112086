# SPDX-License-Identifier: GPL-2.0
"""What is asked of the disks."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Load:
    """One kind of load: a job of fio."""

    name: str
    rw: str
    # Bytes of a request, or a range of them.
    block: str
    depth: int
    jobs: int = 1
    # Requests that are handed to the kernel at a time, if there is room for so many.
    batch: int = 1
    # Whether requests count, or bytes.
    bytes: bool = False
    # Round-trip time of the network.
    milliseconds: int = 0

    @property
    def unit(self) -> str:
        """What its results are in."""
        return "MiB/s" if self.bytes else "IOPS"

    @property
    def mixed(self) -> bool:
        """Whether it reads and writes."""
        return self.rw == "randrw"

    def command(self, device: str, seconds: float, warm: float) -> list[str]:
        """What to run."""
        blocks = f"--bsrange={self.block}" if "-" in self.block else f"--bs={self.block}"
        return [
            "fio",
            f"--name={self.name}",
            f"--filename={device}",
            "--ioengine=libaio",
            "--direct=1",
            f"--rw={self.rw}",
            *(["--rwmixread=70", "--blockalign=4k"] if self.mixed else []),
            blocks,
            f"--iodepth={self.depth}",
            *self._batches(),
            f"--numjobs={self.jobs}",
            # To ask the kernel for the time is a system call on some kernels.
            "--clocksource=cpu",
            "--group_reporting",
            "--norandommap",
            "--randseed=1",
            "--time_based",
            f"--runtime={seconds:g}",
            f"--ramp_time={warm:g}",
            "--disk_util=0",
            "--output-format=json",
        ]

    def _batches(self) -> list[str]:
        """How requests are handed over, and taken back as soon as there are any."""
        if self.batch == 1:
            return []
        return [
            f"--iodepth_batch_submit={self.batch}",
            "--iodepth_batch_complete_min=1",
            f"--iodepth_batch_complete_max={self.depth}",
        ]


def _small(depth: int, jobs: int = 1, batch: int = 1) -> list[Load]:
    """4 KiB at random places."""
    how = f"-j{jobs}" * (jobs > 1) + f"-b{batch}" * (batch > 1)
    return [
        Load(f"rand{rw}-4k-qd{depth}{how}", f"rand{rw}", "4k", depth, jobs, batch)
        for rw in ("read", "write")
    ]


def _large(block: str) -> list[Load]:
    """One request behind the other."""
    return [Load(f"{rw}-{block}-qd8", rw, block, 8, bytes=True) for rw in ("read", "write")]


MIX = Load("mix-20ms-qd64", "randrw", "4k-64k", 64, milliseconds=20)

LOADS: dict[str, Load] = {
    load.name: load
    for load in (
        *_small(1),
        *_small(32),
        *_small(32, batch=8),
        *_small(32, 4),
        *_large("128k"),
        *_large("1m"),
        MIX,
    )
}

# What does without emulation in minutes, and what emulation does in an hour.
QUICK = [
    "randread-4k-qd1",
    "randwrite-4k-qd1",
    "randread-4k-qd32",
    "randread-4k-qd32-b8",
    "randwrite-4k-qd32-b8",
    "read-1m-qd8",
    "write-1m-qd8",
    "mix-20ms-qd64",
]
EMULATED = [name for name in QUICK if name != MIX.name]
