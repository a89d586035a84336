#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The lab by itself, without daemons: that the emulated networks do to packets what they are told, and
# nothing else, and that nothing of a lab is left behind. All other end-to-end tests stand on this.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
plan 39

NAME=lab$$
LAB_TOOL=$LAB_BUILD/magpie-lab
RED=2001:db8:a::1
BLUE=2001:db8:b::1

rtt() { # ping's field: 1 min, 2 average, 3 max; in microseconds
	lab_in mag ping -6 -q -c "$2" -i 0.01 "$RED" | awk -F '[/=]' -v n="$1" '/^rtt/ { printf "%d", $(4 + n) * 1000 }'
}
count() { # red|blue up|down COUNTER
	lab_wan "$1" | jq ".$2.$3"
}
drops() { # of the emulator's own, in all directions: there must be none
	lab_wan "$1" | jq '[.up, .down | .ring_drops, .oversize_drops, .kernel_drops, .send_errors, .queue_drops] | add'
}
answers() { # WAN-ADDRESS
	lab_in mag ping -6 -q -c 5 -i 0.01 -W 0.2 "$1" | awk '/received/ { print $4 }'
}
sink_ready() { lab_in lma ss -Hlun 2>/dev/null | grep -q ":7000 "; }
all_sent() { lab_gone "$(lab_pid send)"; }
quiet() { # what the sink will get is there: nothing under way, the counter stands
	local before
	before=$(count red up forwarded)
	lab_wait 0.1 false || true
	[ "$(lab_wan red | jq .up.under_way)" = 0 ] && [ "$(count red up forwarded)" = "$before" ]
}
# pour RATE SECONDS [FLOWS] : numbered packets up RED; leaves received, lost, doubled in POURED
pour() {
	rm -f "$LAB_DIR/pour.log"
	lab_start pour lma "$FLOW" sink 7000
	lab_wait 3 sink_ready
	lab_start send mag "$FLOW" send "$RED" 7000 "$1" "$2" "${3:-16}"
	lab_wait "$(($2 + 10))" all_sent
	lab_wait 5 quiet
	lab_stop send
	lab_stop pour
	POURED=$(cat "$LAB_DIR/pour.log")
	say "$1/s for $2 s: $POURED"
}
poured() { jq ".$1" <<<"$POURED"; }
kbits() { # iperf3 up RED for N seconds, received
	lab_start iperf3 lma iperf3 -s -1
	lab_wait 3 eval 'lab_in lma ss -Hltn | grep -q ":5201 "'
	lab_in mag iperf3 -6 -c "$RED" -t "$1" -O 1 --json | jq '.end.sum_received.bits_per_second / 1e3 | floor'
	lab_stop iperf3
}

# --- up ---
begin=${EPOCHREALTIME/./}
ok "up" "$LAB_TOOL" --name "$NAME" up
took=$(((${EPOCHREALTIME/./} - begin) / 1000))
between "it takes less than a second, in ms" "$took" 0 1000
lab_use "$NAME"
is "a second one of that name is refused" "$("$LAB_TOOL" --name "$NAME" up 2>&1 >/dev/null | cut -d';' -f1)" \
	"lab: $NAME is there already"
is "and leaves the first one alone: RED" "$(answers "$RED")" 5
is "BLUE" "$(answers "$BLUE")" 5
is "the anchor's address is reached" "$(answers 2001:db8:1::1)" 5
is "web and anchor" "$(lab_in web ping -6 -q -c 3 -i 0.01 2001:db8:1::1 | awk '/received/ { print $4 }')" 3
ok "exec changes the network namespace" "$LAB_TOOL" exec "$NAME-mag" ip link show dev red0
is "and only that" "$("$LAB_TOOL" exec "$NAME-mag" readlink /proc/self/ns/mnt)" "$(readlink /proc/self/ns/mnt)"
"$LAB_TOOL" exec "$NAME-none" true 2>/dev/null
is "exec into no namespace" $? 125

# --- shape ---
lab_wan red delay=30ms >/dev/null
between "30 ms each way: RTT in us, least" "$(rtt 1 30)" 60000 66000
between "and average" "$(rtt 2 30)" 60000 66000
is "BLUE is as it was" "$(lab_wan blue | jq .up.delay_us)" 0
"$LAB_TOOL" --name "$NAME" set RED delay=0ms up.delay=20ms >/dev/null
between "20 ms one way" "$(rtt 2 30)" 20000 26000
lab_wan red delay=5ms jitter=4ms >/dev/null
pour 5000 1 1
is "jitter loses nothing" "$(poured lost)" 0
is "nor does it reorder" "$(poured overtaken)" 0
lab_wan red reorder=yes >/dev/null
pour 5000 1 1
ok "unless asked ($(poured overtaken))" test "$(poured overtaken)" -gt 1000
is "and loses nothing then" "$(poured lost) $(drops red)" "0 0"

lab_wan red delay=0ms jitter=0ms reorder=no >/dev/null
pour 50000 3
ok "50 000 packets/s are at pace ($(poured received))" test "$(poured received)" -ge 149000
is "not one is lost" "$(poured lost) $(poured doubled) $(drops red)" "0 0 0"
lab_wan red delay=40ms >/dev/null
pour 50000 2
is "nor with 40 ms of them under way" "$(poured lost) $(poured doubled) $(drops red)" "0 0 0"
lab_wan red delay=0ms >/dev/null
fast=$(($(kbits 2) / 1000))
ok "unshaped TCP carries 1 Gbit/s ($fast Mbit/s)" test "$fast" -ge 1000
is "and no frame was larger than a wire's" "$(count red up oversize_drops) $(count red down oversize_drops)" "0 0"

lab_wan red up.loss=20% >/dev/null
before=$(count red up lost)
pour 5000 1
lost=$(($(count red up lost) - before))
between "20 % loss, per mille" "$((lost * 1000 / (lost + $(poured received))))" 150 250
between "what the sink misses is what the emulator counts ($lost)" "$(poured lost)" $((lost - 50)) "$lost"
lab_wan red loss=0% rate=10M queue=64k >/dev/null
between "10 Mbit/s of frames, in kbit/s of TCP" "$(kbits 3)" 9000 10000
ok "its queue is bounded" test "$(count red up queue_drops)" -gt 0
lab_wan red rate=0 queue=256k >/dev/null

lab_wan red cut=yes >/dev/null
is "cut: no packet passes" "$(answers "$RED")" 0
is "BLUE goes on" "$(answers "$BLUE")" 5
lab_wan red cut=down >/dev/null
before=$(count red up forwarded)
is "cut one way: no answer" "$(answers "$RED")" 0
ok "but questions pass" test "$(count red up forwarded)" -ge $((before + 5))
lab_wan red cut=no >/dev/null
is "restored" "$(answers "$RED")" 5

is "a wrong word is named" "$("$LAB_TOOL" --name "$NAME" set RED delay=1ms 'loss=2"x' 2>&1 >/dev/null | grep -o 'cannot read[^"]*')" \
	"cannot read loss=2?x"
is "and changes nothing" "$(count red up delay_us)" 0
is "show is a JSON document of both" "$("$LAB_TOOL" --name "$NAME" show --json | jq -c keys)" '["BLUE","RED"]'

# --- down ---
# As after a crash: an emulator is dead, its pid is another process's by now; that one is left alone.
kill -KILL "$(lab_pid wan-red)"
sleep 60 &
other=$!
echo "$other" >"$LAB_DIR/other.pid"
blue=$(lab_pid wan-blue)
dir=$LAB_DIR
begin=${EPOCHREALTIME/./}
ok "down" "$LAB_TOOL" --name "$NAME" down
say "down took $(((${EPOCHREALTIME/./} - begin) / 1000)) ms"
nothing_left() {
	! ip netns list | grep -q "^$NAME-" && [ ! -e "$dir" ] && [ ! -L "/run/magpie-lab/$NAME" ] && lab_gone "$blue"
}
ok "no namespace, file or process is left" nothing_left
ok "a process that is not the lab's is" kill "$other"
LAB=
ok "down of nothing is fine" "$LAB_TOOL" --name "$NAME" down
