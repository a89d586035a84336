/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Into the tunnel: exact octets, hop limit, ECN and DSCP, flow label, padding, truncation. Every
 * test runs at both hooks and with both inner families.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/plane_frames.h"

/* What must leave: the inner packet one hop on, behind the outer header of `path`. */
static void wrapped(struct frame *frame, const struct rig *rig, uint32_t path,
		    const struct ip_fields *ip, size_t payload, uint32_t label)
{
	struct ip_fields inner = *ip;

	inner.hop_limit = (uint8_t)((ip->hop_limit ? ip->hop_limit : 64) - 1);
	plane_udp(frame, &inner, 4000, 53, payload);
	plane_leaving(frame, rig, path, ip->family, ip->tos, label);
}

static void check_exact(struct rig *rig, const struct ip_fields *ip, size_t payload)
{
	struct magpie_path_count before, after;
	struct frame in, expected;
	struct rig_result result;
	uint32_t path;

	plane_plain(&in, ip, payload);
	rig_path_count(rig, 1, &before);
	rig_expect(rig, rig->inside, &in, ENCAP, &result);
	path = rig_path_of(rig, &result);
	cr_assert(path == 1 || path == 2);
	cr_assert_neq(plane_label(&result), 0);
	wrapped(&expected, rig, path, ip, payload, plane_label(&result));
	plane_assert_frame(&result, &expected);
	rig_path_count(rig, 1, &after);
	cr_assert_eq(after.tx_packets - before.tx_packets, path == 1);
	cr_assert_eq(after.tx_bytes - before.tx_bytes, path == 1 ? in.len - 14 : 0);
}

Test(encap, exact_octets, .description = "DP-01, DP-06: uplink at the MAG, downlink at the LMA")
{
	static const size_t sizes[] = {0, 1, 64, 1200};
	struct rig *rig = NULL;
	size_t i, f;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		for (f = 0; f < 2; f++)
			for (i = 0; i < 4; i++)
				check_exact(rig, &plane_up[f], sizes[i]);
		rig_scene_reset(rig);
		rig_scene(rig, MAGPIE_ROLE_LMA);
		for (f = 0; f < 2; f++)
			for (i = 0; i < 4; i++)
				check_exact(rig, &plane_down[f], sizes[i]);
	}
}

Test(encap, traffic_class, .description = "DP-04, DP-06: DSCP and all ECN codepoints go outside")
{
	struct rig *rig = NULL;
	uint8_t ecn;
	size_t f;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		for (f = 0; f < 2; f++)
			for (ecn = 0; ecn < 4; ecn++) {
				struct ip_fields ip = plane_up[f];

				ip.tos = (uint8_t)(46 << 2 | ecn);
				check_exact(rig, &ip, 32);
			}
	}
}

Test(encap, hop_limit, .description = "DP-01: one hop less; 1 and 0 are the kernel's to answer")
{
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in;
	size_t f;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		for (f = 0; f < 2; f++) {
			struct ip_fields ip = plane_up[f];

			for (ip.hop_limit = 255; ip.hop_limit >= 2; ip.hop_limit /= 2)
				check_exact(rig, &ip, 8);
			ip.hop_limit = 1;
			plane_plain(&in, &ip, 8);
			rig_expect(rig, rig->inside, &in, HOP_LIMIT, &result);
			plane_assert_frame(&result, &in);
		}
	}
}

Test(encap, padding, .description = "lengths are the IP header's: a 60-octet frame is no longer")
{
	struct rig *rig = NULL;
	struct frame in, expected;
	struct rig_result result;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		plane_plain(&in, &plane_up[1], 1);
		frame_pad(&in, 60);
		rig_expect(rig, rig->inside, &in, ENCAP, &result);
		wrapped(&expected, rig, rig_path_of(rig, &result), &plane_up[1], 1,
			plane_label(&result));
		frame_pad(&expected, 100);
		plane_assert_frame(&result, &expected);
	}
}

Test(encap, truncated, .description = "a frame cut at any octet leaves under one reason")
{
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in;
	size_t f, cut, least;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		for (f = 0; f < 2; f++) {
			plane_plain(&in, &plane_up[f], 20);
			/* a test run under tc wants a whole IP header */
			least = rig->hook == RIG_XDP ? 14 : f == 0 ? 54 : 34;
			for (cut = in.len; cut-- > least;) {
				in.len = cut;
				rig_expect(rig, rig->inside, &in, UNPARSED, &result);
			}
		}
	}
}

Test(encap, flow_label, .description = "DP-07: one label per flow, 1000 flows nearly 1000 labels")
{
	static uint8_t seen[1 << 20];
	struct rig *rig = NULL;
	struct rig_result result, again;
	struct frame in;
	unsigned int port, distinct;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		memset(seen, 0, sizeof(seen));
		for (port = distinct = 0; port < 1000; port++) {
			frame_init(&in, 4);
			frame_udp(&in, (uint16_t)(10000 + port), 53);
			frame_ip(&in, &plane_up[0]);
			plane_ether(&in, 6);
			rig_run(rig, rig->inside, &in, &result);
			rig_run(rig, rig->inside, &in, &again);
			cr_assert_eq(plane_label(&result), plane_label(&again));
			cr_assert_neq(plane_label(&result), 0);
			distinct += !seen[plane_label(&result)];
			seen[plane_label(&result)] = 1;
		}
		cr_assert_gt(distinct, 990);
	}
}

Test(encap, vlan, .description = "a path over a VLAN: the tag is part of the outer header")
{
	struct rig *rig = rig_open(RIG_XDP, 4096);
	struct magpie_outer *outer;
	struct rig_result result;
	struct frame in;
	const uint8_t tag[4] = {0x81, 0x00, 0x00, 0x64};

	rig_scene(rig, MAGPIE_ROLE_MAG);
	rig->path[2].alive = 0;
	outer = &rig->path[1].outer[1];
	memmove(outer->hdr + 16, outer->hdr + 12, 42);
	memcpy(outer->hdr + 12, tag, 4);
	outer->l2_len = 18;
	outer->len = 58;
	rig->path[1].live = 1;
	plane_plain(&in, &plane_up[0], 16);
	rig_expect(rig, rig->inside, &in, ENCAP, &result);
	cr_assert_eq(result.out.len, in.len + 44);
	cr_assert_arr_eq(result.out.octet + 12, ((uint8_t[]){0x81, 0, 0, 0x64, 0x86, 0xdd}), 6);
	cr_assert_eq(result.out.octet[18] >> 4, 6);
	cr_assert_arr_eq(result.out.octet + 18 + 8, rig->path[1].local, 16);
	rig_close(rig);
}

Test(encap, gso, .description = "tc: a super-packet is held against the path by its segments")
{
	struct rig *rig = rig_open(RIG_TC, 4096);
	struct rig_result result;
	struct frame in;
	struct ip_fields ip = plane_up[0];

	rig_scene(rig, MAGPIE_ROLE_MAG);
	ip.proto = 6;
	frame_init(&in, 3000);
	frame_tcp(&in, 4000, 80, 0x10);
	frame_ip(&in, &ip);
	plane_ether(&in, 6);
	rig_trace(rig, rig->inside, &in, 1400, &result);
	cr_assert_eq(result.reason, MAGPIE_REASON_ENCAP, "%s", rig_reason_name(result.reason));
	rig_trace(rig, rig->inside, &in, 1401, &result);
	cr_assert_eq(result.reason, MAGPIE_REASON_TOO_BIG, "%s", rig_reason_name(result.reason));
	rig_close(rig);
}
