/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a packet is under XDP. ctx_skb.h has the same functions for tc; everything else in bpf/ is
 * written against them. Frames are linear here (no xdp.frags), so there is nothing to pull.
 */
#ifndef MAGPIE_BPF_CTX_XDP_H
#define MAGPIE_BPF_CTX_XDP_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "abi.h"

#define ctx_t struct xdp_md

#define VLAN_ETH_HLEN 18

#define CTX_PASS XDP_PASS
#define CTX_DROP XDP_DROP

static __always_inline void *ctx_data(const ctx_t *ctx)
{
	return (void *)(unsigned long)ctx->data;
}

static __always_inline void *ctx_end(const ctx_t *ctx)
{
	return (void *)(unsigned long)ctx->data_end;
}

/* Octets of the frame, with whatever padding the link layer added. */
static __always_inline __u32 ctx_len(const ctx_t *ctx)
{
	return ctx->data_end - ctx->data;
}

static __always_inline __u32 ctx_ifindex(const ctx_t *ctx)
{
	return ctx->ingress_ifindex;
}

/* Makes the first n octets (or all there are) readable by ctx_data(). */
static __always_inline void ctx_pull(ctx_t *ctx, __u32 n)
{
}

/* What a GSO packet's IP packets will be; 0: it is one packet as it stands. */
static __always_inline __u32 ctx_segment(const ctx_t *ctx)
{
	return 0;
}

/* Pushes a prebuilt outer header in place of the Ethernet header; its IPv6 part is at ret_l3. */
static __always_inline int ctx_push(ctx_t *ctx, const struct magpie_outer *outer, __u32 *ret_l3)
{
	const __u64 *from = (const __u64 *)outer->hdr;
	__u64 *to;
	int i;

	if (outer->l2_len == ETH_HLEN) {
		if (bpf_xdp_adjust_head(ctx, -40))
			return -1;
		to = ctx_data(ctx);
		if ((void *)to + 54 > ctx_end(ctx))
			return -1;
#pragma unroll
		for (i = 0; i < 6; i++)
			to[i] = from[i];
		*(__u32 *)(to + 6) = *(const __u32 *)(from + 6);
		*((__u16 *)(to + 6) + 2) = *((const __u16 *)(from + 6) + 2);
	} else {
		if (bpf_xdp_adjust_head(ctx, -44))
			return -1;
		to = ctx_data(ctx);
		if ((void *)to + 58 > ctx_end(ctx))
			return -1;
#pragma unroll
		for (i = 0; i < 7; i++)
			to[i] = from[i];
		*(__u16 *)(to + 7) = *(const __u16 *)(from + 7);
	}
	*ret_l3 = outer->l2_len == ETH_HLEN ? ETH_HLEN : VLAN_ETH_HLEN;
	return 0;
}

/*
 * Removes n octets behind the Ethernet header and leaves one in front of the inner packet of
 * `family`: to `macs` (destination, source), or with the addresses it had when that is NULL.
 */
static __always_inline int ctx_pop(ctx_t *ctx, __u32 n, __u8 family, const __u8 *macs)
{
	const __u64 *from = ctx_data(ctx);
	__u64 first, *to;
	__u32 rest;

	if ((void *)from + ETH_HLEN > ctx_end(ctx))
		return -1;
	if (macs)
		from = (const __u64 *)macs;
	first = from[0];
	rest = *(const __u32 *)(from + 1);
	if (bpf_xdp_adjust_head(ctx, (int)n))
		return -1;
	to = ctx_data(ctx);
	if ((void *)to + ETH_HLEN > ctx_end(ctx))
		return -1;
	to[0] = first;
	*(__u32 *)(to + 1) = rest;
	((__u16 *)to)[6] = family == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	return 0;
}

/* Cuts the frame to len octets and then opens `grow` octets behind the Ethernet header, unset. */
static __always_inline int ctx_reshape(ctx_t *ctx, __u32 len, __u32 grow)
{
	struct ethhdr *eth, old;

	if (bpf_xdp_adjust_tail(ctx, (int)len - (int)ctx_len(ctx)))
		return -1;
	eth = ctx_data(ctx);
	if ((void *)(eth + 1) > ctx_end(ctx))
		return -1;
	old = *eth;
	if (bpf_xdp_adjust_head(ctx, -(int)grow))
		return -1;
	eth = ctx_data(ctx);
	if ((void *)(eth + 1) > ctx_end(ctx))
		return -1;
	*eth = old;
	return 0;
}

static __always_inline int ctx_redirect(ctx_t *ctx, __u32 ifindex)
{
	return (int)bpf_redirect(ifindex, 0);
}

/* Sends the frame back to where it came from. */
static __always_inline int ctx_reflect(ctx_t *ctx)
{
	return XDP_TX;
}

/* Whether this is a dry run: metadata that starts with the key. */
static __always_inline int ctx_trace_asked(const ctx_t *ctx, __u64 key)
{
	const struct magpie_trace *trace = (void *)(unsigned long)ctx->data_meta;

	if ((void *)(trace + 1) > ctx_data(ctx))
		return 0;
	return key && trace->key[0] == (__u32)key && trace->key[1] == (__u32)(key >> 32);
}

static __always_inline void ctx_trace_answer(ctx_t *ctx, const struct magpie_trace *answer)
{
	struct magpie_trace *trace = (void *)(unsigned long)ctx->data_meta;

	if ((void *)(trace + 1) <= ctx_data(ctx))
		*trace = *answer;
}

#endif
