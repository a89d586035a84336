/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See plane_frames.h. */
#include "tests/support/plane_frames.h"

#include <stdio.h>
#include <stdlib.h>

const struct ip_fields plane_up[2] = {
	{.family = 6, .src = RIG_MN, .dst = RIG_CN, .proto = 17},
	{.family = 4, .src = RIG_MN_V4, .dst = RIG_CN_V4, .proto = 17},
};

const struct ip_fields plane_down[2] = {
	{.family = 6, .src = RIG_CN, .dst = RIG_MN, .proto = 17},
	{.family = 4, .src = RIG_CN_V4, .dst = RIG_MN_V4, .proto = 17},
};

void plane_udp(struct frame *frame, const struct ip_fields *ip, uint16_t sport, uint16_t dport,
	       size_t payload)
{
	frame_init(frame, payload);
	frame_udp(frame, sport, dport);
	frame_ip(frame, ip);
}

void plane_ether(struct frame *frame, int family)
{
	frame_eth(frame, rig_gateway_mac, rig_host_mac, family == 6 ? 0x86dd : 0x0800);
}

void plane_plain(struct frame *frame, const struct ip_fields *ip, size_t payload)
{
	plane_udp(frame, ip, 4000, 53, payload);
	plane_ether(frame, ip->family);
}

static void wrap(struct frame *frame, const uint8_t src[16], const uint8_t dst[16], int family,
		 uint8_t tos, uint32_t label)
{
	struct ip_fields outer = {.family = 6, .tos = tos, .label = label};
	char from[64], to[64];

	outer.proto = family == 6 ? 41 : 4;
	outer.src = rig_addr_text(src, from);
	outer.dst = rig_addr_text(dst, to);
	frame_ip(frame, &outer);
}

void plane_arriving(struct frame *frame, const struct rig *rig, uint32_t path, int family,
		    uint8_t tos)
{
	wrap(frame, rig->path[path].remote, rig->path[path].local, family, tos, 0x12345);
	plane_ether(frame, 6);
}

void plane_leaving(struct frame *frame, const struct rig *rig, uint32_t path, int family,
		   uint8_t tos, uint32_t label)
{
	wrap(frame, rig->path[path].local, rig->path[path].remote, family, tos, label);
	frame_eth(frame, rig_router_mac, rig_wan_mac, 0x86dd);
}

uint32_t plane_label(const struct rig_result *result)
{
	const uint8_t *ip = frame_octets(&result->out) + 14;

	return (uint32_t)(ip[1] & 0xf) << 16 | (uint32_t)ip[2] << 8 | ip[3];
}

void plane_assert_frame(const struct rig_result *result, const struct frame *expected)
{
	const uint8_t *got = frame_octets(&result->out), *want = frame_octets(expected);
	size_t i;

	for (i = 0; i < result->out.len && i < expected->len; i++) {
		if (got[i] == want[i])
			continue;
		fprintf(stderr, "octet %zu is %02x, not %02x\n", i, got[i], want[i]);
		abort();
	}
	if (result->out.len == expected->len)
		return;
	fprintf(stderr, "%zu octets, not %zu\n", result->out.len, expected->len);
	abort();
}
