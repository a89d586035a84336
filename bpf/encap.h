/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inner packet + path -> packet in the tunnel. The path's outer header is prebuilt, Ethernet
 * included; what depends on the packet is patched: payload length, next header, traffic class
 * (DSCP and ECN copied, RFC 6040 normal mode) and flow label (RFC 6438). Entering a tunnel is
 * forwarding, so the inner hop limit counts down first (RFC 2473 section 3.1).
 *
 * Outer packets are never fragmented here: an IPv4 packet that is too big is answered like one with
 * DF, and IPv6 up to 1280 octets always goes.
 */
#ifndef MAGPIE_BPF_ENCAP_H
#define MAGPIE_BPF_ENCAP_H

#include "packet.h"

#define IPV6_MIN_MTU 1280
#define IPV4_MIN_MTU 576
#define LABEL_MASK   0xfffff

/* The MTU to hold a packet against, and to tell its sender. */
static __always_inline __u32 path_mtu(const struct magpie_outer *outer, __u8 family)
{
	const __u32 least = family == 6 ? IPV6_MIN_MTU : IPV4_MIN_MTU;

	return outer->mtu > least ? outer->mtu : least;
}

/* Fills in wire_len of a packet whose IP header starts at `l3` and the next one at `l4`. */
static __always_inline void measure(const ctx_t *ctx, struct packet *pk, __u32 l3, __u32 l4)
{
	const __u32 segment = ctx_segment(ctx);
	__u32 headers = l4 - l3;
	const __u8 *tcp;

	pk->wire_len = pk->ip_len;
	if (!segment)
		return;
	if (pk->proto != IPPROTO_TCP) {
		headers += 8;
	} else if (l4 <= MAX_HEADERS) {
		tcp = ctx_data(ctx) + l4;
		if ((void *)(tcp + 13) <= ctx_end(ctx))
			headers += (tcp[12] >> 4) * 4U;
	}
	pk->wire_len = headers + segment;
}

static __always_inline void count_down_v4(struct iphdr *ip)
{
	const __u32 sum = ip->check + (__u32)bpf_htons(0x0100);

	ip->check = (__u16)(sum + (sum >= 0xffff));
	ip->ttl--;
}

/* One hop less, of the inner packet that starts at `off`. */
static __always_inline int count_down(ctx_t *ctx, __u32 off, __u8 family)
{
	void *ip = ctx_data(ctx) + off;

	if (family == 4) {
		if (ip + sizeof(struct iphdr) > ctx_end(ctx))
			return -1;
		count_down_v4(ip);
	} else {
		if (ip + sizeof(struct ipv6hdr) > ctx_end(ctx))
			return -1;
		((struct ipv6hdr *)ip)->hop_limit--;
	}
	return 0;
}

static __always_inline __u32 flow_label(__u64 hash)
{
	const __u32 label = (__u32)(hash * 0x9e3779b97f4a7c15ULL >> 40) & LABEL_MASK;

	return label ? label : 1;
}

static __always_inline int encapsulate(ctx_t *ctx, const struct packet *pk,
				       const struct magpie_outer *outer, __u64 hash)
{
	struct ipv6hdr *ip;
	__u32 l3;

	if (count_down(ctx, ETH_HLEN, pk->family) || ctx_push(ctx, outer, &l3))
		return MAGPIE_REASON_NO_ROOM;
	ip = ctx_data(ctx) + l3;
	if ((void *)(ip + 1) > ctx_end(ctx))
		return MAGPIE_REASON_NO_ROOM;
	ip->word = bpf_htonl(6U << 28 | (__u32)pk->tos << 20 | flow_label(hash));
	ip->payload_len = bpf_htons((__u16)(pk->ip_len > 0xffff ? 0xffff : pk->ip_len));
	ip->nexthdr = pk->family == 6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	return MAGPIE_REASON_ENCAP;
}

#endif
