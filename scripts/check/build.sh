# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Checks that build something: the module in all its ways, the generated
# files, the documentation. Sourced by run.

# A build of the module that says nothing.
build_silently() {
	local messages=$CHECK_LOGS/messages-$1
	"$LAB_SCRIPTS/build-module" --variant "$@" 2>"$messages" || {
		cat "$messages"
		return 1
	}
	if [[ -s $messages ]]; then
		cat "$messages"
		return 1
	fi
}

# The stack of the kernel is small, and what a function takes of it is not seen in
# its source: C compilers warn of that, rustc does not.
FRAME_MAX=2048

# shellcheck disable=SC2016 # the dollars are those of sed
build_frames() {
	local module name size frames large=0
	module=$(checkout_build)/$KERNEL/stock-w1/drivers/block/dst/dst.ko
	frames=$(in_build_root objdump --disassemble --no-show-raw-insn "$module" |
		sed -nE '/^[0-9a-f]+ <.*>:$/ { s/^.*<(.*)>:$/\1/; h }
			/\bsub +\$0x[0-9a-f]+,%rsp$/ { s/^.*\$(.*),%rsp$/\1/; G; s/\n/ /p }')
	if [[ -z $frames ]]; then
		echo "no function of the module has a frame: they are not recognised any more"
		return 1
	fi
	while read -r size name; do
		if ((size > FRAME_MAX)); then
			echo "$name takes $((size)) bytes of the stack, more than $FRAME_MAX"
			large=1
		fi
	done <<<"$frames"
	return $large
}

build_generated() {
	in_build_root scripts/ynl-generate --check --tree "$TREE"
}

# kconfig COPY STATE: with DST enabled in a way, the configuration stays as it
# is. It is another file, because that changes what DST needs for good.
kconfig() {
	local config=$1/.config-$2
	cp "$TREE/.config" "$config"
	in_build_root "$1/scripts/config" --file "$config" "--$2" BLK_DEV_DST
	in_build_root make -C "$1" "KCONFIG_CONFIG=$config" CC=gcc-14 HOSTCC=gcc-14 olddefconfig 2>&1 |
		tee "$config.log"
	! grep -i warning "$config.log"
}

# The driver inside a kernel tree, as a part of the kernel's own build, up to the
# module. There is no vmlinux to tell its symbols, but there are those of the
# stock kernel.
build_in_tree() {
	local copy=$KERNEL_DIR/in-tree module=drivers/block/dst/dst.ko state strange
	exec {lock}>"$copy.lock"
	flock "$lock"
	if [[ ! -f $copy/.copied || $(<"$copy/.copied") != "$(<"$DST_LAB/stamps/$KERNEL/tree")" ]]; then
		rm -rf --one-file-system "$copy"
		cp -a --reflink=auto "$TREE" "$copy"
		cp "$DST_LAB/stamps/$KERNEL/tree" "$copy/.copied"
	fi
	in_build_root scripts/copy-into-kernel "$copy"
	in_build_root scripts/copy-into-kernel --check "$copy"
	for state in enable module; do
		kconfig "$copy" "$state"
	done
	grep -x 'CONFIG_BLK_DEV_DST=y' "$copy/.config-enable"
	grep -x 'CONFIG_BLK_DEV_DST=m' "$copy/.config-module"
	cp "$copy/.config-module" "$copy/.config"
	rm -f "$copy/$module"
	in_build_root make -C "$copy" -j "$JOBS" CC=gcc-14 HOSTCC=gcc-14 \
		KBUILD_BUILTIN= KBUILD_MODPOST_WARN=1 "$module"
	strange=$(in_build_root nm -u "$copy/$module" | awk '{print $2}' | sort -u |
		comm -23 - <(cut -f 2 "$TREE/Module.symvers" | sort -u))
	if [[ -n $strange ]]; then
		echo "nobody exports $strange"
		return 1
	fi
	in_build_root modinfo "$copy/$module"
}

build_kernel_doc() {
	local -a files
	local messages
	mapfile -t files < <(sources '*.c' '*.h' | grep -v '^tools/' | not_generated)
	messages=$(in_build_root "$TREE/scripts/kernel-doc" -none -Wall "${files[@]}" 2>&1)
	printf '%s\n' "$messages"
	! grep -iE 'warning|error' <<<"$messages"
}

# All of Documentation/ by Sphinx, every warning an error.
build_documentation() {
	local work=$CHECK_LOGS/documentation
	rm -rf --one-file-system "$work"
	mkdir -p "$work/source"
	cp -r Documentation/. "$work/source/"
	cat >"$work/source/conf.py" <<-END
		project = "DST"
		extensions = []
		exclude_patterns = ["netlink"]
		# Trees of the kernel's own documentation that ours is put into.
		root_doc = "contents"
	END
	{
		printf 'DST\n===\n\n.. toctree::\n   :glob:\n\n'
		(cd "$work/source" && find . -name '*.rst' ! -path './block/dst/*' ! -name contents.rst |
			sed 's|^\./|   |; s|\.rst$||' | sort)
		if [[ -e $work/source/block/dst/index.rst ]]; then
			printf '   block/dst/index\n'
		fi
	} >"$work/contents"
	mv "$work/contents" "$work/source/contents.rst"
	in_build_root python3 -m sphinx -q -n -W --keep-going -b html "$work/source" "$work/html"
	# The description of the sysfs files has a format of its own.
	if [[ -d Documentation/ABI ]]; then
		in_build_root "$TREE/tools/docs/get_abi.py" --dir "$CHECKOUT/Documentation/ABI" validate
	fi
}

check_build() {
	check "generated files are current" build_generated
	check "module: stock kernel, W=1" build_silently w1 stock W=1
	check "module: frames on the stack" build_frames
	check "module: clippy" build_silently clippy stock CLIPPY=1
	check "module: in a kernel tree" build_in_tree
	check "kernel-doc" build_kernel_doc
	check "documentation" build_documentation
	check_user
}
