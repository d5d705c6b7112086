# SPDX-License-Identifier: GPL-2.0
"""Where the prepared lab keeps kernels, roots and builds."""

import dataclasses
import functools
import json
import pathlib
import subprocess

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
SCRIPTS = CHECKOUT / "scripts" / "lab"


@dataclasses.dataclass(frozen=True)
class Lab:
    """Paths, as scripts/lab/env prints them."""

    cache: pathlib.Path
    kernel: str
    guest: pathlib.Path
    guest_image: pathlib.Path
    vmlinuz: pathlib.Path
    initramfs: pathlib.Path
    tree: pathlib.Path
    uml: dict[str, pathlib.Path]
    modules: dict[str, pathlib.Path]
    dstctl: pathlib.Path
    build: pathlib.Path


@functools.cache
def lab() -> Lab:
    """The lab of this checkout."""
    answer = subprocess.run(
        [SCRIPTS / "env", "--json"], stdout=subprocess.PIPE, check=True, text=True
    )
    fields = json.loads(answer.stdout)

    def path(name: str) -> pathlib.Path:
        return pathlib.Path(fields[name])

    return Lab(
        cache=path("lab"),
        kernel=fields["kernel"],
        guest=path("guest"),
        guest_image=path("guest_image"),
        vmlinuz=path("vmlinuz"),
        initramfs=path("initramfs"),
        tree=path("tree"),
        uml={
            "uml": path("uml") / "linux",
            "uml-lockdep": path("uml_lockdep") / "linux",
            "uml-kasan": path("uml_kasan") / "linux",
        },
        modules={
            "qemu": path("dst_ko"),
            "uml": path("dst_ko_uml"),
            "uml-lockdep": path("dst_ko_uml_lockdep"),
            "uml-kasan": path("dst_ko_uml_kasan"),
        },
        dstctl=path("dstctl"),
        build=path("build"),
    )
