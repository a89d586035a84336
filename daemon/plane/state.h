/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The plane's own state; internal to plane/. What can be read from the maps is not kept twice: a
 * session's bindings are in its live set, a path's header in its live outer.
 */
#ifndef MAGPIE_PLANE_STATE_H
#define MAGPIE_PLANE_STATE_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "plane/plane.h"
#include "util/log.h"

/* Every map: X(name, mmapable). The name is also that of its pin. */
#define PLANE_MAPS(X)  \
	X(config, 1)   \
	X(dev, 0)      \
	X(rule, 0)     \
	X(class, 0)    \
	X(slots, 1)    \
	X(prefix, 0)   \
	X(session, 1)  \
	X(switch, 1)   \
	X(wide, 1)     \
	X(path, 1)     \
	X(tunnel, 0)   \
	X(local, 0)    \
	X(flow, 0)     \
	X(frag, 0)     \
	X(nexthop, 0)  \
	X(bucket, 0)   \
	X(decision, 0) \
	X(hint, 0)     \
	X(reason, 0)   \
	X(pathstat, 0) \
	X(rulestat, 0)

enum plane_map {
#define X(name, mmapable) PLANE_MAP_##name,
	PLANE_MAPS(X)
#undef X
		PLANE_MAP_COUNT
};

struct plane_map_state {
	int fd;
	uint32_t entries;
	size_t stride;	 /* octets from one element to the next in the mapping */
	uint8_t *memory; /* mmapable maps only */
	size_t size;
};

/*
 * Numbers of elements. A freed number rests: packets under way may still use its element, so it is
 * given out again as late as possible and never within a grace period.
 */
struct idpool {
	uint32_t size;	      /* numbers are 1 .. size - 1 */
	uint32_t fresh;	      /* the next one never given out */
	uint32_t head, count; /* ring of the freed, oldest first */
	struct idpool_rest {
		uint32_t id;
		uint64_t retired_ns;
	} * ring;
	uint8_t *used;
};

struct plane_session {
	uint32_t core_id; /* 0: adopted, not claimed yet */
	uint32_t id;
	uint64_t retired_ns; /* when the idle set was last live */
	uint8_t n_prefix;
	struct ip_prefix prefix[MH_MAX_HNP];
	UT_hash_handle hh;    /* by core_id */
	UT_hash_handle hh_id; /* by id */
};

struct plane_path_key {
	struct ip_addr local;
	struct ip_addr remote;
};

struct plane_path {
	struct plane_path_key key;
	uint32_t id;
	uint32_t users;
	uint32_t ifindex;
	bool announced;
	uint64_t retired_ns; /* when the idle outer header was last live */
	struct plane_path *next_gone;
	UT_hash_handle hh;    /* by key */
	UT_hash_handle hh_id; /* by id */
};

#define PLANE_MAX_ATTACHED 300

struct plane_attachment {
	struct plane_device device;
	enum plane_hook hook; /* AUTO: not attached */
};

struct plane {
	char *dir;
	enum magpie_role role;
	enum plane_hook hook; /* in use; AUTO until the first device is attached */
	bool no_tcx;	      /* as if the kernel had none */
	bool adopted;	      /* the maps are those of a former daemon */
	struct plane_watcher watcher;
	struct bpf_object *object[3]; /* by plane_hook; NULL: not loaded */
	int program[3];
	struct plane_map_state map[PLANE_MAP_COUNT];
	int cpus;

	struct plane_attachment attached[PLANE_MAX_ATTACHED];
	size_t n_attached;

	struct plane_session *by_core_id;
	struct plane_session *by_id;
	size_t orphans; /* sessions with core_id 0 */
	struct idpool session_ids;
	struct idpool path_ids;
	struct idpool wide_ids;
	struct plane_path *paths;
	struct plane_path *paths_by_id;
	struct plane_path *gone; /* the watcher is still to be told */
	struct log_limit full;	 /* a table is full */

	size_t n_pool;
	struct plane_pool pool[MAGPIE_POOLS]; /* by index of magpie_config.pool; MAG: learned */
	bool pool_used[MAGPIE_POOLS];
	uint64_t pool_retired_ns[MAGPIE_POOLS];

	int grace_outer_fd, grace_inner_fd;
	uint64_t grace_ns; /* what was retired before is unread */
	uint64_t policy_retired_ns;
};

/* ---- access to the mapped maps ----------------------------------------------------- */

static inline void *plane_at(const struct plane *p, enum plane_map map, uint32_t index)
{
	return p->map[map].memory + index * p->map[map].stride;
}

static inline struct magpie_config *plane_config_map(const struct plane *p)
{
	return plane_at(p, PLANE_MAP_config, 0);
}

static inline struct magpie_path *plane_path_map(const struct plane *p, uint32_t id)
{
	return plane_at(p, PLANE_MAP_path, id);
}

/* Makes all stores so far visible before `value` is. */
#define plane_store(place, value) __atomic_store_n((place), (value), __ATOMIC_RELEASE)

static inline void plane_ip_copy(uint8_t to[16], const struct ip_addr *from)
{
	memcpy(to, from->b, 16);
}

/* idpool.c */
int idpool_init(struct idpool *pool, uint32_t size);
void idpool_fini(struct idpool *pool);
uint32_t idpool_take(struct plane *p, struct idpool *pool); /* 0: none left; may wait for grace */
void idpool_give(struct idpool *pool, uint32_t id, uint64_t now_ns);
void idpool_adopt(struct idpool *pool, uint32_t id); /* in use already */
void idpool_adopted(struct idpool *pool);	     /* after the last idpool_adopt */

/* grace.c */
uint64_t plane_now_ns(void);
int plane_grace_open(struct plane *p);
void plane_grace_close(struct plane *p);
/* Returns when no packet can still see what was retired at retired_ns (0: never live). */
void plane_grace(struct plane *p, uint64_t retired_ns);

/* maps.c */
int plane_maps_map(struct plane *p);
void plane_maps_unmap(struct plane *p);
const char *plane_map_name(enum plane_map map);

/* release.c */
/* Takes down and unpins all that is ours below `dir`; the bpffs stays. */
int plane_unpin(const char *dir);

/* load.c */
int plane_load(struct plane *p, enum plane_hook hook, const struct plane_config *config);
void plane_unload(struct plane *p);
/* What libbpf says goes to our log, for debugging; what matters we say ourselves. */
void plane_log_libbpf(void);
int plane_mount(const char *dir);

/* path.c */
/* Takes a reference; makes and announces the path if it is new. -ENOSPC */
int plane_path_take(struct plane *p, const struct binding_view *b, uint32_t *ret_id);
void plane_path_give(struct plane *p, uint32_t id);
/* As give, for a reference that no live set ever held: a path that goes leaves no trace. */
void plane_path_undo(struct plane *p, uint32_t id);
/* Tells the watcher of the paths that went; at the end of a change, so that it may make another. */
void plane_paths_tell(struct plane *p);
void plane_paths_close(struct plane *p);
struct plane_path *plane_path_find(const struct plane *p, uint32_t id);
struct plane_path *plane_path_by_key(const struct plane *p, const struct plane_path_key *key);
void plane_path_enter(struct plane *p, struct plane_path *path);
void plane_tunnel_key(const struct plane_path_key *key, struct magpie_tunnel_key *ret_key);

/* prefix.c */
int plane_pools_init(struct plane *p, const struct plane_config *config);
uint64_t plane_pool_slots(const struct plane_config *config);
int plane_prefix_add(struct plane *p, const struct ip_prefix *prefix, uint32_t session);
/* Unless the prefix leads to another session. */
void plane_prefix_remove(struct plane *p, const struct ip_prefix *prefix, uint32_t session);
/* The session a prefix leads to; 0: none. */
uint32_t plane_prefix_find(const struct plane *p, const struct ip_prefix *prefix);
/* Calls each for every prefix that has a session. */
void plane_prefix_each(struct plane *p,
		       void (*each)(struct plane *p, const struct ip_prefix *prefix,
				    uint32_t session));

/* session.c */
void plane_sessions_close(struct plane *p);
struct magpie_set *plane_live_set(const struct plane *p, uint32_t session);
struct magpie_binding *plane_bindings(const struct plane *p, struct magpie_set *set);
uint8_t *plane_pinned_byte(const struct plane *p, uint32_t session);

/* adopt.c */
int plane_adopt(struct plane *p);

/* seed.c */
uint64_t plane_seed(const struct ip_prefix *prefix);

#endif
