/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The gateway as its users see it, and the one loop behind every event (see core/mag_state.h).
 */
#include "core/mag_state.h"

#include <stdlib.h>

static const char *state_text(enum mag_state state)
{
	static const char *const text[] = {
#define X(name, string) [MAG_##name] = (string),
		MAG_STATES(X)
#undef X
	};

	return text[state];
}

static const char *mode_text(enum mag_mode mode)
{
	switch (mode) {
	case MAG_UNKNOWN:
		return "unknown";
	case MAG_MULTI:
		return "multi";
	case MAG_LEGACY:
		return "legacy";
	}
	return "unknown";
}

void mag_note(const struct mag *mag, const struct mag_session *s, size_t i,
	      enum core_note_kind kind, const char *detail)
{
	struct core_note note = {
		.kind = kind,
		.session = s->id,
		.mn_id = &s->node.mn_id,
		.detail = detail,
	};

	if (i != MAG_NONE) {
		note.bid = mag->path[i].config.bid;
		note.label = mag->path[i].config.label;
		note.status = s->binding[i].last_status;
		note.peer = &s->binding[i].tunnel;
	}
	mag->port.note(mag->port.ctx, &note);
}

struct mag_session *mag_session_by_id(const struct mag *mag, uint32_t id)
{
	for (size_t k = 0; k < mag->n_session; k++)
		if (mag->session[k]->id == id)
			return mag->session[k];
	return NULL;
}

static bool deregistering(const struct mag *mag, const struct mag_session *s)
{
	for (size_t i = 0; i < mag->n_path; i++)
		if (s->binding[i].state == MAG_DEREG)
			return true;
	return false;
}

void mag_settle(struct mag *mag, struct mag_session *s, const struct core_time *now)
{
	bool ending;

	if (s->gone)
		return;
	mag_timers(mag, s, now->mono_ns);
	mag_schedule(mag, s, now->mono_ns);
	ending = s->leaving && !deregistering(mag, s);
	if (ending)
		s->up = false;
	mag_sync(mag, s, now->mono_ns);
	mag_flush(mag, s, now);
	s->next_ns = mag_session_next(mag, s, now->mono_ns);
	if (ending && !s->behind) {
		s->gone = true;
		s->next_ns = CORE_NEVER;
		mag_note(mag, s, MAG_NONE, CORE_NOTE_SESSION_DOWN, "deregistered");
		for (size_t k = 0; k < mag->n_session; k++) /* a successor may have waited */
			if (mh_id_equal(&mag->session[k]->node.mn_id, &s->node.mn_id))
				mag_settle(mag, mag->session[k], now);
	}
}

void mag_tick(struct mag *mag, const struct core_time *now)
{
	mag_clock_see(mag, now);
	if (mag->backlog) {
		mag->backlog = false;
		for (size_t i = 0; i < mag->n_configured; i++)
			if (mag->path[i].told)
				mag_path_state(mag, now, i, mag->path[i].told_up);
	}
	for (size_t k = 0; k < mag->n_session; k++)
		if (mag->session[k]->next_ns <= now->mono_ns)
			mag_settle(mag, mag->session[k], now);
}

uint64_t mag_next_ns(const struct mag *mag)
{
	uint64_t next = mag->backlog ? 0 : CORE_NEVER;

	for (size_t k = 0; k < mag->n_session; k++)
		if (mag->session[k]->next_ns < next)
			next = mag->session[k]->next_ns;
	return next;
}

void mag_release(struct mag *mag, const struct core_time *now)
{
	mag_clock_see(mag, now);
	mag->releasing = true;
	for (size_t k = 0; k < mag->n_session; k++) {
		mag_leave(mag, mag->session[k]);
		mag_settle(mag, mag->session[k], now);
	}
}

bool mag_released(const struct mag *mag)
{
	for (size_t k = 0; k < mag->n_session; k++)
		if (!mag->session[k]->gone)
			return false;
	return true;
}

static void binding_info(const struct mag *mag, const struct mag_session *s, size_t i,
			 struct mag_binding_info *info)
{
	const struct mag_binding *b = &s->binding[i];

	*info = (struct mag_binding_info){
		.path = &mag->path[i].config,
		.state = state_text(b->state),
		.local = mag->path[i].link.address,
		.ifindex = mag->path[i].link.ifindex,
		.expires_ns = b->bound ? b->expires_ns : 0,
		.next_ns = b->due_ns == CORE_NEVER ? 0 : b->due_ns,
		.last_status = b->last_status,
		.tries = b->tries,
	};
}

int mag_each(const struct mag *mag, int (*each)(void *ctx, const struct mag_session_info *s),
	     void *ctx)
{
	struct mag_binding_info info[CORE_MAX_BINDINGS];
	int r = 0;

	for (size_t k = 0; k < mag->n_session && r == 0; k++) {
		const struct mag_session *s = mag->session[k];
		struct mag_session_info session = {
			.id = s->id,
			.mn_id = &s->node.mn_id,
			.mode = mode_text(s->mode),
			.lma = s->lma,
			.n_prefix = s->up ? s->node.n_prefix : 0,
			.prefix = s->node.prefix,
			.n = (uint16_t)mag->n_path,
			.binding = info,
		};

		if (s->gone)
			continue;
		for (size_t i = 0; i < mag->n_path; i++)
			binding_info(mag, s, i, &info[i]);
		r = each(ctx, &session);
	}
	return r;
}

const uint64_t *mag_counters(const struct mag *mag)
{
	return mag->counter;
}

const uint64_t *mag_statuses(const struct mag *mag)
{
	return mag->status;
}
