/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets while everything changes: a thread sends packets through the attached program by test
 * runs as fast as it can, the other rewrites sessions and outer headers. Each packet must leave
 * under one whole generation: one that was current while it ran.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/support/plane_bed.h"

#define RED	 9
#define SESSIONS 64
#define GROUPS	 8 /* generation g uses tunnels of group g % GROUPS only */
#define MEMBERS	 6
#define FLIPS	 10000
#define KEEPER	 4000 /* the number of a session apart */
#define ETHER	 14
#define OUTER	 (ETHER + 40)

static struct pbed bed;
static int program;
static enum plane_hook hook;
static atomic_uint begun[SESSIONS + 1], done[SESSIONS + 1];
static atomic_bool stop;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* The group of a tunnel's remote end, see tunnel(). */
static unsigned int group_of(const uint8_t remote[16])
{
	return remote[6] & 0xfU;
}

static uint16_t tunnel(unsigned int group, unsigned int member)
{
	return (uint16_t)(group << 8 | (member + 1));
}

/* ---- outer headers ----------------------------------------------------------------------------
 */

/* Both MACs, the hop limit and the flow label's first bits repeat the mark. */
static void set_outer(const struct plane_path_info *path, uint8_t mark)
{
	struct magpie_outer outer;
	uint8_t mac[6];

	memset(mac, mark, sizeof(mac));
	plane_build_outer(&outer, bed.device[1].ifindex, 1500, mac, mac, &path->local,
			  &path->remote, mark);
	plane_set_outer(bed.plane, path->id, &outer);
}

static void resolve(struct pbed *b, const struct plane_path_info *path)
{
	set_outer(path, 2);
	plane_set_alive(b->plane, path->id, true);
}

static int remark(void *ctx, const struct plane_path_info *path)
{
	set_outer(path, *(const uint8_t *)ctx);
	return 0;
}

/* ---- the packets ------------------------------------------------------------------------------
 */

struct verdict {
	unsigned long packets;
	unsigned long lost;    /* not encapsulated */
	unsigned long torn;    /* outer header of two */
	unsigned long foreign; /* a tunnel of no generation that was current */
	unsigned long groups;  /* generations that were seen to change */
};

static void make_packet(uint8_t frame[ETHER + 48], unsigned int session, uint16_t port)
{
	struct ip_addr from = pbed_addr("2001:db8:c::7"), to = pbed_addr("2001:db8:1::5");

	to.b[6] = (uint8_t)(session >> 8);
	to.b[7] = (uint8_t)session;
	memset(frame, 0, ETHER + 48);
	frame[0] = 2;
	frame[12] = 0x86;
	frame[13] = 0xdd;
	frame[14] = 0x60;
	frame[19] = 8;
	frame[20] = 17;
	frame[21] = 64;
	memcpy(frame + 22, from.b, 16);
	memcpy(frame + 38, to.b, 16);
	frame[54] = (uint8_t)(port >> 8);
	frame[55] = (uint8_t)port;
	frame[59] = 8;
}

static size_t run(const uint8_t *frame, uint8_t out[256])
{
	struct xdp_md xdp = {.data_end = ETHER + 48, .ingress_ifindex = bed.device[0].ifindex};
	struct __sk_buff skb = {.ifindex = bed.device[0].ifindex,
				.ingress_ifindex = bed.device[0].ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = ETHER + 48,
		    .data_out = out, .data_size_out = 256, .repeat = 1);

	opts.ctx_in = hook == PLANE_HOOK_XDP ? (void *)&xdp : (void *)&skb;
	opts.ctx_size_in = hook == PLANE_HOOK_XDP ? sizeof(xdp) : sizeof(skb);
	return bpf_prog_test_run_opts(program, &opts) == 0 ? opts.data_size_out : 0;
}

static bool in_window(unsigned int group, unsigned int first, unsigned int last)
{
	for (unsigned int g = first; g <= last && g < first + GROUPS; g++) {
		if (g % GROUPS == group)
			return true;
	}
	return false;
}

static void judge(const uint8_t *out, unsigned int first, unsigned int last, struct verdict *v)
{
	uint8_t mark = out[0];
	bool whole = out[ETHER + 7] == mark;

	for (int i = 0; i < 12; i++)
		whole = whole && out[i] == mark;
	v->torn += !whole;
	v->foreign += !in_window(group_of(out + ETHER + 24), first, last);
}

static void *send_packets(void *arg)
{
	struct verdict *v = arg;
	unsigned int last_group = 0;
	uint8_t frame[ETHER + 48], out[256];

	for (unsigned int n = 0; !stop; n++) {
		unsigned int session = n % SESSIONS + 1;
		unsigned int first = atomic_load(&done[session]);
		size_t len;

		make_packet(frame, session, (uint16_t)n);
		len = run(frame, out);
		v->packets++;
		if (len != OUTER + 48) {
			v->lost++;
			continue;
		}
		judge(out, first, atomic_load(&begun[session]), v);
		if (session == 1 && group_of(out + ETHER + 24) != last_group) {
			last_group = group_of(out + ETHER + 24);
			v->groups++;
		}
	}
	return NULL;
}

/* ---- the changes ------------------------------------------------------------------------------
 */

static void flip(unsigned int session, unsigned int generation)
{
	struct session_view view;

	pbed_view(&view, session);
	for (unsigned int i = 0; i < 1 + generation % MEMBERS; i++) /* narrow and wide by turns */
		pbed_bind(&view, (uint8_t)(i + 1), RED, tunnel(generation % GROUPS, i));
	atomic_store(&begun[session], generation);
	cr_assert_eq(plane_publish(bed.plane, &view), 0);
	atomic_store(&done[session], generation);
}

static void set_up(void)
{
	static struct policy policy = {.n_class = 1};
	struct session_view keeper;

	pbed_init(&bed, MAGPIE_ROLE_LMA);
	bed.config.hook = hook;
	bed.config.max_sessions = 2000; /* wide elements for all */
	bed.on_added = resolve;
	cr_assert_eq(pbed_open(&bed), 0);
	memset(policy.class[0].rank, 1, 256);
	memset(policy.class[0].weight, 1, 256);
	cr_assert_eq(plane_set_policy(bed.plane, &policy), 0);
	pbed_view(&keeper, KEEPER); /* keeps all tunnels, as sessions elsewhere would */
	for (unsigned int i = 0; i < GROUPS * MEMBERS; i++)
		pbed_bind(&keeper, (uint8_t)(i + 1), RED, tunnel(i / MEMBERS, i % MEMBERS));
	cr_assert_eq(plane_publish(bed.plane, &keeper), 0);
	for (unsigned int s = 1; s <= SESSIONS; s++)
		flip(s, 1);
	program = bpf_prog_get_fd_by_id(pbed_attached(&bed, 0, hook));
	cr_assert_geq(program, 0);
}

static const enum plane_hook hooks[] = {PLANE_HOOK_XDP, PLANE_HOOK_TC};

ParameterizedTestParameters(plane_stress, one_generation)
{
	return cr_make_param_array(const enum plane_hook, hooks, 2);
}

ParameterizedTest(const enum plane_hook *param, plane_stress, one_generation,
		  .description = "AT-01 AT-02: 10 000 changes under packets, none lost or mixed")
{
	struct verdict v = {0};
	unsigned int flips = 0, generation = 1;
	pthread_t thread;
	uint64_t began;

	hook = *param;
	set_up();
	cr_assert_eq(pthread_create(&thread, NULL, send_packets, &v), 0);
	began = now_ns();
	while (flips < FLIPS) {
		uint8_t mark = (uint8_t)(3 + generation % 200);

		generation++;
		for (unsigned int s = 1; s <= SESSIONS; s++, flips++)
			flip(s, generation);
		plane_each_path(bed.plane, remark, &mark);
	}
	for (int i = 0; i < 50; i++, flips++) /* one session as fast as it can be */
		flip(1, ++generation);
	fprintf(stderr, "# %u changes in %.1f s under %lu packets\n", flips,
		(double)(now_ns() - began) / 1e9, v.packets);
	stop = true;
	pthread_join(thread, NULL);
	cr_assert_eq(v.lost, 0, "%lu of %lu", v.lost, v.packets);
	cr_assert_eq(v.torn, 0, "%lu of %lu", v.torn, v.packets);
	cr_assert_eq(v.foreign, 0, "%lu of %lu", v.foreign, v.packets);
	cr_assert_gt(v.packets, 10000);
	cr_assert_gt(v.groups, 50, "packets saw the changes");
}

/* ---- what it costs ----------------------------------------------------------------------------
 */

static void report(const char *what, uint64_t ns, unsigned int n)
{
	fprintf(stderr, "# plane_publish, %-44s %8.1f us\n", what, (double)ns / n / 1e3);
}

Test(plane_stress, cost, .description = "figures for the notes; a wait is shared")
{
	struct session_view view;
	uint64_t began, alone, together;

	hook = PLANE_HOOK_TC;
	set_up();
	began = now_ns();
	for (unsigned int i = 0; i < 500; i++) {
		pbed_view(&view, 100 + i);
		pbed_bind(&view, 1, RED, tunnel(0, 0));
		pbed_bind(&view, 2, RED, tunnel(0, 1));
		cr_assert_eq(plane_publish(bed.plane, &view), 0);
	}
	report("new, 2 bindings, known paths:", now_ns() - began, 500);
	began = now_ns();
	for (unsigned int i = 0; i < 400; i++) {
		pbed_view(&view, 700 + i);
		pbed_bind(&view, 1, RED, (uint16_t)(0x1000 + i));
		cr_assert_eq(plane_publish(bed.plane, &view), 0);
	}
	report("new, 1 binding, new path:", now_ns() - began, 400);
	began = now_ns();
	for (unsigned int i = 0; i < 10000; i++)
		cr_assert_eq(plane_publish(bed.plane, &view), 0);
	report("unchanged:", now_ns() - began, 10000);
	for (unsigned int s = 1; s <= SESSIONS; s++)
		flip(s, 2); /* from now on their idle sets were live a moment ago */
	began = now_ns();
	flip(1, 3);
	alone = now_ns() - began;
	report("changed again at once, with its wait:", alone, 1);
	began = now_ns();
	for (unsigned int s = 2; s <= SESSIONS; s++)
		flip(s, 3);
	together = now_ns() - began;
	report("changed again, 63 sessions after that wait:", together, SESSIONS - 1);
	cr_assert_lt(together, alone * SESSIONS / 4, "64 changes share one wait");
}
