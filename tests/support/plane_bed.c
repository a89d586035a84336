/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See plane_bed.h. What cannot be set up ends the test process with a word about it. */
#include "tests/support/plane_bed.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define TCX_INGRESS 46
#define TC_PLACE    8278, 0x8278 /* priority and handle of the filter on kernels without tcx */
#define MAX_VALUE   (64 * 256)

static const char *const map_names[] = {
	"config", "dev",  "rule",    "class",  "slots",	   "prefix",   "session",
	"switch", "wide", "path",    "tunnel", "local",	   "flow",     "frag",
	"bucket", "hint", "nexthop", "reason", "pathstat", "rulestat",
};
#define MAPS (sizeof(map_names) / sizeof(map_names[0]))

static void die(const char *what)
{
	fprintf(stderr, "plane_bed: %s: %s\n", what, strerror(errno));
	abort();
}

void pbed_shell(const char *command)
{
	if (system(command) != 0) /* NOLINT(cert-env33-c): a test's own fixed commands */
		die(command);
}

/* ---- the bed ----------------------------------------------------------------------- */

static void added(void *ctx, const struct plane_path_info *path)
{
	struct pbed *bed = ctx;

	bed->added++;
	bed->known[path->id % PBED_EVENTS]++;
	if (bed->on_added)
		bed->on_added(bed, path);
}

static void removed(void *ctx, uint32_t id)
{
	struct pbed *bed = ctx;

	bed->removed++;
	bed->known[id % PBED_EVENTS]--;
	if (bed->on_removed)
		bed->on_removed(bed, id);
}

/* A tmpfs of our own: neither pins nor folders are left when the process is gone. */
static void make_room(struct pbed *bed)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		die("unshare (root is needed)");
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("bed", "/mnt", "tmpfs", 0, "size=1m") < 0)
		die("mount");
	snprintf(bed->dir, sizeof(bed->dir), "/mnt/bpf");
}

void pbed_init(struct pbed *bed, enum magpie_role role)
{
	memset(bed, 0, sizeof(*bed));
	make_room(bed);
	/* without IPv6 the devices are silent: nothing but the test moves a counter */
	pbed_shell("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 && "
		   "ip link set lo up && ip link add in0 type veth peer name in1 && "
		   "ip link add out0 type veth peer name out1 && "
		   "for d in in0 in1 out0 out1; do ip link set $d up; done");
	bed->device[0] = (struct plane_device){.name = "in0", .flags = MAGPIE_DEV_INSIDE};
	bed->device[1] = (struct plane_device){.name = "out0", .flags = MAGPIE_DEV_OUTSIDE};
	pbed_ifindex(bed, 0);
	pbed_ifindex(bed, 1);
	ip_prefix_parse("2001:db8:1::/52", &bed->pool[0].range);
	bed->pool[0].length = 64;
	bed->config = (struct plane_config){
		.role = role,
		.dir = bed->dir,
		.device = bed->device,
		.n_device = 2,
		.pool = bed->pool,
		.n_pool = role == MAGPIE_ROLE_LMA ? 1 : 0,
		.max_sessions = 1,
		.max_paths = 512,
		.flow_table = 1024,
		.flow_idle_s = 60,
		.hop_limit = 64,
	};
}

int pbed_open(struct pbed *bed)
{
	struct plane_watcher watcher = {bed, added, removed};

	return plane_open(&bed->config, &watcher, &bed->plane);
}

void pbed_close(struct pbed *bed)
{
	plane_close(bed->plane);
	bed->plane = NULL;
	bed->added = bed->removed = 0;
	memset(bed->known, 0, sizeof(bed->known));
}

uint32_t pbed_ifindex(struct pbed *bed, size_t device)
{
	bed->device[device].ifindex = if_nametoindex(bed->device[device].name);
	return bed->device[device].ifindex;
}

/* ---- views ------------------------------------------------------------------------- */

struct ip_addr pbed_addr(const char *text)
{
	struct ip_addr a;

	if (ip_parse(text, &a) < 0)
		die(text);
	return a;
}

void pbed_add_prefix(struct session_view *view, const char *prefix)
{
	if (ip_prefix_parse(prefix, &view->prefix[view->n_prefix++]) < 0)
		die(prefix);
}

void pbed_view(struct session_view *view, uint32_t id)
{
	char prefix[64];

	memset(view, 0, sizeof(*view));
	view->id = id;
	view->state = SESSION_ACTIVE;
	snprintf(prefix, sizeof(prefix), "2001:db8:1:%x::/64", id);
	pbed_add_prefix(view, prefix);
}

struct binding_view *pbed_bind(struct session_view *view, uint8_t bid, uint8_t label,
			       uint16_t tunnel)
{
	struct binding_view *b = &view->binding[view->n++];
	char remote[64];

	snprintf(remote, sizeof(remote), "2001:db8:a:%x::1", tunnel);
	*b = (struct binding_view){
		.bid = bid,
		.label = label,
		.weight = 1,
		.use = BINDING_TX | BINDING_RX,
		.local = pbed_addr("2001:db8:f::1"),
		.remote = pbed_addr(remote),
	};
	return b;
}

/* ---- maps -------------------------------------------------------------------------- */

int pbed_map(const struct pbed *bed, const char *name)
{
	char pin[128];
	int fd;

	snprintf(pin, sizeof(pin), "%s/magpie_%s", bed->dir, name);
	fd = bpf_obj_get(pin);
	if (fd < 0)
		die(pin);
	return fd;
}

int pbed_get(const struct pbed *bed, const char *name, const void *key, void *ret_value)
{
	int fd = pbed_map(bed, name);
	int r = bpf_map_lookup_elem(fd, key, ret_value) < 0 ? -errno : 0;

	close(fd);
	return r;
}

void pbed_put(const struct pbed *bed, const char *name, const void *key, const void *value)
{
	int fd = pbed_map(bed, name);

	if (bpf_map_update_elem(fd, key, value, BPF_ANY) < 0)
		die(name);
	close(fd);
}

uint32_t pbed_count(const struct pbed *bed, const char *name)
{
	int fd = pbed_map(bed, name);
	uint8_t key[64], next[64];
	void *from = NULL;
	uint32_t n = 0;

	while (bpf_map_get_next_key(fd, from, next) == 0) {
		memcpy(key, next, sizeof(key));
		from = key;
		n++;
	}
	close(fd);
	return n;
}

static uint64_t word(const uint8_t *at)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | at[i];
	return value;
}

/* Does by the book of abi.h what a packet does. */
uint32_t pbed_session_of(const struct pbed *bed, const char *text)
{
	struct magpie_prefix_key key;
	struct magpie_config config;
	struct ip_prefix prefix;
	uint32_t zero = 0, session = 0;
	uint64_t hi, lo;

	if (ip_prefix_parse(text, &prefix) < 0 || pbed_get(bed, "config", &zero, &config) < 0)
		die(text);
	hi = word(prefix.addr.b);
	lo = word(prefix.addr.b + 8);
	for (size_t i = 0; i < MAGPIE_POOLS; i++) {
		const struct magpie_pool *pool = &config.pool[i];
		uint64_t index;
		uint32_t slot;

		if (!pool->slots || (hi & pool->mask_hi) != pool->base_hi ||
		    (lo & pool->mask_lo) != pool->base_lo)
			continue;
		index = (pool->in_lo ? lo - pool->base_lo : hi - pool->base_hi) >> pool->shift;
		slot = pool->first_slot + (uint32_t)index;
		if (index < pool->slots && pbed_get(bed, "slots", &slot, &session) == 0 && session)
			return session;
	}
	if (!config.has_prefixes)
		return 0;
	key.length = prefix.len;
	memcpy(key.addr, prefix.addr.b, 16);
	return pbed_get(bed, "prefix", &key, &session) == 0 ? session : 0;
}

uint8_t pbed_live(const struct pbed *bed, uint32_t session)
{
	uint32_t block = session / MAGPIE_SWITCHES;
	struct magpie_switch s;

	if (pbed_get(bed, "switch", &block, &s) < 0)
		die("switch");
	return s.live[session % MAGPIE_SWITCHES];
}

struct magpie_set pbed_set(const struct pbed *bed, uint32_t session, uint8_t which)
{
	struct magpie_session s;

	if (pbed_get(bed, "session", &session, &s) < 0)
		die("session");
	return s.set[which & 1];
}

struct magpie_path pbed_path(const struct pbed *bed, uint32_t id)
{
	struct magpie_path path;

	if (pbed_get(bed, "path", &id, &path) < 0)
		die("path");
	return path;
}

static uint64_t digest(uint64_t hash, const uint8_t *octets, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ octets[i]) * 0x100000001b3ULL; /* FNV-1a */
	return hash;
}

/* A sum over the entries, so that the order of a hash table does not matter. */
static uint64_t digest_map(const struct pbed *bed, const char *name)
{
	int fd = pbed_map(bed, name);
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	static uint8_t value[MAX_VALUE];
	uint8_t key[64], next[64];
	void *from = NULL;
	uint64_t sum = 0;
	size_t size;

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		die(name);
	size = info.type == BPF_MAP_TYPE_PERCPU_ARRAY
		       ? ((size_t)info.value_size + 7) / 8 * 8 * (size_t)libbpf_num_possible_cpus()
		       : info.value_size;
	if (size > sizeof(value))
		die(name);
	while (bpf_map_get_next_key(fd, from, next) == 0) {
		memcpy(key, next, sizeof(key));
		from = key;
		if (bpf_map_lookup_elem(fd, key, value) < 0)
			continue;
		if (strcmp(name, "config") == 0)
			memset(value + offsetof(struct magpie_config, trace_key), 0, 8);
		sum += digest(digest(0xcbf29ce484222325ULL, key, info.key_size), value, size);
	}
	close(fd);
	return sum;
}

void pbed_dump(const struct pbed *bed, struct pbed_dump *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < MAPS; i++)
		ret->hash[i] = digest_map(bed, map_names[i]);
}

const char *pbed_differs(const struct pbed_dump *a, const struct pbed_dump *b)
{
	for (size_t i = 0; i < MAPS; i++) {
		if (a->hash[i] != b->hash[i])
			return map_names[i];
	}
	return NULL;
}

/* ---- attachments ------------------------------------------------------------------- */

static uint32_t filter_at(uint32_t ifindex, uint32_t priority, uint32_t handle)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = priority);

	return bpf_tc_query(&hook, &opts) == 0 ? opts.prog_id : 0;
}

uint32_t pbed_attached(const struct pbed *bed, size_t device, enum plane_hook hook)
{
	uint32_t ifindex = bed->device[device].ifindex;
	uint32_t ids[4] = {0}, n = 4, flags = 0;

	if (hook == PLANE_HOOK_XDP)
		return bpf_xdp_query_id((int)ifindex, 0, &ids[0]) == 0 ? ids[0] : 0;
	if (bpf_prog_query((int)ifindex, (enum bpf_attach_type)TCX_INGRESS, 0, &flags, ids, &n) ==
		    0 &&
	    n > 0)
		return ids[0];
	return filter_at(ifindex, TC_PLACE);
}
