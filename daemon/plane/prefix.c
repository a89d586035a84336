/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prefix -> session. Prefixes out of a pool are found by their position (magpie_slots); a gateway
 * makes a pool of one slot of each prefix that it learns, while there is room. The others are in
 * the trie.
 */
#include "plane/state.h"
#include "util/log.h"

#define MAX_POOL_SLOTS (UINT64_C(1) << 22)

struct u128 {
	uint64_t hi, lo;
};

static struct u128 to_integer(const uint8_t octets[16])
{
	struct u128 v = {0, 0};

	for (unsigned int i = 0; i < 8; i++) {
		v.hi = v.hi << 8 | octets[i];
		v.lo = v.lo << 8 | octets[8 + i];
	}
	return v;
}

static struct ip_addr to_address(struct u128 v)
{
	struct ip_addr a;

	for (unsigned int i = 0; i < 8; i++) {
		a.b[i] = (uint8_t)(v.hi >> (56 - 8 * i));
		a.b[8 + i] = (uint8_t)(v.lo >> (56 - 8 * i));
	}
	return a;
}

static uint64_t mask64(unsigned int bits)
{
	return bits == 0 ? 0 : ~UINT64_C(0) << (64 - bits);
}

/* Position is the key only where the index bits lie in one half (abi.h, struct magpie_pool). */
static bool fits_pool(const struct plane_pool *pool)
{
	uint8_t from = pool->range.len, to = pool->length;

	return to >= from && (to <= 64 || from >= 64) && to - from <= 22 &&
	       (UINT64_C(1) << (to - from)) <= MAX_POOL_SLOTS;
}

static uint32_t slots_of(const struct plane_pool *pool)
{
	return UINT32_C(1) << (pool->length - pool->range.len);
}

uint64_t plane_pool_slots(const struct plane_config *config)
{
	uint64_t slots = 0;

	if (config->role == MAGPIE_ROLE_MAG)
		return MAGPIE_POOLS;
	for (size_t i = 0; i < config->n_pool && i < MAGPIE_POOLS; i++) {
		if (fits_pool(&config->pool[i]))
			slots += slots_of(&config->pool[i]);
	}
	return slots ? slots : 1;
}

static void write_pool(struct plane *p, size_t i, const struct plane_pool *pool,
		       uint32_t first_slot)
{
	struct magpie_pool *m = &plane_config_map(p)->pool[i];
	struct u128 base = to_integer(pool->range.addr.b);
	uint8_t from = pool->range.len, to = pool->length;
	bool in_lo = to > 64;

	m->base_hi = base.hi;
	m->base_lo = base.lo;
	m->mask_hi = mask64(from > 64 ? 64 : from);
	m->mask_lo = from > 64 ? mask64(from - 64u) : 0;
	m->shift = (uint8_t)(in_lo ? 128 - to : 64 - to);
	m->in_lo = in_lo;
	m->first_slot = first_slot;
	p->pool[i] = *pool;
	p->pool_used[i] = true;
	plane_store(&m->slots, slots_of(pool));
}

/* What an adopted pool entry was made from. */
static struct plane_pool read_pool(const struct magpie_pool *m)
{
	struct plane_pool pool = {0};
	unsigned int from =
		(unsigned int)(__builtin_popcountll(m->mask_hi) + __builtin_popcountll(m->mask_lo));

	pool.range.addr = to_address((struct u128){m->base_hi, m->base_lo});
	pool.range.len = (uint8_t)from;
	pool.length = (uint8_t)(m->in_lo ? 128 - m->shift : 64 - m->shift);
	return pool;
}

static int adopt_pools(struct plane *p, const struct plane_config *config)
{
	const struct magpie_pool *m = plane_config_map(p)->pool;

	for (size_t i = 0; i < MAGPIE_POOLS; i++) {
		if (m[i].slots == 0)
			continue;
		p->pool[i] = read_pool(&m[i]);
		p->pool_used[i] = true;
	}
	if (config->role != MAGPIE_ROLE_LMA)
		return 0;
	for (size_t i = 0; i < config->n_pool && i < MAGPIE_POOLS; i++) {
		if (fits_pool(&config->pool[i]) &&
		    (!p->pool_used[i] ||
		     !ip_prefix_equal(&p->pool[i].range, &config->pool[i].range) ||
		     p->pool[i].length != config->pool[i].length)) {
			log_error("data plane: the pinned maps were made for other pools; `magpie "
				  "release` removes them, forwarding stops until the restart");
			return -EEXIST;
		}
	}
	return 0;
}

int plane_pools_init(struct plane *p, const struct plane_config *config)
{
	uint32_t first = 0;

	if (p->adopted)
		return adopt_pools(p, config);
	for (size_t i = 0; i < config->n_pool && i < MAGPIE_POOLS; i++) {
		if (!fits_pool(&config->pool[i]))
			continue;
		write_pool(p, i, &config->pool[i], first);
		first += slots_of(&config->pool[i]);
	}
	return 0;
}

static int find_pool(const struct plane *p, const struct ip_prefix *prefix)
{
	for (int i = 0; i < MAGPIE_POOLS; i++) {
		if (p->pool_used[i] && p->pool[i].length == prefix->len &&
		    ip_prefix_contains(&p->pool[i].range, &prefix->addr))
			return i;
	}
	return -1;
}

static uint32_t *slot_of(const struct plane *p, int i, const struct ip_prefix *prefix)
{
	const struct magpie_pool *m = &plane_config_map(p)->pool[i];
	struct u128 a = to_integer(prefix->addr.b);
	uint64_t index =
		m->in_lo ? (a.lo - m->base_lo) >> m->shift : (a.hi - m->base_hi) >> m->shift;

	return plane_at(p, PLANE_MAP_slots, m->first_slot + (uint32_t)index);
}

static void make_key(const struct ip_prefix *prefix, struct magpie_prefix_key *key)
{
	key->length = prefix->len;
	plane_ip_copy(key->addr, &prefix->addr);
}

static int learn_pool(struct plane *p, const struct ip_prefix *prefix)
{
	struct plane_pool pool = {*prefix, prefix->len};

	if (p->role != MAGPIE_ROLE_MAG || !fits_pool(&pool))
		return -1;
	for (int i = 0; i < MAGPIE_POOLS; i++) {
		if (p->pool_used[i])
			continue;
		plane_grace(p, p->pool_retired_ns[i]);
		write_pool(p, (size_t)i, &pool, (uint32_t)i);
		return i;
	}
	return -1;
}

int plane_prefix_add(struct plane *p, const struct ip_prefix *prefix, uint32_t session)
{
	struct magpie_prefix_key key;
	int i = find_pool(p, prefix);

	if (i < 0)
		i = learn_pool(p, prefix);
	if (i >= 0) {
		plane_store(slot_of(p, i, prefix), session);
		return 0;
	}
	make_key(prefix, &key);
	if (bpf_map_update_elem(p->map[PLANE_MAP_prefix].fd, &key, &session, BPF_ANY) < 0)
		return -errno;
	plane_store(&plane_config_map(p)->has_prefixes, 1);
	return 0;
}

uint32_t plane_prefix_find(const struct plane *p, const struct ip_prefix *prefix)
{
	struct magpie_prefix_key key;
	int i = find_pool(p, prefix);
	uint32_t session = 0;

	if (i >= 0)
		return *slot_of(p, i, prefix);
	make_key(prefix, &key);
	bpf_map_lookup_elem(p->map[PLANE_MAP_prefix].fd, &key, &session);
	return session;
}

static void remove_from_trie(struct plane *p, const struct ip_prefix *prefix)
{
	int fd = p->map[PLANE_MAP_prefix].fd;
	struct magpie_prefix_key key, first;

	make_key(prefix, &key);
	bpf_map_delete_elem(fd, &key);
	if (bpf_map_get_next_key(fd, NULL, &first) < 0)
		plane_store(&plane_config_map(p)->has_prefixes, 0);
}

void plane_prefix_remove(struct plane *p, const struct ip_prefix *prefix, uint32_t session)
{
	int i = find_pool(p, prefix);

	if (plane_prefix_find(p, prefix) != session)
		return; /* another session has it by now */
	if (i < 0) {
		remove_from_trie(p, prefix);
		return;
	}
	plane_store(slot_of(p, i, prefix), 0);
	if (p->role == MAGPIE_ROLE_MAG) {
		plane_store(&plane_config_map(p)->pool[i].slots, 0);
		p->pool_used[i] = false;
		p->pool_retired_ns[i] = plane_now_ns();
	}
}

static void each_in_pool(struct plane *p, int i,
			 void (*each)(struct plane *p, const struct ip_prefix *prefix,
				      uint32_t session))
{
	const struct magpie_pool *m = &plane_config_map(p)->pool[i];

	for (uint32_t k = 0; k < m->slots; k++) {
		uint32_t session = *(uint32_t *)plane_at(p, PLANE_MAP_slots, m->first_slot + k);
		struct u128 a = {m->base_hi, m->base_lo};
		struct ip_prefix prefix = {.len = p->pool[i].length};

		if (session == 0)
			continue;
		if (m->in_lo)
			a.lo += (uint64_t)k << m->shift;
		else
			a.hi += (uint64_t)k << m->shift;
		prefix.addr = to_address(a);
		each(p, &prefix, session);
	}
}

void plane_prefix_each(struct plane *p,
		       void (*each)(struct plane *p, const struct ip_prefix *prefix,
				    uint32_t session))
{
	int fd = p->map[PLANE_MAP_prefix].fd;
	struct magpie_prefix_key key, *previous = NULL;

	for (int i = 0; i < MAGPIE_POOLS; i++) {
		if (p->pool_used[i])
			each_in_pool(p, i, each);
	}
	while (bpf_map_get_next_key(fd, previous, &key) == 0) {
		struct ip_prefix prefix = {.len = (uint8_t)key.length};
		uint32_t session;

		memcpy(prefix.addr.b, key.addr, 16);
		if (bpf_map_lookup_elem(fd, &key, &session) == 0)
			each(p, &prefix, session);
		previous = &key;
	}
}
