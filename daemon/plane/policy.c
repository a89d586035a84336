/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules and classes into the idle half of their maps, then one word makes that half the live one.
 */
#include "plane/state.h"
#include "util/log.h"

/* A mask of `len` leading bits, in network byte order. */
static void prefix_fields(const struct ip_prefix *prefix, __u64 base_be[2], __u64 mask_be[2])
{
	static const struct ip_addr ones = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	struct ip_prefix mask = ip_prefix_make(&ones, prefix->len);

	memcpy(base_be, prefix->addr.b, 16);
	memcpy(mask_be, mask.addr.b, 16);
}

static void fill_rule(const struct policy_match *m, struct magpie_rule *rule)
{
	memset(rule, 0, sizeof(*rule));
	rule->fields = m->fields; /* the same bits: asserted below */
	rule->class = m->class;
	rule->proto = m->proto;
	rule->family = m->family;
	rule->dscp_first = (__u8)m->dscp.first;
	rule->dscp_last = (__u8)m->dscp.last;
	rule->sport_first = m->sport.first;
	rule->sport_last = m->sport.last;
	rule->dport_first = m->dport.first;
	rule->dport_last = m->dport.last;
	if (m->fields & POLICY_SRC)
		prefix_fields(&m->src, rule->src_be, rule->src_mask_be);
	if (m->fields & POLICY_DST)
		prefix_fields(&m->dst, rule->dst_be, rule->dst_mask_be);
	memcpy(rule->name, m->rule, sizeof(rule->name) - 1);
}

_Static_assert((int)POLICY_PROTO == MAGPIE_RULE_PROTO && (int)POLICY_DSCP == MAGPIE_RULE_DSCP &&
		       (int)POLICY_SPORT == MAGPIE_RULE_SPORT &&
		       (int)POLICY_DPORT == MAGPIE_RULE_DPORT &&
		       (int)POLICY_SRC == MAGPIE_RULE_SRC && (int)POLICY_DST == MAGPIE_RULE_DST &&
		       (int)POLICY_FAMILY == MAGPIE_RULE_FAMILY,
	       "policy_fields are magpie_rule_fields");
_Static_assert(POLICY_MAX_MATCHES == MAGPIE_RULES && POLICY_MAX_CLASSES == MAGPIE_CLASSES,
	       "policy.h and abi.h agree");

static int write_half(struct plane *p, uint32_t half, const struct policy *policy)
{
	for (uint32_t i = 0; i < policy->n_match; i++) {
		uint32_t index = half * MAGPIE_RULES + i;
		struct magpie_rule rule;

		fill_rule(&policy->match[i], &rule);
		if (bpf_map_update_elem(p->map[PLANE_MAP_rule].fd, &index, &rule, BPF_ANY) < 0)
			return -errno;
	}
	for (uint32_t i = 0; i < policy->n_class; i++) {
		uint32_t index = half * MAGPIE_CLASSES + i;
		struct magpie_class class = {0};

		memcpy(class.name, policy->class[i].name, sizeof(class.name) - 1);
		class.otherwise = policy->class[i].otherwise_drop ? MAGPIE_OTHERWISE_DROP
								  : MAGPIE_OTHERWISE_DEFAULT;
		memcpy(class.rank, policy->class[i].rank, sizeof(class.rank));
		memcpy(class.weight, policy->class[i].weight, sizeof(class.weight));
		if (bpf_map_update_elem(p->map[PLANE_MAP_class].fd, &index, &class, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

static bool half_is(struct plane *p, uint32_t half, const struct policy *policy)
{
	if (plane_config_map(p)->rules[half] != policy->n_match || policy->n_class == 0)
		return false;
	for (uint32_t i = 0; i < policy->n_match; i++) {
		uint32_t index = half * MAGPIE_RULES + i;
		struct magpie_rule want, have;

		fill_rule(&policy->match[i], &want);
		if (bpf_map_lookup_elem(p->map[PLANE_MAP_rule].fd, &index, &have) < 0 ||
		    memcmp(&want, &have, sizeof(want)) != 0)
			return false;
	}
	for (uint32_t i = 0; i < policy->n_class; i++) {
		uint32_t index = half * MAGPIE_CLASSES + i;
		struct magpie_class have;

		if (bpf_map_lookup_elem(p->map[PLANE_MAP_class].fd, &index, &have) < 0 ||
		    strncmp(have.name, policy->class[i].name, sizeof(have.name)) != 0 ||
		    (have.otherwise == MAGPIE_OTHERWISE_DROP) != policy->class[i].otherwise_drop ||
		    memcmp(have.rank, policy->class[i].rank, sizeof(have.rank)) != 0 ||
		    memcmp(have.weight, policy->class[i].weight, sizeof(have.weight)) != 0)
			return false;
	}
	return true;
}

/* Counters belong to a rule's index, and an index may now be another rule's. */
static void reset_rule_counters(struct plane *p)
{
	struct magpie_rule_count *zero = calloc((size_t)p->cpus, sizeof(*zero));

	for (uint32_t i = 0; zero && i <= MAGPIE_RULES; i++)
		bpf_map_update_elem(p->map[PLANE_MAP_rulestat].fd, &i, zero, BPF_ANY);
	free(zero);
}

int plane_set_policy(struct plane *p, const struct policy *policy)
{
	struct magpie_config *c = plane_config_map(p);
	uint32_t idle = !(c->policy & 1);
	int r;

	if (policy->n_match > MAGPIE_RULES || policy->n_class > MAGPIE_CLASSES)
		return -E2BIG;
	if (half_is(p, !idle, policy))
		return 0;
	plane_grace(p, p->policy_retired_ns);
	r = write_half(p, idle, policy);
	if (r < 0) {
		log_error("data plane: cannot write the policy: %s", strerror(-r));
		return r;
	}
	c->rules[idle] = policy->n_match;
	plane_store(&c->policy, idle);
	plane_store(&c->policy_generation, c->policy_generation + 1); /* after it: decision.h */
	p->policy_retired_ns = plane_now_ns();
	reset_rule_counters(p);
	return 0;
}
