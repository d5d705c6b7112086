# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The Debian roots of the lab and the packages of the host.
#
# Sourced by prepare.

# Names of a package list, without comments.
package_list() {
	grep -Ev '^(#|$)' "$LAB_SCRIPTS/$1.packages"
}

# The mirror that this machine itself uses, so that a local one is found
# without configuration; DST_MIRROR overrides.
debian_mirror() {
	local mirror=${DST_MIRROR:-}
	if [[ -z $mirror ]]; then
		# shellcheck disable=SC2016 # apt's own variables
		mirror=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' 2>/dev/null |
			awk '!found && $2 == "Debian" && /^https?:/ {sub("/$", "", $1); print $1; found = 1}')
	fi
	printf '%s\n' "${mirror:-http://deb.debian.org/debian}"
}

# How this machine's apt reaches its mirror and judges the age of its files.
apt_options() {
	apt-config dump | grep -E '^Acquire::(http|https|Check-Valid-Until|Check-Date|Retries|ForceIPv[46])\b' |
		grep -v '""' || true
}

host_packages_missing() {
	local name
	for name in $(package_list host); do
		dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed ||
			printf '%s\n' "$name"
	done
}

install_host_packages() {
	local -a missing
	mapfile -t missing < <(host_packages_missing)
	((${#missing[@]})) || return 0
	export DEBIAN_FRONTEND=noninteractive
	apt-get update
	# The recommendations of QEMU are a desktop.
	apt-get install -y --no-install-recommends "${missing[@]}"
}

# make_root DIR VARIANT LIST [OPTION...]
make_root() {
	local dir=$1 list=$2 mirror options include
	shift 2
	mirror=$(debian_mirror)
	include=$(package_list "$list" | paste -sd ,)
	mkdir -p "$DST_LAB/tmp"
	options=$DST_LAB/tmp/apt-$list.conf
	apt_options >"$options"
	rm -rf --one-file-system "$DST_LAB/tmp/$list-root"
	# Mode root: no user namespaces, which may be forbidden.
	mmdebstrap --mode=root --variant=minbase \
		--include="$include" --aptopt="$options" \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		"$@" "$SUITE" "$DST_LAB/tmp/$list-root" \
		"deb $mirror $SUITE main" "deb $mirror $SUITE-backports main"
	# Places where in_root mounts the machine's own files.
	: >"$DST_LAB/tmp/$list-root/etc/resolv.conf"
	replace_dir "$DST_LAB/tmp/$list-root" "$dir"
}

make_build_root() {
	make_root "$BUILD_ROOT" build
	in_build_root cargo --version
	in_build_root rustc --version
}

make_guest_root() {
	make_root "$GUEST_ROOT" guest
	# Machines of the lab have no identity of their own, and nobody logs in.
	: >"$GUEST_ROOT/etc/machine-id"
	rm -rf --one-file-system "$GUEST_ROOT"/var/lib/apt/lists/* "$GUEST_ROOT"/var/cache/apt/*
}

prepare_host() {
	local -a missing
	mapfile -t missing < <(host_packages_missing)
	if ((${#missing[@]})); then
		# Never "done": packages may be removed behind our back.
		step host "$(date +%s)" "packages of this machine: ${missing[*]}" install_host_packages
	else
		note "  ok  packages of this machine"
	fi
}

prepare_build_root() {
	step buildroot "$(key_of "$SUITE" "$(package_list build)")" \
		"build root: Debian $SUITE with compilers" make_build_root
}

prepare_guest_root() {
	step guest "$(key_of "$SUITE" "$(package_list guest)")" \
		"guest root: Debian $SUITE of the machines" make_guest_root
}
