/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is a path alive? One state machine per probed tunnel: a probe each `interval`, down when nothing
 * came back for `detect`, up again after `up_count` answers in a row. Knows nothing of STAMP's
 * octets (net/stamp.c) nor of who asks. RFC 8762 gives the probe; the numbers are ours (issue:
 * 100/300 ms).
 */
#ifndef MAGPIE_CORE_HEALTH_H
#define MAGPIE_CORE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/port.h"

struct health_config {
	uint32_t interval_ms; /* default 100 */
	uint32_t detect_ms;   /* default 300 */
	uint32_t up_count;    /* answers in a row, default 3 */
};

enum health_state {
	HEALTH_UNKNOWN, /* never heard: counts as usable until `detect` has passed since start */
	HEALTH_UP,
	HEALTH_DOWN,
};

#define HEALTH_WINDOW 64 /* probes that loss is computed over */

struct health {
	enum health_state state;
	uint32_t sequence; /* of the next probe */
	uint32_t answers_in_row;
	uint64_t started_ns;
	uint64_t next_probe_ns;
	uint64_t heard_ns;  /* last valid answer; 0 = never */
	uint32_t rtt_us;    /* smoothed as RFC 6298 does; 0 = unknown */
	uint32_t jitter_us; /* smoothed mean deviation */
	uint64_t sent_mask; /* of the last HEALTH_WINDOW probes, newest in bit 0 */
	uint64_t answered_mask;
	uint64_t sent;
	uint64_t answered;
	uint64_t stray;			 /* answers that match no outstanding probe */
	uint64_t sent_ns[HEALTH_WINDOW]; /* by sequence % HEALTH_WINDOW */
	uint64_t nonce[HEALTH_WINDOW];
};

void health_start(struct health *h, uint64_t now_ns);
/*
 * True when a probe is due: takes a sequence number and remembers `nonce` with it (the answer must
 * bring it back, ATK-22). Call until false.
 */
bool health_probe_due(struct health *h, const struct health_config *config, uint64_t now_ns,
		      uint64_t nonce, uint32_t *ret_sequence);
/* An answer came. False: it matches no outstanding probe, and changed nothing but `stray`. */
bool health_answer(struct health *h, const struct health_config *config, uint64_t now_ns,
		   uint32_t sequence, uint64_t nonce);
/*
 * Judges; true when the state changed. Feed the answers that have arrived first: after a pause of
 * the process the socket's queue, not the path, was silent. An UNKNOWN path is UP with its first
 * answer, a DOWN one with the up_count-th in a row.
 */
bool health_judge(struct health *h, const struct health_config *config, uint64_t now_ns);
/* When to come again. */
uint64_t health_next_ns(const struct health *h, const struct health_config *config);
/* Lost share of the window in 1/1000000, probes still within `detect` not counted. */
uint32_t health_loss_ppm(const struct health *h, const struct health_config *config,
			 uint64_t now_ns);

#endif
