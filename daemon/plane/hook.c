/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A program on a device. A link, pinned, so that it outlives the daemon; the next daemon gives the
 * link its own program in place (no packet is missed) instead of detaching. Kernels without tcx get
 * a clsact filter under a handle and priority of ours, with the program pinned as its mark; a
 * clsact qdisc that we made goes with its last filter. Nothing foreign is replaced or removed.
 */
#include <dirent.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <unistd.h>

#include "plane/attach.h"
#include "util/log.h"

/* enum bpf_attach_type of kernels from 6.6; not in Debian 12's header */
#define TCX_INGRESS 46

#define TC_HANDLE   0x8278
#define TC_PRIORITY 8278

enum pin_kind {
	PIN_XDP,    /* a link */
	PIN_TCX,    /* a link */
	PIN_CLSACT, /* the program of the filter that is ours */
	PIN_QDISC,  /* some object of ours: the qdisc is of our making */
};

static const struct {
	const char *name;
	enum plane_hook hook;
} kinds[] = {
	[PIN_XDP] = {"link_xdp_", PLANE_HOOK_XDP},
	[PIN_TCX] = {"link_tc_", PLANE_HOOK_TC},
	[PIN_CLSACT] = {"clsact_", PLANE_HOOK_TC},
	[PIN_QDISC] = {"qdisc_", PLANE_HOOK_TC},
};

/* ---- pins -------------------------------------------------------------------------- */

struct pin {
	char path[300];
};

static struct pin pin_of(const char *dir, enum pin_kind kind, uint32_t ifindex)
{
	struct pin pin;

	snprintf(pin.path, sizeof(pin.path), "%s/%s%u", dir, kinds[kind].name, ifindex);
	return pin;
}

static bool is_pinned(const char *dir, enum pin_kind kind, uint32_t ifindex)
{
	return access(pin_of(dir, kind, ifindex).path, F_OK) == 0;
}

/* Where a link is attached; 0: its device is gone. */
static uint32_t link_ifindex(int fd)
{
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return 0;
	return info.xdp.ifindex; /* tcx has it in the same place */
}

/* The pinned link that is in force on the device; -ENOENT. */
static int open_link(const char *dir, enum pin_kind kind, uint32_t ifindex)
{
	int fd = bpf_obj_get(pin_of(dir, kind, ifindex).path);

	if (fd >= 0 && link_ifindex(fd) == ifindex)
		return fd;
	if (fd >= 0)
		close(fd);
	return -ENOENT;
}

/* Pins what is new; without a pin it would end with the daemon. */
static int pin(const char *dir, enum pin_kind kind, uint32_t ifindex, int fd)
{
	struct pin pin = pin_of(dir, kind, ifindex);

	unlink(pin.path);
	return bpf_obj_pin(fd, pin.path) < 0 ? -errno : 0;
}

/* ---- links: XDP and tcx ------------------------------------------------------------ */

/* The pinned link gets our program; -ENOENT when there is none in force. */
static int adopt_link(const struct plane *p, enum pin_kind kind, uint32_t ifindex)
{
	int fd = open_link(p->dir, kind, ifindex), r;

	if (fd < 0)
		return fd;
	r = bpf_link_update(fd, p->program[kinds[kind].hook], NULL) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static int make_link(const struct plane *p, enum pin_kind kind, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = kind == PIN_XDP ? XDP_FLAGS_DRV_MODE : 0);
	enum bpf_attach_type type = kind == PIN_XDP ? BPF_XDP : (enum bpf_attach_type)TCX_INGRESS;
	int fd = bpf_link_create(p->program[kinds[kind].hook], (int)ifindex, type, &opts), r;

	if (fd < 0)
		return -errno;
	r = pin(p->dir, kind, ifindex, fd);
	close(fd);
	return r;
}

static int attach_link(const struct plane *p, enum pin_kind kind, uint32_t ifindex)
{
	int r = adopt_link(p, kind, ifindex);

	return r == -ENOENT ? make_link(p, kind, ifindex) : r;
}

/* At once: a link whose last pin goes detaches some milliseconds later. */
static void remove_link(const char *dir, enum pin_kind kind, uint32_t ifindex)
{
	int fd = open_link(dir, kind, ifindex);

	if (fd >= 0) {
		bpf_link_detach(fd);
		close(fd);
	}
	unlink(pin_of(dir, kind, ifindex).path);
}

/* ---- clsact ------------------------------------------------------------------------ */

/* The program under our handle and priority; 0: there is none. */
static uint32_t filter_program(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);

	return bpf_tc_query(&hook, &opts) == 0 ? opts.prog_id : 0;
}

/* A filter in our place is ours if there is a pin that says so and it runs a program of our name.
 */
static bool filter_is_ours(const char *dir, uint32_t ifindex, uint32_t program)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	bool ours = false;
	int fd;

	if (!is_pinned(dir, PIN_CLSACT, ifindex))
		return false;
	fd = bpf_prog_get_fd_by_id(program);
	if (fd < 0)
		return false;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
		ours = strcmp(info.name, "magpie_tc") == 0;
	close(fd);
	return ours;
}

static int attach_filter(const struct plane *p, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY,
		    .prog_fd = p->program[PLANE_HOOK_TC], .flags = BPF_TC_F_REPLACE);
	uint32_t there;
	int r;

	r = bpf_tc_hook_create(&hook);
	if (r == 0)
		r = pin(p->dir, PIN_QDISC, ifindex, p->map[PLANE_MAP_config].fd);
	if (r < 0 && r != -EEXIST)
		return r;
	there = filter_program(ifindex);
	if (there != 0 && !filter_is_ours(p->dir, ifindex, there))
		return -EBUSY;
	/* The mark comes first: a filter without it would be taken for foreign. */
	r = pin(p->dir, PIN_CLSACT, ifindex, opts.prog_fd);
	return r < 0 ? r : bpf_tc_attach(&hook, &opts);
}

static int count_filter(const struct nlmsghdr *h, void *data)
{
	uint32_t *n = data;

	if (h->nlmsg_type == RTM_NEWTFILTER)
		++*n;
	return MNL_CB_OK;
}

/* The filters on one side of a clsact qdisc, anybody's; UINT32_MAX: cannot be told. */
static uint32_t filters_at(uint32_t ifindex, uint32_t side)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	uint8_t buffer[8192];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct tcmsg *t = mnl_nlmsg_put_extra_header(h, sizeof(*t));
	uint32_t n = 0;
	ssize_t len;
	int r = -1;

	if (!nl)
		return UINT32_MAX;
	h->nlmsg_type = RTM_GETTFILTER;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	t->tcm_ifindex = (int)ifindex;
	t->tcm_parent = TC_H_MAKE(TC_H_CLSACT, side);
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(nl, h, h->nlmsg_len) >= 0) {
		do {
			len = mnl_socket_recvfrom(nl, buffer, sizeof(buffer));
			r = len < 0 ? -1
				    : mnl_cb_run(buffer, (size_t)len, 0, mnl_socket_get_portid(nl),
						 count_filter, &n);
		} while (r > 0);
	}
	mnl_socket_close(nl);
	return r < 0 ? UINT32_MAX : n;
}

static void detach_filter(const char *dir, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	uint32_t there = filter_program(ifindex);

	if (there != 0 && filter_is_ours(dir, ifindex, there))
		bpf_tc_detach(&hook, &opts);
	if (is_pinned(dir, PIN_QDISC, ifindex) && filters_at(ifindex, TC_H_MIN_INGRESS) == 0 &&
	    filters_at(ifindex, TC_H_MIN_EGRESS) == 0) {
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS; /* that is: the qdisc */
		bpf_tc_hook_destroy(&hook);
	}
	unlink(pin_of(dir, PIN_CLSACT, ifindex).path);
	unlink(pin_of(dir, PIN_QDISC, ifindex).path);
}

/* ---- both -------------------------------------------------------------------------- */

static int attach_tc(const struct plane *p, uint32_t ifindex)
{
	int r = -EINVAL;

	if (!p->no_tcx)
		r = attach_link(p, PIN_TCX, ifindex);
	return r == -EINVAL ? attach_filter(p, ifindex) : r; /* no tcx in this kernel */
}

int hook_attach(const struct plane *p, enum plane_hook hook, const struct plane_device *d)
{
	bool xdp = hook == PLANE_HOOK_XDP;
	int r = xdp ? attach_link(p, PIN_XDP, d->ifindex) : attach_tc(p, d->ifindex);

	if (r == -EBUSY && xdp)
		log_error("device %s: another XDP program is attached (`ip link show %s`); it "
			  "stays. Detach it, or set Attach=tc",
			  d->name, d->name);
	else if (r == -EBUSY)
		log_error("device %s: another tc filter has priority %d and handle %#x (`tc filter "
			  "show dev %s ingress`); it stays. Delete it, or have it use another "
			  "priority",
			  d->name, TC_PRIORITY, TC_HANDLE, d->name);
	else if (r == -EOPNOTSUPP && xdp)
		log_error("device %s: its driver has no XDP; set Attach=tc", d->name);
	else if (r < 0)
		log_error("device %s: cannot attach to %s: %s", d->name,
			  xdp ? "XDP in its driver" : "tc", strerror(-r));
	return r;
}

void hook_detach(const char *dir, enum plane_hook hook, uint32_t ifindex)
{
	switch (hook) {
	case PLANE_HOOK_XDP:
		remove_link(dir, PIN_XDP, ifindex);
		break;
	case PLANE_HOOK_TC:
		remove_link(dir, PIN_TCX, ifindex);
		if (is_pinned(dir, PIN_CLSACT, ifindex) || is_pinned(dir, PIN_QDISC, ifindex))
			detach_filter(dir, ifindex);
		break;
	case PLANE_HOOK_AUTO:
		break;
	}
}

enum plane_hook hook_pinned(const char *dir, uint32_t ifindex)
{
	for (enum pin_kind kind = PIN_XDP; kind <= PIN_TCX; kind++) {
		int fd = open_link(dir, kind, ifindex);

		if (fd >= 0) {
			close(fd);
			return kinds[kind].hook;
		}
	}
	return filter_is_ours(dir, ifindex, filter_program(ifindex)) ? PLANE_HOOK_TC
								     : PLANE_HOOK_AUTO;
}

/* "link_xdp_17" -> 17 for the prefix "link_xdp_"; 0: another name. */
static uint32_t number_behind(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);
	char *end;
	unsigned long n;

	if (strncmp(name, prefix, len) != 0)
		return 0;
	n = strtoul(name + len, &end, 10);
	return *end == '\0' && n <= INT32_MAX ? (uint32_t)n : 0;
}

void hook_each(const char *dir, void (*each)(void *ctx, enum plane_hook hook, uint32_t ifindex),
	       void *ctx)
{
	struct dirent **entry;
	int n = scandir(dir, &entry, NULL, alphasort); /* a copy: each may remove pins */

	for (int i = 0; i < n; i++) {
		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			uint32_t ifindex = number_behind(entry[i]->d_name, kinds[k].name);

			if (ifindex != 0)
				each(ctx, kinds[k].hook, ifindex);
		}
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
}
