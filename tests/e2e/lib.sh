# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the end-to-end tests share: TAP, the lab, captures. A test sources this, calls `plan N`, then
# builds its lab; whatever happens, the lab is taken down and every planned line appears.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=tools/lab/lib.sh
. tools/lab/lib.sh
# shellcheck disable=SC2034
FLOW=$LAB_BUILD/tests/e2e/flow
# shellcheck disable=SC2034
BUILD_STORM=$LAB_BUILD/tests/e2e/storm

tap_planned=0
tap_number=0
tap_failed=0

plan() {
	tap_planned=$1
	echo "1..$1"
}

# ok NAME COMMAND... : a line that says whether the command succeeds
ok() {
	local name=$1
	shift
	tap_number=$((tap_number + 1))
	if "$@" >&2; then
		echo "ok $tap_number - $name"
	else
		tap_failed=1
		echo "not ok $tap_number - $name"
		local failed=${*//$'\n'/ }
		echo "#   failed: ${failed:0:200}"
	fi
}

# is NAME GOT WANTED
is() {
	local name=$1 got=$2 wanted=$3
	ok "$name" test "$got" = "$wanted"
	[ "$got" = "$wanted" ] || echo "#   got \"${got:0:300}\", wanted \"${wanted:0:300}\""
}

# between NAME GOT LOW HIGH : integers
between() {
	ok "$1 ($2)" test "$2" -ge "$3" -a "$2" -le "$4"
}

say() {
	echo "# $*"
}

tap_end() {
	local status=$?
	trap - EXIT
	lab_down
	while [ "$tap_number" -lt "$tap_planned" ]; do
		tap_number=$((tap_number + 1))
		tap_failed=1
		echo "not ok $tap_number - not reached"
	done
	[ "$status" -eq 0 ] && [ "$tap_failed" -eq 0 ]
	exit
}
trap tap_end EXIT
trap 'exit 130' INT TERM

# --- the usual lab: both daemons, session up, the mobile node has its address ---

# with_rules NAME MATCH SEND ... : [Rule] sections
with_rules() {
	while [ $# -gt 0 ]; do
		printf '[Rule]\nName=%s\n%sSend=%s\n' "$1" "${2:+Match=$2
}" "$3"
		shift 3
	done
}

bound_paths() { # how many bindings of the gateway are registered
	lab_magpie mag sessions --json 2>/dev/null |
		jq '[.sessions[].bindings[] | select(.state == "active" or .state == "refresh")] | length'
}

paths_bound() { # N
	[ "$(bound_paths)" = "$1" ]
}

path_state() { # mag|lma NAME
	lab_magpie "$1" paths --json 2>/dev/null | jq -r ".paths[] | select(.name == \"$2\") | .state"
}

path_is() { # mag|lma NAME STATE
	[ "$(path_state "$1" "$2")" = "$3" ]
}

mn_ready() {
	[ -n "$(lab_mn_address)" ]
}

# start_session [RULES] : configuration on both ends, daemons, two paths up at both ends
start_session() {
	local role
	for role in lma mag; do
		printf '%s\n' "${1:-}" | lab_config "$role" >"$LAB_DIR/$role.conf"
	done
	lab_daemon lma && lab_daemon mag && lab_wait 10 paths_bound 2 && lab_wait 5 mn_ready &&
		lab_wait 5 path_is mag RED up && lab_wait 5 path_is mag BLUE up &&
		lab_wait 5 path_is lma RED up && lab_wait 5 path_is lma BLUE up
}

# counter mag|lma NAME : packets counted under a reason
counter() {
	lab_magpie "$1" counters --json | jq "[.reasons[] | select(.name == \"$2\") | .packets] | add"
}

# --- captures of the access networks, as seen by the gateway ---

capture_start() { # FILE-NAME HOST DEVICE
	lab_start "tcpdump-$1" "$2" tcpdump -i "$3" -s 200 -B 32768 -w "$LAB_DIR/$1.pcap" --immediate-mode ip6
	lab_wait 5 grep -q "listening on" "$LAB_DIR/tcpdump-$1.log"
}

# Tunnelled packets of both directions. With xdp a device's own taps see nothing of what is redirected
# into it: the same frames are captured where the emulated network gets them, each once.
capture_tunnels() { # FILE-NAME red|blue
	if [ "${LAB_ATTACH:-auto}" = xdp ]; then
		capture_start "$1" "$2" any
	else
		capture_start "$1" mag "${2}0"
	fi
}

capture_stop() { # FILE-NAME
	lab_stop "tcpdump-$1" INT
}

# inner FILE-NAME FILTER : "time source port destination port protocol" of tunnelled packets
inner() {
	tshark -r "$LAB_DIR/$1.pcap" -Y "ipv6.nxt == 41 && $2" -T fields -E separator=' ' -E occurrence=l \
		-e frame.time_epoch -e ipv6.src -e tcp.srcport -e udp.srcport -e tcp.dstport -e udp.dstport \
		2>/dev/null
}

count_inner() {
	inner "$1" "$2" | wc -l
}

# start_sink NAME HOST PORT, start_echo NAME HOST PORT : and waits until it listens, so that the first
# packets are not lost for want of a socket
listens() { # HOST PORT
	lab_in "$1" ss -Hlun "sport = :$2" | grep -q .
}
start_sink() {
	lab_start "$1" "$2" "$FLOW" sink "$3"
	lab_wait 3 listens "$2" "$3"
}
start_echo() {
	lab_start "$1" "$2" "$FLOW" echo "$3"
	lab_wait 3 listens "$2" "$3"
}
