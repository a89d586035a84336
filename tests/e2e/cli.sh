#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The tool: exit codes, tables, JSON, trace against capture, events, reload, and maps that read by
# themselves in bpftool.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
plan 31
MAGPIE=$LAB_BUILD/magpie

code() { # exit code of a command
	"$@" >/dev/null 2>&1
	echo $?
}

# --- without a daemon ---
is "no verb is a usage error" "$(code "$MAGPIE")" 2
is "an unknown verb is one" "$(code "$MAGPIE" stauts)" 2
ok "and the right one is suggested" grep -q 'did you mean "status"' <<<"$("$MAGPIE" stauts 2>&1)"
is "no daemon: 3" "$(code "$MAGPIE" --socket /nonexistent/control status)" 3
is "help" "$(code "$MAGPIE" help)" 0
scratch=$(mktemp -d)
printf '[Node]\nRole=mag\n' >"$scratch/bad.conf"
is "a configuration with errors: 5" "$(code "$MAGPIE" config check "$scratch/bad.conf")" 5
is "errors name file, line and column" \
	"$("$MAGPIE" config check "$scratch/bad.conf" 2>&1 | grep -c "^$scratch/bad.conf:1:1: error: ")" 5
rm -rf "$scratch"

# --- with both ---
lab_up "cl$$" || exit 1
ok "session" start_session "$(with_rules web 'tcp dport 80' 'RED else BLUE' default '' 'BLUE else RED')"
ADDRESS=$(lab_mn_address)
is "the example configuration has no error" "$(code "$MAGPIE" config check "$LAB_DIR/mag.conf")" 0
is "status: 0 when all is well" "$(code lab_magpie mag status)" 0
for verb in status sessions paths rules counters; do
	ok "$verb --json is one JSON document" \
		eval "lab_magpie lma $verb --json | jq -es 'length == 1 and .[0].ok' >/dev/null"
	ok "$verb prints a table" eval "[ \"\$(lab_magpie mag $verb | wc -l)\" -ge 3 ]"
done
is "trace: web takes RED" "$(lab_magpie mag trace --json tcp "$ADDRESS" "$LAB_WEB" 80 | jq -r '.path.name + " " + .rule + " " + .verdict')" "RED web forward"
is "trace: the rest takes BLUE" "$(lab_magpie mag trace --json udp "$ADDRESS" "[$LAB_WEB]:9" | jq -r .path.name)" BLUE
before=$(lab_magpie mag counters --json | jq -c '[.reasons[] | select(.name != "PROBE" and .name != "SIGNALLING") | .packets]')
lab_magpie mag trace tcp "$ADDRESS" "$LAB_WEB" 80 >/dev/null
is "trace counts nothing" "$(lab_magpie mag counters --json | jq -c '[.reasons[] | select(.name != "PROBE" and .name != "SIGNALLING") | .packets]')" "$before"
is "trace: a foreign source is not ours" "$(lab_magpie mag trace --json udp 2001:db8:dead::1 "$LAB_WEB" 9 | jq -r .reason)" NOT_OURS
is "trace: nonsense is a usage error" "$(code lab_magpie mag trace tcp nonsense "$LAB_WEB")" 2

lab_start events mag "$MAGPIE" --json --socket "$LAB_DIR/run-mag/control" events -f
lab_wait 3 grep -q started "$LAB_DIR/events.log"
sed -i 's/^Send=RED else BLUE/Send=BLUE/' "$LAB_DIR/mag.conf"
kill -HUP "$(lab_pid mag)"
ok "events -f shows a reload as it happens" lab_wait 5 grep -q '"kind":"reloaded"' "$LAB_DIR/events.log"
is "and the new rule is in force" "$(lab_magpie mag trace --json tcp "$ADDRESS" "$LAB_WEB" 80 | jq -r .path.name)" BLUE
echo nonsense >>"$LAB_DIR/mag.conf"
kill -HUP "$(lab_pid mag)"
ok "a reload with errors changes nothing" lab_wait 5 grep -q '"kind":"reload-failed"' "$LAB_DIR/events.log"

dump() { bpftool map dump pinned "$LAB_DIR/run-lma/bpf/$1"; }
ok "bpftool: sessions with field and enum names" grep -q '"state": "MAGPIE_SESSION_ACTIVE"' <<<"$(dump magpie_session)"
ok "bpftool: paths too" grep -q '"encap": "MAGPIE_ENCAP_IP6"' <<<"$(dump magpie_path)"
ok "bpftool: counters too" grep -q '"reason": "MAGPIE_REASON_ENCAP"' <<<"$(dump magpie_reason)"
