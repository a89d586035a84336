/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps' memory, for those that are written by stores. */
#include <sys/mman.h>
#include <unistd.h>

#include "plane/state.h"
#include "util/log.h"

static const struct {
	const char *name;
	bool mmapable;
} maps[PLANE_MAP_COUNT] = {
#define X(name, mmapable) {"magpie_" #name, mmapable},
	PLANE_MAPS(X)
#undef X
};

const char *plane_map_name(enum plane_map map)
{
	return maps[map].name;
}

static int map_one(struct plane *p, enum plane_map map)
{
	struct plane_map_state *m = &p->map[map];
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (bpf_obj_get_info_by_fd(m->fd, &info, &len) < 0)
		return -errno;
	m->entries = info.max_entries;
	m->stride = (info.value_size + 7u) & ~7u; /* as the kernel lays arrays out */
	if (!maps[map].mmapable)
		return 0;
	m->size = (m->stride * m->entries + page - 1) & ~(page - 1);
	m->memory = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (m->memory == MAP_FAILED) {
		m->memory = NULL;
		return -errno;
	}
	return 0;
}

int plane_maps_map(struct plane *p)
{
	for (int i = 0; i < PLANE_MAP_COUNT; i++) {
		int r = map_one(p, (enum plane_map)i);

		if (r < 0) {
			log_error("data plane: map %s: %s", maps[i].name, strerror(-r));
			return r;
		}
	}
	return 0;
}

void plane_maps_unmap(struct plane *p)
{
	for (int i = 0; i < PLANE_MAP_COUNT; i++) {
		if (p->map[i].memory)
			munmap(p->map[i].memory, p->map[i].size);
		p->map[i].memory = NULL;
	}
}
