/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the data plane is measured against: programs that do the unavoidable and nothing else. A
 * live test run hands one frame to a program again and again with its pointers reset but not its
 * octets, so a generator rebuilds the frame and sends it over a veth whose peer runs the program
 * under test, which sends it over a second veth to the sink. What the generator and the two hops
 * cost is the same for all of them.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define FRAME 128 /* octets that are rebuilt */

struct frame_template {
	__u64 word[FRAME / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct frame_template);
} frame SEC(".maps");

struct outer_template {
	__u64 word[7]; /* 54 octets of Ethernet and IPv6 */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct outer_template);
} outer SEC(".maps");

/* What varies from frame to frame: a session number is written into two places, a port into one. */
__u32 sessions = 1;
__u32 spread;	  /* 0: always the same session and port */
__u32 session_at; /* octet of the low half of the inner prefix */
__u32 path_at;	  /* octet of the 32-bit path number in the outer source; 0: none */
__u32 port_at;
__u32 paths = 1;
__u32 entry;  /* ifindex: its peer runs the program under test */
__u32 target; /* ifindex: where that sends to */
__u64 arrived;
__u32 state = 2463534242U;

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	void *data = (void *)(unsigned long)ctx->data, *end = (void *)(unsigned long)ctx->data_end;
	const __u32 zero = 0;
	const struct frame_template *from = bpf_map_lookup_elem(&frame, &zero);
	__u32 session = 0, random = state, at;
	__u64 *to = data;
	int i;

	if (!from || data + FRAME > end)
		return XDP_ABORTED;
#pragma unroll
	for (i = 0; i < FRAME / 8; i++)
		to[i] = from->word[i];
	random ^= random << 13;
	random ^= random >> 17;
	random ^= random << 5;
	state = random;
	if (spread)
		session = (__u32)((__u64)random * sessions >> 32);
	at = session_at & 127;
	if (data + at + 4 <= end)
		*(__u32 *)(data + at) = bpf_htonl(session + 1);
	at = path_at & 127;
	if (at && data + at + 4 <= end)
		*(__u32 *)(data + at) = bpf_htonl(session % paths);
	at = port_at & 127;
	if (spread && data + at + 2 <= end)
		*(__u16 *)(data + at) = (__u16)random;
	return (int)bpf_redirect(entry, 0);
}

SEC("xdp")
int bare_redirect(struct xdp_md *ctx)
{
	return (int)bpf_redirect(target, 0);
}

/* The far end of the target: frames really get there, or the figures mean nothing. */
SEC("xdp")
int sink(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&arrived, 1);
	return XDP_DROP;
}

SEC("xdp")
int floor_encap(struct xdp_md *ctx)
{
	const __u32 zero = 0;
	const struct outer_template *from = bpf_map_lookup_elem(&outer, &zero);
	void *data;
	__u64 *to;
	int i;

	if (!from || bpf_xdp_adjust_head(ctx, -40))
		return XDP_ABORTED;
	data = (void *)(unsigned long)ctx->data;
	if (data + 54 > (void *)(unsigned long)ctx->data_end)
		return XDP_ABORTED;
	to = data;
#pragma unroll
	for (i = 0; i < 6; i++)
		to[i] = from->word[i];
	*(__u32 *)(to + 6) = *(const __u32 *)(from->word + 6);
	*((__u16 *)(to + 6) + 2) = *((const __u16 *)(from->word + 6) + 2);
	return (int)bpf_redirect(target, 0);
}

SEC("xdp")
int floor_decap(struct xdp_md *ctx)
{
	const __u32 zero = 0;
	const struct outer_template *from = bpf_map_lookup_elem(&outer, &zero);
	void *data;

	if (!from || bpf_xdp_adjust_head(ctx, 40))
		return XDP_ABORTED;
	data = (void *)(unsigned long)ctx->data;
	if (data + ETH_HLEN > (void *)(unsigned long)ctx->data_end)
		return XDP_ABORTED;
	*(__u64 *)data = from->word[0];
	*((__u32 *)data + 2) = *(const __u32 *)(from->word + 1);
	*((__u16 *)data + 6) = bpf_htons(ETH_P_IPV6);
	return (int)bpf_redirect(target, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
