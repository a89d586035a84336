/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Address -> session -> set of bindings. Pools are compared in line, and the position of a prefix
 * in its pool is its slot; the trie is asked only when it is not empty.
 */
#ifndef MAGPIE_BPF_SESSION_H
#define MAGPIE_BPF_SESSION_H

#include "packet.h"

/* A session as one packet sees it: the set is read through one look at the switch. */
struct session {
	__u32 id;
	const struct magpie_set *set;
	__u8 *pinned;
};

__noinline int find_prefix(__u64 hi_be, __u64 lo_be)
{
	struct magpie_prefix_key key = {.length = 128};
	const __u32 *session;

	__builtin_memcpy(key.addr, &hi_be, 8);
	__builtin_memcpy(key.addr + 8, &lo_be, 8);
	session = bpf_map_lookup_elem(&magpie_prefix, &key);
	return session ? (int)*session : 0;
}

/* Returns the session id, 0 for none; ret_pool says whether the address is in a pool of ours. */
static __always_inline __u32 find_session(const struct magpie_config *config, const __u64 *addr,
					  int *ret_pool)
{
	const __u64 hi = bpf_be64_to_cpu(addr[0]), lo = bpf_be64_to_cpu(addr[1]);
	const __u32 *session;
	__u64 index = 0;
	__u32 slot = 0;
	int i;

	*ret_pool = 0;
	for (i = 0; i < MAGPIE_POOLS; i++) {
		const struct magpie_pool *pool = &config->pool[i];

		const __u32 slots = READ_ONCE(pool->slots);

		if (!slots || (hi & pool->mask_hi) != pool->base_hi ||
		    (lo & pool->mask_lo) != pool->base_lo)
			continue;
		index = (pool->in_lo ? lo - pool->base_lo : hi - pool->base_hi) >>
			(pool->shift & 63);
		if (index >= slots)
			continue;
		slot = pool->first_slot + (__u32)index;
		*ret_pool = 1;
		break;
	}
	if (*ret_pool) {
		session = bpf_map_lookup_elem(&magpie_slots, &slot);
		if (session && *session)
			return *session;
	}
	return config->has_prefixes ? (__u32)find_prefix(addr[0], addr[1]) : 0;
}

static __always_inline int open_session(__u32 id, struct session *ret_session)
{
	const __u32 block = id / MAGPIE_SWITCHES;
	struct magpie_switch *sw = bpf_map_lookup_elem(&magpie_switch, &block);
	const struct magpie_session *session = bpf_map_lookup_elem(&magpie_session, &id);

	if (!sw || !session)
		return -1;
	ret_session->id = id;
	ret_session->set = &session->set[READ_ONCE(sw->live[id % MAGPIE_SWITCHES]) & 1];
	ret_session->pinned = &sw->pinned[id % MAGPIE_SWITCHES];
	return 0;
}

/* A binding of a session with more than MAGPIE_NARROW of them that receives on `path`. */
__noinline int wide_receives(__u32 wide, __u32 n, __u32 path)
{
	const struct magpie_wide *all = bpf_map_lookup_elem(&magpie_wide, &wide);
	__u32 i;

	if (!all)
		return 0;
	for (i = 0; i < MAGPIE_WIDE && i < n; i++)
		if (all->binding[i].path == path && (all->binding[i].flags & MAGPIE_BINDING_RX))
			return 1;
	return 0;
}

/* Whether packets that arrive on `path` may belong to the session (any path of it, PD-12). */
static __always_inline int session_receives(const struct magpie_set *set, __u32 path)
{
	int i;

	if (set->n > MAGPIE_NARROW)
		return wide_receives(set->wide, set->n, path);
	for (i = 0; i < MAGPIE_NARROW; i++)
		if (i < set->n && set->binding[i].path == path &&
		    (set->binding[i].flags & MAGPIE_BINDING_RX))
			return 1;
	return 0;
}

#endif
