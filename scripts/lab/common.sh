# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# What every lab script shares: where things are, how a step is run once and
# remembered, and how a command is run inside one of the lab's roots.
#
# Sourced, never executed.

# Directory of the lab scripts and of the checkout they belong to.
LAB_SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CHECKOUT=$(cd "$LAB_SCRIPTS/../.." && pwd)

if [[ -z ${DST_LAB:-} ]]; then
	if ((EUID == 0)); then
		DST_LAB=/var/cache/dst-lab
	else
		DST_LAB=${XDG_CACHE_HOME:-$HOME/.cache}/dst-lab
	fi
fi
DST_LAB=$(realpath -m "$DST_LAB")

SUITE=trixie
BUILD_ROOT=$DST_LAB/buildroot
GUEST_ROOT=$DST_LAB/guest

# Number of jobs for compilers.
JOBS=${DST_JOBS:-$(nproc)}

# Everything a person reads goes to the standard error output: the standard
# output of a lab script is for the program that called it.
note() {
	printf '%s\n' "$*" >&2
}

die() {
	note "${0##*/}: $*"
	exit 1
}

need_root() {
	((EUID == 0)) || die "must be run as root (it makes Debian roots and enters them)"
}

# The release of the kernel that the lab uses, e.g. 7.2.12+deb13-amd64: what
# DST_KERNEL says, or what the last `prepare` resolved. Empty if neither.
lab_kernel() {
	if [[ -n ${DST_KERNEL:-} ]]; then
		printf '%s\n' "$DST_KERNEL"
	elif [[ -s $DST_LAB/kernel-release ]]; then
		head -n 1 "$DST_LAB/kernel-release"
	fi
}

# Identifies this checkout in the cache, so that two of them do not share
# objects.
checkout_key() {
	printf '%s-%s\n' "$(basename "$CHECKOUT")" \
		"$(printf '%s' "$CHECKOUT" | sha256sum | cut -c 1-10)"
}

# Directory of this checkout's objects. It remembers whose it is, so that it can
# go when the checkout is gone.
checkout_build() {
	local build
	build=$DST_LAB/build/$(checkout_key)
	mkdir -p "$build"
	printf '%s\n' "$CHECKOUT" >"$build/checkout"
	printf '%s\n' "$build"
}

# Removes the objects of checkouts that are no more.
remove_orphans() {
	local file
	for file in "$DST_LAB"/build/*/checkout; do
		if [[ -f $file && ! -d $(<"$file") ]]; then
			note "      removing the objects of $(<"$file")"
			rm -rf --one-file-system "$(dirname "$file")"
		fi
	done
}

# Hashes the given files and words: the key of a step.
key_of() {
	local item
	for item; do
		if [[ -f $item ]]; then
			sha256sum <"$item"
		else
			printf '%s\n' "$item"
		fi
	done | sha256sum | cut -c 1-32
}

# A step is done when its stamp holds its key.
step_done() {
	local stamp=$DST_LAB/stamps/$1
	[[ -f $stamp && $(<"$stamp") == "$2" ]]
}

step_forget() {
	rm -f "$DST_LAB/stamps/$1"
}

# Seconds as people say them.
spent() {
	if (($1 >= 60)); then
		printf '%d min %02d s' $(($1 / 60)) $(($1 % 60))
	else
		printf '%d s' "$1"
	fi
}

# Shows that a long step is alive: its time and the last line that it wrote.
step_ticker() {
	local log=$1 begin=$SECONDS last
	# The one that sleeps must not keep a pipe open that somebody reads.
	while sleep 30 >/dev/null 2>&1; do
		last=$(tail -n 1 "$log" 2>/dev/null | tr -d '\r' | cut -c 1-60)
		note "      $(spent $((SECONDS - begin))): $last"
	done
}

# step NAME KEY TITLE COMMAND...
#
# Runs COMMAND (a function that gets `set -e`) unless it was already done with
# the same key. Its output goes to a log that is shown if it fails. Two
# processes that want the same step run it once.
step() {
	local name=$1 key=$2 title=$3
	shift 3
	if step_done "$name" "$key"; then
		note "  ok  $title"
		return 0
	fi
	mkdir -p "$DST_LAB/stamps" "$DST_LAB/logs" "$DST_LAB/locks"

	local lock log=$DST_LAB/logs/${name//\//-}.log
	exec {lock}>"$DST_LAB/locks/${name//\//-}"
	if ! flock -n "$lock"; then
		note "  ..  $title (another process is at it)"
		flock "$lock"
		if step_done "$name" "$key"; then
			note "  ok  $title"
			exec {lock}>&-
			return 0
		fi
	fi

	local begin=$SECONDS rc ticker
	note "  >>  $title"
	mkdir -p "$DST_LAB/stamps/$(dirname "$name")"
	step_forget "$name"
	: >"$log"
	step_ticker "$log" {lock}>&- &
	ticker=$!
	# Also when this is interrupted; what runs in the background is not.
	# shellcheck disable=SC2064 # the number of now
	trap "kill $ticker 2>/dev/null || true" EXIT
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1 </dev/null
	rc=$?
	set -e
	kill "$ticker" 2>/dev/null || true
	wait "$ticker" 2>/dev/null || true
	trap - EXIT
	if ((rc != 0)); then
		note "--- the end of $log:"
		tail -n 40 "$log" >&2
		die "failed after $(spent $((SECONDS - begin))): $title"
	fi
	printf '%s\n' "$key" >"$DST_LAB/stamps/$name.new"
	mv "$DST_LAB/stamps/$name.new" "$DST_LAB/stamps/$name"
	note "  ok  $title ($(spent $((SECONDS - begin))))"
	exec {lock}>&-
}

# Puts directory NEW in the place of OLD. Never crosses into a file system that
# somebody mounted below OLD.
replace_dir() {
	local new=$1 old=$2
	if [[ -e $old ]]; then
		rm -rf --one-file-system "$old.old"
		mv "$old" "$old.old"
	fi
	mv "$new" "$old"
	rm -rf --one-file-system "$old.old"
}

# in_root ROOT COMMAND...
#
# Runs COMMAND inside ROOT in a mount namespace of its own, so that nothing
# stays mounted whatever happens. The lab's cache and the checkout (read-only)
# appear there under the paths that they have outside; the working directory
# is kept when it is below one of them. Network settings, the machine's
# certificates and proxies are passed on, nothing else of the environment.
in_root() {
	local root=$1 name
	shift
	local -a env=(
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
		HOME=/root LC_ALL=C.UTF-8 "TERM=${TERM:-dumb}"
		"CARGO_HOME=$DST_LAB/cargo" "DST_LAB=$DST_LAB"
		DEBIAN_FRONTEND=noninteractive
	)
	for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY \
		CARGO_TARGET_DIR CARGO_NET_OFFLINE RUSTFLAGS; do
		if [[ -n ${!name:-} ]]; then
			env+=("$name=${!name}")
		fi
	done
	unshare --mount --propagation private "$LAB_SCRIPTS/chroot" \
		"$root" "$DST_LAB" "$CHECKOUT" "${#env[@]}" "${env[@]}" "$@"
}

in_build_root() {
	[[ -x $BUILD_ROOT/usr/bin/make ]] || die "no build root: run scripts/lab/prepare build"
	in_root "$BUILD_ROOT" "$@"
}
