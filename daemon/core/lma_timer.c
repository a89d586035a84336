/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One binary heap for everything that is due: one timer a session (its earliest expiry, drain end
 * ...) and one a node (what waits, what is remembered). The heap has room for every timer from the
 * moment its owner exists, so arming cannot fail.
 */
#include "core/lma_state.h"

#include <errno.h>
#include <stdlib.h>

#define NO_SLOT UINT32_MAX

static void place(struct lma_heap *heap, struct lma_timer *timer, uint32_t slot)
{
	heap->timer[slot] = timer;
	timer->slot = slot;
}

static void sift_up(struct lma_heap *heap, struct lma_timer *timer, uint32_t slot)
{
	while (slot > 0) {
		uint32_t parent = (slot - 1) / 2;

		if (heap->timer[parent]->due_ns <= timer->due_ns)
			break;
		place(heap, heap->timer[parent], slot);
		slot = parent;
	}
	place(heap, timer, slot);
}

static void sift_down(struct lma_heap *heap, struct lma_timer *timer, uint32_t slot)
{
	for (;;) {
		uint32_t child = 2 * slot + 1;

		if (child >= heap->n)
			break;
		if (child + 1 < heap->n &&
		    heap->timer[child + 1]->due_ns < heap->timer[child]->due_ns)
			child++;
		if (timer->due_ns <= heap->timer[child]->due_ns)
			break;
		place(heap, heap->timer[child], slot);
		slot = child;
	}
	place(heap, timer, slot);
}

int lma_heap_reserve(struct lma_heap *heap, uint32_t n_timers)
{
	uint32_t cap = heap->cap == 0 ? 64 : heap->cap;
	struct lma_timer **grown;

	if (n_timers <= heap->cap)
		return 0;
	while (cap < n_timers)
		cap *= 2;
	grown = realloc(heap->timer, cap * sizeof(struct lma_timer *));
	if (grown == NULL)
		return -ENOMEM;
	heap->timer = grown;
	heap->cap = cap;
	return 0;
}

static void take_out(struct lma_heap *heap, struct lma_timer *timer)
{
	uint32_t slot = timer->slot;
	struct lma_timer *last = heap->timer[--heap->n];

	timer->slot = NO_SLOT;
	if (last == timer)
		return;
	place(heap, last, slot);
	if (slot > 0 && last->due_ns < heap->timer[(slot - 1) / 2]->due_ns)
		sift_up(heap, last, slot);
	else
		sift_down(heap, last, slot);
}

void lma_timer_init(struct lma_timer *timer, enum lma_timer_kind kind)
{
	timer->due_ns = CORE_NEVER;
	timer->slot = NO_SLOT;
	timer->kind = (uint8_t)kind;
}

void lma_timer_set(struct lma_heap *heap, struct lma_timer *timer, uint64_t due_ns)
{
	uint64_t before = timer->due_ns;

	if (due_ns == before)
		return;
	timer->due_ns = due_ns;
	if (due_ns == CORE_NEVER)
		take_out(heap, timer);
	else if (before == CORE_NEVER)
		sift_up(heap, timer, heap->n++);
	else if (due_ns < before)
		sift_up(heap, timer, timer->slot);
	else
		sift_down(heap, timer, timer->slot);
}

struct lma_timer *lma_timer_first(const struct lma_heap *heap)
{
	return heap->n == 0 ? NULL : heap->timer[0];
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void lma_session_rearm(struct lma *lma, struct lma_session *session)
{
	const struct lma_set *set = &session->set;
	uint64_t due = CORE_NEVER;

	if (set->linger_until_ns != 0)
		due = earlier(due, set->linger_until_ns);
	for (uint16_t i = 0; i < set->n; i++) {
		const struct lma_binding *b = &set->binding[i];

		due = earlier(due,
			      b->state == LMA_GONE ? b->since_ns + LMA_GONE_NS : b->expires_ns);
	}
	for (uint16_t i = 0; i < set->n_drain; i++)
		due = earlier(due, set->drain[i].until_ns);
	/* A refusal is not asked about again at once, whatever is overdue meanwhile. */
	if (session->retry_ns != 0)
		due = session->retry_ns;
	lma_timer_set(&lma->heap, &session->timer, due);
}

void lma_node_rearm(struct lma *lma, struct lma_node *node)
{
	const struct lma_parked *parked;
	uint64_t due = CORE_NEVER;

	DL_FOREACH (node->parked, parked)
		due = earlier(due, parked->until_ns);
	if (node->ended != NULL)
		due = earlier(due, node->ended->until_ns);
	lma_timer_set(&lma->heap, &node->timer, due);
}
