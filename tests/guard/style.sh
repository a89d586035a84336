#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# clang-format, clang-tidy, shellcheck, SPDX lines, and no path of a machine in the tree.
set -u
cd "$(dirname "$0")/../.." || exit 1

number=0
status=0
check() { # NAME COMMAND...
	local name=$1 out
	shift
	number=$((number + 1))
	if out=$("$@" 2>&1); then
		echo "ok $number - $name"
	else
		status=1
		echo "not ok $number - $name"
		head -n 40 <<<"$out" | sed 's/^/# /'
	fi
}

mapfile -t sources < <(git ls-files '*.c' '*.h' ':!vmlinux')
mapfile -t scripts < <(git ls-files '*.sh' packaging/deps packaging/install tests/run tests/fuzz/run tests/bench/run tools/lab/demo .ci/run)
mapfile -t tidied < <(git ls-files 'daemon/*.c' 'tools/*.c')

# One file a run: clang-tidy 14 mixes up the va_lists of several.
tidy() {
	printf '%s\n' "${tidied[@]}" | xargs -P 2 -n 1 sh -c 'clang-tidy --quiet "$@" -- \
		-D_GNU_SOURCE -DMAGPIE_VERSION="\"0\"" -I. -Idaemon -isystem build -std=gnu11 2>/dev/null' tidy
}
spdx() {
	local f missing=0
	while read -r f; do
		head -n 3 "$f" | grep -q 'SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause' || {
			echo "$f has no SPDX line"
			missing=1
		}
	done < <(git ls-files '*.c' '*.h' '*.sh' Makefile packaging/deps tests/run tools/lab/demo .ci/run '*.service' '*.mount')
	return "$missing"
}
no_leftovers() {
	! git grep -nE '\b(TODO|FIXME|XXX)\b' -- '*.c' '*.h' '*.sh' ':!tests/guard/style.sh'
}

echo "1..5"
check "clang-format" clang-format --dry-run -Werror "${sources[@]}"
check "clang-tidy" tidy
check "shellcheck" shellcheck -x "${scripts[@]}"
check "every file names its licence" spdx
check "nothing is left undone by its own words" no_leftovers
exit $status
