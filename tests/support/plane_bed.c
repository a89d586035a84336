/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See plane_bed.h. What cannot be set up ends the test process with a word about it. */
#include "tests/support/plane_bed.h"

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

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion" /* generated code */
#include "skel/magpie_tc.skel.h"
#include "skel/magpie_xdp.skel.h"
#pragma GCC diagnostic pop

#define TRACE_KEY  0x1122334455667788ULL
#define POOL_SLOTS 4096

const uint8_t bed_host_mac[6] = {2, 0, 0, 0, 1, 1};
const uint8_t bed_gateway_mac[6] = {2, 0, 0, 0, 1, 2};
const uint8_t bed_wan_mac[6] = {2, 0, 0, 0, 2, 1};
const uint8_t bed_router_mac[6] = {2, 0, 0, 0, 2, 2};
const uint8_t bed_next_mac[6] = {2, 0, 0, 0, 3, 1};

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
	fprintf(stderr, "plane_bed: %s: %s\n", what, strerror(errno));
	abort();
}

static void shell(const char *command)
{
	if (system(command) != 0) /* NOLINT(cert-env33-c): a test's own fixed commands */
		die(command);
}

/* ---- network -------------------------------------------------------------------------------- */

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

static void make_network(struct bed *bed)
{
	if (unshare(CLONE_NEWNET))
		die("unshare (root is needed)");
	shell(network);
	bed->inside = if_nametoindex("in0");
	bed->outside = if_nametoindex("out0");
	bed->both = if_nametoindex("both0");
}

/* ---- maps ------------------------------------------------------------------------------------ */

int bed_map(const struct bed *bed, const char *name)
{
	const int fd = bpf_object__find_map_fd_by_name(bed->object, name);

	if (fd < 0)
		die(name);
	return fd;
}

void bed_put(const struct bed *bed, const char *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bed_map(bed, map), key, value, BPF_ANY))
		die(map);
}

static void *map_memory(const struct bed *bed, const char *name)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(bed->object, name);
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

static void load(struct bed *bed, uint32_t sessions)
{
	struct bpf_program *program;

	if (bed->hook == BED_XDP) {
		struct magpie_xdp *skeleton = magpie_xdp__open();

		if (!skeleton)
			die("magpie_xdp");
		bed->object = skeleton->obj;
		program = skeleton->progs.magpie_xdp;
	} else {
		struct magpie_tc *skeleton = magpie_tc__open();

		if (!skeleton)
			die("magpie_tc");
		bed->object = skeleton->obj;
		program = skeleton->progs.magpie_tc;
	}
	size_maps(bed->object, sessions);
	if (bpf_object__load(bed->object))
		die("load");
	bed->program = bpf_program__fd(program);
}

struct bed *bed_open(enum bed_hook hook, uint32_t sessions)
{
	static struct bed bed;

	memset(&bed, 0, sizeof(bed));
	bed.hook = hook;
	make_network(&bed);
	load(&bed, sessions);
	bed.config = map_memory(&bed, "magpie_config");
	bed.session = map_memory(&bed, "magpie_session");
	bed.sw = map_memory(&bed, "magpie_switch");
	bed.wide = map_memory(&bed, "magpie_wide");
	bed.path = map_memory(&bed, "magpie_path");
	bed.slots = map_memory(&bed, "magpie_slots");
	return &bed;
}

/* The test process ends soon; descriptors go now, so that a second bed has room. */
void bed_close(struct bed *bed)
{
	bpf_object__close(bed->object);
}

struct bed *bed_next(struct bed *bed)
{
	enum bed_hook hook = BED_XDP;

	if (bed) {
		hook = bed->hook;
		bed_close(bed);
		if (hook == BED_TC)
			return NULL;
		hook = BED_TC;
	}
	return bed_open(hook, 4096);
}

/* ---- scene ----------------------------------------------------------------------------------- */

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
	memcpy(outer->hdr, bed_router_mac, 6);
	memcpy(outer->hdr + 6, bed_wan_mac, 6);
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

void bed_path(struct bed *bed, uint32_t id, const char *local, const char *remote, uint16_t mtu)
{
	struct magpie_path *path = &bed->path[id];
	struct magpie_tunnel_key key = {.encap = MAGPIE_ENCAP_IP6};
	struct magpie_local_key local_key;
	const uint32_t one = 1;

	memset(path, 0, sizeof(*path));
	path->encap = MAGPIE_ENCAP_IP6;
	frame_addr(local, path->local);
	frame_addr(remote, path->remote);
	build_outer(&path->outer[0], bed->outside, mtu, path->local, path->remote);
	path->outer[1] = path->outer[0];
	path->alive = 1;
	memcpy(key.local, path->local, 16);
	memcpy(key.remote, path->remote, 16);
	bed_put(bed, "magpie_tunnel", &key, &id);
	memcpy(local_key.addr, path->local, 16);
	bed_put(bed, "magpie_local", &local_key, &one);
}

struct magpie_set *bed_set(struct bed *bed, uint32_t session)
{
	const struct magpie_switch *sw = &bed->sw[session / MAGPIE_SWITCHES];

	return &bed->session[session].set[sw->live[session % MAGPIE_SWITCHES]];
}

void bed_bind(struct bed *bed, uint32_t session, uint32_t path, uint8_t bid, uint8_t label,
	      uint8_t weight)
{
	struct magpie_set *set = bed_set(bed, session);

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

void bed_prefix(struct bed *bed, const char *addr, uint32_t length, uint32_t session)
{
	struct magpie_prefix_key key = {.length = length};

	frame_addr(addr, key.addr);
	bed_put(bed, "magpie_prefix", &key, &session);
	bed->config->has_prefixes = 1;
}

void bed_rule(struct bed *bed, uint32_t index, const struct magpie_rule *rule)
{
	bed_put(bed, "magpie_rule", &index, rule);
}

void bed_class(struct bed *bed, uint32_t index, const struct magpie_class *class)
{
	bed_put(bed, "magpie_class", &index, class);
}

static void scene_pools(struct bed *bed)
{
	struct magpie_pool *pool = bed->config->pool;
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
	bed->slots[1] = bed->slots[POOL_SLOTS + 5] = 1;
	bed->slots[2] = bed->slots[POOL_SLOTS + 6] = 2;
}

static void scene_dev(const struct bed *bed, uint32_t ifindex, uint32_t flags)
{
	const struct magpie_dev dev = {.ifindex = ifindex, .flags = flags};
	const uint32_t key = ifindex % MAGPIE_DEVS;

	bed_put(bed, "magpie_dev", &key, &dev);
}

void bed_scene(struct bed *bed, enum magpie_role role)
{
	static const char *const pcoa[] = {BED_PCOA_1, BED_PCOA_2, BED_PCOA_3};
	struct magpie_class any = {.name = "default"};
	uint32_t i;

	bed->config->layout = MAGPIE_LAYOUT;
	bed->config->role = role;
	bed->config->trace_key = TRACE_KEY;
	bed->config->flow_idle_s = 60;
	bed->config->hop_limit = 64;
	frame_addr(BED_ICMP6, bed->config->icmp_source6);
	memcpy(bed->config->icmp_source4, (uint8_t[]){192, 0, 2, 1}, 4);
	scene_pools(bed);
	scene_dev(bed, bed->inside, MAGPIE_DEV_INSIDE);
	scene_dev(bed, bed->outside, MAGPIE_DEV_OUTSIDE);
	scene_dev(bed, bed->both, MAGPIE_DEV_INSIDE | MAGPIE_DEV_OUTSIDE);
	for (i = 0; i < 3; i++)
		bed_path(bed, i + 1, role == MAGPIE_ROLE_MAG ? pcoa[i] : BED_LMA,
			 role == MAGPIE_ROLE_MAG ? BED_LMA : pcoa[i], 1460);
	bed_bind(bed, 1, 1, 1, RED, 1);
	bed_bind(bed, 1, 2, 2, BLUE, 1);
	bed_bind(bed, 2, 3, 1, RED, 1);
	memset(any.rank, 1, sizeof(any.rank));
	memset(any.weight, 1, sizeof(any.weight));
	bed_class(bed, 0, &any);
	bed_class(bed, MAGPIE_CLASSES, &any);
}

static void forget_all(const struct bed *bed, const char *map)
{
	const int fd = bed_map(bed, map);
	uint8_t key[64];

	while (!bpf_map_get_next_key(fd, NULL, key))
		bpf_map_delete_elem(fd, key);
}

void bed_scene_reset(struct bed *bed)
{
	uint32_t i;

	for (i = 0; i < 4096; i++)
		memset(&bed->path[i], 0, sizeof(bed->path[i]));
	memset(bed->session, 0, 64 * sizeof(*bed->session));
	memset(bed->sw, 0, 2 * sizeof(*bed->sw));
	memset(bed->config, 0, sizeof(*bed->config));
	forget_all(bed, "magpie_tunnel");
	forget_all(bed, "magpie_local");
	forget_all(bed, "magpie_flow");
	forget_all(bed, "magpie_frag");
	forget_all(bed, "magpie_prefix");
}

const char *bed_addr_text(const uint8_t addr[16], char text[64])
{
	return inet_ntop(AF_INET6, addr, text, 64);
}

/* ---- counters ---------------------------------------------------------------------------------
 */

/* Sum over CPUs of two adjacent 64-bit fields of a per-CPU element of `size` octets. */
static void sum_pair(const struct bed *bed, const char *map, uint32_t key, size_t size, size_t at,
		     uint64_t ret[2])
{
	const int cpus = libbpf_num_possible_cpus();
	uint8_t values[64 * 256];
	int i;

	ret[0] = ret[1] = 0;
	if (cpus > 256 || bpf_map_lookup_elem(bed_map(bed, map), &key, values))
		die(map);
	for (i = 0; i < cpus; i++) {
		uint64_t pair[2];

		memcpy(pair, values + (size_t)i * size + at, sizeof(pair));
		ret[0] += pair[0];
		ret[1] += pair[1];
	}
}

uint64_t bed_reason_packets(const struct bed *bed, uint32_t reason)
{
	uint64_t pair[2];

	sum_pair(bed, "magpie_reason", reason, sizeof(struct magpie_reason_count),
		 offsetof(struct magpie_reason_count, packets), pair);
	return pair[0];
}

uint64_t bed_reason_bytes(const struct bed *bed, uint32_t reason)
{
	uint64_t pair[2];

	sum_pair(bed, "magpie_reason", reason, sizeof(struct magpie_reason_count),
		 offsetof(struct magpie_reason_count, packets), pair);
	return pair[1];
}

void bed_path_count(const struct bed *bed, uint32_t path, struct magpie_path_count *ret)
{
	uint64_t pair[2];

	sum_pair(bed, "magpie_pathstat", path, sizeof(*ret), 0, pair);
	ret->tx_packets = pair[0];
	ret->tx_bytes = pair[1];
	sum_pair(bed, "magpie_pathstat", path, sizeof(*ret), 16, pair);
	ret->rx_packets = pair[0];
	ret->rx_bytes = pair[1];
}

uint64_t bed_rule_packets(const struct bed *bed, uint32_t rule)
{
	uint64_t pair[2];

	sum_pair(bed, "magpie_rulestat", rule, sizeof(struct magpie_rule_count), 0, pair);
	return pair[0];
}

static uint64_t digest(uint64_t hash, const uint8_t *octets, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ octets[i]) * 0x100000001b3ULL; /* FNV-1a */
	return hash;
}

uint64_t bed_digest(const struct bed *bed)
{
	uint64_t hash = 0xcbf29ce484222325ULL;
	uint8_t key[64], next[64], value[64 * 256];
	struct bpf_map *map;

	bpf_object__for_each_map(map, bed->object)
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

/* ---- runs ------------------------------------------------------------------------------------ */

const char *bed_reason_name(int reason)
{
	return reason < 0 || reason >= MAGPIE_REASON_COUNT ? "none or several"
							   : reason_names[reason];
}

static void snapshot(const struct bed *bed, uint64_t packets[MAGPIE_REASON_COUNT])
{
	uint32_t i;

	for (i = 0; i < MAGPIE_REASON_COUNT; i++)
		packets[i] = bed_reason_packets(bed, i);
}

/* Does the hook's return code fit the reason's verdict? */
static bool fits(const struct bed *bed, const struct bed_result *result)
{
	enum { XDP_CODE_DROP = 1, XDP_CODE_PASS = 2, XDP_CODE_TX = 3, XDP_CODE_REDIRECT = 4 };
	enum { TC_CODE_UNSPEC = -1, TC_CODE_SHOT = 2, TC_CODE_REDIRECT = 7 };
	const bool xdp = bed->hook == BED_XDP;

	if (result->reason == MAGPIE_REASON_TOO_BIG)
		return result->code == (xdp ? (int)XDP_CODE_TX : (int)TC_CODE_REDIRECT);
	if (result->verdict == MAGPIE_VERDICT_FORWARD)
		return result->code == (xdp ? (int)XDP_CODE_REDIRECT : (int)TC_CODE_REDIRECT);
	if (result->verdict == MAGPIE_VERDICT_PASS)
		return result->code == (xdp ? (int)XDP_CODE_PASS : (int)TC_CODE_UNSPEC);
	return result->code == (xdp ? (int)XDP_CODE_DROP : (int)TC_CODE_SHOT);
}

static void conclude(const struct bed *bed, const uint64_t before[], const uint64_t after[],
		     struct bed_result *ret)
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
	else if (!fits(bed, ret)) {
		fprintf(stderr, "plane_bed: %s left with code %d\n", bed_reason_name(ret->reason),
			ret->code);
		ret->reason = ret->verdict = -1;
	}
}

static void test_run(const struct bed *bed, uint32_t ifindex, const struct frame *in,
		     uint32_t gso_size, bool dry, struct bed_result *ret)
{
	struct {
		uint32_t data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress;
	} xdp = {.ingress_ifindex = ifindex};
	struct __sk_buff skb = {.ifindex = ifindex, .ingress_ifindex = ifindex};
	const uint32_t meta = dry && bed->hook == BED_XDP ? sizeof(struct magpie_trace) : 0;
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
	opts.ctx_in = opts.ctx_out = bed->hook == BED_XDP ? (void *)&xdp : (void *)&skb;
	opts.ctx_size_in = opts.ctx_size_out = bed->hook == BED_XDP ? sizeof(xdp) : sizeof(skb);
	if (bpf_prog_test_run_opts(bed->program, &opts))
		die("test run");
	ret->code = (int)opts.retval;
	ret->out.start = 0;
	ret->out.len = opts.data_size_out - meta;
	memcpy(ret->out.octet, out + meta, ret->out.len);
	if (dry)
		memcpy(&ret->trace, meta ? out : (uint8_t *)skb.cb, sizeof(ret->trace));
}

void bed_run(struct bed *bed, uint32_t ifindex, const struct frame *in, struct bed_result *ret)
{
	uint64_t before[MAGPIE_REASON_COUNT], after[MAGPIE_REASON_COUNT];

	snapshot(bed, before);
	test_run(bed, ifindex, in, 0, false, ret);
	snapshot(bed, after);
	conclude(bed, before, after, ret);
}

void bed_trace(struct bed *bed, uint32_t ifindex, const struct frame *in, uint32_t gso_size,
	       struct bed_result *ret)
{
	test_run(bed, ifindex, in, gso_size, true, ret);
	ret->reason = ret->trace.reason;
	ret->verdict = reason_verdicts[ret->trace.reason % MAGPIE_REASON_COUNT];
}

uint32_t bed_path_of(const struct bed *bed, const struct bed_result *result)
{
	const uint8_t *ip = frame_octets(&result->out) + 14;
	uint32_t id;

	if (result->out.len < 54)
		return 0;
	for (id = 1; id < 4096; id++)
		if (bed->path[id].encap != MAGPIE_ENCAP_NONE &&
		    !memcmp(ip + 8, bed->path[id].local, 16) &&
		    !memcmp(ip + 24, bed->path[id].remote, 16))
			return id;
	return 0;
}
