/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Opening and closing. Programs are attached last, when their maps are whole. The layout number is
 * written after the other contents, so maps that are half made are never adopted: they are made
 * anew, and a first start that fails leaves nothing.
 */
#include "plane/plane.h"

#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "plane/attach.h"
#include "util/log.h"

/*
 * What an earlier daemon left: 0 nothing, 1 maps to adopt, -EEXIST maps of another layout or role.
 */
static int look_at_pins(struct plane *p)
{
	struct magpie_config config = {0};
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	uint32_t zero = 0;
	char pin[300];
	int fd, r;

	snprintf(pin, sizeof(pin), "%s/%s", p->dir, plane_map_name(PLANE_MAP_config));
	fd = bpf_obj_get(pin);
	if (fd < 0 && errno == ENOENT)
		return plane_unpin(p->dir); /* what a release that was cut short has left */
	if (fd < 0)
		return -errno;
	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (r == 0 && info.value_size == sizeof(config))
		r = bpf_map_lookup_elem(fd, &zero, &config);
	close(fd);
	if (r == 0 && info.value_size == sizeof(config) && config.layout == 0)
		return plane_unpin(p->dir); /* a start that was not finished: nobody uses it */
	if (r < 0 || config.layout != MAGPIE_LAYOUT)
		log_error("data plane: %s holds the maps of another version; `magpie release` "
			  "removes them, forwarding stops until the restart",
			  p->dir);
	else if (config.role != p->role)
		log_error("data plane: %s holds the maps of the other role; `magpie release` "
			  "removes them",
			  p->dir);
	else
		return 1;
	return -EEXIST;
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

static int fill_config(struct plane *p, const struct plane_config *config)
{
	struct magpie_config *c = plane_config_map(p);
	uint64_t key;
	int r = plane_pools_init(p, config);

	if (r < 0)
		return r;
	if (getrandom(&key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return -errno;
	c->role = p->role;
	c->flow_idle_s = config->flow_idle_s;
	c->hop_limit = config->hop_limit;
	plane_store(&c->trace_key, key ? key : 1);
	if (!p->adopted) {
		r = name_reasons(p);
		if (r < 0)
			return r;
		plane_store(&c->layout, MAGPIE_LAYOUT);
	}
	return 0;
}

static int open_tables(struct plane *p, const struct plane_config *config)
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
		r = fill_config(p, config);
	if (r == 0 && p->adopted)
		plane_grace(p, plane_now_ns()); /* what the former daemon retired is unread now */
	if (r == 0)
		r = plane_adopt(p);
	return r;
}

int plane_open(const struct plane_config *config, const struct plane_watcher *watcher,
	       struct plane **ret_plane)
{
	struct plane *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	plane_log_libbpf();
	p->role = config->role;
	p->no_tcx = config->no_tcx;
	p->watcher = *watcher;
	p->cpus = libbpf_num_possible_cpus();
	p->dir = strdup(config->dir);
	r = p->dir ? plane_mount(p->dir) : -ENOMEM;
	if (r == 0)
		r = look_at_pins(p);
	if (r < 0) {
		plane_close(p);
		return r;
	}
	p->adopted = r > 0;

	r = plane_choose_hook(p, config);
	if (r == 0)
		r = open_tables(p, config);
	if (r == 0)
		r = plane_attach_first(p, config);
	if (r < 0) {
		bool adopted = p->adopted;

		plane_close(p);
		if (!adopted)
			plane_release(config->dir);
		return r;
	}
	*ret_plane = p;
	return 0;
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
