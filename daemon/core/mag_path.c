/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The transitions of one binding, and what its device and its health do to it (rows M1, M18-M25).
 * Nothing is sent or published here: the states are changed, mag_settle does the rest.
 */
#include "core/mag_state.h"

#include <string.h>

bool mag_link_ok(const struct mag *mag, size_t i)
{
	return mag->path[i].link.usable;
}

bool mag_live(const struct mag *mag, const struct mag_session *s, size_t i)
{
	const struct mag_binding *b = &s->binding[i];

	if (!b->bound || !mag->path[i].link.usable || !mag->path[i].alive)
		return false;
	return b->state == MAG_ACTIVE || b->state == MAG_REFRESH || s->leaving;
}

size_t mag_best_live(const struct mag *mag, const struct mag_session *s, size_t except)
{
	for (size_t k = 0; k < mag->n_path; k++)
		if (mag->order[k] != except && mag_live(mag, s, mag->order[k]))
			return mag->order[k];
	return MAG_NONE;
}

bool mag_any_bound(const struct mag *mag, const struct mag_session *s, size_t except)
{
	for (size_t i = 0; i < mag->n_path; i++)
		if (i != except && s->binding[i].bound)
			return true;
	return false;
}

void mag_cancel(struct mag *mag, struct mag_session *s, size_t i)
{
	struct mag_binding *b = &s->binding[i];
	bool carried = s->carrier == i && b->request == REQUEST_BULK;

	b->generation = ++s->generation;
	b->request = REQUEST_NONE;
	b->pending = false;
	b->deferred = false;
	b->in_bulk = false;
	b->all_zero = false;
	b->overwrite = false;
	b->repeats = 0;
	b->tries = 0;
	b->due_ns = CORE_NEVER;
	if (carried)
		mag_bulk_apart(mag, s);
}

void mag_request(struct mag *mag, struct mag_session *s, size_t i, enum mag_request request)
{
	struct mag_binding *b = &s->binding[i];

	mag_cancel(mag, s, i);
	b->request = request;
	b->pending = true;
}

void mag_register(struct mag *mag, struct mag_session *s, size_t i)
{
	struct mag_binding *b = &s->binding[i];

	mag_request(mag, s, i, REQUEST_REGISTER);
	b->state = MAG_INIT;
	b->tunnel = (struct core_peer){
		.local = mag->path[i].link.address,
		.remote = s->lma,
		.ifindex = mag->path[i].link.ifindex,
	};
	b->rx_until_ns = CORE_NEVER;
}

void mag_wait(struct mag *mag, struct mag_session *s, size_t i, uint64_t due_ns)
{
	struct mag_binding *b = &s->binding[i];

	mag_cancel(mag, s, i);
	b->state = mag_link_ok(mag, i) && !mag->path[i].leaving ? MAG_WAIT : MAG_IDLE;
	b->due_ns = b->state == MAG_WAIT ? due_ns : CORE_NEVER;
	if (b->rx_until_ns == CORE_NEVER)
		b->rx_until_ns = 0;
}

/* True when packets may still be under way in the binding's tunnel. */
static bool receives(const struct mag_binding *b)
{
	switch (b->state) {
	case MAG_INIT:
	case MAG_ACTIVE:
	case MAG_REFRESH:
	case MAG_SUSPECT:
	case MAG_DEREG:
		return true;
	case MAG_IDLE:
	case MAG_WAIT:
	case MAG_REJECTED:
		return false;
	}
	return false;
}

static void start_drain(struct mag *mag, struct mag_binding *b, uint64_t now_ns)
{
	if (receives(b) && b->bound)
		b->rx_until_ns = now_ns + mag->config.drain_ms * MSEC;
}

void mag_forget(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns,
		enum core_note_kind note, const char *detail)
{
	struct mag_binding *b = &s->binding[i];
	uint64_t retry_ns = b->lost ? mag->config.retry_first_ms * MSEC : 0;

	start_drain(mag, b, now_ns);
	if (b->bound)
		mag_note(mag, s, i, note, detail);
	b->bound = false;
	b->multi = false;
	b->expires_ns = 0;
	b->visits = 0;
	mag_wait(mag, s, i, now_ns + retry_ns);
}

void mag_deregister(struct mag *mag, struct mag_session *s, size_t i)
{
	mag_request(mag, s, i, REQUEST_DEREG);
	s->binding[i].state = MAG_DEREG;
}

void mag_deregistered(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];
	bool all = b->request == REQUEST_RELEASE;
	bool rejected = b->reject_after;

	if (all)
		s->carrier = MAG_NONE;
	for (size_t k = 0; k < mag->n_path; k++)
		if (k == i || (all && s->binding[k].state == MAG_DEREG))
			mag_forget(mag, s, k, now_ns, CORE_NOTE_BINDING_REMOVED, NULL);
	b->reject_after = false;
	if (rejected && b->state == MAG_WAIT)
		mag_reject(mag, s, i, now_ns + mag->config.reject_hold_ms * MSEC);
}

void mag_reject(struct mag *mag, struct mag_session *s, size_t i, uint64_t until_ns)
{
	mag_wait(mag, s, i, until_ns);
	if (s->binding[i].state == MAG_WAIT)
		s->binding[i].state = MAG_REJECTED;
}

/* M30: one message for all when the anchor is known to understand B, else one for each. */
void mag_leave(struct mag *mag, struct mag_session *s)
{
	size_t best;

	if (s->leaving)
		return;
	s->leaving = true;
	best = s->mode == MAG_MULTI ? mag_best_live(mag, s, MAG_NONE) : MAG_NONE;
	for (size_t i = 0; i < mag->n_path; i++) {
		struct mag_binding *b = &s->binding[i];
		bool maybe = b->bound || (b->request == REQUEST_REGISTER && b->tries > 0);

		if (i != best && maybe && best == MAG_NONE) {
			mag_deregister(mag, s, i);
		} else if (i != best && maybe) {
			mag_cancel(mag, s, i);
			b->state = MAG_DEREG;
		} else if (i != best) {
			mag_wait(mag, s, i, CORE_NEVER);
		}
	}
	if (best == MAG_NONE)
		return;
	mag_request(mag, s, best, REQUEST_RELEASE);
	s->binding[best].state = MAG_DEREG;
	s->carrier = best;
}

/* M18: not used from now on; deregistered when it stays so and somebody can tell the anchor. */
void mag_suspect(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];

	mag_cancel(mag, s, i);
	b->state = MAG_SUSPECT;
	b->lost = true;
	b->confirm_ns = now_ns + mag->config.suspect_ms * MSEC;
	b->due_ns = b->confirm_ns;
}

/* M22: over a sibling, because the device's own address is gone. In a legacy session the
 * handoff by another path replaces the binding, and without any sibling the anchor keeps it. */
static void link_lost(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];
	bool registered = b->bound && receives(b);

	b->lost = true;
	if (s->leaving)
		return;
	if (registered && s->mode == MAG_MULTI && mag_best_live(mag, s, i) != MAG_NONE) {
		if (b->state != MAG_DEREG)
			mag_deregister(mag, s, i);
		return;
	}
	start_drain(mag, b, now_ns);
	mag_wait(mag, s, i, CORE_NEVER);
}

/* M1, M24: cancels a deregistration that is under way. */
static void link_found(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];

	if (s->leaving)
		return;
	if (!s->discovery_ns)
		s->discovery_ns = now_ns + mag->config.discovery_wait_ms * MSEC;
	b->visits = 0;
	mag_wait(mag, s, i, now_ns);
}

/* M25: same BID, new address; what comes to the old one is taken until its drain ends. */
static void link_moved(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];

	if (s->leaving)
		return;
	if (receives(b) && b->bound) {
		b->old = b->tunnel;
		b->old_until_ns = now_ns + mag->config.drain_ms * MSEC;
	}
	if (b->state == MAG_IDLE || b->state == MAG_WAIT || b->state == MAG_REJECTED)
		mag_wait(mag, s, i, now_ns);
	else
		mag_register(mag, s, i);
}

void mag_link(struct mag *mag, const struct core_time *now, size_t index,
	      const struct mag_link *link)
{
	struct mag_link was;

	if (index >= mag->n_configured)
		return;
	mag_clock_see(mag, now);
	was = mag->path[index].link;
	mag->path[index].link = *link;
	for (size_t k = 0; k < mag->n_session; k++) {
		struct mag_session *s = mag->session[k];

		if (was.usable && !link->usable)
			link_lost(mag, s, index, now->mono_ns);
		else if (!was.usable && link->usable)
			link_found(mag, s, index, now->mono_ns);
		else if (link->usable && !ip_equal(&was.address, &link->address))
			link_moved(mag, s, index, now->mono_ns);
		else if (link->usable && ip_equal(&s->binding[index].tunnel.local, &link->address))
			s->binding[index].tunnel.ifindex = link->ifindex;
		mag_settle(mag, s, now);
	}
}

/* M19: carries flows again after the hold-down. */
static void recovered(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];

	mag_cancel(mag, s, i);
	b->state = MAG_ACTIVE;
	b->lost = false;
	b->usable_ns = now_ns + mag->config.hold_down_ms * MSEC;
	b->due_ns = b->refresh_ns > now_ns ? b->refresh_ns : now_ns;
	/* A handoff that is under way is not needed any more. */
	for (size_t k = 0; k < mag->n_path; k++)
		if (mag_sequential(mag, s) && s->binding[k].state == MAG_INIT)
			mag_wait(mag, s, k, now_ns);
}

static void health_changed(struct mag *mag, struct mag_session *s, size_t i, bool up,
			   uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];

	if (b->bound)
		mag_note(mag, s, i, up ? CORE_NOTE_PATH_UP : CORE_NOTE_PATH_DOWN, NULL);
	if (s->leaving)
		return;
	if (!up && (b->state == MAG_ACTIVE || b->state == MAG_REFRESH)) {
		mag_suspect(mag, s, i, now_ns);
	} else if (up && b->state == MAG_SUSPECT) {
		recovered(mag, s, i, now_ns);
	} else if (up && b->state == MAG_WAIT) {
		b->due_ns = now_ns;
	} else if (up && b->state == MAG_INIT) {
		b->tries = 0;
		b->pending = true;
	}
}

void mag_path_state(struct mag *mag, const struct core_time *now, size_t index, bool up)
{
	if (index >= mag->n_configured)
		return;
	if (mag->publishing) {
		mag->path[index].told = true;
		mag->path[index].told_up = up;
		mag->backlog = true;
		return;
	}
	mag->path[index].told = false;
	if (mag->path[index].alive == up)
		return;
	mag_clock_see(mag, now);
	mag->path[index].alive = up;
	for (size_t k = 0; k < mag->n_session; k++) {
		health_changed(mag, mag->session[k], index, up, now->mono_ns);
		mag_settle(mag, mag->session[k], now);
	}
}
