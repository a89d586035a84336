#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Daemons die, stop, come back and are released while packets flow (AT-07, M29, L18, base 28 row 33).
# SIGKILL of either daemon loses nothing; a restart picks up the same session and prefix; `release`
# leaves no program, link, pin or route of ours, and nothing foreign is touched.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
plan 19
RATE=1000

lab_up "lc$$" || exit 1
ok "session with two paths" start_session "$(with_rules default '' 'RED BLUE')"
ADDRESS=$(lab_mn_address)

prefix() { lab_magpie mag sessions --json | jq -r '.sessions[0].prefixes[0]'; }
PREFIX=$(prefix)

traffic_start() {
	start_sink sink-up web 6000
	start_sink sink-down mn 6001
	lab_start up mn "$FLOW" send "$LAB_WEB" 6000 $RATE 60 8
	lab_start down web "$FLOW" send "$ADDRESS" 6001 $RATE 60 8
}
traffic_stop() { # leaves the number of lost packets of both directions
	lab_stop up
	lab_stop down
	lab_wait 0.3 false || true
	lab_stop sink-up
	lab_stop sink-down
	RECEIVED=$(cat "$LAB_DIR"/sink-{up,down}.log | jq -s 'map(.received) | add')
	LOST=$(cat "$LAB_DIR"/sink-{up,down}.log | jq -s 'map(.lost) | add')
	[ "$LOST" = 0 ] || explain
	rm -f "$LAB_DIR"/sink-*.log
}
explain() { # who lost it
	local host
	say "up $(cat "$LAB_DIR/sink-up.log") down $(cat "$LAB_DIR/sink-down.log")"
	for host in mag lma; do
		say "$host drops: $(bpftool -j map dump pinned "$LAB_DIR/run-$host/bpf/magpie_reason" |
			jq -c '[.[].formatted | {r: .values[0].value.reason, n: ([.values[].value.packets] | add)} | select(.n > 0)] | map("\(.r[15:])=\(.n)") | join(" ")')"
	done
	for host in red blue; do
		say "$host: $(lab_wan $host | jq -c '[.up, .down] | map([.kernel_drops, .queue_drops, .send_errors])')"
	done
}
passes() { lab_wait "$1" false || true; }

for role in mag lma; do
	traffic_start
	passes 0.5
	lab_stop $role KILL
	passes 2
	traffic_stop
	ok "SIGKILL of the $role: traffic goes on ($RECEIVED packets)" test "$RECEIVED" -gt $((RATE * 3))
	is "SIGKILL of the $role: nothing is lost" "$LOST" 0
	traffic_start
	passes 0.3
	: >"$LAB_DIR/$role.log"
	ok "the $role comes back" lab_daemon $role
	ok "both paths are bound again" lab_wait 15 paths_bound 2
	passes 1
	traffic_stop
	is "restart of the $role: nothing is lost" "$LOST" 0
	is "restart of the $role: same prefix" "$(prefix)" "$PREFIX"
done

lab_stop mag
ok "stop of the mag keeps forwarding" lab_in mn ping -6 -c 5 -i 0.1 -W 1 -q "$LAB_WEB"
: >"$LAB_DIR/mag.log"
ok "and it comes back" lab_daemon mag
lab_wait 15 paths_bound 2

ok "release of the mag" lab_magpie mag release
ok "the anchor has no session left (or keeps its prefix for a moment only)" \
	test "$(lab_magpie lma sessions --json | jq '[.sessions[].bindings[] | select(.state == "active")] | length')" = 0
ok "release of the lma" lab_magpie lma release
left=$(find "$LAB_DIR"/run-*/bpf -name 'magpie_*' 2>/dev/null | wc -l)
routes=$(for h in mag lma; do lab_in $h ip -6 route show proto 82 2>/dev/null; done | wc -l)
programs=$(for h in mag lma; do lab_in $h bpftool -j net show; done | grep -c '"name":"magpie_')
is "no pin, route or attached program is left" "$left $routes $programs" "0 0 0"
