/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeping bindings alive: when refreshes come, for whom they speak, and what happens when they are
 * refused or not answered. Virtual time, scripted anchor.
 */
#include <criterion/criterion.h>

#include "tests/support/flma.h"

static struct flma f;
static struct mag_config config;
static struct mag_path_config path[CORE_MAX_BINDINGS];
static struct mag_node_config node;

static void setup(void)
{
	flma_init(&f);
	flma_config(&config, path, 2, &node);
}

static void teardown(void)
{
	flma_free(&f);
}

static void up(size_t n)
{
	cr_assert_eq(mag_new(&config, &f.r.port, &f.mag), 0);
	for (size_t i = 0; i < n; i++)
		flma_link_up(&f, i);
	flma_run_ms(&f, 1000);
	recorder_clear(&f.r);
	f.seen = 0;
}

static const struct mh_message *sent(size_t k)
{
	cr_assert_lt(k, f.r.n_sent);
	return &f.r.sent[k].msg;
}

/* Runs until a PBU is sent; milliseconds. */
static unsigned int until_sent(unsigned int limit)
{
	size_t n = f.r.n_sent;
	unsigned int ms = 0;

	for (; f.r.n_sent == n && ms < limit; ms++)
		flma_run_ms(&f, 1);
	return ms;
}

static uint8_t status_;
static unsigned int times_;
static uint8_t only_bid_;

static uint8_t refuse(struct flma *anchor, const struct bed_sent *pbu)
{
	(void)anchor;
	if (times_ == 0 || (only_bid_ && pbu->msg.mmb.bid != only_bid_))
		return 0;
	times_--;
	return status_;
}

static void refuse_next(uint8_t bid, uint8_t status, unsigned int times)
{
	only_bid_ = bid;
	status_ = status;
	times_ = times;
	f.judge = refuse;
}

static uint64_t expires_[2];

static int keep_expiries(void *ctx, const struct mag_session_info *s)
{
	(void)ctx;
	for (uint16_t i = 0; i < 2 && i < s->n; i++)
		expires_[i] = s->binding[i].expires_ns;
	return 0;
}

TestSuite(mag_refresh, .init = setup, .fini = teardown);

Test(mag_refresh, one_for_all,
     .description =
	     "M13 M15 MP-MMB-22 B-5213-6.9.1.3-a -b -c 3.4 bulk: one B=1 PBU by the best path, "
	     "both extended, no view changes")
{
	path[1].priority = 1;
	path[0].priority = 2;
	up(2);
	flma_run_ms(&f, 166000);
	cr_assert_eq(f.r.n_sent, 1);
	cr_expect(sent(0)->mmb.bulk);
	cr_expect_not(sent(0)->mmb.overwrite);
	cr_expect_eq(sent(0)->mmb.bid, 2, "the best by priority");
	cr_expect_eq(sent(0)->hi, MH_HI_UNCHANGED);
	cr_expect_eq(sent(0)->n_hnp, 1);
	cr_expect(ip_prefix_equal(&sent(0)->hnp[0], &f.prefix));
	cr_expect_eq(sent(0)->has,
		     MH_HAS(MN_ID) | MH_HAS(HNP) | MH_HAS(HI) | MH_HAS(ATT) | MH_HAS(LLID) |
			     MH_HAS(TIMESTAMP) | MH_HAS(MMB) | MH_HAS(MAG_ID),
		     "MP-SIG-01 MP-SIG-02 MP-MID-04");
	cr_expect_eq(f.r.n_view, 0);
	mag_each(f.mag, keep_expiries, NULL);
	cr_expect_eq(expires_[0], expires_[1]);
	cr_expect_gt(expires_[0], f.now_ns + 250 * BED_SEC);
}

Test(mag_refresh, between_45_and_55_percent, .description = "B-6275-11.7.3-e: 300 s: 135..165 s")
{
	unsigned int least = 200000;
	unsigned int most = 0;

	for (unsigned int k = 0; k < 200; k++) {
		unsigned int ms;

		teardown();
		setup();
		f.r.random = k * UINT64_C(0x2545f4914f6cdd1d);
		up(1);
		ms = until_sent(300000) + 1000;
		least = ms < least ? ms : least;
		most = ms > most ? ms : most;
	}
	cr_expect_geq(least, 135000);
	cr_expect_leq(most, 165001);
	cr_expect_gt(most - least, 20000, "jitter");
}

Test(mag_refresh, short_lifetime,
     .description = "B-6275-11.7.3-c -e: 2 units: before 4 s, for ever alive")
{
	f.grant = 2;
	up(1);
	cr_expect_leq(until_sent(8000) + 1000, 4000);
	flma_run_ms(&f, 100000);
	cr_expect_eq(flma_bound(&f), 1);
	cr_expect_eq(recorder_notes(&f.r, CORE_NOTE_BINDING_EXPIRED), 0);
}

Test(mag_refresh, each_third_round_is_single,
     .description =
	     "M14 MP-MMB-26: a sibling that the anchor lost is back after k rounds at the latest")
{
	unsigned int bulk = 0;
	unsigned int single = 0;

	up(2);
	f.binding[2].bound = false;
	flma_run_ms(&f, 498000);
	cr_expect(f.binding[2].bound);
	recorder_clear(&f.r);
	f.seen = 0;
	flma_run_ms(&f, 4500000);
	for (size_t k = 0; k < f.r.n_sent; k++) {
		bulk += sent(k)->mmb.bulk;
		single += !sent(k)->mmb.bulk;
	}
	cr_expect_gt(bulk, 0);
	cr_expect_lt(bulk, 2 * single);
	cr_expect_gt(3 * bulk, 2 * single);
}

Test(mag_refresh, never_bulk, .description = "bulk_every 1: each binding for itself")
{
	config.bulk_every = 1;
	up(2);
	flma_run_ms(&f, 1000000);
	cr_expect_gt(f.r.n_sent, 10);
	for (size_t k = 0; k < f.r.n_sent; k++)
		cr_assert_not(sent(k)->mmb.bulk);
	cr_expect_eq(flma_bound(&f), 2);
}

Test(mag_refresh, no_bulk_while_one_is_suspect,
     .description = "MP-MMB-25: it would keep the dead one alive")
{
	config.suspect_ms = 1000000;
	up(2);
	flma_alive(&f, 0, false);
	flma_run_ms(&f, 200000);
	cr_expect_gt(f.r.n_sent, 0);
	for (size_t k = 0; k < f.r.n_sent; k++)
		cr_expect_not(sent(k)->mmb.bulk);
}

Test(mag_refresh, unanswered_bulk_falls_apart,
     .description =
	     "M13 M14: the best path died unnoticed; each refreshes for itself a second later")
{
	up(2);
	f.cut[1] = true;
	until_sent(170000);
	cr_assert(sent(0)->mmb.bulk);
	flma_run_ms(&f, 1000);
	cr_assert_eq(f.r.n_sent, 3);
	cr_expect_not(sent(1)->mmb.bulk);
	cr_expect_not(sent(2)->mmb.bulk);
	flma_run_ms(&f, 170000);
	cr_expect(f.binding[2].bound);
	cr_expect_eq(bed_count_tx(&recorder_view(&f.r, 1)->view), 1, "M17: red expired");
}

Test(mag_refresh, loss_of_the_carrier,
     .description =
	     "M18: health takes the carrier of a bulk refresh; the sibling refreshes by itself")
{
	up(2);
	f.cut[1] = true;
	until_sent(170000);
	cr_assert(sent(0)->mmb.bulk);
	flma_alive(&f, 0, false);
	cr_assert_eq(f.r.n_sent, 2);
	cr_expect_eq(sent(1)->mmb.bid, 2);
	cr_expect_not(sent(1)->mmb.bulk);
}

Test(mag_refresh, late_bulk_does_not_revive,
     .description = "M15 MP-MMB-24: only what was ACTIVE when the bulk PBU was sent is extended")
{
	struct bed_sent pbu;
	struct mh_message pba;
	uint64_t before;

	up(2);
	f.mute = true;
	until_sent(170000);
	pbu = f.r.sent[0];
	mag_each(f.mag, keep_expiries, NULL);
	before = expires_[1];
	flma_alive(&f, 1, false);
	flma_reply(&f, &pbu, &pba);
	flma_deliver(&f, &pbu, &pba);
	mag_each(f.mag, keep_expiries, NULL);
	cr_expect_eq(expires_[1], before);
	cr_expect_gt(expires_[0], before);
}

Test(mag_refresh, expiry,
     .description =
	     "M17 3.4 expiry: refreshes unanswered to the end, no TX, drain, registered again")
{
	config.bulk_every = 1;
	up(2);
	f.cut[2] = true;
	flma_run_ms(&f, 301000);
	cr_expect_eq(recorder_notes(&f.r, CORE_NOTE_BINDING_EXPIRED), 1);
	cr_expect_eq(bed_binding(&recorder_view(&f.r, 1)->view, 2)->use & BINDING_TX, 0);
	cr_expect_eq(bed_binding(&recorder_view(&f.r, 1)->view, 1)->use, BINDING_TX | BINDING_RX);
	f.cut[2] = false;
	flma_run_ms(&f, 5100);
	cr_expect_eq(bed_count_tx(&recorder_view(&f.r, 1)->view), 2);
}

Test(mag_refresh, refusal_cuts_nobody,
     .description = "M16 B-OWN-MAG-4: 130 once: nothing visible, asked again, extended")
{
	up(1);
	refuse_next(1, MH_STATUS_RESOURCES, 1);
	flma_run_ms(&f, 290000);
	cr_expect_eq(f.r.n_view, 0);
	cr_expect_eq(f.r.n_sent, 2);
	flma_run_ms(&f, 100000);
	cr_expect_eq(flma_bound(&f), 1);
}

Test(mag_refresh, refused_until_expiry,
     .description = "M16 M17: 128 for ever: to the end, not beyond")
{
	up(1);
	refuse_next(1, MH_STATUS_UNSPECIFIED, 100000);
	flma_run_ms(&f, 298000);
	cr_expect_eq(f.r.n_view, 0);
	flma_run_ms(&f, 3000);
	cr_expect_eq(recorder_notes(&f.r, CORE_NOTE_BINDING_EXPIRED), 1);
	cr_expect_leq(f.r.n_sent, 40);
}

Test(mag_refresh, multipath_withdrawn,
     .description = "M16: 180 for a refresh: the remaining lifetime is used, then a legacy start")
{
	up(2);
	f.kind = FLMA_REFUSE;
	flma_run_ms(&f, 298000);
	cr_expect_eq(f.r.n_view, 0);
	flma_run_ms(&f, 15000);
	cr_expect_eq(bed_count_tx(&recorder_view(&f.r, 1)->view), 1);
	cr_expect_eq(recorder_last(&f.r)->msg.has & MH_HAS(MMB), 0);
}

Test(mag_refresh, session_refused,
     .description =
	     "M16: 153, 154, 152 for a refresh: the session is dropped; 153 and 154 try again")
{
	static const uint8_t codes[] = {MH_STATUS_NOT_LMA, MH_STATUS_MAG_NOT_AUTHORIZED,
					MH_STATUS_PROXY_REG_NOT_ENABLED};

	for (size_t k = 0; k < sizeof(codes); k++) {
		teardown();
		setup();
		up(2);
		refuse_next(0, codes[k], 1);
		flma_run_ms(&f, 166000);
		cr_expect_eq(recorder_view(&f.r, 1)->view.state, SESSION_NONE);
		flma_run_ms(&f, 60000);
		if (codes[k] == MH_STATUS_PROXY_REG_NOT_ENABLED)
			cr_expect_eq(recorder_view(&f.r, 1)->view.state, SESSION_NONE);
		else
			cr_expect_eq(bed_count_tx(&recorder_view(&f.r, 1)->view), 2);
	}
}

Test(mag_refresh, anchor_became_legacy,
     .description = "M5 MP-SIG-14: a refresh without MMB in its answer: only that binding is left")
{
	config.bulk_every = 1;
	up(2);
	f.kind = FLMA_LEGACY;
	flma_run_ms(&f, 170000);
	cr_expect_eq(bed_count_tx(&recorder_view(&f.r, 1)->view), 1);
	cr_expect_eq(recorder_notes(&f.r, CORE_NOTE_LEGACY), 1);
	cr_expect_eq(flma_bound(&f), 1);
}

Test(mag_refresh, a_week,
     .description = "nothing expires and nothing changes in a week without events")
{
	up(2);
	flma_run_ms(&f, UINT64_C(7) * 86400 * 1000);
	cr_expect_eq(f.r.n_view, 0);
	cr_expect_eq(recorder_notes(&f.r, CORE_NOTE_BINDING_EXPIRED), 0);
	cr_expect_eq(flma_bound(&f), 2);
}
