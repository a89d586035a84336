/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The emulated network's queue and words, in virtual time. */
#include <criterion/criterion.h>
#include <string.h>

#include "tools/lab/wan_queue.c"
#include "tools/lab/wan_shape.c"

#define MS  1000000ULL
#define SEC (1000 * MS)

static struct wan_queue q;
static struct wan_shape both[2];

static void begin(void)
{
	cr_assert_eq(wan_queue_init(&q, 1), 0);
	both[0] = both[1] = q.shape;
}

static const char *shape_by(const char *words)
{
	char copy[200];
	const char *wrong;
	static char kept[200];

	snprintf(copy, sizeof(copy), "%s", words);
	wrong = wan_parse(copy, both);
	if (!wrong) {
		wan_queue_shape(&q, &both[0]);
		return NULL;
	}
	snprintf(kept, sizeof(kept), "%s", wrong);
	return kept;
}

/* A frame whose first octet is its number. */
static void arrive(unsigned int number, uint32_t len, uint64_t now_ns)
{
	struct wan_frame *f = wan_queue_slot(&q, 0);

	f->len = len;
	f->octets[0] = (uint8_t)number;
	wan_queue_take(&q, 1, now_ns);
}

TestSuite(lab_wan, .init = begin);

Test(lab_wan, words, .description = "every word, each unit; one direction or both")
{
	cr_expect_null(
		shape_by("delay=25ms jitter=500us loss=1.5% rate=40M queue=64k reorder=yes"));
	cr_expect_eq(both[1].delay_ns, 25 * MS);
	cr_expect_eq(both[1].jitter_ns, 500000);
	cr_expect_eq(both[1].loss_ppm, 15000);
	cr_expect_eq(both[1].rate_bps, 40000000);
	cr_expect_eq(both[1].queue_bytes, 65536);
	cr_expect(both[1].reorder);
	cr_expect_null(shape_by("up.delay=1s down.loss=7ppm down.cut=yes"));
	cr_expect_eq(both[0].delay_ns, SEC);
	cr_expect_eq(both[1].delay_ns, 25 * MS);
	cr_expect_eq(both[0].loss_ppm, 15000);
	cr_expect_eq(both[1].loss_ppm, 7);
	cr_expect(!both[0].cut && both[1].cut);
	cr_expect_null(shape_by("cut=up"));
	cr_expect(both[0].cut && !both[1].cut);
}

Test(lab_wan, wrong_words, .description = "are named")
{
	static const char *const wrong[] = {
		"delay",  "delay=5",   "delay=-1ms", "delay=1e99s", "delay=nanms",   "loss=101%",
		"loss=1", "rate=fast", "cut=maybe",  "colour=red",  "left.delay=1ms"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *named = shape_by(wrong[i]);

		cr_assert_not_null(named, "%s", wrong[i]);
		cr_expect_str_eq(named, wrong[i]);
	}
}

Test(lab_wan, delay, .description = "a frame leaves when its delay is over, behind those before it")
{
	shape_by("delay=30ms");
	arrive(1, 100, 5 * MS);
	shape_by("delay=10ms");
	arrive(2, 100, 6 * MS);
	cr_expect_eq(wan_queue_at(&q, 0)->due_ns, 35 * MS);
	cr_expect_eq(wan_queue_at(&q, 1)->due_ns, 35 * MS, "a shorter delay does not overtake");
	arrive(3, 100, 40 * MS);
	cr_expect_eq(wan_queue_at(&q, 2)->due_ns, 50 * MS);
	wan_queue_gone(&q, 2);
	cr_expect_eq(wan_queue_at(&q, 0)->octets[0], 3);
	cr_expect_null(wan_queue_at(&q, 1));
}

/* Frames out of their order of arrival, of 200 a tenth of a millisecond apart. */
static unsigned int overtaking(void)
{
	unsigned int overtaken = 0;
	uint64_t last_due = 0;
	uint8_t last = 0;

	for (unsigned int i = 0; i < 200; i++)
		arrive(i, 100, i * MS / 10);
	cr_assert_eq(q.n, 200);
	for (size_t i = 0; i < 200; i++) {
		const struct wan_frame *f = wan_queue_at(&q, i);

		cr_assert_geq(f->due_ns, last_due, "by departure");
		cr_assert_geq(f->due_ns, 5 * MS);
		cr_assert_leq(f->due_ns, 7 * MS + 200 * MS / 10);
		overtaken += f->octets[0] < last;
		last_due = f->due_ns;
		last = f->octets[0];
	}
	return overtaken;
}

Test(lab_wan, jitter, .description = "stretches, and does not reorder")
{
	shape_by("delay=5ms jitter=2ms");
	cr_expect_eq(overtaking(), 0);
}

Test(lab_wan, reorder, .description = "jitter reorders when asked")
{
	shape_by("delay=5ms jitter=2ms reorder=yes");
	cr_expect_gt(overtaking(), 50);
}

/* Bits: which of 64 frames were lost. */
static uint64_t losses(void)
{
	uint64_t pattern = 0;

	for (unsigned int i = 0; i < 64; i++) {
		uint64_t before = q.count.lost;

		arrive(i, 100, i);
		pattern |= (q.count.lost - before) << i;
	}
	return pattern;
}

Test(lab_wan, seed, .description = "the same seed loses the same frames, another one others")
{
	uint64_t first;

	shape_by("loss=30% seed=7");
	first = losses();
	cr_expect_neq(first, 0);
	cr_expect_neq(losses(), first, "the sequence goes on");
	shape_by("seed=7");
	cr_expect_eq(losses(), first);
	shape_by("seed=0");
	cr_expect_neq(losses(), first);
}

Test(lab_wan, loss, .description = "its share, and all when it is 100 %")
{
	shape_by("loss=20%");
	for (unsigned int i = 0; i < 50000; i++) {
		arrive(i, 100, i);
		wan_queue_gone(&q, q.n);
	}
	cr_expect(q.count.lost > 9500 && q.count.lost < 10500, "%d", (int)q.count.lost);
	shape_by("loss=100%");
	arrive(1, 100, SEC);
	cr_expect_eq(q.n, 0);
}

Test(lab_wan, rate, .description = "octets leave at the rate; behind a full queue they are dropped")
{
	shape_by("rate=8M queue=10k"); /* a thousand octets a millisecond */
	for (unsigned int i = 0; i < 20; i++)
		arrive(i, 1000, 0);
	cr_expect_eq(q.n, 10);
	cr_expect_eq(q.count.queue_drops, 10);
	cr_expect_eq(wan_queue_at(&q, 0)->due_ns, 1 * MS);
	cr_expect_eq(wan_queue_at(&q, 9)->due_ns, 10 * MS);
	arrive(20, 1000, 5 * MS); /* half of it has left */
	cr_expect_eq(wan_queue_at(&q, 10)->due_ns, 11 * MS);
	arrive(21, 1000, SEC);
	cr_expect_eq(wan_queue_at(&q, 11)->due_ns, SEC + MS, "a pause earns no credit");
	shape_by("rate=0");
	arrive(22, 1000, SEC + 2 * MS);
	cr_expect_eq(wan_queue_at(&q, 12)->due_ns, SEC + 2 * MS);
}

Test(lab_wan, cut, .description = "takes every frame, but not those under way")
{
	shape_by("delay=1ms");
	arrive(1, 100, 0);
	shape_by("cut=yes");
	arrive(2, 100, 0);
	cr_expect_eq(q.n, 1);
	cr_expect_eq(q.count.cut_drops, 1);
}

Test(lab_wan, bounds, .description = "too large and too many are counted; no slot is lost")
{
	arrive(1, WAN_FRAME_MAX + 1, 0);
	cr_expect_eq(q.count.oversize_drops, 1);
	for (unsigned int i = 0; i < RING + 10; i++)
		arrive(i, 100, 0);
	cr_expect_eq(q.n, RING);
	cr_expect_eq(q.count.ring_drops, 10);
	cr_expect_eq(q.n + q.n_spare, SLOTS);
	wan_queue_gone(&q, RING);
	cr_expect_eq(q.n_spare, SLOTS);
	arrive(3, 100, 0);
	cr_expect_eq(wan_queue_at(&q, 0)->octets[0], 3);
}
