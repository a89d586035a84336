/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The anchor's home network prefixes: dense pools, one owner for each prefix (RFC 5213 5.2).
 *
 * A pool costs memory only for prefixes that are or were in use: those never used are a counter,
 * those given back are a queue, oldest first. Taking and giving back are O(1) whatever the size of
 * the range. A prefix rests before it goes to another node, so that late packets do not reach a
 * stranger (B-OWN-BCE-5); its last holder may have it back at any time.
 */
#ifndef MAGPIE_CORE_POOL_H
#define MAGPIE_CORE_POOL_H

#include "core/lma.h"
#include "core/table.h"

struct lma_session;

struct pool_prefix {
	UT_hash_handle hh;
	struct pool_prefix *prev; /* queue of those that rest */
	struct pool_prefix *next;
	struct lma_session *owner; /* NULL: rests */
	uint64_t holder;	   /* hash of the identity that had it last */
	uint64_t freed_ns;
	struct ip_prefix prefix;
	bool used_before; /* freed_ns is meaningful */
};

struct pool {
	struct lma_pool range;
	uint64_t fresh;		  /* indices below were handed out or asked for at least once */
	struct pool_prefix *rest; /* utlist queue, oldest first */
};

struct pools {
	struct pool *pool;
	size_t n_pool;
	struct pool_prefix *by_prefix; /* uthash: every prefix owned or resting */
	uint64_t rest_ns;
	size_t n_owned;
};

/* -ENOMEM. */
int pools_init(struct pools *pools, const struct lma_pool *pool, size_t n_pool, uint64_t rest_ns);
void pools_fini(struct pools *pools);
/*
 * Other ranges from now on. A range that stays keeps its queue; owned prefixes stay with their
 * owners and are forgotten when given back if no range holds them any more. -ENOMEM: as before.
 */
int pools_replace(struct pools *pools, const struct lma_pool *pool, size_t n_pool,
		  uint64_t rest_ns);

/*
 * The prefix that a new node gets: one that has rested, else one never used, else the one that has
 * rested longest. Changes nothing that can be seen. -ENOSPC.
 */
int pools_pick(struct pools *pools, uint64_t now_ns, struct ip_prefix *ret_prefix);
/*
 * May `holder` have this very prefix? -ERANGE: no pool holds it; -EBUSY: it is another's, or rests
 * and was another's.
 */
int pools_check(const struct pools *pools, uint64_t now_ns, const struct ip_prefix *prefix,
		uint64_t holder);
/* After pools_pick or pools_check said yes. -ENOMEM. */
int pools_claim(struct pools *pools, const struct ip_prefix *prefix, struct lma_session *owner,
		struct pool_prefix **ret_item);
/* Undoes pools_claim as if it had not been. */
void pools_unclaim(struct pools *pools, struct pool_prefix *item);
/* The owner, whose identity hashes to `holder`, is done with it: it rests. */
void pools_release(struct pools *pools, struct pool_prefix *item, uint64_t now_ns, uint64_t holder);

/* NULL: nobody's. */
struct lma_session *pools_owner(const struct pools *pools, const struct ip_prefix *prefix);

#endif
