#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Everything that is signalled in the life of a session, dissected by tshark and by a checker that
# knows nothing of our codec (MP-CF-03, MP-CF-06, MP-MMB-02..04, MP-MMB-29, MP-SIG-01, MP-SIG-02,
# MP-SIG-08, MP-SIG-09, MP-SIG-28, MP-SIG-30): discovery, second path, refreshes, a dead path
# deregistered through a live one, return, release. And the old ways: an anchor that ignores the
# multipath options (MP-SIG-14), one that refuses them (180, MP-SIG-17, MP-SIG-18).
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
plan 22

fields() { # CAPTURE FILTER FIELD...
	local file=$LAB_DIR/$1.pcap filter=$2 f args=()
	shift 2
	for f in "$@"; do args+=(-e "$f"); done
	tshark -r "$file" -Y "mipv6 && $filter" -T fields -E separator=' ' "${args[@]}" 2>/dev/null
}
signalling_start() {
	capture_start red lma red0
	capture_start blue lma blue0
}
signalling_stop() {
	capture_stop red
	capture_stop blue
}
passes() { lab_wait "$1" false || true; }
has_option() { # CAPTURE FILTER TYPE : messages with an option
	tshark -r "$LAB_DIR/$1.pcap" -Y "mipv6 && $2" -T fields -e mip6.mobility_opt 2>/dev/null |
		tr ',' '\n' | grep -cx "$3"
}

LAB_LIFETIME=8s
lab_up "sg$$" || exit 1
for role in lma mag; do
	{
		with_rules default '' 'RED BLUE'
		[ $role = lma ] || printf '[Health]\nConfirm=1s\n'
	} | lab_config $role >"$LAB_DIR/$role.conf"
done
signalling_start
ok "session" eval "lab_daemon lma && lab_daemon mag && lab_wait 10 paths_bound 2"
lab_wait 5 path_is mag RED up
lab_wait 5 path_is lma RED up
passes 9
lab_wan red cut=yes >/dev/null
ok "a dead RED is deregistered" lab_wait 10 grep -q binding-removed "$LAB_DIR/lma.log"
passes 0.5
lab_wan red cut=no >/dev/null
ok "and registered again" lab_wait 15 paths_bound 2
lab_magpie mag release >/dev/null
passes 0.3
signalling_stop

for wan in red blue; do
	total=$(fields $wan frame frame.number | wc -l)
	ok "$wan: messages were seen ($total)" test "$total" -ge 6
	is "$wan: tshark finds none malformed" \
		"$(tshark -r "$LAB_DIR/$wan.pcap" -Y 'mipv6 && (_ws.malformed || _ws.expert.severity == error)' 2>/dev/null | wc -l)" 0
	is "$wan: nor does the independent checker" "$("$LAB_BUILD/tests/e2e/mhcheck" "$LAB_DIR/$wan.pcap")" "$total"
done
first=$(fields red 'mip6.mhtype == 5' ipv6.src ipv6.dst mip6.bu.lifetime | head -n 1)
is "the first PBU leaves by RED from its care-of address" "$first" "2001:db8:a::2 $LAB_LMAA 2"
is "PBUs of RED come from RED's address" "$(fields red 'mip6.mhtype == 5' ipv6.src | sort -u)" 2001:db8:a::2
is "PBUs of BLUE come from BLUE's address" "$(fields blue 'mip6.mhtype == 5' ipv6.src | sort -u)" 2001:db8:b::2
is "the anchor answers over the same path" "$(fields blue 'mip6.mhtype == 6' ipv6.dst | sort -u)" 2001:db8:b::2
updates=$(fields red 'mip6.mhtype == 5' frame.number | wc -l)
is "every PBU carries the multipath binding option" "$(has_option red 'mip6.mhtype == 5' 63)" "$updates"
is "and the gateway's identifier" "$(has_option red 'mip6.mhtype == 5' 64)" "$updates"
is "no PBA carries the identifier" "$(has_option red 'mip6.mhtype == 6' 64)$(has_option blue 'mip6.mhtype == 6' 64)" 00
ok "RED was deregistered through BLUE" test "$(fields blue 'mip6.mhtype == 5 && mip6.bu.lifetime == 0' frame.number | wc -l)" -ge 1
lab_down

legacy() { # Multipath value of the anchor
	lab_up "sl$$" || exit 1
	for role in lma mag; do
		with_rules default '' 'RED BLUE' | lab_config $role >"$LAB_DIR/$role.conf"
	done
	sed -i "s/^\[Anchor\]/[Anchor]\nMultipath=$1/" "$LAB_DIR/lma.conf"
	signalling_start
	lab_daemon lma && lab_daemon mag && lab_wait 10 paths_bound 1 && lab_wait 5 mn_ready
	passes 1
	signalling_stop
}
legacy ignore
is "an older anchor: one binding, nothing on BLUE" "$(bound_paths) $(fields blue 'mip6.mhtype == 5' frame.number | wc -l)" "1 0"
ok "an older anchor: traffic goes" lab_in mn ping -6 -q -c 3 -i 0.1 -W 1 "$LAB_WEB"
lab_down
legacy no
is "an anchor that refuses: status 180, then one binding without multipath" \
	"$(fields red 'mip6.mhtype == 6' mip6.ba.status | tr '\n' ' ')$(bound_paths)" "180 0 1"
is "the retry asks without the option" "$(has_option red 'mip6.mhtype == 5' 63)" 1
ok "an anchor that refuses: traffic goes" lab_in mn ping -6 -q -c 3 -i 0.1 -W 1 "$LAB_WEB"
