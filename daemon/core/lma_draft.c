/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Transitions. The draft is a copy of a session's set; what is to change is changed there; then it
 * is published whole, and only when the data plane has it does it become the session (AT-05,
 * AT-06). All memory that the commit needs is had before the publication, so that it cannot fail
 * behind it.
 */
#include "core/lma_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool tuple_equal(const struct lma_tuple *a, const struct lma_tuple *b)
{
	return ip_equal(&a->local, &b->local) && ip_equal(&a->remote, &b->remote);
}

/* ---- editing ----------------------------------------------------------------------- */

void lma_draft_load(struct lma *lma, const struct lma_session *session)
{
	struct lma_draft *draft = &lma->draft;

	draft->set = session->set;
	draft->set.binding = draft->binding;
	draft->set.drain = draft->drain;
	if (session->set.n != 0)
		memcpy(draft->binding, session->set.binding,
		       session->set.n * sizeof(draft->binding[0]));
	if (session->set.n_drain != 0)
		memcpy(draft->drain, session->set.drain,
		       session->set.n_drain * sizeof(draft->drain[0]));
	if (draft->set.gateway != NULL)
		draft->set.gateway->refs++;
}

static uint16_t position(const struct lma_set *set, uint8_t bid)
{
	uint16_t low = 0;
	uint16_t high = set->n;

	while (low < high) {
		uint16_t middle = (uint16_t)((low + high) / 2);

		if (set->binding[middle].bid < bid)
			low = (uint16_t)(middle + 1);
		else
			high = middle;
	}
	return low;
}

struct lma_binding *lma_set_find(const struct lma_set *set, uint8_t bid)
{
	uint16_t i = position(set, bid);

	return i < set->n && set->binding[i].bid == bid ? &set->binding[i] : NULL;
}

uint16_t lma_set_bound(const struct lma_set *set)
{
	uint16_t n = 0;

	for (uint16_t i = 0; i < set->n; i++)
		n = (uint16_t)(n + (set->binding[i].state != LMA_GONE));
	return n;
}

struct lma_binding *lma_draft_put(struct lma *lma, uint8_t bid)
{
	struct lma_set *set = &lma->draft.set;
	uint16_t i = position(set, bid);
	struct lma_binding *b = &set->binding[i];

	if (i < set->n && b->bid == bid)
		return b;
	memmove(b + 1, b, (size_t)(set->n - i) * sizeof(*b));
	memset(b, 0, sizeof(*b));
	b->bid = bid;
	set->n++;
	return b;
}

static void erase_drain(struct lma_set *set, uint16_t i)
{
	set->n_drain--;
	memmove(&set->drain[i], &set->drain[i + 1], (set->n_drain - i) * sizeof(set->drain[0]));
}

static void erase_oldest_drain(struct lma_set *set)
{
	uint16_t oldest = 0;

	for (uint16_t i = 1; i < set->n_drain; i++)
		if (set->drain[i].until_ns < set->drain[oldest].until_ns)
			oldest = i;
	erase_drain(set, oldest);
}

void lma_draft_drain(struct lma *lma, const struct lma_binding *binding, uint64_t now_ns)
{
	struct lma_set *set = &lma->draft.set;
	uint16_t i;

	if (lma->config.drain_ms == 0)
		return;
	for (i = 0; i < set->n_drain; i++)
		if (tuple_equal(&set->drain[i].tuple, &binding->tuple)) {
			erase_drain(set, i);
			break;
		}
	if (set->n_drain == CORE_MAX_BINDINGS)
		erase_oldest_drain(set);
	for (i = 0; i < set->n_drain && set->drain[i].bid <= binding->bid; i++)
		;
	memmove(&set->drain[i + 1], &set->drain[i], (set->n_drain - i) * sizeof(set->drain[0]));
	set->drain[i] = (struct lma_drain){
		.tuple = binding->tuple,
		.until_ns = now_ns + lma->config.drain_ms * UINT64_C(1000000),
		.bid = binding->bid,
		.label = binding->label,
		.att = binding->att,
	};
	set->n_drain++;
}

void lma_draft_undrain(struct lma *lma, uint16_t i)
{
	erase_drain(&lma->draft.set, i);
}

static void erase_binding(struct lma_set *set, struct lma_binding *b)
{
	size_t rest = (size_t)(&set->binding[set->n] - (b + 1));

	memmove(b, b + 1, rest * sizeof(*b));
	set->n--;
}

void lma_draft_remove(struct lma *lma, struct lma_binding *binding, uint64_t now_ns, bool gone)
{
	if (binding->state != LMA_GONE)
		lma_draft_drain(lma, binding, now_ns);
	if (!gone) {
		erase_binding(&lma->draft.set, binding);
		return;
	}
	binding->tunnel = NULL;
	binding->state = LMA_GONE;
	binding->since_ns = now_ns;
	binding->expires_ns = 0;
}

void lma_draft_forget(struct lma *lma)
{
	struct lma_set *set = &lma->draft.set;

	for (uint16_t i = set->n; i-- > 0;)
		if (set->binding[i].state == LMA_GONE)
			erase_binding(set, &set->binding[i]);
}

/* A tunnel in use again does not drain; and a view has room for so many entries only. */
static void trim_drains(struct lma_set *set)
{
	for (uint16_t i = set->n_drain; i-- > 0;)
		for (uint16_t k = 0; k < set->n; k++)
			if (set->binding[k].state != LMA_GONE &&
			    tuple_equal(&set->drain[i].tuple, &set->binding[k].tuple)) {
				erase_drain(set, i);
				break;
			}
	while (set->n + set->n_drain > CORE_MAX_BINDINGS)
		erase_oldest_drain(set);
}

/* ---- telling what changed ---------------------------------------------------------- */

static bool is_bound(const struct lma_binding *b)
{
	return b != NULL && b->state != LMA_GONE;
}

static void note_changes(struct lma *lma, const struct lma_session *session,
			 const struct lma_set *set, bool expired)
{
	const struct lma_set *old = &session->set;

	if (set->linger_until_ns == 0 && (old->linger_until_ns != 0 || old->n == 0))
		lma_note(lma, CORE_NOTE_SESSION_UP, session, NULL);
	for (uint16_t i = 0; i < old->n; i++) {
		const struct lma_binding *b = &old->binding[i];

		if (is_bound(b) && !is_bound(lma_set_find(set, b->bid)))
			lma_note(lma,
				 expired ? CORE_NOTE_BINDING_EXPIRED : CORE_NOTE_BINDING_REMOVED,
				 session, b);
	}
	for (uint16_t i = 0; i < set->n; i++) {
		const struct lma_binding *b = &set->binding[i];
		const struct lma_binding *was = lma_set_find(old, b->bid);

		if (!is_bound(b))
			continue;
		if (!is_bound(was))
			lma_note(lma, CORE_NOTE_BINDING_ADDED, session, b);
		else if (!tuple_equal(&was->tuple, &b->tuple))
			lma_note(lma, CORE_NOTE_BINDING_MOVED, session, b);
	}
	if (set->linger_until_ns != 0 && old->linger_until_ns == 0)
		lma_note(lma, CORE_NOTE_SESSION_LINGER, session, NULL);
}

/* ---- publishing and committing ----------------------------------------------------- */

static int grow(void **array, uint16_t *cap, uint16_t need, size_t size)
{
	uint16_t more = *cap == 0 ? 2 : *cap;
	void *grown;

	if (need <= *cap)
		return 0;
	while (more < need)
		more = (uint16_t)(more * 2);
	grown = realloc(*array, more * size);
	if (grown == NULL)
		return -ENOMEM;
	*array = grown;
	*cap = more;
	return 0;
}

static bool is_new(const struct lma_binding *b)
{
	return is_bound(b) && b->tunnel == NULL;
}

static void unreserve(struct lma *lma, uint16_t n)
{
	const struct lma_set *set = &lma->draft.set;

	for (uint16_t i = 0; i < n; i++)
		if (is_new(&set->binding[i]))
			lma_tunnel_unreserve(lma, &set->binding[i].tuple);
}

/* Everything that commit will need. */
static int reserve(struct lma *lma, struct lma_session *session)
{
	struct lma_set *set = &lma->draft.set;
	void *binding = session->set.binding;
	void *drain = session->set.drain;
	int err = grow(&binding, &session->cap, set->n, sizeof(set->binding[0]));

	session->set.binding = binding;
	if (err == 0)
		err = grow(&drain, &session->cap_drain, set->n_drain, sizeof(set->drain[0]));
	session->set.drain = drain;
	if (err != 0)
		return err;
	for (uint16_t i = 0; i < set->n; i++)
		if (is_new(&set->binding[i]) &&
		    lma_tunnel_reserve(lma, &set->binding[i].tuple) == NULL) {
			unreserve(lma, i);
			return -ENOMEM;
		}
	return 0;
}

static int publish(struct lma *lma, struct lma_session *session, const struct lma_set *set,
		   bool always)
{
	const struct mh_id *mn_id = lma_node_id(lma, session->node);
	int err;

	lma_view_build(&lma->view_new, session, set, mn_id);
	if (!always) {
		lma_view_build(&lma->view_old, session, &session->set, mn_id);
		if (lma_view_equal(&lma->view_old, &lma->view_new))
			return 0;
	}
	err = lma->port.publish(lma->port.ctx, &lma->view_new);
	if (err != 0)
		lma_note(lma, CORE_NOTE_DATAPATH, session, NULL);
	return err;
}

static void commit(struct lma *lma, struct lma_session *session, bool expired)
{
	struct lma_set *set = &lma->draft.set;
	struct lma_set *live = &session->set;
	struct lma_binding *binding = live->binding;
	struct lma_drain *drain = live->drain;

	note_changes(lma, session, set, expired);
	for (uint16_t i = 0; i < live->n; i++) {
		struct lma_binding *b = &live->binding[i];
		const struct lma_binding *kept = lma_set_find(set, b->bid);

		/* Of the same tunnel object: a copy of b, so its slot holds. */
		if (b->tunnel != NULL && (kept == NULL || kept->tunnel != b->tunnel))
			lma_tunnel_unlink(lma, b);
		else if (kept != NULL && kept->tunnel != NULL)
			lma_set_find(set, b->bid)->slot = b->slot;
	}
	lma_gateway_put(lma, live->gateway);
	*live = *set;
	live->binding = binding;
	live->drain = drain;
	memcpy(binding, set->binding, set->n * sizeof(*binding));
	if (set->n_drain != 0) {
		memcpy(drain, set->drain, set->n_drain * sizeof(*drain));
	} else {
		free(drain);
		live->drain = NULL;
		session->cap_drain = 0;
	}
	for (uint16_t i = 0; i < live->n; i++) {
		struct lma_binding *b = &binding[i];

		if (is_new(b))
			lma_tunnel_link(lma, session, b);
	}
	lma_session_rearm(lma, session);
}

static void tell_changed(struct lma *lma, uint32_t session)
{
	if (lma->port.changed != NULL)
		lma->port.changed(lma->port.ctx, session);
}

void lma_draft_drop(struct lma *lma)
{
	lma_gateway_put(lma, lma->draft.set.gateway);
	lma->draft.set.gateway = NULL;
}

int lma_draft_commit(struct lma *lma, struct lma_session *session)
{
	int err;

	trim_drains(&lma->draft.set);
	err = reserve(lma, session);
	if (err == 0) {
		err = publish(lma, session, &lma->draft.set,
			      session->retry_ns != 0 || session->set.n == 0);
		if (err != 0)
			unreserve(lma, lma->draft.set.n);
	}
	if (err != 0) {
		lma_draft_drop(lma);
		return err;
	}
	session->retry_ns = 0;
	commit(lma, session, false);
	tell_changed(lma, session->id);
	return 0;
}

void lma_draft_force(struct lma *lma, struct lma_session *session, uint64_t now_ns, bool expired)
{
	uint16_t bound = lma_set_bound(&session->set);

	trim_drains(&lma->draft.set);
	/* Only removals and marks are forced; they need no memory but for drains. */
	if (reserve(lma, session) != 0)
		lma->draft.set.n_drain = 0;
	if (publish(lma, session, &lma->draft.set, session->retry_ns != 0) != 0)
		session->retry_ns = now_ns + LMA_RETRY_NS;
	else
		session->retry_ns = 0;
	commit(lma, session, expired);
	/* Marks and drains are in no record: a path that dies under all sessions costs no write. */
	if (lma_set_bound(&session->set) != bound)
		tell_changed(lma, session->id);
}

int lma_session_close(struct lma *lma, struct lma_session *session, uint64_t now_ns)
{
	uint32_t id = session->id;
	int err;

	lma_view_build(&lma->view_new, session, &session->set, lma_node_id(lma, session->node));
	lma->view_new.state = SESSION_NONE;
	lma->view_new.n = 0;
	err = lma->port.publish(lma->port.ctx, &lma->view_new);
	if (err != 0) {
		lma_note(lma, CORE_NOTE_DATAPATH, session, NULL);
		session->retry_ns = now_ns + LMA_RETRY_NS;
		lma_session_rearm(lma, session);
		return err;
	}
	lma_note(lma, CORE_NOTE_SESSION_DOWN, session, NULL);
	lma_session_end(lma, session, now_ns);
	tell_changed(lma, id);
	return 0;
}
