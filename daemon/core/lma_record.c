/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sessions in and out: the listing for control, and records for the store. Only what is bound is
 * recorded; what drains, lingers or is gone does not survive a restart, and need not: the peers
 * have long been answered. Times in a record are wall clock, because the monotonic one starts anew.
 */
#include "core/lma_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STAMP_PER_SEC UINT64_C(65536)

struct lma_show {
	struct mh_id mn_id;
	struct ip_prefix prefix[MH_MAX_HNP];
	struct lma_binding_info binding[2 * CORE_MAX_BINDINGS];
};

struct lma_show *lma_show_new(void)
{
	return calloc(1, sizeof(struct lma_show));
}

static uint64_t to_stamp(uint64_t ns)
{
	return ns / CORE_NSEC_PER_SEC * STAMP_PER_SEC +
	       ns % CORE_NSEC_PER_SEC * STAMP_PER_SEC / CORE_NSEC_PER_SEC;
}

static uint64_t to_ns(uint64_t stamp)
{
	return stamp / STAMP_PER_SEC * CORE_NSEC_PER_SEC +
	       stamp % STAMP_PER_SEC * CORE_NSEC_PER_SEC / STAMP_PER_SEC;
}

static void node_id(const struct lma_node *node, struct mh_id *ret_id)
{
	ret_id->subtype = node->key[0];
	ret_id->len = (uint8_t)(node->key_len - 1);
	memcpy(ret_id->octets, node->key + 1, ret_id->len);
}

/* ---- listing ----------------------------------------------------------------------- */

static uint16_t show_bindings(struct lma_show *show, const struct lma_set *set)
{
	uint16_t n = 0;

	for (uint16_t i = 0; i < set->n; i++) {
		const struct lma_binding *b = &set->binding[i];

		show->binding[n++] = (struct lma_binding_info){
			.bid = b->bid,
			.label = b->label,
			.att = b->att,
			.state = lma_binding_state(b),
			.local = b->tuple.local,
			.remote = b->tuple.remote,
			.expires_ns = b->expires_ns,
		};
	}
	for (uint16_t i = 0; i < set->n_drain; i++)
		show->binding[n++] = (struct lma_binding_info){
			.bid = set->drain[i].bid,
			.label = set->drain[i].label,
			.att = set->drain[i].att,
			.state = "drain",
			.local = set->drain[i].tuple.local,
			.remote = set->drain[i].tuple.remote,
		};
	return n;
}

static const char *session_state(const struct lma_set *set)
{
	if (set->linger_until_ns != 0)
		return "linger";
	return set->multi ? "multi" : "single";
}

int lma_each(const struct lma *lma, int (*each)(void *ctx, const struct lma_session_info *s),
	     void *ctx)
{
	static const struct mh_id none;
	struct lma_show *show = lma->show;
	struct lma_session *s;
	struct lma_session *tmp;

	HASH_ITER (hh, lma->sessions, s, tmp) {
		const struct lma_set *set = &s->set;
		struct lma_session_info info = {
			.id = s->id,
			.state = session_state(set),
			.mn_id = &show->mn_id,
			.mag_id = set->gateway != NULL ? &set->gateway->id : &none,
			.att = set->att,
			.llid = &set->llid,
			.n_prefix = s->n_prefix,
			.prefix = show->prefix,
			.n = show_bindings(show, set),
			.binding = show->binding,
		};
		int result;

		node_id(s->node, &show->mn_id);
		for (uint8_t i = 0; i < s->n_prefix; i++)
			show->prefix[i] = s->prefix[i]->prefix;
		result = each(ctx, &info);
		if (result != 0)
			return result;
	}
	return 0;
}

/* ---- out --------------------------------------------------------------------------- */

int lma_export(const struct lma *lma, const struct core_time *now, uint32_t session,
	       struct lma_record *ret_record)
{
	struct lma_record *r = ret_record;
	const struct lma_session *s;
	const struct lma_set *set;

	HASH_FIND(hh, lma->sessions, &session, sizeof(session), s);
	if (s == NULL)
		return -ENOENT;
	set = &s->set;
	memset(r, 0, sizeof(*r));
	node_id(s->node, &r->mn_id);
	if (set->gateway != NULL)
		r->mag_id = set->gateway->id;
	r->llid = set->llid;
	r->link_local = set->link_local;
	r->att = set->att;
	r->multi = set->multi;
	r->epoch = set->epoch.stamp;
	r->n_prefix = s->n_prefix;
	for (uint8_t i = 0; i < s->n_prefix; i++)
		r->prefix[i] = s->prefix[i]->prefix;
	for (uint16_t i = 0; i < set->n; i++) {
		const struct lma_binding *b = &set->binding[i];
		struct lma_record_binding *out = &r->binding[r->n];

		if (b->state == LMA_GONE || b->expires_ns <= now->mono_ns)
			continue;
		out->local = b->tuple.local;
		out->remote = b->tuple.remote;
		out->stamp = b->stamp;
		out->expires = now->stamp + to_stamp(b->expires_ns - now->mono_ns);
		out->sequence = b->sequence;
		out->bid = b->bid;
		out->label = b->label;
		out->att = b->att;
		r->n++;
	}
	return 0;
}

/* ---- in ---------------------------------------------------------------------------- */

/* A record may come from a damaged disk: nothing in it is believed. */
static bool record_is_sound(const struct lma_record *r)
{
	if (r->mn_id.len == 0 || r->mn_id.len > MH_ID_MAX || r->mag_id.len > MH_ID_MAX ||
	    r->llid.len > MH_LLID_MAX || r->n_prefix == 0 || r->n_prefix > MH_MAX_HNP ||
	    r->n > CORE_MAX_BINDINGS || (r->multi == 0 && r->n > 1) ||
	    (r->multi != 0 && r->mag_id.len == 0))
		return false;
	for (uint16_t i = 0; i < r->n; i++) {
		const struct lma_record_binding *b = &r->binding[i];

		if (b->bid == 255 || (b->bid == 0) != (r->multi == 0) ||
		    (i > 0 && b->bid <= r->binding[i - 1].bid) || ip_is_zero(&b->remote))
			return false;
		for (uint16_t k = 0; k < i; k++)
			if (ip_equal(&b->remote, &r->binding[k].remote) &&
			    ip_equal(&b->local, &r->binding[k].local))
				return false;
	}
	for (uint8_t i = 0; i < r->n_prefix; i++)
		for (uint8_t k = 0; k < i; k++)
			if (ip_prefix_equal(&r->prefix[i], &r->prefix[k]))
				return false;
	return true;
}

static int check_record(const struct lma *lma, const struct core_time *now,
			const struct lma_record *r)
{
	uint64_t holder = lma_node_holder(&r->mn_id);
	bool alive = false;

	if (!record_is_sound(r))
		return -EINVAL;
	for (uint16_t i = 0; i < r->n; i++)
		alive = alive || r->binding[i].expires > now->stamp;
	if (!alive)
		return -ESTALE;
	for (uint8_t i = 0; i < r->n_prefix; i++) {
		int err;

		if (pools_owner(&lma->pools, &r->prefix[i]) != NULL)
			return -EEXIST;
		err = pools_check(&lma->pools, now->mono_ns, &r->prefix[i], holder);
		if (err != 0)
			return err == -EBUSY ? -EEXIST : err;
	}
	return lma->n_sessions >= lma->config.max_sessions ? -ENOSPC : 0;
}

static void import_binding(struct lma *lma, const struct core_time *now,
			   const struct lma_record_binding *in)
{
	uint64_t left_ns = to_ns(in->expires - now->stamp);
	/* A wall clock that was set meanwhile must not make a binding immortal. */
	uint64_t most_ns = UINT16_MAX * (uint64_t)MH_LIFETIME_S * CORE_NSEC_PER_SEC;
	struct lma_binding *b = lma_draft_put(lma, in->bid);

	b->tuple.local = in->local;
	b->tuple.remote = in->remote;
	b->stamp = in->stamp;
	b->sequence = in->sequence;
	b->label = in->label;
	b->att = in->att;
	b->expires_ns = now->mono_ns + (left_ns < most_ns ? left_ns : most_ns);
}

int lma_import(struct lma *lma, const struct core_time *now, const struct lma_record *record)
{
	struct lma_session *session;
	struct lma_set *set = &lma->draft.set;
	int err = check_record(lma, now, record);

	if (err != 0)
		return err;
	err = lma_session_new(lma, &record->mn_id, record->prefix, record->n_prefix, &session);
	if (err != 0)
		return err;
	lma_draft_load(lma, session);
	if (record->multi != 0) {
		set->gateway = lma_gateway_get(lma, &record->mag_id);
		err = set->gateway == NULL ? -ENOMEM : 0;
	}
	set->multi = record->multi != 0;
	set->llid = record->llid;
	set->link_local = record->link_local;
	set->att = record->att;
	set->epoch.stamp = record->epoch; /* sequence numbers of then say nothing now */
	for (uint16_t i = 0; i < record->n; i++)
		if (record->binding[i].expires > now->stamp)
			import_binding(lma, now, &record->binding[i]);
	if (err == 0)
		err = lma_draft_commit(lma, session);
	else
		lma_draft_drop(lma);
	if (err != 0)
		lma_session_undo(lma, session);
	return err;
}
