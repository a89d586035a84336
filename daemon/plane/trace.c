/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asking the program itself: a test run of the attached program on a packet from an inside device,
 * marked as dry by the secret key (abi.h, struct magpie_trace).
 */
#include <linux/if_ether.h>

#include "plane/state.h"

#define FRAME_MAX 256

static const struct plane_attachment *inside_device(const struct plane *p)
{
	for (size_t i = 0; i < p->n_attached; i++) {
		if (p->attached[i].device.flags & MAGPIE_DEV_INSIDE)
			return &p->attached[i];
	}
	return NULL;
}

static void question(const struct plane *p, struct magpie_trace *t)
{
	uint64_t key = plane_config_map(p)->trace_key;

	memset(t, 0, sizeof(*t));
	t->key[0] = (uint32_t)key;
	t->key[1] = (uint32_t)(key >> 32);
}

static int run_xdp(const struct plane *p, uint32_t ifindex, const uint8_t *frame, uint32_t len,
		   struct magpie_trace *t)
{
	uint8_t in[sizeof(*t) + FRAME_MAX], out[sizeof(*t) + FRAME_MAX + 128];
	struct xdp_md ctx = {.data = sizeof(*t),
			     .data_end = (uint32_t)sizeof(*t) + len,
			     .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in,
		    .data_size_in = (uint32_t)sizeof(*t) + len, .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_out = &ctx, .ctx_size_out = sizeof(ctx), .repeat = 1);

	memcpy(in, t, sizeof(*t));
	memcpy(in + sizeof(*t), frame, len);
	if (bpf_prog_test_run_opts(p->program[PLANE_HOOK_XDP], &opts) < 0)
		return -errno;
	if (opts.data_size_out < sizeof(*t))
		return -EPROTO;
	memcpy(t, out, sizeof(*t));
	return 0;
}

static int run_tc(const struct plane *p, uint32_t ifindex, const uint8_t *frame, uint32_t len,
		  struct magpie_trace *t)
{
	uint8_t out[FRAME_MAX + 128];
	struct __sk_buff ctx = {.ifindex = ifindex, .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_out = &ctx, .ctx_size_out = sizeof(ctx), .repeat = 1);

	memcpy(ctx.cb, t, sizeof(*t));
	if (bpf_prog_test_run_opts(p->program[PLANE_HOOK_TC], &opts) < 0)
		return -errno;
	memcpy(t, ctx.cb, sizeof(*t));
	return 0;
}

int plane_trace_packet(const struct plane *p, const uint8_t *packet, size_t len,
		       struct plane_trace *ret)
{
	const struct plane_attachment *a = inside_device(p);
	uint8_t frame[FRAME_MAX] = {0};

	if (!a)
		return -ENODEV;
	if (len == 0 || len > sizeof(frame) - ETH_HLEN)
		return -EINVAL;
	frame[12] = packet[0] >> 4 == 6 ? 0x86 : 0x08;
	frame[13] = packet[0] >> 4 == 6 ? 0xdd : 0x00;
	memcpy(frame + ETH_HLEN, packet, len);
	ret->hook = a->hook;
	question(p, &ret->trace);
	if (a->hook == PLANE_HOOK_XDP)
		return run_xdp(p, a->device.ifindex, frame, (uint32_t)len + ETH_HLEN, &ret->trace);
	return run_tc(p, a->device.ifindex, frame, (uint32_t)len + ETH_HLEN, &ret->trace);
}
