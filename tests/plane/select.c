/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Class -> path: tiers, weights, rendezvous, pins. Where only the decision matters it is asked for
 * by dry runs, which go through the same code.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "tests/support/plane_frames.h"

#define FLOWS 10000

/* Flow i as its host sends it, or its mirror image. */
static void flow_frame(struct frame *in, bool up, unsigned int i, uint8_t tcp_flags)
{
	struct ip_fields ip = up ? plane_up[0] : plane_down[0];
	const uint16_t mobile = (uint16_t)(20000 + i % 40000), peer = (uint16_t)(443 + i / 40000);

	ip.proto = 6;
	frame_init(in, 10);
	frame_tcp(in, up ? mobile : peer, up ? peer : mobile, tcp_flags);
	frame_ip(in, &ip);
	plane_ether(in, 6);
}

static uint8_t bid_of_flow(struct rig *rig, unsigned int i)
{
	struct rig_result result;
	struct frame in;

	flow_frame(&in, rig->config->role == MAGPIE_ROLE_MAG, i, 0x10);
	rig_trace(rig, rig->inside, &in, 0, &result);
	cr_assert_eq(result.reason, MAGPIE_REASON_ENCAP, "%s", rig_reason_name(result.reason));
	return result.trace.bid;
}

static uint32_t send_flow(struct rig *rig, unsigned int i, uint8_t tcp_flags)
{
	struct rig_result result;
	struct frame in;

	flow_frame(&in, rig->config->role == MAGPIE_ROLE_MAG, i, tcp_flags);
	rig_expect(rig, rig->inside, &in, ENCAP, &result);
	return rig_path_of(rig, &result);
}

static void expect_flow(struct rig *rig, unsigned int i, int reason)
{
	struct rig_result result;
	struct frame in;

	flow_frame(&in, rig->config->role == MAGPIE_ROLE_MAG, i, 0x10);
	rig_run(rig, rig->inside, &in, &result);
	cr_assert_eq(result.reason, reason, "%s, not %s", rig_reason_name(result.reason),
		     rig_reason_name(reason));
}

/* Class 0: RED, else BLUE. */
static void red_else_blue(struct rig *rig, enum magpie_otherwise otherwise)
{
	struct magpie_class class = {.otherwise = otherwise};

	class.rank[RED] = 1;
	class.rank[BLUE] = 2;
	class.weight[RED] = class.weight[BLUE] = 1;
	rig_class(rig, 0, &class);
}

Test(select, tiers, .description = "PL-13, PL-20, PL-21, PL-25: RED else BLUE, by one byte")
{
	struct rig *rig = NULL;
	unsigned int i;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		red_else_blue(rig, MAGPIE_OTHERWISE_DEFAULT);
		for (i = 0; i < 50; i++)
			cr_assert_eq(send_flow(rig, i, 0x10), 1);
		rig->path[1].alive = 0;
		for (i = 0; i < 50; i++)
			cr_assert_eq(send_flow(rig, i, 0x10), 2);
		rig->path[2].outer[0].ifindex = 0;
		cr_assert_eq(send_flow(rig, 0, 0x10), 1,
			     "PL-25: silence alone stopped the session");
		rig->path[1].outer[0].ifindex = 0;
		expect_flow(rig, 0, MAGPIE_REASON_NO_PATH);
		rig->path[1].outer[0].ifindex = rig->outside;
		rig->path[1].alive = 1;
		cr_assert_eq(send_flow(rig, 0, 0x10), 1);
	}
}

Test(select, pins, .description = "PL-22: when RED returns old flows stay, new ones and SYNs go")
{
	struct rig *rig = NULL;
	unsigned int i;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_LMA);
		red_else_blue(rig, MAGPIE_OTHERWISE_DEFAULT);
		cr_assert_eq(send_flow(rig, 1, 0x10), 1);
		cr_assert_eq(rig->sw[0].pinned[1], 0);
		rig->path[1].alive = 0;
		for (i = 0; i < 20; i++)
			cr_assert_eq(send_flow(rig, i, 0x10), 2);
		cr_assert_eq(rig->sw[0].pinned[1], 1);
		rig->path[1].alive = 1;
		for (i = 0; i < 20; i++)
			cr_assert_eq(send_flow(rig, i, 0x10), 2, "an old flow moved");
		for (i = 20; i < 40; i++)
			cr_assert_eq(send_flow(rig, i, 0x10), 1, "a new flow is on BLUE");
		cr_assert_eq(send_flow(rig, 0, 0x12), 2, "SYN with ACK begins nothing");
		cr_assert_eq(send_flow(rig, 0, 0x02), 1, "a new connection on old ports");
		cr_assert_eq(send_flow(rig, 0, 0x10), 1);
		rig->path[2].alive = 0; /* what was pinned there is free again */
		cr_assert_eq(send_flow(rig, 1, 0x10), 1);
		rig->path[2].alive = 1;
		cr_assert_eq(send_flow(rig, 1, 0x10), 1);
		cr_assert_eq(send_flow(rig, 2, 0x10), 2);
		rig->config->flow_idle_s = 0;
		cr_assert_eq(send_flow(rig, 2, 0x10), 1, "an idle flow stayed pinned");
		rig->config->flow_idle_s = 60;
		rig->sw[0].pinned[1] = 0; /* as the daemon does when nothing is pinned */
		cr_assert_eq(send_flow(rig, 3, 0x10), 1);
	}
}

Test(select, known_without_tx,
     .description = "a binding not yet allowed to send displaces its flows")
{
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		red_else_blue(rig, MAGPIE_OTHERWISE_DEFAULT);
		rig_set(rig, 1)->binding[0].flags = MAGPIE_BINDING_RX;
		flow_frame(&in, true, 1, 0x10);
		rig_trace(rig, rig->inside, &in, 0, &result);
		cr_assert_eq(result.trace.flags, MAGPIE_TRACE_DISPLACED);
		cr_assert_eq(send_flow(rig, 1, 0x10), 2);
		rig_set(rig, 1)->binding[0].flags |= MAGPIE_BINDING_TX;
		cr_assert_eq(send_flow(rig, 1, 0x10), 2);
		rig_trace(rig, rig->inside, &in, 0, &result);
		cr_assert_eq(result.trace.flags, MAGPIE_TRACE_PINNED);
		cr_assert_eq(result.trace.tier, 2);
		cr_assert_eq(send_flow(rig, 2, 0x10), 1);
	}
}

Test(select, end_of_class, .description = "no tier left: the class drops, or the default decides")
{
	const struct magpie_rule all = {.class = 1};
	struct magpie_class red = {.otherwise = MAGPIE_OTHERWISE_DROP};
	struct rig *rig = NULL;

	red.rank[RED] = red.weight[RED] = 1;
	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		rig_rule(rig, 0, &all);
		rig->config->rules[0] = 1;
		red.otherwise = MAGPIE_OTHERWISE_DROP;
		rig_class(rig, 1, &red);
		cr_assert_eq(send_flow(rig, 1, 0x10), 1);
		rig->path[1].alive = 0;
		cr_assert_eq(send_flow(rig, 1, 0x10), 1, "PL-25: the last resort of the class");
		rig->path[1].outer[0].ifindex = 0;
		expect_flow(rig, 1, MAGPIE_REASON_POLICY);
		red.otherwise = MAGPIE_OTHERWISE_DEFAULT;
		rig_class(rig, 1, &red);
		cr_assert_eq(send_flow(rig, 1, 0x10), 2);
		/* the flow stays in the default class, new ones do not */
		rig->path[1].outer[0].ifindex = rig->outside;
		rig->path[1].alive = 1;
		cr_assert_eq(send_flow(rig, 1, 0x10), 2);
		cr_assert_eq(send_flow(rig, 2, 0x10), 1);
		rig->path[1].outer[0].ifindex = rig->path[2].outer[0].ifindex = 0;
		expect_flow(rig, 1, MAGPIE_REASON_NO_PATH);
	}
}

Test(select, draining, .description = "a binding of weight 0 gets no new flows")
{
	struct rig *rig = NULL;
	unsigned int i;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		rig_set(rig, 1)->binding[0].weight = 0;
		for (i = 0; i < 100; i++)
			cr_assert_eq(bid_of_flow(rig, i), 2);
	}
}

/* Share of flows on BID 1; *ret_digest covers every single choice. */
static double share(struct rig *rig, uint64_t *ret_digest)
{
	unsigned int i, ones = 0;

	*ret_digest = 0;
	for (i = 0; i < FLOWS; i++) {
		const uint8_t bid = bid_of_flow(rig, i);

		ones += bid == 1;
		*ret_digest = (*ret_digest ^ bid) * 0x100000001b3ULL;
	}
	return (double)ones / FLOWS;
}

Test(select, shares, .description = "PL-31, DP-21: by weight within 2 points, alike at both ends",
     .timeout = 120)
{
	static const uint8_t weights[][2] = {{1, 1}, {3, 1}, {1, 3}, {255, 85}};
	static const double wanted[] = {0.5, 0.75, 0.25, 0.75};
	uint64_t seen[4] = {0}, digest;
	struct rig *rig = NULL;
	enum magpie_role role;
	size_t w;

	while ((rig = rig_next(rig)))
		for (role = MAGPIE_ROLE_MAG; role <= MAGPIE_ROLE_LMA; role++)
			for (w = 0; w < 4; w++) {
				double got;

				rig_scene_reset(rig);
				rig_scene(rig, role);
				rig_set(rig, 1)->binding[0].weight = weights[w][0];
				rig_set(rig, 1)->binding[1].weight = weights[w][1];
				got = share(rig, &digest);
				cr_assert_lt(fabs(got - wanted[w]), 0.02, "%.4f, not %.2f", got,
					     wanted[w]);
				cr_assert(!seen[w] || seen[w] == digest, "the ends disagree");
				seen[w] = digest;
			}
}

Test(select, class_weights, .description = "binding weight times class weight of the label")
{
	struct magpie_class class = {.otherwise = MAGPIE_OTHERWISE_DROP};
	struct rig *rig = rig_open(RIG_XDP, 4096);
	uint64_t digest;

	rig_scene(rig, MAGPIE_ROLE_MAG);
	class.rank[RED] = class.rank[BLUE] = 1;
	class.weight[RED] = 3;
	class.weight[BLUE] = 2;
	rig_class(rig, 0, &class);
	rig_set(rig, 1)->binding[0].weight = 2;
	rig_set(rig, 1)->binding[1].weight = 1;
	cr_assert_lt(fabs(share(rig, &digest) - 0.75), 0.02);
	rig_close(rig);
}

/* Three bindings of one tier; path 3 joins as BID 3. */
static void three(struct rig *rig)
{
	rig_scene(rig, MAGPIE_ROLE_MAG);
	rig_bind(rig, 1, 3, 3, RED, 1);
}

Test(select, minimal_disruption, .description = "DP-22: a lost path moves its own flows, no other")
{
	static uint8_t before[2000];
	struct rig *rig = NULL;
	unsigned int i, moved;

	while ((rig = rig_next(rig))) {
		three(rig);
		for (i = 0; i < 2000; i++)
			before[i] = bid_of_flow(rig, i);
		rig->path[2].alive = 0;
		for (i = moved = 0; i < 2000; i++) {
			const uint8_t now = bid_of_flow(rig, i);

			cr_assert_neq(now, 2);
			cr_assert(before[i] == 2 || now == before[i], "flow %u moved", i);
			moved += now != before[i];
		}
		cr_assert_lt(abs((int)moved - 667), 80);
	}
}

Test(select, wide,
     .description = "EC-01: all of 254 bindings carry their share; pins and tiers too",
     .timeout = 120)
{
	struct rig *rig = NULL;
	unsigned int count[256], i;

	while ((rig = rig_next(rig))) {
		struct magpie_set *set;

		rig_scene(rig, MAGPIE_ROLE_MAG);
		set = rig_set(rig, 1);
		set->wide = 1;
		set->n = MAGPIE_WIDE;
		for (i = 0; i < MAGPIE_WIDE; i++)
			rig->wide[1].binding[i] = (struct magpie_binding){
				.path = i < 200 ? 1 : 2,
				.bid = (uint8_t)(i + 1),
				.label = i < 200 ? RED : BLUE,
				.weight = 1,
				.flags = MAGPIE_BINDING_TX | MAGPIE_BINDING_RX,
			};
		memset(count, 0, sizeof(count));
		for (i = 0; i < 2 * FLOWS; i++)
			count[bid_of_flow(rig, i)]++;
		for (i = 1; i <= MAGPIE_WIDE; i++)
			cr_assert(count[i] > 30 && count[i] < 140, "BID %u: %u", i, count[i]);
		red_else_blue(rig, MAGPIE_OTHERWISE_DROP);
		cr_assert_eq(send_flow(rig, 5, 0x10), 1);
		rig->path[1].alive = 0;
		cr_assert_eq(send_flow(rig, 5, 0x10), 2);
		rig->path[1].alive = 1;
		cr_assert_eq(send_flow(rig, 5, 0x10), 2);
		cr_assert_eq(send_flow(rig, 6, 0x10), 1);
	}
}

/* An error about flow i that the other side or a router sends; quote: the flow's own packet. */
static void error_frame(struct frame *in, bool up, unsigned int i)
{
	struct ip_fields ip = up ? plane_up[0] : plane_down[0];

	flow_frame(in, !up, i, 0x10);
	in->start += 14;
	in->len -= 14;
	if (!up)
		ip.src = "2001:db8:99::1"; /* a router on the way */
	frame_icmp(in, 2, 0, 1280);
	ip.proto = 58;
	frame_ip(in, &ip);
	plane_ether(in, 6);
}

Test(select, icmp_errors, .description = "DP-21: an error follows the flow that it reports")
{
	struct rig *rig = NULL;
	struct rig_result result;
	enum magpie_role role;
	struct frame in;
	unsigned int i;

	while ((rig = rig_next(rig)))
		for (role = MAGPIE_ROLE_MAG; role <= MAGPIE_ROLE_LMA; role++) {
			rig_scene_reset(rig);
			rig_scene(rig, role);
			for (i = 0; i < 200; i++) {
				error_frame(&in, role == MAGPIE_ROLE_MAG, i);
				rig_expect(rig, rig->inside, &in, ENCAP, &result);
				cr_assert_eq(rig_path_of(rig, &result), bid_of_flow(rig, i));
			}
		}
}

Test(select, echo, .description = "DP-21: request and reply of an echo on one path, by identifier")
{
	static const uint8_t types[2][2] = {{128, 129}, {8, 0}};
	static uint32_t path[2][2][100];
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in;
	uint32_t id;
	size_t f;
	int down;

	while ((rig = rig_next(rig))) {
		for (down = 0; down < 2; down++) {
			rig_scene_reset(rig);
			rig_scene(rig, down ? MAGPIE_ROLE_LMA : MAGPIE_ROLE_MAG);
			for (f = 0; f < 2; f++)
				for (id = 0; id < 100; id++) {
					struct ip_fields ip = down ? plane_down[f] : plane_up[f];

					ip.proto = f ? 1 : 58;
					frame_init(&in, 32);
					frame_icmp(&in, types[f][down], 0, id << 16 | id);
					frame_ip(&in, &ip);
					plane_ether(&in, ip.family);
					rig_expect(rig, rig->inside, &in, ENCAP, &result);
					path[down][f][id] = rig_path_of(rig, &result);
				}
		}
		cr_assert_arr_eq(path[0], path[1], sizeof(path[0]));
		for (id = 1; id < 100 && path[0][0][id] == path[0][0][0]; id++)
			;
		cr_assert_lt(id, 100, "all on one path");
	}
}
