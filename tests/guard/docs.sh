#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the code has a name for, the manual names, and the other way round: configuration keys, verbs,
# maps, reasons, counters, faults and events.
set -u
cd "$(dirname "$0")/../.." || exit 1

number=0
status=0
same() { # WHAT CODE-LIST DOCS-LIST
	local out
	number=$((number + 1))
	if out=$(diff <(sort -u <<<"$2") <(sort -u <<<"$3")) && [ -n "$2" ]; then
		echo "ok $number - $1: $(wc -l <<<"$2") in code and manual"
	else
		status=1
		echo "not ok $number - $1: < only in the code, > only in the manual"
		sed 's/^/# /' <<<"$out"
	fi
}
# names of a kind, from the tables of the code
names() { build/tests/guard/names | awk -F '\t' -v kind="$1" '$1 == kind { print $2 }'; }
# .It Li names of a subsection of magpie-maps.7
items() {
	awk -v section="$1" '/^\.Ss/ { on = $2 == section } on && /^\.It Li/ { print $3 }' docs/magpie-maps.7
}

echo "1..8"
same "configuration keys" "$(build/magpie config keys | awk -F '\t' '{ print $1 "." $2 }')" \
	"$(awk '/^\.Ss \[/ { gsub(/[][]/, "", $2); s = $2 } /^\.It Cm/ { print s "." $3 }' docs/magpie.conf.5)"
same "verbs" "$(build/magpie help | awk '/^  [a-z]/ { print $1 }')" \
	"$(awk '/^\.It Cm/ { print $3 }' docs/magpie.8)"
same "maps" "$(sed -nE 's/^(SHARED|PLAIN|PER_CPU|MAGPIE_MAP)\((magpie_[a-z]+).*/\2/p' bpf/maps.h)" "$(items Maps)"
same "maps in ARCHITECTURE.md" "$(sed -nE 's/^(SHARED|PLAIN|PER_CPU|MAGPIE_MAP)\((magpie_[a-z]+).*/\2/p' bpf/maps.h)" \
	"$(sed -n '/^## The maps/,/^## Where/p' ARCHITECTURE.md | grep '^|' | cut -d'|' -f2 | grep -o 'magpie_[a-z]*')"
same "reasons" "$(names reason)" "$(items Reasons)"
same "message counters" "$(names counter)" "$(items Messages)"
same "faults" "$(names fault)" "$(items Faults)"
same "events" "$(names event)" "$(items Events)"
exit $status
