/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The gateway at the XDP hook. See gateway.h. */
#include "ctx_xdp.h"
#include "gateway.h"

SEC("xdp")
int magpie_xdp(ctx_t *ctx)
{
	return gateway(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
