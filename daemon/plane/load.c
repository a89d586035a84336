/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs and their maps. Maps are pinned by name in the plane's directory; a program that is
 * loaded later, or by a later daemon, is given the maps that are there. Maps of another type, size
 * or flags are refused in words, before anything is touched.
 */
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "plane/state.h"
#include "skel/magpie_tc.skel.h"
#include "skel/magpie_xdp.skel.h"
#include "util/log.h"

#define SPARE_SESSIONS 64 /* beyond the limit: numbers that rest */
#define WIDE_MIN       16
#define WIDE_MAX       1024

static int print(enum libbpf_print_level level, const char *format, va_list ap)
{
	char line[512];
	int n = vsnprintf(line, sizeof(line), format, ap);

	while (n > 0 && n < (int)sizeof(line) && line[n - 1] == '\n')
		line[--n] = '\0';
	if (level != LIBBPF_DEBUG)
		log_debug("%s", line);
	return n;
}

void plane_log_libbpf(void)
{
	libbpf_set_print(print);
}

/* The directory on a bpffs: made, and one mounted on it, where it is none yet. */
int plane_mount(const char *dir)
{
	struct statfs fs;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		log_error("data plane: cannot make %s: %s", dir, strerror(errno));
		return -errno;
	}
	if (statfs(dir, &fs) == 0 && fs.f_type == BPF_FS_MAGIC)
		return 0;
	if (mount("bpf", dir, "bpf", 0, "mode=0700") < 0) {
		log_error(
			"data plane: cannot mount a bpffs on %s: %s; a systemd .mount unit can do "
			"it for a daemon without CAP_SYS_ADMIN",
			dir, strerror(errno));
		return -errno;
	}
	return 0;
}

static uint32_t entries(enum plane_map map, const struct plane_config *c)
{
	uint32_t sessions = c->max_sessions + c->max_sessions / 8 + SPARE_SESSIONS;
	uint32_t wide = sessions / 16;

	switch (map) {
	case PLANE_MAP_session:
		return sessions;
	case PLANE_MAP_switch:
		return sessions / MAGPIE_SWITCHES + 1;
	case PLANE_MAP_slots:
		return (uint32_t)plane_pool_slots(c);
	case PLANE_MAP_wide:
		return wide < WIDE_MIN ? WIDE_MIN : wide > WIDE_MAX ? WIDE_MAX : wide;
	case PLANE_MAP_prefix:
		return sessions;
	case PLANE_MAP_path:
	case PLANE_MAP_pathstat:
	case PLANE_MAP_tunnel:
		return c->max_paths;
	case PLANE_MAP_flow:
		return c->flow_table;
	case PLANE_MAP_config:
	case PLANE_MAP_dev:
	case PLANE_MAP_rule:
	case PLANE_MAP_class:
	case PLANE_MAP_local:
	case PLANE_MAP_frag:
	case PLANE_MAP_nexthop:
	case PLANE_MAP_bucket:
	case PLANE_MAP_decision:
	case PLANE_MAP_hint:
	case PLANE_MAP_reason:
	case PLANE_MAP_rulestat:
	case PLANE_MAP_COUNT:
		break; /* as in maps.h */
	}
	return 0;
}

static int prepare_map(struct plane *p, struct bpf_object *object, enum plane_map m,
		       const struct plane_config *config)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, plane_map_name(m));
	uint32_t n = entries(m, config);
	char pin[300];
	int r = 0;

	if (!map)
		return -ENOENT;
	snprintf(pin, sizeof(pin), "%s/%s", p->dir, plane_map_name(m));
	if (n > 0)
		r = bpf_map__set_max_entries(map, n);
	if (r == 0)
		r = bpf_map__set_pin_path(map, pin);
	return r;
}

/* A pinned map that is not as it would be made now, in words; libbpf would only say EINVAL. */
static int check_pin(const struct plane *p, const struct bpf_object *object, enum plane_map m)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(object, plane_map_name(m));
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	int fd = bpf_obj_get(bpf_map__pin_path(map)), r = 0;

	if (fd < 0)
		r = p->adopted ? -ENOENT : 0;
	else if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		r = -errno;
	else if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
		 info.value_size != bpf_map__value_size(map) ||
		 info.map_flags != bpf_map__map_flags(map))
		r = -EPROTO;
	else if (info.max_entries != bpf_map__max_entries(map))
		r = -E2BIG;
	if (fd >= 0)
		close(fd);
	if (r == 0)
		return 0;
	if (r == -E2BIG)
		log_error("data plane: the pinned %s has %u entries, the configuration wants %u; "
			  "`magpie release` removes it, forwarding stops until the restart",
			  plane_map_name(m), info.max_entries, bpf_map__max_entries(map));
	else
		log_error("data plane: the pinned %s is %s; `magpie release` removes what is "
			  "there, forwarding stops until the restart",
			  plane_map_name(m),
			  r == -ENOENT	 ? "missing beside the others"
			  : r == -EPROTO ? "of another version"
					 : strerror(-r));
	return -EEXIST;
}

static const char *program_name(enum plane_hook hook)
{
	return hook == PLANE_HOOK_XDP ? "magpie_xdp" : "magpie_tc";
}

static struct bpf_object *open_object(enum plane_hook hook)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = program_name(hook));
	size_t size = 0;
	const void *elf =
		hook == PLANE_HOOK_XDP ? magpie_xdp__elf_bytes(&size) : magpie_tc__elf_bytes(&size);

	return bpf_object__open_mem(elf, size, &opts);
}

int plane_load(struct plane *p, enum plane_hook hook, const struct plane_config *config)
{
	struct bpf_object *object;
	struct bpf_program *program;
	int r = 0;

	if (p->object[hook])
		return 0;
	object = open_object(hook);
	if (!object)
		return -errno;
	for (int i = 0; r == 0 && i < PLANE_MAP_COUNT; i++)
		r = prepare_map(p, object, (enum plane_map)i, config);
	for (int i = 0; r == 0 && i < PLANE_MAP_COUNT; i++)
		r = check_pin(p, object, (enum plane_map)i);
	if (r == 0)
		r = bpf_object__load(object);
	if (r < 0) {
		if (r != -EEXIST)
			log_error("data plane: cannot load the %s program: %s", program_name(hook),
				  strerror(-r));
		bpf_object__close(object);
		return r;
	}
	program = bpf_object__find_program_by_name(object, program_name(hook));
	p->program[hook] = bpf_program__fd(program);
	for (int i = 0; i < PLANE_MAP_COUNT; i++)
		p->map[i].fd =
			bpf_object__find_map_fd_by_name(object, plane_map_name((enum plane_map)i));
	p->object[hook] = object;
	return 0;
}

void plane_unload(struct plane *p)
{
	for (int i = 0; i < 3; i++)
		bpf_object__close(p->object[i]);
}
