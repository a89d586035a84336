/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Our gateway and our anchor face to face: every message goes through the codec, both views must
 * agree on the paths in the end. Virtual time, a network with delay, loss and cuts.
 */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "core/lma.h"
#include "tests/support/flma.h"

#define QUEUE 1024
#define PATHS 4

struct packet {
	uint64_t deliver_ns;
	bool to_anchor;
	struct core_peer peer; /* as the receiver sees it */
	int len;
	uint8_t octets[MH_MAX];
};

static struct recorder rm;
static struct recorder rl;
static struct mag *mag;
static struct lma *lma;
static struct lma_pool pool;
static struct mag_config config;
static struct mag_path_config path[PATHS];
static struct mag_node_config node;
static struct packet queue[QUEUE];
static size_t n_queue;
static uint64_t now_ns;
static uint64_t delay_ns[PATHS];
static bool cut[PATHS];
static uint64_t dice;
static unsigned int loss_percent;

static size_t path_of(const struct ip_addr *a)
{
	return a->b[7] - (size_t)1;
}

static bool lost(size_t i)
{
	dice = dice * UINT64_C(6364136223846793005) + 1;
	return cut[i] || (dice >> 33) % 100 < loss_percent;
}

static void transmit(const struct bed_sent *sent, bool to_anchor)
{
	const struct ip_addr *wan = to_anchor ? &sent->peer.local : &sent->peer.remote;
	struct packet *p = &queue[n_queue];
	size_t i = path_of(wan);

	if (lost(i))
		return;
	cr_assert_lt(n_queue, QUEUE);
	p->deliver_ns = now_ns + delay_ns[i];
	p->to_anchor = to_anchor;
	p->peer.local = sent->peer.remote;
	p->peer.remote = sent->peer.local;
	p->peer.ifindex = to_anchor ? 1 : (uint32_t)i + 1;
	p->len = mh_encode(&sent->msg, p->octets, sizeof(p->octets));
	cr_assert_gt(p->len, 0);
	n_queue++;
}

static void collect(void)
{
	for (size_t k = 0; k < rm.n_sent; k++)
		transmit(&rm.sent[k], true);
	for (size_t k = 0; k < rl.n_sent; k++)
		transmit(&rl.sent[k], false);
	free(rm.sent);
	free(rl.sent);
	rm.sent = rl.sent = NULL;
	rm.n_sent = rl.n_sent = 0;
}

static size_t first(void)
{
	size_t best = 0;

	for (size_t k = 1; k < n_queue; k++)
		if (queue[k].deliver_ns < queue[best].deliver_ns)
			best = k;
	return best;
}

static void deliver(size_t k)
{
	struct packet p = queue[k];
	struct core_time now = bed_time(now_ns);
	struct mh_message msg;

	queue[k] = queue[--n_queue];
	cr_assert_eq(mh_decode(p.octets, (size_t)p.len, &msg), MH_FAULT_NONE);
	if (p.to_anchor)
		lma_receive(lma, &now, &p.peer, &msg);
	else
		mag_receive(mag, &now, &p.peer, &msg);
}

static void run_ms(uint64_t ms)
{
	uint64_t until = now_ns + ms * BED_MS;

	for (;;) {
		uint64_t m = mag_next_ns(mag);
		uint64_t l = lma_next_ns(lma);
		uint64_t q = n_queue ? queue[first()].deliver_ns : CORE_NEVER;
		uint64_t next = m < l ? m : l;
		struct core_time now;

		next = q < next ? q : next;
		if (next > until)
			break;
		now_ns = next > now_ns ? next : now_ns;
		now = bed_time(now_ns);
		if (next == q) {
			deliver(first());
		} else {
			mag_tick(mag, &now);
			lma_tick(lma, &now);
		}
		collect();
	}
	now_ns = until;
}

static void links(void)
{
	for (size_t i = 0; i < PATHS; i++) {
		struct mag_link link = flma_link(i);
		struct core_time now = bed_time(now_ns);

		mag_link(mag, &now, i, &link);
		collect();
	}
}

static void alive(size_t i, bool up)
{
	struct mag_link link = flma_link(i);
	struct core_time now = bed_time(now_ns);
	struct ip_addr anchor = config.lma;

	mag_path_state(mag, &now, i, up);
	lma_path_state(lma, &now, &anchor, &link.address, up);
	collect();
}

/* Both ends have exactly these paths to send by, with mirrored addresses. */
static void expect_paths(unsigned int n)
{
	const struct bed_view *a = recorder_view(&rm, 1);
	const struct bed_view *b = recorder_view(&rl, 1);

	cr_assert(a && b);
	cr_expect_eq(bed_count_tx(&a->view), n);
	cr_expect_eq(bed_count_tx(&b->view), n);
	cr_expect(ip_prefix_equal(&a->view.prefix[0], &b->view.prefix[0]));
	for (uint16_t k = 0; k < a->view.n; k++) {
		const struct binding_view *mine = &a->view.binding[k];
		const struct binding_view *theirs = bed_binding(&b->view, mine->bid);

		if (!(mine->use & BINDING_TX))
			continue;
		cr_assert(theirs, "BID %u is unknown at the anchor", mine->bid);
		cr_expect(theirs->use & BINDING_TX);
		cr_expect_eq(theirs->label, mine->label);
		cr_expect(ip_equal(&theirs->remote, &mine->local));
		cr_expect(ip_equal(&theirs->local, &mine->remote));
	}
}

static void setup(void)
{
	struct lma_config lc = {
		.pool = &pool,
		.n_pool = 1,
		.multipath = true,
		.max_sessions = 10,
		.max_bindings = 254,
		.max_lifetime_s = 300,
		.timestamp_window_ms = 300,
		.min_delay_before_delete_ms = 10000,
		.max_delay_before_assign_ms = 1500,
		.drain_ms = 2000,
		.prefix_rest_s = 60,
	};

	recorder_init(&rm);
	recorder_init(&rl);
	pool = (struct lma_pool){.range = bed_prefix("2001:db8:100::/48"), .length = 64};
	flma_config(&config, path, PATHS, &node);
	now_ns = 1000 * BED_SEC;
	dice = 1;
	for (size_t i = 0; i < PATHS; i++)
		delay_ns[i] = (5 + 20 * (PATHS - i)) * BED_MS;
	cr_assert_eq(lma_new(&lc, &rl.port, &lma), 0);
	cr_assert_eq(mag_new(&config, &rm.port, &mag), 0);
}

static void teardown(void)
{
	mag_free(mag);
	lma_free(lma);
	recorder_free(&rm);
	recorder_free(&rl);
}

TestSuite(pair, .init = setup, .fini = teardown);

Test(pair, registers_and_stays, .description = "MP-CF-01..08 M13 L6: figure 2, then a day")
{
	links();
	run_ms(1000);
	expect_paths(PATHS);
	run_ms(86400000);
	expect_paths(PATHS);
	cr_expect_eq(recorder_notes(&rl, CORE_NOTE_BINDING_EXPIRED), 0);
	cr_expect_eq(recorder_notes(&rl, CORE_NOTE_REJECTED), 0);
}

Test(pair, all_at_once,
     .description = "MP-SIG-23 MP-SIG-26: concurrent first PBUs that overtake each other")
{
	mag_free(mag);
	config.capability_known = true;
	cr_assert_eq(mag_new(&config, &rm.port, &mag), 0);
	links();
	run_ms(2000);
	expect_paths(PATHS);
}

Test(pair, silent_loss_and_return, .description = "M18 M20 L15 3.4: red down silent, and back")
{
	links();
	run_ms(1000);
	cut[0] = true;
	alive(0, false);
	expect_paths(PATHS - 1);
	run_ms(60000);
	expect_paths(PATHS - 1);
	cut[0] = false;
	run_ms(5300);
	alive(0, true);
	run_ms(1000);
	expect_paths(PATHS);
}

Test(pair, gateway_restarts, .description = "M29 3.4 MAG restart: O=1, then all again, same prefix")
{
	struct ip_prefix prefix;

	links();
	run_ms(1000);
	prefix = recorder_view(&rm, 1)->view.prefix[0];
	mag_free(mag);
	recorder_clear(&rm);
	cr_assert_eq(mag_new(&config, &rm.port, &mag), 0);
	run_ms(10);
	links();
	run_ms(1000);
	expect_paths(PATHS);
	cr_expect(ip_prefix_equal(&recorder_view(&rm, 1)->view.prefix[0], &prefix));
}

Test(pair, release, .description = "M30 L11: both ends are empty, at once and after the wait")
{
	struct core_time now;

	links();
	run_ms(1000);
	now = bed_time(now_ns);
	mag_release(mag, &now);
	collect();
	run_ms(200);
	cr_expect(mag_released(mag));
	cr_expect_eq(recorder_view(&rl, 1)->view.state, SESSION_LINGER);
	run_ms(11000);
	cr_expect_eq(recorder_view(&rl, 1)->view.state, SESSION_NONE);
}

Test(pair, heavy_loss, .description = "half of all messages are lost for an hour; then all is well")
{
	loss_percent = 50;
	links();
	run_ms(3600000);
	loss_percent = 0;
	run_ms(500000);
	expect_paths(PATHS);
}
