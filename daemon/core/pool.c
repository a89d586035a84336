/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prefixes by index: the bits between the length of the range and the length of a prefix, counted
 * from 0. An index is in one of four states: never touched (not in the table; at or above `fresh`,
 * or jumped over by nobody), owned, resting, or touched by a specific request above `fresh`, which
 * `fresh` steps over when it gets there.
 */
#include "core/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t upper64(const struct ip_addr *a)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | a->b[i];
	return v;
}

/* How many prefixes the range has; saturates. */
static uint64_t pool_size(const struct lma_pool *range)
{
	unsigned int bits = (unsigned int)range->length - range->range.len;

	return bits >= 64 ? UINT64_MAX : UINT64_C(1) << bits;
}

static struct ip_prefix pool_prefix_at(const struct lma_pool *range, uint64_t index)
{
	uint64_t v = upper64(&range->range.addr) | index << (64 - range->length);
	struct ip_prefix prefix = {.len = range->length};

	for (int i = 7; i >= 0; i--) {
		prefix.addr.b[i] = (uint8_t)v;
		v >>= 8;
	}
	return prefix;
}

static bool pool_holds(const struct lma_pool *range, const struct ip_prefix *prefix)
{
	return prefix->len == range->length && ip_prefix_contains(&range->range, &prefix->addr);
}

static struct pool *pool_of(const struct pools *pools, const struct ip_prefix *prefix)
{
	for (size_t i = 0; i < pools->n_pool; i++)
		if (pool_holds(&pools->pool[i].range, prefix))
			return &pools->pool[i];
	return NULL;
}

static struct pool_prefix *find(const struct pools *pools, const struct ip_prefix *prefix)
{
	struct pool_prefix *item;

	HASH_FIND(hh, pools->by_prefix, prefix, sizeof(*prefix), item);
	return item;
}

static bool same_range(const struct lma_pool *a, const struct lma_pool *b)
{
	return a->length == b->length && ip_prefix_equal(&a->range, &b->range);
}

int pools_init(struct pools *pools, const struct lma_pool *pool, size_t n_pool, uint64_t rest_ns)
{
	memset(pools, 0, sizeof(*pools));
	return pools_replace(pools, pool, n_pool, rest_ns);
}

static void forget(struct pools *pools, struct pool_prefix *item)
{
	HASH_DELETE(hh, pools->by_prefix, item);
	free(item);
}

static void forget_queue(struct pools *pools, struct pool *pool)
{
	/* Each is in both lists; clang-analyzer cannot know. */
	while (pool->rest != NULL && pools->by_prefix != NULL) {
		struct pool_prefix *item = pool->rest;

		DL_DELETE(pool->rest, item);
		forget(pools, item);
	}
}

void pools_fini(struct pools *pools)
{
	struct pool_prefix *item = pools->by_prefix;

	HASH_CLEAR(hh, pools->by_prefix);
	while (item != NULL) {
		struct pool_prefix *next = item->hh.next;

		free(item);
		item = next;
	}
	free(pools->pool);
	memset(pools, 0, sizeof(*pools));
}

int pools_replace(struct pools *pools, const struct lma_pool *pool, size_t n_pool, uint64_t rest_ns)
{
	struct pool *fresh = calloc(n_pool == 0 ? 1 : n_pool, sizeof(*fresh));

	if (fresh == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n_pool; i++)
		fresh[i].range = pool[i];
	for (size_t i = 0; i < pools->n_pool; i++) {
		struct pool *old = &pools->pool[i];
		struct pool *heir = NULL;

		for (size_t k = 0; k < n_pool && heir == NULL; k++)
			if (same_range(&fresh[k].range, &old->range))
				heir = &fresh[k];
		if (heir != NULL)
			*heir = *old;
		else
			forget_queue(pools, old);
	}
	free(pools->pool);
	pools->pool = fresh;
	pools->n_pool = n_pool;
	pools->rest_ns = rest_ns;
	return 0;
}

static bool rested(const struct pools *pools, const struct pool_prefix *item, uint64_t now_ns)
{
	return now_ns - item->freed_ns >= pools->rest_ns;
}

/* Steps `fresh` over what specific requests touched; each index is stepped over once. */
static bool pool_fresh(struct pools *pools, struct pool *pool, struct ip_prefix *ret_prefix)
{
	for (; pool->fresh < pool_size(&pool->range); pool->fresh++) {
		*ret_prefix = pool_prefix_at(&pool->range, pool->fresh);
		if (find(pools, ret_prefix) == NULL)
			return true;
	}
	return false;
}

int pools_pick(struct pools *pools, uint64_t now_ns, struct ip_prefix *ret_prefix)
{
	const struct pool_prefix *oldest = NULL;

	for (size_t i = 0; i < pools->n_pool; i++) {
		struct pool *pool = &pools->pool[i];

		if (pool->rest != NULL && rested(pools, pool->rest, now_ns)) {
			*ret_prefix = pool->rest->prefix;
			return 0;
		}
		if (pool_fresh(pools, pool, ret_prefix))
			return 0;
		if (pool->rest != NULL &&
		    (oldest == NULL || pool->rest->freed_ns < oldest->freed_ns))
			oldest = pool->rest;
	}
	if (oldest == NULL)
		return -ENOSPC;
	*ret_prefix = oldest->prefix;
	return 0;
}

int pools_check(const struct pools *pools, uint64_t now_ns, const struct ip_prefix *prefix,
		uint64_t holder)
{
	const struct pool_prefix *item;

	if (pool_of(pools, prefix) == NULL)
		return -ERANGE;
	item = find(pools, prefix);
	if (item == NULL)
		return 0;
	if (item->owner != NULL)
		return -EBUSY;
	return item->holder == holder || rested(pools, item, now_ns) ? 0 : -EBUSY;
}

int pools_claim(struct pools *pools, const struct ip_prefix *prefix, struct lma_session *owner,
		struct pool_prefix **ret_item)
{
	struct pool_prefix *item = find(pools, prefix);

	if (item == NULL) {
		item = calloc(1, sizeof(*item));
		if (item == NULL)
			return -ENOMEM;
		item->prefix = *prefix;
		HASH_ADD(hh, pools->by_prefix, prefix, sizeof(item->prefix), item);
		if (item->hh.tbl == NULL) {
			free(item);
			return -ENOMEM;
		}
	} else {
		DL_DELETE(pool_of(pools, prefix)->rest, item);
	}
	item->owner = owner;
	pools->n_owned++;
	*ret_item = item;
	return 0;
}

void pools_unclaim(struct pools *pools, struct pool_prefix *item)
{
	struct pool *pool = pool_of(pools, &item->prefix);
	struct pool_prefix *after;

	pools->n_owned--;
	item->owner = NULL;
	if (!item->used_before || pool == NULL) {
		/* It was never anybody's: an index above it need not be tried first. */
		if (pool != NULL) {
			uint64_t base = upper64(&pool->range.range.addr);
			uint64_t index =
				(upper64(&item->prefix.addr) - base) >> (64 - pool->range.length);

			if (index < pool->fresh)
				pool->fresh = index;
		}
		forget(pools, item);
		return;
	}
	/* Back to its place by age: nearly always the head, where pools_pick took it from. */
	DL_FOREACH (pool->rest, after)
		if (after->freed_ns >= item->freed_ns)
			break;
	if (after == NULL)
		DL_APPEND(pool->rest, item);
	else
		DL_PREPEND_ELEM(pool->rest, after, item);
}

void pools_release(struct pools *pools, struct pool_prefix *item, uint64_t now_ns, uint64_t holder)
{
	struct pool *pool = pool_of(pools, &item->prefix);

	pools->n_owned--;
	if (pool == NULL) {
		forget(pools, item);
		return;
	}
	item->owner = NULL;
	item->freed_ns = now_ns;
	item->holder = holder;
	item->used_before = true;
	DL_APPEND(pool->rest, item);
}

struct lma_session *pools_owner(const struct pools *pools, const struct ip_prefix *prefix)
{
	const struct pool_prefix *item = find(pools, prefix);

	return item == NULL ? NULL : item->owner;
}
