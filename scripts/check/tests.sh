# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Checks that run tests. Sourced by run.

# Sums the "test result:" lines of cargo.
count_cargo() {
	awk '/^test result:/ {
		for (i = 2; i <= NF; i++) {
			if ($i == "passed;") good += $(i - 1)
			if ($i == "failed;") bad += $(i - 1)
		}
	} END { print good + 0, bad + 0 }' "$1"
}

# The last "N passed, N failed".
count_last_line() {
	awk '/^[0-9]+ passed, [0-9]+ failed$/ { good = $1; bad = $3 } END { print good + 0, bad + 0 }' "$1"
}

# Instructions of the parts of the protocol, compared with those in the tree. If a change is
# meant to be, the same with "print" instead of "check FILE" prints the new content of the file.
host_instructions() {
	"$LAB_SCRIPTS/build-dstctl" run --quiet --profile count --package dst-bench -- \
		check tools/dst-bench/instructions
}

check_host() {
	tests "host tests: cargo" count_cargo \
		"$LAB_SCRIPTS/build-dstctl" test --quiet --no-fail-fast --workspace
	tests "host tests: instructions" count_last_line host_instructions
	# All inputs in the tree, and what comes to mind in a few seconds.
	tests "host tests: fuzzers" count_last_line "$CHECKOUT/tools/fuzz/run" --seconds 4
}

# scenarios KIND FLAVOUR [OPTION]...: what tools/testing runs in machines.
scenarios() {
	local kind=$1 flavour=$2
	shift 2
	"$LAB_SCRIPTS/build-module" "$flavour" >/dev/null &&
		"$LAB_SCRIPTS/build-dstctl" >/dev/null &&
		tools/testing/run "$kind" "$@"
}

# The tests of the lab itself are among these.
check_uml() {
	tests "scenarios on User Mode Linux" count_last_line scenarios check-uml uml
}

check_qemu() {
	tests "scenarios on the stock kernel" count_last_line scenarios check-qemu stock --brief
}
