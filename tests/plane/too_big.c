/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets larger than their path: the exact answer, its checksums, its limits, and what is not
 * answered.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/plane_frames.h"

#define MTU 1400

/* An inner packet of `len` octets from the IP header on. */
static void sized(struct frame *in, size_t f, size_t len)
{
	plane_plain(in, &plane_up[f], len - 8 - (f ? 20 : 40));
}

/* The answer to `in`, built apart: ICMPv6 2/0 quoting 1232, ICMPv4 3/4 quoting 548 octets. */
static void answer(struct frame *out, size_t f, const struct frame *in, uint32_t mtu)
{
	static const uint32_t pseudo_words[2] = {8 + 1232, 58};
	struct ip_fields ip = {.family = f ? 4 : 6, .proto = f ? 1 : 58, .frag = f ? 0x4000 : 0};
	const uint8_t *quote = frame_octets(in) + 14;
	uint8_t addrs[32];
	uint32_t sum = 0;
	uint16_t check;
	size_t i;

	frame_init(out, 0);
	frame_push(out, quote, f ? 548 : 1232);
	frame_icmp(out, f ? 3 : 2, f ? 4 : 0, mtu);
	ip.src = f ? RIG_ICMP4 : RIG_ICMP6;
	ip.dst = f ? RIG_MN_V4 : RIG_MN;
	if (!f) {
		frame_addr(ip.src, addrs);
		frame_addr(ip.dst, addrs + 16);
		for (i = 0; i < sizeof(addrs); i += 2)
			sum += (uint32_t)addrs[i] << 8 | addrs[i + 1];
		sum += pseudo_words[0] + pseudo_words[1];
		out->octet[out->start + 2] = out->octet[out->start + 3] = 0;
		check = frame_checksum(frame_octets(out), out->len, sum);
		out->octet[out->start + 2] = (uint8_t)(check >> 8);
		out->octet[out->start + 3] = (uint8_t)check;
	}
	frame_ip(out, &ip);
	frame_eth(out, rig_host_mac, rig_gateway_mac, f ? 0x0800 : 0x86dd);
}

static void scene(struct rig *rig, uint16_t mtu)
{
	rig_scene(rig, MAGPIE_ROLE_MAG);
	rig->path[1].outer[0].mtu = rig->path[2].outer[0].mtu = mtu;
}

Test(too_big, answer, .description = "DP-09, DP-10: Packet Too Big, Fragmentation Needed, exact")
{
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in, expected;
	size_t f;

	while ((rig = rig_next(rig))) {
		scene(rig, MTU);
		for (f = 0; f < 2; f++) {
			sized(&in, f, MTU);
			rig_expect(rig, rig->inside, &in, ENCAP, &result);
			sized(&in, f, MTU + 1);
			rig_expect(rig, rig->inside, &in, TOO_BIG, &result);
			answer(&expected, f, &in, MTU);
			plane_assert_frame(&result, &expected);
			sized(&in, f, 3000);
			rig_expect(rig, rig->inside, &in, TOO_BIG, &result);
			answer(&expected, f, &in, MTU);
			plane_assert_frame(&result, &expected);
		}
	}
}

Test(too_big, least, .description = "DP-09: never below 1280, and 1280 octets always go")
{
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in, expected;

	while ((rig = rig_next(rig))) {
		scene(rig, 1000);
		sized(&in, 0, 1280);
		rig_expect(rig, rig->inside, &in, ENCAP, &result);
		sized(&in, 0, 1281);
		rig_expect(rig, rig->inside, &in, TOO_BIG, &result);
		answer(&expected, 0, &in, 1280);
		plane_assert_frame(&result, &expected);
		sized(&in, 1, 1001);
		rig_expect(rig, rig->inside, &in, TOO_BIG, &result);
		answer(&expected, 1, &in, 1000);
		plane_assert_frame(&result, &expected);
	}
}

Test(too_big, limited, .description = "the answers are limited, the drops are counted")
{
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in;
	unsigned int i;
	uint64_t answered;

	while ((rig = rig_next(rig))) {
		scene(rig, MTU);
		sized(&in, 0, MTU + 1);
		for (i = 0; i < 2000; i++)
			rig_run(rig, rig->inside, &in, &result);
		answered = rig_reason_packets(rig, MAGPIE_REASON_TOO_BIG);
		cr_assert_geq(answered, 100);
		cr_assert_lt(answered, 1000);
		cr_assert_eq(answered + rig_reason_packets(rig, MAGPIE_REASON_TOO_BIG_LIMITED),
			     2000);
	}
}

Test(too_big, silent, .description = "no answer to errors, later fragments, or without an address")
{
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in;

	while ((rig = rig_next(rig))) {
		struct ip_fields ip = plane_up[0];

		scene(rig, MTU);
		frame_init(&in, 1400);
		frame_icmp(&in, 1, 0, 0);
		ip.proto = 58;
		frame_ip(&in, &ip);
		plane_ether(&in, 6);
		rig_expect(rig, rig->inside, &in, TOO_BIG_LIMITED, &result);
		ip = plane_up[1];
		ip.frag = 0x2010;
		plane_plain(&in, &ip, 1400);
		rig_expect(rig, rig->inside, &in, TOO_BIG_LIMITED, &result);
		memset(rig->config->icmp_source6, 0, 16);
		memset(rig->config->icmp_source4, 0, 4);
		sized(&in, 0, MTU + 1);
		rig_expect(rig, rig->inside, &in, TOO_BIG_LIMITED, &result);
		sized(&in, 1, MTU + 1);
		rig_expect(rig, rig->inside, &in, TOO_BIG, &result); /* from 192.0.0.8 */
		cr_assert_arr_eq(frame_octets(&result.out) + 26, ((uint8_t[]){192, 0, 0, 8}), 4);
	}
}

Test(too_big, hairpin, .description = "between mobile nodes the stack answers into the tunnel")
{
	const struct ip_fields ip = {.family = 6, .src = RIG_MN, .dst = RIG_MN_2, .proto = 17};
	struct rig *rig = NULL;
	struct rig_result result;
	struct frame in, expected;

	while ((rig = rig_next(rig))) {
		rig_scene(rig, MAGPIE_ROLE_LMA);
		rig->path[3].outer[0].mtu = 1300;
		plane_udp(&in, &ip, 4000, 53, 1300);
		plane_arriving(&in, rig, 1, 6, 0);
		rig_expect(rig, rig->outside, &in, TO_STACK, &result);
		plane_plain(&expected, &ip, 1300);
		plane_assert_frame(&result, &expected);
	}
}
