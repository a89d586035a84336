#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The shell's part of `magpie-lab up` and `magpie-lab down`: a lab that stays when this ends.
#   manual.sh up NAME auto|xdp|tc
#   manual.sh down NAME
set -u
# shellcheck source=tools/lab/lib.sh
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" = 0 ] || { echo "lab: needs root (namespaces)" >&2; exit 1; }
case $1 in
up)
	trap 'lab_down; exit 130' INT TERM
	LAB_ATTACH=$3
	lab_up "$2" || { lab_down; exit 1; }
	echo "$2 is up: namespaces $2-{mn,mag,red,blue,lma,web}, files and sockets in $LAB_DIR"
	;;
down)
	lab_use "$2"
	lab_down
	;;
esac
