#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# "web: RED else BLUE" seen by capture: MP-INT-01, MP-INT-04, MP-TD-02, MP-MMB-13, PL-20..PL-22, DP-23.
# 200 TCP connections of curl on port 80 go by RED in both directions; RED is cut, they go on by BLUE
# and none is reset; RED returns, new connections take it and the old ones stay. A second class,
# "voice", goes by BLUE throughout and loses nothing.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
plan 13

CONNECTIONS=200
SECONDS_EACH=30

lab_up "st$$" || exit 1
lab_wan red delay=15ms >/dev/null
lab_wan blue delay=10ms >/dev/null
mkdir "$LAB_DIR/www"
head -c $((SECONDS_EACH * 8192)) /dev/urandom >"$LAB_DIR/www/page"
cat >"$LAB_DIR/lighttpd.conf" <<-EOF
	server.document-root = "$LAB_DIR/www"
	server.port = 80
	server.use-ipv6 = "enable"
	server.max-connections = 1024
EOF
lab_start lighttpd web lighttpd -D -f "$LAB_DIR/lighttpd.conf"
ok "session with two paths" start_session "$(with_rules web 'tcp dport 80' 'RED else BLUE' \
	voice 'udp dport 5060' 'BLUE else RED')"
lab_wait 5 lab_in mn curl -gs -o /dev/null "http://[$LAB_WEB]/page"

curls() { # NAME COUNT
	lab_start "$1" mn curl -sS --resolve "web:80:[$LAB_WEB]" -Z --parallel-immediate --parallel-max "$2" --limit-rate 8k \
		-o /dev/null "http://web/page?[1-$2]"
}
on() { # CAPTURE FILTER AFTER BEFORE : inner packets of the capture in a span of time
	count_inner "$1" "$2 && frame.time_epoch >= $3 && frame.time_epoch < $4"
}
now() { echo "$EPOCHREALTIME"; }
later() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.6f", a + b }'; }
settle() { lab_wait "$1" false || true; }

capture_tunnels red red
capture_tunnels blue blue
start_sink sink web 5060
lab_start voice mn "$FLOW" send "$LAB_WEB" 5060 200 60 1
T0=$(now)
curls old "$CONNECTIONS"
settle 4
CUT=$(now)
lab_wan red cut=yes >/dev/null
lab_wait 3 path_is mag RED down && DETECTED=$(now)
settle 4
lab_wait 10 eval '! path_is lma RED up'
BACK=$(now)
lab_wan red cut=no >/dev/null
lab_wait 15 paths_bound 2
lab_wait 5 path_is mag RED up
lab_wait 5 path_is lma RED up
AGAIN=$(now)
lab_in mn curl -sS --resolve "web:80:[$LAB_WEB]" -Z --parallel-immediate --parallel-max 20 -o /dev/null --limit-rate 100k \
	--local-port 61000-61100 "http://web/page?[1-20]"
settle 1
END=$(now)
wait "$(lab_pid old)"
CURL=$?
rm -f "$LAB_DIR/old.pid"
lab_stop voice
settle 0.3
lab_stop sink
capture_stop red
capture_stop blue

is "all $CONNECTIONS transfers complete, none was reset" "$CURL" 0
is "no reset on any path" "$(($(count_inner red tcp.flags.reset==1) + $(count_inner blue tcp.flags.reset==1)))" 0
before_up=$(on red "tcp.dstport == 80" "$T0" "$CUT")
before_down=$(on red "tcp.srcport == 80" "$T0" "$CUT")
ok "before the cut RED carries them up ($before_up)" test "$before_up" -gt "$CONNECTIONS"
ok "before the cut RED carries them down ($before_down)" test "$before_down" -gt "$CONNECTIONS"
is "before the cut BLUE carries none of them" "$(on blue "tcp.port == 80" "$T0" "$CUT")" 0
say "gateway saw RED down after $(awk -v a="$CUT" -v b="$DETECTED" 'BEGIN { printf "%d ms", (b - a) * 1000 }')"
moved=$(inner blue "tcp.dstport == 80 && frame.time_epoch >= $CUT && frame.time_epoch < $BACK" |
	awk '{ print $3 }' | sort -u | wc -l)
is "after the cut BLUE carries all $CONNECTIONS connections" "$moved" "$CONNECTIONS"
is "half a second after the cut nothing of them is sent on RED" \
	"$(on red "tcp.port == 80" "$(later "$CUT" 0.5)" "$BACK")" 0
is "when RED is back, old connections stay on BLUE" \
	"$(on red "tcp.port == 80 && !(tcp.port >= 61000)" "$AGAIN" "$END")" 0
new=$(inner red "tcp.dstport == 80 && tcp.srcport >= 61000" | awk '{ print $3 }' | sort -u | wc -l)
ok "and new connections take RED ($new)" test "$new" -eq 20
is "and only RED" "$(on blue "tcp.port >= 61000" "$T0" "$END")" 0
is "voice was never on RED" "$(count_inner red "udp.port == 5060")" 0
is "voice lost nothing" "$(jq .lost "$LAB_DIR/sink.log")" 0
