/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The figures, and the one exit: every packet that enters a program leaves it here, under one
 * reason. What the reason means for the packet is in abi.h's table and nowhere else.
 */
#ifndef MAGPIE_BPF_COUNT_H
#define MAGPIE_BPF_COUNT_H

#include "packet.h"
#include "trace.h"

#define VERDICT_FORWARD 1
#define VERDICT_PASS	2
#define VERDICT_DROP	4

/* Bit r: reason r has that verdict. */
#define X(name, verdict, text) | (VERDICT_##verdict == VERDICT_FORWARD) << MAGPIE_REASON_##name
static const __u32 forward_reasons = 0 MAGPIE_REASONS(X);
#undef X
#define X(name, verdict, text) | (VERDICT_##verdict == VERDICT_PASS) << MAGPIE_REASON_##name
static const __u32 pass_reasons = 0 MAGPIE_REASONS(X);
#undef X
_Static_assert(MAGPIE_REASON_COUNT <= 32, "one bit for every reason");

static __always_inline void count_reason(__u32 reason, __u32 bytes)
{
	struct magpie_reason_count *count = bpf_map_lookup_elem(&magpie_reason, &reason);

	if (!count)
		return;
	count->reason = reason;
	count->packets++;
	count->bytes += bytes;
}

static __always_inline void count_rule(__u32 rule, __u32 bytes)
{
	struct magpie_rule_count *count = bpf_map_lookup_elem(&magpie_rulestat, &rule);

	if (!count)
		return;
	count->packets++;
	count->bytes += bytes;
}

static __always_inline void count_tx(__u32 path, __u32 bytes)
{
	struct magpie_path_count *count = bpf_map_lookup_elem(&magpie_pathstat, &path);

	if (!count)
		return;
	count->tx_packets++;
	count->tx_bytes += bytes;
}

static __always_inline void count_rx(__u32 path, __u32 bytes)
{
	struct magpie_path_count *count = bpf_map_lookup_elem(&magpie_pathstat, &path);

	if (!count)
		return;
	count->rx_packets++;
	count->rx_bytes += bytes;
}

/* The verdict of the hook for a packet that leaves under `reason`, counted unless dry. */
static __always_inline int leave(ctx_t *ctx, struct run *run, __u32 reason)
{
	if (run->dry) {
		run->trace.reason = (__u8)reason;
		ctx_trace_answer(ctx, &run->trace);
		return CTX_PASS;
	}
	count_reason(reason, run->bytes);
	if (forward_reasons >> reason & 1)
		return ctx_redirect(ctx, run->ifindex);
	if (pass_reasons >> reason & 1)
		return CTX_PASS;
	return reason == MAGPIE_REASON_TOO_BIG ? ctx_reflect(ctx) : CTX_DROP;
}

#endif
