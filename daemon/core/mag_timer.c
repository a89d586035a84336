/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What time does: repetitions, refreshes, expiry, ends of holds (rows M12-M14, M17, M20, M21), and
 * when it does the next thing.
 */
#include "core/mag_state.h"

/* What the binding has waited for did not come. */
static void timed_out(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];
	uint32_t quota = b->visits > 1 ? 1 : mag->config.discovery_tries;
	bool move_on = mag_sequential(mag, s) && b->tries >= quota && mag_alternative(mag, s, i);

	switch (b->request) {
	case REQUEST_NONE:
		return;
	case REQUEST_REGISTER:
		if (move_on)
			mag_wait(mag, s, i, now_ns);
		else
			b->pending = true;
		break;
	case REQUEST_REFRESH:
		if (move_on && b->state == MAG_REFRESH)
			mag_suspect(mag, s, i, now_ns);
		else
			b->pending = true;
		break;
	case REQUEST_BULK:
		mag_bulk_apart(mag, s);
		break;
	case REQUEST_DEREG:
	case REQUEST_RELEASE:
		if (b->tries >= MAG_DEREGS) {
			mag_deregistered(mag, s, i, now_ns);
			return;
		}
		b->pending = true;
		break;
	}
	mag_note(mag, s, i, CORE_NOTE_RETRYING, NULL);
}

static void due(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];

	if (b->deferred) {
		b->deferred = false;
		b->pending = true;
		return;
	}
	switch (b->state) {
	case MAG_IDLE:
	case MAG_WAIT:
		break;
	case MAG_REJECTED:
		mag_wait(mag, s, i, now_ns);
		break;
	case MAG_ACTIVE:
		mag_refresh_due(mag, s, i);
		break;
	case MAG_SUSPECT:
		b->due_ns = CORE_NEVER;
		if (mag_sequential(mag, s) && mag_alternative(mag, s, i))
			break;			/* a handoff is next */
		if (b->request == REQUEST_NONE) /* M21: nobody can deregister it */
			mag_request(mag, s, i, REQUEST_REFRESH);
		else
			timed_out(mag, s, i, now_ns);
		break;
	case MAG_INIT:
	case MAG_REFRESH:
	case MAG_DEREG:
		timed_out(mag, s, i, now_ns);
		break;
	}
}

static void expire(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];

	switch (b->state) {
	case MAG_ACTIVE:
	case MAG_REFRESH:
	case MAG_SUSPECT:
	case MAG_DEREG:
		b->lost = true;
		mag_forget(mag, s, i, now_ns, CORE_NOTE_BINDING_EXPIRED, NULL);
		break;
	case MAG_IDLE:
	case MAG_WAIT:
	case MAG_INIT:
	case MAG_REJECTED:
		mag_note(mag, s, i, CORE_NOTE_BINDING_EXPIRED, NULL);
		b->bound = false;
		b->multi = false;
		b->expires_ns = 0;
		break;
	}
}

/* Everything is lost, so what the anchor can do is asked again (MP-SIG-06, -18). */
static void forget_mode(struct mag *mag, struct mag_session *s, uint64_t now_ns)
{
	if (!s->multipath || mag_any_bound(mag, s, MAG_NONE) || !s->ever)
		return;
	if (s->multipath_ns > now_ns) {
		s->mode = MAG_LEGACY;
		s->refused = true;
	} else if (s->mode == MAG_LEGACY) {
		for (size_t i = 0; i < mag->n_path; i++)
			if (s->binding[i].state == MAG_INIT)
				return; /* the answer to a PBU without MMB is awaited */
		s->mode = MAG_UNKNOWN;
		s->refused = false;
	}
}

/* MP-SIG-18: the hold is over; the legacy binding asks for multipath with its next PBU. */
static void ask_again(struct mag *mag, struct mag_session *s, uint64_t now_ns)
{
	if (s->multipath_ns == 0 || s->multipath_ns > now_ns)
		return;
	if (s->mode != MAG_LEGACY) {
		s->multipath_ns = 0;
		return;
	}
	for (size_t i = 0; s->refused && i < mag->n_path; i++) {
		if (s->binding[i].state != MAG_ACTIVE)
			continue;
		s->multipath_ns = 0;
		s->refused = false;
		s->mode = MAG_UNKNOWN;
		mag_refresh_due(mag, s, i);
		return;
	}
}

void mag_timers(struct mag *mag, struct mag_session *s, uint64_t now_ns)
{
	for (size_t i = 0; i < mag->n_path; i++) {
		struct mag_binding *b = &s->binding[i];

		if (b->bound && b->expires_ns <= now_ns)
			expire(mag, s, i, now_ns);
		if (b->state == MAG_SUSPECT && b->confirm_ns <= now_ns && s->mode == MAG_MULTI &&
		    mag_best_live(mag, s, i) != MAG_NONE)
			mag_deregister(mag, s, i);
		if (b->due_ns <= now_ns && !b->pending)
			due(mag, s, i, now_ns);
	}
	ask_again(mag, s, now_ns);
	forget_mode(mag, s, now_ns);
	if (s->up && s->lease_ns <= now_ns && !mag_any_bound(mag, s, MAG_NONE)) {
		s->up = false;
		mag_note(mag, s, MAG_NONE, CORE_NOTE_SESSION_DOWN, "no binding is left");
	}
}

static void earlier(uint64_t *next, uint64_t t, uint64_t now_ns)
{
	if (t > now_ns && t < *next)
		*next = t;
}

uint64_t mag_session_next(const struct mag *mag, const struct mag_session *s, uint64_t now_ns)
{
	uint64_t next = CORE_NEVER;

	for (size_t i = 0; i < mag->n_path; i++) {
		const struct mag_binding *b = &s->binding[i];

		/* A waiting path whose time has come waits for an event, not for time. */
		if (b->state != MAG_WAIT && b->due_ns < next)
			next = b->due_ns;
		earlier(&next, b->due_ns, now_ns);
		if (b->bound)
			earlier(&next, b->expires_ns, now_ns);
		if (b->state == MAG_SUSPECT)
			earlier(&next, b->confirm_ns, now_ns);
		earlier(&next, b->usable_ns, now_ns);
		earlier(&next, b->rx_until_ns, now_ns);
		earlier(&next, b->old_until_ns, now_ns);
	}
	earlier(&next, s->discovery_ns, now_ns);
	earlier(&next, s->multipath_ns, now_ns);
	if (s->up)
		earlier(&next, s->lease_ns, now_ns);
	if (s->behind)
		earlier(&next, s->publish_ns, now_ns);
	return next;
}
