/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a decapsulated packet goes. Answers of the kernel's FIB are kept per CPU, by destination
 * address; the daemon voids them all by counting config.nexthop_generation up when a route or a
 * neighbour changes. Whatever the FIB cannot say (no neighbour, local, unreachable, too big) is the
 * stack's business.
 */
#ifndef MAGPIE_BPF_NEXTHOP_H
#define MAGPIE_BPF_NEXTHOP_H

#include "packet.h"

/* Asks the FIB and, unless dry, keeps the answer. Returns 0 or -1. */
__noinline int resolve_nexthop(ctx_t *ctx, const struct packet *pk, __u32 *hop_key,
			       __u32 generation, int dry)
{
	struct bpf_fib_lookup fib = {};
	struct magpie_nexthop *hop;
	__u32 key;

	if (!pk || !hop_key)
		return -1;
	key = *hop_key % MAGPIE_NEXTHOPS;
	fib.ifindex = ctx_ifindex(ctx);
	fib.tot_len = (__u16)pk->wire_len;
	if (pk->family == 4) {
		fib.family = AF_INET;
		fib.tos = pk->tos;
		fib.ipv4_src = pk->src[1] >> 32;
		fib.ipv4_dst = pk->dst[1] >> 32;
	} else {
		fib.family = AF_INET6;
		__builtin_memcpy(fib.ipv6_src, pk->src, 16);
		__builtin_memcpy(fib.ipv6_dst, pk->dst, 16);
	}
	if (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return -1;
	if (dry)
		return 0;
	hop = bpf_map_lookup_elem(&magpie_nexthop, &key);
	if (!hop)
		return -1;
	((__u64 *)hop->dst)[0] = pk->dst[0];
	((__u64 *)hop->dst)[1] = pk->dst[1];
	hop->generation = generation;
	hop->ifindex = fib.ifindex;
	hop->mtu = fib.mtu_result;
	__builtin_memcpy(hop->dmac, fib.dmac, 6);
	__builtin_memcpy(hop->smac, fib.smac, 6);
	return 0;
}

/*
 * The next hop of pk, or NULL for the stack. A kernel before 5.13 names no MTU but the length of
 * the packet that asked: longer ones simply ask again.
 */
static __always_inline struct magpie_nexthop *
find_nexthop(ctx_t *ctx, const struct packet *pk, const struct magpie_config *config, int dry)
{
	const __u32 generation = READ_ONCE(config->nexthop_generation);
	const __u64 spread = (pk->dst[0] ^ pk->dst[1]) * 0x9e3779b97f4a7c15ULL;
	__u32 key = (__u32)(spread >> 32) % MAGPIE_NEXTHOPS;
	struct magpie_nexthop *hop = bpf_map_lookup_elem(&magpie_nexthop, &key);

	if (!hop)
		return NULL;
	if (hop->generation == generation && hop->ifindex && hop->mtu >= pk->wire_len &&
	    ((__u64 *)hop->dst)[0] == pk->dst[0] && ((__u64 *)hop->dst)[1] == pk->dst[1])
		return hop;
	return resolve_nexthop(ctx, pk, &key, generation, dry) ? NULL : hop;
}

#endif
