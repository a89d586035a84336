/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packet in the tunnel -> inner packet. The outer header must be that of a tunnel of ours, the
 * inner address on the mobile side must belong to a session with a binding on that path (any path
 * of it: receiving never enforces policy, PL-36). ECN of both headers is combined by RFC 6040
 * section 4.2; DSCP stays the inner one's. All checks come before the first write.
 *
 * Outer fragments are the kernel's business (it reassembles and finds nobody): they pass.
 */
#ifndef MAGPIE_BPF_DECAP_H
#define MAGPIE_BPF_DECAP_H

#include "count.h"
#include "encap.h"
#include "nexthop.h"
#include "session.h"

#define ECN_MASK 3
#define ECN_ECT1 1
#define ECN_ECT0 2
#define ECN_CE	 3

/* Not a reason: the packet is stripped and goes into the tunnel of another session. */
#define GOES_ON MAGPIE_REASON_COUNT

static __always_inline int is_local(const __u64 *addr)
{
	struct magpie_local_key key;

	((__u64 *)key.addr)[0] = addr[0];
	((__u64 *)key.addr)[1] = addr[1];
	return bpf_map_lookup_elem(&magpie_local, &key) != NULL;
}

static __always_inline int is_tunnel_protocol(__u8 proto)
{
	return proto == IPPROTO_IPV6 || proto == IPPROTO_IPIP || proto == IPPROTO_GRE;
}

/* Multicast, link-local, unspecified or broadcast: never for a tunnel. */
static __always_inline int is_on_link(const struct packet *pk)
{
	const __u64 src = bpf_be64_to_cpu(pk->src[0]), dst = bpf_be64_to_cpu(pk->dst[0]);

	if (src >> 61 == 1 && dst >> 61 == 1) /* 2000::/3, what nearly all of them are */
		return 0;
	if (pk->family == 6)
		return dst >> 56 == 0xff || dst >> 54 == 0xfe80 >> 6 || src >> 54 == 0xfe80 >> 6 ||
		       !(src | pk->src[1]) || src >> 56 == 0xff;
	return (__u8)(pk->dst[1] >> 32) >= 224 || (__u8)(pk->src[1] >> 32) >= 224 ||
	       (__u16)(pk->dst[1] >> 32) == bpf_htons(0xa9fe) ||
	       (__u16)(pk->src[1] >> 32) == bpf_htons(0xa9fe) || !(pk->src[1] >> 32);
}

/* Returns the combined codepoint, or -1 for a packet that must be dropped. */
static __always_inline int combine_ecn(__u8 inner, __u8 outer)
{
	inner &= ECN_MASK;
	outer &= ECN_MASK;
	if (outer == ECN_CE)
		return inner ? ECN_CE : -1;
	return outer == ECN_ECT1 && inner == ECN_ECT0 ? ECN_ECT1 : inner;
}

static __always_inline int set_ecn(ctx_t *ctx, __u32 off, __u8 family, __u8 ecn)
{
	__u8 *ip = ctx_data(ctx) + off;
	__u32 sum;
	__u16 *word;
	__u8 tos;

	if ((void *)ip + sizeof(struct iphdr) > ctx_end(ctx))
		return -1;
	if (family == 6) {
		ip[1] = (__u8)((ip[1] & ~0x30) | ecn << 4);
		return 0;
	}
	word = (__u16 *)(ip + 10);
	tos = (__u8)((ip[1] & ~ECN_MASK) | ecn);
	sum = (__u16) ~*word + (__u16)~bpf_htons(ip[1]) + (__u32)bpf_htons(tos); /* RFC 1624 */
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*word = (__u16)~sum;
	ip[1] = tos;
	return 0;
}

static __always_inline int is_path_of(const struct packet *outer, __u32 id)
{
	const struct magpie_path *path = bpf_map_lookup_elem(&magpie_path, &id);
	const __u64 *local, *remote;

	if (!path || READ_ONCE(path->encap) != MAGPIE_ENCAP_IP6)
		return 0;
	local = (const __u64 *)path->local;
	remote = (const __u64 *)path->remote;
	return remote[1] == outer->src[1] && remote[0] == outer->src[0] &&
	       local[1] == outer->dst[1] && local[0] == outer->dst[0];
}

__noinline __u32 search_tunnel(const struct packet *outer)
{
	struct magpie_tunnel_key key = {.encap = MAGPIE_ENCAP_IP6};
	const __u32 *path;

	if (!outer)
		return 0;
	((__u64 *)key.remote)[0] = outer->src[0];
	((__u64 *)key.remote)[1] = outer->src[1];
	((__u64 *)key.local)[0] = outer->dst[0];
	((__u64 *)key.local)[1] = outer->dst[1];
	path = bpf_map_lookup_elem(&magpie_tunnel, &key);
	return path ? *path : 0;
}

/* The tunnel of an outer header -> path id, 0 if there is none. */
static __always_inline __u32 find_tunnel(const struct packet *outer, int dry)
{
	const __u64 spread = (outer->src[0] ^ outer->src[1]) * 0x9e3779b97f4a7c15ULL;
	const __u32 key = (__u32)(spread >> 32) % MAGPIE_HINTS;
	__u32 *hint = bpf_map_lookup_elem(&magpie_hint, &key), path;

	if (hint && *hint && is_path_of(outer, *hint))
		return *hint;
	path = search_tunnel(outer);
	if (hint && !dry)
		*hint = path;
	return path;
}

static __always_inline int is_probe(const struct packet *outer, const struct packet *inner)
{
	return inner->family == 6 && inner->next == IPPROTO_UDP && inner->dst[1] == outer->dst[1] &&
	       inner->dst[0] == outer->dst[0] && inner->src[0] == outer->src[0] &&
	       inner->src[1] == outer->src[1];
}

/* Whether the inner packet may come out of `path`; 0 or the reason against. */
static __always_inline int admit(const struct magpie_config *config, const struct packet *in,
				 __u32 path, __u32 *ret_session)
{
	struct session session;
	int pool;

	*ret_session =
		find_session(config, config->role == MAGPIE_ROLE_MAG ? in->dst : in->src, &pool);
	if (!*ret_session || open_session(*ret_session, &session))
		return MAGPIE_REASON_INNER_SPOOF;
	if (session.set->state == MAGPIE_SESSION_LINGER)
		return MAGPIE_REASON_LINGER;
	if (session.set->state != MAGPIE_SESSION_ACTIVE || !session_receives(session.set, path) ||
	    is_on_link(in))
		return MAGPIE_REASON_INNER_SPOOF;
	if (is_tunnel_protocol(in->next) && is_local(in->dst))
		return MAGPIE_REASON_LOOP;
	return 0;
}

/*
 * Takes the packet out of its tunnel. `outer` is its parsed IPv6 header, the inner one starts at
 * `off`. Returns a reason, or GOES_ON with ret_to: the session of its destination.
 */
static __always_inline int decapsulate(ctx_t *ctx, const struct magpie_config *config,
				       const struct packet *outer, __u32 off, __u8 next,
				       struct run *run, __u32 *ret_to)
{
	const __u8 family = next == IPPROTO_IPV6 ? 6 : 4;
	struct magpie_nexthop *hop = NULL;
	struct packet in = {};
	int reason, ecn, pool;
	__u32 session, path = find_tunnel(outer, (int)run->dry);

	if (!path)
		return is_local(outer->dst) ? MAGPIE_REASON_OUTER_UNKNOWN : MAGPIE_REASON_NOT_OURS;
	run->trace.path = (__u16)path;
	if (parse_ip(ctx_data(ctx) + off, ctx_end(ctx), family, &in) ||
	    off + in.ip_len > ETH_HLEN + outer->ip_len)
		return MAGPIE_REASON_INNER_MALFORMED;
	measure(ctx, &in, off, off + in.l4);
	if (is_probe(outer, &in))
		return MAGPIE_REASON_PROBE;
	reason = admit(config, &in, path, &session);
	run->trace.session = session;
	if (reason)
		return reason;
	ecn = combine_ecn(in.tos, outer->tos);
	if (ecn < 0)
		return MAGPIE_REASON_ECN;
	if (!run->dry) {
		count_rx(path, in.ip_len);
		if (ecn != (in.tos & ECN_MASK) && set_ecn(ctx, off, family, (__u8)ecn))
			return MAGPIE_REASON_INNER_MALFORMED;
	}
	*ret_to = 0;
	if (in.hop_limit <= 1) {
		reason = MAGPIE_REASON_HOP_LIMIT;
	} else {
		if (config->role == MAGPIE_ROLE_LMA)
			*ret_to = find_session(config, in.dst, &pool);
		reason = GOES_ON;
		if (!*ret_to || *ret_to == session) {
			hop = find_nexthop(ctx, &in, config, (int)run->dry);
			reason = hop ? MAGPIE_REASON_DECAP : MAGPIE_REASON_TO_STACK;
		}
	}
	if (run->dry)
		return reason;
	if (hop) {
		run->ifindex = hop->ifindex;
		if (count_down(ctx, off, family))
			return MAGPIE_REASON_INNER_MALFORMED;
	}
	return ctx_pop(ctx, off - ETH_HLEN, family, hop ? hop->dmac : NULL) ? MAGPIE_REASON_NO_ROOM
									    : reason;
}

#endif
