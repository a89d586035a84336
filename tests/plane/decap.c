/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Out of the tunnel: exact octets, ECN, hop limit, next hops, and everything that must not come
 * out. Every test runs at both hooks and with both inner families.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/plane_frames.h"

/* The inner packet of family index f towards the far side of `role`. */
static struct ip_fields inner_of(enum magpie_role role, size_t f)
{
	return role == MAGPIE_ROLE_MAG ? plane_down[f] : plane_up[f];
}

static void tunnelled(struct frame *frame, const struct rig *rig, uint32_t path,
		      const struct ip_fields *ip, uint8_t outer_tos)
{
	plane_udp(frame, ip, 4000, 53, 24);
	plane_arriving(frame, rig, path, ip->family, outer_tos);
}

static void check_exact(struct rig *rig, uint32_t path, const struct ip_fields *ip)
{
	struct magpie_path_count before, after;
	struct ip_fields onward = *ip;
	struct rig_result result;
	struct frame in, expected;

	tunnelled(&in, rig, path, ip, 0);
	rig_path_count(rig, path, &before);
	rig_expect(rig, rig->outside, &in, DECAP, &result);
	onward.hop_limit = 63;
	plane_udp(&expected, &onward, 4000, 53, 24);
	frame_eth(&expected, rig_next_mac, rig_gateway_mac, ip->family == 6 ? 0x86dd : 0x0800);
	plane_assert_frame(&result, &expected);
	rig_path_count(rig, path, &after);
	cr_assert_eq(after.rx_packets - before.rx_packets, 1);
	cr_assert_eq(after.rx_bytes - before.rx_bytes, in.len - 54);
}

Test(decap, exact_octets, .description = "PL-36: from any path of the session, to the next hop")
{
	static const enum magpie_role roles[] = {MAGPIE_ROLE_MAG, MAGPIE_ROLE_LMA};
	struct rig *rig = NULL;
	struct ip_fields ip;
	size_t f, r, again;

	while ((rig = rig_next(rig)))
		for (r = 0; r < 2; r++) {
			rig_scene_reset(rig);
			rig_scene(rig, roles[r]);
			for (f = 0; f < 2; f++)
				for (again = 0; again < 3; again++) { /* asked, kept, void */
					ip = inner_of(roles[r], f);
					check_exact(rig, 1, &ip);
					check_exact(rig, 2, &ip);
					rig->config->nexthop_generation += again == 1;
				}
		}
}

/* RFC 6040 figure 4; -1: dropped. [inner][outer] */
static const int ecn_result[4][4] = {
	{0, 0, 0, -1},
	{1, 1, 1, 3},
	{2, 1, 2, 3},
	{3, 3, 3, 3},
};

static void check_ecn(struct rig *rig, size_t f, uint8_t inner, uint8_t outer)
{
	struct ip_fields ip = plane_down[f];
	struct rig_result result;
	struct frame in, expected;

	ip.tos = (uint8_t)(46 << 2 | inner);
	tunnelled(&in, rig, 1, &ip, (uint8_t)(10 << 2 | outer));
	if (ecn_result[inner][outer] < 0) {
		rig_expect(rig, rig->outside, &in, ECN, &result);
		return;
	}
	rig_expect(rig, rig->outside, &in, DECAP, &result);
	ip.tos = (uint8_t)(46 << 2 | ecn_result[inner][outer]);
	ip.hop_limit = 63;
	plane_udp(&expected, &ip, 4000, 53, 24);
	frame_eth(&expected, rig_next_mac, rig_gateway_mac, f ? 0x0800 : 0x86dd);
	plane_assert_frame(&result, &expected);
}

Test(decap, ecn, .description = "DP-05: all 16 combinations of RFC 6040, checksum and DSCP right")
{
	struct rig *rig = NULL;
	uint8_t combination;
	size_t f;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		for (f = 0; f < 2; f++)
			for (combination = 0; combination < 16; combination++)
				check_ecn(rig, f, combination / 4, combination % 4);
	}
}

/* What the stack gets: the inner packet untouched, addressed as the frame was. */
static void check_stripped(struct rig *rig, const struct ip_fields *ip, int reason)
{
	struct rig_result result;
	struct frame in, expected;

	tunnelled(&in, rig, 1, ip, 0);
	rig_run(rig, rig->outside, &in, &result);
	cr_assert_eq(result.reason, reason, "%s, not %s", rig_reason_name(result.reason),
		     rig_reason_name(reason));
	plane_plain(&expected, ip, 24);
	plane_assert_frame(&result, &expected);
}

Test(decap, to_the_stack, .description = "what the FIB cannot forward is stripped and passed")
{
	static const char *const dst6[] = {"2001:db8:b::1", "2001:db8:b::99", "2001:db8:bad::1",
					   "2001:db8:dead::1"};
	static const char *const dst4[] = {"192.0.2.1", "192.0.2.99", "198.51.100.1"};
	struct rig *rig = NULL;
	struct ip_fields ip;
	size_t i;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_LMA);
		for (i = 0; i < 4; i++) {
			ip = plane_up[0];
			ip.dst = dst6[i];
			check_stripped(rig, &ip, MAGPIE_REASON_TO_STACK);
		}
		for (i = 0; i < 3; i++) {
			ip = plane_up[1];
			ip.dst = dst4[i];
			check_stripped(rig, &ip, MAGPIE_REASON_TO_STACK);
		}
	}
}

Test(decap, hop_limit, .description = "a used-up inner hop limit is the kernel's to answer")
{
	struct rig *rig = NULL;
	struct ip_fields ip;
	size_t f;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_LMA);
		for (f = 0; f < 2; f++) {
			ip = plane_up[f];
			ip.hop_limit = 1;
			check_stripped(rig, &ip, MAGPIE_REASON_HOP_LIMIT);
		}
	}
}

Test(decap, encapsulation_limit, .description = "DP-02: the option of RFC 2473 is accepted")
{
	static const uint8_t options[8] = {0, 0, 4, 1, 4, 1, 1, 0};
	struct ip_fields outer = {.family = 6, .src = RIG_LMA, .dst = RIG_PCOA_1, .proto = 60};
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in;
	size_t f;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		for (f = 0; f < 2; f++) {
			plane_udp(&in, &plane_down[f], 4000, 53, 24);
			frame_push(&in, options, sizeof(options));
			in.octet[in.start] = f ? 4 : 41;
			frame_ip(&in, &outer);
			plane_ether(&in, 6);
			rig_expect(rig, rig->outside, &in, DECAP, &result);
			cr_assert_eq(result.out.len, in.len - 48);
		}
	}
}

Test(decap, truncated, .description = "cut at any octet, or longer inside than outside: counted")
{
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in, whole;
	size_t f, cut;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		for (f = 0; f < 2; f++) {
			tunnelled(&whole, rig, 1, &plane_down[f], 0);
			for (cut = whole.len - 1; cut >= 54; cut--) {
				in = whole;
				in.len = cut; /* the frame ends early */
				rig_expect(rig, rig->outside, &in, UNPARSED, &result);
				in.octet[in.start + 18] = (uint8_t)((cut - 54) >> 8);
				in.octet[in.start + 19] = (uint8_t)(cut - 54);
				rig_expect(rig, rig->outside, &in, INNER_MALFORMED, &result);
			}
			in = whole;
			in.octet[in.start + 54] ^= 0xf0; /* neither 4 nor 6 */
			rig_expect(rig, rig->outside, &in, INNER_MALFORMED, &result);
			in = whole;
			frame_pad(&in, in.len + 20); /* of the link layer */
			rig_expect(rig, rig->outside, &in, DECAP, &result);
		}
	}
}

static void check_inner(struct rig *rig, uint32_t path, int family, const char *src,
			const char *dst, int reason)
{
	const struct ip_fields ip = {.family = family, .src = src, .dst = dst, .proto = 17};
	struct rig_result result;
	struct frame in;

	tunnelled(&in, rig, path, &ip, 0);
	rig_run(rig, rig->outside, &in, &result);
	cr_assert_eq(result.reason, reason, "%s > %s on path %u: %s, not %s", src, dst, path,
		     rig_reason_name(result.reason), rig_reason_name(reason));
}

Test(decap, spoofed_inside, .description = "ATK-03, PD-12 at the LMA; ATK-05 at the MAG")
{
	const int spoof = MAGPIE_REASON_INNER_SPOOF;
	struct rig *rig = NULL;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_LMA);
		check_inner(rig, 3, 6, RIG_MN, RIG_CN, spoof);
		check_inner(rig, 1, 6, RIG_MN_2, RIG_CN, spoof);
		check_inner(rig, 3, 4, RIG_MN_V4, RIG_CN_V4, spoof);
		check_inner(rig, 1, 4, "10.20.0.7", RIG_CN_V4, spoof);
		check_inner(rig, 1, 6, RIG_CN, RIG_CN, spoof);
		check_inner(rig, 1, 6, RIG_LMA, RIG_CN, spoof);
		check_inner(rig, 1, 6, "fe80::5", RIG_CN, spoof);
		check_inner(rig, 1, 6, "2001:db8:1:3::5", RIG_CN, spoof);
		check_inner(rig, 1, 6, RIG_MN, "ff02::1", spoof);
		check_inner(rig, 1, 6, RIG_MN, "fe80::1", spoof);
		check_inner(rig, 1, 4, RIG_MN_V4, "224.0.0.1", spoof);
		rig_set(rig, 1)->binding[0].flags = MAGPIE_BINDING_TX;
		check_inner(rig, 1, 6, RIG_MN, RIG_CN, spoof);
		check_inner(rig, 2, 6, RIG_MN, RIG_CN, MAGPIE_REASON_DECAP);
		rig_scene_reset(rig);
		rig_scene(rig, MAGPIE_ROLE_MAG);
		check_inner(rig, 3, 6, RIG_CN, RIG_MN, spoof);
		check_inner(rig, 1, 6, RIG_CN, RIG_MN_2, spoof);
		check_inner(rig, 1, 4, RIG_CN_V4, RIG_MN_2_V4, spoof);
		check_inner(rig, 1, 6, RIG_CN, RIG_PCOA_1, spoof);
	}
}

static void check_outer(struct rig *rig, const char *src, const char *dst, int reason)
{
	const struct ip_fields outer = {.family = 6, .src = src, .dst = dst, .proto = 41};
	struct rig_result result;
	struct frame in;

	plane_udp(&in, &plane_up[0], 4000, 53, 24);
	frame_ip(&in, &outer);
	plane_ether(&in, 6);
	rig_run(rig, rig->outside, &in, &result);
	cr_assert_eq(result.reason, reason, "%s > %s: %s, not %s", src, dst,
		     rig_reason_name(result.reason), rig_reason_name(reason));
	plane_assert_frame(&result, &in);
}

Test(decap, unknown_outside, .description = "ATK-02: dropped if addressed to us, else not ours")
{
	struct rig *rig = NULL;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_LMA);
		check_outer(rig, "2001:db8:666::1", RIG_LMA, MAGPIE_REASON_OUTER_UNKNOWN);
		check_outer(rig, RIG_PCOA_1, "2001:db8:f::2", MAGPIE_REASON_NOT_OURS);
	}
}

Test(decap, probe, .description = "a probe passes as it came")
{
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in;
	struct ip_fields ip = {.family = 6, .src = RIG_LMA, .dst = RIG_PCOA_1, .proto = 17};

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		tunnelled(&in, rig, 1, &ip, 0);
		rig_expect(rig, rig->outside, &in, PROBE, &result);
		plane_assert_frame(&result, &in);
		ip.proto = 6;
		tunnelled(&in, rig, 1, &ip, 0);
		rig_expect(rig, rig->outside, &in, INNER_SPOOF, &result);
		ip.proto = 17;
	}
}

static void check_outside(struct rig *rig, const char *src, const char *dst, uint8_t proto,
			  int reason)
{
	const struct ip_fields ip = {.family = 6, .src = src, .dst = dst, .proto = proto};
	struct rig_result result;
	struct frame in;

	frame_init(&in, 16);
	frame_ip(&in, &ip);
	plane_ether(&in, 6);
	rig_run(rig, rig->outside, &in, &result);
	cr_assert_eq(result.reason, reason, "%s", rig_reason_name(result.reason));
	plane_assert_frame(&result, &in);
}

Test(decap, signalling, .description = "mobility headers, neighbour discovery, errors for us pass")
{
	const int signalling = MAGPIE_REASON_SIGNALLING;
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame arp;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_MAG);
		check_outside(rig, RIG_LMA, RIG_PCOA_1, 135, signalling);
		check_outside(rig, "fe80::1", "ff02::1", 58, signalling);
		check_outside(rig, "fe80::1", RIG_PCOA_1, 58, signalling);
		check_outside(rig, "2001:db8:99::1", RIG_PCOA_1, 58, signalling);
		check_outside(rig, "2001:db8:99::1", RIG_PCOA_1, 6, MAGPIE_REASON_NOT_OURS);
		check_outside(rig, "2001:db8:99::1", "2001:db8:98::1", 58, MAGPIE_REASON_NOT_OURS);
		frame_init(&arp, 46);
		frame_eth(&arp, rig_gateway_mac, rig_host_mac, 0x0806);
		rig_expect(rig, rig->outside, &arp, UNPARSED, &result);
		rig_expect(rig, 1, &arp, NOT_OURS, &result); /* a device nobody named */
	}
}

Test(decap, linger, .description = "B-OWN-FWD-2: nothing comes out of a session on its way out")
{
	struct rig *rig = NULL;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_LMA);
		rig_set(rig, 1)->state = MAGPIE_SESSION_LINGER;
		check_inner(rig, 1, 6, RIG_MN, RIG_CN, MAGPIE_REASON_LINGER);
		check_inner(rig, 1, 4, RIG_MN_V4, RIG_CN_V4, MAGPIE_REASON_LINGER);
	}
}

Test(decap, nested, .description = "ATK-06: a tunnel packet in a tunnel packet to us is dropped")
{
	const struct ip_fields ip = {.family = 6, .src = RIG_MN, .dst = RIG_LMA, .proto = 41};
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_LMA);
		plane_udp(&in, &plane_up[0], 1, 2, 8);
		frame_ip(&in, &ip);
		plane_arriving(&in, rig, 1, 6, 0);
		rig_expect(rig, rig->outside, &in, LOOP, &result);
	}
}

Test(decap, hairpin, .description = "B-5213-5.6.2-c: from one mobile node to another")
{
	static const struct ip_fields between[2] = {
		{.family = 6, .src = RIG_MN, .dst = RIG_MN_2, .proto = 17},
		{.family = 4, .src = RIG_MN_V4, .dst = RIG_MN_2_V4, .proto = 17},
	};
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in, expected;
	size_t f;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_LMA);
		for (f = 0; f < 2; f++) {
			struct ip_fields onward = between[f];

			tunnelled(&in, rig, 2, &between[f], 0);
			rig_expect(rig, rig->outside, &in, HAIRPIN, &result);
			onward.hop_limit = 63;
			plane_udp(&expected, &onward, 4000, 53, 24);
			plane_leaving(&expected, rig, 3, onward.family, 0, plane_label(&result));
			plane_assert_frame(&result, &expected);
		}
	}
}

Test(decap, wide_session, .description = "EC-01: 254 bindings, packets accepted from each path")
{
	struct rig *rig = NULL;
	struct magpie_set *set;
	uint32_t i;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_LMA);
		set = rig_set(rig, 1);
		set->wide = 1;
		set->n = MAGPIE_WIDE;
		for (i = 0; i < MAGPIE_WIDE; i++) {
			char pcoa[64];

			snprintf(pcoa, sizeof(pcoa), "2001:db8:a:%x::1", i + 1);
			rig_path(rig, 100 + i, RIG_LMA, pcoa, 1460);
			rig->wide[1].binding[i] = (struct magpie_binding){
				.path = 100 + i,
				.bid = (uint8_t)(i + 1),
				.weight = 1,
				.flags = MAGPIE_BINDING_RX,
			};
		}
		for (i = 0; i < MAGPIE_WIDE; i++)
			check_inner(rig, 100 + i, 6, RIG_MN, RIG_CN, MAGPIE_REASON_DECAP);
		check_inner(rig, 1, 6, RIG_MN, RIG_CN, MAGPIE_REASON_INNER_SPOOF);
	}
}
