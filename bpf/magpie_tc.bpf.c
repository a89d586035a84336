/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The gateway at the tc hook. See gateway.h. */
#include "ctx_skb.h"
#include "gateway.h"

SEC("tc")
int magpie_tc(ctx_t *ctx)
{
	return gateway(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
