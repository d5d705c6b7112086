# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Checks of how the sources look. Sourced by run.

# Files of the project with one of the given suffixes, or names: as git sees
# them where there is git, else as they are.
sources() {
	local -a patterns=()
	local item
	for item; do
		patterns+=(-o -name "$item")
	done
	find . -path ./.git -prune -o -path ./tools/target -prune -o \
		-path ./tools/fuzz/target -prune -o -path ./tools/fuzz/corpus -prune -o -name __pycache__ -prune -o \
		-name '*_generated.rs' -prune -o -name '*.mod.c' -prune -o \
		-type f \( "${patterns[@]:1}" \) -print | sed 's|^\./||' | sort
}

# Written by the kernel's generator from the specification.
generated() {
	grep -E '(netlink_gen\.[ch]|include/uapi/linux/dst\.h)$'
}

not_generated() {
	grep -vE '(netlink_gen\.[ch]|include/uapi/linux/dst\.h)$'
}

style_rustfmt() {
	in_build_root rustfmt --check --color never --edition 2021 --config-path "$TREE/.rustfmt.toml" \
		drivers/block/dst/dst_main.rs
}

style_cargo_fmt() {
	in_build_root cargo fmt --check --all --manifest-path tools/Cargo.toml -- --color never
	in_build_root cargo fmt --check --manifest-path tools/fuzz/Cargo.toml -- --color never
}

style_cargo_clippy() {
	"$LAB_SCRIPTS/build-dstctl" clippy --workspace --all-targets -- -D warnings
	"$LAB_SCRIPTS/build-fuzz" clippy --release --all-targets -- -D warnings
}

style_checkpatch() {
	local -a files
	mapfile -t files < <(sources '*.c' '*.h' 'Kconfig*' | grep -vE '^tools/' | not_generated)
	# Without a repository it does not look for the modules that its own check
	# of licences needs.
	in_build_root env GIT_DIR=/nonexistent "$TREE/scripts/checkpatch.pl" --root="$TREE" --strict --terse --no-summary \
		--ignore EMBEDDED_FILENAME --show-types -f "${files[@]}"
}

style_shellcheck() {
	local -a files
	mapfile -t files < <({
		grep -rlE '^#!/bin/(ba)?sh' scripts .ci tools --include='*' --exclude-dir=target --exclude-dir=__pycache__
		find scripts -name '*.sh'
	} | sort -u)
	in_build_root shellcheck -x "${files[@]}"
}

# Python compiles, at least; the machines and this machine have different ones.
style_python() {
	local -a files
	mapfile -t files < <(sources '*.py')
	((${#files[@]})) || return 0
	/usr/bin/python3 - "${files[@]}" <<'END'
import ast
import sys

for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        ast.parse(file.read(), name)
END
}

# The licence in the first lines of every file that can have a comment.
style_licence() {
	local file bad=0
	while read -r file; do
		if [[ -s $file ]] && ! head -n 3 "$file" | grep -q 'SPDX-License-Identifier:'; then
			echo "$file: no SPDX line"
			bad=1
		fi
	done < <(sources '*.rs' '*.c' '*.h' '*.py' '*.sh' '*.rst' '*.yaml' '*.toml' '*.config' \
		Kbuild Kconfig Makefile)
	return $bad
}

# Upstairs there is no unsafe code, whatever lints are allowed by mistake; and
# nobody wants to read longer files.
style_conventions() {
	local file lines bad=0
	while read -r file; do
		if grep -nE '\bunsafe\b' "$file" | grep -vE '^[0-9]+:[[:space:]]*//|deny\(unsafe_code\)|forbid\(unsafe_code\)'; then
			echo "$file: unsafe outside of abstractions/"
			bad=1
		fi
	done < <(find drivers/block/dst -name '*.rs' ! -path '*/abstractions/*' ! -name '*_generated.rs' | sort)
	while read -r file; do
		lines=$(wc -l <"$file")
		if ((lines > 500)); then
			echo "$file: $lines lines"
			bad=1
		fi
	done < <(sources '*.rs' '*.c' '*.h' '*.py' '*.sh' | not_generated)
	return $bad
}

# The drivers of `make check-mutants` are this one with small changes: they have to fit.
style_mutants() {
	PYTHONPATH=tools/testing PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m lab.mutants.source
}

check_style() {
	check "rustfmt: driver" style_rustfmt
	check "rustfmt: tools" style_cargo_fmt
	check "clippy: tools" style_cargo_clippy
	check "checkpatch" style_checkpatch
	check "shellcheck" style_shellcheck
	check "python: syntax" style_python
	check "licences" style_licence
	check "conventions" style_conventions
	check "mutants fit the driver" style_mutants
}
