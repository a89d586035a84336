/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Our gateway and our anchor with nothing between them but the codec, in virtual time: neither is a
 * script here, so what one side means and the other understands must be the same.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "core/mag.h"
#include "tests/support/lma_bed.h"

static struct lma_bed bed; /* the anchor's side; its time is the time */
static struct recorder gateway;
static struct mag *mag;
static size_t to_anchor; /* messages carried so far */
static size_t to_gateway;
static bool red_cut; /* nothing passes by RED */

static const struct mag_path_config paths[2] = {
	{.name = "RED", .bid = 1, .label = LABEL_RED, .att = 4, .weight = 1},
	{.name = "BLUE", .bid = 2, .label = LABEL_BLUE, .att = 5, .weight = 1},
};

static bool cut(const struct core_peer *peer)
{
	struct ip_addr red = bed_addr(RED);

	return red_cut && (ip_equal(&peer->local, &red) || ip_equal(&peer->remote, &red));
}

/* Through octets, as on the wire; the other end sees the addresses the other way round. */
static bool carry(const struct bed_sent *sent, struct core_peer *ret_from,
		  struct mh_message *ret_msg)
{
	uint8_t octets[MH_MAX];
	int len = mh_encode(&sent->msg, octets, sizeof(octets));

	cr_assert_gt(len, 0);
	cr_assert_eq(mh_decode(octets, (size_t)len, ret_msg), MH_FAULT_NONE);
	*ret_from = (struct core_peer){.local = sent->peer.remote, .remote = sent->peer.local};
	return !cut(&sent->peer);
}

static void exchange(void)
{
	struct core_time now = bed_now(&bed);
	struct core_peer from;
	struct mh_message msg;

	while (to_anchor < gateway.n_sent || to_gateway < bed.r.n_sent) {
		if (to_anchor < gateway.n_sent) {
			struct bed_sent sent = gateway.sent[to_anchor++];

			if (carry(&sent, &from, &msg))
				lma_receive(bed.lma, &now, &from, &msg);
		} else {
			struct bed_sent sent = bed.r.sent[to_gateway++];

			if (carry(&sent, &from, &msg))
				mag_receive(mag, &now, &from, &msg);
		}
		cr_assert_lt(gateway.n_sent, 1000, "a storm");
	}
}

static void run(uint64_t ns)
{
	uint64_t until = bed.now + ns;

	for (;;) {
		uint64_t mine = mag_next_ns(mag);
		uint64_t next = lma_next_ns(bed.lma);
		struct core_time now;

		next = mine < next ? mine : next;
		if (next > until)
			break;
		bed.now = next > bed.now ? next : bed.now;
		now = bed_now(&bed);
		mag_tick(mag, &now);
		lma_tick(bed.lma, &now);
		exchange();
	}
	bed.now = until;
}

static void link_up(size_t index, const char *address)
{
	struct core_time now = bed_now(&bed);
	struct mag_link link = {.usable = true, .address = bed_addr(address)};

	link.ifindex = (uint32_t)(2 + index);
	mag_link(mag, &now, index, &link);
	exchange();
}

static void open_pair(void)
{
	struct mag_node_config node = {.mn_id = bed_id(MN1), .att = 1};
	struct mag_config config = {
		.mag_id = bed_id(MAG1),
		.lma = bed_addr(LMAA),
		.path = paths,
		.n_path = 2,
		.node = &node,
		.n_node = 1,
		.multipath = true,
		.lifetime_s = 300,
		.discovery_wait_ms = 3000,
		.retry_first_ms = 1000,
		.retry_max_ms = 32000,
		.path_retry_ms = 5000,
		.discovery_tries = 3,
		.suspect_ms = 3000,
		.drain_ms = 2000,
		.bulk_every = 3,
		.multipath_hold_s = 3600,
		.reject_hold_ms = 32000,
	};

	lma_bed_open(&bed);
	recorder_init(&gateway);
	cr_assert_eq(mag_new(&config, &gateway.port, &mag), 0);
}

static void close_pair(void)
{
	mag_free(mag);
	recorder_free(&gateway);
	lma_bed_close(&bed);
}

TestSuite(lma_mag, .init = open_pair, .fini = close_pair);

static void start(void)
{
	link_up(0, RED);
	link_up(1, BLUE);
	run(5 * BED_SEC);
}

Test(lma_mag, two_paths,
     .description =
	     "MP-CF-05..10: discovery by one, then both; kept up for an hour without a reject")
{
	start();
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
	run(3600 * BED_SEC);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 1);
	cr_expect_eq(counter(&bed, CORE_COUNTER_REJECTED), 0);
	cr_expect_eq(mag_counters(mag)[CORE_COUNTER_ACCEPTED], bed.r.n_sent);
}

Test(lma_mag, dead_path,
     .description = "D7 MP-SIG-30: a cut path is deregistered through the other and comes back")
{
	struct core_time now;

	start();
	run(10 * BED_SEC);
	red_cut = true;
	now = bed_now(&bed);
	mag_path_state(mag, &now, 0, false);
	exchange();
	run(60 * BED_SEC);
	cr_expect_str_eq(tx_of(&bed, MN1), "2");
	red_cut = false;
	now = bed_now(&bed);
	mag_path_state(mag, &now, 0, true);
	exchange();
	run(60 * BED_SEC);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
}

Test(lma_mag, new_address, .description = "L7: the same BID by another address")
{
	struct ip_addr green = bed_addr(GREEN);

	start();
	run(10 * BED_SEC);
	link_up(0, GREEN);
	run(BED_SEC);
	cr_expect(ip_equal(&bed_binding(view_of(&bed, MN1), 1)->remote, &green));
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
}

Test(lma_mag, release, .description = "L11 L13: all deregistered, all answered, nothing left")
{
	struct core_time now;

	start();
	now = bed_now(&bed);
	mag_release(mag, &now);
	exchange();
	run(3 * BED_SEC);
	cr_expect(mag_released(mag));
	cr_expect_str_eq(session_state_of(&bed, MN1), "linger");
	run(10 * BED_SEC);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 0);
}

Test(lma_mag, legacy_anchor, .description = "MP-SIG-13 MP-SIG-14: one plain binding")
{
	bed.config.multipath_legacy = true;
	lma_bed_reopen(&bed);
	start();
	cr_expect_str_eq(session_state_of(&bed, MN1), "single");
	cr_expect_str_eq(tx_of(&bed, MN1), "0");
	run(1000 * BED_SEC);
	cr_expect_str_eq(session_state_of(&bed, MN1), "single");
}

Test(lma_mag, multipath_refused,
     .description = "D25 MP-SIG-18: 180, then at once service by one path")
{
	bed.config.multipath = false;
	lma_bed_reopen(&bed);
	start();
	cr_expect_str_eq(session_state_of(&bed, MN1), "single");
	cr_expect_eq(lma_statuses(bed.lma)[MH_STATUS_NO_MULTIPATH], 1);
	run(1000 * BED_SEC);
	cr_expect_eq(lma_statuses(bed.lma)[MH_STATUS_NO_MULTIPATH], 1, "held for an hour");
}

Test(lma_mag, anchor_forgets,
     .description = "L18 MP-MMB-26: without records the gateway builds the session anew within "
		    "three refreshes")
{
	start();
	lma_bed_reopen(&bed);
	to_gateway = 0;
	run(900 * BED_SEC);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 1);
}
