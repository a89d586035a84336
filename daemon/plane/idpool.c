/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers of map elements; see struct idpool. */
#include "plane/state.h"

int idpool_init(struct idpool *pool, uint32_t size)
{
	*pool = (struct idpool){.size = size, .fresh = 1};
	pool->ring = calloc(size, sizeof(*pool->ring));
	pool->used = calloc(size, 1);
	return pool->ring && pool->used ? 0 : -ENOMEM;
}

void idpool_fini(struct idpool *pool)
{
	free(pool->ring);
	free(pool->used);
}

uint32_t idpool_take(struct plane *p, struct idpool *pool)
{
	struct idpool_rest rest;

	if (pool->fresh < pool->size) {
		pool->used[pool->fresh] = 1;
		return pool->fresh++;
	}
	if (pool->count == 0)
		return 0;
	rest = pool->ring[pool->head];
	pool->head = (pool->head + 1) % pool->size;
	pool->count--;
	plane_grace(p, rest.retired_ns);
	pool->used[rest.id] = 1;
	return rest.id;
}

void idpool_give(struct idpool *pool, uint32_t id, uint64_t now_ns)
{
	if (id == 0 || id >= pool->size || !pool->used[id])
		return;
	pool->used[id] = 0;
	pool->ring[(pool->head + pool->count) % pool->size] = (struct idpool_rest){id, now_ns};
	pool->count++;
}

void idpool_adopt(struct idpool *pool, uint32_t id)
{
	if (id < pool->size)
		pool->used[id] = 1;
}

void idpool_adopted(struct idpool *pool)
{
	uint32_t last = 0;

	for (uint32_t id = 1; id < pool->size; id++) {
		if (pool->used[id])
			last = id;
	}
	for (uint32_t id = 1; id < last; id++) {
		if (!pool->used[id])
			pool->ring[pool->count++] = (struct idpool_rest){id, 0};
	}
	pool->fresh = last + 1;
}
