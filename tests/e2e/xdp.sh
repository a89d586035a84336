#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The programs as native XDP: the same session, traffic and fall-back as with tc, through devices
# that behave as an XDP driver's do. The other tests run so as well, by hand: LAB_ATTACH=xdp tests/e2e/flows.sh.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
plan 15

LAB_ATTACH=xdp
lab_up "xd$$" || exit 1
ok "session with two paths" start_session "$(with_rules web 'tcp dport 80' 'RED else BLUE' default '' 'BLUE else RED')"
ADDRESS=$(lab_mn_address)

hooks() { # HOST DEVICE : native XDP program, number of tc programs
	lab_in "$1" bpftool -j net show dev "$2" | jq -r '"\(.[0].xdp[0].mode // .[0].xdp[0].kind // "none") \(.[0].tc | length)"'
}
for device in lan0 red0 blue0; do
	is "$device of the gateway has XDP and no tc program" "$(hooks mag $device)" "driver 0"
done
for device in core0 red0 blue0; do
	is "$device of the anchor too" "$(hooks lma $device)" "driver 0"
done
between "ping: answers of 50" "$(lab_in mn ping -6 -q -c 50 -i 0.01 "$LAB_WEB" | awk '/received/ { print $4 }')" 50 50

mkdir "$LAB_DIR/www"
head -c 20000000 /dev/urandom >"$LAB_DIR/www/page"
printf 'server.document-root = "%s"\nserver.port = 80\nserver.use-ipv6 = "enable"\n' \
	"$LAB_DIR/www" >"$LAB_DIR/lighttpd.conf"
lab_start lighttpd web lighttpd -D -f "$LAB_DIR/lighttpd.conf"
lab_wait 5 lab_in mn curl -gsf -o /dev/null -r 0-1 "http://[$LAB_WEB]/page"
WANTED=$(sha256sum <"$LAB_DIR/www/page")
encap=$(counter lma ENCAP)
is "20 MB of TCP arrive as they were" "$(lab_in mn curl -gsSf --max-time 20 "http://[$LAB_WEB]/page" | sha256sum)" "$WANTED"
ok "by the anchor's programs" test "$(($(counter lma ENCAP) - encap))" -gt 13000

# what is sent while the network is cut is lost, for as long as the detection takes
lab_start transfer mn sh -c "curl -gsSf --max-time 20 --limit-rate 10M http://[$LAB_WEB]/page | sha256sum"
lab_wait 0.5 false || true
lab_wan red cut=yes >/dev/null
ok "RED is seen down" lab_wait 3 path_is mag RED down
ended() { lab_gone "$(lab_pid transfer)"; }
lab_wait 20 ended
is "a transfer that was on it goes on by BLUE to its end" "$(cat "$LAB_DIR/transfer.log")" "$WANTED"
lab_wan red cut=no >/dev/null
ok "RED is back" lab_wait 15 path_is mag RED up

lab_start sink mn "$FLOW" sink 6001
lab_start down web "$FLOW" send "$ADDRESS" 6001 50000 2 64
down_sent() { lab_gone "$(lab_pid down)"; }
lab_wait 10 down_sent
lab_wait 0.5 false || true
lab_stop sink
say "$(cat "$LAB_DIR/sink.log")"
ok "50 000 packets/s are at pace" test "$(jq .received "$LAB_DIR/sink.log")" -ge 99000
is "not one packet is lost or doubled" "$(jq -c '[.lost, .doubled]' "$LAB_DIR/sink.log")" "[0,0]"
