/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Session and class -> binding. The candidates are the bindings whose label has a rank in the
 * class; the best rank that has one wins, and within it weighted rendezvous hashing: every binding
 * draws a number from (flow, BID), and the smallest -log2(u) / weight carries the flow. So a lost
 * binding moves only its own flows, and both ends of a tunnel choose alike without talking.
 *
 * Two choices are made at once: the *first* over all bindings that are known, the *actual* over
 * those that can carry packets now. Where they differ the flow is pinned to the actual one, so that
 * it stays there when the first comes back. A flow whose first choice is fine costs no lookup.
 */
#ifndef MAGPIE_BPF_SELECT_H
#define MAGPIE_BPF_SELECT_H

#include "session.h"
#include "log2.h"

#define MIX_A 0x9e3779b97f4a7c15ULL
#define MIX_B 0xbf58476d1ce4e5b9ULL
#define MIX_C 0x94d049bb133111ebULL
#define MIX_D 0xd6e8feb86659fd93ULL
#define MIX_E 0xff51afd7ed558ccdULL

#define PIN_REFRESH_NS 1000000000ULL
#define NS_PER_S       1000000000ULL

struct pick {
	__u64 hash;
	__u32 path; /* of the actual choice */
	__u32 drawn;
	__u32 weight;
	__u32 first_drawn;
	__u32 first_weight;
	__u8 rank; /* 0: nothing usable */
	__u8 bid;
	__u8 first_rank; /* 0: nothing known */
	__u8 first_bid;
	__u8 last_resort; /* nothing is alive: silence is no longer a reason */
};

static __always_inline __u64 mix(__u64 value, __u64 factor)
{
	value *= factor;
	return value ^ value >> 32;
}

/*
 * The identity of a flow, from an inner packet and its direction (`up`: the host sent it). Numbers
 * are taken in host byte order, so all machines agree. The words are mixed side by side: a chain of
 * multiplications would wait for each of them.
 */
static __always_inline __u64 hash_words(__u64 seed, const __u64 *mobile, const __u64 *peer,
					__u32 mobile_port, __u32 peer_port, __u8 proto)
{
	__u64 hash;

	hash = mix(bpf_be64_to_cpu(mobile[0]) ^ seed, MIX_A);
	hash += mix(bpf_be64_to_cpu(mobile[1]) + seed, MIX_B);
	hash += mix(bpf_be64_to_cpu(peer[0]) ^ seed, MIX_C);
	hash += mix(bpf_be64_to_cpu(peer[1]) + seed, MIX_D);
	hash += mix((__u64)mobile_port << 32 | peer_port << 16 | proto, MIX_E);
	return mix(hash, MIX_B);
}

static __always_inline __u64 hash_flow(const struct flow *flow, __u64 seed)
{
	return hash_words(seed, flow->mobile, flow->peer, flow->mobile_port, flow->peer_port,
			  flow->proto);
}

static __always_inline __u64 hash_packet(const struct packet *pk, int up, __u64 seed)
{
	return up ? hash_words(seed, pk->src, pk->dst, pk->sport, pk->dport, pk->proto)
		  : hash_words(seed, pk->dst, pk->src, pk->dport, pk->sport, pk->proto);
}

/* The number that a binding draws for a flow: uniform in 1..2^32-1. */
static __always_inline __u32 draw(__u64 hash, __u8 bid)
{
	hash = (hash ^ bid * MIX_A) * MIX_C;
	hash = (hash ^ hash >> 32) * MIX_D;
	return (__u32)(hash >> 32) | 1;
}

/* -log2(a) / weight_a < -log2(b) / weight_b; equal weights need no logarithm */
static __always_inline int beats(__u32 a, __u32 weight_a, __u32 b, __u32 weight_b)
{
	if (weight_a == weight_b)
		return a > b;
	return (__u64)minus_log2(a) * weight_b < (__u64)minus_log2(b) * weight_a;
}

/* The path can carry packets at this moment; `silent_too`: as far as we can tell. */
static __always_inline int path_usable(__u32 id, int silent_too)
{
	const struct magpie_path *path = bpf_map_lookup_elem(&magpie_path, &id);

	return path && (silent_too || READ_ONCE(path->alive)) &&
	       READ_ONCE(path->outer[READ_ONCE(path->live) & 1].ifindex);
}

static __always_inline void consider(struct pick *pick, const struct magpie_binding *binding,
				     const struct magpie_class *class, int alone)
{
	const __u8 label = binding->label, rank = class->rank[label];
	const __u32 weight = (__u32)binding->weight * class->weight[label];
	__u32 drawn;

	if (!rank || !weight)
		return;
	drawn = alone ? 1 : draw(pick->hash, binding->bid);
	if (!pick->first_rank || rank < pick->first_rank ||
	    (rank == pick->first_rank &&
	     beats(drawn, weight, pick->first_drawn, pick->first_weight))) {
		pick->first_rank = rank;
		pick->first_bid = binding->bid;
		pick->first_drawn = drawn;
		pick->first_weight = weight;
	}
	if (pick->rank && (rank > pick->rank || (rank == pick->rank &&
						 !beats(drawn, weight, pick->drawn, pick->weight))))
		return;
	if (!(binding->flags & MAGPIE_BINDING_TX) || !path_usable(binding->path, pick->last_resort))
		return;
	pick->rank = rank;
	pick->bid = binding->bid;
	pick->path = binding->path;
	pick->drawn = drawn;
	pick->weight = weight;
}

/* The same behind a call, for the long loop: the verifier goes through it once. */
__noinline int consider_apart(struct pick *pick, const struct magpie_binding *binding,
			      const struct magpie_class *class)
{
	if (pick && binding && class)
		consider(pick, binding, class, 0);
	return 0;
}

__noinline int choose_wide(struct pick *pick, __u32 wide, __u32 n, const struct magpie_class *class)
{
	const struct magpie_wide *all = bpf_map_lookup_elem(&magpie_wide, &wide);
	__u32 i;

	if (!pick || !all || !class)
		return -1;
	for (i = 0; i < MAGPIE_WIDE && i < n; i++)
		consider_apart(pick, &all->binding[i], class);
	return 0;
}

/* Looks at all bindings of a set; a function of its own, so that its paths do not multiply ours. */
__noinline int choose(struct pick *pick, const struct magpie_set *set,
		      const struct magpie_class *class)
{
	__u32 i, n;

	if (!pick || !set || !class)
		return -1;
	n = set->n;
	for (i = 0; i < MAGPIE_NARROW && i < n; i++)
		consider(pick, &set->binding[i], class, n == 1);
	return 0;
}

static __always_inline void choose_any(struct pick *pick, const struct magpie_set *set,
				       const struct magpie_class *class)
{
	pick->rank = pick->first_rank = 0;
	if (set->n > MAGPIE_NARROW)
		choose_wide(pick, set->wide, set->n, class);
	else
		choose(pick, set, class);
}

/* ---- pins -------------------------------------------------------------------------- */

struct pin {
	struct magpie_flow_key key;
	__u32 class_key;
	__u32 default_key; /* the class that may stand in; equal to class_key if none */
	__u32 idle_s;
	__u8 class;
	__u8 bid;
	__u8 forget; /* a connection starts: what was pinned is over */
	__u8 dry;
};

/*
 * path << 16 | tier << 8 | bid of binding `bid`, if that can carry packets and one of the two
 * classes has its label; else 0.
 */
static __always_inline __u32 stay_on(const struct magpie_set *set, __u8 bid,
				     const struct magpie_class *class,
				     const struct magpie_class *fallback)
{
	const struct magpie_wide *all = NULL;
	__u32 i, rank, wide = set->wide;

	if (set->n > MAGPIE_NARROW) {
		all = bpf_map_lookup_elem(&magpie_wide, &wide);
		if (!all)
			return 0;
	}
	for (i = 0; i < MAGPIE_WIDE && i < set->n; i++) {
		const struct magpie_binding *b =
			all ? &all->binding[i] : &set->binding[i % MAGPIE_NARROW];

		if (b->bid != bid || !b->weight)
			continue;
		rank = class->rank[b->label] ? class->rank[b->label] : fallback->rank[b->label];
		if (!rank || !(b->flags & MAGPIE_BINDING_TX) || !path_usable(b->path, 0))
			return 0;
		return b->path << 16 | rank << 8 | bid;
	}
	return 0;
}

/* As stay_on() for the pinned flow, or 0 (and the pin is gone). */
__noinline __u32 keep_pin(const struct pin *pin, const struct magpie_set *set)
{
	const struct magpie_class *class, *fallback;
	struct magpie_flow *flow;
	__u32 kept = 0;
	__u64 now;

	if (!pin || !set)
		return 0;
	flow = bpf_map_lookup_elem(&magpie_flow, &pin->key);
	class = bpf_map_lookup_elem(&magpie_class, &pin->class_key);
	fallback = bpf_map_lookup_elem(&magpie_class, &pin->default_key);
	if (!flow || !class || !fallback)
		return 0;
	now = bpf_ktime_get_ns();
	if (!pin->forget && flow->class == pin->class &&
	    now - flow->seen_ns <= pin->idle_s * NS_PER_S)
		kept = stay_on(set, flow->bid, class, fallback);
	if (!kept) {
		if (!pin->dry)
			bpf_map_delete_elem(&magpie_flow, &pin->key);
		return 0;
	}
	if (!pin->dry && now - flow->seen_ns > PIN_REFRESH_NS)
		flow->seen_ns = now;
	return kept;
}

__noinline int set_pin(const struct pin *pin)
{
	struct magpie_flow flow = {};

	if (!pin)
		return -1;
	flow.seen_ns = bpf_ktime_get_ns();
	flow.bid = pin->bid;
	flow.class = pin->class;
	return (int)bpf_map_update_elem(&magpie_flow, &pin->key, &flow, BPF_ANY);
}

static __always_inline void fill_pin(struct pin *pin, const struct session *session, __u64 hash,
				     __u32 class_key, __u32 default_key, __u8 class, int dry)
{
	__builtin_memset(pin, 0, sizeof(*pin));
	pin->key.hash = hash;
	pin->key.session = session->id;
	pin->class_key = class_key;
	pin->default_key = default_key;
	pin->class = class;
	pin->dry = (__u8)dry;
}

/* ---- the choice -------------------------------------------------------------------- */

/*
 * Chooses for a flow of class `trace->class` of policy half `half`. Returns 0 with path, bid, tier
 * and flags in trace, or the reason why there is no path.
 */
static __always_inline int select_path(const struct magpie_config *config,
				       const struct session *session, __u32 half, __u64 hash,
				       int opens, int dry, struct magpie_trace *trace)
{
	const __u32 zero_key = half ? MAGPIE_CLASSES : 0;
	const __u32 key = zero_key + trace->class;
	const struct magpie_class *class = bpf_map_lookup_elem(&magpie_class, &key);
	struct pick pick = {.hash = hash};
	__u32 kept, default_key;
	struct pin pin;
	__u8 first;

	if (!class)
		return MAGPIE_REASON_NO_PATH;
	default_key = class->otherwise == MAGPIE_OTHERWISE_DEFAULT ? zero_key : key;
	if (READ_ONCE(*session->pinned)) {
		fill_pin(&pin, session, hash, key, default_key, trace->class, dry);
		pin.forget = (__u8)opens;
		pin.idle_s = config->flow_idle_s;
		kept = keep_pin(&pin, session->set);
		if (kept) {
			trace->path = (__u16)(kept >> 16);
			trace->tier = (__u8)(kept >> 8);
			trace->bid = (__u8)kept;
			trace->flags = MAGPIE_TRACE_PINNED;
			return 0;
		}
	}
	choose_any(&pick, session->set, class);
	first = pick.first_rank ? pick.first_bid : 0;
	if (!pick.rank && default_key != key) {
		const struct magpie_class *zero = bpf_map_lookup_elem(&magpie_class, &zero_key);

		if (zero)
			choose_any(&pick, session->set, zero);
		if (!first && pick.first_rank)
			first = pick.first_bid;
	}
	if (!pick.rank) {
		/* Silence on all paths may be the peer's daemon alone: the least bad is tried
		 * (PL-25). */
		pick.last_resort = 1;
		choose_any(&pick, session->set, class);
	}
	if (!pick.rank)
		return class->otherwise == MAGPIE_OTHERWISE_DROP ? MAGPIE_REASON_POLICY
								 : MAGPIE_REASON_NO_PATH;
	trace->path = (__u16)pick.path;
	trace->bid = pick.bid;
	trace->tier = pick.rank;
	if (pick.bid == first || pick.last_resort)
		return 0;
	trace->flags = MAGPIE_TRACE_DISPLACED;
	if (dry)
		return 0;
	fill_pin(&pin, session, hash, key, default_key, trace->class, dry);
	pin.bid = pick.bid;
	set_pin(&pin);
	if (!READ_ONCE(*session->pinned))
		*(volatile __u8 *)session->pinned = 1;
	return 0;
}

#endif
