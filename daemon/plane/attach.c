/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which program on which devices. One hook for all of them: native XDP where every device has it,
 * else tc. Devices come and go; what is pinned for one that is not ours any more is taken down.
 */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plane/attach.h"
#include "util/log.h"

/* ---- which hook -------------------------------------------------------------------- */

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
	r = hook_attach(p, p->hook, d);
	if (r < 0) {
		set_dev_entry(p, d, 0);
		return r;
	}
	hook_detach(p->dir, p->hook == PLANE_HOOK_XDP ? PLANE_HOOK_TC : PLANE_HOOK_XDP, d->ifindex);
	if (!a)
		a = &p->attached[p->n_attached++];
	*a = (struct plane_attachment){*d, p->hook};
	return 0;
}

/* All or the first error; a driver may reset its device, so the others are left alone then. */
static int attach_all(struct plane *p, const struct plane_device *device, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = attach_device(p, &device[i]);
	return r;
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
		hook_detach(p->dir, a.hook, a.device.ifindex);
	}
	p->n_attached = kept;
}

/* ---- what a former daemon left ----------------------------------------------------- */

struct keep {
	const struct plane *p;
	const struct plane_device *device;
	size_t n;
};

static bool is_listed(const struct keep *k, uint32_t ifindex)
{
	for (size_t i = 0; i < k->n; i++) {
		if (k->device[i].ifindex == ifindex)
			return true;
	}
	return false;
}

static void drop_unlisted(void *ctx, enum plane_hook hook, uint32_t ifindex)
{
	const struct keep *k = ctx;

	if (!is_listed(k, ifindex))
		hook_detach(k->p->dir, hook, ifindex);
}

/* Pins and entries of devices that are gone or not ours any more. */
static void drop_stale(const struct plane *p, const struct plane_config *config)
{
	struct keep k = {p, config->device, config->n_device};

	hook_each(p->dir, drop_unlisted, &k);
	for (uint32_t i = 0; i < MAGPIE_DEVS; i++) {
		struct magpie_dev dev, none = {0};

		if (bpf_map_lookup_elem(p->map[PLANE_MAP_dev].fd, &i, &dev) == 0 &&
		    dev.ifindex != 0 && !is_listed(&k, dev.ifindex))
			bpf_map_update_elem(p->map[PLANE_MAP_dev].fd, &i, &none, BPF_ANY);
	}
}

/* ---- the module's functions -------------------------------------------------------- */

int plane_choose_hook(struct plane *p, const struct plane_config *config)
{
	p->hook = config->hook;
	if (p->hook == PLANE_HOOK_AUTO && !xdp_makes_sense(config->device, config->n_device))
		p->hook = PLANE_HOOK_TC;
	/* An earlier daemon has found out; to try again would interrupt what goes on. */
	for (size_t i = 0; p->hook == PLANE_HOOK_AUTO && i < config->n_device; i++)
		p->hook = hook_pinned(p->dir, config->device[i].ifindex);
	if (p->hook == PLANE_HOOK_AUTO)
		p->hook = PLANE_HOOK_XDP;
	return plane_load(p, p->hook, config);
}

int plane_attach_first(struct plane *p, const struct plane_config *config)
{
	int r;

	drop_stale(p, config);
	r = attach_all(p, config->device, config->n_device);
	if (r == 0 || config->hook != PLANE_HOOK_AUTO || p->hook == PLANE_HOOK_TC)
		return r;

	log_notice("not every device takes XDP in its driver: using tc on all of them");
	forget_gone(p, NULL, 0);
	p->hook = PLANE_HOOK_TC;
	r = plane_load(p, PLANE_HOOK_TC, config);
	return r < 0 ? r : attach_all(p, config->device, config->n_device);
}

int plane_update_devices(struct plane *p, const struct plane_device *device, size_t n)
{
	int first = 0;

	forget_gone(p, device, n);
	for (size_t i = 0; i < n; i++) { /* one that fails does not keep the others waiting */
		int r = attach_device(p, &device[i]);

		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

enum plane_hook plane_device_hook(const struct plane *p, uint32_t ifindex)
{
	const struct plane_attachment *a = find_attached(p, ifindex);

	return a ? a->hook : PLANE_HOOK_AUTO;
}
