/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Opening and closing. Programs are attached before the maps say anything about sessions, which is
 * harmless: without sessions every packet passes. The layout number is written last of all, so maps
 * that are half made are never adopted.
 */
#include "plane/plane.h"

#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "plane/attach.h"
#include "util/log.h"

/* What an earlier daemon left: 0 nothing, 1 maps to adopt, -EEXIST maps of another layout or role.
 */
static int look_at_pins(struct plane *p)
{
	struct magpie_config config;
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	uint32_t zero = 0;
	char pin[300];
	int fd, r = 1;

	snprintf(pin, sizeof(pin), "%s/%s", p->dir, plane_map_name(PLANE_MAP_config));
	fd = bpf_obj_get(pin);
	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0 || info.value_size != sizeof(config) ||
	    bpf_map_lookup_elem(fd, &zero, &config) < 0 || config.layout != MAGPIE_LAYOUT ||
	    config.role != p->role) {
		log_error("data plane: %s holds maps of another version, role or an unfinished "
			  "start; "
			  "`magpie release` removes them",
			  p->dir);
		r = -EEXIST;
	}
	close(fd);
	return r;
}

/* So that a dump prints names. */
static int name_reasons(struct plane *p)
{
	struct magpie_reason_count *cpu = calloc((size_t)p->cpus, sizeof(*cpu));
	int r = cpu ? 0 : -ENOMEM;

	for (uint32_t i = 0; r == 0 && i < MAGPIE_REASON_COUNT; i++) {
		for (int c = 0; c < p->cpus; c++)
			cpu[c] = (struct magpie_reason_count){.reason = (enum magpie_reason)i};
		if (bpf_map_update_elem(p->map[PLANE_MAP_reason].fd, &i, cpu, BPF_ANY) < 0)
			r = -errno;
	}
	free(cpu);
	return r;
}

static int fill_config(struct plane *p, const struct plane_config *config, bool adopted)
{
	struct magpie_config *c = plane_config_map(p);
	uint64_t key;
	int r;

	if (getrandom(&key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return -errno;
	c->role = p->role;
	c->flow_idle_s = config->flow_idle_s;
	c->hop_limit = config->hop_limit;
	plane_store(&c->trace_key, key ? key : 1);
	r = plane_pools_init(p, config, adopted);
	if (r < 0)
		return r;
	if (!adopted) {
		r = name_reasons(p);
		if (r < 0)
			return r;
		plane_store(&c->layout, MAGPIE_LAYOUT);
	}
	return 0;
}

static int open_tables(struct plane *p, const struct plane_config *config, bool adopted)
{
	int r = plane_maps_map(p);

	if (r == 0)
		r = idpool_init(&p->session_ids, p->map[PLANE_MAP_session].entries);
	if (r == 0)
		r = idpool_init(&p->path_ids, p->map[PLANE_MAP_path].entries);
	if (r == 0)
		r = idpool_init(&p->wide_ids, p->map[PLANE_MAP_wide].entries);
	if (r == 0)
		r = plane_grace_open(p);
	if (r == 0)
		r = fill_config(p, config, adopted);
	if (r == 0)
		r = plane_paths_adopt(p);
	if (r == 0)
		r = plane_sessions_adopt(p);
	return r;
}

int plane_open(const struct plane_config *config, const struct plane_watcher *watcher,
	       struct plane **ret_plane)
{
	struct plane *p = calloc(1, sizeof(*p));
	bool adopted;
	int r;

	if (!p)
		return -ENOMEM;
	p->role = config->role;
	p->watcher = *watcher;
	p->cpus = libbpf_num_possible_cpus();
	p->dir = strdup(config->dir);
	r = p->dir ? plane_mount(p->dir) : -ENOMEM;
	if (r < 0)
		goto fail;
	r = look_at_pins(p);
	if (r < 0)
		goto fail;
	adopted = r > 0;

	r = plane_attach_first(p, config);
	if (r == 0)
		r = open_tables(p, config, adopted);
	if (r < 0)
		goto fail;
	*ret_plane = p;
	return 0;

fail:
	plane_close(p);
	return r;
}

void plane_close(struct plane *p)
{
	if (!p)
		return;
	plane_sessions_close(p);
	plane_paths_close(p);
	idpool_fini(&p->session_ids);
	idpool_fini(&p->path_ids);
	idpool_fini(&p->wide_ids);
	plane_grace_close(p);
	plane_maps_unmap(p);
	plane_unload(p);
	free(p->dir);
	free(p);
}
