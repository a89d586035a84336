/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs on devices. A link per device, pinned, so that it outlives the daemon; the next daemon
 * gives the link its own program in place (no packet is missed) instead of detaching. Kernels
 * without tcx get a clsact filter under a handle and priority of ours, with the program pinned as
 * its mark. A foreign XDP program stays where it is: that device is refused.
 */
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plane/attach.h"
#include "util/log.h"

#define ATTACH_TCX_INGRESS \
	46 /* enum bpf_attach_type of kernels from 6.6; not in Debian 12's header */

/* ---- pins
 * --------------------------------------------------------------------------------------------- */

static void pin_name(const struct plane *p, enum plane_hook hook, uint32_t ifindex, char *out,
		     size_t size)
{
	snprintf(out, size, "%s/%s_%u", p->dir,
		 hook == PLANE_HOOK_XDP ? ATTACH_PIN_XDP : ATTACH_PIN_TC, ifindex);
}

static uint32_t link_ifindex(int fd)
{
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return 0;
	return info.xdp.ifindex; /* tcx has its ifindex in the same place; 0: device is gone */
}

/* The pinned link of a device gets our program; -ENOENT when there is none that is in force. */
static int adopt(const struct plane *p, enum plane_hook hook, uint32_t ifindex)
{
	char pin[300];
	int fd, r;

	pin_name(p, hook, ifindex, pin, sizeof(pin));
	fd = bpf_obj_get(pin);
	if (fd < 0)
		return -ENOENT;
	if (link_ifindex(fd) != ifindex) {
		unlink(pin); /* of a device that is no more */
		r = -ENOENT;
	} else {
		r = bpf_link_update(fd, p->program[hook], NULL) < 0 ? -errno : 0;
	}
	close(fd);
	return r;
}

static int pin_link(const struct plane *p, enum plane_hook hook, uint32_t ifindex, int fd)
{
	char pin[300];
	int r = 0;

	pin_name(p, hook, ifindex, pin, sizeof(pin));
	if (bpf_obj_pin(fd, pin) < 0)
		r = -errno;
	close(fd); /* unpinned, it detaches here */
	return r;
}

/* ---- the hooks
 * ---------------------------------------------------------------------------------------- */

static int attach_xdp(const struct plane *p, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	int fd = bpf_link_create(p->program[PLANE_HOOK_XDP], (int)ifindex, BPF_XDP, &opts);

	return fd < 0 ? -errno : pin_link(p, PLANE_HOOK_XDP, ifindex, fd);
}

static int attach_clsact(const struct plane *p, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = ATTACH_TC_HANDLE, .priority = ATTACH_TC_PRIORITY,
		    .prog_fd = p->program[PLANE_HOOK_TC], .flags = BPF_TC_F_REPLACE);
	char pin[300];
	int r;

	r = bpf_tc_hook_create(&hook);
	if (r < 0 && r != -EEXIST)
		return r;
	r = bpf_tc_attach(&hook, &opts);
	if (r < 0)
		return r;
	snprintf(pin, sizeof(pin), "%s/%s_%u", p->dir, ATTACH_PIN_CLSACT, ifindex);
	unlink(pin);
	return bpf_obj_pin(p->program[PLANE_HOOK_TC], pin) < 0 ? -errno : 0;
}

static int attach_tc(const struct plane *p, uint32_t ifindex)
{
	int fd = bpf_link_create(p->program[PLANE_HOOK_TC], (int)ifindex,
				 (enum bpf_attach_type)ATTACH_TCX_INGRESS, NULL);

	if (fd < 0 && errno == EINVAL)
		return attach_clsact(p, ifindex); /* no tcx in this kernel */
	return fd < 0 ? -errno : pin_link(p, PLANE_HOOK_TC, ifindex, fd);
}

static int attach(struct plane *p, enum plane_hook hook, const struct plane_device *d)
{
	int r = adopt(p, hook, d->ifindex);

	if (r == -ENOENT)
		r = hook == PLANE_HOOK_XDP ? attach_xdp(p, d->ifindex) : attach_tc(p, d->ifindex);
	if (r == -EBUSY && hook == PLANE_HOOK_XDP)
		log_error(
			"device %s: another XDP program is attached (`ip link show %s`); it stays. "
			"Detach it, or set Attach=tc",
			d->name, d->name);
	else if (r < 0)
		log_error("device %s: cannot attach to %s: %s", d->name,
			  hook == PLANE_HOOK_XDP ? "XDP in its driver" : "tc", strerror(-r));
	return r;
}

static void detach(struct plane *p, enum plane_hook hook, uint32_t ifindex)
{
	char pin[300];

	pin_name(p, hook, ifindex, pin, sizeof(pin));
	unlink(pin);
}

/* ---- which hook
 * --------------------------------------------------------------------------------------- */

static bool is_veth(const char *name)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq req = {0};
	bool veth = false;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	memcpy(req.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	req.ifr_data = (char *)&info;
	if (ioctl(fd, SIOCETHTOOL, &req) == 0)
		veth = strcmp(info.driver, "veth") == 0;
	close(fd);
	return veth;
}

/* On a veth tc is the faster hook: it keeps segmentation offload. */
static bool xdp_makes_sense(const struct plane_device *device, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (is_veth(device[i].name))
			return false;
	}
	return n > 0;
}

static void set_dev_entry(const struct plane *p, const struct plane_device *d, uint32_t flags)
{
	struct magpie_dev dev = {.ifindex = flags ? d->ifindex : 0, .flags = flags};
	uint32_t index = d->ifindex % MAGPIE_DEVS;

	bpf_map_update_elem(p->map[PLANE_MAP_dev].fd, &index, &dev, BPF_ANY);
}

static struct plane_attachment *find_attached(const struct plane *p, uint32_t ifindex)
{
	for (size_t i = 0; i < p->n_attached; i++) {
		if (p->attached[i].device.ifindex == ifindex)
			return (struct plane_attachment *)&p->attached[i];
	}
	return NULL;
}

/* Two devices whose numbers share an entry of magpie_dev cannot both be ours. */
static int check_entry(const struct plane *p, const struct plane_device *d)
{
	for (size_t i = 0; i < p->n_attached; i++) {
		const struct plane_device *o = &p->attached[i].device;

		if (o->ifindex != d->ifindex &&
		    o->ifindex % MAGPIE_DEVS == d->ifindex % MAGPIE_DEVS) {
			log_error(
				"devices %s and %s: interface numbers %u and %u collide; re-create "
				"one of them",
				o->name, d->name, o->ifindex, d->ifindex);
			return -EEXIST;
		}
	}
	return 0;
}

static int attach_device(struct plane *p, const struct plane_device *d)
{
	struct plane_attachment *a = find_attached(p, d->ifindex);
	int r;

	if (a && a->hook == p->hook && a->device.flags == d->flags)
		return 0;
	if (!a && p->n_attached == PLANE_MAX_ATTACHED)
		return -ENOSPC;
	r = check_entry(p, d);
	if (r < 0)
		return r;
	set_dev_entry(p, d, d->flags);
	r = attach(p, p->hook, d);
	if (r < 0) {
		set_dev_entry(p, d, 0);
		return r;
	}
	detach(p, p->hook == PLANE_HOOK_XDP ? PLANE_HOOK_TC : PLANE_HOOK_XDP, d->ifindex);
	if (!a)
		a = &p->attached[p->n_attached++];
	*a = (struct plane_attachment){*d, p->hook};
	return 0;
}

static int attach_all(struct plane *p, const struct plane_device *device, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = attach_device(p, &device[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static void forget_gone(struct plane *p, const struct plane_device *device, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n_attached; i++) {
		struct plane_attachment a = p->attached[i];
		bool there = false;

		for (size_t k = 0; k < n; k++)
			there = there || device[k].ifindex == a.device.ifindex;
		if (there) {
			p->attached[kept++] = a;
			continue;
		}
		set_dev_entry(p, &a.device, 0);
		detach(p, a.hook, a.device.ifindex);
	}
	p->n_attached = kept;
}

int plane_attach_first(struct plane *p, const struct plane_config *config)
{
	enum plane_hook hook = config->hook;
	int r;

	if (hook == PLANE_HOOK_AUTO)
		hook = xdp_makes_sense(config->device, config->n_device) ? PLANE_HOOK_XDP
									 : PLANE_HOOK_TC;
	p->hook = hook;
	r = plane_load(p, hook, config);
	if (r < 0)
		return r;
	r = attach_all(p, config->device, config->n_device);
	if (r == 0 || config->hook != PLANE_HOOK_AUTO || hook == PLANE_HOOK_TC)
		return r;

	log_notice("not every device takes XDP in its driver: using tc on all of them");
	forget_gone(p, NULL, 0);
	p->hook = PLANE_HOOK_TC;
	r = plane_load(p, PLANE_HOOK_TC, config);
	return r < 0 ? r : attach_all(p, config->device, config->n_device);
}

int plane_update_devices(struct plane *p, const struct plane_device *device, size_t n)
{
	forget_gone(p, device, n);
	return attach_all(p, device, n);
}

enum plane_hook plane_device_hook(const struct plane *p, uint32_t ifindex)
{
	const struct plane_attachment *a = find_attached(p, ifindex);

	return a ? a->hook : PLANE_HOOK_AUTO;
}
