/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a packet is under tc, at ingress of a device or at egress of magpie0 (then the packet comes
 * from the local stack or was forwarded by it). The twin of ctx_xdp.h. GSO packets stay whole: the
 * segments are made behind us, each with the outer header, and a checksum left to the device is
 * still left to it.
 */
#ifndef MAGPIE_BPF_CTX_SKB_H
#define MAGPIE_BPF_CTX_SKB_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "abi.h"

#define ctx_t struct __sk_buff

#define CTX_PASS TC_ACT_UNSPEC
#define CTX_DROP TC_ACT_SHOT

static __always_inline void *ctx_data(const ctx_t *ctx)
{
	return (void *)(unsigned long)ctx->data;
}

static __always_inline void *ctx_end(const ctx_t *ctx)
{
	return (void *)(unsigned long)ctx->data_end;
}

static __always_inline __u32 ctx_len(const ctx_t *ctx)
{
	return ctx->len;
}

static __always_inline __u32 ctx_ifindex(const ctx_t *ctx)
{
	return ctx->ifindex;
}

static __always_inline void ctx_pull(ctx_t *ctx, __u32 n)
{
	if (n > ctx->len)
		n = ctx->len;
	if (ctx->data_end - ctx->data < n)
		bpf_skb_pull_data(ctx, n);
}

static __always_inline __u32 ctx_segment(const ctx_t *ctx)
{
	return ctx->gso_size;
}

/*
 * FIXED_GSO: the inner segments keep their size (it was checked against the path); without it the
 * kernel would shrink them and change what the sender's TCP sent. A VLAN tag goes where the kernel
 * keeps tags, outside of the octets.
 */
static __always_inline int ctx_push(ctx_t *ctx, const struct magpie_outer *outer, __u32 *ret_l3)
{
	const __u64 flags = BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 | BPF_F_ADJ_ROOM_FIXED_GSO;
	const __u16 *l2 = (const __u16 *)outer->hdr;
	__u16 *to;
	int i;

	if (bpf_skb_adjust_room(ctx, sizeof(struct ipv6hdr), BPF_ADJ_ROOM_MAC, flags))
		return -1;
	if (outer->l2_len != ETH_HLEN && bpf_skb_vlan_push(ctx, l2[6], bpf_ntohs(l2[7])))
		return -1;
	to = ctx_data(ctx);
	if ((void *)to + ETH_HLEN + sizeof(struct ipv6hdr) > ctx_end(ctx))
		return -1;
#pragma unroll
	for (i = 0; i < 6; i++)
		to[i] = l2[i];
	to[6] = bpf_htons(ETH_P_IPV6);
	to += 7;
	l2 += outer->l2_len == ETH_HLEN ? 7 : 9;
#pragma unroll
	for (i = 0; i < 20; i++)
		to[i] = l2[i];
	*ret_l3 = ETH_HLEN;
	return 0;
}

/*
 * The kernel keeps the protocol of a packet beside its octets; the DECAP flags set it (6.3).
 * Older kernels strip IPv6 from IPv6 all the same, and refuse IPv4 here.
 */
static __always_inline int ctx_pop(ctx_t *ctx, __u32 n, __u8 family, const __u8 *macs)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
	struct ethhdr *eth;

	if (family == 4)
		flags |= BPF_F_ADJ_ROOM_DECAP_L3_IPV4;
	if (bpf_skb_adjust_room(ctx, -(__s32)n, BPF_ADJ_ROOM_MAC, flags))
		return -1;
	eth = ctx_data(ctx);
	if ((void *)(eth + 1) > ctx_end(ctx))
		return -1;
	if (macs)
		__builtin_memcpy(eth, macs, 12);
	eth->h_proto = family == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	return 0;
}

static __always_inline int ctx_reshape(ctx_t *ctx, __u32 len, __u32 grow)
{
	if (bpf_skb_change_tail(ctx, len, 0) ||
	    bpf_skb_adjust_room(ctx, (__s32)grow, BPF_ADJ_ROOM_MAC, 0))
		return -1;
	return bpf_skb_pull_data(ctx, len + grow) ? -1 : 0;
}

static __always_inline int ctx_redirect(ctx_t *ctx, __u32 ifindex)
{
	return (int)bpf_redirect(ifindex, 0);
}

/* At egress, where the packet came from is the stack: it receives the answer on that device. */
static __always_inline int ctx_reflect(ctx_t *ctx)
{
	const int egress = ctx->ingress_ifindex != ctx->ifindex;

	return (int)bpf_redirect(ctx->ifindex, egress ? BPF_F_INGRESS : 0);
}

static __always_inline int ctx_trace_asked(const ctx_t *ctx, __u64 key)
{
	return key && ctx->cb[0] == (__u32)key && ctx->cb[1] == (__u32)(key >> 32);
}

static __always_inline void ctx_trace_answer(ctx_t *ctx, const struct magpie_trace *answer)
{
	const __u32 *word = (const __u32 *)answer;
	int i;

#pragma unroll
	for (i = 0; i < 5; i++)
		ctx->cb[i] = word[i];
}

#endif
