/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Dry runs: the same decision, nothing written. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/plane_frames.h"

static void scene(struct rig *rig)
{
	const struct magpie_rule dns = {
		.fields = MAGPIE_RULE_DPORT, .class = 1, .dport_first = 53, .dport_last = 53};
	struct magpie_class class = {.otherwise = MAGPIE_OTHERWISE_DROP};

	rig_scene(rig, MAGPIE_ROLE_MAG);
	class.rank[BLUE] = 1;
	class.rank[RED] = 2;
	class.weight[RED] = class.weight[BLUE] = 1;
	rig_rule(rig, 3, &dns);
	rig->config->rules[0] = 4;
	rig_class(rig, 1, &class);
	rig_rule(rig, 0, &(struct magpie_rule){.fields = MAGPIE_RULE_PROTO, .proto = 99});
	rig_rule(rig, 1, &(struct magpie_rule){.fields = MAGPIE_RULE_PROTO, .proto = 99});
	rig_rule(rig, 2, &(struct magpie_rule){.fields = MAGPIE_RULE_PROTO, .proto = 99});
}

Test(trace, answer, .description = "PL-03: reason, rule, class, tier, session, path and BID")
{
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in;

	while ((rig = rig_next(rig))) {
		scene(rig);
		plane_plain(&in, &plane_up[0], 24);
		rig_trace(rig, rig->inside, &in, 0, &result);
		cr_assert_eq(result.trace.reason, MAGPIE_REASON_ENCAP);
		cr_assert_eq(result.trace.rule, 3);
		cr_assert_eq(result.trace.class, 1);
		cr_assert_eq(result.trace.tier, 1);
		cr_assert_eq(result.trace.session, 1);
		cr_assert_eq(result.trace.path, 2);
		cr_assert_eq(result.trace.bid, 2);
		cr_assert_eq(result.trace.flags, 0);
		rig->path[2].alive = 0;
		rig_trace(rig, rig->inside, &in, 0, &result);
		cr_assert_eq(result.trace.tier, 2);
		cr_assert_eq(result.trace.path, 1);
		cr_assert_eq(result.trace.flags, MAGPIE_TRACE_DISPLACED);
		plane_udp(&in, &plane_up[1], 9, 9, 24);
		plane_ether(&in, 4);
		rig_trace(rig, rig->inside, &in, 0, &result);
		cr_assert_eq(result.trace.rule, MAGPIE_NO_RULE);
		cr_assert_eq(result.trace.class, 0);
	}
}

static void trace_one(struct rig *rig, uint32_t ifindex, const struct frame *in, int reason)
{
	const uint64_t before = rig_digest(rig);
	struct rig_result result;

	rig_trace(rig, ifindex, in, 0, &result);
	cr_assert_eq(result.trace.reason, reason, "%s", rig_reason_name(result.trace.reason));
	plane_assert_frame(&result, in);
	cr_assert_eq(rig_digest(rig), before, "a dry run wrote to a map");
}

Test(trace, writes_nothing, .description = "every map is the same before and after, and the packet",
     .timeout = 120)
{
	struct rig *rig = NULL;
	struct frame in;
	struct ip_fields ip;

	while ((rig = rig_next(rig))) {
		const uint64_t before = rig_digest(rig);
		struct rig_result result;

		scene(rig);
		cr_assert_neq(rig_digest(rig), before, "the digest is blind");
		plane_plain(&in, &plane_up[0], 24);
		trace_one(rig, rig->inside, &in, MAGPIE_REASON_ENCAP);
		rig->path[2].alive = 0;
		trace_one(rig, rig->inside, &in, MAGPIE_REASON_ENCAP);
		rig_run(rig, rig->inside, &in, &result); /* pins the flow */
		rig->path[1].outer[0].ifindex = rig->path[2].outer[0].ifindex = 0;
		trace_one(rig, rig->inside, &in, MAGPIE_REASON_POLICY);
		rig->path[1].outer[0].ifindex = rig->path[2].outer[0].ifindex = rig->outside;
		rig->path[2].alive = 1;
		trace_one(rig, rig->inside, &in, MAGPIE_REASON_ENCAP);
		plane_plain(&in, &plane_up[0], 1500);
		trace_one(rig, rig->inside, &in, MAGPIE_REASON_TOO_BIG);
		ip = plane_up[1];
		ip.frag = 0x2000;
		plane_plain(&in, &ip, 24);
		trace_one(rig, rig->inside, &in, MAGPIE_REASON_ENCAP);
		plane_udp(&in, &plane_down[0], 4000, 53, 24);
		plane_arriving(&in, rig, 1, 6, 3);
		trace_one(rig, rig->outside, &in, MAGPIE_REASON_ECN);
		plane_udp(&in, &plane_down[0], 4000, 53, 24);
		plane_arriving(&in, rig, 1, 6, 0);
		trace_one(rig, rig->outside, &in, MAGPIE_REASON_DECAP);
	}
}

Test(trace, key, .description = "another key, or none set, is a packet like any other")
{
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in;
	uint64_t key, counted;
	int round;

	while ((rig = rig_next(rig))) {
		scene(rig);
		key = rig->config->trace_key;
		plane_plain(&in, &plane_up[0], 24);
		for (round = 0; round < 3; round++) {
			rig->config->trace_key = round == 0   ? 0
						 : round == 1 ? key ^ 1
							      : key ^ 1ULL << 63;
			counted = rig_reason_packets(rig, MAGPIE_REASON_ENCAP);
			rig_trace(rig, rig->inside, &in, 0, &result);
			cr_assert_eq(rig_reason_packets(rig, MAGPIE_REASON_ENCAP), counted + 1);
		}
	}
}
