/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Extending lifetimes. One B=1 PBU by the best path speaks for the whole session, but only while
 * every binding is known to be alive, because B would keep a dead one alive at the anchor
 * (MP-MMB-25); and each bulk_every-th round is single PBUs, because the answer to a B does not show
 * that the anchor lost a sibling (MP-MMB-26).
 */
#include "core/mag_state.h"

/* The refresh comes at least this long before the end: three transmissions (base section 1). */
#define EARLY_NS (7 * CORE_NSEC_PER_SEC)

/* Half of the lifetime, 10 % of that to either side by chance; earlier when it is short. */
uint64_t mag_refresh_time(const struct mag *mag, uint64_t sent_ns, uint64_t lifetime_ns)
{
	uint64_t spread = lifetime_ns / 10;
	uint64_t after = lifetime_ns / 2 - spread / 2;
	uint64_t latest = lifetime_ns > EARLY_NS ? lifetime_ns - EARLY_NS : 0;

	after += mag->port.random(mag->port.ctx) % (spread + 1);
	if (after > latest)
		after = latest;
	if (after < lifetime_ns / 4)
		after = lifetime_ns / 4;
	return sent_ns + after;
}

static void refresh_one(struct mag *mag, struct mag_session *s, size_t i)
{
	mag_request(mag, s, i, REQUEST_REFRESH);
	s->binding[i].state = MAG_REFRESH;
}

void mag_bulk_apart(struct mag *mag, struct mag_session *s)
{
	s->carrier = MAG_NONE;
	for (size_t i = 0; i < mag->n_path; i++) {
		struct mag_binding *b = &s->binding[i];

		if (b->state != MAG_REFRESH || (!b->in_bulk && b->request != REQUEST_BULK))
			continue;
		refresh_one(mag, s, i);
	}
}

static bool bulk_allowed(const struct mag *mag, const struct mag_session *s)
{
	size_t n = 0;

	if (s->mode != MAG_MULTI || mag->config.bulk_every <= 1 || s->multipath_ns)
		return false;
	for (size_t i = 0; i < mag->n_path; i++) {
		const struct mag_binding *b = &s->binding[i];

		if (b->bound && (b->state != MAG_ACTIVE || !mag_live(mag, s, i)))
			return false;
		n += b->bound;
	}
	return n > 1;
}

static void refresh_bulk(struct mag *mag, struct mag_session *s)
{
	size_t best = mag_best_live(mag, s, MAG_NONE);

	for (size_t i = 0; i < mag->n_path; i++) {
		struct mag_binding *b = &s->binding[i];

		if (b->state != MAG_ACTIVE)
			continue;
		mag_cancel(mag, s, i);
		b->state = MAG_REFRESH;
		b->in_bulk = true;
	}
	mag_request(mag, s, best, REQUEST_BULK);
	s->carrier = best;
}

void mag_refresh_due(struct mag *mag, struct mag_session *s, size_t i)
{
	if (!bulk_allowed(mag, s)) {
		refresh_one(mag, s, i);
		return;
	}
	if (++s->round % mag->config.bulk_every != 0) {
		refresh_bulk(mag, s);
		return;
	}
	for (size_t k = 0; k < mag->n_path; k++)
		if (s->binding[k].state == MAG_ACTIVE)
			refresh_one(mag, s, k);
}
