/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What happens to a frame between two devices, and when. Pure: time is a parameter. */
#include "tools/lab/wan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RING	    65536 /* 1 Gbit/s of full frames over 0.7 s */
#define SLOTS	    (RING + WAN_BATCH)
#define QUEUE_BYTES (256 << 10)

/* splitmix64: any seed, 0 too, gives a good beginning. */
static uint64_t next_random(struct wan_queue *q)
{
	uint64_t z = q->random += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

int wan_queue_init(struct wan_queue *q, uint64_t seed)
{
	*q = (struct wan_queue){.shape.queue_bytes = QUEUE_BYTES, .random = seed};
	q->frame = calloc(SLOTS, sizeof(*q->frame));
	q->spare = calloc(SLOTS, sizeof(*q->spare));
	q->ring = calloc(RING, sizeof(*q->ring));
	if (!q->frame || !q->spare || !q->ring)
		return -ENOMEM;
	for (uint32_t i = 0; i < SLOTS; i++)
		q->spare[q->n_spare++] = SLOTS - 1 - i;
	return 0;
}

struct wan_frame *wan_queue_slot(const struct wan_queue *q, size_t i)
{
	return &q->frame[q->spare[q->n_spare - 1 - i]];
}

/* The token bucket; false: its queue is full. */
static bool pass_rate(struct wan_queue *q, uint32_t len, uint64_t now, uint64_t *ret_due)
{
	double rate = (double)q->shape.rate_bps;
	uint64_t start = q->free_ns > now ? q->free_ns : now;
	double queued = (double)(start - now) * rate / 8e9;

	if (queued + (double)len > (double)q->shape.queue_bytes) {
		q->count.queue_drops++;
		return false;
	}
	q->free_ns = start + (uint64_t)((double)len * 8e9 / rate);
	*ret_due = q->free_ns;
	return true;
}

/* When the frame leaves; false: it is dropped, and counted. */
static bool schedule(struct wan_queue *q, uint32_t len, uint64_t now, uint64_t *ret_due)
{
	const struct wan_shape *s = &q->shape;
	uint64_t due = now;

	if (len > WAN_FRAME_MAX) {
		q->count.oversize_drops++;
		return false;
	}
	if (s->cut) {
		q->count.cut_drops++;
		return false;
	}
	if (s->loss_ppm && next_random(q) % 1000000 < s->loss_ppm) {
		q->count.lost++;
		return false;
	}
	if (q->n == RING) {
		q->count.ring_drops++;
		return false;
	}
	if (s->rate_bps && !pass_rate(q, len, now, &due))
		return false;
	due += s->delay_ns;
	if (s->jitter_ns)
		due += next_random(q) % (s->jitter_ns + 1);
	if (due < q->last_due_ns && !s->reorder)
		due = q->last_due_ns;
	if (due > q->last_due_ns)
		q->last_due_ns = due;
	*ret_due = due;
	return true;
}

/* From the end: it stays there unless reordering is on. */
static void insert(struct wan_queue *q, uint32_t slot)
{
	size_t i = q->n++;

	for (; i > 0; i--) {
		uint32_t before = q->ring[(q->head + i - 1) % RING];

		if (q->frame[before].due_ns <= q->frame[slot].due_ns)
			break;
		q->ring[(q->head + i) % RING] = before;
	}
	q->ring[(q->head + i) % RING] = slot;
}

void wan_queue_take(struct wan_queue *q, size_t n, uint64_t now_ns)
{
	uint32_t slot[WAN_BATCH];

	for (size_t i = 0; i < n; i++)
		slot[i] = q->spare[q->n_spare - 1 - i];
	q->n_spare -= n;
	for (size_t i = 0; i < n; i++) {
		struct wan_frame *f = &q->frame[slot[i]];

		if (schedule(q, f->len, now_ns, &f->due_ns))
			insert(q, slot[i]);
		else
			q->spare[q->n_spare++] = slot[i];
	}
}

const struct wan_frame *wan_queue_at(const struct wan_queue *q, size_t i)
{
	return i < q->n ? &q->frame[q->ring[(q->head + i) % RING]] : NULL;
}

void wan_queue_gone(struct wan_queue *q, size_t n)
{
	for (; n > 0; n--, q->n--) {
		q->spare[q->n_spare++] = q->ring[q->head];
		q->head = (q->head + 1) % RING;
	}
}

void wan_queue_shape(struct wan_queue *q, const struct wan_shape *shape)
{
	q->shape = *shape;
	if (shape->reseed)
		q->random = shape->seed;
	if (shape->rate_bps == 0)
		q->free_ns = 0;
	q->shape.reseed = false;
}
