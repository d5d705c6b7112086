# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Checks of what people do at home: they build in their checkout, as ordinary
# users, and install as root. Here that is a copy of the checkout. Sourced by run.

# by user|sudo COMMAND...: runs it in the copy, as in-copy says.
by() {
	in_build_root scripts/check/in-copy "$USER_COPY" "$@"
}

# by_user_in_vain MESSAGE COMMAND...: the command fails, and says why.
by_user_in_vain() {
	local message=$1 output
	shift
	if output=$(by user "$@" 2>&1); then
		printf '%s\n' "$output"
		echo "this should have failed: $*"
		return 1
	fi
	printf '%s\n' "$output"
	grep -qF -- "$message" <<<"$output" || {
		echo "it did not say: $message"
		return 1
	}
}

# same WHAT WANTED FOUND
same() {
	if [[ $2 != "$3" ]]; then
		echo "$1 is not as it should be:"
		diff <(printf '%s\n' "$2") <(printf '%s\n' "$3")
		return 1
	fi
}

# The sources as they are in the checkout; what others compile from them is taken
# over. The module is linked here, and its C files are compiled: the compiler has
# another path.
user_copy() {
	local build
	"$LAB_SCRIPTS/build-module" stock
	"$LAB_SCRIPTS/build-dstctl"
	build=$(checkout_build)
	mkdir -p "$USER_COPY/checkout/tools/target"
	in_build_root rsync -a --delete --chown=1000:1000 --exclude=/.git --exclude-from=.gitignore \
		"$CHECKOUT/" "$USER_COPY/checkout/"
	in_build_root rsync -a --chown=1000:1000 "$build/$KERNEL/stock/" "$USER_COPY/checkout/"
	in_build_root rsync -a --delete --chown=1000:1000 "$build/cargo/release" "$USER_COPY/checkout/tools/target/"
	rm -f "$USER_COPY/checkout/drivers/block/dst"/dst.{ko,o} "$USER_COPY/checkout/tools/target/release/dstctl" \
		"$USER_COPY/checkout/.kdir"
	in_build_root chown -R 1000:1000 "$USER_COPY/checkout/tools/target"
	rm -rf --one-file-system "${USER_COPY:?}/home"
	mkdir -p "$USER_COPY/home"
	in_build_root chown 1000:1000 "$USER_COPY/home" "$USER_COPY/checkout"
}

user_messages() {
	by_user_in_vain "has no compiled kernel crate" make KDIR=/usr/src
	by_user_in_vain "No build directory of kernel 7.0-none can compile Rust modules" make KVER=7.0-none
	by_user_in_vain "$USER_COPY/home/.cache/dst/kernel-tree/7.0-none" make KVER=7.0-none
	by_user_in_vain "apt install cargo" make dstctl CARGO=none
	by_user_in_vain "dst.ko is not built yet: run make first" make install
}

user_build() {
	user_copy
	user_messages
	by user make "KDIR=$TREE"
	by user test -s drivers/block/dst/dst.ko
	by user tools/target/release/dstctl --version
}

# kdir WHO [VARIABLE]...: the tree that make finds.
kdir() {
	local who=$1
	shift
	# shellcheck disable=SC2016 # for make
	by "$who" make --no-print-directory --eval 'kdir:; @echo $(KDIR)' kdir "$@"
}

# Where the trees of `make kernel-tree` are, and who finds whose.
user_kernel_tree() {
	local mine=$USER_COPY/home/.cache/dst/kernel-tree roots=/var/cache/dst/kernel-tree
	local -a print=(scripts/kernel-tree --kernel "$KERNEL" --print)
	same "a user's place" "$mine/$KERNEL" "$(by user "${print[@]}")"
	same "a user's place for clang" "$mine/$KERNEL-llvm" "$(by user env LLVM=1 "${print[@]}")"
	same "a place for caches" "/caches/dst/kernel-tree/$KERNEL" \
		"$(by user env XDG_CACHE_HOME=/caches "${print[@]}")"
	same "root's place" "$roots/$KERNEL" "$(by sudo "${print[@]}")"

	by user mkdir -p "$mine"
	by user ln -sfn "$TREE" "$mine/$KERNEL"
	same "a user's tree" "$mine/$KERNEL" "$(kdir user "KVER=$KERNEL")"
	same "the tree with sudo" "$mine/$KERNEL" "$(kdir sudo "KVER=$KERNEL")"
	by user ln -sfn "$TREE" "$mine/$KERNEL-llvm"
	same "a user's tree for clang" "$mine/$KERNEL-llvm" "$(kdir user "KVER=$KERNEL" LLVM=1)"
	same "a tree that was named" "$TREE" "$(kdir user "KVER=$KERNEL" "KDIR=$TREE")"
	by user rm "$mine/$KERNEL"
	same "no tree" "" "$(kdir user "KVER=$KERNEL")"
}

# A module of the distribution.
stock_module() {
	find "$KERNEL_DIR/packages" -name 'nbd.ko*'
}

# What goes into a package: all of it readable, and loadable by the stock kernel.
user_install_package() {
	local root=$USER_COPY/package module wanted found
	module=lib/modules/$KERNEL/updates/drivers/block/dst/dst.ko
	rm -rf --one-file-system "$root"
	in_build_root install -d -o 1000 -g 1000 "$root"
	by user make install "DESTDIR=$root"
	wanted=$({
		printf '%s\n' "$module" usr/local/sbin/dstctl usr/local/include/linux/dst.h \
			usr/local/share/bash-completion/completions/dstctl
		{
			printf '%s\n' README.md COPYING
			find Documentation -type f
		} | sed 's|^|usr/local/share/doc/dst/|'
	} | sort)
	# As the kernel's configuration says, it is compressed.
	module=$(cd "$root" && find . -name 'dst.ko*' -printf '%P\n')
	found=$(find "$root" ! -type d -printf '%P\n' | sed -E 's/\.ko\.[a-z]+$/.ko/' | sort)
	same "the list of files" "$wanted" "$found"
	same "what not everybody can read" "" "$(find "$root" ! -perm -444)"
	same "vermagic" "$(in_build_root modinfo -F vermagic "$(stock_module)")" \
		"$(in_build_root modinfo -F vermagic "$root/$module")"
	cmp "$root/usr/local/sbin/dstctl" "$USER_COPY/checkout/tools/target/release/dstctl"

	mkdir -p "$USER_COPY/other/include/config"
	echo 7.0-other >"$USER_COPY/other/include/config/kernel.release"
	by_user_in_vain "dst.ko was built for another kernel than 7.0-other" \
		make install "KDIR=$USER_COPY/other" "DESTDIR=$root"
}

# Root has not the user's environment, and does not say which kernel.
user_install_sudo() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	by sudo sh -euxc '
		make install
		grep "^updates/drivers/block/dst/dst\.ko[.a-z]*:" "/lib/modules/$1/modules.dep"
		dstctl --version
	' sh "$KERNEL"
	same "what root left to the user" "" "$(by user find . -user root)"
}

# As the user does it; gcc's objects come back with the next copy.
user_build_llvm() {
	user_copy
	by user make module LLVM=1 "KDIR=$KERNEL_DIR/tree-llvm"
	in_build_root readelf -p .comment "$USER_COPY/checkout/drivers/block/dst/trace.o" | grep clang
	same "vermagic" "$(in_build_root modinfo -F vermagic "$(stock_module)")" \
		"$(in_build_root modinfo -F vermagic "$USER_COPY/checkout/drivers/block/dst/dst.ko")"
}

# On a second copy, so that the first one's objects serve the next run.
user_clean() {
	local clean=$USER_COPY/clean before
	rm -rf --one-file-system "$clean"
	cp -al "$USER_COPY/checkout" "$clean"
	by user git -C "$clean" init -q
	by user git -C "$clean" add -A
	before=$(by user git -C "$clean" status --porcelain --ignored | grep -v '^A ')
	printf '%s\n' "$before"
	grep -qxF '!! drivers/block/dst/dst.ko' <<<"$before"
	by user make -C "$clean" clean
	same "what is left" "" "$(by user git -C "$clean" status --porcelain --ignored | grep -v '^A ')"
	rm -rf --one-file-system "$clean"
}

check_llvm() {
	USER_COPY=$(checkout_build)/user
	check "user: make LLVM=1" user_build_llvm
}

check_user() {
	USER_COPY=$(checkout_build)/user
	check "user: make" user_build
	check "user: where trees are" user_kernel_tree
	check "user: make install into a package" user_install_package
	check "user: make install with sudo" user_install_sudo
	check "user: make clean" user_clean
}
