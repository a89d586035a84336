/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See plane_rig.h. What cannot be set up ends the test process with a word about it. */
#include "tests/support/plane_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "skel/magpie_tc.skel.h"
#include "skel/magpie_xdp.skel.h"

#define TRACE_KEY  0x1122334455667788ULL
#define POOL_SLOTS 4096

const uint8_t rig_host_mac[6] = {2, 0, 0, 0, 1, 1};
const uint8_t rig_gateway_mac[6] = {2, 0, 0, 0, 1, 2};
const uint8_t rig_wan_mac[6] = {2, 0, 0, 0, 2, 1};
const uint8_t rig_router_mac[6] = {2, 0, 0, 0, 2, 2};
const uint8_t rig_next_mac[6] = {2, 0, 0, 0, 3, 1};

static const char *const reason_names[] = {
#define X(name, verdict, text) [MAGPIE_REASON_##name] = #name,
	MAGPIE_REASONS(X)
#undef X
};

static const int reason_verdicts[] = {
#define X(name, verdict, text) [MAGPIE_REASON_##name] = MAGPIE_VERDICT_##verdict,
	MAGPIE_REASONS(X)
#undef X
};

static void die(const char *what)
{
	fprintf(stderr, "plane_rig: %s: %s\n", what, strerror(errno));
	abort();
}

static void shell(const char *command)
{
	if (system(command) != 0) /* NOLINT(cert-env33-c): a test's own fixed commands */
		die(command);
}

/* ---- network ----------------------------------------------------------------------- */

/* Destinations of the scene: every one is a neighbour on the inside device. */
static const char *const network =
	"ip link set lo up && "
	"ip link add in0 address 02:00:00:00:01:02 type veth peer name in1 && "
	"ip link add out0 type veth peer name out1 && ip link add both0 type veth peer name both1 "
	"&& "
	"for d in in0 in1 out0 out1 both0 both1; do ip link set $d up; done && "
	"echo 1 >/proc/sys/net/ipv6/conf/all/forwarding && "
	"echo 1 >/proc/sys/net/ipv4/conf/all/forwarding && "
	"ip addr add 2001:db8:b::1/64 dev in0 nodad && ip addr add 192.0.2.1/24 dev in0 && "
	"for n in 2001:db8:1:1::5 2001:db8:c::7 2001:dead::7; do ip -6 route add $n dev in0 && "
	"ip neigh add $n lladdr 02:00:00:00:03:01 dev in0; done && "
	"for n in 10.20.0.5 203.0.113.7; do ip route add $n dev in0 && "
	"ip neigh add $n lladdr 02:00:00:00:03:01 dev in0; done && "
	"ip -6 route add blackhole 2001:db8:bad::/48";

static void make_network(struct rig *rig)
{
	if (unshare(CLONE_NEWNET))
		die("unshare (root is needed)");
	shell(network);
	rig->inside = if_nametoindex("in0");
	rig->outside = if_nametoindex("out0");
	rig->both = if_nametoindex("both0");
}

/* ---- maps -------------------------------------------------------------------------- */

int rig_map(const struct rig *rig, const char *name)
{
	const int fd = bpf_object__find_map_fd_by_name(rig->object, name);

	if (fd < 0)
		die(name);
	return fd;
}

void rig_put(const struct rig *rig, const char *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(rig_map(rig, map), key, value, BPF_ANY))
		die(map);
}

static void *map_memory(const struct rig *rig, const char *name)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(rig->object, name);
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t element = ((size_t)bpf_map__value_size(map) + 7) / 8 * 8;
	const size_t size = element * bpf_map__max_entries(map);
	void *at = mmap(NULL, (size + page - 1) / page * page, PROT_READ | PROT_WRITE, MAP_SHARED,
			bpf_map__fd(map), 0);

	if (at == MAP_FAILED)
		die(name);
	return at;
}

static void size_maps(struct bpf_object *object, uint32_t sessions)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, "magpie_session");

	bpf_map__set_max_entries(map, sessions);
	map = bpf_object__find_map_by_name(object, "magpie_switch");
	bpf_map__set_max_entries(map, (sessions + MAGPIE_SWITCHES - 1) / MAGPIE_SWITCHES);
	map = bpf_object__find_map_by_name(object, "magpie_slots");
	if (sessions > bpf_map__max_entries(map) / 2)
		bpf_map__set_max_entries(map, 2 * sessions);
}

static void load(struct rig *rig, uint32_t sessions)
{
	struct bpf_program *program;

	if (rig->hook == RIG_XDP) {
		struct magpie_xdp *skeleton = magpie_xdp__open();

		if (!skeleton)
			die("magpie_xdp");
		rig->object = skeleton->obj;
		program = skeleton->progs.magpie_xdp;
	} else {
		struct magpie_tc *skeleton = magpie_tc__open();

		if (!skeleton)
			die("magpie_tc");
		rig->object = skeleton->obj;
		program = skeleton->progs.magpie_tc;
	}
	size_maps(rig->object, sessions);
	if (bpf_object__load(rig->object))
		die("load");
	rig->program = bpf_program__fd(program);
}

struct rig *rig_open(enum rig_hook hook, uint32_t sessions)
{
	static struct rig rig;

	memset(&rig, 0, sizeof(rig));
	rig.hook = hook;
	make_network(&rig);
	load(&rig, sessions);
	rig.config = map_memory(&rig, "magpie_config");
	rig.session = map_memory(&rig, "magpie_session");
	rig.sw = map_memory(&rig, "magpie_switch");
	rig.wide = map_memory(&rig, "magpie_wide");
	rig.path = map_memory(&rig, "magpie_path");
	rig.slots = map_memory(&rig, "magpie_slots");
	return &rig;
}

/* The test process ends soon; descriptors go now, so that a second rig has room. */
void rig_close(struct rig *rig)
{
	bpf_object__close(rig->object);
}

struct rig *rig_next(struct rig *rig)
{
	enum rig_hook hook = RIG_XDP;

	if (rig) {
		hook = rig->hook;
		rig_close(rig);
		if (hook == RIG_TC)
			return NULL;
		hook = RIG_TC;
	}
	return rig_open(hook, 4096);
}

/* ---- scene ------------------------------------------------------------------------- */

static uint64_t word(const uint8_t *at)
{
	uint64_t value = 0;
	int i;

	for (i = 0; i < 8; i++)
		value = value << 8 | at[i];
	return value;
}

static void build_outer(struct magpie_outer *outer, uint32_t ifindex, uint16_t mtu,
			const uint8_t local[16], const uint8_t remote[16])
{
	uint8_t *ip = outer->hdr + 14;

	memset(outer, 0, sizeof(*outer));
	memcpy(outer->hdr, rig_router_mac, 6);
	memcpy(outer->hdr + 6, rig_wan_mac, 6);
	outer->hdr[12] = 0x86;
	outer->hdr[13] = 0xdd;
	ip[0] = 0x60;
	ip[7] = 64;
	memcpy(ip + 8, local, 16);
	memcpy(ip + 24, remote, 16);
	outer->ifindex = ifindex;
	outer->mtu = mtu;
	outer->len = 54;
	outer->l2_len = 14;
}

void rig_path(struct rig *rig, uint32_t id, const char *local, const char *remote, uint16_t mtu)
{
	struct magpie_path *path = &rig->path[id];
	struct magpie_tunnel_key key = {.encap = MAGPIE_ENCAP_IP6};
	struct magpie_local_key local_key;
	const uint32_t one = 1;

	memset(path, 0, sizeof(*path));
	path->encap = MAGPIE_ENCAP_IP6;
	frame_addr(local, path->local);
	frame_addr(remote, path->remote);
	build_outer(&path->outer[0], rig->outside, mtu, path->local, path->remote);
	path->outer[1] = path->outer[0];
	path->alive = 1;
	memcpy(key.local, path->local, 16);
	memcpy(key.remote, path->remote, 16);
	rig_put(rig, "magpie_tunnel", &key, &id);
	memcpy(local_key.addr, path->local, 16);
	rig_put(rig, "magpie_local", &local_key, &one);
}

struct magpie_set *rig_set(struct rig *rig, uint32_t session)
{
	const struct magpie_switch *sw = &rig->sw[session / MAGPIE_SWITCHES];

	return &rig->session[session].set[sw->live[session % MAGPIE_SWITCHES]];
}

void rig_bind(struct rig *rig, uint32_t session, uint32_t path, uint8_t bid, uint8_t label,
	      uint8_t weight)
{
	struct magpie_set *set = rig_set(rig, session);

	set->binding[set->n++] = (struct magpie_binding){
		.path = path,
		.bid = bid,
		.label = label,
		.weight = weight,
		.flags = MAGPIE_BINDING_TX | MAGPIE_BINDING_RX,
	};
	set->state = MAGPIE_SESSION_ACTIVE;
	set->seed = 0x5eed + session;
}

void rig_prefix(struct rig *rig, const char *addr, uint32_t length, uint32_t session)
{
	struct magpie_prefix_key key = {.length = length};

	frame_addr(addr, key.addr);
	rig_put(rig, "magpie_prefix", &key, &session);
	rig->config->has_prefixes = 1;
}

void rig_rule(struct rig *rig, uint32_t index, const struct magpie_rule *rule)
{
	rig_put(rig, "magpie_rule", &index, rule);
	rig->config
		->policy_generation++; /* as the daemon does: decisions by the old rules are void */
}

void rig_class(struct rig *rig, uint32_t index, const struct magpie_class *class)
{
	rig_put(rig, "magpie_class", &index, class);
	rig->config->policy_generation++;
}

static void scene_pools(struct rig *rig)
{
	struct magpie_pool *pool = rig->config->pool;
	uint8_t base[16];

	frame_addr("2001:db8:1::", base);
	pool[0].base_hi = word(base);
	pool[0].mask_hi = ~0ULL << 12;
	pool[0].slots = POOL_SLOTS;
	frame_addr("10.20.0.0", base);
	pool[1].base_lo = word(base + 8);
	pool[1].mask_lo = ~0ULL << 8;
	pool[1].mask_hi = ~0ULL;
	pool[1].first_slot = POOL_SLOTS;
	pool[1].slots = 256;
	pool[1].in_lo = 1;
	rig->slots[1] = rig->slots[POOL_SLOTS + 5] = 1;
	rig->slots[2] = rig->slots[POOL_SLOTS + 6] = 2;
}

static void scene_dev(const struct rig *rig, uint32_t ifindex, uint32_t flags)
{
	const struct magpie_dev dev = {.ifindex = ifindex, .flags = flags};
	const uint32_t key = ifindex % MAGPIE_DEVS;

	rig_put(rig, "magpie_dev", &key, &dev);
}

void rig_scene(struct rig *rig, enum magpie_role role)
{
	static const char *const pcoa[] = {RIG_PCOA_1, RIG_PCOA_2, RIG_PCOA_3};
	struct magpie_class any = {.name = "default"};
	uint32_t i;

	rig->config->layout = MAGPIE_LAYOUT;
	rig->config->role = role;
	rig->config->trace_key = TRACE_KEY;
	rig->config->flow_idle_s = 60;
	rig->config->hop_limit = 64;
	frame_addr(RIG_ICMP6, rig->config->icmp_source6);
	memcpy(rig->config->icmp_source4, (uint8_t[]){192, 0, 2, 1}, 4);
	scene_pools(rig);
	scene_dev(rig, rig->inside, MAGPIE_DEV_INSIDE);
	scene_dev(rig, rig->outside, MAGPIE_DEV_OUTSIDE);
	scene_dev(rig, rig->both, MAGPIE_DEV_INSIDE | MAGPIE_DEV_OUTSIDE);
	for (i = 0; i < 3; i++)
		rig_path(rig, i + 1, role == MAGPIE_ROLE_MAG ? pcoa[i] : RIG_LMA,
			 role == MAGPIE_ROLE_MAG ? RIG_LMA : pcoa[i], 1460);
	rig_bind(rig, 1, 1, 1, RED, 1);
	rig_bind(rig, 1, 2, 2, BLUE, 1);
	rig_bind(rig, 2, 3, 1, RED, 1);
	memset(any.rank, 1, sizeof(any.rank));
	memset(any.weight, 1, sizeof(any.weight));
	rig_class(rig, 0, &any);
	rig_class(rig, MAGPIE_CLASSES, &any);
}

static void forget_all(const struct rig *rig, const char *map)
{
	const int fd = rig_map(rig, map);
	uint8_t key[64];

	while (!bpf_map_get_next_key(fd, NULL, key))
		bpf_map_delete_elem(fd, key);
}

void rig_scene_reset(struct rig *rig)
{
	uint32_t i;

	for (i = 0; i < 4096; i++)
		memset(&rig->path[i], 0, sizeof(rig->path[i]));
	memset(rig->session, 0, 64 * sizeof(*rig->session));
	memset(rig->sw, 0, 2 * sizeof(*rig->sw));
	memset(rig->config, 0, sizeof(*rig->config));
	forget_all(rig, "magpie_tunnel");
	forget_all(rig, "magpie_local");
	forget_all(rig, "magpie_flow");
	forget_all(rig, "magpie_frag");
	forget_all(rig, "magpie_prefix");
}

const char *rig_addr_text(const uint8_t addr[16], char text[64])
{
	return inet_ntop(AF_INET6, addr, text, 64);
}

/* ---- counters ---------------------------------------------------------------------- */

/* Sum over CPUs of two adjacent 64-bit fields of a per-CPU element of `size` octets. */
static void sum_pair(const struct rig *rig, const char *map, uint32_t key, size_t size, size_t at,
		     uint64_t ret[2])
{
	const int cpus = libbpf_num_possible_cpus();
	uint8_t values[64 * 256];
	int i;

	ret[0] = ret[1] = 0;
	if (cpus > 256 || bpf_map_lookup_elem(rig_map(rig, map), &key, values))
		die(map);
	for (i = 0; i < cpus; i++) {
		uint64_t pair[2];

		memcpy(pair, values + (size_t)i * size + at, sizeof(pair));
		ret[0] += pair[0];
		ret[1] += pair[1];
	}
}

uint64_t rig_reason_packets(const struct rig *rig, uint32_t reason)
{
	uint64_t pair[2];

	sum_pair(rig, "magpie_reason", reason, sizeof(struct magpie_reason_count),
		 offsetof(struct magpie_reason_count, packets), pair);
	return pair[0];
}

uint64_t rig_reason_bytes(const struct rig *rig, uint32_t reason)
{
	uint64_t pair[2];

	sum_pair(rig, "magpie_reason", reason, sizeof(struct magpie_reason_count),
		 offsetof(struct magpie_reason_count, packets), pair);
	return pair[1];
}

void rig_path_count(const struct rig *rig, uint32_t path, struct magpie_path_count *ret)
{
	uint64_t pair[2];

	sum_pair(rig, "magpie_pathstat", path, sizeof(*ret), 0, pair);
	ret->tx_packets = pair[0];
	ret->tx_bytes = pair[1];
	sum_pair(rig, "magpie_pathstat", path, sizeof(*ret), 16, pair);
	ret->rx_packets = pair[0];
	ret->rx_bytes = pair[1];
}

uint64_t rig_rule_packets(const struct rig *rig, uint32_t rule)
{
	uint64_t pair[2];

	sum_pair(rig, "magpie_rulestat", rule, sizeof(struct magpie_rule_count), 0, pair);
	return pair[0];
}

static uint64_t digest(uint64_t hash, const uint8_t *octets, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ octets[i]) * 0x100000001b3ULL; /* FNV-1a */
	return hash;
}

uint64_t rig_digest(const struct rig *rig)
{
	uint64_t hash = 0xcbf29ce484222325ULL;
	uint8_t key[64], next[64], value[64 * 256];
	struct bpf_map *map;

	bpf_object__for_each_map(map, rig->object)
	{
		const int fd = bpf_map__fd(map);
		const size_t size = bpf_map__value_size(map);
		const bool per_cpu = bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY;
		const size_t all =
			per_cpu ? (size + 7) / 8 * 8 * (size_t)libbpf_num_possible_cpus() : size;
		void *from = NULL;

		while (!bpf_map_get_next_key(fd, from, next)) {
			memcpy(key, next, sizeof(key));
			from = key;
			if (all > sizeof(value) || bpf_map_lookup_elem(fd, key, value))
				continue;
			hash = digest(hash, key, bpf_map__key_size(map));
			hash = digest(hash, value, all);
		}
	}
	return hash;
}

/* ---- runs -------------------------------------------------------------------------- */

const char *rig_reason_name(int reason)
{
	return reason < 0 || reason >= MAGPIE_REASON_COUNT ? "none or several"
							   : reason_names[reason];
}

static void snapshot(const struct rig *rig, uint64_t packets[MAGPIE_REASON_COUNT])
{
	uint32_t i;

	for (i = 0; i < MAGPIE_REASON_COUNT; i++)
		packets[i] = rig_reason_packets(rig, i);
}

/* Does the hook's return code fit the reason's verdict? */
static bool fits(const struct rig *rig, const struct rig_result *result)
{
	enum { XDP_CODE_DROP = 1, XDP_CODE_PASS = 2, XDP_CODE_TX = 3, XDP_CODE_REDIRECT = 4 };
	enum { TC_CODE_UNSPEC = -1, TC_CODE_SHOT = 2, TC_CODE_REDIRECT = 7 };
	const bool xdp = rig->hook == RIG_XDP;

	if (result->reason == MAGPIE_REASON_TOO_BIG)
		return result->code == (xdp ? (int)XDP_CODE_TX : (int)TC_CODE_REDIRECT);
	if (result->verdict == MAGPIE_VERDICT_FORWARD)
		return result->code == (xdp ? (int)XDP_CODE_REDIRECT : (int)TC_CODE_REDIRECT);
	if (result->verdict == MAGPIE_VERDICT_PASS)
		return result->code == (xdp ? (int)XDP_CODE_PASS : (int)TC_CODE_UNSPEC);
	return result->code == (xdp ? (int)XDP_CODE_DROP : (int)TC_CODE_SHOT);
}

static void conclude(const struct rig *rig, const uint64_t before[], const uint64_t after[],
		     struct rig_result *ret)
{
	uint32_t i;
	uint64_t sum = 0;

	ret->reason = ret->verdict = -1;
	for (i = 0; i < MAGPIE_REASON_COUNT; i++) {
		sum += after[i] - before[i];
		if (after[i] == before[i])
			continue;
		ret->reason = (int)i;
		ret->verdict = reason_verdicts[i];
	}
	if (sum != 1)
		ret->reason = ret->verdict = -1;
	else if (!fits(rig, ret)) {
		fprintf(stderr, "plane_rig: %s left with code %d\n", rig_reason_name(ret->reason),
			ret->code);
		ret->reason = ret->verdict = -1;
	}
}

static void test_run(const struct rig *rig, uint32_t ifindex, const struct frame *in,
		     uint32_t gso_size, bool dry, struct rig_result *ret)
{
	struct {
		uint32_t data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress;
	} xdp = {.ingress_ifindex = ifindex};
	struct __sk_buff skb = {.ifindex = ifindex, .ingress_ifindex = ifindex};
	const uint32_t meta = dry && rig->hook == RIG_XDP ? sizeof(struct magpie_trace) : 0;
	const struct magpie_trace ask = {.key = {(uint32_t)TRACE_KEY, TRACE_KEY >> 32}};
	uint8_t buffer[FRAME_MAX + 64], out[FRAME_MAX + 64];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .repeat = 1);

	memcpy(buffer, &ask, meta);
	memcpy(buffer + meta, frame_octets(in), in->len);
	skb.gso_size = gso_size;
	if (dry)
		memcpy(skb.cb, &ask, sizeof(ask));
	xdp.data = meta;
	xdp.data_end = meta + (uint32_t)in->len;
	opts.data_in = buffer;
	opts.data_size_in = meta + (uint32_t)in->len;
	opts.data_out = out;
	opts.data_size_out = sizeof(out);
	opts.ctx_in = opts.ctx_out = rig->hook == RIG_XDP ? (void *)&xdp : (void *)&skb;
	opts.ctx_size_in = opts.ctx_size_out = rig->hook == RIG_XDP ? sizeof(xdp) : sizeof(skb);
	if (bpf_prog_test_run_opts(rig->program, &opts))
		die("test run");
	ret->code = (int)opts.retval;
	ret->out.start = 0;
	ret->out.len = opts.data_size_out - meta;
	memcpy(ret->out.octet, out + meta, ret->out.len);
	if (dry)
		memcpy(&ret->trace, meta ? out : (uint8_t *)skb.cb, sizeof(ret->trace));
}

void rig_run(struct rig *rig, uint32_t ifindex, const struct frame *in, struct rig_result *ret)
{
	uint64_t before[MAGPIE_REASON_COUNT], after[MAGPIE_REASON_COUNT];

	snapshot(rig, before);
	test_run(rig, ifindex, in, 0, false, ret);
	snapshot(rig, after);
	conclude(rig, before, after, ret);
}

void rig_trace(struct rig *rig, uint32_t ifindex, const struct frame *in, uint32_t gso_size,
	       struct rig_result *ret)
{
	test_run(rig, ifindex, in, gso_size, true, ret);
	ret->reason = ret->trace.reason;
	ret->verdict = reason_verdicts[ret->trace.reason % MAGPIE_REASON_COUNT];
}

uint32_t rig_path_of(const struct rig *rig, const struct rig_result *result)
{
	const uint8_t *ip = frame_octets(&result->out) + 14;
	uint32_t id;

	if (result->out.len < 54)
		return 0;
	for (id = 1; id < 4096; id++)
		if (rig->path[id].encap != MAGPIE_ENCAP_NONE &&
		    !memcmp(ip + 8, rig->path[id].local, 16) &&
		    !memcmp(ip + 24, rig->path[id].remote, 16))
			return id;
	return 0;
}
