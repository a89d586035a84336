/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Dry runs: the same decision, nothing written. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/plane_frames.h"

static void scene(struct bed *bed)
{
	const struct magpie_rule dns = {
		.fields = MAGPIE_RULE_DPORT, .class = 1, .dport_first = 53, .dport_last = 53};
	struct magpie_class class = {.otherwise = MAGPIE_OTHERWISE_DROP};

	bed_scene(bed, MAGPIE_ROLE_MAG);
	class.rank[BLUE] = 1;
	class.rank[RED] = 2;
	class.weight[RED] = class.weight[BLUE] = 1;
	bed_rule(bed, 3, &dns);
	bed->config->rules[0] = 4;
	bed_class(bed, 1, &class);
	bed_rule(bed, 0, &(struct magpie_rule){.fields = MAGPIE_RULE_PROTO, .proto = 99});
	bed_rule(bed, 1, &(struct magpie_rule){.fields = MAGPIE_RULE_PROTO, .proto = 99});
	bed_rule(bed, 2, &(struct magpie_rule){.fields = MAGPIE_RULE_PROTO, .proto = 99});
}

Test(trace, answer, .description = "PL-03: reason, rule, class, tier, session, path and BID")
{
	struct bed *bed = NULL;
	struct bed_result result;
	struct frame in;

	while ((bed = bed_next(bed))) {
		scene(bed);
		plane_plain(&in, &plane_up[0], 24);
		bed_trace(bed, bed->inside, &in, 0, &result);
		cr_assert_eq(result.trace.reason, MAGPIE_REASON_ENCAP);
		cr_assert_eq(result.trace.rule, 3);
		cr_assert_eq(result.trace.class, 1);
		cr_assert_eq(result.trace.tier, 1);
		cr_assert_eq(result.trace.session, 1);
		cr_assert_eq(result.trace.path, 2);
		cr_assert_eq(result.trace.bid, 2);
		cr_assert_eq(result.trace.flags, 0);
		bed->path[2].alive = 0;
		bed_trace(bed, bed->inside, &in, 0, &result);
		cr_assert_eq(result.trace.tier, 2);
		cr_assert_eq(result.trace.path, 1);
		cr_assert_eq(result.trace.flags, MAGPIE_TRACE_DISPLACED);
		plane_udp(&in, &plane_up[1], 9, 9, 24);
		plane_ether(&in, 4);
		bed_trace(bed, bed->inside, &in, 0, &result);
		cr_assert_eq(result.trace.rule, MAGPIE_NO_RULE);
		cr_assert_eq(result.trace.class, 0);
	}
}

static void trace_one(struct bed *bed, uint32_t ifindex, const struct frame *in, int reason)
{
	const uint64_t before = bed_digest(bed);
	struct bed_result result;

	bed_trace(bed, ifindex, in, 0, &result);
	cr_assert_eq(result.trace.reason, reason, "%s", bed_reason_name(result.trace.reason));
	plane_assert_frame(&result, in);
	cr_assert_eq(bed_digest(bed), before, "a dry run wrote to a map");
}

Test(trace, writes_nothing, .description = "every map is the same before and after, and the packet",
     .timeout = 120)
{
	struct bed *bed = NULL;
	struct frame in;
	struct ip_fields ip;

	while ((bed = bed_next(bed))) {
		const uint64_t before = bed_digest(bed);
		struct bed_result result;

		scene(bed);
		cr_assert_neq(bed_digest(bed), before, "the digest is blind");
		plane_plain(&in, &plane_up[0], 24);
		trace_one(bed, bed->inside, &in, MAGPIE_REASON_ENCAP);
		bed->path[2].alive = 0;
		trace_one(bed, bed->inside, &in, MAGPIE_REASON_ENCAP);
		bed_run(bed, bed->inside, &in, &result); /* pins the flow */
		bed->path[1].alive = 0;
		trace_one(bed, bed->inside, &in, MAGPIE_REASON_POLICY);
		bed->path[1].alive = bed->path[2].alive = 1;
		trace_one(bed, bed->inside, &in, MAGPIE_REASON_ENCAP);
		plane_plain(&in, &plane_up[0], 1500);
		trace_one(bed, bed->inside, &in, MAGPIE_REASON_TOO_BIG);
		ip = plane_up[1];
		ip.frag = 0x2000;
		plane_plain(&in, &ip, 24);
		trace_one(bed, bed->inside, &in, MAGPIE_REASON_ENCAP);
		plane_udp(&in, &plane_down[0], 4000, 53, 24);
		plane_arriving(&in, bed, 1, 6, 3);
		trace_one(bed, bed->outside, &in, MAGPIE_REASON_ECN);
		plane_udp(&in, &plane_down[0], 4000, 53, 24);
		plane_arriving(&in, bed, 1, 6, 0);
		trace_one(bed, bed->outside, &in, MAGPIE_REASON_DECAP);
	}
}

Test(trace, key, .description = "another key, or none set, is a packet like any other")
{
	struct bed *bed = NULL;
	struct bed_result result;
	struct frame in;
	uint64_t key, counted;
	int round;

	while ((bed = bed_next(bed))) {
		scene(bed);
		key = bed->config->trace_key;
		plane_plain(&in, &plane_up[0], 24);
		for (round = 0; round < 3; round++) {
			bed->config->trace_key = round == 0   ? 0
						 : round == 1 ? key ^ 1
							      : key ^ 1ULL << 63;
			counted = bed_reason_packets(bed, MAGPIE_REASON_ENCAP);
			bed_trace(bed, bed->inside, &in, 0, &result);
			cr_assert_eq(bed_reason_packets(bed, MAGPIE_REASON_ENCAP), counted + 1);
		}
	}
}
