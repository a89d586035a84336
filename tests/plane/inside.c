/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which packets from the inside belong to a session, and what happens to the others; how a session
 * is found and how it changes under traffic.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/plane_frames.h"

static void check_on(struct bed *bed, uint32_t ifindex, int family, const char *src,
		     const char *dst, uint8_t proto, int reason)
{
	const struct ip_fields ip = {.family = family, .src = src, .dst = dst, .proto = proto};
	struct bed_result result;
	struct frame in;

	plane_plain(&in, &ip, 24);
	bed_run(bed, ifindex, &in, &result);
	cr_assert_eq(result.reason, reason, "%s > %s: %s, not %s", src, dst,
		     bed_reason_name(result.reason), bed_reason_name(reason));
	if (result.verdict == MAGPIE_VERDICT_PASS)
		plane_assert_frame(&result, &in);
}

static void check(struct bed *bed, int family, const char *src, const char *dst, int reason)
{
	check_on(bed, bed->inside, family, src, dst, 17, reason);
}

Test(inside, gateway,
     .description = "ATK-04, PD-11: only the session's own addresses are tunnelled")
{
	struct bed *bed = NULL;

	while ((bed = bed_next(bed))) {
		bed_scene(bed, MAGPIE_ROLE_MAG);
		check(bed, 6, BED_MN, BED_CN, MAGPIE_REASON_ENCAP);
		check(bed, 4, BED_MN_V4, BED_CN_V4, MAGPIE_REASON_ENCAP);
		check(bed, 6, "2001:db8:1:3::5", BED_CN, MAGPIE_REASON_NOT_OURS);
		check(bed, 6, "2001:db8:666::5", BED_CN, MAGPIE_REASON_NOT_OURS);
		check(bed, 4, "10.20.0.7", BED_CN_V4, MAGPIE_REASON_NOT_OURS);
		check(bed, 6, BED_PCOA_1, BED_CN, MAGPIE_REASON_LAN_SPOOF);
		check(bed, 6, "fe80::5", BED_CN, MAGPIE_REASON_SIGNALLING);
		check(bed, 6, BED_MN, "fe80::1", MAGPIE_REASON_SIGNALLING);
		check(bed, 6, BED_MN, "ff0e::1", MAGPIE_REASON_SIGNALLING);
		check(bed, 6, "::", "ff02::16", MAGPIE_REASON_SIGNALLING);
		check(bed, 4, "0.0.0.0", "255.255.255.255", MAGPIE_REASON_SIGNALLING);
		check(bed, 4, "169.254.1.1", BED_CN_V4, MAGPIE_REASON_SIGNALLING);
		check(bed, 4, BED_MN_V4, "224.0.0.1", MAGPIE_REASON_SIGNALLING);
		check(bed, 6, BED_MN, "2001:db8:1:1::1", MAGPIE_REASON_NOT_OURS);
		check(bed, 6, BED_MN, BED_MN_2, MAGPIE_REASON_ENCAP);
		check_on(bed, bed->inside, 6, BED_MN, BED_PCOA_1, 41, MAGPIE_REASON_LOOP);
		check_on(bed, bed->inside, 6, BED_MN, BED_CN, 41, MAGPIE_REASON_ENCAP);
		check_on(bed, bed->both, 6, BED_MN, BED_CN, 17, MAGPIE_REASON_ENCAP);
		check_on(bed, bed->outside, 6, BED_MN, BED_CN, 17, MAGPIE_REASON_NOT_OURS);
	}
}

Test(inside, anchor, .description = "B-5213-5.6.2-b, DP-03: any address of the prefix, no other")
{
	struct bed *bed = NULL;

	while ((bed = bed_next(bed))) {
		bed_scene(bed, MAGPIE_ROLE_LMA);
		check(bed, 6, BED_CN, "2001:db8:1:1::", MAGPIE_REASON_ENCAP);
		check(bed, 6, BED_CN, "2001:db8:1:1:ffff:ffff:ffff:ffff", MAGPIE_REASON_ENCAP);
		check(bed, 6, BED_CN, "2001:db8:1:3::5", MAGPIE_REASON_NO_SESSION);
		check(bed, 6, BED_CN, "2001:db8:1:fff::5", MAGPIE_REASON_NO_SESSION);
		check(bed, 6, BED_CN, "2001:db8:1:1000::5", MAGPIE_REASON_NOT_OURS);
		check(bed, 6, BED_CN, "2001:db8:0:ffff::5", MAGPIE_REASON_NOT_OURS);
		check(bed, 4, BED_CN_V4, "10.20.0.5", MAGPIE_REASON_ENCAP);
		check(bed, 4, BED_CN_V4, "10.20.0.4", MAGPIE_REASON_NO_SESSION);
		check(bed, 4, BED_CN_V4, "10.20.1.5", MAGPIE_REASON_NOT_OURS);
		check(bed, 4, BED_CN_V4, "10.19.255.255", MAGPIE_REASON_NOT_OURS);
		check(bed, 6, BED_CN, "fe80::5", MAGPIE_REASON_SIGNALLING);
		check(bed, 6, BED_CN, "ff02::1", MAGPIE_REASON_SIGNALLING);
		check_on(bed, bed->inside, 6, BED_CN, BED_LMA, 41, MAGPIE_REASON_LOOP);
		check_on(bed, bed->inside, 6, BED_CN, BED_MN, 41, MAGPIE_REASON_ENCAP);
	}
}

Test(inside, prefixes, .description = "prefixes outside of pools are found by the longest match")
{
	struct bed *bed = NULL;

	while ((bed = bed_next(bed))) {
		bed_scene(bed, MAGPIE_ROLE_LMA);
		bed_prefix(bed, "2001:db8:d000::", 40, 1);
		bed_prefix(bed, "2001:db8:d000:7::", 64, 2);
		bed_prefix(bed, "198.51.100.0", 96 + 24, 1);
		bed_prefix(bed, "2001:db8:1:9::", 64, 2); /* in a pool, with an empty slot */
		check(bed, 6, BED_CN, "2001:db8:d012::1", MAGPIE_REASON_ENCAP);
		check(bed, 6, BED_CN, "2001:db8:d100::1", MAGPIE_REASON_NOT_OURS);
		check(bed, 4, BED_CN_V4, "198.51.100.77", MAGPIE_REASON_ENCAP);
		check(bed, 4, BED_CN_V4, "198.51.101.77", MAGPIE_REASON_NOT_OURS);
		check(bed, 6, BED_CN, "2001:db8:1:9::1", MAGPIE_REASON_ENCAP);
		bed->path[3].alive = 0;
		check(bed, 6, BED_CN, "2001:db8:d000:7::1", MAGPIE_REASON_NO_PATH);
		check(bed, 6, BED_CN, "2001:db8:d000:8::1", MAGPIE_REASON_ENCAP);
	}
}

Test(inside, every_pool, .description = "the last of eight pools works, and gaps before it")
{
	struct bed *bed = NULL;

	while ((bed = bed_next(bed))) {
		struct magpie_pool *pool;

		bed_scene(bed, MAGPIE_ROLE_LMA);
		pool = bed->config->pool;
		pool[MAGPIE_POOLS - 1] = pool[0];
		memset(&pool[0], 0, sizeof(pool[0]));
		check(bed, 6, BED_CN, BED_MN, MAGPIE_REASON_ENCAP);
		check(bed, 4, BED_CN_V4, BED_MN_V4, MAGPIE_REASON_ENCAP);
		pool[MAGPIE_POOLS - 1].slots = 1;
		check(bed, 6, BED_CN, BED_MN, MAGPIE_REASON_NOT_OURS);
	}
}

Test(inside, states,
     .description = "a session on its way out, or without bindings, carries nothing")
{
	struct bed *bed = NULL;

	while ((bed = bed_next(bed))) {
		bed_scene(bed, MAGPIE_ROLE_LMA);
		bed_set(bed, 1)->state = MAGPIE_SESSION_LINGER;
		check(bed, 6, BED_CN, BED_MN, MAGPIE_REASON_LINGER);
		bed_set(bed, 1)->state = MAGPIE_SESSION_NONE;
		check(bed, 6, BED_CN, BED_MN, MAGPIE_REASON_NO_SESSION);
		bed_set(bed, 1)->state = MAGPIE_SESSION_ACTIVE;
		bed_set(bed, 1)->n = 0;
		check(bed, 6, BED_CN, BED_MN, MAGPIE_REASON_NO_PATH);
		bed->config->role = MAGPIE_ROLE_NONE;
		check(bed, 6, BED_CN, BED_MN, MAGPIE_REASON_NOT_OURS);
	}
}

/* The path of a downlink packet to the mobile node, 0 if it was not sent. */
static uint32_t path_now(struct bed *bed)
{
	struct bed_result result;
	struct frame in;

	plane_plain(&in, &plane_down[0], 24);
	bed_run(bed, bed->inside, &in, &result);
	return result.reason == MAGPIE_REASON_ENCAP ? bed_path_of(bed, &result) : 0;
}

Test(inside, session_switch, .description = "one byte turns a session over to its other set")
{
	struct bed *bed = NULL;
	struct magpie_session *session;

	while ((bed = bed_next(bed))) {
		bed_scene(bed, MAGPIE_ROLE_LMA);
		session = &bed->session[1];
		session->set[1] = session->set[0];
		session->set[0].n = 1; /* RED on path 1 */
		session->set[1].n = 1;
		session->set[1].binding[0].path = 3;
		cr_assert_eq(path_now(bed), 1);
		bed->sw[0].live[1] = 1;
		cr_assert_eq(path_now(bed), 3);
		session->set[0].binding[0].path = 2;
		cr_assert_eq(path_now(bed), 3, "the idle set was read");
		bed->sw[0].live[1] = 0;
		cr_assert_eq(path_now(bed), 2);
	}
}

Test(inside, outer_switch, .description = "one byte turns a path over to its other outer header")
{
	struct bed *bed = NULL;
	struct bed_result result;
	struct frame in;

	while ((bed = bed_next(bed))) {
		bed_scene(bed, MAGPIE_ROLE_LMA);
		bed_set(bed, 1)->n = 1;
		bed->path[1].outer[1].hdr[0] = 0x0a;
		plane_plain(&in, &plane_down[0], 24);
		bed_expect(bed, bed->inside, &in, ENCAP, &result);
		cr_assert_eq(result.out.octet[0], 0x02);
		bed->path[1].live = 1;
		bed_expect(bed, bed->inside, &in, ENCAP, &result);
		cr_assert_eq(result.out.octet[0], 0x0a);
		bed->path[1].outer[1].ifindex = 0; /* no route at present */
		bed_expect(bed, bed->inside, &in, NO_PATH, &result);
		bed->path[1].live = 0;
		bed_expect(bed, bed->inside, &in, ENCAP, &result);
	}
}
