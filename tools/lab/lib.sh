# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The lab: namespaces mn - mag - {red, blue} - lma - web, with an emulated network in red and in blue.
# Sourced by the demo, by tests/e2e and by manual.sh. Everything has the lab's name in it and goes with
# lab_down, also after a failure or, by lab_use, from another shell; commands run with only their network namespace changed, so that a bpffs stays
# visible (`ip netns exec` would hide it).
#
#   mn eth0 -- lan0 mag red0 -- [near red far] -- red0 lma core0 -- eth0 web
#                       blue0 - [near blue far] - blue0
#
#   pCoA 2001:db8:a::2 (RED), 2001:db8:b::2 (BLUE); LMAA 2001:db8:1::1 on the anchor's loopback;
#   home network prefixes from 2001:db8:100::/48; web 2001:db8:c::2.
#
# LAB_ATTACH=xdp|tc|auto is the daemons' hook. With xdp the veths behave as devices of an XDP driver do:
# frames have their checksums, and what is redirected into one arrives at the other end.

LAB_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LAB_BUILD=${LAB_BUILD:-$LAB_TOP/build}
LAB_LMAA=2001:db8:1::1
# shellcheck disable=SC2034 # for who sources this
LAB_WEB=2001:db8:c::2
LAB_WANS=(red blue)
LAB_HOSTS=(mn mag red blue lma web)
LAB_INDEX=/run/magpie-lab # a link NAME to the directory of each lab that is up
LAB_FOREIGN=              # set: another shell built it

# lab_in HOST COMMAND... : in a host of the lab
lab_in() {
	local host=$1
	shift
	nsenter --net="/run/netns/$LAB-$host" "$@"
}

# lab_start NAME HOST COMMAND... : in the background, output to $LAB_DIR/NAME.log, pid in NAME.pid
lab_start() {
	local name=$1 host=$2
	shift 2
	nsenter --net="/run/netns/$LAB-$host" "$@" >>"$LAB_DIR/$name.log" 2>&1 </dev/null &
	echo $! >"$LAB_DIR/$name.pid"
}

lab_pid() {
	cat "$LAB_DIR/$1.pid"
}

lab_gone() { # PID : it has ended, reaped or not
	local stat
	{ stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
	[[ $stat == *") Z "* ]]
}

# Pids are used again: in a lab that another shell built, only what runs in one of its hosts is its.
lab_owns() { # PID
	local host
	[ -n "$LAB_FOREIGN" ] || return 0
	for host in "${LAB_HOSTS[@]}"; do
		[ "/proc/$1/ns/net" -ef "/run/netns/$LAB-$host" ] && return 0
	done
	return 1
}

# lab_signal NAME SIGNAL : tells what lab_start began; its pid, or nothing if it is not there any more
lab_signal() {
	local file=$LAB_DIR/$1.pid pid
	[ -f "$file" ] || return 0
	pid=$(<"$file")
	rm -f "$file"
	[[ $pid =~ ^[0-9]+$ ]] && lab_owns "$pid" && kill "-$2" "$pid" 2>/dev/null && echo "$pid"
}

lab_await() { # PID : it has been told to end; five seconds are enough
	lab_wait 5 lab_gone "$1" || {
		echo "lab: pid $1 does not end: killed" >&2
		kill -KILL "$1" 2>/dev/null
	}
	wait "$1" 2>/dev/null
}

# lab_stop NAME [SIGNAL] : ends what lab_start began, and waits until it is gone
lab_stop() {
	local pid
	pid=$(lab_signal "$1" "${2:-TERM}")
	[ -z "$pid" ] || lab_await "$pid" || true
}

# lab_wait SECONDS COMMAND... : until the command succeeds
lab_wait() {
	local whole=${1%%.*} part=000000 end
	[[ $1 != *.* ]] || part=${1#*.}000000
	end=$((${EPOCHREALTIME/./} + 10#${whole:-0} * 1000000 + 10#${part:0:6}))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/./}" -lt "$end" ] || return 1
		read -rt 0.02 <> <(:) || true # a pause without a process
	done
}

lab_link() { # HOST DEVICE HOST DEVICE
	echo "link add $2 netns $LAB-$1 type veth peer name $4 netns $LAB-$3"
}

lab_topology() {
	local host wan
	for host in "${LAB_HOSTS[@]}"; do
		echo "netns add $LAB-$host"
	done
	lab_link mn eth0 mag lan0
	for wan in "${LAB_WANS[@]}"; do
		lab_link mag "${wan}0" "$wan" near
		lab_link lma "${wan}0" "$wan" far
	done
	lab_link lma core0 web eth0
}

lab_addresses() { # HOST, as an ip batch within it
	echo "link set lo up"
	case $1 in
	mn) echo "link set eth0 up" ;;
	mag)
		printf '%s\n' "link set lan0 up" "link set red0 up" "link set blue0 up" \
			"addr add 2001:db8:a::2/64 dev red0 nodad" "addr add 2001:db8:b::2/64 dev blue0 nodad" \
			"route add $LAB_LMAA via 2001:db8:a::1 dev red0 metric 10" \
			"route add $LAB_LMAA via 2001:db8:b::1 dev blue0 metric 20"
		;;
	red | blue) printf '%s\n' "link set near up" "link set far up" ;;
	lma)
		printf '%s\n' "link set red0 up" "link set blue0 up" "link set core0 up" \
			"addr add 2001:db8:a::1/64 dev red0 nodad" "addr add 2001:db8:b::1/64 dev blue0 nodad" \
			"addr add 2001:db8:c::1/64 dev core0 nodad" "addr add $LAB_LMAA/128 dev lo nodad"
		;;
	web)
		printf '%s\n' "link set eth0 up" "addr add 2001:db8:c::2/64 dev eth0 nodad" \
			"route add default via 2001:db8:c::1"
		;;
	esac
}

# No duplicate address detection: addresses work at once. Devices exist already, so each is told.
lab_sysctl() { # HOST
	local all=(net.ipv6.conf.all.accept_dad=0)
	case $1 in
	mn | web) all+=(net.ipv6.conf.eth0.accept_dad=0) ;;
	mag) all+=(net.ipv6.conf.all.forwarding=1 net.ipv6.conf.{lan0,red0,blue0}.accept_dad=0) ;;
	lma) all+=(net.ipv6.conf.all.forwarding=1 net.ipv6.conf.{core0,red0,blue0}.accept_dad=0) ;;
	red | blue) all+=(net.ipv6.conf.all.disable_ipv6=1) ;;
	esac
	lab_in "$1" sysctl -qw "${all[@]}"
}

# Frames that the emulator sees are what a wire would carry: segmented, checksummed. An XDP program sees
# a frame without the kernel's notes on it, so with xdp this holds of all; and what it redirects into a
# veth is lost unless the other end polls (NAPI), as it does with gro or with a program of its own.
lab_offloads() {
	local wan host
	for wan in "${LAB_WANS[@]}"; do
		for host in mag lma; do
			lab_in "$host" ethtool -K "${wan}0" tx off tso off gso off >/dev/null || return
		done
	done
	[ "${LAB_ATTACH:-auto}" = xdp ] || return 0
	for host in mn web; do
		lab_in "$host" ethtool -K eth0 tx off gro on >/dev/null || return
	done
}

lab_build() {
	local host wan
	lab_topology | ip -batch - || return
	for host in "${LAB_HOSTS[@]}"; do
		lab_sysctl "$host" || return
		lab_addresses "$host" | ip -n "$LAB-$host" -batch - || return
	done
	lab_offloads || return
	for wan in "${LAB_WANS[@]}"; do
		set -- near far "$LAB_DIR/$wan.wan"
		[ "${LAB_ATTACH:-auto}" != xdp ] || set -- "$@" napi
		lab_start "wan-$wan" "$wan" "$LAB_BUILD/magpie-lab" wan "$@"
	done
	for wan in "${LAB_WANS[@]}"; do
		lab_wait 5 test -S "$LAB_DIR/$wan.wan" || {
			tail -n 3 "$LAB_DIR/wan-$wan.log" >&2
			return 1
		}
	done
}

# lab_up NAME : builds the lab; LAB and LAB_DIR name it. A lab of that name that is there is left alone.
lab_up() {
	if [ -e "/run/netns/$1-mag" ]; then
		echo "lab: $1 is there already; magpie-lab --name $1 down ends it" >&2
		return 1
	fi
	LAB=$1
	LAB_FOREIGN=
	LAB_DIR=$(mktemp -d "/tmp/$LAB.XXXXXX") || return
	mkdir -p "$LAB_INDEX" && ln -sfn "$LAB_DIR" "$LAB_INDEX/$LAB" || return
	echo "${LAB_ATTACH:-auto}" >"$LAB_DIR/attach"
	lab_build || {
		echo "lab: $LAB cannot be built" >&2
		return 1
	}
}

# lab_use NAME : a lab that another shell built, or what a crash has left of it
lab_use() {
	LAB=$1
	LAB_FOREIGN=1
	LAB_DIR=$(readlink "$LAB_INDEX/$LAB") || LAB_DIR=/nonexistent
	[ ! -f "$LAB_DIR/attach" ] || LAB_ATTACH=$(<"$LAB_DIR/attach")
}

# lab_wan red delay=25ms cut=yes ... : shapes an emulated network; prints its state
lab_wan() {
	local wan=$1
	shift
	"$LAB_BUILD/magpie-lab" set "$LAB_DIR/$wan.wan" "$@"
}

# lab_config mag|lma : the example configuration of the lab, on standard output; extra lines from stdin
lab_config() {
	cat <<-EOF
		[Node]
		Role=$1
		Security=none
		RuntimeDirectory=$LAB_DIR/run-$1
		StateDirectory=$LAB_DIR/state-$1
	EOF
	if [ "$1" = mag ]; then
		cat <<-EOF
			Identity=mag1@demo.example
			${LAB_ATTACH:+Attach=$LAB_ATTACH}
			[Anchor]
			Address=$LAB_LMAA
			Lifetime=${LAB_LIFETIME:-60s}
			[Path]
			Label=RED
			Device=red0
			Access=lte
			[Path]
			Label=BLUE
			Device=blue0
			Access=ethernet
			[MobileNode]
			Identity=mn1@demo.example
			Lan=lan0
		EOF
	else
		cat <<-EOF
			Identity=lma1.demo.example
			Inside=core0
			Outside=red0 blue0
			${LAB_ATTACH:+Attach=$LAB_ATTACH}
			[Anchor]
			Address=$LAB_LMAA
			Lifetime=${LAB_LIFETIME:-60s}
			[Pool]
			Prefix=2001:db8:100::/48
			Length=64
		EOF
	fi
	cat <<-EOF
		[Label]
		Name=RED
		Number=9
		[Label]
		Name=BLUE
		Number=11
	EOF
	cat
}

# lab_magpie mag|lma ARGUMENT... : the CLI against one of the daemons
lab_magpie() {
	local role=$1
	shift
	lab_in "$role" "$LAB_BUILD/magpie" --socket "$LAB_DIR/run-$role/control" "$@"
}

# lab_daemon mag|lma : starts it with $LAB_DIR/ROLE.conf and waits until it answers
lab_daemon() {
	lab_start "$1" "$1" "$LAB_BUILD/magpied" --config "$LAB_DIR/$1.conf" --log "${LAB_LOG:-info}"
	lab_wait 10 lab_ready "$1" || {
		echo "lab: magpied as $1 did not come up:" >&2
		tail -n 5 "$LAB_DIR/$1.log" >&2
		return 1
	}
}

lab_ready() {
	kill -0 "$(lab_pid "$1")" && grep -q "ready as $1" "$LAB_DIR/$1.log"
}

# The mobile node's address out of the home network prefix.
lab_mn_address() {
	lab_in mn ip -6 -o addr show dev eth0 scope global -tentative | awk '{ sub("/.*", "", $4); print $4; exit }'
}

# lab_down : ends and removes what is the lab's, as much of it as is there
lab_down() {
	local file host pid pids=()
	[ -n "${LAB:-}" ] || return 0
	for file in "$LAB_DIR"/*.pid; do # all at once, then each awaited
		file=${file##*/}
		mapfile -t -O ${#pids[@]} pids < <(lab_signal "${file%.pid}" TERM)
	done
	for pid in "${pids[@]}"; do
		lab_await "$pid"
	done
	for host in mag lma; do
		umount "$LAB_DIR/run-$host/bpf" 2>/dev/null || true
	done
	for host in "${LAB_HOSTS[@]}"; do
		ip netns del "$LAB-$host" 2>/dev/null || true
	done
	[ -n "${LAB_KEEP:-}" ] || rm -rf "$LAB_DIR"
	rm -f "${LAB_INDEX:?}/$LAB"
	rmdir --ignore-fail-on-non-empty "$LAB_INDEX" 2>/dev/null || true
	LAB=
}
