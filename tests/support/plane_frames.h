/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packets of the data-plane tests, on the scene of plane_rig.h: plain ones between mobile node
 * and correspondent, and the same in a tunnel in either direction.
 */
#ifndef MAGPIE_TESTS_PLANE_FRAMES_H
#define MAGPIE_TESTS_PLANE_FRAMES_H

#include "tests/support/plane_rig.h"

/* Index 0: IPv6, 1: IPv4; UDP. */
extern const struct ip_fields plane_up[2];   /* mobile node to correspondent */
extern const struct ip_fields plane_down[2]; /* correspondent to mobile node */

void plane_udp(struct frame *frame, const struct ip_fields *ip, uint16_t sport, uint16_t dport,
	       size_t payload);
/* Puts an Ethernet header in front, from a host to the gateway. */
void plane_ether(struct frame *frame, int family);
/* plane_udp and plane_ether with ports 4000 and 53. */
void plane_plain(struct frame *frame, const struct ip_fields *ip, size_t payload);
/* The inner packet in the tunnel of `path` as it arrives, outer traffic class `tos`. */
void plane_arriving(struct frame *frame, const struct rig *rig, uint32_t path, int family,
		    uint8_t tos);
/* ... and as it leaves; `frame` holds the inner packet. */
void plane_leaving(struct frame *frame, const struct rig *rig, uint32_t path, int family,
		   uint8_t tos, uint32_t label);
uint32_t plane_label(const struct rig_result *result); /* outer flow label */

/* Asserts that the result is this frame, to the octet. */
void plane_assert_frame(const struct rig_result *result, const struct frame *expected);

#endif
