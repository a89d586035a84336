/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Taking down what stands in a directory of pins: attachments first, then maps. Only what has a
 * name of ours is touched, and the bpffs stays mounted while anything else is in it.
 */
#include <dirent.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "plane/attach.h"
#include "util/log.h"

static void take_down(void *ctx, enum plane_hook hook, uint32_t ifindex)
{
	hook_detach(ctx, hook, ifindex);
}

/* What the kernel puts into a new bpffs, and what every directory has. */
static bool is_of_the_kernel(const char *name)
{
	return name[0] == '.' || strcmp(name, "maps.debug") == 0 ||
	       strcmp(name, "progs.debug") == 0;
}

/* The entries of the directory that are not ours; negative errno. */
static int count_foreign(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	int n = 0;

	if (!d)
		return -errno;
	while ((e = readdir(d)))
		n += !is_of_the_kernel(e->d_name);
	closedir(d);
	return n;
}

/* The configuration is the first of the maps to go: without it the others are never adopted. */
int plane_unpin(const char *dir)
{
	char path[300];
	int r = 0;

	snprintf(path, sizeof(path), "%s", dir);
	hook_each(dir, take_down, path);
	for (int i = 0; i < PLANE_MAP_COUNT; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, plane_map_name((enum plane_map)i));
		if (unlink(path) < 0 && errno != ENOENT) {
			r = -errno;
			log_error("data plane: cannot unpin %s: %s", path, strerror(errno));
		}
	}
	return r;
}

int plane_release(const char *dir)
{
	struct statfs fs;
	int r;

	plane_log_libbpf();
	if (statfs(dir, &fs) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fs.f_type != BPF_FS_MAGIC) {
		rmdir(dir); /* ours and empty, or not ours to remove */
		return 0;
	}
	r = plane_unpin(dir);
	if (r < 0)
		return r;
	if (count_foreign(dir) != 0) {
		log_notice("data plane: %s stays: there are pins in it that are not ours", dir);
		return 0;
	}
	umount(dir); /* fails where it is a folder of somebody's bpffs: only the folder goes then */
	rmdir(dir);
	return 0;
}
