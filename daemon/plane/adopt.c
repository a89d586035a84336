/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Taking over what a former daemon left in the maps: sessions by their live sets, paths by their
 * elements, prefixes by where they lead. A daemon may have been killed between any two of its
 * writes, so what does not fit together is put right; what does is not written.
 */
#include "plane/state.h"

/* The paths a former daemon left; their users are counted by who adopts the sessions. */
static int adopt_paths(struct plane *p)
{
	for (uint32_t id = 1; id < p->map[PLANE_MAP_path].entries; id++) {
		const struct magpie_path *m = plane_path_map(p, id);
		struct plane_path *path;

		if (m->encap == MAGPIE_ENCAP_NONE)
			continue;
		path = calloc(1, sizeof(*path));
		if (!path)
			return -ENOMEM;
		memcpy(path->key.local.b, m->local, 16);
		memcpy(path->key.remote.b, m->remote, 16);
		path->id = id;
		path->ifindex = m->outer[m->live & 1].ifindex;
		idpool_adopt(&p->path_ids, id);
		plane_path_enter(p, path);
	}
	idpool_adopted(&p->path_ids);
	return 0;
}

static void adopt_user(struct plane *p, uint32_t id)
{
	struct plane_path *path = plane_path_find(p, id);

	if (path)
		path->users++;
}

static void adopt_prefix(struct plane *p, const struct ip_prefix *prefix, uint32_t id)
{
	struct plane_session *s;

	HASH_FIND(hh_id, p->by_id, &id, sizeof(id), s);
	if (!s || s->n_prefix == MH_MAX_HNP)
		plane_prefix_remove(p, prefix, id); /* leads nowhere */
	else
		s->prefix[s->n_prefix++] = *prefix;
}

static int adopt_session(struct plane *p, uint32_t id)
{
	struct magpie_set *set = plane_live_set(p, id);
	const struct magpie_binding *b;
	struct plane_session *s;

	if (set->state == MAGPIE_SESSION_NONE)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->id = id;
	HASH_ADD(hh_id, p->by_id, id, sizeof(s->id), s);
	idpool_adopt(&p->session_ids, id);
	p->orphans++;
	if (set->n > MAGPIE_NARROW)
		idpool_adopt(&p->wide_ids, set->wide);
	b = plane_bindings(p, set);
	for (uint16_t i = 0; i < set->n; i++)
		adopt_user(p, b[i].path);
	return 0;
}

/* Deletes the entries of a table that no path stands behind. */
static void drop_keys(int fd, void *key, void *next, size_t size,
		      bool (*is_used)(const struct plane *p, const void *key),
		      const struct plane *p)
{
	bool more = bpf_map_get_next_key(fd, NULL, key) == 0;

	while (more) {
		more = bpf_map_get_next_key(fd, key, next) == 0;
		if (!is_used(p, key))
			bpf_map_delete_elem(fd, key);
		memcpy(key, next, size);
	}
}

static bool tunnel_is_used(const struct plane *p, const void *key)
{
	const struct magpie_tunnel_key *t = key;
	struct plane_path_key k;

	memcpy(k.local.b, t->local, 16);
	memcpy(k.remote.b, t->remote, 16);
	return plane_path_by_key(p, &k) != NULL;
}

static uint32_t tunnels_at(const struct plane *p, const uint8_t local[16])
{
	uint32_t n = 0;

	for (const struct plane_path *path = p->paths; path; path = path->hh.next)
		n += memcmp(path->key.local.b, local, 16) == 0;
	return n;
}

static bool local_is_used(const struct plane *p, const void *key)
{
	return tunnels_at(p, key) > 0;
}

/* A daemon may be killed between any two of its writes. */
static int repair(struct plane *p, const struct plane_path *path, uint32_t want)
{
	int tunnel_fd = p->map[PLANE_MAP_tunnel].fd, local_fd = p->map[PLANE_MAP_local].fd;
	struct magpie_tunnel_key key;
	uint32_t have = 0;

	if (bpf_map_lookup_elem(local_fd, path->key.local.b, &have) < 0 || have != want) {
		if (bpf_map_update_elem(local_fd, path->key.local.b, &want, BPF_ANY) < 0)
			return -errno;
	}
	plane_tunnel_key(&path->key, &key);
	if (bpf_map_lookup_elem(tunnel_fd, &key, &have) == 0 && have == path->id)
		return 0;
	return bpf_map_update_elem(tunnel_fd, &key, &path->id, BPF_ANY) < 0 ? -errno : 0;
}

static int repair_paths(struct plane *p)
{
	struct magpie_tunnel_key tunnel, next_tunnel;
	struct magpie_local_key local, next_local;
	const struct plane_path *last = NULL;
	struct plane_path *path, *tmp;
	uint32_t tunnels = 0;
	int r = 0;

	HASH_ITER (hh, p->paths, path, tmp) {
		if (path->users == 0) {
			path->users = 1;
			plane_path_give(p, path->id);
		}
	}
	drop_keys(p->map[PLANE_MAP_tunnel].fd, &tunnel, &next_tunnel, sizeof(tunnel),
		  tunnel_is_used, p);
	drop_keys(p->map[PLANE_MAP_local].fd, &local, &next_local, sizeof(local), local_is_used, p);
	for (path = p->paths; path && r == 0; path = path->hh.next) {
		if (!last || !ip_equal(&last->key.local, &path->key.local))
			tunnels = tunnels_at(p, path->key.local.b); /* an anchor has few ends */
		r = repair(p, path, tunnels);
		last = path;
	}
	return r;
}

static int adopt_sessions(struct plane *p)
{
	for (uint32_t id = 1; id < p->map[PLANE_MAP_session].entries; id++) {
		int r = adopt_session(p, id);

		if (r < 0)
			return r;
	}
	idpool_adopted(&p->session_ids);
	idpool_adopted(&p->wide_ids);
	plane_prefix_each(p, adopt_prefix);
	return 0;
}

int plane_adopt(struct plane *p)
{
	int r = adopt_paths(p);

	if (r == 0)
		r = adopt_sessions(p);
	return r == 0 ? repair_paths(p) : r;
}
