/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policies into their halves, counters and pinned flows out, and the question to the program. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "tests/support/plane_bed.h"

#define RED  9
#define BLUE 11

static struct pbed bed;
static struct policy policy;

static void open_bed(enum plane_hook hook, enum magpie_role role)
{
	pbed_init(&bed, role);
	bed.config.hook = hook;
	cr_assert_eq(pbed_open(&bed), 0);
}

/* "web" (TCP to 80-81) goes by RED else BLUE, the rest anywhere. */
static void make_policy(void)
{
	struct policy_match *m = &policy.match[0];

	policy.n_match = 1;
	policy.n_class = 2;
	strcpy(m->rule, "web");
	m->fields = POLICY_PROTO | POLICY_DPORT | POLICY_DST;
	m->proto = 6;
	m->dport = (struct policy_range){80, 81};
	ip_prefix_parse("2001:db8:c::/48", &m->dst);
	m->class = 1;
	strcpy(policy.class[0].name, "default");
	memset(policy.class[0].rank, 1, 256);
	memset(policy.class[0].weight, 1, 256);
	strcpy(policy.class[1].name, "web");
	policy.class[1].otherwise_drop = true;
	policy.class[1].rank[RED] = 1;
	policy.class[1].rank[BLUE] = 2;
	policy.class[1].weight[RED] = policy.class[1].weight[BLUE] = 1;
}

static struct magpie_config config_now(void)
{
	struct magpie_config config;
	uint32_t zero = 0;

	cr_assert_eq(pbed_get(&bed, "config", &zero, &config), 0);
	return config;
}

Test(plane_policy, halves, .description = "the idle half is written, then one word switches")
{
	struct magpie_rule rule, kept;
	struct magpie_class class;
	struct magpie_config before, after;
	uint32_t index, old;

	open_bed(PLANE_HOOK_TC, MAGPIE_ROLE_LMA);
	make_policy();
	cr_assert_eq(plane_set_policy(bed.plane, &policy), 0);
	before = config_now();
	cr_assert_eq(before.rules[before.policy], 1);
	old = before.policy * MAGPIE_RULES;
	pbed_get(&bed, "rule", &old, &rule);
	cr_assert_str_eq(rule.name, "web");
	cr_assert_eq(rule.fields, MAGPIE_RULE_PROTO | MAGPIE_RULE_DPORT | MAGPIE_RULE_DST);
	cr_assert_eq(rule.dport_last, 81);
	cr_assert_arr_eq(rule.dst_be, policy.match[0].dst.addr.b, 16);
	cr_assert_arr_eq(rule.dst_mask_be, "\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0", 16);
	index = before.policy * MAGPIE_CLASSES + 1;
	pbed_get(&bed, "class", &index, &class);
	cr_assert_eq(class.otherwise, MAGPIE_OTHERWISE_DROP);
	cr_assert_eq(class.rank[BLUE], 2);

	policy.match[0].dport.last = 443;
	cr_assert_eq(plane_set_policy(bed.plane, &policy), 0);
	after = config_now();
	cr_assert_eq(after.policy, !before.policy);
	pbed_get(&bed, "rule", &old, &kept);
	cr_assert_arr_eq(&kept, &rule, sizeof(rule), "the half that was live is as it was");
	index = after.policy * MAGPIE_RULES;
	pbed_get(&bed, "rule", &index, &rule);
	cr_assert_eq(rule.dport_last, 443);
}

Test(plane_policy, unchanged, .description = "the same policy again, also after a restart: nothing")
{
	struct pbed_dump before;

	open_bed(PLANE_HOOK_TC, MAGPIE_ROLE_LMA);
	make_policy();
	cr_assert_eq(plane_set_policy(bed.plane, &policy), 0);
	pbed_dump(&bed, &before);
	cr_assert_eq(plane_set_policy(bed.plane, &policy), 0);
	pbed_assert_same(&bed, &before);
	pbed_close(&bed);
	cr_assert_eq(pbed_open(&bed), 0);
	cr_assert_eq(plane_set_policy(bed.plane, &policy), 0);
	pbed_assert_same(&bed, &before);
}

Test(plane_policy, too_big, .description = "too many rules are refused, nothing is written")
{
	struct pbed_dump before;

	open_bed(PLANE_HOOK_TC, MAGPIE_ROLE_LMA);
	make_policy();
	cr_assert_eq(plane_set_policy(bed.plane, &policy), 0);
	pbed_dump(&bed, &before);
	policy.n_match = MAGPIE_RULES + 1;
	cr_assert_eq(plane_set_policy(bed.plane, &policy), -E2BIG);
	policy.n_match = 1;
	policy.n_class = MAGPIE_CLASSES + 1;
	cr_assert_eq(plane_set_policy(bed.plane, &policy), -E2BIG);
	pbed_assert_same(&bed, &before);
}

/* ---- pinned flows -----------------------------------------------------------------------------
 */

static void put_flow(uint64_t hash, uint32_t session, uint64_t age_s)
{
	struct magpie_flow_key key = {.hash = hash, .session = session};
	struct magpie_flow flow = {.bid = 1};
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	flow.seen_ns = ((uint64_t)ts.tv_sec - age_s) * 1000000000U;
	pbed_put(&bed, "flow", &key, &flow);
}

static uint8_t pinned(uint32_t session)
{
	struct magpie_switch s;
	uint32_t block = session / MAGPIE_SWITCHES;

	cr_assert_eq(pbed_get(&bed, "switch", &block, &s), 0);
	return s.pinned[session % MAGPIE_SWITCHES];
}

Test(plane_policy, sweep, .description = "idle pins are forgotten, and the flags of who has none")
{
	struct magpie_switch s;
	uint32_t block = 0;

	open_bed(PLANE_HOOK_TC, MAGPIE_ROLE_LMA);
	bed.config.flow_idle_s = 60;
	for (uint32_t id = 1; id <= 3; id++) {
		struct session_view view;

		pbed_view(&view, id);
		cr_assert_eq(plane_publish(bed.plane, &view), 0);
	}
	for (uint64_t i = 0; i < 300; i++)
		put_flow(i, 1, 100); /* idle */
	for (uint64_t i = 0; i < 300; i++)
		put_flow(i, 2, i % 2 ? 100 : 5);
	pbed_get(&bed, "switch", &block, &s);
	s.pinned[1] = s.pinned[2] = s.pinned[3] = 1; /* of 3 the LRU has evicted all */
	pbed_put(&bed, "switch", &block, &s);
	plane_sweep(bed.plane);
	cr_assert_eq(pbed_count(&bed, "flow"), 150);
	cr_assert_eq(pinned(1), 0);
	cr_assert_eq(pinned(2), 1);
	cr_assert_eq(pinned(3), 0);
}

/* ---- the question -----------------------------------------------------------------------------
 */

static void resolve(struct pbed *b, const struct plane_path_info *path)
{
	struct magpie_outer outer = {.ifindex = b->device[1].ifindex};
	uint8_t mac[6] = {2};

	plane_build_outer(&outer, b->device[1].ifindex, 1500, mac, mac, &path->local, &path->remote,
			  64);
	plane_set_outer(b->plane, path->id, &outer);
	plane_set_alive(b->plane, path->id, true);
}

static const enum plane_hook hooks[] = {PLANE_HOOK_XDP, PLANE_HOOK_TC};

ParameterizedTestParameters(plane_policy, trace)
{
	return cr_make_param_array(const enum plane_hook, hooks, 2);
}

ParameterizedTest(
	const enum plane_hook *hook, plane_policy, trace,
	.description = "the program tells reason, rule, session, path; nothing is counted")
{
	struct magpie_reason_count count[MAGPIE_REASON_COUNT];
	struct ip_addr from = pbed_addr("2001:db8:1:7::5"), to = pbed_addr("2001:db8:c::7");
	uint8_t packet[60] = {0x60, 0, 0, 0, 0, 20, 6, 64};
	struct session_view view;
	struct plane_trace t;

	open_bed(*hook, MAGPIE_ROLE_MAG);
	bed.on_added = resolve;
	make_policy();
	cr_assert_eq(plane_set_policy(bed.plane, &policy), 0);
	pbed_view(&view, 7);
	pbed_bind(&view, 1, RED, 1);
	pbed_bind(&view, 2, BLUE, 2);
	cr_assert_eq(plane_publish(bed.plane, &view), 0);
	memcpy(packet + 8, from.b, 16);
	memcpy(packet + 24, to.b, 16);
	packet[43] = 80;
	packet[52] = 5 << 4;

	cr_assert_eq(plane_trace_packet(bed.plane, packet, sizeof(packet), &t), 0);
	cr_assert_eq(t.hook, *hook);
	cr_assert_eq(t.trace.reason, MAGPIE_REASON_ENCAP);
	cr_assert_eq(t.trace.rule, 0);
	cr_assert_eq(t.trace.class, 1);
	cr_assert_eq(t.trace.tier, 1);
	cr_assert_eq(t.trace.bid, 1);
	cr_assert_eq(t.trace.session, 1);
	plane_set_alive(bed.plane, t.trace.path, false);
	cr_assert_eq(plane_trace_packet(bed.plane, packet, sizeof(packet), &t), 0);
	cr_assert_eq(t.trace.bid, 2);
	cr_assert_eq(t.trace.tier, 2);
	cr_assert_eq(t.trace.flags, MAGPIE_TRACE_DISPLACED);
	packet[43] = 22;
	cr_assert_eq(plane_trace_packet(bed.plane, packet, sizeof(packet), &t), 0);
	cr_assert_eq(t.trace.rule, MAGPIE_NO_RULE);
	cr_assert_eq(pbed_count(&bed, "flow"), 0);
	cr_assert_eq(plane_reasons(bed.plane, count), 0);
	for (int i = 0; i < MAGPIE_REASON_COUNT; i++)
		cr_assert_eq(count[i].packets, 0);
}

Test(plane_policy, nobody_to_ask, .description = "no inside device: said so")
{
	uint8_t packet[40] = {0x60};
	struct plane_trace t;

	pbed_init(&bed, MAGPIE_ROLE_MAG);
	bed.device[0] = bed.device[1];
	bed.config.n_device = 1;
	cr_assert_eq(pbed_open(&bed), 0);
	cr_assert_eq(plane_trace_packet(bed.plane, packet, sizeof(packet), &t), -ENODEV);
}
