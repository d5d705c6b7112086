# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Which kernel, its packages, its source, and the tree that builds modules for
# it.
#
# Sourced by prepare.

apt_in_root() {
	in_build_root apt-get -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 "$@"
}

# Versions of package $1 that the mirror offers, newest first.
offered() {
	in_build_root apt-cache madison "$1" | awk -F' *[|] *' '{print $2}' | sort -rVu
}

# kernel_series 7.2.12+deb13-amd64 -> 7.2
kernel_series() {
	printf '%s\n' "$1" | sed -nE 's/^([0-9]+\.[0-9]+)[.+-].*/\1/p'
}

# The package that holds the image of release $1 in upload $2: the signed one
# where there is one.
image_package() {
	local name
	for name in "linux-binary-$1" "linux-binary-unsigned-$1" "linux-image-$1-unsigned"; do
		if offered "$name" | grep -qxF "$2"; then
			printf '%s\n' "$name"
			return 0
		fi
	done
	return 1
}

# Whether everything of release $1 in upload $2 is (still) on the mirror:
# backports drops old versions one package at a time.
kernel_complete() {
	local name
	for name in "linux-modules-$1" "linux-headers-$1" "linux-base-$1" \
		"linux-source-$(kernel_series "$1")"; do
		offered "$name" | grep -qxF "$2" || return 1
	done
	image_package "$1" "$2" >/dev/null
}

# Prints "RELEASE UPLOAD": what DST_KERNEL asks for, else what the meta
# package of backports points to, else the newest that is complete.
find_kernel() {
	local release upload
	if [[ -n ${DST_KERNEL:-} ]]; then
		for upload in $(offered "linux-modules-$DST_KERNEL"); do
			if kernel_complete "$DST_KERNEL" "$upload"; then
				printf '%s %s\n' "$DST_KERNEL" "$upload"
				return 0
			fi
		done
		printf 'kernel %s is not, or not completely, on the mirror\n' "$DST_KERNEL" >&2
		return 1
	fi

	upload=$(in_build_root apt-cache madison linux-image-amd64 |
		awk -F' *[|] *' -v suite="$SUITE-backports/main" 'index($3, suite) && !found {print $2; found = 1}')
	if [[ -n $upload ]]; then
		release=$(in_build_root apt-cache show "linux-image-amd64=$upload" |
			sed -nE '/^Depends:/s/.*\blinux-image-([0-9][^ ,]*).*/\1/p')
		if [[ -n $release ]] && kernel_complete "$release" "$upload"; then
			printf '%s %s\n' "$release" "$upload"
			return 0
		fi
	fi

	for release in $(in_build_root apt-cache pkgnames linux-modules- |
		sed -nE 's/^linux-modules-([0-9.]+\+deb[0-9]+-amd64)$/\1/p' | sort -rV); do
		for upload in $(offered "linux-modules-$release"); do
			if kernel_complete "$release" "$upload"; then
				printf '%s %s\n' "$release" "$upload"
				return 0
			fi
		done
	done
	printf 'no complete kernel on the mirror\n' >&2
	return 1
}

resolve_kernel() {
	local found
	apt_in_root update
	found=$(find_kernel)
	printf '%s\n' "$found"
	if [[ -z ${DST_KERNEL:-} ]]; then
		printf '%s\n' "${found% *}" >"$DST_LAB/kernel-release.new"
		mv "$DST_LAB/kernel-release.new" "$DST_LAB/kernel-release"
	fi
	mkdir -p "$DST_LAB/kernels/${found% *}"
	printf '%s\n' "${found#* }" >"$DST_LAB/kernels/${found% *}/upload"
}

# Downloads the packages and unpacks them, without installing: the build root
# stays the same whatever kernels are built in it.
unpack_kernel_packages() {
	local new=$DST_LAB/tmp/packages-$KERNEL upload image name deb
	upload=$(<"$KERNEL_DIR/upload")
	rm -rf --one-file-system "$new"
	mkdir -p "$new/debs" "$new/root"
	image=$(image_package "$KERNEL" "$upload")
	# linux-base-RELEASE has the lists of what is built in.
	for name in "linux-modules-$KERNEL" "linux-headers-$KERNEL" \
		"linux-source-$(kernel_series "$KERNEL")" "linux-base-$KERNEL" "$image"; do
		(cd "$new/debs" && apt_in_root download "$name=$upload")
	done
	for deb in "$new"/debs/*.deb; do
		in_build_root dpkg-deb -x "$deb" "$new/root"
	done
	replace_dir "$new/root" "$KERNEL_DIR/packages"
	rm -rf --one-file-system "$new"
}

unpack_kernel_source() {
	local new=$DST_LAB/tmp/source-$KERNEL
	rm -rf --one-file-system "$new"
	mkdir -p "$new"
	in_build_root tar -xf "$KERNEL_DIR/packages/usr/src/linux-source-$(kernel_series "$KERNEL").tar.xz" \
		-C "$new" --strip-components=1
	replace_dir "$new" "$KERNEL_DIR/source"
}

prepare_kernel_tree() {
	in_build_root "$CHECKOUT/scripts/kernel-tree" --kernel "$KERNEL" \
		--packages "$KERNEL_DIR/packages" --output "$KERNEL_DIR/tree"
}

# The stock kernel's image: what the machines under QEMU boot.
take_kernel_image() {
	local image
	for image in "$KERNEL_DIR"/packages/{usr/lib/modules/"$KERNEL"/vmlinuz{,.unsigned},boot/vmlinuz-"$KERNEL"}; do
		if [[ -s $image ]]; then
			cp "$image" "$KERNEL_DIR/vmlinuz.new"
			mv "$KERNEL_DIR/vmlinuz.new" "$KERNEL_DIR/vmlinuz"
			return 0
		fi
	done
	echo "no image in the packages:"
	find "$KERNEL_DIR/packages" -name 'vmlinuz*'
	return 1
}

# prepare_kernel [update]: resolves the release unless it is known, and sets
# KERNEL and KERNEL_DIR.
prepare_kernel() {
	KERNEL=$(lab_kernel)
	if [[ -n ${1:-} || -z $KERNEL || ! -s $DST_LAB/kernels/$KERNEL/upload ]]; then
		step_forget "resolve"
		step resolve now "which kernel" resolve_kernel
	fi
	KERNEL=$(lab_kernel)
	KERNEL_DIR=$DST_LAB/kernels/$KERNEL
	KERNEL_UPLOAD=$(<"$KERNEL_DIR/upload")
	note "      kernel $KERNEL (upload $KERNEL_UPLOAD)"
	step "$KERNEL/packages" "$KERNEL_UPLOAD" "kernel $KERNEL: packages" unpack_kernel_packages
	step "$KERNEL/vmlinuz" "$KERNEL_UPLOAD" "kernel $KERNEL: image" take_kernel_image
}

prepare_tree() {
	step "$KERNEL/tree" "$(key_of "$KERNEL_UPLOAD" "$CHECKOUT/scripts/kernel-tree")" \
		"kernel $KERNEL: tree that builds modules for it" prepare_kernel_tree
}

# The same for who builds with LLVM=1.
prepare_kernel_tree_llvm() {
	in_build_root env LLVM=1 "$CHECKOUT/scripts/kernel-tree" --kernel "$KERNEL" \
		--packages "$KERNEL_DIR/packages" --output "$KERNEL_DIR/tree-llvm"
}

prepare_tree_llvm() {
	step "$KERNEL/tree-llvm" "$(key_of "$KERNEL_UPLOAD" "$CHECKOUT/scripts/kernel-tree")" \
		"kernel $KERNEL: tree that builds modules for it by clang" prepare_kernel_tree_llvm
}

prepare_source() {
	step "$KERNEL/source" "$KERNEL_UPLOAD" "kernel $KERNEL: source" unpack_kernel_source
}
