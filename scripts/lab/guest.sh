# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the machines boot: modules of the stock kernel, the disk image and the
# initramfs.
#
# Sourced by prepare.

# select_modules DEP PATHS: the modules of a modules.dep that are, or are
# below, one of PATHS, and all that these need.
select_modules() {
	awk -v paths="$2" '
		function add(path,    i, list, count) {
			if (path in chosen) return
			chosen[path] = 1
			count = split(needs[path], list, " ")
			for (i = 1; i <= count; i++) add(list[i])
		}
		{
			path = $1
			sub(/:$/, "", path)
			$1 = ""
			needs[path] = $0
		}
		END {
			total = split(paths, wanted, " ")
			for (path in needs) {
				bare = path
				sub(/^kernel\//, "", bare)
				sub(/\.(xz|zst|gz)$/, "", bare)
				for (i = 1; i <= total; i++)
					if (bare == wanted[i] || index(bare, wanted[i] "/") == 1) add(path)
			}
			for (path in chosen) print path
		}' "$1" | sort
}

# Takes the distribution's modules as they are, signatures included, but
# uncompressed: unpacking them in an emulated machine is slow.
make_guest_modules() {
	local from=$KERNEL_DIR/packages/usr/lib/modules/$KERNEL
	local new=$KERNEL_DIR/modules.new list=$DST_LAB/tmp/modules-$KERNEL
	local to=$new/lib/modules/$KERNEL
	[[ -d $from ]] || from=$KERNEL_DIR/packages/lib/modules/$KERNEL
	rm -rf --one-file-system "$new" "$list"
	mkdir -p "$to" "$list"
	# The package leaves the dependencies to its installation.
	mkdir -p "$list/lib/modules"
	cp -al "$from" "$list/lib/modules/"
	in_build_root depmod -b "$list" "$KERNEL"
	select_modules "$list/lib/modules/$KERNEL/modules.dep" \
		"$(grep -Ev '^(#|$)' "$LAB_SCRIPTS/guest.modules" | paste -sd ' ')" >"$list/names"
	tar -C "$from" -cf - -T "$list/names" | tar -C "$to" -xf -
	cp "$from"/modules.{order,builtin,builtin.modinfo} "$to/"
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_build_root sh -c '
		find "$1" -name "*.xz" -print0 | xargs -0 -r -n 50 -P "$2" xz -d
		find "$1" -name "*.zst" -print0 | xargs -0 -r -n 50 -P "$2" zstd -qd --rm
	' sh "$to" "$JOBS"
	in_build_root depmod -b "$new" "$KERNEL"
	rm -rf --one-file-system "$list"
	replace_dir "$new" "$KERNEL_DIR/modules"
	du -sh "$KERNEL_DIR/modules"
}

make_guest_image() {
	local new=$DST_LAB/tmp/image-$KERNEL size
	rm -rf --one-file-system "$new" "$KERNEL_DIR/guest.img.new"
	# Hard links; nothing below is ever written to.
	cp -al "$GUEST_ROOT" "$new"
	mkdir -p "$new/usr/lib/modules"
	cp -al "$KERNEL_DIR/modules/lib/modules/$KERNEL" "$new/usr/lib/modules/"
	size=$(du -sm "$new" | cut -f 1)
	truncate -s "$((size * 5 / 4 + 64))M" "$KERNEL_DIR/guest.img.new"
	in_build_root mke2fs -q -t ext4 -O '^has_journal,^metadata_csum' -m 0 -L guest \
		-E lazy_itable_init=0 -d "$new" "$KERNEL_DIR/guest.img.new"
	rm -rf --one-file-system "$new"
	mv "$KERNEL_DIR/guest.img.new" "$KERNEL_DIR/guest.img"
	du -sh "$KERNEL_DIR/guest.img"
}

make_initramfs() {
	local new=$DST_LAB/tmp/initramfs-$KERNEL modules=$KERNEL_DIR/modules/lib/modules/$KERNEL
	local name path
	rm -rf --one-file-system "$new"
	mkdir -p "$new/bin" "$new/modules/$KERNEL"
	cp "$BUILD_ROOT/usr/bin/busybox" "$new/bin/busybox"
	cp "$LAB_SCRIPTS/initramfs-init" "$new/init"
	chmod 755 "$new/init"
	grep -Ev '^(#|$)' "$LAB_SCRIPTS/initramfs.modules" | while read -r name; do
		if grep -qE "/${name//_/[-_]}\.ko$" "$modules/modules.builtin"; then
			continue
		fi
		in_build_root modprobe -d "$KERNEL_DIR/modules" -S "$KERNEL" --show-depends "$name" </dev/null
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$new/list"
	while read -r path; do
		cp "$path" "$new/modules/$KERNEL/"
		basename "$path"
	done <"$new/list" >"$new/modules/$KERNEL/order"
	rm "$new/list"
	cat "$new/modules/$KERNEL/order"
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_build_root sh -c 'cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 >"$2"' sh \
		"$new" "$KERNEL_DIR/initramfs.cpio.new"
	mv "$KERNEL_DIR/initramfs.cpio.new" "$KERNEL_DIR/initramfs.cpio"
	rm -rf --one-file-system "$new"
}

prepare_guest() {
	local modules_key
	prepare_guest_root
	modules_key=$(key_of "$KERNEL_UPLOAD" "$LAB_SCRIPTS/guest.modules")
	step "$KERNEL/modules" "$modules_key" "kernel $KERNEL: modules of the machines" make_guest_modules
	step "$KERNEL/guest.img" "$(key_of "$modules_key" "$DST_LAB/stamps/guest")" \
		"kernel $KERNEL: disk image of the machines" make_guest_image
	step "$KERNEL/initramfs.cpio" \
		"$(key_of "$modules_key" "$LAB_SCRIPTS/initramfs-init" "$LAB_SCRIPTS/initramfs.modules" "$DST_LAB/stamps/buildroot")" \
		"kernel $KERNEL: initramfs" make_initramfs
}
