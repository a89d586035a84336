/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flow -> rule: traffic selectors, in both directions. Class 1 leads to BLUE alone and everything
 * else to RED alone, so that the path of a packet tells whether the rule matched.
 */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <string.h>

#include "tests/support/plane_frames.h"

static void only(struct magpie_class *class, uint8_t label)
{
	memset(class, 0, sizeof(*class));
	class->rank[label] = 1;
	class->weight[label] = 1;
	class->otherwise = MAGPIE_OTHERWISE_DROP;
}

static void scene(struct rig *rig, enum magpie_role role)
{
	struct magpie_class class;

	rig_scene_reset(rig);
	rig_scene(rig, role);
	only(&class, RED);
	rig_class(rig, 0, &class);
	only(&class, BLUE);
	rig_class(rig, 1, &class);
}

static void one_rule(struct rig *rig, const struct magpie_rule *rule)
{
	struct magpie_rule copy = *rule;

	copy.class = 1;
	rig_rule(rig, 0, &copy);
	rig->config->rules[0] = 1;
}

static bool sent_blue(struct rig *rig, const struct frame *in)
{
	struct rig_result result;
	uint32_t path;

	rig_expect(rig, rig->inside, in, ENCAP, &result);
	path = rig_path_of(rig, &result);
	cr_assert(path == 1 || path == 2);
	return path == 2;
}

/* A packet of the host's flow: up at the MAG, its mirror image down at the LMA. */
static bool flow_matches(struct rig *rig, int family, uint8_t proto, uint16_t mobile, uint16_t peer,
			 uint8_t tos)
{
	const bool up = rig->config->role == MAGPIE_ROLE_MAG;
	struct ip_fields ip = up ? plane_up[family == 4] : plane_down[family == 4];
	struct frame in;

	ip.proto = proto;
	ip.tos = tos;
	plane_udp(&in, &ip, up ? mobile : peer, up ? peer : mobile, 24);
	plane_ether(&in, family);
	return sent_blue(rig, &in);
}

/* for both hooks and both roles: BODY with rig */
#define EVERYWHERE(rig)               \
	struct rig *rig = NULL;       \
	enum magpie_role role_;       \
	while ((rig = rig_next(rig))) \
		for (role_ = MAGPIE_ROLE_MAG; role_ <= MAGPIE_ROLE_LMA; role_++)

static void check_ports(struct rig *rig, const struct magpie_rule *rule, bool peer)
{
	const uint16_t first = peer ? rule->dport_first : rule->sport_first;
	const uint16_t last = peer ? rule->dport_last : rule->sport_last;
	const uint16_t ports[] = {(uint16_t)(first - 1), first, last, (uint16_t)(last + 1)};
	size_t i;

	one_rule(rig, rule);
	for (i = 0; i < 4; i++) {
		const bool inside = ports[i] >= first && ports[i] <= last;

		cr_assert_eq(flow_matches(rig, 6, 6, peer ? 9 : ports[i], peer ? ports[i] : 9, 0),
			     inside, "port %u of %u-%u", ports[i], first, last);
	}
}

Test(classify, port_ranges, .description = "TS-01, TS-02, TS-08: ends are inside, both directions")
{
	static const uint16_t ends[][2] = {{443, 443}, {1000, 2000}, {0, 80}, {65000, 65535}};
	size_t i;

	EVERYWHERE(rig)
	{
		scene(rig, role_);
		for (i = 0; i < 4; i++) {
			struct magpie_rule rule = {.fields = MAGPIE_RULE_DPORT};

			rule.dport_first = ends[i][0];
			rule.dport_last = ends[i][1];
			check_ports(rig, &rule, true);
			rule.fields = MAGPIE_RULE_SPORT;
			rule.sport_first = ends[i][0];
			rule.sport_last = ends[i][1];
			check_ports(rig, &rule, false);
		}
	}
}

Test(classify, port_protocols, .description = "TS-14: ports of TCP, UDP, UDP-Lite, SCTP, DCCP only")
{
	const struct magpie_rule rule = {
		.fields = MAGPIE_RULE_DPORT, .dport_first = 53, .dport_last = 53};
	static const uint8_t with[] = {6, 17, 136, 132, 33}, without[] = {1, 58, 50, 47, 89};
	size_t i;

	EVERYWHERE(rig)
	{
		scene(rig, role_);
		one_rule(rig, &rule);
		for (i = 0; i < 5; i++) {
			cr_assert(flow_matches(rig, 6, with[i], 9, 53, 0), "%u", with[i]);
			cr_assert(flow_matches(rig, 4, with[i], 9, 53, 0), "%u", with[i]);
			cr_assert_not(flow_matches(rig, 6, without[i], 9, 53, 0), "%u", without[i]);
			cr_assert_not(flow_matches(rig, 4, without[i], 9, 53, 0), "%u", without[i]);
		}
	}
}

Test(classify, dscp, .description = "TS-12: six bits, ECN ignored, ends inside")
{
	const struct magpie_rule rule = {
		.fields = MAGPIE_RULE_DSCP, .dscp_first = 40, .dscp_last = 46};
	unsigned int tos;

	EVERYWHERE(rig)
	{
		scene(rig, role_);
		one_rule(rig, &rule);
		for (tos = 0; tos < 256; tos++) {
			const bool inside = tos >> 2 >= 40 && tos >> 2 <= 46;

			cr_assert_eq(flow_matches(rig, 6, 17, 9, 9, (uint8_t)tos), inside);
			cr_assert_eq(flow_matches(rig, 4, 17, 9, 9, (uint8_t)tos), inside);
		}
	}
}

Test(classify, all_fields,
     .description = "TS-10: all named fields must match; no field matches all")
{
	const struct magpie_rule all = {.fields = MAGPIE_RULE_PROTO | MAGPIE_RULE_DPORT |
						  MAGPIE_RULE_FAMILY | MAGPIE_RULE_DSCP,
					.proto = 6,
					.family = 6,
					.dport_first = 80,
					.dport_last = 80,
					.dscp_first = 0,
					.dscp_last = 0};
	const struct magpie_rule none = {.fields = 0};

	EVERYWHERE(rig)
	{
		scene(rig, role_);
		one_rule(rig, &all);
		cr_assert(flow_matches(rig, 6, 6, 9, 80, 0));
		cr_assert_not(flow_matches(rig, 4, 6, 9, 80, 0));
		cr_assert_not(flow_matches(rig, 6, 17, 9, 80, 0));
		cr_assert_not(flow_matches(rig, 6, 6, 80, 9, 0));
		cr_assert_not(flow_matches(rig, 6, 6, 9, 80, 4));
		one_rule(rig, &none);
		cr_assert(flow_matches(rig, 6, 6, 9, 80, 0));
		cr_assert(flow_matches(rig, 4, 132, 1, 1, 9));
	}
}

static void prefix(const char *addr, unsigned int length, __u64 ret_net[2], __u64 ret_mask[2])
{
	uint8_t net[16], mask[16] = {0};
	unsigned int i;

	frame_addr(addr, net);
	for (i = 0; i < length; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	memcpy(ret_net, net, 16);
	memcpy(ret_mask, mask, 16);
}

Test(classify, addresses,
     .description = "mobile side is source, correspondent destination, both ways")
{
	EVERYWHERE(rig)
	{
		struct magpie_rule rule = {.fields = MAGPIE_RULE_DST};

		scene(rig, role_);
		prefix("2001:db8:c::", 48, rule.dst_be, rule.dst_mask_be);
		one_rule(rig, &rule);
		cr_assert(flow_matches(rig, 6, 17, 9, 9, 0));
		cr_assert_not(flow_matches(rig, 4, 17, 9, 9, 0));
		prefix("203.0.113.7", 128, rule.dst_be, rule.dst_mask_be);
		one_rule(rig, &rule);
		cr_assert_not(flow_matches(rig, 6, 17, 9, 9, 0));
		cr_assert(flow_matches(rig, 4, 17, 9, 9, 0));
		prefix("2001:db8:c::6", 128, rule.dst_be, rule.dst_mask_be);
		one_rule(rig, &rule);
		cr_assert_not(flow_matches(rig, 6, 17, 9, 9, 0));
		rule.fields = MAGPIE_RULE_SRC;
		prefix("2001:db8:1:1::4", 127, rule.src_be, rule.src_mask_be);
		one_rule(rig, &rule);
		cr_assert(flow_matches(rig, 6, 17, 9, 9, 0));
		prefix("2001:db8:1:1::6", 127, rule.src_be, rule.src_mask_be);
		one_rule(rig, &rule);
		cr_assert_not(flow_matches(rig, 6, 17, 9, 9, 0));
	}
}

Test(classify, first_match, .description = "rules in order, to the last of 64, each counted")
{
	struct magpie_rule rule = {.fields = MAGPIE_RULE_DPORT};
	struct rig *rig = NULL;
	uint16_t i;

	while ((rig = rig_next(rig))) {
		scene(rig, MAGPIE_ROLE_MAG);
		for (i = 0; i < MAGPIE_RULES; i++) {
			rule.dport_first = rule.dport_last = (uint16_t)(100 + i);
			rule.class = i % 2;
			rig_rule(rig, i, &rule);
		}
		rule.fields = 0;
		rig_rule(rig, 10, &rule); /* hides what comes behind */
		rule.fields = MAGPIE_RULE_DPORT;
		rig->config->rules[0] = 10;
		cr_assert_not(flow_matches(rig, 6, 17, 9, 111, 0));
		cr_assert_eq(rig_rule_packets(rig, MAGPIE_RULES), 1);
		rig->config->rules[0] = MAGPIE_RULES;
		cr_assert(flow_matches(rig, 6, 17, 9, 163, 0));
		cr_assert_eq(rig_rule_packets(rig, 10), 1);
		rule.dport_first = rule.dport_last = 110;
		rig_rule(rig, 10, &rule);
		for (i = 0; i < MAGPIE_RULES; i++)
			if (i != 10)
				cr_assert_eq(flow_matches(rig, 6, 17, 9, (uint16_t)(100 + i), 0),
					     i % 2);
		cr_assert_eq(rig_rule_packets(rig, 63), 1);
	}
}

Test(classify, policy_switch, .description = "one word turns to the other half of the policy")
{
	struct magpie_rule rule = {.fields = 0, .class = 1};
	struct magpie_class red;
	struct rig *rig = NULL;

	while ((rig = rig_next(rig))) {
		scene(rig, MAGPIE_ROLE_MAG);
		one_rule(rig, &rule);
		only(&red, RED);
		rig_class(rig, MAGPIE_CLASSES + 1, &red);
		rig_rule(rig, MAGPIE_RULES, &rule);
		rig->config->rules[1] = 1;
		cr_assert(flow_matches(rig, 6, 17, 9, 9, 0));
		rig->config->policy = 1;
		rig->config->policy_generation++;
		cr_assert_not(flow_matches(rig, 6, 17, 9, 9, 0));
		rig->config->policy = 0;
		rig->config->policy_generation++;
		cr_assert(flow_matches(rig, 6, 17, 9, 9, 0));
	}
}

Test(classify, extension_headers, .description = "TS-13: skipped; their numbers match literally")
{
	static const uint8_t header[8] = {17, 0, 1, 4, 0, 0, 0, 0};
	static const uint8_t kinds[] = {0, 60, 43};
	struct magpie_rule rule = {.fields = MAGPIE_RULE_PROTO | MAGPIE_RULE_DPORT,
				   .proto = 17,
				   .dport_first = 53,
				   .dport_last = 53};
	struct rig *rig = NULL;
	struct frame in;
	size_t i;
	int depth;

	while ((rig = rig_next(rig))) {
		for (i = 0; i < 3; i++)
			for (depth = 1; depth <= 9; depth++) {
				struct ip_fields ip = plane_up[0];
				int k;

				scene(rig, MAGPIE_ROLE_MAG);
				one_rule(rig, &rule);
				frame_init(&in, 8);
				frame_udp(&in, 9, 53);
				for (k = 0; k < depth; k++) {
					frame_push(&in, header, 8);
					in.octet[in.start] = k ? kinds[i] : 17;
				}
				ip.proto = kinds[i];
				frame_ip(&in, &ip);
				plane_ether(&in, 6);
				cr_assert_eq(sent_blue(rig, &in), depth <= 8, "%d", depth);
			}
		rule.fields = MAGPIE_RULE_PROTO;
		rule.proto = 43;
		one_rule(rig, &rule);
		cr_assert(sent_blue(rig, &in));
		rule.fields |= MAGPIE_RULE_DPORT;
		rule.proto = 17;
	}
}

Test(classify, truncated_transport, .description = "TS-17: no ports, no match, no drop")
{
	const struct magpie_rule rule = {
		.fields = MAGPIE_RULE_DPORT, .dport_first = 0, .dport_last = 65535};
	struct rig *rig = NULL;
	struct frame in;
	size_t f;

	while ((rig = rig_next(rig))) {
		scene(rig, MAGPIE_ROLE_MAG);
		one_rule(rig, &rule);
		for (f = 0; f < 2; f++) {
			frame_init(&in, 3);
			frame_ip(&in, &plane_up[f]);
			plane_ether(&in, plane_up[f].family);
			frame_pad(&in, 60); /* padding must not pass for ports */
			cr_assert_not(sent_blue(rig, &in));
		}
	}
}

static void fragment_v4(struct frame *in, uint16_t id, uint16_t frag)
{
	struct ip_fields ip = plane_up[1];

	frame_init(in, 24);
	if (!(frag & 0x1fff))
		frame_udp(in, 9, 53);
	ip.id = id;
	ip.frag = frag;
	frame_ip(in, &ip);
	plane_ether(in, 4);
}

static void fragment_v6(struct frame *in, uint16_t id, uint16_t frag)
{
	const uint8_t header[8] = {17, 0, (uint8_t)(frag >> 8), (uint8_t)frag,
				   0,  0, (uint8_t)(id >> 8),	(uint8_t)id};
	struct ip_fields ip = plane_up[0];

	frame_init(in, 24);
	if (!(frag & 0xfff8))
		frame_udp(in, 9, 53);
	frame_push(in, header, sizeof(header));
	ip.proto = 44;
	frame_ip(in, &ip);
	plane_ether(in, 6);
}

Test(classify, fragments,
     .description = "TS-18: later fragments follow the first; alone, by L3 only")
{
	const struct magpie_rule port = {
		.fields = MAGPIE_RULE_DPORT, .dport_first = 53, .dport_last = 53};
	struct rig *rig = NULL;
	struct frame in;

	while ((rig = rig_next(rig))) {
		scene(rig, MAGPIE_ROLE_MAG);
		one_rule(rig, &port);
		fragment_v4(&in, 7, 0x00b9);
		cr_assert_not(sent_blue(rig, &in));
		fragment_v4(&in, 7, 0x2000);
		cr_assert(sent_blue(rig, &in));
		fragment_v4(&in, 7, 0x20b9);
		cr_assert(sent_blue(rig, &in));
		fragment_v4(&in, 8, 0x00b9);
		cr_assert_not(sent_blue(rig, &in));
		fragment_v6(&in, 7, 185 << 3);
		cr_assert_not(sent_blue(rig, &in));
		fragment_v6(&in, 7, 1);
		cr_assert(sent_blue(rig, &in));
		fragment_v6(&in, 7, 185 << 3 | 1);
		cr_assert(sent_blue(rig, &in));
		fragment_v6(&in, 9, 0); /* atomic */
		cr_assert(sent_blue(rig, &in));
	}
}
