/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Octets -> struct packet: IPv4, IPv6 with extension headers, the upper layer's ports, and what
 * fragments and ICMP errors say. Every length is the IP header's own; the end of the frame only
 * bounds reads, because Ethernet pads. What cannot be read is "not known" (no ports), never a
 * reason to drop (TS-14, TS-17).
 *
 * The IP header of a packet that is classified starts behind a plain Ethernet header; only the
 * base header of a packet still inside a tunnel is read elsewhere (parse_ip).
 */
#ifndef MAGPIE_BPF_PACKET_H
#define MAGPIE_BPF_PACKET_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "maps.h"

#define MAX_EXTENSIONS 8
#define MAX_HEADERS    1024	      /* no upper-layer header is looked for beyond this */
#define FRAGMENT_NS    60000000000ULL /* reassembly time of RFC 8200 */

enum fragment {
	FRAGMENT_NONE,
	FRAGMENT_FIRST,
	FRAGMENT_LATER,
};

struct packet {
	__u64 src[2]; /* network byte order, IPv4 mapped */
	__u64 dst[2];
	__u32 ip_len;	/* octets from the IP header on, as that says */
	__u32 l4;	/* offset of the upper-layer header in the frame */
	__u32 wire_len; /* of the largest packet it becomes: GSO packets are cut later */
	__u32 frag_id_be;
	__u16 sport; /* ports, or the identifier of an ICMP echo in both */
	__u16 dport;
	__u8 family;
	__u8 next;	/* protocol as in the IP header */
	__u8 proto;	/* upper-layer protocol */
	__u8 tos;	/* DSCP and ECN */
	__u8 hop_limit; /* or TTL */
	__u8 fragment;	/* enum fragment */
	__u8 has_l4;	/* sport, dport are known */
	__u8 tcp_open;	/* SYN without ACK: a connection starts here */
	__u8 is_error;	/* ICMP error */
	__u8 pad[3];
};

/* A flow as the host sees it, the same in both directions (TS-02). */
struct flow {
	__u64 mobile[2];
	__u64 peer[2];
	__u16 mobile_port;
	__u16 peer_port;
	__u8 family;
	__u8 proto;
	__u8 next;
	__u8 dscp;
	__u8 has_l4; /* the ports are known */
	__u8 pad[7];
};

static __always_inline int has_ports(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_UDPLITE || proto == IPPROTO_DCCP;
}

static __always_inline int is_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_DSTOPTS || next == IPPROTO_AH;
}

static __always_inline __u64 mapped_v4(__u32 addr_be)
{
	return (__u64)addr_be << 32 | bpf_htonl(0xffff);
}

static __always_inline int parse_ip6(const struct ipv6hdr *ip, const void *end, struct packet *pk)
{
	if ((const void *)(ip + 1) > end)
		return -1;
	if ((*(const __u8 *)ip & 0xf0) != 0x60)
		return -1;
	pk->src[0] = ((const __u64 *)ip->saddr)[0];
	pk->src[1] = ((const __u64 *)ip->saddr)[1];
	pk->dst[0] = ((const __u64 *)ip->daddr)[0];
	pk->dst[1] = ((const __u64 *)ip->daddr)[1];
	pk->family = 6;
	pk->ip_len = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	pk->next = pk->proto = ip->nexthdr;
	pk->tos = bpf_ntohl(ip->word) >> 20;
	pk->hop_limit = ip->hop_limit;
	pk->l4 = sizeof(*ip);
	pk->fragment = FRAGMENT_NONE;
	return 0;
}

static __always_inline int parse_ip4(const struct iphdr *ip, const void *end, struct packet *pk)
{
	__u32 frag;

	if ((const void *)(ip + 1) > end)
		return -1;
	pk->l4 = (ip->ver_ihl & 0x0f) * 4;
	pk->ip_len = bpf_ntohs(ip->tot_len);
	if (ip->ver_ihl >> 4 != 4 || pk->l4 < sizeof(*ip) || pk->ip_len < pk->l4)
		return -1;
	pk->src[0] = pk->dst[0] = 0;
	pk->src[1] = mapped_v4(ip->saddr);
	pk->dst[1] = mapped_v4(ip->daddr);
	pk->family = 4;
	pk->next = pk->proto = ip->protocol;
	pk->tos = ip->tos;
	pk->hop_limit = ip->ttl;
	frag = bpf_ntohs(ip->frag_off) & 0x3fff;
	pk->fragment = !frag ? FRAGMENT_NONE : frag & 0x1fff ? FRAGMENT_LATER : FRAGMENT_FIRST;
	pk->frag_id_be = ip->id;
	return 0;
}

/* The base header; pk->l4 is relative to it. Lengths are consistent in themselves afterwards. */
static __always_inline int parse_ip(const void *ip, const void *end, __u8 family, struct packet *pk)
{
	return family == 6 ? parse_ip6(ip, end, pk) : parse_ip4(ip, end, pk);
}

/*
 * Skips IPv6 extension headers. A function of its own: few packets need it. pk->proto and pk->l4
 * are moved to the upper layer; a chain that is too long or truncated leaves proto at the header
 * that could not be read.
 */
__noinline int skip_extensions(ctx_t *ctx, struct packet *pk)
{
	void *data = ctx_data(ctx), *end = ctx_end(ctx);
	__u32 off, proto, i;

	if (!pk)
		return -1;
	off = pk->l4;
	proto = pk->proto;
	for (i = 0; i < MAX_EXTENSIONS && is_extension((__u8)proto); i++) {
		const __u8 *ext;

		if (off > MAX_HEADERS)
			break;
		ext = data + off;
		if ((void *)(ext + 8) > end)
			break;
		if (proto == IPPROTO_FRAGMENT) {
			pk->frag_id_be = *(const __u32 *)(ext + 4);
			pk->fragment = ext[2] || ext[3] & 0xf8 ? FRAGMENT_LATER
				       : ext[3] & 1	       ? FRAGMENT_FIRST
							       : FRAGMENT_NONE;
			off += 8;
		} else {
			off += proto == IPPROTO_AH ? (ext[1] + 2U) * 4 : (ext[1] + 1U) * 8;
		}
		proto = ext[0];
		if (pk->fragment == FRAGMENT_LATER)
			break;
	}
	pk->l4 = off;
	pk->proto = (__u8)proto;
	return 0;
}

/* Ports or echo identifier of the upper layer, where the packet really has them. */
static __always_inline void parse_l4(ctx_t *ctx, struct packet *pk)
{
	const __u32 ip_end = ETH_HLEN + pk->ip_len;
	__u32 off = pk->l4;
	const __u8 *l4;

	pk->has_l4 = pk->tcp_open = pk->is_error = 0;
	pk->sport = pk->dport = 0;
	if (pk->fragment == FRAGMENT_LATER || off > MAX_HEADERS || ip_end < off + 8)
		return;
	l4 = ctx_data(ctx) + off;
	if ((void *)(l4 + 8) > ctx_end(ctx))
		return;
	if (has_ports(pk->proto)) {
		pk->sport = bpf_ntohs(((const __u16 *)l4)[0]);
		pk->dport = bpf_ntohs(((const __u16 *)l4)[1]);
		pk->has_l4 = 1;
		if (pk->proto == IPPROTO_TCP && ip_end >= off + 14 &&
		    (void *)(l4 + 14) <= ctx_end(ctx))
			pk->tcp_open = (l4[13] & 0x12) == 0x02;
	} else if (pk->proto == IPPROTO_ICMPV6 && pk->family == 6) {
		pk->is_error = l4[0] < 128;
		pk->has_l4 = l4[0] == 128 || l4[0] == 129;
	} else if (pk->proto == IPPROTO_ICMP && pk->family == 4) {
		pk->is_error = l4[0] == 3 || l4[0] == 11 || l4[0] == 12;
		pk->has_l4 = l4[0] == 8 || l4[0] == 0;
	}
	if (pk->has_l4 && !has_ports(pk->proto))
		pk->sport = pk->dport = bpf_ntohs(((const __u16 *)l4)[2]);
}

/* The packet as its mobile host sees it; `up`: the host sent it. */
static __always_inline void make_flow(const struct packet *pk, int up, struct flow *flow)
{
	if (up) {
		flow->mobile[0] = pk->src[0];
		flow->mobile[1] = pk->src[1];
		flow->peer[0] = pk->dst[0];
		flow->peer[1] = pk->dst[1];
		flow->mobile_port = pk->sport;
		flow->peer_port = pk->dport;
	} else {
		flow->mobile[0] = pk->dst[0];
		flow->mobile[1] = pk->dst[1];
		flow->peer[0] = pk->src[0];
		flow->peer[1] = pk->src[1];
		flow->mobile_port = pk->dport;
		flow->peer_port = pk->sport;
	}
	flow->family = pk->family;
	flow->proto = pk->proto;
	flow->next = pk->next;
	flow->dscp = pk->tos >> 2;
	flow->has_l4 = pk->has_l4;
}

/*
 * An ICMP error belongs to the flow it reports: that of the packet it quotes, which went the other
 * way. DSCP likewise. An error whose quote cannot be read stays a flow of its own.
 */
__noinline int adopt_quoted(ctx_t *ctx, const struct packet *pk, struct flow *flow, int up)
{
	void *data = ctx_data(ctx), *end = ctx_end(ctx);
	struct packet quoted = {};
	const __u16 *l4;
	__u32 off;

	if (!pk || !flow)
		return -1;
	off = pk->l4 + 8;
	if (off > MAX_HEADERS || parse_ip(data + off, end, pk->family, &quoted))
		return -1;
	off += quoted.l4;
	l4 = data + off;
	if (off <= MAX_HEADERS && quoted.fragment != FRAGMENT_LATER && (void *)(l4 + 4) <= end) {
		if (has_ports(quoted.proto)) {
			quoted.sport = bpf_ntohs(l4[0]);
			quoted.dport = bpf_ntohs(l4[1]);
			quoted.has_l4 = 1;
		} else if (quoted.proto == IPPROTO_ICMPV6 || quoted.proto == IPPROTO_ICMP) {
			quoted.sport = quoted.dport = bpf_ntohs(l4[2]);
			quoted.has_l4 = 1;
		}
	}
	make_flow(&quoted, !up, flow);
	return 0;
}

/*
 * First fragments leave ports for the others; later ones fetch them, and stay without when the
 * first has not come by (TS-18). The upper-layer protocol comes along.
 */
__noinline int follow_fragment(struct packet *pk, int dry)
{
	struct magpie_frag_key key = {};
	struct magpie_frag value = {}, *known;

	if (!pk)
		return -1;
	((__u64 *)key.src)[0] = pk->src[0];
	((__u64 *)key.src)[1] = pk->src[1];
	((__u64 *)key.dst)[0] = pk->dst[0];
	((__u64 *)key.dst)[1] = pk->dst[1];
	key.id_be = pk->frag_id_be;
	key.proto = pk->next;
	if (pk->fragment == FRAGMENT_FIRST) {
		value.seen_ns = bpf_ktime_get_ns();
		value.sport = pk->sport;
		value.dport = pk->dport;
		value.proto = pk->proto;
		if (pk->has_l4 && !dry)
			bpf_map_update_elem(&magpie_frag, &key, &value, BPF_ANY);
		return 0;
	}
	known = bpf_map_lookup_elem(&magpie_frag, &key);
	if (!known || bpf_ktime_get_ns() - known->seen_ns > FRAGMENT_NS)
		return 0;
	pk->sport = known->sport;
	pk->dport = known->dport;
	pk->proto = known->proto;
	pk->has_l4 = 1;
	return 0;
}

#endif
