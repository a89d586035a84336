/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One run of a program: what it finds out about its packet on the way. A dry run (abi.h, struct
 * magpie_trace) goes the same way to the same decision, then leaves without writing a counter, a
 * flow or the packet.
 */
#ifndef MAGPIE_BPF_TRACE_H
#define MAGPIE_BPF_TRACE_H

#include "packet.h"

struct run {
	struct magpie_trace trace; /* the decision, also of runs that are not dry */
	__u32 bytes;		   /* from the IP header on, as the packet came in */
	__u32 ifindex;		   /* where it leaves, when it is forwarded */
	__u32 dry;
};

static __always_inline void start_run(const ctx_t *ctx, struct run *run)
{
	const __u32 len = ctx_len(ctx);

	__builtin_memset(run, 0, sizeof(*run));
	run->trace.rule = MAGPIE_NO_RULE;
	run->bytes = len > ETH_HLEN ? len - ETH_HLEN : 0;
}

/* Dry if the context carries the key; the answer starts with it, too. */
static __always_inline void recognise_trace(const ctx_t *ctx, const struct magpie_config *config,
					    struct run *run)
{
	const __u64 key = config->trace_key;

	if (!ctx_trace_asked(ctx, key))
		return;
	run->dry = 1;
	run->trace.key[0] = (__u32)key;
	run->trace.key[1] = (__u32)(key >> 32);
}

#endif
