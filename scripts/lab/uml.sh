# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# User Mode Linux builds of the kernel.
#
# Sourced by prepare and build-module.

# shellcheck disable=SC2034 # used by whoever sources this
UML_FLAVOURS=(uml uml-lockdep uml-kasan)

# Configuration fragments of flavour $1, in order.
uml_fragments() {
	printf '%s\n' "$LAB_SCRIPTS/uml.config"
	case $1 in
	uml-lockdep) printf '%s\n' "$LAB_SCRIPTS/debug-locks.config" ;;
	uml-kasan) printf '%s\n' "$LAB_SCRIPTS/kasan.config" ;;
	esac
}

# The code that runs in processes of User Mode Linux returns from signals. With a
# frame pointer on its stack, which clang puts there, it returns to nowhere.
STUB_FLAGS='-fno-PIC -fno-stack-protector -fomit-frame-pointer'

# What fuzzers of the control plane learn the coverage of: the checks of attributes, and the driver.
COVERED=(KCOV_INSTRUMENT_{nlattr,genetlink,dst_main,netlink_gen}.o=y)

# What make needs to build for flavour $1, kernel and modules alike.
uml_make_args() {
	case $1 in
	uml-kasan) printf '%s\n' ARCH=um LLVM=-19 "CFLAGS_stub.o=$STUB_FLAGS" "${COVERED[@]}" ;;
	*) printf '%s\n' ARCH=um CC=gcc-14 HOSTCC=gcc-14 ;;
	esac
}

# check_config CONFIG FRAGMENT...: every option of the fragments has to be in
# the configuration; a later fragment overrides an earlier one. Kconfig drops
# what it cannot have without a word, CONFIG_RUST among it.
check_config() {
	local config=$1 name value lost=0
	shift
	local -A wanted=()
	while IFS='=' read -r name value; do
		wanted[$name]=$value
	done < <(sed -nE 's/^# (CONFIG_[A-Z0-9_]+) is not set$/\1=n/p; /^CONFIG_/p' "$@")
	for name in "${!wanted[@]}"; do
		if [[ ${wanted[$name]} == n ]]; then
			if grep -q "^$name=" "$config"; then
				echo "configuration: $name is set, although it must not be"
				lost=1
			fi
		elif ! grep -qxF "$name=${wanted[$name]}" "$config"; then
			echo "configuration: $name=${wanted[$name]} was dropped"
			lost=1
		fi
	done
	return $lost
}

# The network driver of User Mode Linux takes these locks in process and in
# softirq context without disabling the latter. Lockdep reports that as soon as
# an interface comes up, and then switches itself off for good.
VECTOR_LOCKS='s/(spin_(un)?lock)(\(&vp->[rt]x_queue->head_lock\))/\1_bh\3/'

# What else has to be mended.
UML_PATCHES=("$LAB_SCRIPTS/uml-interrupts.patch" "$LAB_SCRIPTS/uml-ipi.patch")

# patch_uml DIRECTORY: has the files of the patches there be as the patches want them, whatever
# was done to them before. Those that are need not be compiled again.
patch_uml() {
	local dir=$1 new=$1.patched patch file
	local -a files
	mapfile -t files < <(sed -n 's,^+++ b/,,p' "${UML_PATCHES[@]}" | sort -u)

	rm -rf --one-file-system "$new"
	for file in "${files[@]}"; do
		install -D -m 644 "$KERNEL_DIR/source/$file" "$new/$file"
	done
	for patch in "${UML_PATCHES[@]}"; do
		in_build_root patch --directory "$new" --strip 1 --no-backup-if-mismatch --input "$patch"
	done
	for file in "${files[@]}"; do
		cmp --quiet "$new/$file" "$dir/$file" ||
			cp --remove-destination "$new/$file" "$dir/$file"
	done
	rm -rf --one-file-system "$new"
}

# Builds in place, so that an interrupted build continues where it was.
build_uml() {
	local flavour=$1 dir=$KERNEL_DIR/$1
	local -a args fragments
	mapfile -t args < <(uml_make_args "$flavour")
	mapfile -t fragments < <(uml_fragments "$flavour")

	if [[ ! -f $dir/Makefile ]]; then
		# Hard links: builds replace files, they do not write into sources.
		rm -rf --one-file-system "$dir.new"
		cp -al "$KERNEL_DIR/source" "$dir.new"
		mv "$dir.new" "$dir"
	fi
	sed -Ei "$VECTOR_LOCKS" "$dir/arch/um/drivers/vector_kern.c"
	patch_uml "$dir"
	in_build_root make -C "$dir" "${args[@]}" defconfig
	cat "${fragments[@]}" >>"$dir/.config"
	in_build_root make -C "$dir" "${args[@]}" olddefconfig
	check_config "$dir/.config" "${fragments[@]}"
	in_build_root make -C "$dir" -j "$JOBS" "${args[@]}" linux modules
}

prepare_uml() {
	local flavour=$1
	local -a fragments
	mapfile -t fragments < <(uml_fragments "$flavour")
	prepare_source
	step "$KERNEL/$flavour" \
		"$(key_of "$KERNEL_UPLOAD" "${fragments[@]}" "$(uml_make_args "$flavour")" \
			"$VECTOR_LOCKS" "${UML_PATCHES[@]}")" \
		"kernel $KERNEL: User Mode Linux, $flavour" build_uml "$flavour"
}
