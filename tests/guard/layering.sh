#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Who may include whom (ARCHITECTURE.md). The table is the rule: a folder of ours may include itself and
# what stands behind it. The pure folders may besides include only the C headers named.
set -u
cd "$(dirname "$0")/../.." || exit 1

table='
bpf             =
daemon/wire     =
daemon/core     = daemon/wire
daemon/util     =
daemon/config   = daemon/core daemon/wire daemon/util
daemon/store    = daemon/core daemon/wire daemon/util
daemon/net      = daemon/core daemon/wire daemon/util
daemon/plane    = daemon/core daemon/wire daemon/util bpf skel
daemon/control  = daemon/util
daemon/app      = daemon/config daemon/net daemon/control daemon/store daemon/plane daemon/core daemon/wire daemon/util bpf
daemon          = daemon/app daemon/config daemon/net daemon/plane daemon/util
tools/magpie    = daemon/config daemon/net daemon/plane daemon/util daemon/wire
tools/lab       =
'
pure_headers=' errno.h limits.h math.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h arpa/inet.h uthash.h utlist.h '

# Folder of an included name, seen from who includes it; empty for headers that are not ours.
folder_of() {
	case $1 in
	wire/* | core/* | util/* | config/* | store/* | net/* | plane/* | control/* | app/*)
		[ -f "daemon/$1" ] && echo "daemon/${1%%/*}" ;;
	bpf/abi.h) echo bpf ;;
	bpf/*) [ -f "$1" ] && echo bpf ;; # else libbpf's
	tools/* | tests/*) dirname "$1" ;;
	skel/*) echo skel ;;
	esac
}

number=0
status=0
report() { # NAME COMPLAINTS
	number=$((number + 1))
	if [ -z "$2" ]; then
		echo "ok $number - $1"
	else
		status=1
		echo "not ok $number - $1"
		sed 's/^/# /' <<<"$2"
	fi
}

rows=$(grep -c ' =' <<<"$table")
echo "1..$((rows + 2))"
while IFS='=' read -r folder allowed; do
	folder=${folder// /}
	[ -n "$folder" ] || continue
	complaints=
	for file in "$folder"/*.[ch]; do
		while read -r name; do
			target=$(folder_of "$name")
			[ -z "$target" ] || [ "$target" = "$folder" ] || [[ " $allowed " == *" $target "* ]] ||
				complaints+="$file includes $name"$'\n'
		done < <(sed -n 's/^#include [<"]\([^>"]*\)[>"].*/\1/p' "$file")
	done
	report "$folder includes only what it may" "${complaints%$'\n'}"
done <<<"$table"

complaints=
for file in daemon/wire/*.[ch] daemon/core/*.[ch]; do
	while read -r name; do
		[ -n "$(folder_of "$name")" ] || [[ $pure_headers == *" $name "* ]] ||
			complaints+="$file includes <$name>"$'\n'
	done < <(sed -n 's/^#include [<"]\([^>"]*\)[>"].*/\1/p' "$file")
done
report "wire and core know no socket, clock or kernel" "${complaints%$'\n'}"
unlisted=
for folder in daemon/*/ tools/*/; do
	grep -q "^${folder%/} " <<<"$table" || unlisted+="${folder%/} is in no row"$'\n'
done
report "every folder has a row" "${unlisted%$'\n'}"
exit $status
