/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Refusals: what a gateway does about each status code, for a first registration and for one that
 * has a running session behind it (rows M6, M8-M11, M16). One table; a code without a row is held
 * for reject_hold_ms. A refused refresh cuts nobody off: the binding is used until its lifetime
 * ends (B-OWN-MAG-4), but for the codes that say that the session must not be.
 */
#include "core/mag_state.h"

enum action {
	ACTION_HOLD,	  /* try again later */
	ACTION_KEY,	  /* a new order key */
	ACTION_CLOCK,	  /* 156: a new order key only if our clock was stepped */
	ACTION_RESYNC,	  /* ask for any prefix, once */
	ACTION_NEW_HNP,	  /* these prefixes are not ours: forget them */
	ACTION_OVERWRITE, /* with O=1 */
	ACTION_SINGLE,	  /* without multipath */
	ACTION_DROP,	  /* the session ends here, try again later */
	ACTION_DENY,	  /* ... and is not tried again */
};

/* X(STATUS, first registration, refresh) */
#define REJECTS(X)                                            \
	X(SEQUENCE, ACTION_KEY, ACTION_KEY)                   \
	X(TIMESTAMP_OLD, ACTION_KEY, ACTION_KEY)              \
	X(TIMESTAMP_MISMATCH, ACTION_CLOCK, ACTION_CLOCK)     \
	X(PREFIX_SET_MISMATCH, ACTION_RESYNC, ACTION_RESYNC)  \
	X(HNP_NOT_AUTHORIZED, ACTION_NEW_HNP, ACTION_NEW_HNP) \
	X(NON_MCOA_EXISTS, ACTION_OVERWRITE, ACTION_HOLD)     \
	X(NO_MULTIPATH, ACTION_SINGLE, ACTION_SINGLE)         \
	X(PROXY_REG_NOT_ENABLED, ACTION_DENY, ACTION_DENY)    \
	X(NOT_LMA, ACTION_HOLD, ACTION_DROP)                  \
	X(MAG_NOT_AUTHORIZED, ACTION_HOLD, ACTION_DROP)

static enum action action_for(uint8_t status, bool refresh)
{
	static const struct {
		uint8_t status;
		enum action first;
		enum action refresh;
	} table[] = {
#define X(name, first, refresh) {MH_STATUS_##name, first, refresh},
		REJECTS(X)
#undef X
	};

	for (size_t k = 0; k < sizeof(table) / sizeof(table[0]); k++)
		if (table[k].status == status)
			return refresh ? table[k].refresh : table[k].first;
	return ACTION_HOLD;
}

static uint64_t reject_hold(const struct mag *mag)
{
	return (mag->config.reject_hold_ms ? mag->config.reject_hold_ms : 1) * MSEC;
}

static void note(const struct mag *mag, const struct mag_session *s, size_t i, const char *detail)
{
	mag_note(mag, s, i, CORE_NOTE_REFUSED_BY_PEER, detail);
}

/* Running bindings are kept as they are and asked for again; others wait in REJECTED. */
static void hold(struct mag *mag, struct mag_session *s, size_t i, bool refresh, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];
	uint64_t wait = reject_hold(mag);
	uint64_t part = b->expires_ns > now_ns ? (b->expires_ns - now_ns) / 4 : 0;

	if (!refresh) {
		mag_reject(mag, s, i, now_ns + wait);
		return;
	}
	part = part < CORE_NSEC_PER_SEC ? CORE_NSEC_PER_SEC : part;
	/* A refused B=1 speaks for nobody: the others ask for themselves. */
	mag_cancel(mag, s, i);
	b->state = b->state == MAG_SUSPECT ? MAG_SUSPECT : MAG_ACTIVE;
	b->due_ns = now_ns + (wait < part ? wait : part);
}

/* Immediately while that may help, then at the pace of the repetition that runs anyway. */
static void repeat(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];

	if (b->request == REQUEST_REGISTER && !s->leaving && mag_young(mag, s, i, now_ns)) {
		/* MP-SIG-27: the anchor orders per mobile node; this one waits for its turn. */
		s->serialise = true;
		mag_wait(mag, s, i, now_ns);
	} else if (b->repeats < MAG_FAST) {
		b->repeats++;
		b->pending = true;
		b->deferred = false;
	}
}

/* The session as the anchor knew it is over. */
static void drop(struct mag *mag, struct mag_session *s, size_t i, uint64_t until_ns,
		 uint64_t now_ns)
{
	for (size_t k = 0; k < mag->n_path; k++) {
		if (s->binding[k].bound)
			mag_forget(mag, s, k, now_ns, CORE_NOTE_BINDING_REMOVED,
				   "the anchor refuses the session");
		mag_wait(mag, s, k, until_ns);
	}
	mag_reject(mag, s, i, until_ns);
	if (s->up)
		mag_note(mag, s, i, CORE_NOTE_SESSION_DOWN, "the anchor refuses the session");
	s->up = false;
}

/* M6, M16, MP-SIG-17..19. */
static void single_path(struct mag *mag, struct mag_session *s, size_t i, bool refresh,
			uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];
	uint64_t until = now_ns + mag->config.multipath_hold_s * CORE_NSEC_PER_SEC;

	if (s->mode == MAG_LEGACY) { /* it was not even asked for */
		hold(mag, s, i, refresh, now_ns);
		return;
	}
	s->multipath_ns = until;
	if (!refresh && mag_any_bound(mag, s, i)) {
		mag_reject(mag, s, i, until);
	} else if (refresh && b->multi) {
		hold(mag, s, i, refresh, now_ns);
		b->due_ns = CORE_NEVER; /* to its end */
	} else {
		s->mode = MAG_LEGACY;
		s->refused = true;
		for (size_t k = 0; k < mag->n_path; k++)
			if (k != i && s->binding[k].request)
				mag_wait(mag, s, k, now_ns);
		mag_note(mag, s, i, CORE_NOTE_LEGACY, "status 180");
		mag_request(mag, s, i, refresh ? REQUEST_REFRESH : REQUEST_REGISTER);
	}
}

static void new_prefixes(struct mag *mag, struct mag_session *s, size_t i, bool refresh,
			 uint64_t now_ns)
{
	if (s->node.n_prefix == 0 || s->binding[i].all_zero ||
	    (!refresh && mag_any_bound(mag, s, i))) {
		hold(mag, s, i, refresh, now_ns);
		return;
	}
	drop(mag, s, i, now_ns, now_ns);
	s->node.n_prefix = 0;
}

static void resync(struct mag *mag, struct mag_session *s, size_t i, bool refresh, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];

	if (b->all_zero || s->node.n_prefix == 0) {
		hold(mag, s, i, refresh, now_ns);
		return;
	}
	/* By itself, without B: it is the session that is in question. */
	mag_request(mag, s, i, refresh ? REQUEST_REFRESH : REQUEST_REGISTER);
	b->all_zero = true;
}

static void new_key(struct mag *mag, struct mag_session *s, size_t i, const struct mh_message *msg,
		    const struct core_time *now)
{
	if (msg->status == MH_STATUS_SEQUENCE)
		mag->sequence = msg->sequence; /* B-6275-11.7.3-b */
	else if (mag_clock_rejected(mag, s, now, msg))
		note(mag, s, i, "our clock was stepped: order keys go on in its old time");
	repeat(mag, s, i, now->mono_ns);
}

static void clock_differs(struct mag *mag, struct mag_session *s, size_t i, bool refresh,
			  const struct mh_message *msg, const struct core_time *now)
{
	if (mag_clock_rejected(mag, s, now, msg)) {
		note(mag, s, i, "our clock was stepped: order keys change to its other time");
		repeat(mag, s, i, now->mono_ns);
	} else if (refresh || s->binding[i].request == REQUEST_REGISTER) {
		note(mag, s, i, "our clock and the anchor's differ");
		hold(mag, s, i, refresh, now->mono_ns);
	}
}

static void overwrite(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];

	/* M10: only while no sibling would be deleted by it. */
	if (b->overwrite || mag_best_live(mag, s, i) != MAG_NONE) {
		hold(mag, s, i, false, now_ns);
		return;
	}
	b->overwrite = true;
	b->pending = true;
}

void mag_rejected(struct mag *mag, struct mag_session *s, size_t i, const struct mh_message *msg,
		  uint8_t status, const struct core_time *now)
{
	struct mag_binding *b = &s->binding[i];
	bool refresh = b->request == REQUEST_REFRESH || b->request == REQUEST_BULK;
	bool removal = b->request == REQUEST_DEREG || b->request == REQUEST_RELEASE;
	enum action action = action_for(status, refresh);

	note(mag, s, i, mh_status_text(status));
	if (removal && action != ACTION_KEY && action != ACTION_CLOCK) {
		mag_deregistered(mag, s, i, now->mono_ns);
		return;
	}
	switch (action) {
	case ACTION_HOLD:
		hold(mag, s, i, refresh, now->mono_ns);
		break;
	case ACTION_KEY:
		new_key(mag, s, i, msg, now);
		break;
	case ACTION_CLOCK:
		clock_differs(mag, s, i, refresh, msg, now);
		break;
	case ACTION_RESYNC:
		resync(mag, s, i, refresh, now->mono_ns);
		break;
	case ACTION_NEW_HNP:
		new_prefixes(mag, s, i, refresh, now->mono_ns);
		break;
	case ACTION_OVERWRITE:
		overwrite(mag, s, i, now->mono_ns);
		break;
	case ACTION_SINGLE:
		single_path(mag, s, i, refresh, now->mono_ns);
		break;
	case ACTION_DROP:
		drop(mag, s, i, now->mono_ns + reject_hold(mag), now->mono_ns);
		break;
	case ACTION_DENY:
		drop(mag, s, i, CORE_NEVER, now->mono_ns);
		s->denied = true;
		break;
	}
}
