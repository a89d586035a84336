/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was live may still be read by packets under way, so it is not written before they are
 * through. A packet under way is played by one run of a program that stays inside until it is told
 * to leave, and says when it has: a first change does not wait for it, a second one, which writes
 * what the first has retired, must. Whatever the scheduler does, code that waits as it should
 * passes.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/plane_bed.h"

#define RED	9
#define BYTES	(4U << 20) /* summed up in every round of the slow program */
#define ROUNDS	4000	   /* some hundred milliseconds at least; then it leaves by itself */
#define STAY_US 30000

static struct pbed bed;

/* ---- the packet under way ---------------------------------------------------------------------
 */

static struct {
	int program;
	volatile uint32_t *entered, *left, *go; /* in the program's map */
	pthread_t packet, clock;
} slow;

#define INSN(c, d, s, o, i)                                                              \
	{                                                                                \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (int)(i) \
	}
#define MOV_IMM(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)

static void make_slow_program(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "slow", 4, BYTES, 1, &opts);
	const struct bpf_insn code[] = {
		MOV_IMM(6, ROUNDS),
		INSN(BPF_LD | BPF_DW | BPF_IMM, 7, BPF_PSEUDO_MAP_VALUE, 0, map),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_ST | BPF_MEM | BPF_W, 7, 0, 0, 1), /* entered */
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 1, 7, 0, 0),
		MOV_IMM(2, BYTES),
		MOV_IMM(3, 0),
		MOV_IMM(4, 0),
		MOV_IMM(5, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_csum_diff),
		INSN(BPF_LDX | BPF_MEM | BPF_W, 1, 7, 8, 0), /* go? */
		INSN(BPF_JMP | BPF_JNE | BPF_K, 1, 0, 2, 0),
		INSN(BPF_ALU64 | BPF_SUB | BPF_K, 6, 0, 0, 1),
		INSN(BPF_JMP | BPF_JNE | BPF_K, 6, 0, -10, 0),
		INSN(BPF_ST | BPF_MEM | BPF_W, 7, 0, 4, 1), /* left */
		MOV_IMM(0, 1),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	uint32_t *memory;

	cr_assert_geq(map, 0);
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	cr_assert_neq(memory, MAP_FAILED);
	slow.entered = memory;
	slow.left = memory + 1;
	slow.go = memory + 2;
	slow.program = bpf_prog_load(BPF_PROG_TYPE_XDP, "slow", "GPL", code,
				     sizeof(code) / sizeof(code[0]), NULL);
	cr_assert_geq(slow.program, 0, "%s", strerror(errno));
}

static void *run_slow(void *arg)
{
	uint8_t packet[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = 1);

	(void)arg;
	bpf_prog_test_run_opts(slow.program, &opts);
	return NULL;
}

static void *tell_it_to_leave(void *arg)
{
	(void)arg;
	usleep(STAY_US);
	*slow.go = 1;
	return NULL;
}

/* first() must not wait for the packet, second() must. */
static void check(void (*first)(void), void (*second)(void))
{
	make_slow_program();
	cr_assert_eq(pthread_create(&slow.packet, NULL, run_slow, NULL), 0);
	while (!*slow.entered)
		usleep(100);
	usleep(STAY_US / 2);
	if (*slow.left)
		cr_skip_test("this kernel's checksum helper does not take as much as is needed");
	first();
	cr_assert_eq(*slow.left, 0, "the first change waits though nothing was retired");
	cr_assert_eq(pthread_create(&slow.clock, NULL, tell_it_to_leave, NULL), 0);
	second();
	cr_assert_eq(*slow.left, 1, "something is written that a packet under way may read");
	pthread_join(slow.packet, NULL);
	pthread_join(slow.clock, NULL);
}

/* ---- changes ----------------------------------------------------------------------------------
 */

static void open_bed(enum magpie_role role)
{
	pbed_init(&bed, role);
	cr_assert_eq(pbed_open(&bed), 0);
}

/* Session 1 with n bindings of that weight. */
static void publish(uint16_t n, uint8_t weight)
{
	struct session_view view;

	pbed_view(&view, 1);
	for (uint16_t i = 1; i <= n; i++)
		pbed_bind(&view, (uint8_t)i, RED, i)->weight = weight;
	cr_assert_eq(plane_publish(bed.plane, &view), 0);
}

static void weight_2(void)
{
	publish(1, 2);
}

static void weight_3(void)
{
	publish(1, 3);
}

Test(plane_grace, set, .description = "AT-02: the set that was live")
{
	open_bed(MAGPIE_ROLE_LMA);
	publish(1, 1);
	check(weight_2, weight_3);
}

static void mtu(uint16_t value)
{
	struct magpie_outer outer = {.ifindex = 1, .mtu = value, .len = 54, .l2_len = 14};

	plane_set_outer(bed.plane, 1, &outer);
}

static void mtu_1400(void)
{
	mtu(1400);
}

static void mtu_1300(void)
{
	mtu(1300);
}

Test(plane_grace, outer, .description = "AT-02: the outer header that was live")
{
	open_bed(MAGPIE_ROLE_LMA);
	publish(1, 1);
	check(mtu_1400, mtu_1300);
}

static void rules(uint16_t port)
{
	static struct policy policy;

	policy.n_match = policy.n_class = 1;
	policy.match[0].fields = POLICY_DPORT;
	policy.match[0].dport = (struct policy_range){port, port};
	cr_assert_eq(plane_set_policy(bed.plane, &policy), 0);
}

static void rules_80(void)
{
	rules(80);
}

static void rules_81(void)
{
	rules(81);
}

Test(plane_grace, policy, .description = "AT-02: the half of the policy that was live")
{
	open_bed(MAGPIE_ROLE_LMA);
	check(rules_80, rules_81);
}

static void tunnel(uint32_t session, uint16_t number, enum session_state state)
{
	struct session_view view;

	pbed_view(&view, session);
	view.state = state;
	pbed_bind(&view, 1, RED, number);
	cr_assert_eq(plane_publish(bed.plane, &view), 0);
}

static void end_two(void)
{
	tunnel(2, 2, SESSION_NONE);
}

static void begin_three(void)
{
	tunnel(3, 3, SESSION_ACTIVE);
}

Test(plane_grace, path_number, .description = "AT-02: the number of a path that went")
{
	pbed_init(&bed, MAGPIE_ROLE_LMA);
	bed.config.max_paths = 3; /* two */
	cr_assert_eq(pbed_open(&bed), 0);
	tunnel(1, 1, SESSION_ACTIVE);
	tunnel(2, 2, SESSION_ACTIVE);
	check(end_two, begin_three);
}

static void end_last(void)
{
	tunnel(64, 1, SESSION_NONE);
}

static void begin_another(void)
{
	tunnel(65, 1, SESSION_ACTIVE);
}

Test(plane_grace, session_number, .description = "AT-02: the number of a session that ended")
{
	open_bed(MAGPIE_ROLE_LMA);
	for (uint32_t id = 1; id <= 64; id++) /* all there are */
		tunnel(id, 1, SESSION_ACTIVE);
	check(end_last, begin_another);
}

static void many(uint32_t session, uint8_t weight)
{
	struct session_view view;

	pbed_view(&view, session);
	for (uint8_t i = 1; i <= 5; i++)
		pbed_bind(&view, i, RED, i)->weight = weight;
	cr_assert_eq(plane_publish(bed.plane, &view), 0);
}

static void wide_change(void)
{
	many(1, 2);
}

static void wide_other(void)
{
	many(15, 1);
}

Test(plane_grace, wide, .description = "AT-02: the bindings of a wide set that was live")
{
	open_bed(MAGPIE_ROLE_LMA);
	for (uint32_t id = 1; id <= 14; id++) /* of 15 elements */
		many(id, 1);
	check(wide_change, wide_other);
}

static void learn(uint32_t session, enum session_state state)
{
	struct session_view view;

	pbed_view(&view, session);
	view.state = state;
	cr_assert_eq(plane_publish(bed.plane, &view), 0);
}

static void forget_eighth(void)
{
	learn(8, SESSION_NONE);
}

static void learn_ninth(void)
{
	learn(9, SESSION_ACTIVE);
}

Test(plane_grace, pool, .description = "AT-02: the entry of a learned prefix that went")
{
	open_bed(MAGPIE_ROLE_MAG);
	for (uint32_t id = 1; id <= 8; id++)
		learn(id, SESSION_ACTIVE);
	check(forget_eighth, learn_ninth);
}
