/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A view becomes the state of a session: paths first, then the idle set, then the switch, then what
 * finds the session (AT-03); in reverse what goes. Whatever fails is undone before anything was
 * visible (AT-06). What is there already is not written again (L5).
 */
#include "plane/state.h"
#include "util/log.h"

struct draft {
	struct magpie_set set;
	struct magpie_binding binding[CORE_MAX_BINDINGS];
	uint16_t n_taken; /* bindings whose path reference is held by the draft */
};

static uint8_t *live_byte(const struct plane *p, uint32_t id)
{
	struct magpie_switch *s = plane_at(p, PLANE_MAP_switch, id / MAGPIE_SWITCHES);

	return &s->live[id % MAGPIE_SWITCHES];
}

uint8_t *plane_pinned_byte(const struct plane *p, uint32_t id)
{
	struct magpie_switch *s = plane_at(p, PLANE_MAP_switch, id / MAGPIE_SWITCHES);

	return &s->pinned[id % MAGPIE_SWITCHES];
}

struct magpie_set *plane_live_set(const struct plane *p, uint32_t id)
{
	struct magpie_session *s = plane_at(p, PLANE_MAP_session, id);

	return &s->set[*live_byte(p, id) & 1];
}

struct magpie_binding *plane_bindings(const struct plane *p, struct magpie_set *set)
{
	struct magpie_wide *wide;

	if (set->n <= MAGPIE_NARROW)
		return set->binding;
	wide = plane_at(p, PLANE_MAP_wide, set->wide);
	return wide->binding;
}

/* ---- drafting ---------------------------------------------------------------------- */

static void drop_draft(struct plane *p, struct draft *d)
{
	for (uint16_t i = 0; i < d->n_taken; i++)
		plane_path_undo(p, d->binding[i].path);
	if (d->set.wide == 0)
		return;
	memset(plane_at(p, PLANE_MAP_wide, d->set.wide), 0, sizeof(struct magpie_wide));
	idpool_give(&p->wide_ids, d->set.wide, plane_now_ns());
}

static int fill_draft(struct plane *p, const struct session_view *view, struct draft *d)
{
	memset(d, 0, sizeof(*d));
	d->set.state =
		view->state == SESSION_ACTIVE ? MAGPIE_SESSION_ACTIVE : MAGPIE_SESSION_LINGER;
	d->set.seed = plane_seed(&view->prefix[0]);
	d->set.n = view->n;
	for (uint16_t i = 0; i < view->n; i++) {
		const struct binding_view *v = &view->binding[i];
		struct magpie_binding *b = &d->binding[i];
		int r;

		b->bid = v->bid;
		b->label = v->label;
		b->weight = v->weight;
		if (v->use == 0 || ip_is_zero(&v->remote)) {
			d->n_taken++; /* holds path 0, which is nobody's */
			continue;
		}
		b->flags = (uint8_t)((v->use & BINDING_TX ? MAGPIE_BINDING_TX : 0) |
				     (v->use & BINDING_RX ? MAGPIE_BINDING_RX : 0));
		r = plane_path_take(p, v, &b->path);
		if (r < 0)
			return r;
		d->n_taken++;
	}
	return 0;
}

/* The bindings to where packets will read them; -ENOSPC when no wide element is left. */
static int place_bindings(struct plane *p, struct draft *d)
{
	struct magpie_wide *wide;

	if (d->set.n <= MAGPIE_NARROW) {
		memcpy(d->set.binding, d->binding, d->set.n * sizeof(d->binding[0]));
		return 0;
	}
	d->set.wide = idpool_take(p, &p->wide_ids);
	if (d->set.wide == 0) {
		log_limited(&p->full, LOG_LEVEL_ERROR,
			    "data plane: all %u places for sessions with more than %d bindings are "
			    "in use; more come with a larger Sessions= in [Limits], `magpie "
			    "release` and a restart",
			    p->wide_ids.size - 1, MAGPIE_NARROW);
		return -ENOSPC;
	}
	wide = plane_at(p, PLANE_MAP_wide, d->set.wide);
	memcpy(wide->binding, d->binding, d->set.n * sizeof(d->binding[0]));
	return 0;
}

static bool same_as_live(const struct plane *p, const struct plane_session *s,
			 const struct draft *d)
{
	struct magpie_set *live = plane_live_set(p, s->id);

	return live->state == d->set.state && live->n == d->set.n && live->seed == d->set.seed &&
	       memcmp(plane_bindings(p, live), d->binding, d->set.n * sizeof(d->binding[0])) == 0;
}

static void write_idle(struct plane *p, const struct plane_session *s, const struct draft *d)
{
	struct magpie_session *element = plane_at(p, PLANE_MAP_session, s->id);
	unsigned int idle = !(*live_byte(p, s->id) & 1);
	struct magpie_set set = d->set;

	set.generation = element->set[!idle].generation + 1;
	plane_grace(p, s->retired_ns);
	element->set[idle] = set;
}

/* Gives up what the set that is live no more has held. */
static void retire(struct plane *p, struct magpie_set *set)
{
	const struct magpie_binding *b = plane_bindings(p, set);

	for (uint16_t i = 0; i < set->n; i++)
		plane_path_give(p, b[i].path);
	if (set->n > MAGPIE_NARROW)
		idpool_give(&p->wide_ids, set->wide, plane_now_ns());
}

static void flip(struct plane *p, struct plane_session *s)
{
	uint8_t *live = live_byte(p, s->id);
	struct magpie_set *old = plane_live_set(p, s->id);

	plane_store(live, (uint8_t) !(*live & 1));
	s->retired_ns = plane_now_ns();
	retire(p, old);
}

/* ---- prefixes ---------------------------------------------------------------------- */

static bool has_prefix(const struct ip_prefix *list, unsigned int n, const struct ip_prefix *prefix)
{
	for (unsigned int i = 0; i < n; i++) {
		if (ip_prefix_equal(&list[i], prefix))
			return true;
	}
	return false;
}

/* Takes back the first n of the view's that were added, to where they led before. */
static void restore_prefixes(struct plane *p, const struct plane_session *s,
			     const struct session_view *view, const uint32_t *before,
			     unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (has_prefix(s->prefix, s->n_prefix, &view->prefix[i]))
			continue;
		if (before[i] != 0)
			plane_prefix_add(p, &view->prefix[i], before[i]);
		else
			plane_prefix_remove(p, &view->prefix[i], s->id);
	}
}

/* Adds those of the view that are not there; undone on failure. */
static int add_prefixes(struct plane *p, const struct plane_session *s,
			const struct session_view *view)
{
	uint32_t before[MH_MAX_HNP] = {0};

	for (unsigned int i = 0; i < view->n_prefix; i++) {
		const struct ip_prefix *prefix = &view->prefix[i];
		int r;

		if (has_prefix(s->prefix, s->n_prefix, prefix))
			continue;
		before[i] = plane_prefix_find(p, prefix);
		r = plane_prefix_add(p, prefix, s->id);
		if (r < 0) {
			char text[IP_TEXT_MAX];

			log_limited(
				&p->full, LOG_LEVEL_ERROR,
				"data plane: no room for prefix %s, which is of no pool: %s; a "
				"pool that "
				"has it, or a larger Sessions= in [Limits], helps after `magpie "
				"release` and a restart",
				ip_prefix_text(prefix, text), strerror(-r));
			restore_prefixes(p, s, view, before, i);
			return r;
		}
	}
	return 0;
}

static void settle_prefixes(struct plane *p, struct plane_session *s,
			    const struct session_view *view)
{
	for (unsigned int i = 0; i < s->n_prefix; i++) {
		if (!has_prefix(view->prefix, view->n_prefix, &s->prefix[i]))
			plane_prefix_remove(p, &s->prefix[i], s->id);
	}
	s->n_prefix = view->n_prefix;
	memcpy(s->prefix, view->prefix, sizeof(s->prefix));
}

/* ---- sessions ---------------------------------------------------------------------- */

static struct plane_session *find_orphan(struct plane *p, const struct ip_prefix *prefix)
{
	uint32_t id = plane_prefix_find(p, prefix);
	struct plane_session *s;

	HASH_FIND(hh_id, p->by_id, &id, sizeof(id), s);
	return s && s->core_id == 0 && has_prefix(s->prefix, s->n_prefix, prefix) ? s : NULL;
}

static int find_or_make(struct plane *p, const struct session_view *view,
			struct plane_session **ret_session, bool *ret_new)
{
	struct plane_session *s;

	*ret_new = false;
	HASH_FIND(hh, p->by_core_id, &view->id, sizeof(view->id), s);
	if (s) {
		*ret_session = s;
		return 0;
	}
	s = p->orphans > 0 ? find_orphan(p, &view->prefix[0]) : NULL;
	if (s) {
		p->orphans--;
	} else {
		s = calloc(1, sizeof(*s));
		if (!s)
			return -ENOMEM;
		s->id = idpool_take(p, &p->session_ids);
		if (s->id == 0) {
			log_limited(&p->full, LOG_LEVEL_ERROR,
				    "data plane: all %u sessions are in use; more need a larger "
				    "Sessions= in [Limits], `magpie release` and a restart",
				    p->session_ids.size - 1);
			free(s);
			return -ENOSPC;
		}
		HASH_ADD(hh_id, p->by_id, id, sizeof(s->id), s);
		*ret_new = true;
	}
	s->core_id = view->id;
	HASH_ADD(hh, p->by_core_id, core_id, sizeof(s->core_id), s);
	*ret_session = s;
	return 0;
}

static void forget(struct plane *p, struct plane_session *s)
{
	if (s->core_id != 0)
		HASH_DELETE(hh, p->by_core_id, s);
	HASH_DELETE(hh_id, p->by_id, s);
	idpool_give(&p->session_ids, s->id, plane_now_ns());
	free(s);
}

/* Prefixes first: nothing finds it any more; then its set becomes nobody's. */
static void end_session(struct plane *p, struct plane_session *s)
{
	static const struct session_view none;
	static const struct draft empty;

	settle_prefixes(p, s, &none);
	write_idle(p, s, &empty);
	flip(p, s);
	plane_store(plane_pinned_byte(p, s->id), 0);
	forget(p, s);
}

/* Nothing finds the session yet: it is whole before its first prefix. */
static int open_set(struct plane *p, struct plane_session *s, const struct session_view *view,
		    const struct draft *d)
{
	struct magpie_session *element = plane_at(p, PLANE_MAP_session, s->id);
	struct magpie_session before = *element;
	uint8_t live = *live_byte(p, s->id);
	int r;

	write_idle(p, s, d);
	flip(p, s);
	s->retired_ns = 0; /* nothing has led to the set that was live until now */
	r = add_prefixes(p, s, view);
	if (r < 0) { /* its first prefixes may have been seen for a moment */
		plane_grace(p, plane_now_ns());
		*element = before;
		plane_store(live_byte(p, s->id), live);
	}
	return r;
}

static int replace_set(struct plane *p, struct plane_session *s, const struct session_view *view,
		       const struct draft *d)
{
	int r = add_prefixes(p, s, view); /* what can fail comes before the switch */

	if (r < 0)
		return r;
	write_idle(p, s, d);
	flip(p, s);
	return 0;
}

/* Makes *d the session's set, with the view's prefixes; -EALREADY: the set is that one already. */
static int apply(struct plane *p, struct plane_session *s, const struct session_view *view,
		 struct draft *d, bool fresh)
{
	int r = fill_draft(p, view, d);

	if (r < 0)
		return r;
	if (!fresh && same_as_live(p, s, d)) {
		r = add_prefixes(p, s, view);
		return r < 0 ? r : -EALREADY;
	}
	r = place_bindings(p, d);
	if (r < 0)
		return r;
	return fresh ? open_set(p, s, view, d) : replace_set(p, s, view, d);
}

int plane_publish(struct plane *p, const struct session_view *view)
{
	struct plane_session *s;
	struct draft d;
	bool fresh;
	int r;

	if (view->state == SESSION_NONE) {
		HASH_FIND(hh, p->by_core_id, &view->id, sizeof(view->id), s);
		if (s)
			end_session(p, s);
		plane_paths_tell(p);
		return 0;
	}
	if (view->n_prefix == 0 || view->n_prefix > MH_MAX_HNP || view->n > CORE_MAX_BINDINGS)
		return -EINVAL;
	r = find_or_make(p, view, &s, &fresh);
	if (r < 0)
		return r;
	r = apply(p, s, view, &d, fresh);
	if (r < 0)
		drop_draft(p, &d); /* the live set holds references of its own */
	if (r == -EALREADY)
		r = 0;
	if (r == 0)
		settle_prefixes(p, s, view);
	else if (fresh)
		forget(p, s);
	plane_paths_tell(p);
	return r == -E2BIG ? -ENOSPC : r;
}

/* ---- sessions of a former daemon --------------------------------------------------- */

size_t plane_orphans(const struct plane *p)
{
	return p->orphans;
}

void plane_drop_orphans(struct plane *p)
{
	struct plane_session *s, *tmp;

	HASH_ITER (hh_id, p->by_id, s, tmp) {
		if (s->core_id == 0)
			end_session(p, s);
	}
	p->orphans = 0;
	plane_paths_tell(p);
}

void plane_sessions_close(struct plane *p)
{
	struct plane_session *s = p->by_id, *next;

	HASH_CLEAR(hh, p->by_core_id);
	HASH_CLEAR(hh_id, p->by_id);
	for (; s; s = next) {
		next = s->hh_id.next;
		free(s);
	}
}
