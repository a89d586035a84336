/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Recent decisions, so that the second packet of a flow is not classified and chosen for again.
 * Only *first* choices are kept: nothing that happens to another path can make them wrong. What can
 * is looked at every time: the session's set and the policy have generations, pins switch the cache
 * off, and the path must be able to carry packets at this moment.
 *
 * The policy's generation must be read before the policy's half: the daemon switches the half first
 * and counts up then, so a decision by the old half can never carry the new number.
 */
#ifndef MAGPIE_BPF_DECISION_H
#define MAGPIE_BPF_DECISION_H

#include "select.h"

/* What a rule may look at and the flow's hash does not cover. */
static __always_inline __u32 decision_kind(const struct packet *pk)
{
	return pk->tos >> 2 | (__u32)pk->next << 8 | (__u32)pk->has_l4 << 16;
}

static __always_inline struct magpie_decision *decision_slot(__u64 hash)
{
	const __u32 key = (__u32)hash % MAGPIE_DECISIONS;

	return bpf_map_lookup_elem(&magpie_decision, &key);
}

/* Fills `trace` from the flow's last decision; 0: there is none that holds. */
static __always_inline int recall(const struct magpie_decision *d, const struct session *session,
				  __u64 hash, __u32 kind, __u32 policy, struct magpie_trace *trace)
{
	if (d->hash != hash || d->session != session->id || d->kind != kind ||
	    d->set != session->set->generation || d->policy != policy ||
	    READ_ONCE(*session->pinned) || !path_usable(d->path, 0))
		return 0;
	trace->rule = d->rule;
	trace->class = d->class;
	trace->tier = d->tier;
	trace->path = d->path;
	trace->bid = d->bid;
	return 1;
}

static __always_inline void remember(struct magpie_decision *d, const struct session *session,
				     __u64 hash, __u32 kind, __u32 policy,
				     const struct magpie_trace *trace)
{
	d->hash = hash;
	d->session = session->id;
	d->kind = kind;
	d->set = session->set->generation;
	d->policy = policy;
	d->path = trace->path;
	d->bid = trace->bid;
	d->rule = trace->rule;
	d->class = trace->class;
	d->tier = trace->tier;
}

#endif
