/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The anchor's edge cases: spec/conformance-multipath.md sections 1.4-1.7, 4.1 and 4.2.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/support/lma_bed.h"

static struct lma_bed bed;

static void open_bed(void)
{
	lma_bed_open(&bed);
}

static void close_bed(void)
{
	lma_bed_close(&bed);
}

TestSuite(lma_edge, .init = open_bed, .fini = close_bed);

static void start_multi(void)
{
	join(&bed, RED, MN1, 1, LABEL_RED);
	join(&bed, BLUE, MN1, 2, LABEL_BLUE);
}

/* The n-th care-of address of a gateway with many. */
static const char *nth(unsigned int n)
{
	static char text[IP_TEXT_MAX];

	snprintf(text, sizeof(text), "2001:db8:d::%x", n);
	return text;
}

/* ---- values, lengths, combinations ------------------------------------------------- */

Test(lma_edge, every_bid, .description = "EC-01: 254 bindings in one session; there is no 255th")
{
	struct mh_message pbu;

	for (unsigned int bid = 1; bid <= 254; bid++) {
		pbu = multi_pbu(&bed, MN1, (uint8_t)bid, LABEL_RED);
		cr_assert_eq(feed(&bed, nth(bid), &pbu), 0, "BID %u", bid);
	}
	cr_expect_eq(view_of(&bed, MN1)->n, 254);
	cr_expect_eq(bed_count_tx(view_of(&bed, MN1)), 254);
	pbu = multi_pbu(&bed, MN1, 0, LABEL_RED);
	cr_expect_eq(feed(&bed, nth(0x255), &pbu), MH_STATUS_UNSPECIFIED);
	pbu = multi_pbu(&bed, MN1, 255, LABEL_RED);
	cr_expect_eq(feed(&bed, nth(0x255), &pbu), MH_STATUS_UNSPECIFIED);
	/* a view is full: what moves does not drain beside 254 others */
	pass(&bed, 2 * BED_SEC);
	pbu = multi_pbu(&bed, MN1, 7, LABEL_RED);
	cr_expect_eq(feed(&bed, nth(0x777), &pbu), 0);
	cr_expect_eq(view_of(&bed, MN1)->n, 254);
	/* and all of them go in one swap */
	pbu = multi_pbu(&bed, MN1, 9, LABEL_RED);
	pbu.mmb.overwrite = true;
	cr_expect_eq(feed(&bed, nth(9), &pbu), 0);
	cr_expect_str_eq(tx_of(&bed, MN1), "9");
}

/* One thing is wrong with a PBU that would join {1, 2} as BID 3. */
static unsigned int wrong(void (*spoil)(struct mh_message *pbu))
{
	struct mh_message pbu;

	start_multi();
	pbu = multi_pbu(&bed, MN1, 3, LABEL_RED);
	spoil(&pbu);
	return feed(&bed, GREEN, &pbu);
}

static bool echoes_mmb(void)
{
	return (last_pba(&bed)->has & MH_HAS(MMB)) != 0;
}

static void bid_0(struct mh_message *pbu)
{
	pbu->mmb.bid = 0;
}

Test(lma_edge, bid_zero, .description = "EC-02 MP-MMB-19: 128, MMB echoed")
{
	cr_expect_eq(wrong(bid_0), MH_STATUS_UNSPECIFIED);
	cr_expect(echoes_mmb());
	cr_expect_eq(recorder_notes(&bed.r, CORE_NOTE_REJECTED), 1);
	cr_expect_not_null(bed.r.note[bed.r.n_note - 1].note.detail);
}

static void bid_255(struct mh_message *pbu)
{
	pbu->mmb.bid = 255;
}

Test(lma_edge, bid_255, .description = "EC-03 MP-MMB-19: 128, MMB echoed")
{
	cr_expect_eq(wrong(bid_255), MH_STATUS_UNSPECIFIED);
	cr_expect(echoes_mmb());
}

static void both_flags(struct mh_message *pbu)
{
	pbu->mmb.bulk = true;
	pbu->mmb.overwrite = true;
}

Test(lma_edge, bulk_and_overwrite, .description = "EC-04 MP-MMB-21: 128")
{
	cr_expect_eq(wrong(both_flags), MH_STATUS_UNSPECIFIED);
	cr_expect(echoes_mmb());
}

Test(lma_edge, overwrite_in_deregistration,
     .description = "EC-05 MP-MMB-30: O is ignored, only the named BID goes")
{
	struct mh_message pbu;

	start_multi();
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu.lifetime = 0;
	pbu.mmb.overwrite = true;
	cr_expect_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_str_eq(tx_of(&bed, MN1), "2");
}

Test(lma_edge, one_address_two_bids,
     .description = "EC-07 D28: newest wins in one swap; who takes turns is refused")
{
	struct mh_message pbu;
	size_t views;

	start_multi();
	views = bed.r.n_view;
	join(&bed, RED, MN1, 3, LABEL_RED);
	cr_expect_eq(bed.r.n_view, views + 1);
	cr_expect_str_eq(tx_of(&bed, MN1), "2 3");
	cr_expect_eq(bed_count_drain(view_of(&bed, MN1)), 0, "the tunnel is in use");
	cr_expect_eq(recorder_notes(&bed.r, CORE_NOTE_BINDING_RENUMBERED), 1);
	join(&bed, RED, MN1, 1, LABEL_RED);
	join(&bed, RED, MN1, 3, LABEL_RED);
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_UNSPECIFIED, "the fourth in a minute");
	cr_expect_str_eq(tx_of(&bed, MN1), "2 3");
	pass(&bed, 61 * BED_SEC);
	join(&bed, RED, MN1, 1, LABEL_RED);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
}

static void no_mag_id(struct mh_message *pbu)
{
	pbu_drop(pbu, MH_HAS(MAG_ID));
}

Test(lma_edge, mmb_alone, .description = "EC-08: MMB without MAG-ID: 128")
{
	cr_expect_eq(wrong(no_mag_id), MH_STATUS_UNSPECIFIED);
	cr_expect(echoes_mmb());
}

Test(lma_edge, mag_id_alone, .description = "EC-09: MAG-ID without MMB is ignored, twice too")
{
	struct mh_message pbu = good_pbu(&bed, MN1);

	pbu.has |= MH_HAS(MAG_ID);
	pbu.dup |= MH_HAS(MAG_ID);
	pbu.mag_id = bed_id(MAG1);
	cr_expect_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_not(echoes_mmb());
	cr_expect_str_eq(session_state_of(&bed, MN1), "single");
}

Test(lma_edge, own_lifetimes, .description = "EC-15: each binding has its own lifetime")
{
	struct mh_message pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);

	pbu.lifetime = 10;
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	join(&bed, BLUE, MN1, 2, LABEL_BLUE);
	cr_expect_eq(binding_expires(&bed, MN1, 1), bed.now + 40 * BED_SEC);
	cr_expect_eq(binding_expires(&bed, MN1, 2), bed.now + 300 * BED_SEC);
}

Test(lma_edge, longest_lifetime, .description = "EC-16 B-6275-10.3.1-b: 0xffff is bounded")
{
	struct mh_message pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);

	pbu.lifetime = 0xffff;
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_eq(last_pba(&bed)->lifetime, 900);
}

Test(lma_edge, two_interfaces,
     .description =
	     "EC-19 B-5213-5.4-a: two LL-IDs of a node, equal BIDs: two sessions, kept apart")
{
	struct mh_message pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	struct ip_prefix first;

	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	first = last_pba(&bed)->hnp[0];
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu.hi = MH_HI_NEW_INTERFACE;
	pbu.llid.octets[0] ^= 0x55;
	pbu.hnp[0] = (struct ip_prefix){0};
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 2);
	cr_expect_not(ip_prefix_equal(&first, &last_pba(&bed)->hnp[0]));
	/* a tunnel of both: its end is the end of both */
	path(&bed, RED, false);
	cr_expect_eq(recorder_notes(&bed.r, CORE_NOTE_PATH_DOWN), 2);
}

static void bad_mmb(struct mh_message *pbu)
{
	pbu->has &= ~MH_HAS(MMB);
	pbu->bad |= MH_HAS(MMB);
}

Test(lma_edge, unreadable_mmb, .description = "EC-20 EC-21 EC-23: 128 without an MMB echo")
{
	cr_expect_eq(wrong(bad_mmb), MH_STATUS_UNSPECIFIED);
	cr_expect_not(echoes_mmb());
}

static void two_mmb(struct mh_message *pbu)
{
	pbu->dup |= MH_HAS(MMB);
}

Test(lma_edge, two_mmb, .description = "EC-24 MP-MMB-32: 128")
{
	cr_expect_eq(wrong(two_mmb), MH_STATUS_UNSPECIFIED);
}

static void two_mag_ids(struct mh_message *pbu)
{
	pbu->dup |= MH_HAS(MAG_ID);
}

Test(lma_edge, two_mag_ids, .description = "EC-25: 128")
{
	cr_expect_eq(wrong(two_mag_ids), MH_STATUS_UNSPECIFIED);
}

static void bad_mag_id(struct mh_message *pbu)
{
	pbu->has &= ~MH_HAS(MAG_ID);
	pbu->bad |= MH_HAS(MAG_ID);
}

Test(lma_edge, empty_mag_id, .description = "EC-26 MP-MID-05: 128")
{
	cr_expect_eq(wrong(bad_mag_id), MH_STATUS_UNSPECIFIED);
}

static void empty_mag_id_content(struct mh_message *pbu)
{
	pbu->mag_id.len = 0;
}

Test(lma_edge, mag_id_without_octets, .description = "EC-26 MP-MID-05: 128")
{
	cr_expect_eq(wrong(empty_mag_id_content), MH_STATUS_UNSPECIFIED);
}

Test(lma_edge, label_zero, .description = "EC-40 EC-42 D21: legal, shown as it is")
{
	join(&bed, RED, MN1, 1, 0);
	cr_expect_eq(bed_binding(view_of(&bed, MN1), 1)->label, 0);
}

Test(lma_edge, same_label_twice, .description = "EC-41 MP-MMB-10: a label is a set of bindings")
{
	join(&bed, RED, MN1, 1, LABEL_RED);
	join(&bed, GREEN, MN1, 2, LABEL_RED);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
}

/* ---- ordering, replay, concurrency ------------------------------------------------- */

Test(lma_edge, replayed_registration, .description = "EC-50: 157; with sequence numbers 135")
{
	struct mh_message captured = multi_pbu(&bed, MN1, 1, LABEL_RED);
	struct mh_message numbered;

	cr_assert_eq(feed(&bed, RED, &captured), 0);
	pass(&bed, 10 * BED_SEC);
	cr_expect_eq(feed(&bed, RED, &captured), MH_STATUS_TIMESTAMP_OLD, "old before outside");
	numbered = multi_pbu(&bed, MN2, 1, LABEL_RED);
	pbu_drop(&numbered, MH_HAS(TIMESTAMP));
	cr_assert_eq(feed(&bed, BLUE, &numbered), 0);
	pass(&bed, 10 * BED_SEC);
	cr_expect_eq(feed(&bed, BLUE, &numbered), MH_STATUS_SEQUENCE);
	cr_expect_eq(last_pba(&bed)->sequence, numbered.sequence);
}

Test(lma_edge, replayed_deregistration, .description = "EC-51: the binding stays")
{
	struct mh_message captured;

	start_multi();
	captured = multi_pbu(&bed, MN1, 1, LABEL_RED);
	captured.lifetime = 0;
	cr_assert_eq(feed(&bed, RED, &captured), 0);
	join(&bed, RED, MN1, 1, LABEL_RED);
	cr_expect_eq(feed(&bed, RED, &captured), MH_STATUS_TIMESTAMP_OLD);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
}

Test(lma_edge, replayed_overwrite, .description = "EC-52 MP-SIG-25: siblings stay")
{
	struct mh_message captured;

	start_multi();
	captured = multi_pbu(&bed, MN1, 1, LABEL_RED);
	captured.mmb.overwrite = true;
	cr_assert_eq(feed(&bed, RED, &captured), 0);
	join(&bed, BLUE, MN1, 2, LABEL_BLUE);
	pass(&bed, 3 * BED_SEC);
	cr_expect_eq(feed(&bed, RED, &captured), MH_STATUS_TIMESTAMP_OLD);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
}

Test(lma_edge, before_the_overwrite,
     .description = "MP-SIG-25: what is older than the epoch is refused, whatever its BID")
{
	struct mh_message late;
	struct mh_message over;

	start_multi();
	late = multi_pbu(&bed, MN1, 3, LABEL_RED);
	over = multi_pbu(&bed, MN1, 1, LABEL_RED);
	over.mmb.overwrite = true;
	cr_assert_eq(feed(&bed, RED, &over), 0);
	cr_expect_eq(feed(&bed, GREEN, &late), MH_STATUS_TIMESTAMP_OLD);
	cr_expect_str_eq(tx_of(&bed, MN1), "1");
}

Test(lma_edge, before_the_overwrite_by_number,
     .description = "MP-SIG-25: the same by sequence number")
{
	struct mh_message late = multi_pbu(&bed, MN1, 3, LABEL_RED);
	struct mh_message over = multi_pbu(&bed, MN1, 1, LABEL_RED);

	pbu_drop(&late, MH_HAS(TIMESTAMP));
	pbu_drop(&over, MH_HAS(TIMESTAMP));
	over.mmb.overwrite = true;
	cr_assert_eq(feed(&bed, RED, &over), 0);
	cr_expect_eq(feed(&bed, GREEN, &late), MH_STATUS_SEQUENCE);
	cr_expect_eq(last_pba(&bed)->sequence, over.sequence);
	/* a number says nothing about one of long ago: the epoch ages */
	pass(&bed, 70 * BED_SEC);
	cr_expect_eq(feed(&bed, GREEN, &late), 0);
}

Test(lma_edge, late_overwrite,
     .description = "EC-54 D5: only what is older goes; newer siblings survive")
{
	struct mh_message over;

	start_multi();
	over = multi_pbu(&bed, MN1, 3, LABEL_RED);
	over.mmb.overwrite = true;
	join(&bed, BLUE, MN1, 2, LABEL_BLUE);
	cr_assert_eq(feed(&bed, GREEN, &over), 0);
	cr_expect_str_eq(tx_of(&bed, MN1), "2 3");
}

Test(lma_edge, late_overwrite_of_its_own, .description = "EC-54: if its own BID is newer: 157")
{
	struct mh_message over;

	start_multi();
	over = multi_pbu(&bed, MN1, 1, LABEL_RED);
	over.mmb.overwrite = true;
	join(&bed, RED, MN1, 1, LABEL_RED);
	cr_expect_eq(feed(&bed, RED, &over), MH_STATUS_TIMESTAMP_OLD);
}

Test(lma_edge, refresh_behind_deregistration,
     .description = "EC-55: the BID stays deregistered; its key is remembered")
{
	struct mh_message late;
	struct mh_message pbu;

	bed.config.timestamp_window_ms = 30000;
	lma_bed_reopen(&bed);
	start_multi();
	late = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu.lifetime = 0;
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	pass(&bed, 25 * BED_SEC);
	cr_expect_eq(feed(&bed, RED, &late), MH_STATUS_TIMESTAMP_OLD);
	cr_expect_str_eq(binding_state(&bed, MN1, 1), "gone");
}

Test(lma_edge, behind_the_end_of_the_session,
     .description = "B-OWN-ORD-4: a delayed message does not bring back a session that ended")
{
	struct mh_message late;
	struct mh_message pbu;

	bed.config.timestamp_window_ms = 60000;
	lma_bed_reopen(&bed);
	start_multi();
	late = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu.lifetime = 0;
	pbu.mmb.bulk = true;
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	pass(&bed, 11 * BED_SEC);
	cr_assert_eq(lma_bed_sessions(&bed, MN1, NULL), 0);
	cr_expect_eq(feed(&bed, RED, &late), MH_STATUS_TIMESTAMP_OLD);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 0);
	join(&bed, RED, MN1, 1, LABEL_RED);
}

Test(lma_edge, bulk_deregistration_closes_the_door,
     .description = "MP-MMB-34 D5: an older registration of a sibling, still under way, is refused")
{
	struct mh_message late;
	struct mh_message pbu;

	start_multi();
	late = multi_pbu(&bed, MN1, 2, LABEL_BLUE);
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu.lifetime = 0;
	pbu.mmb.bulk = true;
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_eq(feed(&bed, BLUE, &late), MH_STATUS_TIMESTAMP_OLD);
	cr_expect_str_eq(session_state_of(&bed, MN1), "linger");
}

Test(lma_edge, gateway_clock_steps_back,
     .description = "EC-56: 157 with our time on every path; a fresh key is taken at once")
{
	struct mh_message pbu;

	start_multi();
	for (uint8_t bid = 1; bid <= 2; bid++) {
		pbu = multi_pbu(&bed, MN1, bid, LABEL_RED);
		pbu.timestamp -= UINT64_C(3600) << 16;
		cr_expect_eq(feed(&bed, bid == 1 ? RED : BLUE, &pbu), MH_STATUS_TIMESTAMP_OLD);
		cr_expect_eq(last_pba(&bed)->timestamp, bed_stamp(bed.now));
		pbu_stamp(&bed, &pbu);
		cr_expect_eq(feed(&bed, bid == 1 ? RED : BLUE, &pbu), 0);
	}
}

Test(lma_edge, anchor_clock_steps_back,
     .description = "B-OWN-ORD-5: keys from a future that was taken back lock nobody out")
{
	struct mh_message pbu;
	struct core_time now;

	start_multi();
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu.timestamp -= UINT64_C(3600) << 16;
	now = bed_now(&bed);
	now.stamp -= UINT64_C(3600) << 16;
	bed.from.remote = bed_addr(RED);
	lma_receive(bed.lma, &now, &bed.from, &pbu);
	cr_expect_eq(last_pba(&bed)->status, 0);
}

Test(lma_edge, sequence_wraps, .description = "EC-57 B-6275-9.5.1-b: modulo 2^16, 1..32767 ahead")
{
	static const struct {
		uint16_t last;
		uint16_t next;
		unsigned int status;
	} row[] = {
		{65535, 0, 0}, {15, 16, 0},	 {15, 32782, 0},   {15, 15, 135},
		{15, 0, 135},  {15, 32783, 135}, {15, 65535, 135}, {40000, 40001, 0},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct mh_message pbu;

		lma_bed_reopen(&bed);
		pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
		pbu_drop(&pbu, MH_HAS(TIMESTAMP));
		pbu.sequence = row[i].last;
		cr_assert_eq(feed(&bed, RED, &pbu), 0);
		pbu.sequence = row[i].next;
		pbu.lifetime = 60; /* no duplicate */
		cr_expect_eq(feed(&bed, RED, &pbu), row[i].status, "%u after %u", row[i].next,
			     row[i].last);
	}
}

Test(lma_edge, other_scheme, .description = "B-OWN-ORD-6: a session may change the scheme")
{
	struct mh_message pbu;

	start_multi();
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu_drop(&pbu, MH_HAS(TIMESTAMP));
	cr_expect_eq(feed(&bed, RED, &pbu), 0);
	pbu.sequence--;
	pbu.lifetime = 60;
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_SEQUENCE);
}

Test(lma_edge, in_the_tick_of_expiry,
     .description = "EC-58: a PBU received before expiry is handled wins")
{
	uint64_t expires;

	join(&bed, RED, MN1, 1, LABEL_RED);
	expires = binding_expires(&bed, MN1, 1);
	pass(&bed, expires - bed.now - 1);
	bed.now = expires;
	join(&bed, RED, MN1, 1, LABEL_RED);
	pass(&bed, 1);
	cr_expect_str_eq(binding_state(&bed, MN1, 1), "active");
}

Test(lma_edge, one_bid_two_sources,
     .description = "EC-59: newest key wins; who goes back and forth within a second is refused")
{
	struct mh_message pbu;

	join(&bed, RED, MN1, 1, LABEL_RED);
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	cr_assert_eq(feed(&bed, BLUE, &pbu), 0);
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_TIMESTAMP_OLD, "the same by the other path");
	join(&bed, RED, MN1, 1, LABEL_RED);
	join(&bed, BLUE, MN1, 1, LABEL_RED);
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_UNSPECIFIED);
	pass(&bed, 2 * BED_SEC);
	join(&bed, RED, MN1, 1, LABEL_RED);
}

/* ---- rows of sections 1.4 to 1.7 --------------------------------------------------- */

Test(lma_edge, rejected_bulk, .description = "MP-MMB-23: B of a rejected PBU extends nothing")
{
	struct mh_message pbu;

	start_multi();
	pass(&bed, 10 * BED_SEC);
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu.mmb.bulk = true;
	pbu.n_hnp = 0;
	pbu_prefix(&pbu, "2001:db8:dead::/64");
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_HNP_NOT_AUTHORIZED);
}

Test(lma_edge, bulk_of_a_new_one,
     .description = "MP-MMB-33: B with a new BID: created, siblings extended")
{
	struct mh_message pbu;

	join(&bed, RED, MN1, 1, LABEL_RED);
	pass(&bed, 10 * BED_SEC);
	pbu = multi_pbu(&bed, MN1, 2, LABEL_BLUE);
	pbu.mmb.bulk = true;
	cr_assert_eq(feed(&bed, BLUE, &pbu), 0);
	cr_expect_eq(binding_expires(&bed, MN1, 1), bed.now + 300 * BED_SEC);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
}

Test(lma_edge, opaque_mag_id,
     .description = "MP-MID-05 MP-MID-07: any subtype, octet for octet, no case folding")
{
	struct mh_message pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);

	pbu.mag_id.subtype = 99;
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	pbu = multi_pbu(&bed, MN1, 2, LABEL_BLUE);
	pbu.mag_id.subtype = 99;
	cr_assert_eq(feed(&bed, BLUE, &pbu), 0);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
	pbu = multi_pbu(&bed, MN1, 3, LABEL_BLUE);
	cr_expect_eq(feed(&bed, GREEN, &pbu), MH_STATUS_PROHIBITED, "another subtype");
	pbu = multi_pbu(&bed, MN1, 3, LABEL_BLUE);
	pbu.mag_id.subtype = 99;
	pbu.mag_id.octets[0] = 'M';
	cr_expect_eq(feed(&bed, GREEN, &pbu), MH_STATUS_PROHIBITED, "another case");
}

Test(lma_edge, identity_is_no_authorization,
     .description = "MP-MID-06 ATK-08: a gateway with another's MAG-ID: 154")
{
	static struct lma_peer_rule rule[2];
	struct mh_message pbu;

	rule[0] = (struct lma_peer_rule){bed_id(MAG1), bed_prefix("2001:db8:a::/48")};
	rule[1] = (struct lma_peer_rule){bed_id(MAG2), bed_prefix("2001:db8:b::/48")};
	bed.config.peer = rule;
	bed.config.n_peer = 2;
	lma_bed_reopen(&bed);
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	cr_expect_eq(feed(&bed, BLUE, &pbu), MH_STATUS_MAG_NOT_AUTHORIZED);
	cr_expect_eq(feed(&bed, GREEN, &pbu), NO_ANSWER, "B-OWN-SEC-1: a stranger");
	cr_expect_eq(counter(&bed, CORE_COUNTER_FOREIGN), 1);
	cr_expect_eq(feed(&bed, RED, &pbu), 0);
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu.has |= MH_HAS(ALT_COA);
	pbu.alt_coa = bed_addr(BLUE);
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_MAG_NOT_AUTHORIZED, "B-OWN-LMA-3");
	pbu = multi_pbu(&bed, MN2, 1, LABEL_RED);
	pbu_drop(&pbu, MH_HAS(MN_ID));
	cr_expect_eq(feed(&bed, BLUE, &pbu), MH_STATUS_MISSING_MN_ID, "160 before 154");
}

Test(lma_edge, legacy_anchor, .description = "MP-SIG-13: options 63 and 64 are as unknown ones")
{
	struct mh_message pbu;

	bed.config.multipath_legacy = true;
	lma_bed_reopen(&bed);
	pbu = multi_pbu(&bed, MN1, 0, LABEL_RED); /* even a wrong one */
	pbu.dup |= MH_HAS(MMB);
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_not(echoes_mmb());
	cr_expect_str_eq(session_state_of(&bed, MN1), "single");
}

Test(lma_edge, echoed_request,
     .description = "MP-SIG-09 MP-SIG-11 D1: If-ATT, label, BID, B, O as asked")
{
	struct mh_message pbu = multi_pbu(&bed, MN1, 42, 200);

	pbu.mmb.att = 99;
	pbu.mmb.overwrite = true;
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_eq(last_pba(&bed)->mmb.att, 99);
	cr_expect_eq(last_pba(&bed)->mmb.label, 200);
	cr_expect_eq(last_pba(&bed)->mmb.bid, 42);
	cr_expect(last_pba(&bed)->mmb.overwrite);
	cr_expect_not(last_pba(&bed)->mmb.bulk);
}

Test(lma_edge, per_node, .description = "MP-SIG-20: multipath of one node says nothing of another")
{
	struct mh_message pbu = good_pbu(&bed, MN2);

	start_multi();
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_str_eq(session_state_of(&bed, MN1), "multi");
	cr_expect_str_eq(session_state_of(&bed, MN2), "single");
}

Test(lma_edge, concurrent_first_ones,
     .description =
	     "MP-SIG-23 D6: 1000 times two ALL_ZERO PBUs, both orders: one session, one prefix")
{
	bed.config.peer_rate = 0;
	for (int run = 0; run < 1000; run++) {
		struct mh_message one;
		struct mh_message two;
		struct ip_prefix prefix;

		lma_bed_reopen(&bed);
		one = multi_pbu(&bed, MN1, 1, LABEL_RED);
		two = multi_pbu(&bed, MN1, 2, LABEL_BLUE);
		if (run % 4 >= 2) {
			pbu_drop(&one, MH_HAS(LLID));
			pbu_drop(&two, MH_HAS(LLID));
		}
		pass(&bed, BED_MS);
		cr_assert_eq(run % 2 ? feed(&bed, RED, &one) : feed(&bed, BLUE, &two), 0);
		prefix = last_pba(&bed)->hnp[0];
		cr_assert_eq(run % 2 ? feed(&bed, BLUE, &two) : feed(&bed, RED, &one), 0);
		cr_assert(ip_prefix_equal(&prefix, &last_pba(&bed)->hnp[0]));
		cr_assert_eq(lma_bed_sessions(&bed, MN1, NULL), 1);
		cr_assert_str_eq(tx_of(&bed, MN1), "1 2");
	}
}

Test(lma_edge, handoff_indicator_is_ignored,
     .description = "MP-SIG-24 D17: any HI of a sibling gives the same")
{
	for (uint8_t hi = 0; hi <= 6; hi++) {
		struct mh_message pbu;

		lma_bed_reopen(&bed);
		join(&bed, RED, MN1, 1, LABEL_RED);
		pbu = multi_pbu(&bed, MN1, 2, LABEL_BLUE);
		pbu.hi = hi;
		cr_expect_eq(feed(&bed, BLUE, &pbu), 0, "HI %u", hi);
		cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
	}
}

Test(lma_edge, peer_rate, .description = "ATK-12: one address, its own bucket; others are served")
{
	struct mh_message pbu;
	unsigned int answered = 0;

	bed.config.peer_rate = 10;
	lma_bed_reopen(&bed);
	for (int i = 0; i < 30; i++) {
		pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
		answered += feed(&bed, RED, &pbu) == 0;
	}
	cr_expect_eq(answered, 10);
	cr_expect_eq(counter(&bed, CORE_COUNTER_LIMITED), 20);
	join(&bed, BLUE, MN2, 1, LABEL_RED);
	pass(&bed, BED_SEC / 2);
	for (int i = 0; i < 10; i++) {
		pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
		answered += feed(&bed, RED, &pbu) == 0;
	}
	cr_expect_eq(answered, 15);
}
