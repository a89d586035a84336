/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * core/health.c in virtual time: how fast a path is given up and taken back, whose answers count,
 * and the figures (loss, round trip) that come out of it.
 */
#include <criterion/criterion.h>

#include "core/health.h"

#define MS UINT64_C(1000000)
#define T0 (UINT64_C(1000) * MS)

static const struct health_config config = {
	.interval_ms = 100,
	.detect_ms = 300,
	.up_count = 3,
};

struct bed {
	struct health h;
	uint64_t now;
	uint64_t rtt_ns; /* less than the pace */
	bool cut;
};

static uint64_t nonce_of(uint64_t now)
{
	return now * UINT64_C(0x9e3779b97f4a7c15);
}

static struct bed bed_new(void)
{
	struct bed bed = {.now = T0, .rtt_ns = 20 * MS};

	health_start(&bed.h, bed.now);
	return bed;
}

/* One step to the next millisecond; probes are answered rtt_ns later unless the path is cut. */
static bool bed_step(struct bed *bed)
{
	uint32_t sequence;

	bed->now += MS;
	for (uint32_t i = 0; i < HEALTH_WINDOW && i < bed->h.sent; i++) {
		uint32_t s = bed->h.sequence - 1 - i;
		uint64_t sent = bed->h.sent_ns[s % HEALTH_WINDOW];

		if (!bed->cut && sent + bed->rtt_ns == bed->now)
			health_answer(&bed->h, &config, bed->now, s, nonce_of(sent));
	}
	while (health_probe_due(&bed->h, &config, bed->now, nonce_of(bed->now), &sequence))
		;
	return health_judge(&bed->h, &config, bed->now);
}

/* Milliseconds until the state is `state`. */
static unsigned int bed_until(struct bed *bed, enum health_state state, unsigned int limit)
{
	unsigned int n = 0;

	while (bed->h.state != state && n < limit) {
		bed_step(bed);
		n++;
	}
	return n;
}

static void bed_run(struct bed *bed, unsigned int ms)
{
	while (ms--)
		bed_step(bed);
}

Test(health, unknown_is_up_with_the_first_answer)
{
	struct bed bed = bed_new();

	cr_expect_eq(bed.h.state, HEALTH_UNKNOWN);
	cr_expect_eq(bed_until(&bed, HEALTH_UP, 1000), 21);
}

Test(health, never_heard_is_down_after_detect)
{
	struct bed bed = bed_new();

	bed.cut = true;
	cr_expect_eq(bed_until(&bed, HEALTH_DOWN, 1000), 300);
}

Test(health, cut_is_seen_within_300_ms,
     .description = "MP-INT-01, M18: whenever the cut comes, silence of 300 ms is a verdict")
{
	for (unsigned int phase = 0; phase < 100; phase += 7) {
		struct bed bed = bed_new();

		bed_run(&bed, 1000 + phase);
		cr_assert_eq(bed.h.state, HEALTH_UP);
		bed.cut = true;
		cr_expect_leq(bed_until(&bed, HEALTH_DOWN, 1000), 300);
	}
}

Test(health, one_lost_probe_is_no_cut)
{
	struct bed bed = bed_new();

	bed_run(&bed, 1000);
	bed.cut = true;
	bed_run(&bed, 150);
	bed.cut = false;
	for (int i = 0; i < 1000; i++)
		cr_assert_not(bed_step(&bed));
	cr_expect_eq(bed.h.state, HEALTH_UP);
}

Test(health, back_after_three_answers_in_a_row, .description = "M19")
{
	struct bed bed = bed_new();
	uint64_t answered;

	bed_run(&bed, 500);
	bed.cut = true;
	bed_run(&bed, 2000);
	cr_assert_eq(bed.h.state, HEALTH_DOWN);
	answered = bed.h.answered;
	bed.cut = false;
	cr_expect_leq(bed_until(&bed, HEALTH_UP, 1000), 321);
	cr_expect_eq(bed.h.answered - answered, 3);
}

Test(health, a_gap_starts_the_row_again)
{
	struct health h;
	uint32_t sequence;
	uint64_t now = T0;

	health_start(&h, now);
	health_judge(&h, &config, now + 300 * MS);
	cr_assert_eq(h.state, HEALTH_DOWN);
	/* answered, answered, lost, over and over: never three in a row */
	for (unsigned int i = 0; i < 60; i++) {
		now += 100 * MS;
		cr_assert(health_probe_due(&h, &config, now, i, &sequence));
		if (i % 3 != 2)
			cr_assert(health_answer(&h, &config, now + MS, sequence, i));
		cr_assert_not(health_judge(&h, &config, now + MS));
	}
	cr_expect_eq(h.state, HEALTH_DOWN);
}

Test(health, wrong_nonce_is_a_stray,
     .description = "ATK-22: an answer without our nonce is no life")
{
	struct health h;
	uint32_t sequence;

	health_start(&h, T0);
	cr_assert(health_probe_due(&h, &config, T0, 77, &sequence));
	cr_expect_not(health_answer(&h, &config, T0 + MS, sequence, 78));
	cr_expect_not(health_answer(&h, &config, T0 + MS, sequence + 1, 77));
	cr_expect_not(health_answer(&h, &config, T0 + MS, sequence - 1, 0));
	cr_expect_eq(h.stray, 3);
	cr_expect_eq(h.heard_ns, 0);
	cr_expect_eq(h.answered, 0);
	cr_expect(health_answer(&h, &config, T0 + MS, sequence, 77));
	cr_expect_not(health_answer(&h, &config, T0 + 2 * MS, sequence, 77), "a replay");
	cr_expect_eq(h.stray, 4);
	cr_expect_eq(h.heard_ns, T0 + MS);
}

Test(health, answer_from_before_the_window_is_a_stray)
{
	struct health h;
	uint32_t sequence;
	uint32_t first = 0;

	health_start(&h, T0);
	for (unsigned int i = 0; i <= HEALTH_WINDOW; i++) {
		cr_assert(health_probe_due(&h, &config, T0 + i * UINT64_C(100) * MS, 5, &sequence));
		if (i == 0)
			first = sequence;
	}
	cr_expect_not(health_answer(&h, &config, T0 + 6500 * MS, first, 5));
	cr_expect(health_answer(&h, &config, T0 + 6500 * MS, first + 1, 5));
}

Test(health, loss_in_ppm_without_the_probes_under_way)
{
	struct health h;
	uint32_t sequence;
	uint64_t now = T0;

	health_start(&h, now);
	cr_expect_eq(health_loss_ppm(&h, &config, now), 0);
	for (unsigned int i = 0; i < 40; i++) {
		cr_assert(health_probe_due(&h, &config, now, i, &sequence));
		if (i % 4 != 0)
			cr_assert(health_answer(&h, &config, now + MS, sequence, i));
		now += 100 * MS;
	}
	/* at 4.0 s the probes 0..37 are 300 ms old: 10 of these 38 are lost */
	cr_expect_eq(health_loss_ppm(&h, &config, now), 10 * 1000000 / 38);
	/* later all 40: 10 of 40 */
	cr_expect_eq(health_loss_ppm(&h, &config, now + 300 * MS), 250000);
}

Test(health, round_trip_is_smoothed, .description = "RFC 6298 section 2: alpha 1/8, beta 1/4")
{
	struct health h;
	uint32_t sequence;

	health_start(&h, T0);
	cr_assert(health_probe_due(&h, &config, T0, 1, &sequence));
	cr_assert(health_answer(&h, &config, T0 + 40 * MS, sequence, 1));
	cr_expect_eq(h.rtt_us, 40000);
	cr_expect_eq(h.jitter_us, 20000);
	cr_assert(health_probe_due(&h, &config, T0 + 100 * MS, 2, &sequence));
	cr_assert(health_answer(&h, &config, T0 + 180 * MS, sequence, 2));
	cr_expect_eq(h.rtt_us, 45000);
	cr_expect_eq(h.jitter_us, 25000);
}

Test(health, a_long_round_trip_is_no_cut)
{
	struct bed bed = bed_new();

	bed.rtt_ns = 700 * MS;
	bed_run(&bed, 2000);
	cr_assert_eq(bed.h.state, HEALTH_UP);
	for (int i = 0; i < 2000; i++)
		cr_assert_not(bed_step(&bed));
}

Test(health, next_is_when_something_is_due)
{
	struct health h;
	uint32_t sequence;

	health_start(&h, T0);
	cr_expect_eq(health_next_ns(&h, &config), T0);
	cr_assert(health_probe_due(&h, &config, T0, 1, &sequence));
	cr_expect_not(health_probe_due(&h, &config, T0, 1, &sequence));
	cr_expect_eq(health_next_ns(&h, &config), T0 + 100 * MS);
	/* a process that slept does not send what it missed */
	cr_assert(health_probe_due(&h, &config, T0 + 1050 * MS, 1, &sequence));
	cr_expect_not(health_probe_due(&h, &config, T0 + 1050 * MS, 1, &sequence));
	cr_expect_eq(health_next_ns(&h, &config), T0 + 300 * MS, "the verdict is overdue");
	cr_expect(health_judge(&h, &config, T0 + 1050 * MS));
	cr_expect_eq(health_next_ns(&h, &config), T0 + 1150 * MS);
}
