/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Paths: the tunnels that bindings use. One path serves all bindings with the same two ends,
 * counted; the last one that leaves takes its tunnel entry along. Its element is not cleared: a
 * packet under way may still go out by it, and nobody gets the number before such packets are gone.
 */
#include "plane/state.h"
#include "util/log.h"

void plane_tunnel_key(const struct plane_path_key *key, struct magpie_tunnel_key *ret)
{
	memset(ret, 0, sizeof(*ret));
	plane_ip_copy(ret->remote, &key->remote);
	plane_ip_copy(ret->local, &key->local);
	ret->encap = MAGPIE_ENCAP_IP6;
}

/* magpie_local counts the tunnels that end at an address. */
static int local_add(struct plane *p, const struct ip_addr *local, int by)
{
	int fd = p->map[PLANE_MAP_local].fd;
	struct magpie_local_key key;
	uint32_t count = 0;

	plane_ip_copy(key.addr, local);
	bpf_map_lookup_elem(fd, &key, &count);
	if (by < 0 && count <= 1)
		return bpf_map_delete_elem(fd, &key) < 0 ? -errno : 0;
	count = (uint32_t)((int)count + by);
	return bpf_map_update_elem(fd, &key, &count, BPF_ANY) < 0 ? -errno : 0;
}

static void reset_counters(struct plane *p, uint32_t id)
{
	struct magpie_path_count *zero = calloc((size_t)p->cpus, sizeof(*zero));

	if (zero)
		bpf_map_update_elem(p->map[PLANE_MAP_pathstat].fd, &id, zero, BPF_ANY);
	free(zero);
}

void plane_path_enter(struct plane *p, struct plane_path *path)
{
	HASH_ADD(hh, p->paths, key, sizeof(path->key), path);
	HASH_ADD(hh_id, p->paths_by_id, id, sizeof(path->id), path);
}

struct plane_path *plane_path_find(const struct plane *p, uint32_t id)
{
	struct plane_path *path;

	HASH_FIND(hh_id, p->paths_by_id, &id, sizeof(id), path);
	return path;
}

struct plane_path *plane_path_by_key(const struct plane *p, const struct plane_path_key *key)
{
	struct plane_path *path;

	HASH_FIND(hh, p->paths, key, sizeof(*key), path);
	return path;
}

/* Both tables that lead what arrives to the path. */
static int add_tunnel(struct plane *p, const struct plane_path *path)
{
	struct magpie_tunnel_key key;
	int r = local_add(p, &path->key.local, 1);

	if (r < 0)
		return r;
	plane_tunnel_key(&path->key, &key);
	if (bpf_map_update_elem(p->map[PLANE_MAP_tunnel].fd, &key, &path->id, BPF_ANY) == 0)
		return 0;
	r = -errno;
	local_add(p, &path->key.local, -1);
	return r;
}

static void remove_tunnel(struct plane *p, const struct plane_path *path)
{
	struct magpie_tunnel_key key;

	plane_tunnel_key(&path->key, &key);
	bpf_map_delete_elem(p->map[PLANE_MAP_tunnel].fd, &key);
	local_add(p, &path->key.local, -1);
}

static int make(struct plane *p, const struct binding_view *b, struct plane_path **ret_path)
{
	struct plane_path *path = calloc(1, sizeof(*path));
	struct magpie_path *m, before;
	int r;

	if (!path)
		return -ENOMEM;
	path->key = (struct plane_path_key){b->local, b->remote};
	path->id = idpool_take(p, &p->path_ids);
	if (path->id == 0) {
		log_limited(&p->full, LOG_LEVEL_ERROR,
			    "data plane: all %u paths are in use; more need a larger Paths= in "
			    "[Limits], `magpie release` and a restart",
			    p->path_ids.size - 1);
		free(path);
		return -ENOSPC;
	}
	m = plane_path_map(p, path->id);
	before = *m;
	memset(m, 0, sizeof(*m));
	m->label = b->label;
	plane_ip_copy(m->local, &b->local);
	plane_ip_copy(m->remote, &b->remote);
	plane_store(&m->encap, MAGPIE_ENCAP_IP6);

	r = add_tunnel(p, path);
	if (r < 0) {
		log_limited(&p->full, LOG_LEVEL_ERROR, "data plane: no room for a tunnel: %s",
			    strerror(-r));
		*m = before;
		idpool_give(&p->path_ids, path->id, 0);
		free(path);
		return r == -E2BIG ? -ENOSPC : r;
	}
	reset_counters(p, path->id);
	plane_path_enter(p, path);
	*ret_path = path;
	return 0;
}

/*
 * Packet Too Big comes from an address of the box: that of a path, of another one when it goes. A
 * packet may meet half of it; its answer then has an odd source.
 */
static void icmp_source(struct plane *p)
{
	struct magpie_config *c = plane_config_map(p);
	const struct plane_path *path = p->paths;
	struct ip_addr current;

	memcpy(current.b, c->icmp_source6, 16);
	for (; path; path = path->hh.next) {
		if (ip_equal(&path->key.local, &current))
			return;
	}
	for (path = p->paths; path && ip_is_v4(&path->key.local);)
		path = path->hh.next;
	if (path)
		plane_ip_copy(c->icmp_source6, &path->key.local);
	else if (!ip_is_zero(&current))
		memset(c->icmp_source6, 0, 16);
}

static void announce(struct plane *p, struct plane_path *path, uint32_t ifindex)
{
	struct plane_path_info info;

	/* The same addresses on another device: for who resolves it is another path. */
	if (path->announced && p->watcher.path_removed)
		p->watcher.path_removed(p->watcher.ctx, path->id);
	path->announced = true;
	path->ifindex = ifindex;
	plane_path(p, path->id, &info);
	if (p->watcher.path_added)
		p->watcher.path_added(p->watcher.ctx, &info);
}

int plane_path_take(struct plane *p, const struct binding_view *b, uint32_t *ret_id)
{
	struct plane_path_key key = {b->local, b->remote};
	struct plane_path *path = plane_path_by_key(p, &key);
	struct magpie_path *m;

	if (!path) {
		int r = make(p, b, &path);

		if (r < 0)
			return r;
		icmp_source(p);
	}
	path->users++;
	m = plane_path_map(p, path->id);
	if (m->label != b->label)
		m->label = b->label;
	if (!path->announced || (b->ifindex != 0 && path->ifindex != b->ifindex))
		announce(p, path, b->ifindex);
	*ret_id = path->id;
	return 0;
}

/* The last user is gone. The watcher hears of it later. */
static void remove_path(struct plane *p, struct plane_path *path)
{
	remove_tunnel(p, path);
	plane_store(&plane_path_map(p, path->id)->encap, MAGPIE_ENCAP_NONE);
	HASH_DELETE(hh, p->paths, path);
	HASH_DELETE(hh_id, p->paths_by_id, path);
	icmp_source(p);
	path->next_gone = p->gone;
	p->gone = path;
}

void plane_path_give(struct plane *p, uint32_t id)
{
	struct plane_path *path = plane_path_find(p, id);

	if (!path || --path->users > 0)
		return;
	remove_path(p, path);
	idpool_give(&p->path_ids, id, plane_now_ns());
}

void plane_path_undo(struct plane *p, uint32_t id)
{
	struct plane_path *path = plane_path_find(p, id);

	if (!path || --path->users > 0)
		return;
	remove_path(p, path);
	memset(plane_path_map(p, id), 0, sizeof(struct magpie_path));
	idpool_give(&p->path_ids, id, plane_now_ns()); /* a packet may have arrived by it */
}

void plane_paths_tell(struct plane *p)
{
	while (p->gone) {
		struct plane_path *path = p->gone;

		p->gone = path->next_gone;
		if (path->announced && p->watcher.path_removed)
			p->watcher.path_removed(p->watcher.ctx, path->id);
		free(path);
	}
}

void plane_paths_close(struct plane *p)
{
	struct plane_path *path = p->paths_by_id, *next;

	p->watcher = (struct plane_watcher){0};
	plane_paths_tell(p);
	HASH_CLEAR(hh, p->paths);
	HASH_CLEAR(hh_id, p->paths_by_id);
	for (; path; path = next) {
		next = path->hh_id.next;
		free(path);
	}
}

/* ---- what others see and set ------------------------------------------------------- */

void plane_set_outer(struct plane *p, uint32_t id, const struct magpie_outer *outer)
{
	struct plane_path *path = plane_path_find(p, id);
	struct magpie_path *m;
	uint8_t idle;

	if (!path)
		return;
	m = plane_path_map(p, id);
	idle = !(m->live & 1);
	if (memcmp(&m->outer[!idle], outer, sizeof(*outer)) == 0)
		return;
	plane_grace(p, path->retired_ns);
	m->outer[idle] = *outer;
	plane_store(&m->live, idle);
	path->retired_ns = plane_now_ns();
}

void plane_set_alive(struct plane *p, uint32_t id, bool alive)
{
	if (plane_path_find(p, id))
		plane_store(&plane_path_map(p, id)->alive, (uint8_t)alive);
}

uint32_t plane_find_path(const struct plane *p, const struct ip_addr *local,
			 const struct ip_addr *remote)
{
	struct plane_path_key key = {*local, *remote};
	const struct plane_path *path = plane_path_by_key(p, &key);

	return path ? path->id : 0;
}

static void sum_path(const struct plane *p, uint32_t id, struct magpie_path_count *ret)
{
	struct magpie_path_count *cpu = calloc((size_t)p->cpus, sizeof(*cpu));

	memset(ret, 0, sizeof(*ret));
	if (cpu && bpf_map_lookup_elem(p->map[PLANE_MAP_pathstat].fd, &id, cpu) == 0) {
		for (int i = 0; i < p->cpus; i++) {
			ret->tx_packets += cpu[i].tx_packets;
			ret->tx_bytes += cpu[i].tx_bytes;
			ret->rx_packets += cpu[i].rx_packets;
			ret->rx_bytes += cpu[i].rx_bytes;
		}
	}
	free(cpu);
}

int plane_path(const struct plane *p, uint32_t id, struct plane_path_info *ret_info)
{
	const struct plane_path *path = plane_path_find(p, id);
	const struct magpie_path *m;

	if (!path)
		return -ENOENT;
	m = plane_path_map(p, id);
	*ret_info = (struct plane_path_info){
		.id = id,
		.local = path->key.local,
		.remote = path->key.remote,
		.ifindex = path->ifindex,
		.label = m->label,
		.alive = m->alive,
		.outer = m->outer[m->live & 1],
		.users = path->users,
	};
	sum_path(p, id, &ret_info->count);
	return 0;
}

int plane_each_path(const struct plane *p,
		    int (*each)(void *ctx, const struct plane_path_info *info), void *ctx)
{
	struct plane_path *path, *tmp;
	int r = 0;

	HASH_ITER (hh_id, p->paths_by_id, path, tmp) {
		struct plane_path_info info;

		plane_path(p, path->id, &info);
		r = each(ctx, &info);
		if (r != 0)
			break;
	}
	return r;
}

void plane_build_outer(struct magpie_outer *ret_outer, uint32_t ifindex, uint16_t device_mtu,
		       const uint8_t source_mac[6], const uint8_t destination_mac[6],
		       const struct ip_addr *local, const struct ip_addr *remote, uint8_t hop_limit)
{
	uint8_t *h = ret_outer->hdr;

	memset(ret_outer, 0, sizeof(*ret_outer));
	ret_outer->ifindex = ifindex;
	ret_outer->mtu = device_mtu > 40 ? (uint16_t)(device_mtu - 40) : 0;
	ret_outer->l2_len = 14;
	ret_outer->len = 14 + 40;
	memcpy(h, destination_mac, 6);
	memcpy(h + 6, source_mac, 6);
	h[12] = 0x86;
	h[13] = 0xdd;
	h[14] = 0x60;
	h[14 + 6] = 41;
	h[14 + 7] = hop_limit;
	memcpy(h + 14 + 8, local->b, 16);
	memcpy(h + 14 + 24, remote->b, 16);
}
