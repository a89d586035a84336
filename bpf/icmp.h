/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packet Too Big (RFC 4443 section 3.2) and Fragmentation Needed (RFC 1191 section 4) to the sender
 * of an inner packet that its path does not carry: the offender is turned into the answer and goes
 * back by the device it came from. A token bucket per CPU bounds them; errors are never answered
 * with errors, nor fragments other than the first.
 *
 * Quotes have one length per family, so that checksums run over constant sizes: what is too big is
 * larger than the minimum MTU (path_mtu), so that much is always there.
 */
#ifndef MAGPIE_BPF_ICMP_H
#define MAGPIE_BPF_ICMP_H

#include "encap.h"

#define ICMP_RATE  100 /* per second and CPU */
#define ICMP_BURST 100

#define QUOTE_V6 (IPV6_MIN_MTU - 48)
#define QUOTE_V4 (IPV4_MIN_MTU - 28)

struct icmp_error {
	__u8 type;
	__u8 code;
	__sum16 check;
	__be32 mtu; /* IPv4: in the low half */
};

struct error_v6 {
	struct ipv6hdr ip;
	struct icmp_error icmp;
};

struct error_v4 {
	struct iphdr ip;
	struct icmp_error icmp;
};

static __always_inline int take_token(void)
{
	const __u64 step = 1000000000ULL / ICMP_RATE;
	const __u32 zero = 0;
	struct magpie_bucket *bucket = bpf_map_lookup_elem(&magpie_bucket, &zero);
	__u64 now, due;

	if (!bucket)
		return 0;
	now = bpf_ktime_get_ns();
	due = (now - bucket->refilled_ns) / step;
	if (due >= ICMP_BURST) {
		bucket->tokens = ICMP_BURST;
		bucket->refilled_ns = now;
	} else {
		bucket->tokens += due;
		if (bucket->tokens > ICMP_BURST)
			bucket->tokens = ICMP_BURST;
		bucket->refilled_ns += due * step;
	}
	if (!bucket->tokens)
		return 0;
	bucket->tokens--;
	return 1;
}

static __always_inline __sum16 fold(__s64 sum)
{
	__u64 s = (__u64)sum;

	s = (s & 0xffff) + (s >> 16 & 0xffff) + (s >> 32);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (__sum16)~s;
}

static __always_inline void swap_macs(struct ethhdr *eth)
{
	__u8 mac[6];

	__builtin_memcpy(mac, eth->h_dest, 6);
	__builtin_memcpy(eth->h_dest, eth->h_source, 6);
	__builtin_memcpy(eth->h_source, mac, 6);
}

static __always_inline int answer_v6(ctx_t *ctx, const struct magpie_config *config, __u32 mtu)
{
	struct error_v6 *error;
	struct ipv6hdr *quoted;
	__s64 sum;

	if (ctx_reshape(ctx, ETH_HLEN + QUOTE_V6, sizeof(*error)))
		return -1;
	error = ctx_data(ctx) + ETH_HLEN;
	quoted = (void *)(error + 1);
	if ((void *)quoted + QUOTE_V6 > ctx_end(ctx))
		return -1;
	swap_macs(ctx_data(ctx));
	error->ip.word = bpf_htonl(6U << 28);
	error->ip.payload_len = bpf_htons(sizeof(error->icmp) + QUOTE_V6);
	error->ip.nexthdr = IPPROTO_ICMPV6;
	error->ip.hop_limit = 64;
	__builtin_memcpy(error->ip.saddr, config->icmp_source6, 16);
	__builtin_memcpy(error->ip.daddr, quoted->saddr, 16);
	error->icmp.type = 2;
	error->icmp.code = 0;
	error->icmp.check = 0;
	error->icmp.mtu = bpf_htonl(mtu);
	/* addresses, ICMPv6 header and quote lie in one piece: 32 + 8 + 1232 octets */
	sum = bpf_csum_diff(NULL, 0, (__be32 *)error->ip.saddr, 512, 0);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)((void *)error->ip.saddr + 512), 512, (__wsum)sum);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)((void *)error->ip.saddr + 1024), 248, (__wsum)sum);
	sum += bpf_htons(sizeof(error->icmp) + QUOTE_V6) + (__s64)bpf_htons(IPPROTO_ICMPV6);
	error = ctx_data(ctx) + ETH_HLEN;
	if ((void *)(error + 1) > ctx_end(ctx))
		return -1;
	error->icmp.check = fold(sum);
	return 0;
}

static __always_inline int answer_v4(ctx_t *ctx, const struct magpie_config *config, __u32 mtu)
{
	struct error_v4 *error;
	struct iphdr *quoted;
	__s64 sum;

	if (ctx_reshape(ctx, ETH_HLEN + QUOTE_V4, sizeof(*error)))
		return -1;
	error = ctx_data(ctx) + ETH_HLEN;
	quoted = (void *)(error + 1);
	if ((void *)quoted + QUOTE_V4 > ctx_end(ctx))
		return -1;
	swap_macs(ctx_data(ctx));
	error->ip.ver_ihl = 0x45;
	error->ip.tos = 0;
	error->ip.tot_len = bpf_htons(IPV4_MIN_MTU);
	error->ip.id = 0;
	error->ip.frag_off = bpf_htons(0x4000);
	error->ip.ttl = 64;
	error->ip.protocol = IPPROTO_ICMP;
	error->ip.check = 0;
	error->ip.saddr = *(const __be32 *)config->icmp_source4;
	if (!error->ip.saddr)
		error->ip.saddr = bpf_htonl(0xc0000008); /* 192.0.0.8 */
	error->ip.daddr = quoted->saddr;
	error->icmp.type = 3;
	error->icmp.code = 4;
	error->icmp.check = 0;
	error->icmp.mtu = bpf_htonl(mtu & 0xffff);
	error->ip.check = fold(bpf_csum_diff(NULL, 0, (__be32 *)&error->ip, sizeof(error->ip), 0));
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&error->icmp, 512, 0);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)((void *)&error->icmp + 512),
			    sizeof(error->icmp) + QUOTE_V4 - 512, (__wsum)sum);
	error->icmp.check = fold(sum);
	return 0;
}

/* Turns the packet into the answer; returns the reason it leaves under. */
__noinline int refuse_too_big(ctx_t *ctx, const struct packet *pk, __u32 mtu)
{
	const __u32 zero = 0;
	const struct magpie_config *config = bpf_map_lookup_elem(&magpie_config, &zero);
	const __u64 *source6;

	if (!pk || !config || pk->is_error || pk->fragment == FRAGMENT_LATER)
		return MAGPIE_REASON_TOO_BIG_LIMITED;
	source6 = (const __u64 *)config->icmp_source6;
	if (pk->family == 6 && !source6[0] && !source6[1])
		return MAGPIE_REASON_TOO_BIG_LIMITED;
	if (!take_token())
		return MAGPIE_REASON_TOO_BIG_LIMITED;
	if (pk->family == 6 ? answer_v6(ctx, config, mtu) : answer_v4(ctx, config, mtu))
		return MAGPIE_REASON_TOO_BIG_LIMITED;
	return MAGPIE_REASON_TOO_BIG;
}

#endif
