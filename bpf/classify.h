/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flow -> rule: the first rule of the live half whose named fields all match (RFC 6088; TS-08,
 * TS-10, TS-12, TS-13, TS-14). Rules are written from the host's point of view and so is struct
 * flow; direction does not appear here. A linear scan with early exits: rules are few
 * (MAGPIE_RULES), and most are refused by their first compare.
 */
#ifndef MAGPIE_BPF_CLASSIFY_H
#define MAGPIE_BPF_CLASSIFY_H

#include "packet.h"

static __always_inline int in_prefix(const __u64 *addr, const __u64 *net, const __u64 *mask)
{
	return (addr[0] & mask[0]) == net[0] && (addr[1] & mask[1]) == net[1];
}

static __always_inline int in_range(__u16 value, __u16 first, __u16 last)
{
	return (__u16)(value - first) <= (__u16)(last - first);
}

static __always_inline int rule_matches(const struct magpie_rule *rule, const struct flow *flow)
{
	const __u32 fields = rule->fields;
	const __u32 ports = fields & (MAGPIE_RULE_SPORT | MAGPIE_RULE_DPORT);

	if ((fields & MAGPIE_RULE_PROTO) && rule->proto != flow->proto && rule->proto != flow->next)
		return 0;
	if (ports && (!flow->has_l4 || !has_ports(flow->proto)))
		return 0;
	if ((fields & MAGPIE_RULE_DPORT) &&
	    !in_range(flow->peer_port, rule->dport_first, rule->dport_last))
		return 0;
	if ((fields & MAGPIE_RULE_SPORT) &&
	    !in_range(flow->mobile_port, rule->sport_first, rule->sport_last))
		return 0;
	if ((fields & MAGPIE_RULE_FAMILY) && rule->family != flow->family)
		return 0;
	if ((fields & MAGPIE_RULE_DSCP) && !in_range(flow->dscp, rule->dscp_first, rule->dscp_last))
		return 0;
	if ((fields & MAGPIE_RULE_DST) && !in_prefix(flow->peer, rule->dst_be, rule->dst_mask_be))
		return 0;
	if ((fields & MAGPIE_RULE_SRC) && !in_prefix(flow->mobile, rule->src_be, rule->src_mask_be))
		return 0;
	return 1;
}

/*
 * Returns rule index << 8 | class; without a match MAGPIE_RULES << 8 | 0. A function of its own so
 * that the verifier walks the rules once.
 */
__noinline int classify(const struct flow *flow, __u32 half, __u32 rules)
{
	const __u32 first = half ? MAGPIE_RULES : 0;
	__u32 i;

	if (!flow)
		return MAGPIE_RULES << 8;
	for (i = 0; i < MAGPIE_RULES && i < rules; i++) {
		const __u32 key = first + i;
		const struct magpie_rule *rule = bpf_map_lookup_elem(&magpie_rule, &key);

		if (rule && rule_matches(rule, flow))
			return (int)(i << 8 | rule->class % MAGPIE_CLASSES);
	}
	return MAGPIE_RULES << 8;
}

#endif
