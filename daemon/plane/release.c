/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Taking down what stands in a directory of pins: links first (that detaches), then filters of
 * kernels without tcx, then maps. Only what is in the directory is touched, so nothing foreign is.
 */
#include <dirent.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "plane/attach.h"
#include "util/log.h"

/* The filter goes if it still runs the program that was pinned beside it. */
static void detach_clsact(const char *pin, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = ATTACH_TC_HANDLE, .priority = ATTACH_TC_PRIORITY);
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	int fd = bpf_obj_get(pin);

	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && bpf_tc_query(&hook, &opts) == 0 &&
	    opts.prog_id == info.id) {
		opts.prog_fd = 0;
		opts.prog_id = 0;
		opts.flags = 0;
		bpf_tc_detach(&hook, &opts);
	}
	close(fd);
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_ours(const char *name)
{
	return starts_with(name, "magpie_") || starts_with(name, ATTACH_PIN_XDP "_") ||
	       starts_with(name, ATTACH_PIN_TC "_") || starts_with(name, ATTACH_PIN_CLSACT "_");
}

static int remove_pins(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d))) {
		char pin[600];

		if (!is_ours(e->d_name))
			continue; /* the kernel puts files of its own into a new bpffs */
		snprintf(pin, sizeof(pin), "%s/%s", dir, e->d_name);
		if (starts_with(e->d_name, ATTACH_PIN_CLSACT "_"))
			detach_clsact(pin,
				      (uint32_t)strtoul(e->d_name + strlen(ATTACH_PIN_CLSACT) + 1,
							NULL, 10));
		if (unlink(pin) < 0) {
			log_error("data plane: cannot unpin %s: %s", pin, strerror(errno));
			r = -errno;
		}
	}
	closedir(d);
	return r;
}

int plane_release(const char *dir)
{
	struct statfs fs;
	int r;

	if (statfs(dir, &fs) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fs.f_type != BPF_FS_MAGIC) {
		rmdir(dir); /* ours and empty, or not ours to remove */
		return 0;
	}
	r = remove_pins(dir);
	if (r == 0 && umount(dir) == 0)
		rmdir(dir);
	return r;
}
