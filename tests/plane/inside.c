/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which packets from the inside belong to a session, and what happens to the others; how a session
 * is found and how it changes under traffic.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/plane_frames.h"

static void check_on(struct rig *rig, uint32_t ifindex, int family, const char *src,
		     const char *dst, uint8_t proto, int reason)
{
	const struct ip_fields ip = {.family = family, .src = src, .dst = dst, .proto = proto};
	struct rig_result result;
	struct frame in;

	plane_plain(&in, &ip, 24);
	rig_run(rig, ifindex, &in, &result);
	cr_assert_eq(result.reason, reason, "%s > %s: %s, not %s", src, dst,
		     rig_reason_name(result.reason), rig_reason_name(reason));
	if (result.verdict == MAGPIE_VERDICT_PASS)
		plane_assert_frame(&result, &in);
}

static void check(struct rig *rig, int family, const char *src, const char *dst, int reason)
{
	check_on(rig, rig->inside, family, src, dst, 17, reason);
}

Test(inside, gateway,
     .description = "ATK-04, PD-11: only the session's own addresses are tunnelled")
{
	struct rig *rig = NULL;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		check(rig, 6, RIG_MN, RIG_CN, MAGPIE_REASON_ENCAP);
		check(rig, 4, RIG_MN_V4, RIG_CN_V4, MAGPIE_REASON_ENCAP);
		check(rig, 6, "2001:db8:1:3::5", RIG_CN, MAGPIE_REASON_NOT_OURS);
		check(rig, 6, "2001:db8:666::5", RIG_CN, MAGPIE_REASON_NOT_OURS);
		check(rig, 4, "10.20.0.7", RIG_CN_V4, MAGPIE_REASON_NOT_OURS);
		check(rig, 6, RIG_PCOA_1, RIG_CN, MAGPIE_REASON_LAN_SPOOF);
		check(rig, 6, "fe80::5", RIG_CN, MAGPIE_REASON_SIGNALLING);
		check(rig, 6, RIG_MN, "fe80::1", MAGPIE_REASON_SIGNALLING);
		check(rig, 6, RIG_MN, "ff0e::1", MAGPIE_REASON_SIGNALLING);
		check(rig, 6, "::", "ff02::16", MAGPIE_REASON_SIGNALLING);
		check(rig, 4, "0.0.0.0", "255.255.255.255", MAGPIE_REASON_SIGNALLING);
		check(rig, 4, "169.254.1.1", RIG_CN_V4, MAGPIE_REASON_SIGNALLING);
		check(rig, 4, RIG_MN_V4, "224.0.0.1", MAGPIE_REASON_SIGNALLING);
		check(rig, 6, RIG_MN, "2001:db8:1:1::1", MAGPIE_REASON_NOT_OURS);
		check(rig, 6, RIG_MN, RIG_MN_2, MAGPIE_REASON_ENCAP);
		check_on(rig, rig->inside, 6, RIG_MN, RIG_PCOA_1, 41, MAGPIE_REASON_LOOP);
		check_on(rig, rig->inside, 6, RIG_MN, RIG_CN, 41, MAGPIE_REASON_ENCAP);
		check_on(rig, rig->both, 6, RIG_MN, RIG_CN, 17, MAGPIE_REASON_ENCAP);
		check_on(rig, rig->outside, 6, RIG_MN, RIG_CN, 17, MAGPIE_REASON_NOT_OURS);
	}
}

Test(inside, anchor, .description = "B-5213-5.6.2-b, DP-03: any address of the prefix, no other")
{
	struct rig *rig = NULL;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_LMA);
		check(rig, 6, RIG_CN, "2001:db8:1:1::", MAGPIE_REASON_ENCAP);
		check(rig, 6, RIG_CN, "2001:db8:1:1:ffff:ffff:ffff:ffff", MAGPIE_REASON_ENCAP);
		check(rig, 6, RIG_CN, "2001:db8:1:3::5", MAGPIE_REASON_NO_SESSION);
		check(rig, 6, RIG_CN, "2001:db8:1:fff::5", MAGPIE_REASON_NO_SESSION);
		check(rig, 6, RIG_CN, "2001:db8:1:1000::5", MAGPIE_REASON_NOT_OURS);
		check(rig, 6, RIG_CN, "2001:db8:0:ffff::5", MAGPIE_REASON_NOT_OURS);
		check(rig, 4, RIG_CN_V4, "10.20.0.5", MAGPIE_REASON_ENCAP);
		check(rig, 4, RIG_CN_V4, "10.20.0.4", MAGPIE_REASON_NO_SESSION);
		check(rig, 4, RIG_CN_V4, "10.20.1.5", MAGPIE_REASON_NOT_OURS);
		check(rig, 4, RIG_CN_V4, "10.19.255.255", MAGPIE_REASON_NOT_OURS);
		check(rig, 6, RIG_CN, "fe80::5", MAGPIE_REASON_SIGNALLING);
		check(rig, 6, RIG_CN, "ff02::1", MAGPIE_REASON_SIGNALLING);
		check_on(rig, rig->inside, 6, RIG_CN, RIG_LMA, 41, MAGPIE_REASON_LOOP);
		check_on(rig, rig->inside, 6, RIG_CN, RIG_MN, 41, MAGPIE_REASON_ENCAP);
	}
}

Test(inside, prefixes, .description = "prefixes outside of pools are found by the longest match")
{
	struct rig *rig = NULL;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_LMA);
		rig_prefix(rig, "2001:db8:d000::", 40, 1);
		rig_prefix(rig, "2001:db8:d000:7::", 64, 2);
		rig_prefix(rig, "198.51.100.0", 96 + 24, 1);
		rig_prefix(rig, "2001:db8:1:9::", 64, 2); /* in a pool, with an empty slot */
		check(rig, 6, RIG_CN, "2001:db8:d012::1", MAGPIE_REASON_ENCAP);
		check(rig, 6, RIG_CN, "2001:db8:d100::1", MAGPIE_REASON_NOT_OURS);
		check(rig, 4, RIG_CN_V4, "198.51.100.77", MAGPIE_REASON_ENCAP);
		check(rig, 4, RIG_CN_V4, "198.51.101.77", MAGPIE_REASON_NOT_OURS);
		check(rig, 6, RIG_CN, "2001:db8:1:9::1", MAGPIE_REASON_ENCAP);
		rig->path[3].outer[0].ifindex = 0;
		check(rig, 6, RIG_CN, "2001:db8:d000:7::1", MAGPIE_REASON_NO_PATH);
		check(rig, 6, RIG_CN, "2001:db8:d000:8::1", MAGPIE_REASON_ENCAP);
	}
}

Test(inside, every_pool, .description = "the last of eight pools works, and gaps before it")
{
	struct rig *rig = NULL;

	while ((rig = rig_next(rig))) {
		struct magpie_pool *pool;

		rig_scene(rig, MAGPIE_ROLE_LMA);
		pool = rig->config->pool;
		pool[MAGPIE_POOLS - 1] = pool[0];
		memset(&pool[0], 0, sizeof(pool[0]));
		check(rig, 6, RIG_CN, RIG_MN, MAGPIE_REASON_ENCAP);
		check(rig, 4, RIG_CN_V4, RIG_MN_V4, MAGPIE_REASON_ENCAP);
		pool[MAGPIE_POOLS - 1].slots = 1;
		check(rig, 6, RIG_CN, RIG_MN, MAGPIE_REASON_NOT_OURS);
	}
}

Test(inside, states,
     .description = "a session on its way out, or without bindings, carries nothing")
{
	struct rig *rig = NULL;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_LMA);
		rig_set(rig, 1)->state = MAGPIE_SESSION_LINGER;
		check(rig, 6, RIG_CN, RIG_MN, MAGPIE_REASON_LINGER);
		rig_set(rig, 1)->state = MAGPIE_SESSION_NONE;
		check(rig, 6, RIG_CN, RIG_MN, MAGPIE_REASON_NO_SESSION);
		rig_set(rig, 1)->state = MAGPIE_SESSION_ACTIVE;
		rig_set(rig, 1)->n = 0;
		check(rig, 6, RIG_CN, RIG_MN, MAGPIE_REASON_NO_PATH);
		rig->config->role = MAGPIE_ROLE_NONE;
		check(rig, 6, RIG_CN, RIG_MN, MAGPIE_REASON_NOT_OURS);
	}
}

/* The path of a downlink packet to the mobile node, 0 if it was not sent. */
static uint32_t path_now(struct rig *rig)
{
	struct rig_result result;
	struct frame in;

	plane_plain(&in, &plane_down[0], 24);
	rig_run(rig, rig->inside, &in, &result);
	return result.reason == MAGPIE_REASON_ENCAP ? rig_path_of(rig, &result) : 0;
}

Test(inside, session_switch, .description = "one byte turns a session over to its other set")
{
	struct rig *rig = NULL;
	struct magpie_session *session;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_LMA);
		session = &rig->session[1];
		session->set[1] = session->set[0];
		session->set[0].n = 1; /* RED on path 1 */
		session->set[1].n = 1;
		session->set[1].binding[0].path = 3;
		session->set[1].generation = session->set[0].generation + 1;
		cr_assert_eq(path_now(rig), 1);
		rig->sw[0].live[1] = 1;
		cr_assert_eq(path_now(rig), 3);
		session->set[0].binding[0].path = 2;
		session->set[0].generation = session->set[1].generation + 1;
		cr_assert_eq(path_now(rig), 3, "the idle set was read");
		rig->sw[0].live[1] = 0;
		cr_assert_eq(path_now(rig), 2);
	}
}

Test(inside, outer_switch, .description = "one byte turns a path over to its other outer header")
{
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_LMA);
		rig_set(rig, 1)->n = 1;
		rig->path[1].outer[1].hdr[0] = 0x0a;
		plane_plain(&in, &plane_down[0], 24);
		rig_expect(rig, rig->inside, &in, ENCAP, &result);
		cr_assert_eq(result.out.octet[0], 0x02);
		rig->path[1].live = 1;
		rig_expect(rig, rig->inside, &in, ENCAP, &result);
		cr_assert_eq(result.out.octet[0], 0x0a);
		rig->path[1].outer[1].ifindex = 0; /* no route at present */
		rig_expect(rig, rig->inside, &in, NO_PATH, &result);
		rig->path[1].live = 0;
		rig_expect(rig, rig->inside, &in, ENCAP, &result);
	}
}
