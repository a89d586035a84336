/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way of a packet, the same at both hooks: where does it come from, is it in a tunnel of ours,
 * does an address of it belong to a session, which rule, which path. ARCHITECTURE.md tells it in
 * prose. The programs hold no state of their own beyond flows and fragments; what the daemon may
 * change under traffic (live bytes, policy half) is read once per packet.
 */
#ifndef MAGPIE_BPF_GATEWAY_H
#define MAGPIE_BPF_GATEWAY_H

#include "classify.h"
#include "count.h"
#include "decap.h"
#include "encap.h"
#include "icmp.h"
#include "decision.h"

#define HEADERS_WANTED 160 /* octets to be readable before anything is parsed */

static __always_inline const struct magpie_dev *find_dev(__u32 ifindex)
{
	const __u32 key = ifindex % MAGPIE_DEVS;
	const struct magpie_dev *dev = bpf_map_lookup_elem(&magpie_dev, &key);

	return dev && dev->ifindex == ifindex ? dev : NULL;
}

static __always_inline int parse_frame(const ctx_t *ctx, struct packet *pk)
{
	const struct ethhdr *eth = ctx_data(ctx);
	__u8 family;

	if ((void *)(eth + 1) > ctx_end(ctx))
		return -1;
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		family = 6;
	else if (eth->h_proto == bpf_htons(ETH_P_IP))
		family = 4;
	else
		return -1;
	if (parse_ip(eth + 1, ctx_end(ctx), family, pk) || ETH_HLEN + pk->ip_len > ctx_len(ctx))
		return -1;
	pk->l4 += ETH_HLEN;
	return 0;
}

/*
 * Where the tunnelled packet starts, and its protocol; 0 if this is no tunnel packet. A destination
 * options header (tunnel encapsulation limit, RFC 2473 section 4.1.1) may stand in front.
 */
static __always_inline __u32 find_inner(const ctx_t *ctx, const struct packet *pk, __u8 *ret_next)
{
	const __u8 *options = ctx_data(ctx) + ETH_HLEN + sizeof(struct ipv6hdr);
	__u32 off = ETH_HLEN + sizeof(struct ipv6hdr);

	*ret_next = pk->next;
	if (pk->family != 6)
		return 0;
	if (pk->next == IPPROTO_DSTOPTS) {
		if ((void *)(options + 8) > ctx_end(ctx))
			return 0;
		*ret_next = options[0];
		off += (options[1] % 8 + 1U) * 8;
		if (options[1] >= 8)
			return 0;
	}
	return *ret_next == IPPROTO_IPV6 || *ret_next == IPPROTO_IPIP ? off : 0;
}

/* Packets of an outside device that are in no tunnel: only how they are counted is at stake. */
static __always_inline int pass_outside(const struct packet *pk)
{
	if (pk->next == IPPROTO_MH || is_on_link(pk))
		return MAGPIE_REASON_SIGNALLING;
	if (pk->next == IPPROTO_ICMPV6 && is_local(pk->dst))
		return MAGPIE_REASON_SIGNALLING;
	return MAGPIE_REASON_NOT_OURS;
}

/* The session of an inner packet from an inside device; 0 or the reason to go no further. */
static __always_inline int find_inside(const struct magpie_config *config, const struct packet *pk,
				       __u32 *ret_session)
{
	const int mag = config->role == MAGPIE_ROLE_MAG;
	int pool, unused;

	if (is_on_link(pk))
		return MAGPIE_REASON_SIGNALLING;
	*ret_session = find_session(config, mag ? pk->src : pk->dst, &pool);
	if (is_tunnel_protocol(pk->next) && is_local(pk->dst))
		return MAGPIE_REASON_LOOP;
	if (!*ret_session) {
		if (mag)
			return is_local(pk->src) ? MAGPIE_REASON_LAN_SPOOF : MAGPIE_REASON_NOT_OURS;
		return pool ? MAGPIE_REASON_NO_SESSION : MAGPIE_REASON_NOT_OURS;
	}
	if (mag && find_session(config, pk->dst, &unused) == *ret_session)
		return MAGPIE_REASON_NOT_OURS; /* a neighbour on the LAN, or the gateway itself */
	return 0;
}

/* The rule and class of a flow, into the trace. */
static __always_inline void find_class(const struct flow *flow, __u32 half, __u32 rules,
				       struct magpie_trace *trace)
{
	__u32 match = MAGPIE_RULES << 8;

	if (rules)
		match = (__u32)classify(flow, half, rules);
	trace->class = (__u8)match % MAGPIE_CLASSES;
	match = match >> 8 & 0xff;
	if (match < MAGPIE_RULES)
		trace->rule = (__u8)match;
}

/* Classifies and chooses anew. Remembers the choice if it is the flow's first. */
static __always_inline int decide(ctx_t *ctx, const struct magpie_config *config, struct packet *pk,
				  const struct session *session, __u32 policy, struct run *run,
				  struct magpie_decision *slot, __u64 *hash)
{
	const int up = config->role == MAGPIE_ROLE_MAG;
	const __u32 half = READ_ONCE(config->policy) & 1, rules = config->rules[half];
	struct flow flow;
	int reason;

	if (rules || pk->is_error) {
		__builtin_memset(&flow, 0, sizeof(flow));
		make_flow(pk, up, &flow);
		if (pk->is_error) {
			adopt_quoted(ctx, pk, &flow, up);
			*hash = hash_flow(&flow, session->set->seed);
		}
		find_class(&flow, half, rules, &run->trace);
	}
	reason =
		select_path(config, session, half, *hash, pk->tcp_open, (int)run->dry, &run->trace);
	if (!reason && slot && !run->dry && !run->trace.flags)
		remember(slot, session, *hash, decision_kind(pk), policy, &run->trace);
	return reason;
}

static __always_inline void count_hit(const struct magpie_config *config, const struct run *run,
				      __u32 bytes)
{
	const __u32 rule = run->trace.rule == MAGPIE_NO_RULE ? MAGPIE_RULES : run->trace.rule;

	if (config->rules[READ_ONCE(config->policy) & 1] && !run->dry)
		count_rule(rule, bytes);
}

/* Inner packet of session `id` -> rule, class, path; 0 or the reason to go no further. */
static __always_inline int steer(ctx_t *ctx, const struct magpie_config *config, struct packet *pk,
				 __u32 id, struct run *run, __u64 *ret_hash)
{
	const __u32 policy = READ_ONCE(config->policy_generation); /* before the half */
	struct magpie_decision *slot = NULL;
	struct session session;
	int reason = 0;

	run->trace.session = id;
	if (open_session(id, &session) || session.set->state == MAGPIE_SESSION_NONE)
		return MAGPIE_REASON_NO_SESSION;
	if (session.set->state == MAGPIE_SESSION_LINGER)
		return MAGPIE_REASON_LINGER;
	if (pk->hop_limit <= 1)
		return MAGPIE_REASON_HOP_LIMIT;
	if (pk->family == 6 && is_extension(pk->next))
		skip_extensions(ctx, pk);
	parse_l4(ctx, pk);
	if (pk->fragment != FRAGMENT_NONE)
		follow_fragment(pk, (int)run->dry);
	*ret_hash = hash_packet(pk, config->role == MAGPIE_ROLE_MAG, session.set->seed);
	if (!pk->is_error)
		slot = decision_slot(*ret_hash);
	if (!slot || !recall(slot, &session, *ret_hash, decision_kind(pk), policy, &run->trace))
		reason = decide(ctx, config, pk, &session, policy, run, slot, ret_hash);
	count_hit(config, run, pk->ip_len);
	return reason;
}

/* Sends an inner packet of session `id` on the path its flow belongs to. */
static __always_inline int send_inner(ctx_t *ctx, const struct magpie_config *config,
				      struct packet *pk, __u32 id, int hairpin, struct run *run)
{
	const struct magpie_outer *outer;
	const struct magpie_path *path;
	__u32 path_id;
	__u64 hash;
	int reason;

	reason = steer(ctx, config, pk, id, run, &hash);
	if (reason)
		return reason;
	path_id = run->trace.path;
	path = bpf_map_lookup_elem(&magpie_path, &path_id);
	if (!path)
		return MAGPIE_REASON_NO_PATH;
	outer = &path->outer[READ_ONCE(path->live) & 1];
	run->ifindex = READ_ONCE(outer->ifindex);
	if (!run->ifindex)
		return MAGPIE_REASON_NO_PATH;
	measure(ctx, pk, ETH_HLEN, pk->l4);
	if (pk->wire_len > path_mtu(outer, pk->family)) {
		if (hairpin) /* its sender is behind a tunnel: the stack's answer goes in there */
			return MAGPIE_REASON_TO_STACK;
		return run->dry ? MAGPIE_REASON_TOO_BIG
				: refuse_too_big(ctx, pk, path_mtu(outer, pk->family));
	}
	if (run->dry)
		return hairpin ? MAGPIE_REASON_HAIRPIN : MAGPIE_REASON_ENCAP;
	reason = encapsulate(ctx, pk, outer, hash);
	if (reason == MAGPIE_REASON_ENCAP) {
		count_tx(path_id, pk->ip_len);
		if (hairpin)
			return MAGPIE_REASON_HAIRPIN;
	}
	return reason;
}

static __always_inline int forward(ctx_t *ctx, const struct magpie_config *config,
				   const struct magpie_dev *dev, struct run *run)
{
	const __u32 flags = dev->flags;
	struct packet pk = {};
	__u32 inner = 0, to = 0;
	int reason;
	__u8 next;

	if (parse_frame(ctx, &pk))
		return MAGPIE_REASON_UNPARSED;
	run->bytes = pk.ip_len;
	if (flags & MAGPIE_DEV_OUTSIDE)
		inner = find_inner(ctx, &pk, &next);
	if (inner) {
		reason = decapsulate(ctx, config, &pk, inner, next, run, &to);
		if (reason != GOES_ON)
			return reason;
		if (run->dry)
			return MAGPIE_REASON_HAIRPIN;
		if (parse_frame(ctx, &pk))
			return MAGPIE_REASON_INNER_MALFORMED;
	} else if (flags & MAGPIE_DEV_INSIDE) {
		reason = find_inside(config, &pk, &to);
		if (reason) {
			if (flags & MAGPIE_DEV_OUTSIDE && reason == MAGPIE_REASON_NOT_OURS)
				return pass_outside(&pk);
			return reason;
		}
	} else {
		return pass_outside(&pk);
	}
	return send_inner(ctx, config, &pk, to, inner != 0, run);
}

static __always_inline int gateway(ctx_t *ctx)
{
	const __u32 zero = 0;
	const struct magpie_config *config = bpf_map_lookup_elem(&magpie_config, &zero);
	const struct magpie_dev *dev = find_dev(ctx_ifindex(ctx));
	struct run run;
	int reason = MAGPIE_REASON_NOT_OURS;

	if (!config)
		return CTX_PASS;
	ctx_pull(ctx, HEADERS_WANTED);
	start_run(ctx, &run);
	recognise_trace(ctx, config, &run);
	if (dev && config->role != MAGPIE_ROLE_NONE)
		reason = forward(ctx, config, dev, &run);
	return leave(ctx, &run, (__u32)reason);
}

#endif
