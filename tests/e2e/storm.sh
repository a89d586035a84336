#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# 100 000 random and mutated messages and tunnelled packets against an anchor with a session (EC-22,
# ATK-02, ATK-03, ATK-08, ATK-12, ATK-25): nothing crashes, no binding changes, every one is counted,
# and the session's own traffic goes on.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
plan 10
EACH=25000

lab_up "sm$$" || exit 1
lab_in mag ip addr add 2001:db8:a::66/64 dev red0 nodad
for role in lma mag; do
	{
		with_rules default '' 'RED BLUE'
		# only mag1, and only from its two addresses, may register
		[ $role = mag ] || printf '[Gateway]\nIdentity=mag1@demo.example\nSources=2001:db8:%s::2/128\n' a
		[ $role = mag ] || printf '[Gateway]\nIdentity=mag1@demo.example\nSources=2001:db8:%s::2/128\n' b
	} | lab_config $role >"$LAB_DIR/$role.conf"
done
ok "session with two paths" eval "lab_daemon lma && lab_daemon mag && lab_wait 10 paths_bound 2 && lab_wait 5 mn_ready"

bindings() { # what must not change: everything but what time changes
	lab_magpie lma sessions --json | jq -S 'del(.sessions[].bindings[].expires_s)'
}
messages() { # decoded and counted one way or another, plus faults
	lab_magpie lma counters --json | jq '([.signalling[] | select(.name | startswith("socket") | not) | .count] | add)
		+ ([.faults[].count] | add)'
}
received() { lab_magpie lma counters --json | jq '.signalling[] | select(.name == "socket-received") | .count'; }
packets() { lab_magpie lma counters --json | jq '[.reasons[].packets] | add'; }
drops() { lab_magpie lma counters --json | jq '[.reasons[] | select(.verdict == "drop") | .packets] | add'; }

before=$(bindings)
messages_before=$(messages)
received_before=$(received)
packets_before=$(packets)
drops_before=$(drops)
lab_in mag "$BUILD_STORM" mh 2001:db8:a::66 "$LAB_LMAA" $EACH 10000 >/dev/null # a stranger's address
lab_in mag "$BUILD_STORM" mh 2001:db8:a::2 "$LAB_LMAA" $EACH 10000 >/dev/null  # the gateway's
lab_in mag "$BUILD_STORM" tunnel 2001:db8:a::66 "$LAB_LMAA" $EACH 20000 >/dev/null
lab_in mag "$BUILD_STORM" tunnel 2001:db8:a::2 "$LAB_LMAA" $EACH 20000 >/dev/null
all_in() { [ $(($(received) - received_before)) -ge $((EACH * 2)) ]; }
lab_wait 5 all_in

ok "the anchor lives" kill -0 "$(lab_pid lma)"
is "and has not been restarted or complained of itself" "$(grep -c 'AddressSanitizer\|assert' "$LAB_DIR/lma.log")" 0
is "no binding changed" "$(bindings)" "$before"
got=$(($(received) - received_before))
ok "all messages arrived ($got of $((EACH * 2)))" test "$got" -ge $((EACH * 2))
is "every one of them is counted" "$(($(messages) - messages_before))" "$got"
ok "all tunnelled packets are counted ($(($(packets) - packets_before)))" \
	test "$(($(packets) - packets_before))" -ge $((EACH * 4))
ok "and most are dropped under their reason ($(($(drops) - drops_before)))" \
	test "$(($(drops) - drops_before))" -ge $((EACH * 3 / 2))
ok "the log did not drown in it ($(wc -l <"$LAB_DIR/lma.log") lines)" test "$(wc -l <"$LAB_DIR/lma.log")" -lt 300
ok "the session's traffic goes on" lab_in mn ping -6 -q -c 5 -i 0.1 -W 1 "$LAB_WEB"
