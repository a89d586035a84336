/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The liveness of one path. Silence is measured from the last answer that was heard, so detection
 * takes `detect_ms` whatever the round trip is; coming back takes `up_count` answers to probes that
 * followed each other, so one lucky packet on a bad link revives nothing. An answer is believed
 * only if it brings the nonce of a probe of the last HEALTH_WINDOW that was not answered yet.
 */
#include "core/health.h"

#include <string.h>

#define NSEC_PER_MSEC UINT64_C(1000000)
#define NSEC_PER_USEC UINT64_C(1000)
#define PPM	      UINT64_C(1000000)

static uint64_t msec(uint32_t ms)
{
	return ms * NSEC_PER_MSEC;
}

void health_start(struct health *h, uint64_t now_ns)
{
	memset(h, 0, sizeof(*h));
	h->started_ns = now_ns;
	h->next_probe_ns = now_ns;
}

bool health_probe_due(struct health *h, const struct health_config *config, uint64_t now_ns,
		      uint64_t nonce, uint32_t *ret_sequence)
{
	size_t slot = h->sequence % HEALTH_WINDOW;

	if (now_ns < h->next_probe_ns)
		return false;
	h->sent_mask = h->sent_mask << 1 | 1;
	h->answered_mask <<= 1;
	h->sent_ns[slot] = now_ns;
	h->nonce[slot] = nonce;
	h->sent++;
	*ret_sequence = h->sequence++;
	/* A process that slept goes on at its pace: a burst would measure nothing but itself. */
	h->next_probe_ns += msec(config->interval_ms);
	if (h->next_probe_ns <= now_ns)
		h->next_probe_ns = now_ns + msec(config->interval_ms);
	return true;
}

/* RFC 6298 2.2, 2.3: alpha 1/8, beta 1/4; at least 1 us, because 0 means unknown. */
static void smooth_rtt(struct health *h, uint64_t rtt_ns)
{
	uint64_t us = rtt_ns / NSEC_PER_USEC;
	uint32_t sample = us == 0 ? 1 : us > UINT32_MAX / 8 ? UINT32_MAX / 8 : (uint32_t)us;
	uint32_t deviation;

	if (h->rtt_us == 0) {
		h->rtt_us = sample;
		h->jitter_us = sample / 2;
		return;
	}
	deviation = sample > h->rtt_us ? sample - h->rtt_us : h->rtt_us - sample;
	h->jitter_us = (3 * h->jitter_us + deviation) / 4;
	h->rtt_us = (7 * h->rtt_us + sample) / 8;
	if (h->rtt_us == 0)
		h->rtt_us = 1;
}

bool health_answer(struct health *h, const struct health_config *config, uint64_t now_ns,
		   uint32_t sequence, uint64_t nonce)
{
	uint32_t age = h->sequence - 1 - sequence;
	uint64_t in_window = h->sent < HEALTH_WINDOW ? h->sent : HEALTH_WINDOW;
	size_t slot = sequence % HEALTH_WINDOW;
	bool follows;

	if (age >= in_window || h->nonce[slot] != nonce || h->answered_mask >> age & 1) {
		h->stray++;
		return false;
	}
	follows = age + 1 < in_window && h->answered_mask >> (age + 1) & 1;
	h->answered_mask |= UINT64_C(1) << age;
	h->answered++;
	h->answers_in_row = follows ? h->answers_in_row + 1 : 1;
	if (h->answers_in_row > config->up_count)
		h->answers_in_row = config->up_count;
	h->heard_ns = now_ns;
	smooth_rtt(h, now_ns - h->sent_ns[slot]);
	return true;
}

static uint64_t silent_since(const struct health *h)
{
	return h->state == HEALTH_UNKNOWN ? h->started_ns : h->heard_ns;
}

bool health_judge(struct health *h, const struct health_config *config, uint64_t now_ns)
{
	enum health_state old = h->state;

	switch (h->state) {
	case HEALTH_UNKNOWN:
		if (h->heard_ns)
			h->state = HEALTH_UP;
		else if (now_ns - silent_since(h) >= msec(config->detect_ms))
			h->state = HEALTH_DOWN;
		break;
	case HEALTH_UP:
		if (now_ns - silent_since(h) >= msec(config->detect_ms))
			h->state = HEALTH_DOWN;
		break;
	case HEALTH_DOWN:
		if (h->answers_in_row >= config->up_count)
			h->state = HEALTH_UP;
		break;
	}
	if (h->state == HEALTH_DOWN && old != HEALTH_DOWN)
		h->answers_in_row = 0;
	return h->state != old;
}

uint64_t health_next_ns(const struct health *h, const struct health_config *config)
{
	uint64_t verdict;

	if (h->state == HEALTH_DOWN)
		return h->next_probe_ns;
	verdict = silent_since(h) + msec(config->detect_ms);
	return verdict < h->next_probe_ns ? verdict : h->next_probe_ns;
}

uint32_t health_loss_ppm(const struct health *h, const struct health_config *config,
			 uint64_t now_ns)
{
	uint64_t lost = 0;
	uint64_t counted = 0;

	for (uint32_t age = 0; age < HEALTH_WINDOW && h->sent_mask >> age & 1; age++) {
		size_t slot = (h->sequence - 1 - age) % HEALTH_WINDOW;

		/* Young ones are left out answered or not, or the share would be too small. */
		if (now_ns - h->sent_ns[slot] < msec(config->detect_ms))
			continue;
		counted++;
		lost += !(h->answered_mask >> age & 1);
	}
	return counted ? (uint32_t)(lost * PPM / counted) : 0;
}
