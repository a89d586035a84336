#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# 1 000 flows at once over two labels (MP-INT-02, MP-INT-03, MP-TD-02, MP-TD-07, PL-31, DP-21): each on
# exactly one path, both directions on the same one, shares within 5 points of the weights, for 1:1
# and 3:1. The choice is a hash of addresses and ports, so the lab's random addresses give other
# shares each time: 5 points are three standard deviations.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
plan 10
FLOWS=1000

ports() { # CAPTURE FILTER FIELD : the flows seen, by the mobile node's port
	tshark -r "$LAB_DIR/$1.pcap" -Y "ipv6.nxt == 41 && $2" -T fields -E occurrence=l -e "$3" \
		2>/dev/null | sort -u
}

run() { # NAME SEND LOW HIGH : share of RED in per mille
	local red shared name=$1
	lab_up "fl$$" || exit 1
	ok "$name: session" start_session "$(with_rules default '' "$2")"
	capture_tunnels red red
	capture_tunnels blue blue
	start_echo echo web 7000
	is "$name: every packet is answered" \
		"$(lab_in mn "$FLOW" ask "$LAB_WEB" 7000 "$FLOWS" 4 | jq .whole_flows)" "$FLOWS"
	capture_stop red
	capture_stop blue
	ports red "udp.dstport == 7000" udp.srcport >"$LAB_DIR/red.up"
	ports red "udp.srcport == 7000" udp.dstport >"$LAB_DIR/red.down"
	ports blue "udp.dstport == 7000" udp.srcport >"$LAB_DIR/blue.up"
	ports blue "udp.srcport == 7000" udp.dstport >"$LAB_DIR/blue.down"
	shared=$(comm -12 <(cat "$LAB_DIR/red.up" "$LAB_DIR/red.down" | sort -u) \
		<(cat "$LAB_DIR/blue.up" "$LAB_DIR/blue.down" | sort -u) | wc -l)
	is "$name: no flow is on both paths" "$shared" 0
	ok "$name: both directions of each flow take the same path" cmp -s "$LAB_DIR/red.up" "$LAB_DIR/red.down"
	red=$(wc -l <"$LAB_DIR/red.up")
	between "$name: share of RED in per mille" "$((red * 1000 / FLOWS))" "$3" "$4"
	lab_down
}

run "1:1" "RED BLUE" 450 550
run "3:1" "RED:3 BLUE:1" 700 800
