/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The order keys of a gateway: Timestamp values that never go back within a session.
 *
 * RFC 5213 6.9.1.2 forbids following the anchor's clock (B-5213-6.9.1.2-b); EC-56 wants a gateway
 * whose own clock was stepped to recover within two PBUs. Both hold like this: mono_ns shows by how
 * much the wall clock was stepped, so there are two time scales that are *ours*: the wall clock as
 * it is now, and the scale in which the anchor last accepted a key, continued. The time in a 156 or
 * 157 only chooses between these two; it is never copied. When neither is better than the one in
 * use, our clock differs from the anchor's by more than a step of ours, and only the operator's
 * time source can help: that is a refusal with a hold.
 */
#include "core/mag_state.h"

/* 157: a key may run ahead of our clock by this much to get above one that was accepted before. */
#define LEAD_MAX MAG_STAMP_SEC

static uint64_t stamp_of_ns(uint64_t ns)
{
	return ns / CORE_NSEC_PER_SEC * MAG_STAMP_SEC +
	       ns % CORE_NSEC_PER_SEC * MAG_STAMP_SEC / CORE_NSEC_PER_SEC;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static bool is_step(int64_t units)
{
	return units > MAG_STEP_MIN || units < -MAG_STEP_MIN;
}

void mag_clock_see(struct mag *mag, const struct core_time *now)
{
	struct mag_clock *c = &mag->clock;
	uint64_t expected = c->last.stamp + stamp_of_ns(now->mono_ns - c->last.mono_ns);
	int64_t step = (int64_t)(now->stamp - expected);

	if (c->last.stamp && is_step(step)) {
		c->steps = (int64_t)((uint64_t)c->steps + (uint64_t)step);
		c->keep = (int64_t)((uint64_t)c->keep - (uint64_t)step);
		/* Who already continues an old scale goes on until the clock is right again. */
		if (c->shift)
			c->shift = (int64_t)((uint64_t)c->shift - (uint64_t)step);
		if (!is_step(c->shift))
			c->shift = 0;
	}
	c->last = *now;
}

uint64_t mag_clock_key(struct mag *mag, struct mag_session *s, const struct core_time *now)
{
	uint64_t key = now->stamp + (uint64_t)mag->clock.shift;

	if (key <= s->last_stamp)
		key = s->last_stamp + 1;
	s->last_stamp = key;
	return key;
}

void mag_clock_accepted(struct mag *mag, struct mag_session *s, const struct mag_sent *sent)
{
	struct mag_clock *c = &mag->clock;

	if (sent->stamp > s->accepted_stamp)
		s->accepted_stamp = sent->stamp;
	c->keep = (int64_t)((uint64_t)sent->shift - ((uint64_t)c->steps - (uint64_t)sent->steps));
	c->keep_known = true;
}

bool mag_clock_rejected(struct mag *mag, struct mag_session *s, const struct core_time *now,
			const struct mh_message *msg)
{
	struct mag_clock *c = &mag->clock;
	uint64_t wall = now->stamp;
	int64_t best = 0;
	uint64_t lead;
	bool other;
	bool ahead;

	if (!(msg->has & MH_HAS(TIMESTAMP)))
		return false;
	if (c->keep_known &&
	    distance(wall + (uint64_t)c->keep, msg->timestamp) < distance(wall, msg->timestamp))
		best = c->keep;
	other = is_step((int64_t)((uint64_t)best - (uint64_t)c->shift));
	if (other)
		c->shift = is_step(best) ? best : 0;
	/* Keys sent in a wrong scale were refused: they bind nobody and hold no key up. */
	ahead = msg->status == MH_STATUS_TIMESTAMP_MISMATCH &&
		is_step((int64_t)(s->last_stamp - (wall + (uint64_t)c->shift))) &&
		s->last_stamp > wall + (uint64_t)c->shift && s->last_stamp > s->accepted_stamp;
	for (size_t i = 0; i < mag->n_session && (other || ahead); i++)
		mag->session[i]->last_stamp = mag->session[i]->accepted_stamp;
	if (other || ahead)
		return true;
	lead = msg->timestamp - (wall + (uint64_t)c->shift);
	if (msg->status == MH_STATUS_TIMESTAMP_OLD && lead <= LEAD_MAX &&
	    msg->timestamp > s->last_stamp)
		s->last_stamp = msg->timestamp;
	return false;
}
