# SPDX-License-Identifier: GPL-2.0
"""The kinds of kernels that tests run on."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Flavour:
    """One kind of kernel."""

    name: str
    # Factor on every deadline: a kernel that checks itself is not late.
    slowness: float
    cpus: int
    # Extra words for the kernel's command line.
    arguments: tuple[str, ...] = ()
    # Whether /proc/lockdep_stats, kmemleak... are there and have to be clean.
    debug: bool = False
    # Kernels that check themselves spend most of their time per packet.
    mtu: int = 1500

    @property
    def stock(self) -> bool:
        """The distribution's own kernel, in QEMU."""
        return self.name == "qemu"


FLAVOURS = {
    flavour.name: flavour
    for flavour in (
        Flavour("uml", 1, 2, ("seccomp=on",)),
        Flavour("uml-lockdep", 5, 2, ("seccomp=on",), debug=True, mtu=30000),
        Flavour("uml-kasan", 6, 2, ("seccomp=on",), debug=True, mtu=30000),
        Flavour("qemu", 4, 2),
    )
}
