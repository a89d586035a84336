/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An emulated access network: frames from one device to another with delay, jitter, loss, rate and
 * cut, per direction, changed at run time. For labs on kernels without netem; no corruption and no
 * duplication, and no reordering unless asked for.
 */
#ifndef MAGPIE_LAB_WAN_H
#define MAGPIE_LAB_WAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAN_FRAME_MAX  2048
#define WAN_ANSWER_MAX 2048

/* What a direction does to frames. */
struct wan_shape {
	uint64_t delay_ns;
	uint64_t jitter_ns; /* added at random, 0..jitter */
	uint32_t loss_ppm;
	uint64_t rate_bps;    /* 0: unlimited */
	uint32_t queue_bytes; /* behind the rate */
	bool cut;
	bool reorder;  /* jitter may let a frame overtake; else it only stretches */
	bool reseed;   /* begin the random sequence again, with `seed` */
	uint64_t seed; /* the same seed loses the same frames of the same sequence */
};

/* Every frame that arrives ends in exactly one of these, or is under way. */
#define WAN_COUNTS(X)                                                                   \
	X(forwarded)                                                                    \
	X(lost)	       /* at random, as asked */                                        \
	X(queue_drops) /* behind the rate */                                            \
	X(cut_drops)                                                                    \
	X(ring_drops)	  /* more frames under way than the emulator holds */           \
	X(oversize_drops) /* above WAN_FRAME_MAX: a device with segmentation offload */ \
	X(kernel_drops)	  /* the emulator was too slow for its socket */                \
	X(send_errors)

struct wan_count {
#define X(name) uint64_t name;
	WAN_COUNTS(X)
#undef X
};

struct wan_frame {
	uint64_t due_ns;
	uint32_t len;
	uint8_t octets[WAN_FRAME_MAX];
};

/*
 * The frames of one direction, in order of departure. Slots are reused last in, first out, so that
 * a network without delay works in a few cache lines and only a long one touches much memory.
 */
struct wan_queue {
	struct wan_shape shape;
	struct wan_count count;
	uint64_t random;
	uint64_t free_ns; /* when the rate lets the next frame begin */
	uint64_t last_due_ns;
	struct wan_frame *frame;
	uint32_t *spare; /* a stack of slots */
	size_t n_spare;
	uint32_t *ring; /* slots by departure */
	size_t head, n;
};

/* -ENOMEM. The queue lives as long as the process. */
int wan_queue_init(struct wan_queue *q, uint64_t seed);

/* The i-th slot that wan_queue_take will use, to receive into; there are always WAN_BATCH of them.
 */
#define WAN_BATCH 64
struct wan_frame *wan_queue_slot(const struct wan_queue *q, size_t i);

/* The first n slots hold frames that arrived at `now`: each is put in its place, or dropped. */
void wan_queue_take(struct wan_queue *q, size_t n, uint64_t now_ns);

/* The i-th frame in order of departure, or NULL; the first n have left, or failed to. */
const struct wan_frame *wan_queue_at(const struct wan_queue *q, size_t i);
void wan_queue_gone(struct wan_queue *q, size_t n);

void wan_queue_shape(struct wan_queue *q, const struct wan_shape *shape);

/*
 * Takes "delay=25ms jitter=2ms loss=1% rate=40M queue=256k reorder=yes|no seed=N
 * cut=yes|no|up|down" into both shapes (up: from the first device to the second), "up.delay=25ms"
 * into one. NULL, or the word that is wrong; the shapes are then half changed.
 */
const char *wan_parse(char *words, struct wan_shape shape[2]);

/* Shape and counters as a JSON member of that name; the length, as snprintf. */
int wan_describe(const struct wan_queue *q, const char *name, char *out, size_t size);

/*
 * A packet socket on the device, with an error told; negative errno. With `napi`, frames that an
 * XDP program redirects into the device's veth peer arrive here (they are lost at a veth without).
 */
int wan_open_device(const char *name, bool napi);

/* Runs between two devices until SIGTERM; listens on a Unix datagram socket at `control`. */
int wan_run(const char *device_a, const char *device_b, const char *control, bool napi);

/* One request to a running emulator; its one-line answer (JSON) into `answer`. Negative errno. */
int wan_ask(const char *control, const char *words, char *answer, size_t size);

#endif
