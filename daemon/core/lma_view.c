/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a set of bindings means for packets. A pure function of the set: the same set gives the same
 * view, so "nothing changed" is found by comparing views, and time passes only by transitions.
 */
#include "core/lma_state.h"

/*
 * If every path is suspect, the one that failed first still carries packets: it has had the longest
 * time to come back, and a wrong guess costs nothing that was not lost (L15).
 */
static const struct lma_binding *last_resort(const struct lma_set *set)
{
	const struct lma_binding *best = NULL;

	for (uint16_t i = 0; i < set->n; i++) {
		const struct lma_binding *b = &set->binding[i];

		if (b->state == LMA_GONE)
			continue;
		if (b->state == LMA_ACTIVE)
			return NULL;
		if (best == NULL || b->since_ns < best->since_ns)
			best = b;
	}
	return best;
}

static void view_binding(struct binding_view *view, const struct lma_binding *b, bool carries)
{
	*view = (struct binding_view){
		.bid = b->bid, .label = b->label, .att = b->att, .weight = LMA_WEIGHT};
	if (b->state == LMA_GONE)
		return;
	view->use = carries ? BINDING_TX | BINDING_RX : BINDING_RX;
	view->local = b->tuple.local;
	view->remote = b->tuple.remote;
}

/* A tunnel leaves by routing (ifindex 0): the anchor has no path of its own to keep to. */
static void view_drain(struct binding_view *view, const struct lma_drain *drain)
{
	*view = (struct binding_view){
		.bid = drain->bid,
		.label = drain->label,
		.att = drain->att,
		.use = BINDING_RX,
		.local = drain->tuple.local,
		.remote = drain->tuple.remote,
	};
}

void lma_view_build(struct session_view *view, const struct lma_session *session,
		    const struct lma_set *set, const struct mh_id *mn_id)
{
	const struct lma_binding *resort = last_resort(set);
	uint16_t k = 0;

	view->id = session->id;
	view->state = set->linger_until_ns != 0 ? SESSION_LINGER : SESSION_ACTIVE;
	view->mn_id = mn_id;
	view->n_prefix = session->n_prefix;
	for (uint8_t i = 0; i < session->n_prefix; i++)
		view->prefix[i] = session->prefix[i]->prefix;
	view->n = 0;
	for (uint16_t i = 0; i < set->n; i++) {
		const struct lma_binding *b = &set->binding[i];

		for (; k < set->n_drain && set->drain[k].bid < b->bid; k++)
			view_drain(&view->binding[view->n++], &set->drain[k]);
		view_binding(&view->binding[view->n++], b, b->state == LMA_ACTIVE || b == resort);
	}
	for (; k < set->n_drain; k++)
		view_drain(&view->binding[view->n++], &set->drain[k]);
}

static bool binding_equal(const struct binding_view *a, const struct binding_view *b)
{
	return a->bid == b->bid && a->label == b->label && a->att == b->att &&
	       a->weight == b->weight && a->use == b->use && ip_equal(&a->local, &b->local) &&
	       ip_equal(&a->remote, &b->remote);
}

/* Of the same session: identity and prefixes are constant. */
bool lma_view_equal(const struct session_view *a, const struct session_view *b)
{
	if (a->state != b->state || a->n != b->n)
		return false;
	for (uint16_t i = 0; i < a->n; i++)
		if (!binding_equal(&a->binding[i], &b->binding[i]))
			return false;
	return true;
}

const char *lma_binding_state(const struct lma_binding *binding)
{
	static const char *const text[] = {
		[LMA_ACTIVE] = "active", [LMA_SUSPECT] = "suspect", [LMA_GONE] = "gone"};

	return text[binding->state];
}
