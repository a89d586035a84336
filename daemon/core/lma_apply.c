/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The transitions (spec multipath 3.3, rows L1..L29; spec base sections 12 and 16). Each edits the
 * draft, a complete set of bindings, and commits it or leaves everything as it was. What is decided
 * here is only what the new set is; that the request may make it was checked before.
 */
#include "core/lma_state.h"

#include <string.h>

#define NSEC_PER_MSEC UINT64_C(1000000)

static uint64_t lifetime_ns(uint16_t units)
{
	return (uint64_t)units * MH_LIFETIME_S * CORE_NSEC_PER_SEC;
}

/* At most what was asked, at most what we give, and never 0 (B-6275-10.3.1-b). */
static uint16_t grant(const struct lma *lma, uint16_t asked)
{
	uint32_t most = lma->config.max_lifetime_s / MH_LIFETIME_S;

	if (most == 0)
		most = 1;
	return asked < most ? asked : (uint16_t)most;
}

static struct lma_tuple tuple_of(const struct lma_request *req)
{
	return (struct lma_tuple){.local = req->from->local, .remote = req->coa};
}

static bool same_tuple(const struct lma_binding *b, const struct lma_tuple *tuple)
{
	return ip_equal(&b->tuple.local, &tuple->local) &&
	       ip_equal(&b->tuple.remote, &tuple->remote);
}

/* ---- registration ------------------------------------------------------------------ */

/* EC-07, EC-59: a set that changes back and forth is a fault, not mobility. */
static bool flips_too_often(struct lma_set *set, uint64_t now_ns)
{
	if (set->flips == 0 || now_ns - set->flip_ns > LMA_FLIP_NS) {
		set->flips = 0;
		set->flip_ns = now_ns;
	}
	if (set->flips >= LMA_FLIPS)
		return true;
	set->flips++;
	return false;
}

static void set_epoch(struct lma_set *set, const struct lma_request *req)
{
	set->epoch = req->key;
	set->epoch_ns = req->now->mono_ns;
}

/* Every binding out, draining; nothing of them stays known. */
static void remove_all(struct lma *lma, const struct lma_request *req)
{
	struct lma_set *set = &lma->draft.set;

	lma_draft_forget(lma);
	while (set->n != 0)
		lma_draft_remove(lma, &set->binding[set->n - 1], req->now->mono_ns, false);
}

/* L9, EC-54: what is older than the overwrite goes, what is newer stays. */
static void overwrite(struct lma *lma, const struct lma_request *req)
{
	struct lma_set *set = &lma->draft.set;

	lma_draft_forget(lma);
	for (uint16_t i = set->n; i-- > 0;) {
		struct lma_binding *b = &set->binding[i];
		struct lma_key last = {.stamp = b->stamp, .sequence = b->sequence};

		if (b->bid != req->bid && lma_key_newer(lma, req->now, &req->key, &last))
			lma_draft_remove(lma, b, req->now->mono_ns, false);
	}
	set_epoch(set, req);
}

/* D28: one pair of addresses is one binding of a session; the newest wins. */
static uint8_t renumber(struct lma *lma, struct lma_request *req)
{
	struct lma_set *set = &lma->draft.set;
	struct lma_tuple tuple = tuple_of(req);

	for (uint16_t i = 0; i < set->n; i++) {
		struct lma_binding *b = &set->binding[i];

		if (b->state == LMA_GONE || b->bid == req->bid || !same_tuple(b, &tuple))
			continue;
		if (flips_too_often(set, req->now->mono_ns)) {
			req->detail = "MAG Multipath Binding: two binding identifiers take "
				      "turns on one pair of addresses";
			return MH_STATUS_UNSPECIFIED;
		}
		req->renumbered = b->bid;
		lma_draft_remove(lma, b, req->now->mono_ns, false);
		return 0;
	}
	return 0;
}

static uint8_t set_gateway(struct lma *lma, const struct lma_request *req)
{
	struct lma_set *set = &lma->draft.set;
	struct lma_gateway *gateway = NULL;

	if (req->multi) {
		gateway = lma_gateway_get(lma, &req->msg->mag_id);
		if (gateway == NULL)
			return MH_STATUS_RESOURCES;
	}
	lma_gateway_put(lma, set->gateway);
	set->gateway = gateway;
	set->multi = req->multi;
	return 0;
}

/* L26, MP-SIG-22: a plain session becomes a multipath one. */
static uint8_t upgrade(struct lma *lma, struct lma_request *req)
{
	struct lma_set *set = &lma->draft.set;
	const struct lma_binding *b = lma_set_find(set, 0);

	if (b != NULL && b->state != LMA_GONE && !ip_equal(&b->tuple.remote, &req->coa) &&
	    !req->msg->mmb.overwrite) {
		req->detail = "MAG Multipath Binding: a plain binding exists, overwrite is "
			      "not asked for";
		return MH_STATUS_NON_MCOA_EXISTS;
	}
	remove_all(lma, req);
	set_epoch(set, req);
	return set_gateway(lma, req);
}

/* The set without the request's own binding. */
static uint8_t edit_siblings(struct lma *lma, struct lma_request *req)
{
	struct lma_set *set = &lma->draft.set;

	if (req->multi && !set->multi && set->n != 0)
		return upgrade(lma, req);
	if (req->verdict == LMA_TAKE) { /* L23, L24 */
		remove_all(lma, req);
		set_epoch(set, req);
		return set_gateway(lma, req);
	}
	if (req->multi && req->msg->mmb.overwrite)
		overwrite(lma, req);
	if (set->n == 0)
		return set_gateway(lma, req);
	return req->multi ? renumber(lma, req) : 0;
}

static void answer_link_local(struct lma *lma, const struct lma_request *req)
{
	struct lma_set *set = &lma->draft.set;
	uint64_t random;

	if ((req->has & MH_HAS(LINK_LOCAL)) == 0)
		return;
	if (!ip_is_zero(&req->msg->link_local)) {
		set->link_local = req->msg->link_local;
		return;
	}
	if (!ip_is_zero(&set->link_local))
		return;
	random = lma->port.random(lma->port.ctx) | 1; /* never the zero identifier */
	set->link_local = (struct ip_addr){.b = {0xfe, 0x80}};
	for (int i = 15; i >= 8; i--) {
		set->link_local.b[i] = (uint8_t)random;
		random >>= 8;
	}
}

static uint8_t edit_binding(struct lma *lma, struct lma_request *req)
{
	struct lma_set *set = &lma->draft.set;
	uint64_t now_ns = req->now->mono_ns;
	struct lma_tuple tuple = tuple_of(req);
	struct lma_binding *b = lma_set_find(set, req->bid);
	bool bound = b != NULL && b->state != LMA_GONE;

	if (!bound && lma_set_bound(set) >= lma->config.max_bindings) {
		req->detail = "MAG Multipath Binding: the session has as many as it may";
		return MH_STATUS_RESOURCES;
	}
	if (bound && !same_tuple(b, &tuple)) { /* L7 */
		if (now_ns - b->seen_ns < CORE_NSEC_PER_SEC && flips_too_often(set, now_ns)) {
			req->detail = "care-of address: the binding changes it back and forth";
			return MH_STATUS_UNSPECIFIED;
		}
		lma_draft_drain(lma, b, now_ns);
		b->tunnel = NULL;
		b->state = LMA_ACTIVE;
	}
	b = lma_draft_put(lma, req->bid);
	b->tuple = tuple;
	/* L16: what is heard by this very path works. */
	if (!bound || ip_equal(&req->from->remote, &tuple.remote))
		b->state = LMA_ACTIVE;
	b->label = req->multi ? req->msg->mmb.label : 0;
	b->att = req->multi ? req->msg->mmb.att : req->msg->att;
	b->stamp = req->key.stamp;
	b->sequence = req->key.sequence;
	b->seen_ns = now_ns;
	b->digest = (uint32_t)req->digest;
	b->lifetime = req->granted;
	b->expires_ns = now_ns + lifetime_ns(req->granted);
	return 0;
}

static uint8_t edit(struct lma *lma, struct lma_request *req)
{
	struct lma_set *set = &lma->draft.set;
	uint8_t status = edit_siblings(lma, req);

	if (status == 0)
		status = edit_binding(lma, req);
	if (status != 0)
		return status;
	if (req->multi && req->msg->mmb.bulk) /* L6 */
		for (uint16_t i = 0; i < set->n; i++)
			if (set->binding[i].state != LMA_GONE) {
				set->binding[i].lifetime = req->granted;
				set->binding[i].expires_ns =
					req->now->mono_ns + lifetime_ns(req->granted);
			}
	set->linger_until_ns = 0;
	set->att = req->msg->att;
	if (req->llid.len != 0)
		set->llid = req->llid;
	answer_link_local(lma, req);
	return 0;
}

static void note_special(struct lma *lma, const struct lma_request *req)
{
	const struct lma_set *set = &req->session->set;

	if (req->renumbered != 0)
		lma_note(lma, CORE_NOTE_BINDING_RENUMBERED, req->session,
			 lma_set_find(set, req->bid));
	if (req->multi && req->msg->mmb.overwrite)
		lma_note(lma, CORE_NOTE_OVERWRITTEN, req->session, lma_set_find(set, req->bid));
}

static uint8_t change(struct lma *lma, struct lma_request *req)
{
	uint8_t status;

	lma_draft_load(lma, req->session);
	status = edit(lma, req);
	if (status != 0) {
		lma_draft_drop(lma);
		return status;
	}
	if (lma_draft_commit(lma, req->session) != 0) {
		req->detail = "the data plane did not take it";
		return MH_STATUS_RESOURCES;
	}
	note_special(lma, req);
	return 0;
}

/* The prefixes of a new session: those asked for, or one of ours. */
static uint8_t choose_prefixes(struct lma *lma, struct lma_request *req)
{
	if (lma->n_sessions >= lma->config.max_sessions) {
		req->detail = "the anchor has as many sessions as it may";
		return MH_STATUS_RESOURCES;
	}
	if (req->n_hnp == 0) {
		if (pools_pick(&lma->pools, req->now->mono_ns, &req->hnp[0]) != 0) {
			req->detail = "Home Network Prefix: the pools are used up";
			return MH_STATUS_RESOURCES;
		}
		req->n_hnp = 1;
		return 0;
	}
	for (uint8_t i = 0; i < req->n_hnp; i++)
		if (pools_check(&lma->pools, req->now->mono_ns, &req->hnp[i], req->holder) != 0) {
			req->detail = "Home Network Prefix: not from a pool of this anchor, or "
				      "it rests after another node";
			return MH_STATUS_HNP_NOT_AUTHORIZED;
		}
	return 0;
}

static uint8_t create(struct lma *lma, struct lma_request *req)
{
	struct lma_session *session;
	uint8_t status = choose_prefixes(lma, req);

	if (status != 0)
		return status;
	if (lma_session_new(lma, &req->msg->mn_id, req->hnp, req->n_hnp, &session) != 0) {
		req->detail = "no memory";
		return MH_STATUS_RESOURCES;
	}
	req->session = session;
	status = change(lma, req);
	if (status != 0) {
		req->session = NULL;
		lma_session_undo(lma, session);
	}
	return status;
}

uint8_t lma_register(struct lma *lma, struct lma_request *req)
{
	req->granted = grant(lma, req->msg->lifetime);
	return req->session == NULL ? create(lma, req) : change(lma, req);
}

/* ---- deregistration ---------------------------------------------------------------- */

/* Does this address belong to the gateway that has, or last had, the session? */
static bool is_gateways(const struct lma_set *set, const struct ip_addr *a)
{
	for (uint16_t i = 0; i < set->n; i++)
		if (ip_equal(&set->binding[i].tuple.remote, a))
			return true;
	return false;
}

/* B-5213-5.3.5-a; D7: any path of the same gateway speaks for a dead one. */
static bool may_deregister(struct lma_request *req)
{
	const struct lma_set *set;

	if (req->session == NULL) {
		req->ends = CORE_COUNTER_NO_SESSION;
		req->detail = "deregistration of an unknown session";
		return false;
	}
	set = &req->session->set;
	if (req->verdict == LMA_JOIN && lma_set_find(set, req->bid) == NULL) {
		req->ends = CORE_COUNTER_NO_SESSION;
		req->detail = "deregistration of an unknown binding identifier";
		return false;
	}
	if ((req->verdict == LMA_TAKE && req->multi && set->multi) ||
	    (!is_gateways(set, &req->coa) &&
	     !(req->multi && is_gateways(set, &req->from->remote)))) {
		req->ends = CORE_COUNTER_NOT_SERVING;
		req->detail = "deregistration by a gateway that does not serve the node";
		return false;
	}
	return true;
}

static void remember(struct lma_binding *b, const struct lma_request *req)
{
	b->stamp = req->key.stamp;
	b->sequence = req->key.sequence;
	b->seen_ns = req->now->mono_ns;
	b->digest = (uint32_t)req->digest;
	b->lifetime = 0;
}

static void edit_deregister(struct lma *lma, const struct lma_request *req)
{
	struct lma_set *set = &lma->draft.set;
	bool all = req->verdict != LMA_JOIN || !req->multi || req->msg->mmb.bulk;

	for (uint16_t i = 0; i < set->n; i++) {
		struct lma_binding *b = &set->binding[i];

		if (b->state != LMA_GONE && (all || b->bid == req->bid))
			lma_draft_remove(lma, b, req->now->mono_ns, true);
		if (b->bid == req->bid || (all && req->verdict != LMA_JOIN))
			remember(b, req);
	}
	if (all) /* older messages of siblings, still under way, revive nothing */
		set_epoch(set, req);
	if (set->linger_until_ns == 0 && lma_set_bound(set) == 0)
		set->linger_until_ns = req->now->mono_ns +
				       lma->config.min_delay_before_delete_ms * NSEC_PER_MSEC +
				       (lma->config.min_delay_before_delete_ms == 0);
}

bool lma_deregister(struct lma *lma, struct lma_request *req, uint8_t *ret_status)
{
	if (!may_deregister(req))
		return false;
	req->granted = 0;
	lma_draft_load(lma, req->session);
	edit_deregister(lma, req);
	*ret_status = MH_STATUS_ACCEPTED;
	if (lma_draft_commit(lma, req->session) != 0) {
		req->detail = "the data plane did not take it";
		*ret_status = MH_STATUS_RESOURCES;
	}
	return true;
}

/* ---- time -------------------------------------------------------------------------- */

static void edit_due(struct lma *lma, uint64_t now_ns)
{
	struct lma_set *set = &lma->draft.set;

	for (uint16_t i = set->n_drain; i-- > 0;)
		if (set->drain[i].until_ns <= now_ns)
			lma_draft_undrain(lma, i);
	for (uint16_t i = set->n; i-- > 0;) {
		struct lma_binding *b = &set->binding[i];

		if (b->state != LMA_GONE && b->expires_ns <= now_ns)
			lma_draft_remove(lma, b, now_ns, true);
		else if (b->state == LMA_GONE && b->since_ns + LMA_GONE_NS <= now_ns)
			lma_draft_remove(lma, b, now_ns, false);
	}
}

/* RFC 6275 9.6: without bindings there is no session, and nothing lingers. */
static void close_expired(struct lma *lma, struct lma_session *session, uint64_t now_ns)
{
	const struct lma_set *set = &session->set;

	for (uint16_t i = 0; i < set->n && session->retry_ns == 0; i++)
		if (set->binding[i].state != LMA_GONE)
			lma_note(lma, CORE_NOTE_BINDING_EXPIRED, session, &set->binding[i]);
	lma_session_close(lma, session, now_ns);
}

void lma_session_due(struct lma *lma, struct lma_session *session, uint64_t now_ns)
{
	const struct lma_set *set = &session->set;

	if (set->linger_until_ns != 0 && set->linger_until_ns <= now_ns) { /* L13 */
		lma_session_close(lma, session, now_ns);
		return;
	}
	lma_draft_load(lma, session);
	edit_due(lma, now_ns);
	if (set->linger_until_ns == 0 && lma_set_bound(&lma->draft.set) == 0) { /* L14, the last */
		lma_draft_drop(lma);
		close_expired(lma, session, now_ns);
		return;
	}
	lma_draft_force(lma, session, now_ns, true);
}
