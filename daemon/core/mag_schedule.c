/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which waiting paths may register now (MP-SIG-04..07, -14, -15, -19, -27): one at a time while it
 * is not known whether the anchor can do multipath, and in a session that has only one binding; all
 * at once in a multipath session.
 */
#include "core/mag_state.h"

bool mag_sequential(const struct mag *mag, const struct mag_session *s)
{
	switch (s->mode) {
	case MAG_UNKNOWN: /* bound meanwhile: a legacy binding that is asked again for multipath */
		return !mag->config.capability_known || mag_any_bound(mag, s, MAG_NONE);
	case MAG_MULTI:
		return false;
	case MAG_LEGACY:
		return true;
	}
	return true;
}

static bool may_start(const struct mag *mag, const struct mag_session *s, size_t i, uint64_t now_ns)
{
	const struct mag_binding *b = &s->binding[i];

	return b->state == MAG_WAIT && b->due_ns <= now_ns && mag_link_ok(mag, i) &&
	       !mag->path[i].leaving;
}

bool mag_young(const struct mag *mag, const struct mag_session *s, size_t except, uint64_t now_ns)
{
	for (size_t i = 0; i < mag->n_path; i++) {
		const struct mag_binding *b = &s->binding[i];

		if (i != except && b->request == REQUEST_REGISTER && b->tries <= 1 &&
		    (b->pending || b->due_ns > now_ns))
			return true;
	}
	return false;
}

static void start_all(struct mag *mag, struct mag_session *s, uint64_t now_ns)
{
	if (s->multipath_ns > now_ns)
		return; /* MP-SIG-19: the anchor refused a further path */
	for (size_t k = 0; k < mag->n_path; k++) {
		size_t i = mag->order[k];

		if (!may_start(mag, s, i, now_ns))
			continue;
		if (s->serialise && mag_young(mag, s, MAG_NONE, now_ns))
			return;
		mag_register(mag, s, i);
	}
}

/* The path to try next: least often tried, then alive, then best by priority. */
static size_t candidate(const struct mag *mag, const struct mag_session *s, uint64_t now_ns)
{
	size_t best = MAG_NONE;

	for (size_t k = 0; k < mag->n_path; k++) {
		size_t i = mag->order[k];
		const struct mag_binding *b = &s->binding[i];
		const struct mag_binding *a;

		if (!may_start(mag, s, i, now_ns))
			continue;
		a = best == MAG_NONE ? b : &s->binding[best];
		if (best == MAG_NONE || b->visits < a->visits ||
		    (b->visits == a->visits && mag->path[i].alive && !mag->path[best].alive))
			best = i;
	}
	return best;
}

/* MP-CF-13: the very first registration waits a little for a path of better priority. */
static bool better_may_come(const struct mag *mag, const struct mag_session *s, size_t i,
			    uint64_t now_ns)
{
	if (s->ever || s->binding[i].visits > 0 || now_ns >= s->discovery_ns)
		return false;
	for (size_t k = 0; k < mag->n_configured; k++)
		if (mag->path[k].config.priority < mag->path[i].config.priority &&
		    s->binding[k].state == MAG_IDLE)
			return true;
	return false;
}

static void start_one(struct mag *mag, struct mag_session *s, uint64_t now_ns)
{
	size_t next = candidate(mag, s, now_ns);

	if (next == MAG_NONE)
		return;
	for (size_t i = 0; i < mag->n_path; i++) {
		switch (s->binding[i].state) {
		case MAG_INIT:
		case MAG_ACTIVE:
		case MAG_REFRESH:
		case MAG_DEREG:
			return;
		case MAG_SUSPECT: /* left at once for something better, and later for anything */
			if (!mag->path[next].alive && now_ns < s->binding[i].confirm_ns)
				return;
			break;
		case MAG_IDLE:
		case MAG_WAIT:
		case MAG_REJECTED:
			break;
		}
	}
	if (better_may_come(mag, s, next, now_ns))
		return;
	/* A PBU by the old path would be newer than the handoff's. */
	for (size_t i = 0; i < mag->n_path; i++)
		if (s->binding[i].state == MAG_SUSPECT)
			mag_cancel(mag, s, i);
	s->binding[next].visits++;
	mag_register(mag, s, next);
}

bool mag_alternative(const struct mag *mag, const struct mag_session *s, size_t i)
{
	for (size_t k = 0; k < mag->n_configured; k++)
		if (k != i && s->binding[k].state == MAG_WAIT && mag_link_ok(mag, k))
			return true;
	return false;
}

/* The same node's session of an earlier configuration: its end must not hit the new one. */
static bool has_predecessor(const struct mag *mag, const struct mag_session *s)
{
	for (size_t k = 0; k < mag->n_session; k++)
		if (mag->session[k] != s && mag->session[k]->leaving && !mag->session[k]->gone &&
		    mh_id_equal(&mag->session[k]->node.mn_id, &s->node.mn_id))
			return true;
	return false;
}

void mag_schedule(struct mag *mag, struct mag_session *s, uint64_t now_ns)
{
	struct core_peer peer;
	bool alt;

	/* A deregistration that no path can carry is left to the lifetime. */
	for (size_t i = 0; i < mag->n_path; i++)
		if (s->binding[i].state == MAG_DEREG && s->binding[i].pending &&
		    !mag_route(mag, s, i, &peer, &alt))
			mag_deregistered(mag, s, i, now_ns);
	if (s->leaving || s->denied || has_predecessor(mag, s))
		return;
	if (mag_sequential(mag, s))
		start_one(mag, s, now_ns);
	else
		start_all(mag, s, now_ns);
}
