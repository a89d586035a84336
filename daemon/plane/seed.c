/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The seed of a session's flow hash. Gateway and anchor derive it from the same first prefix, so
 * that both choose the same path for a flow without talking about it (PL-31, DP-21). Part of the
 * protocol between our two ends: a change splits the directions of flows between old and new
 * versions.
 */
#include "plane/state.h"

/* FNV-1a over the prefix and its length, then a finaliser that mixes the high bits down. */
uint64_t plane_seed(const struct ip_prefix *prefix)
{
	uint64_t h = 0xcbf29ce484222325U;

	for (unsigned int i = 0; i < 16; i++)
		h = (h ^ prefix->addr.b[i]) * 0x100000001b3U;
	h = (h ^ prefix->len) * 0x100000001b3U;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdU;
	h ^= h >> 33;
	return h;
}
