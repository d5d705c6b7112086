# SPDX-License-Identifier: GPL-2.0
#
# Builds the driver (dst.ko) and its tool (dstctl) for a kernel that is
# already there; `make help` says what else can be done. Inside a kernel tree
# this file is not used: there, drivers/block/dst has all that Kbuild needs.

# The kernel to build for.
KVER ?= $(shell uname -r)
PREFIX ?= /usr/local
CARGO ?= cargo

# In the order of preference: what the user says; to install, the kernel that
# the module was built for; the build directory of the kernel if it can compile
# Rust; a tree made by `make kernel-tree`: by oneself, by root, or by whom sudo is
# run for. The compiled kernel crate is what tells.
kdir-of-build := .kdir
ifndef KDIR
ifeq ($(MAKECMDGOALS)$(filter command line,$(origin KVER)),install)
KDIR := $(file <$(kdir-of-build))
endif
endif
ifndef KDIR
sudo-home := $(if $(SUDO_USER),$(shell getent passwd $(SUDO_USER) | cut -d : -f 6))
kernel-trees := $(shell LLVM=$(LLVM) scripts/kernel-tree --kernel $(KVER) --print) \
	$(patsubst %,%/dst/kernel-tree/$(KVER)$(if $(LLVM),-llvm),/var/cache $(sudo-home:%=%/.cache))
KDIR := $(firstword $(foreach tree,/lib/modules/$(KVER)/build $(kernel-trees),\
	$(patsubst %/rust/libkernel.rmeta,%,$(wildcard $(tree)/rust/libkernel.rmeta))))
endif

# The compiler that the kernel was configured with, unless told otherwise.
ifeq ($(origin CC)$(LLVM),default)
kernel-cc := $(shell sed -nE 's/^CONFIG_CC_VERSION_TEXT="([^ ]+) .*/\1/p' $(KDIR)/.config 2>/dev/null)
kernel-cc := $(if $(kernel-cc),$(shell command -v $(kernel-cc) 2>/dev/null))
endif

kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR) $(if $(kernel-cc),CC=$(kernel-cc))
dstctl := tools/target/release/dstctl
kernel-release = $(file <$(KDIR)/include/config/kernel.release)
bindir = $(DESTDIR)$(PREFIX)/sbin
docdir = $(DESTDIR)$(PREFIX)/share/doc/dst

.PHONY: all
all: module dstctl

.PHONY: module
module: check-kdir
	+$(kbuild) modules
	@echo "$(abspath $(KDIR))" >$(kdir-of-build)

.PHONY: dstctl
dstctl:
	@command -v $(CARGO) >/dev/null || { \
		echo "dstctl needs Cargo 1.85 or newer: apt install cargo (or make CARGO=/path/of/cargo)" >&2; \
		exit 1; }
	$(CARGO) build --release --locked --manifest-path tools/Cargo.toml --package dstctl

.PHONY: check-kdir
check-kdir:
	@if [ -z "$(KDIR)" ]; then \
		echo "No build directory of kernel $(KVER) can compile Rust modules:" >&2; \
		if [ -e /lib/modules/$(KVER)/build/.config ]; then \
			echo "/lib/modules/$(KVER)/build has headers, but not the kernel crate." >&2; \
		else \
			echo "/lib/modules/$(KVER)/build is not there (package linux-headers-$(KVER))." >&2; \
		fi; \
		echo "On Debian, 'make kernel-tree' prepares a tree from the kernel's source package;" >&2; \
		echo "elsewhere, name one with KDIR=, or another kernel with KVER=. No tree is in" >&2; \
		printf '  %s\n' $(sort $(kernel-trees)) >&2; \
		exit 1; \
	fi
	@if [ ! -e "$(KDIR)/rust/libkernel.rmeta" ]; then \
		echo "$(KDIR) has no compiled kernel crate (rust/libkernel.rmeta):" >&2; \
		echo "it needs CONFIG_RUST=y and 'make modules_prepare', or use 'make kernel-tree'." >&2; \
		exit 1; \
	fi

.PHONY: check-built
check-built:
	@for file in drivers/block/dst/dst.ko $(dstctl); do \
		[ -e $$file ] || { echo "$$file is not built yet: run make first" >&2; exit 1; }; \
	done
	@if [ -e "$(KDIR)/include/config/kernel.release" ] && \
			! grep -aqF "vermagic=$(kernel-release) " drivers/block/dst/dst.ko; then \
		echo "dst.ko was built for another kernel than $(kernel-release): run make first" >&2; \
		exit 1; \
	fi

.PHONY: kernel-tree
kernel-tree:
	LLVM=$(LLVM) scripts/kernel-tree --kernel $(KVER)

# The signature of a module is at its end. To strip the module cuts that off.
signature = $(shell tail -c 28 drivers/block/dst/dst.ko | grep -a 'Module signature')

# Installs what was built, and builds nothing: this part is run as root. What
# debuggers want stays in the module that is here: it is most of it. A module that
# was signed by hand is installed as it is; the key that signs the distribution's
# modules is not here. Kbuild runs depmod only for trees with a System.map; we do
# always, but not for what goes into a package.
.PHONY: install
install: check-built check-kdir
	+$(kbuild) modules_install DEPMOD=true $(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR)) \
		$(if $(signature),,INSTALL_MOD_STRIP=1) \
		$(if $(signature),CONFIG_MODULE_SIG_ALL=,$(if $(wildcard $(KDIR)/certs/signing_key.pem),,CONFIG_MODULE_SIG_ALL=))
	$(if $(DESTDIR),,depmod $(kernel-release))
	install -D -m 755 $(dstctl) $(bindir)/dstctl
	install -D -m 644 -t $(docdir) README.md COPYING
	@find Documentation -type f | while read -r file; do \
		install -D -m 644 "$$file" "$(docdir)/$$file" || exit; \
	done
	install -D -m 644 include/uapi/linux/dst.h $(DESTDIR)$(PREFIX)/include/linux/dst.h
	@completions=$(DESTDIR)$(PREFIX)/share/bash-completion/completions; \
	if $(dstctl) completions bash >/dev/null 2>&1; then \
		install -d $$completions; \
		$(dstctl) completions bash >$$completions/dstctl; \
	fi

# Kbuild's own clean would need the kernel, and looks into every directory here.
.PHONY: clean
clean:
	find drivers -type f \( -name '*.o' -o -name '*.a' -o -name '*.ko' -o -name '*.mod' \
		-o -name '*.mod.c' -o -name '*.rmeta' -o -name '*.i' -o -name '*.s' -o -name '.*.cmd' \
		-o -name '.*.d' -o -name modules.order -o -name '*_generated.rs' \) -delete
	rm -f modules.order Module.symvers .*.cmd .module-common.o $(kdir-of-build)
	rm -rf .tmp_versions tools/target tools/fuzz/target

# --- With the lab: nothing of the running system is needed ----------------

# What each of these needs is prepared first; that takes a while, once.
.PHONY: demo shell
demo shell:
	scripts/lab/prepare build guest
	scripts/lab/build stock
	tools/testing/run $@

.PHONY: check
check:
	scripts/check/run

.PHONY: check-host
check-host:
	scripts/check/run host

.PHONY: check-style
check-style:
	scripts/check/run style

.PHONY: check-llvm
check-llvm:
	scripts/check/run llvm

# All scenarios, and not only those that are worth their time on an emulated machine: takes hours.
.PHONY: check-stock
check-stock:
	scripts/lab/prepare build guest
	scripts/lab/build stock
	tools/testing/run check-qemu --all --numprocesses=2 --dist=worksteal $(OPTIONS)

.PHONY: check-debug
check-debug:
	scripts/lab/prepare build guest uml-lockdep uml-kasan
	scripts/lab/build uml-lockdep uml-kasan
	tools/testing/run check-debug

# ON=qemu measures on the stock kernel, REPORT=1 writes Documentation/block/dst/performance.rst;
# OPTIONS are those of the program.
ON ?= uml
.PHONY: bench bench-quick
bench bench-quick:
	scripts/lab/prepare build guest $(filter uml,$(ON))
	scripts/lab/build $(if $(filter qemu,$(ON)),stock,$(ON))
	tools/testing/run bench --on $(ON) $(if $(filter bench-quick,$@),--quick) \
		$(if $(REPORT),--report) $(OPTIONS)

# The parts of the protocol on the host; OPTIONS are those of criterion: a part of a name, say.
.PHONY: bench-parts
bench-parts:
	scripts/lab/prepare build
	scripts/lab/build-dstctl bench --package dst-bench -- $(OPTIONS)

.PHONY: count
count:
	scripts/lab/prepare build guest
	scripts/lab/build stock
	tools/testing/run count $(OPTIONS)

# SEED=s.r is round r of seed s, alone; OPTIONS are those of the program.
ROUNDS ?= 100
SEED ?= 1
.PHONY: soak
soak:
	scripts/lab/prepare build guest uml
	scripts/lab/build uml
	tools/testing/run soak --rounds $(ROUNDS) --seed $(SEED) $(OPTIONS)

.PHONY: recovery
recovery:
	scripts/lab/prepare build guest uml
	scripts/lab/build uml
	tools/testing/run recovery

# OPTIONS=--list says which there are, OPTIONS='-k flush' takes some of them.
.PHONY: check-mutants
check-mutants:
	scripts/lab/prepare build guest uml
	scripts/lab/build uml
	tools/testing/run check-mutants $(OPTIONS)

# OPTIONS are those of pytest: -k join, say.
.PHONY: attacks
attacks:
	scripts/lab/prepare build guest uml
	scripts/lab/build uml
	tools/testing/run attacks $(OPTIONS)

# One target or, without, all on the host; see tools/fuzz/README.md.
.PHONY: fuzz
fuzz:
	scripts/lab/prepare build
	tools/fuzz/run $(if $(SECONDS),--seconds $(SECONDS)) $(TARGET)

.PHONY: help
help:
	@echo 'For the kernel of this machine (KVER=$(KVER)):'
	@echo '  make              build dst.ko and dstctl (also: module, dstctl)'
	@echo '  make kernel-tree  on Debian: prepare what a Rust module needs and headers lack'
	@echo '  make install      install both, as root (PREFIX=$(PREFIX), DESTDIR=)'
	@echo '  make clean        remove what was built'
	@echo '  Variables: KDIR= (kernel tree), LLVM=1, W=1, CLIPPY=1, CARGO='
	@echo
	@echo 'In machines of its own, as root on Debian 12 or 13:'
	@echo '  make demo         two machines, a disk between them, and what it does'
	@echo '  make shell        the same two machines, and a prompt'
	@echo '  make check        all tests (parts: check-host, check-style)'
	@echo '  make check-llvm   that the module builds with LLVM=1; some minutes, the first time'
	@echo '  make check-stock  all scenarios on the stock kernel; takes hours'
	@echo '  make check-debug  the scenarios under kernels that check themselves'
	@echo '  make check-mutants'
	@echo '                    that scenarios fail with a driver that lacks what they are about;'
	@echo '                    OPTIONS=--list says which drivers that are'
	@echo '  make bench        numbers, side by side with nvme-tcp and nbd; REPORT=1 writes them'
	@echo '                    into Documentation, ON=qemu takes the stock kernel'
	@echo '  make bench-quick  fewer of them, in a few minutes'
	@echo '  make bench-parts  the parts of the protocol on the host, by criterion'
	@echo '  make count        instructions of each request, beside nvme-tcp;'
	@echo '                    OPTIONS=--check compares them with those that are known'
	@echo '  make recovery     for how long I/O stands still when something breaks'
	@echo '  make attacks      what hostile peers and networks try, and what comes of it'
	@echo '  make fuzz         the protocol, fuzzed on the host; SECONDS=n for each target,'
	@echo '                    TARGET=name for one of tools/fuzz/README.md'
	@echo '  make soak         random faults over disks whose every sector is judged;'
	@echo '                    ROUNDS=n SEED=s, or SEED=s.r for round r of seed s alone'
	@echo '  Variables: DST_LAB= (cache), DST_KERNEL= (release); see scripts/lab/prepare'
