/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An emulated access network: frames from one device to another with delay, jitter, loss, rate and
 * cut, per direction, changed at run time. For labs on kernels without netem; no reordering (jitter
 * stretches, it does not overtake), no corruption, no duplication.
 */
#ifndef MAGPIE_LAB_WAN_H
#define MAGPIE_LAB_WAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a direction does to frames. */
struct wan_shape {
	uint64_t delay_ns;
	uint64_t jitter_ns; /* added at random, 0..jitter */
	uint32_t loss_ppm;
	uint64_t rate_bps;    /* 0: unlimited */
	uint32_t queue_bytes; /* behind the rate */
	bool cut;
};

struct wan_count {
	uint64_t forwarded, lost, queue_drops, cut_drops, kernel_drops, send_errors;
};

/*
 * Takes "delay=25ms jitter=2ms loss=1% rate=40M queue=256k cut=yes|no|up|down" into both shapes
 * (up: from the first device to the second). NULL, or the word that is wrong.
 */
const char *wan_parse(char *words, struct wan_shape shape[2]);

/* Runs between two devices until SIGTERM; listens on a Unix datagram socket at `control`. */
int wan_run(const char *device_a, const char *device_b, const char *control);

/* One request to a running emulator; its one-line answer (JSON) into `answer`. Negative errno. */
int wan_ask(const char *control, const char *words, char *answer, size_t size);

#endif
