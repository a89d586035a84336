#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Bindings come, are refreshed, overwritten (O) and go under 50 000 packets/s (MP-CF-10, MP-MMB-27,
# AT-01..AT-05): not one packet is lost or doubled, and after an overwrite nothing is sent by the old
# paths. The gateway's own signalling does it: paths are configured and taken away by reload, refreshes
# come with a short lifetime, a restart of the gateway overwrites.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
plan 9
RATE=50000

LAB_LIFETIME=8s
lab_up "ch$$" || exit 1
ok "session with two paths" start_session "$(with_rules default '' 'RED BLUE')"
ADDRESS=$(lab_mn_address)
passes() { lab_wait "$1" false || true; }

start_sink sink mn 6001
lab_start down web "$FLOW" send "$ADDRESS" 6001 $RATE 120 64
passes 0.5
before=$(counter lma ENCAP)

# deregister and register BLUE: its address is taken away and comes back
lab_in mag ip addr del 2001:db8:b::2/64 dev blue0
ok "BLUE is deregistered" lab_wait 10 paths_bound 1
passes 0.5
lab_in mag ip addr add 2001:db8:b::2/64 dev blue0 nodad
lab_in mag ip route replace "$LAB_LMAA" via 2001:db8:b::1 dev blue0 metric 20
ok "BLUE is registered again" lab_wait 15 paths_bound 2
# refreshes: a lifetime of 8 s is refreshed every few seconds
passes 6
# overwrite: a gateway without memory begins with O
capture_start blue lma blue0
lab_stop mag KILL
: >"$LAB_DIR/mag.log"
ok "the gateway restarts" lab_daemon mag
ok "and registers both paths" lab_wait 15 paths_bound 2
grep -q bindings-overwritten "$LAB_DIR/lma.log" && overwritten=1
is "the anchor's bindings were overwritten" "${overwritten:-0}" 1
passes 1
lab_stop down
passes 0.5
lab_stop sink
capture_stop blue
after=$(counter lma ENCAP)
say "$(cat "$LAB_DIR/sink.log"); anchor encapsulated $((after - before)); sender $(tail -n 1 "$LAB_DIR/down.log")"
ok "traffic was at pace" test "$(jq .received "$LAB_DIR/sink.log")" -gt $((RATE * 8))
is "not one packet was lost" "$(jq .lost "$LAB_DIR/sink.log")" 0
is "or doubled" "$(jq .doubled "$LAB_DIR/sink.log")" 0
