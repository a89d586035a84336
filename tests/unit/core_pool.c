/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prefix pools: each prefix once, rest before reuse, specific requests, and no cost for the size of
 * a range.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "core/pool.h"
#include "tests/support/core_bed.h"

#define REST (60 * BED_SEC)
#define ME   UINT64_C(11)
#define YOU  UINT64_C(22)

static struct pools pools;
static struct lma_session *const owner = (struct lma_session *)&pools; /* any address will do */

static void open_pools(const char *range, uint8_t length)
{
	struct lma_pool pool = {.range = bed_prefix(range), .length = length};

	cr_assert_eq(pools_init(&pools, &pool, 1, REST), 0);
}

static void close_pools(void)
{
	pools_fini(&pools);
}

TestSuite(pool, .fini = close_pools);

static struct pool_prefix *take(uint64_t now)
{
	struct ip_prefix prefix;
	struct pool_prefix *item;

	cr_assert_eq(pools_pick(&pools, now, &prefix), 0);
	cr_assert_eq(pools_claim(&pools, &prefix, owner, &item), 0);
	cr_assert(ip_prefix_contains(&pools.pool[0].range.range, &item->prefix.addr));
	return item;
}

static struct pool_prefix *take_this(const char *text)
{
	struct ip_prefix prefix = bed_prefix(text);
	struct pool_prefix *item;

	cr_assert_eq(pools_check(&pools, 0, &prefix, ME), 0);
	cr_assert_eq(pools_claim(&pools, &prefix, owner, &item), 0);
	return item;
}

Test(pool, each_once, .description = "B-5213-5.2-a: 10^4 prefixes, all different, then used up")
{
	struct ip_prefix prefix;

	open_pools("2001:db8::/50", 64);
	for (int i = 0; i < 16384; i++)
		take(0); /* claiming one twice would find it owned */
	cr_expect_eq(HASH_COUNT(pools.by_prefix), 16384);
	cr_expect_eq(pools.n_owned, 16384);
	cr_expect_eq(pools_pick(&pools, 0, &prefix), -ENOSPC, "B-5213-5.3.2-b");
}

Test(pool, rests,
     .description = "B-OWN-BCE-5: rested ones first, oldest first; unrested only at the end")
{
	struct pool_prefix *a;
	struct pool_prefix *b;

	open_pools("2001:db8::/62", 64); /* four */
	a = take(0);
	b = take(0);
	pools_release(&pools, a, 10 * BED_SEC, ME);
	pools_release(&pools, b, 20 * BED_SEC, ME);
	cr_expect_neq(take(30 * BED_SEC), a);
	cr_expect_eq(take(70 * BED_SEC), a);
	take(71 * BED_SEC);
	cr_expect_eq(take(72 * BED_SEC), b, "the pool is exhausted");
}

Test(pool, specific,
     .description = "B-5213-5.3.2-c: one's own is had; another's, or a foreign one, not")
{
	struct ip_prefix prefix;
	struct pool_prefix *item;

	open_pools("2001:db8::/48", 64);
	item = take_this("2001:db8:0:2::/64");
	cr_expect_eq(pools_owner(&pools, &item->prefix), owner);
	cr_expect_eq(pools_check(&pools, 0, &item->prefix, YOU), -EBUSY);
	prefix = bed_prefix("2001:db8:1::/64");
	cr_expect_eq(pools_check(&pools, 0, &prefix, ME), -ERANGE);
	prefix = bed_prefix("2001:db8::/56");
	cr_expect_eq(pools_check(&pools, 0, &prefix, ME), -ERANGE, "another length");
	pools_release(&pools, item, BED_SEC, ME);
	prefix = bed_prefix("2001:db8:0:2::/64");
	cr_expect_eq(pools_check(&pools, 2 * BED_SEC, &prefix, ME), 0, "who had it");
	cr_expect_eq(pools_check(&pools, 2 * BED_SEC, &prefix, YOU), -EBUSY, "it rests");
	cr_expect_eq(pools_check(&pools, BED_SEC + REST, &prefix, YOU), 0);
}

Test(pool, steps_over, .description = "specific requests are stepped over, owned or resting")
{
	struct pool_prefix *item;

	open_pools("2001:db8::/61", 64); /* eight */
	take_this("2001:db8:0:0::/64");
	item = take_this("2001:db8:0:2::/64");
	take_this("2001:db8:0:7::/64");
	pools_release(&pools, item, 0, ME);
	for (int i = 0; i < 5; i++)
		cr_expect_neq(take(0), item);
	cr_expect_eq(take(0), item);
}

Test(pool, undone, .description = "AT-06: a claim that is undone leaves no trace")
{
	struct pool_prefix *a;
	struct pool_prefix *b;
	struct ip_prefix first;
	struct ip_prefix prefix;

	open_pools("2001:db8::/62", 64);
	a = take(0);
	first = a->prefix;
	pools_unclaim(&pools, a);
	cr_expect_eq(HASH_COUNT(pools.by_prefix), 0);
	cr_expect_eq(pools.n_owned, 0);
	a = take(0);
	cr_expect(ip_prefix_equal(&a->prefix, &first));
	b = take(0);
	pools_release(&pools, a, BED_SEC, ME);
	pools_release(&pools, b, 2 * BED_SEC, YOU);
	a = take(BED_SEC + REST);
	cr_expect(ip_prefix_equal(&a->prefix, &first));
	pools_unclaim(&pools, a);
	cr_expect_eq(a->holder, ME);
	cr_expect_eq(pools.pool[0].rest, a, "again the oldest");
	cr_expect_eq(pools_pick(&pools, BED_SEC + REST, &prefix), 0);
	cr_expect(ip_prefix_equal(&prefix, &first));
}

Test(pool, huge, .description = "2^24 prefixes, and 2^63: memory for those in use only")
{
	open_pools("2001:db8::/40", 64);
	for (int i = 0; i < 1000; i++)
		take(0);
	cr_expect_eq(HASH_COUNT(pools.by_prefix), 1000);
	close_pools();
	open_pools("8000::/1", 64);
	take(0);
	close_pools();
	open_pools("::/0", 64);
	take(0);
}

Test(pool, replaced,
     .description = "a range that stays keeps its queue; one that goes is forgotten when free")
{
	struct lma_pool two[2] = {{bed_prefix("2001:db8:2::/48"), 64},
				  {bed_prefix("2001:db8:1::/48"), 64}};
	struct pool_prefix *rests;
	struct pool_prefix *owned;

	open_pools("2001:db8:1::/48", 64);
	rests = take(0);
	owned = take(0);
	pools_release(&pools, rests, 0, ME);
	cr_assert_eq(pools_replace(&pools, two, 2, REST), 0);
	cr_expect_eq(HASH_COUNT(pools.by_prefix), 2);
	cr_assert_eq(pools_replace(&pools, two, 1, REST), 0);
	cr_expect_eq(HASH_COUNT(pools.by_prefix), 1);
	cr_expect_eq(pools.n_owned, 1);
	pools_release(&pools, owned, 0, ME);
	cr_expect_eq(HASH_COUNT(pools.by_prefix), 0);
}
