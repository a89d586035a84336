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

static uint8_t bid_of_flow(struct bed *bed, unsigned int i)
{
	struct bed_result result;
	struct frame in;

	flow_frame(&in, bed->config->role == MAGPIE_ROLE_MAG, i, 0x10);
	bed_trace(bed, bed->inside, &in, 0, &result);
	cr_assert_eq(result.reason, MAGPIE_REASON_ENCAP, "%s", bed_reason_name(result.reason));
	return result.trace.bid;
}

static uint32_t send_flow(struct bed *bed, unsigned int i, uint8_t tcp_flags)
{
	struct bed_result result;
	struct frame in;

	flow_frame(&in, bed->config->role == MAGPIE_ROLE_MAG, i, tcp_flags);
	bed_expect(bed, bed->inside, &in, ENCAP, &result);
	return bed_path_of(bed, &result);
}

static void expect_flow(struct bed *bed, unsigned int i, int reason)
{
	struct bed_result result;
	struct frame in;

	flow_frame(&in, bed->config->role == MAGPIE_ROLE_MAG, i, 0x10);
	bed_run(bed, bed->inside, &in, &result);
	cr_assert_eq(result.reason, reason, "%s, not %s", bed_reason_name(result.reason),
		     bed_reason_name(reason));
}

/* Class 0: RED, else BLUE. */
static void red_else_blue(struct bed *bed, enum magpie_otherwise otherwise)
{
	struct magpie_class class = {.otherwise = otherwise};

	class.rank[RED] = 1;
	class.rank[BLUE] = 2;
	class.weight[RED] = class.weight[BLUE] = 1;
	bed_class(bed, 0, &class);
}

Test(select, tiers, .description = "PL-13, PL-20, PL-21: RED else BLUE, by one byte")
{
	struct bed *bed = NULL;
	unsigned int i;

	while ((bed = bed_next(bed))) {
		bed_scene(bed, MAGPIE_ROLE_MAG);
		red_else_blue(bed, MAGPIE_OTHERWISE_DEFAULT);
		for (i = 0; i < 50; i++)
			cr_assert_eq(send_flow(bed, i, 0x10), 1);
		bed->path[1].alive = 0;
		for (i = 0; i < 50; i++)
			cr_assert_eq(send_flow(bed, i, 0x10), 2);
		bed->path[2].outer[0].ifindex = 0;
		expect_flow(bed, 0, MAGPIE_REASON_NO_PATH);
		bed->path[1].alive = 1;
		cr_assert_eq(send_flow(bed, 0, 0x10), 1);
	}
}

Test(select, pins, .description = "PL-22: when RED returns old flows stay, new ones and SYNs go")
{
	struct bed *bed = NULL;
	unsigned int i;

	while ((bed = bed_next(bed))) {
		bed_scene(bed, MAGPIE_ROLE_LMA);
		red_else_blue(bed, MAGPIE_OTHERWISE_DEFAULT);
		cr_assert_eq(send_flow(bed, 1, 0x10), 1);
		cr_assert_eq(bed->sw[0].pinned[1], 0);
		bed->path[1].alive = 0;
		for (i = 0; i < 20; i++)
			cr_assert_eq(send_flow(bed, i, 0x10), 2);
		cr_assert_eq(bed->sw[0].pinned[1], 1);
		bed->path[1].alive = 1;
		for (i = 0; i < 20; i++)
			cr_assert_eq(send_flow(bed, i, 0x10), 2, "an old flow moved");
		for (i = 20; i < 40; i++)
			cr_assert_eq(send_flow(bed, i, 0x10), 1, "a new flow is on BLUE");
		cr_assert_eq(send_flow(bed, 0, 0x12), 2, "SYN with ACK begins nothing");
		cr_assert_eq(send_flow(bed, 0, 0x02), 1, "a new connection on old ports");
		cr_assert_eq(send_flow(bed, 0, 0x10), 1);
		bed->path[2].alive = 0; /* what was pinned there is free again */
		cr_assert_eq(send_flow(bed, 1, 0x10), 1);
		bed->path[2].alive = 1;
		cr_assert_eq(send_flow(bed, 1, 0x10), 1);
		cr_assert_eq(send_flow(bed, 2, 0x10), 2);
		bed->config->flow_idle_s = 0;
		cr_assert_eq(send_flow(bed, 2, 0x10), 1, "an idle flow stayed pinned");
		bed->config->flow_idle_s = 60;
		bed->sw[0].pinned[1] = 0; /* as the daemon does when nothing is pinned */
		cr_assert_eq(send_flow(bed, 3, 0x10), 1);
	}
}

Test(select, known_without_tx,
     .description = "a binding not yet allowed to send displaces its flows")
{
	struct bed *bed = NULL;
	struct bed_result result;
	struct frame in;

	while ((bed = bed_next(bed))) {
		bed_scene(bed, MAGPIE_ROLE_MAG);
		red_else_blue(bed, MAGPIE_OTHERWISE_DEFAULT);
		bed_set(bed, 1)->binding[0].flags = MAGPIE_BINDING_RX;
		flow_frame(&in, true, 1, 0x10);
		bed_trace(bed, bed->inside, &in, 0, &result);
		cr_assert_eq(result.trace.flags, MAGPIE_TRACE_DISPLACED);
		cr_assert_eq(send_flow(bed, 1, 0x10), 2);
		bed_set(bed, 1)->binding[0].flags |= MAGPIE_BINDING_TX;
		cr_assert_eq(send_flow(bed, 1, 0x10), 2);
		bed_trace(bed, bed->inside, &in, 0, &result);
		cr_assert_eq(result.trace.flags, MAGPIE_TRACE_PINNED);
		cr_assert_eq(result.trace.tier, 2);
		cr_assert_eq(send_flow(bed, 2, 0x10), 1);
	}
}

Test(select, end_of_class, .description = "no tier left: the class drops, or the default decides")
{
	const struct magpie_rule all = {.class = 1};
	struct magpie_class red = {.otherwise = MAGPIE_OTHERWISE_DROP};
	struct bed *bed = NULL;

	red.rank[RED] = red.weight[RED] = 1;
	while ((bed = bed_next(bed))) {
		bed_scene(bed, MAGPIE_ROLE_MAG);
		bed_rule(bed, 0, &all);
		bed->config->rules[0] = 1;
		red.otherwise = MAGPIE_OTHERWISE_DROP;
		bed_class(bed, 1, &red);
		cr_assert_eq(send_flow(bed, 1, 0x10), 1);
		bed->path[1].alive = 0;
		expect_flow(bed, 1, MAGPIE_REASON_POLICY);
		red.otherwise = MAGPIE_OTHERWISE_DEFAULT;
		bed_class(bed, 1, &red);
		cr_assert_eq(send_flow(bed, 1, 0x10), 2);
		bed->path[1].alive = 1; /* the flow stays in the default class, new ones do not */
		cr_assert_eq(send_flow(bed, 1, 0x10), 2);
		cr_assert_eq(send_flow(bed, 2, 0x10), 1);
		bed->path[1].alive = bed->path[2].alive = 0;
		expect_flow(bed, 1, MAGPIE_REASON_NO_PATH);
	}
}

Test(select, draining, .description = "a binding of weight 0 gets no new flows")
{
	struct bed *bed = NULL;
	unsigned int i;

	while ((bed = bed_next(bed))) {
		bed_scene(bed, MAGPIE_ROLE_MAG);
		bed_set(bed, 1)->binding[0].weight = 0;
		for (i = 0; i < 100; i++)
			cr_assert_eq(bid_of_flow(bed, i), 2);
	}
}

/* Share of flows on BID 1; *ret_digest covers every single choice. */
static double share(struct bed *bed, uint64_t *ret_digest)
{
	unsigned int i, ones = 0;

	*ret_digest = 0;
	for (i = 0; i < FLOWS; i++) {
		const uint8_t bid = bid_of_flow(bed, i);

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
	struct bed *bed = NULL;
	enum magpie_role role;
	size_t w;

	while ((bed = bed_next(bed)))
		for (role = MAGPIE_ROLE_MAG; role <= MAGPIE_ROLE_LMA; role++)
			for (w = 0; w < 4; w++) {
				double got;

				bed_scene_reset(bed);
				bed_scene(bed, role);
				bed_set(bed, 1)->binding[0].weight = weights[w][0];
				bed_set(bed, 1)->binding[1].weight = weights[w][1];
				got = share(bed, &digest);
				cr_assert_lt(fabs(got - wanted[w]), 0.02, "%.4f, not %.2f", got,
					     wanted[w]);
				cr_assert(!seen[w] || seen[w] == digest, "the ends disagree");
				seen[w] = digest;
			}
}

Test(select, class_weights, .description = "binding weight times class weight of the label")
{
	struct magpie_class class = {.otherwise = MAGPIE_OTHERWISE_DROP};
	struct bed *bed = bed_open(BED_XDP, 4096);
	uint64_t digest;

	bed_scene(bed, MAGPIE_ROLE_MAG);
	class.rank[RED] = class.rank[BLUE] = 1;
	class.weight[RED] = 3;
	class.weight[BLUE] = 2;
	bed_class(bed, 0, &class);
	bed_set(bed, 1)->binding[0].weight = 2;
	bed_set(bed, 1)->binding[1].weight = 1;
	cr_assert_lt(fabs(share(bed, &digest) - 0.75), 0.02);
	bed_close(bed);
}

/* Three bindings of one tier; path 3 joins as BID 3. */
static void three(struct bed *bed)
{
	bed_scene(bed, MAGPIE_ROLE_MAG);
	bed_bind(bed, 1, 3, 3, RED, 1);
}

Test(select, minimal_disruption, .description = "DP-22: a lost path moves its own flows, no other")
{
	static uint8_t before[2000];
	struct bed *bed = NULL;
	unsigned int i, moved;

	while ((bed = bed_next(bed))) {
		three(bed);
		for (i = 0; i < 2000; i++)
			before[i] = bid_of_flow(bed, i);
		bed->path[2].alive = 0;
		for (i = moved = 0; i < 2000; i++) {
			const uint8_t now = bid_of_flow(bed, i);

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
	struct bed *bed = NULL;
	unsigned int count[256], i;

	while ((bed = bed_next(bed))) {
		struct magpie_set *set;

		bed_scene(bed, MAGPIE_ROLE_MAG);
		set = bed_set(bed, 1);
		set->wide = 1;
		set->n = MAGPIE_WIDE;
		for (i = 0; i < MAGPIE_WIDE; i++)
			bed->wide[1].binding[i] = (struct magpie_binding){
				.path = i < 200 ? 1 : 2,
				.bid = (uint8_t)(i + 1),
				.label = i < 200 ? RED : BLUE,
				.weight = 1,
				.flags = MAGPIE_BINDING_TX | MAGPIE_BINDING_RX,
			};
		memset(count, 0, sizeof(count));
		for (i = 0; i < 2 * FLOWS; i++)
			count[bid_of_flow(bed, i)]++;
		for (i = 1; i <= MAGPIE_WIDE; i++)
			cr_assert(count[i] > 30 && count[i] < 140, "BID %u: %u", i, count[i]);
		red_else_blue(bed, MAGPIE_OTHERWISE_DROP);
		cr_assert_eq(send_flow(bed, 5, 0x10), 1);
		bed->path[1].alive = 0;
		cr_assert_eq(send_flow(bed, 5, 0x10), 2);
		bed->path[1].alive = 1;
		cr_assert_eq(send_flow(bed, 5, 0x10), 2);
		cr_assert_eq(send_flow(bed, 6, 0x10), 1);
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
	struct bed *bed = NULL;
	struct bed_result result;
	enum magpie_role role;
	struct frame in;
	unsigned int i;

	while ((bed = bed_next(bed)))
		for (role = MAGPIE_ROLE_MAG; role <= MAGPIE_ROLE_LMA; role++) {
			bed_scene_reset(bed);
			bed_scene(bed, role);
			for (i = 0; i < 200; i++) {
				error_frame(&in, role == MAGPIE_ROLE_MAG, i);
				bed_expect(bed, bed->inside, &in, ENCAP, &result);
				cr_assert_eq(bed_path_of(bed, &result), bid_of_flow(bed, i));
			}
		}
}

Test(select, echo, .description = "DP-21: request and reply of an echo on one path, by identifier")
{
	static const uint8_t types[2][2] = {{128, 129}, {8, 0}};
	static uint32_t path[2][2][100];
	struct bed *bed = NULL;
	struct bed_result result;
	struct frame in;
	uint32_t id;
	size_t f;
	int down;

	while ((bed = bed_next(bed))) {
		for (down = 0; down < 2; down++) {
			bed_scene_reset(bed);
			bed_scene(bed, down ? MAGPIE_ROLE_LMA : MAGPIE_ROLE_MAG);
			for (f = 0; f < 2; f++)
				for (id = 0; id < 100; id++) {
					struct ip_fields ip = down ? plane_down[f] : plane_up[f];

					ip.proto = f ? 1 : 58;
					frame_init(&in, 32);
					frame_icmp(&in, types[f][down], 0, id << 16 | id);
					frame_ip(&in, &ip);
					plane_ether(&in, ip.family);
					bed_expect(bed, bed->inside, &in, ENCAP, &result);
					path[down][f][id] = bed_path_of(bed, &result);
				}
		}
		cr_assert_arr_eq(path[0], path[1], sizeof(path[0]));
		for (id = 1; id < 100 && path[0][0][id] == path[0][0][0]; id++)
			;
		cr_assert_lt(id, 100, "all on one path");
	}
}
