/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ns per packet of encapsulation and decapsulation (XDP) beside the floor programs and beside a
 * bare redirect, in one run on one CPU, with the same frames. The role is the anchor's; every
 * session has two bindings, one rule set of 0 or 16 rules. Each figure is the best of several
 * rounds, and the rounds of all subjects are interleaved, because the machine may be shared.
 *
 * Prints a table and writes JSON to the file named as argument. Needs root.
 */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "tests/support/plane_rig.h"
#include "skel/floor.skel.h"

#define MAX_SESSIONS 100000U
#define PATHS	     512U
#define REPEAT	     400000
#define ROUNDS	     7
#define BATCH	     64

enum direction { ENCAP, DECAP };

struct subject {
	const char *name;
	int program;
	double best[2][5]; /* [direction][load] */
};

struct load {
	const char *name;
	uint32_t sessions;
	uint32_t spread;
	uint32_t rules;
};

static const struct load loads[] = {
	{"1 session, 1 flow", 1, 0, 0},
	{"1 session, 1 flow, 16 rules", 1, 0, 16},
	{"1 session, random flows", 1, 1, 0},
	{"1000 sessions, random", 1000, 1, 0},
	{"100000 sessions, random", MAX_SESSIONS, 1, 0},
};

#define LOADS (sizeof(loads) / sizeof(loads[0]))

enum { BARE, FLOOR_ENCAP, FLOOR_DECAP, MAGPIE, SUBJECTS };

static void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the scene: 2001:db8::/32 in /64s, MAGs at fd00:a:PATH::1, the anchor at fd00:f::1 --- */

static void path_addr(char text[64], uint32_t number, uint32_t binding)
{
	snprintf(text, 64, "fd00:a:%x:%x::%x", number >> 16, number & 0xffff, binding);
}

static void fill_sessions(struct rig *rig)
{
	char pcoa[64];
	uint32_t i, b;

	for (i = 0; i < PATHS; i++)
		for (b = 1; b <= 2; b++) {
			path_addr(pcoa, i, b);
			rig_path(rig, 1 + 2 * i + (b - 1), "fd00:f::1", pcoa, 1460);
		}
	for (i = 1; i <= MAX_SESSIONS; i++) {
		rig->slots[i] = i;
		for (b = 1; b <= 2; b++)
			rig_bind(rig, i, 1 + 2 * ((i - 1) % PATHS) + (b - 1), (uint8_t)b,
				 b == 1 ? RED : BLUE, 1);
	}
}

static void fill_policy(const struct rig *rig)
{
	struct magpie_rule rule = {.fields = MAGPIE_RULE_PROTO | MAGPIE_RULE_DPORT, .proto = 6};
	uint16_t i;

	for (i = 0; i < 16; i++) { /* none matches: the whole list is walked */
		rule.dport_first = rule.dport_last = (uint16_t)(8000 + i);
		rule.proto = i % 2 ? 6 : 17;
		rig_put(rig, "magpie_rule", &(uint32_t){i}, &rule);
	}
}

static void build_scene(struct rig *rig, struct floor *floor)
{
	struct magpie_pool *pool = rig->config->pool;
	const uint32_t zero = 0;

	rig_scene(rig, MAGPIE_ROLE_LMA);
	rig_scene_reset(rig);
	rig_scene(rig, MAGPIE_ROLE_LMA);
	memset(pool, 0, sizeof(rig->config->pool));
	memset(rig->session, 0, 4 * sizeof(*rig->session));
	pool->base_hi = 0x20010db8ULL << 32;
	pool->mask_hi = ~0ULL << 32;
	pool->slots = MAX_SESSIONS + 1;
	fill_sessions(rig);
	fill_policy(rig);
	if (bpf_map_update_elem(bpf_map__fd(floor->maps.outer), &zero, rig->path[1].outer[0].hdr,
				BPF_ANY))
		die("outer template");
	floor->data->paths = PATHS;
}

static void build_frame(struct floor *floor, enum direction direction, struct frame *frame)
{
	struct ip_fields down = {.family = 6, .src = "2001:dead::7", .dst = "2001:db8:0:1::5"};
	struct ip_fields up = {.family = 6, .src = "2001:db8:0:1::5", .dst = "2001:dead::7"};
	struct ip_fields outer = {.family = 6, .src = "fd00:a::1", .dst = "fd00:f::1", .proto = 41};
	const uint32_t zero = 0;

	up.proto = down.proto = 17;
	frame_init(frame, direction == DECAP ? 34 : 74);
	frame_udp(frame, 5000, 5001);
	frame_ip(frame, direction == DECAP ? &up : &down);
	if (direction == DECAP)
		frame_ip(frame, &outer);
	frame_eth(frame, rig_gateway_mac, rig_host_mac, 0x86dd);
	if (bpf_map_update_elem(bpf_map__fd(floor->maps.frame), &zero, frame_octets(frame),
				BPF_ANY))
		die("frame template");
	floor->bss->session_at = direction == DECAP ? 14 + 40 + 8 + 4 : 14 + 24 + 4;
	floor->bss->path_at = direction == DECAP ? 14 + 8 + 4 : 0;
	floor->bss->port_at = direction == DECAP ? 14 + 80 + 2 : 14 + 40;
}

/* ---- measuring --------------------------------------------------------------------- */

static void attach(const char *device, int program)
{
	if (bpf_xdp_attach((int)if_nametoindex(device), program, 0, NULL))
		die(device);
}

/* ns per packet; every one of them must have come through, or the figure is of something else. */
static double run(const struct rig *rig, struct floor *floor, int program, enum direction direction,
		  const struct frame *frame)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .repeat = REPEAT, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	attach(direction == ENCAP ? "in0" : "out0", program);
	floor->bss->entry = if_nametoindex(direction == ENCAP ? "in1" : "out1");
	floor->bss->target = direction == ENCAP ? rig->outside : rig->inside;
	floor->bss->arrived = 0;
	opts.data_in = frame_octets(frame);
	opts.data_size_in = (uint32_t)frame->len;
	if (bpf_prog_test_run_opts(bpf_program__fd(floor->progs.generate), &opts))
		die("live test run");
	if (floor->bss->arrived < REPEAT - BATCH) { /* the last batch may be on its way */
		fprintf(stderr, "bench: only %llu of %d packets came through\n",
			(unsigned long long)floor->bss->arrived, REPEAT);
		exit(1);
	}
	return opts.duration;
}

static void measure(struct rig *rig, struct floor *floor, struct subject *subjects, size_t load)
{
	const int order[2][3] = {{BARE, FLOOR_ENCAP, MAGPIE}, {BARE, FLOOR_DECAP, MAGPIE}};
	struct frame frame;
	enum direction d;
	int round, i;

	floor->data->sessions = loads[load].sessions;
	floor->bss->spread = loads[load].spread;
	rig->config->rules[0] = loads[load].rules;
	for (d = ENCAP; d <= DECAP; d++) {
		build_frame(floor, d, &frame);
		for (round = 0; round < ROUNDS; round++)
			for (i = 0; i < 3; i++) {
				struct subject *s = &subjects[order[d][i]];
				const double ns = run(rig, floor, s->program, d, &frame);

				if (!s->best[d][load] || ns < s->best[d][load])
					s->best[d][load] = ns;
			}
	}
}

/* ---- the outcome ------------------------------------------------------------------- */

static const struct subject *floor_of(const struct subject *subjects, enum direction d)
{
	return &subjects[d == ENCAP ? FLOOR_ENCAP : FLOOR_DECAP];
}

static void print_table(const struct subject *subjects)
{
	enum direction d;
	size_t load;

	printf("%-14s %-30s %9s %9s %9s %10s\n", "", "ns per packet", "redirect", "floor", "magpie",
	       "of floor");
	for (d = ENCAP; d <= DECAP; d++)
		for (load = 0; load < LOADS; load++) {
			const double floor = floor_of(subjects, d)->best[d][load];
			const double ours = subjects[MAGPIE].best[d][load];

			printf("%-14s %-30s %9.0f %9.0f %9.0f %10.2f\n",
			       d == ENCAP ? "encapsulate" : "decapsulate", loads[load].name,
			       subjects[BARE].best[d][load], floor, ours, floor / ours);
		}
}

static void write_json(const struct subject *subjects, const char *file)
{
	FILE *out = fopen(file, "we");
	enum direction d;
	size_t load;

	if (!out)
		die(file);
	fprintf(out, "{\"unit\": \"ns per packet\", \"hook\": \"xdp\", \"results\": [");
	for (d = ENCAP; d <= DECAP; d++)
		for (load = 0; load < LOADS; load++) {
			const double floor = floor_of(subjects, d)->best[d][load];
			const double ours = subjects[MAGPIE].best[d][load];

			fprintf(out,
				"%s\n{\"direction\": \"%s\", \"load\": \"%s\", \"sessions\": %u, "
				"\"rules\": %u, \"redirect\": %.0f, \"floor\": %.0f, "
				"\"magpie\": %.0f, \"of_floor\": %.3f}",
				d == ENCAP && load == 0 ? "" : ",", d == ENCAP ? "encap" : "decap",
				loads[load].name, loads[load].sessions, loads[load].rules,
				subjects[BARE].best[d][load], floor, ours, floor / ours);
		}
	fprintf(out, "\n]}\n");
	if (fclose(out))
		die(file);
}

int main(int argc, char **argv)
{
	struct subject subjects[SUBJECTS] = {0};
	struct floor *floor;
	struct rig *rig;
	cpu_set_t cpu;
	size_t load;

	CPU_ZERO(&cpu);
	CPU_SET((size_t)sysconf(_SC_NPROCESSORS_ONLN) - 1, &cpu);
	if (argc != 2) {
		fprintf(stderr, "usage: bench FILE.json\n");
		return 2;
	}
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		die("affinity");
	rig = rig_open(RIG_XDP, MAX_SESSIONS + 1);
	floor = floor__open_and_load();
	if (!floor)
		die("floor");
	attach("in1", bpf_program__fd(floor->progs.sink));
	attach("out1", bpf_program__fd(floor->progs.sink));
	subjects[BARE].program = bpf_program__fd(floor->progs.bare_redirect);
	subjects[FLOOR_ENCAP].program = bpf_program__fd(floor->progs.floor_encap);
	subjects[FLOOR_DECAP].program = bpf_program__fd(floor->progs.floor_decap);
	subjects[MAGPIE].program = rig->program;
	build_scene(rig, floor);
	for (load = 0; load < LOADS; load++)
		measure(rig, floor, subjects, load);
	print_table(subjects);
	write_json(subjects, argv[1]);
	return 0;
}
