/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The anchor by base Proxy Mobile IPv6: spec/conformance-base.md sections 0.5, 4 (what reaches
 * core), 9 to 13 and 16. That every PBA is well built is asserted by the bed for every message.
 */
#include <criterion/criterion.h>
#include <string.h>

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

TestSuite(lma_base, .init = open_bed, .fini = close_bed);

static struct ip_prefix accept(const char *source, const struct mh_message *pbu)
{
	cr_assert_eq(feed(&bed, source, pbu), 0);
	return last_pba(&bed)->hnp[0];
}

/* ---- section 4 and 9: what is let in, and the order of the checks ------------------ */

Test(lma_base, other_types, .description = "B-OWN-MH-7: counted, no answer")
{
	struct mh_message msg = {.type = MH_BA, .flags = MH_BA_P};

	cr_expect_eq(feed(&bed, RED, &msg), NO_ANSWER);
	cr_expect_eq(counter(&bed, CORE_COUNTER_WRONG_ROLE), 1);
	msg.type = MH_BE;
	cr_expect_eq(feed(&bed, RED, &msg), NO_ANSWER);
	msg.type = MH_BRR;
	cr_expect_eq(feed(&bed, RED, &msg), NO_ANSWER);
	cr_expect_eq(counter(&bed, CORE_COUNTER_OTHER), 2);
}

Test(lma_base, no_home_agent, .description = "B-OWN-MH-5: P=0: H=1 gets 131 and P=0, H=0 silence")
{
	struct mh_message pbu = good_pbu(&bed, MN1);

	pbu.flags = MH_BU_A | MH_BU_H;
	cr_expect_eq(feed(&bed, RED, &pbu), 131);
	cr_expect_eq(last_pba(&bed)->flags, 0);
	pbu.flags = MH_BU_A;
	cr_expect_eq(feed(&bed, RED, &pbu), NO_ANSWER);
	cr_expect_eq(counter(&bed, CORE_COUNTER_NOT_PROXY), 2);
}

Test(lma_base, other_flags,
     .description = "B-OWN-MH-6 B-6275-10.3.1-a: A=0 and H, L, K, M, R change nothing")
{
	struct mh_message pbu = good_pbu(&bed, MN1);

	pbu.flags = MH_BU_P | MH_BU_H | MH_BU_L | MH_BU_K | MH_BU_M | MH_BU_R | MH_BU_T | MH_BU_B;
	cr_expect_eq(feed(&bed, RED, &pbu), 0);
}

Test(lma_base, bad_addresses, .description = "B-6275-6.1.7-a B-6275-9.5.4-a: silence")
{
	static const char *const coa[] = {"::", "ff02::1", "fe80::1", "::1"};
	struct mh_message pbu;

	for (size_t i = 0; i < sizeof(coa) / sizeof(coa[0]); i++) {
		pbu = good_pbu(&bed, MN1);
		pbu.has |= MH_HAS(ALT_COA);
		pbu.alt_coa = bed_addr(coa[i]);
		cr_expect_eq(feed(&bed, RED, &pbu), NO_ANSWER, "%s", coa[i]);
	}
	pbu = good_pbu(&bed, MN1);
	cr_expect_eq(feed(&bed, "ff0e::1", &pbu), NO_ANSWER);
	cr_expect_eq(counter(&bed, CORE_COUNTER_FOREIGN), 5);
}

Test(lma_base, alternate_coa,
     .description = "B-5213-5.3.1-o: the tunnel goes there, the PBA to the source")
{
	struct mh_message pbu = good_pbu(&bed, MN1);
	struct ip_addr blue = bed_addr(BLUE);

	pbu.has |= MH_HAS(ALT_COA);
	pbu.alt_coa = blue;
	accept(RED, &pbu);
	cr_expect(ip_equal(&view_of(&bed, MN1)->binding[0].remote, &blue));
}

Test(lma_base, order_of_checks,
     .description =
	     "B-5213-5.3-a -5.3.1-d -i -j -k: two faults each, the first of the order decides")
{
	static const struct {
		uint32_t drop;
		bool skewed;
		uint32_t bad;
		unsigned int status;
	} row[] = {
		{MH_HAS(MN_ID), false, 0, 160},
		{MH_HAS(MN_ID) | MH_HAS(HNP), true, 0, 160},
		{MH_HAS(HNP), true, 0, 156},
		{MH_HAS(HNP) | MH_HAS(HI) | MH_HAS(ATT), false, 0, 158},
		{MH_HAS(HI) | MH_HAS(ATT), false, 0, 161},
		{MH_HAS(ATT), false, MH_HAS(LLID), 162},
		{MH_HAS(LLID), false, MH_HAS(LLID), 128},
		{MH_HAS(HI), false, MH_HAS(HI), 128},
		{MH_HAS(HNP), false, MH_HAS(HNP), 128},
		{MH_HAS(TIMESTAMP), false, MH_HAS(TIMESTAMP), 128},
		{MH_HAS(MN_ID), false, MH_HAS(MN_ID), 160},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct mh_message pbu = good_pbu(&bed, MN1);

		if (row[i].skewed)
			pbu.timestamp += UINT64_C(60) << 16;
		pbu_drop(&pbu, row[i].drop);
		pbu.bad = row[i].bad;
		cr_expect_eq(feed(&bed, RED, &pbu), row[i].status, "row %zu", i);
		cr_expect_not_null(bed.r.note[bed.r.n_note - 1].note.detail);
	}
}

Test(lma_base, no_identity,
     .description = "B-5213-5.3.1-d B-OWN-LMA-1: 160 with an empty identifier")
{
	struct mh_message pbu = good_pbu(&bed, MN1);

	pbu_drop(&pbu, MH_HAS(MN_ID));
	memset(&pbu.mn_id, 0, sizeof(pbu.mn_id));
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_MISSING_MN_ID);
	cr_expect(last_pba(&bed)->has & MH_HAS(MN_ID));
	cr_expect_eq(last_pba(&bed)->mn_id.len, 0);
	pbu.has |= MH_HAS(MN_ID);
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_MISSING_MN_ID);
}

Test(lma_base, duplicate_options, .description = "B-5213-8.1-a: 128, and the note names the option")
{
	static const uint32_t option[] = {MH_HAS(HI),	     MH_HAS(ATT),   MH_HAS(LLID),
					  MH_HAS(TIMESTAMP), MH_HAS(MN_ID), MH_HAS(ALT_COA)};

	for (size_t i = 0; i < sizeof(option) / sizeof(option[0]); i++) {
		struct mh_message pbu = good_pbu(&bed, MN1);

		pbu.dup = option[i];
		cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_UNSPECIFIED, "row %zu", i);
	}
	cr_expect_str_eq(bed.r.note[0].note.detail, "Handoff Indicator: more than once");
}

Test(lma_base, mixed_prefixes,
     .description = "B-OWN-LMA-4: ALL_ZERO beside another: 128; twice the same: once")
{
	struct mh_message pbu = good_pbu(&bed, MN1);

	pbu_prefix(&pbu, "2001:db8:100:5::/64");
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_UNSPECIFIED);
	pbu = good_pbu(&bed, MN1);
	pbu_prefix(&pbu, "::");
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_UNSPECIFIED);
	pbu = good_pbu(&bed, MN1);
	pbu.n_hnp = 0;
	pbu_prefix(&pbu, "2001:db8:100:5::/64");
	pbu_prefix(&pbu, "2001:db8:100:5::/64");
	cr_expect_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_eq(last_pba(&bed)->n_hnp, 1);
}

Test(lma_base, values_to_come,
     .description = "B-OWN-LMA-2: HI 9 is as 4; ATT 200 is a key like any")
{
	struct mh_message pbu = good_pbu(&bed, MN1);

	pbu.hi = 9;
	pbu.att = 200;
	accept(RED, &pbu);
	cr_expect_eq(last_pba(&bed)->hi, 9);
	pbu = good_pbu(&bed, MN1);
	pbu.hi = 9;
	pbu.att = 201; /* no such session, one of the node: HI 4 waits */
	cr_expect_eq(feed(&bed, BLUE, &pbu), NO_ANSWER);
	pass(&bed, 1500 * BED_MS);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 2);
}

Test(lma_base, session_limit, .description = "B-OWN-LMA-5 B-6275-10.3.1-c: 130; nobody is evicted")
{
	struct mh_message pbu;

	bed.config.max_sessions = 1;
	lma_bed_reopen(&bed);
	pbu = good_pbu(&bed, MN1);
	accept(RED, &pbu);
	pbu = good_pbu(&bed, MN2);
	cr_expect_eq(feed(&bed, BLUE, &pbu), MH_STATUS_RESOURCES);
	cr_expect_str_eq(session_state_of(&bed, MN1), "single");
}

/* ---- section 10 -------------------------------------------------------------------- */

Test(lma_base, validity_window,
     .description = "B-5213-5.5-d -f -h: within it 0 and the same value, else 156 and ours")
{
	static const struct {
		int ms;
		unsigned int status;
	} row[] = {{-250, 0}, {250, 0}, {-350, 156}, {350, 156}};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct mh_message pbu;

		lma_bed_reopen(&bed);
		pbu = good_pbu(&bed, MN1);
		pbu.timestamp = bed_stamp(bed.now + (uint64_t)(row[i].ms + 1000) * BED_MS) -
				(UINT64_C(1) << 16);
		cr_expect_eq(feed(&bed, RED, &pbu), row[i].status, "%d ms", row[i].ms);
		cr_expect_eq(last_pba(&bed)->timestamp,
			     row[i].status == 0 ? pbu.timestamp : bed_stamp(bed.now));
	}
}

Test(lma_base, sequence_is_only_copied,
     .description = "B-5213-5.5-c: with a timestamp numbers order nothing")
{
	struct mh_message pbu = good_pbu(&bed, MN1);

	accept(RED, &pbu);
	pbu = good_pbu(&bed, MN1);
	pbu.sequence = 50;
	accept(RED, &pbu);
	cr_expect_eq(last_pba(&bed)->sequence, 50);
}

Test(lma_base, order_is_per_session, .description = "B-OWN-ORD-1: two gateways' clocks do not meet")
{
	struct mh_message one = good_pbu(&bed, MN1);
	struct mh_message two = good_pbu(&bed, MN1);

	one.timestamp += 65536 / 10; /* 100 ms ahead */
	two.llid.octets[0] ^= 1;
	accept(RED, &one);
	accept(BLUE, &two);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 2);
}

/* ---- section 11: which session ----------------------------------------------------- */

static const uint8_t llid_a[] = {6, 1, 2, 3, 4, 5, 6};
static const uint8_t llid_b[] = {6, 9, 9, 9, 9, 9, 9};

static struct mh_message lookup_pbu(const uint8_t *llid, uint8_t hi, uint8_t att, const char *hnp)
{
	struct mh_message pbu = good_pbu(&bed, MN1);

	pbu_drop(&pbu, MH_HAS(LLID));
	if (llid != NULL) {
		pbu.has |= MH_HAS(LLID);
		pbu.llid.len = llid[0];
		memcpy(pbu.llid.octets, llid + 1, llid[0]);
	}
	pbu.hi = hi;
	pbu.att = att;
	pbu.n_hnp = 0;
	pbu_prefix(&pbu, hnp);
	return pbu;
}

enum result { SAME, OTHER, REFUSED_155, WAITS };

/* One session of MN1 by RED, ATT 4; then this PBU comes. */
struct lookup_row {
	const char *id;
	const uint8_t *llid; /* of the session */
	const uint8_t *asks; /* of the PBU */
	const char *source;
	enum result result;
	uint8_t hi;
	uint8_t att;
	bool own_prefix; /* the PBU names the session's prefix */
};

static const struct lookup_row lookup_rows[] = {
	/* 11.1: with the prefix */
	{"B-5213-5.4.1.1-d HI 1", llid_a, llid_a, BLUE, SAME, 1, 4, true},
	{"B-5213-5.4.1.1-d HI 4", llid_a, llid_a, BLUE, SAME, 4, 4, true},
	{"B-5213-5.4.1.1-d HI 5", llid_a, llid_a, BLUE, SAME, 5, 4, true},
	{"B-5213-5.4.1.1-e", llid_a, llid_b, BLUE, SAME, 2, 5, true},
	{"B-5213-5.4.1.1-f", NULL, NULL, BLUE, SAME, 3, 4, true},
	{"B-5213-5.4.1.1-g", llid_a, NULL, RED, SAME, 5, 4, true},
	{"B-OWN-BCE-1 HI 4", NULL, NULL, BLUE, REFUSED_155, 4, 4, true},
	{"B-OWN-BCE-1 LL-ID", llid_a, llid_b, BLUE, REFUSED_155, 1, 4, true},
	/* 11.2: LL-ID, no prefix */
	{"B-5213-5.4.1.2-a HI 1", llid_a, llid_a, BLUE, SAME, 1, 4, false},
	{"B-5213-5.4.1.2-a HI 4", llid_a, llid_a, BLUE, SAME, 4, 4, false},
	{"B-5213-5.4.1.2-b", llid_a, llid_b, BLUE, SAME, 2, 5, false},
	{"B-5213-5.4.1.2-d", llid_a, llid_b, BLUE, WAITS, 4, 4, false},
	{"B-5213-5.4.1.2-g HI 3", llid_a, llid_b, BLUE, OTHER, 3, 4, false},
	{"B-5213-5.4.1.2-g HI 1", llid_a, llid_b, BLUE, OTHER, 1, 4, false},
	{"B-5213-5.4.1.2-g HI 5", llid_a, llid_b, BLUE, OTHER, 5, 4, false},
	/* 11.3: neither */
	{"B-5213-5.4.1.3-a HI 2", NULL, NULL, BLUE, SAME, 2, 4, false},
	{"B-5213-5.4.1.3-a HI 3", llid_a, NULL, BLUE, SAME, 3, 4, false},
	{"B-5213-5.4.1.3-b", NULL, NULL, BLUE, WAITS, 4, 4, false},
	{"B-5213-5.4.1.3-c HI 1", NULL, NULL, BLUE, OTHER, 1, 4, false},
	{"B-5213-5.4.1.3-c HI 5", NULL, NULL, BLUE, OTHER, 5, 4, false},
};

Test(lma_base, lookup, .description = "B-5213-5.4.1.1 -5.4.1.2 -5.4.1.3 B-OWN-BCE-1: row by row")
{
	for (size_t i = 0; i < sizeof(lookup_rows) / sizeof(lookup_rows[0]); i++) {
		const struct lookup_row *row = &lookup_rows[i];
		struct mh_message pbu;
		struct ip_prefix first;
		unsigned int status;
		unsigned int n;

		lma_bed_reopen(&bed);
		pbu = lookup_pbu(row->llid, 1, 4, "::");
		first = accept(RED, &pbu);
		pbu = lookup_pbu(row->asks, row->hi, row->att, "::");
		if (row->own_prefix)
			pbu.hnp[0] = first;
		status = feed(&bed, row->source, &pbu);
		n = lma_bed_sessions(&bed, MN1, NULL);
		switch (row->result) {
		case SAME:
			cr_expect(status == 0 && n == 1, "%s: %u", row->id, status);
			cr_expect(ip_prefix_equal(&last_pba(&bed)->hnp[0], &first), "%s", row->id);
			break;
		case OTHER:
			cr_expect(status == 0 && n == 2, "%s: %u", row->id, status);
			cr_expect_not(ip_prefix_equal(&last_pba(&bed)->hnp[0], &first), "%s",
				      row->id);
			break;
		case REFUSED_155:
			cr_expect_eq(status, 155, "%s: %u", row->id, status);
			break;
		case WAITS:
			cr_expect_eq(status, NO_ANSWER, "%s", row->id);
			cr_expect_eq(lma_next_ns(bed.lma), bed.now + 1500 * BED_MS, "%s", row->id);
			break;
		}
	}
}

Test(lma_base, lookup_deregistration,
     .description = "B-5213-5.4.1.1-h -5.4.1.3-c: no match and lifetime 0: silence")
{
	for (size_t i = 0; i < sizeof(lookup_rows) / sizeof(lookup_rows[0]); i++) {
		const struct lookup_row *row = &lookup_rows[i];
		struct mh_message pbu;
		struct ip_prefix first;

		if (row->result == SAME)
			continue;
		lma_bed_reopen(&bed);
		pbu = lookup_pbu(row->llid, 1, 4, "::");
		first = accept(RED, &pbu);
		pbu = lookup_pbu(row->asks, row->hi, row->att, "::");
		if (row->own_prefix)
			pbu.hnp[0] = first;
		pbu.lifetime = 0;
		cr_expect_eq(feed(&bed, row->source, &pbu), NO_ANSWER, "%s", row->id);
		cr_expect_eq(counter(&bed, CORE_COUNTER_NO_SESSION), 1, "%s", row->id);
	}
}

Test(lma_base, two_entries, .description = "B-5213-5.4.1.2-c: HI 2 with several sessions: a third")
{
	struct mh_message pbu = lookup_pbu(llid_a, 1, 4, "::");

	accept(RED, &pbu);
	pbu = lookup_pbu(llid_b, 1, 4, "::");
	accept(RED, &pbu);
	pbu = lookup_pbu(NULL, 2, 4, "::");
	accept(BLUE, &pbu);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 3);
}

Test(lma_base, handoff_takes_link_values,
     .description = "B-5213-5.4.1.1-e: HI 2: the entry takes LL-ID and ATT")
{
	struct mh_message pbu = lookup_pbu(llid_a, 1, 4, "::");
	struct ip_prefix first = accept(RED, &pbu);
	struct ip_prefix same;

	pbu = lookup_pbu(llid_b, 2, 5, "::");
	accept(BLUE, &pbu);
	pbu = lookup_pbu(llid_b, 1, 5, "::");
	same = accept(GREEN, &pbu);
	cr_expect(ip_prefix_equal(&first, &same));
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 1);
}

Test(lma_base, zero_llid, .description = "B-OWN-BCE-3: an LL-ID of zeros is none")
{
	static const uint8_t zeros[] = {6, 0, 0, 0, 0, 0, 0};
	struct mh_message pbu = lookup_pbu(NULL, 1, 4, "::");

	accept(RED, &pbu);
	pbu = lookup_pbu(zeros, 3, 4, "::");
	accept(BLUE, &pbu);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 1);
}

/* ---- section 11.4: waiting --------------------------------------------------------- */

static struct ip_prefix start_wait(void)
{
	struct mh_message pbu = lookup_pbu(llid_a, 1, 4, "::");
	struct ip_prefix first = accept(RED, &pbu);

	pbu = lookup_pbu(llid_b, 4, 4, "::");
	cr_assert_eq(feed(&bed, BLUE, &pbu), NO_ANSWER);
	return first;
}

static unsigned int deregister_red(const struct ip_prefix *prefix)
{
	struct mh_message pbu = lookup_pbu(llid_a, 4, 4, "::");

	pbu.hnp[0] = *prefix;
	pbu.lifetime = 0;
	return feed(&bed, RED, &pbu);
}

Test(lma_base, wait_ends_with_the_old_gateway,
     .description =
	     "B-5213-5.4.1.2-d: its deregistration: a PBA to each, the old prefix to the new")
{
	struct ip_prefix first = start_wait();
	struct ip_addr blue = bed_addr(BLUE);

	pass(&bed, 500 * BED_MS);
	bed.unchecked = true; /* two answers to one message */
	cr_expect_eq(deregister_red(&first), 0);
	cr_expect_eq(bed.r.n_sent, 3);
	cr_expect(ip_equal(&recorder_last(&bed.r)->peer.remote, &blue));
	cr_expect_eq(last_pba(&bed)->status, 0);
	cr_expect(ip_prefix_equal(&last_pba(&bed)->hnp[0], &first));
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 1);
	cr_expect_str_eq(session_state_of(&bed, MN1), "single");
	cr_expect_eq(counter(&bed, CORE_COUNTER_ACCEPTED), 3);
}

Test(lma_base, wait_ends_by_time,
     .description = "B-5213-5.4.1.2-e: after 1.5 s a new session, another prefix")
{
	struct ip_prefix first = start_wait();

	pass(&bed, 1500 * BED_MS - 1);
	cr_expect_eq(bed.r.n_sent, 1);
	pass(&bed, 1);
	cr_expect_eq(bed.r.n_sent, 2);
	cr_expect_not(ip_prefix_equal(&last_pba(&bed)->hnp[0], &first));
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 2);
}

Test(lma_base, no_wait, .description = "B-5213-5.4.1.2-f: switched off: at once")
{
	struct mh_message pbu;

	bed.config.max_delay_before_assign_ms = 0;
	lma_bed_reopen(&bed);
	pbu = lookup_pbu(llid_a, 1, 4, "::");
	accept(RED, &pbu);
	pbu = lookup_pbu(llid_b, 4, 4, "::");
	accept(BLUE, &pbu);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 2);
}

Test(lma_base, waiting_again,
     .description = "B-OWN-BCE-4: sent again meanwhile: one PBA, to the newest; no new wait")
{
	struct mh_message pbu;

	start_wait();
	pass(&bed, BED_SEC);
	pbu = lookup_pbu(llid_b, 4, 4, "::");
	cr_expect_eq(feed(&bed, BLUE, &pbu), NO_ANSWER);
	pass(&bed, 500 * BED_MS);
	cr_expect_eq(bed.r.n_sent, 2);
	cr_expect_eq(last_pba(&bed)->sequence, pbu.sequence);
	pass(&bed, 5 * BED_SEC);
	cr_expect_eq(bed.r.n_sent, 2);
}

Test(lma_base, still_there,
     .description = "B-OWN-BCE-4: the old gateway refreshes: a new session at once")
{
	struct ip_prefix first = start_wait();
	struct mh_message pbu = lookup_pbu(llid_a, 5, 4, "::");

	pbu.hnp[0] = first;
	bed.unchecked = true;
	cr_expect_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_eq(bed.r.n_sent, 3);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 2);
}

Test(lma_base, gave_up,
     .description = "B-OWN-BCE-4: deregistered while waiting: nothing comes of it")
{
	struct mh_message pbu;

	start_wait();
	pbu = lookup_pbu(llid_b, 4, 4, "::");
	pbu.lifetime = 0;
	cr_expect_eq(feed(&bed, BLUE, &pbu), NO_ANSWER);
	pass(&bed, 5 * BED_SEC);
	cr_expect_eq(bed.r.n_sent, 1);
	cr_expect_eq(counter(&bed, CORE_COUNTER_NO_SESSION), 2);
}

/* ---- sections 12, 13, 16 ----------------------------------------------------------- */

Test(lma_base, handoff,
     .description =
	     "B-5213-5.3.4-a B-OWN-LMA-7: one swap to the new gateway, the old tunnel drains")
{
	struct mh_message pbu = good_pbu(&bed, MN1);
	struct ip_addr blue = bed_addr(BLUE);
	size_t views;

	accept(RED, &pbu);
	views = bed.r.n_view;
	pass(&bed, 2 * BED_SEC);
	pbu = good_pbu(&bed, MN1);
	pbu.hi = MH_HI_BETWEEN_MAGS;
	accept(BLUE, &pbu);
	cr_expect_eq(bed.r.n_view, views + 1);
	cr_expect(ip_equal(&bed_binding(view_of(&bed, MN1), 0)->remote, &blue));
	cr_expect_eq(bed_count_drain(view_of(&bed, MN1)), 1);
}

Test(lma_base, late_deregistration, .description = "B-5213-5.3.5-a: of the gateway before: silence")
{
	struct mh_message pbu = good_pbu(&bed, MN1);
	struct ip_prefix first = accept(RED, &pbu);

	pass(&bed, 2 * BED_SEC);
	pbu = good_pbu(&bed, MN1);
	pbu.hi = MH_HI_BETWEEN_MAGS;
	accept(BLUE, &pbu);
	pbu = good_pbu(&bed, MN1);
	pbu.lifetime = 0;
	pbu.hi = MH_HI_UNKNOWN;
	pbu.hnp[0] = first;
	cr_expect_eq(feed(&bed, RED, &pbu), NO_ANSWER);
	cr_expect_eq(counter(&bed, CORE_COUNTER_NOT_SERVING), 1);
}

Test(lma_base, linger_outlasts_the_lifetime,
     .description = "B-OWN-LMA-12: the wait runs to its end")
{
	struct mh_message pbu = good_pbu(&bed, MN1);

	pbu.lifetime = 2;
	accept(RED, &pbu);
	pass(&bed, 7 * BED_SEC);
	pbu = good_pbu(&bed, MN1);
	pbu.lifetime = 0;
	cr_expect_eq(feed(&bed, RED, &pbu), 0);
	pass(&bed, 10 * BED_SEC - 1);
	cr_expect_str_eq(session_state_of(&bed, MN1), "linger");
	pass(&bed, 1);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 0);
}

Test(lma_base, shortest_lifetime,
     .description = "base 28 row 40: never 0 for an accepted registration")
{
	struct mh_message pbu;

	bed.config.max_lifetime_s = 1;
	lma_bed_reopen(&bed);
	pbu = good_pbu(&bed, MN1);
	accept(RED, &pbu);
	cr_expect_eq(last_pba(&bed)->lifetime, 1);
}

Test(lma_base, link_local, .description = "B-5213-5.3.6-h -i -j -k B-OWN-LMA-9")
{
	struct mh_message pbu = good_pbu(&bed, MN1);
	struct ip_addr made;
	struct ip_addr own = bed_addr("fe80::77");

	pbu.has |= MH_HAS(LINK_LOCAL);
	accept(RED, &pbu);
	made = last_pba(&bed)->link_local;
	cr_expect(made.b[0] == 0xfe && made.b[1] == 0x80);
	pbu = good_pbu(&bed, MN1);
	pbu.has |= MH_HAS(LINK_LOCAL);
	pbu.hi = MH_HI_BETWEEN_MAGS;
	accept(BLUE, &pbu);
	cr_expect(ip_equal(&last_pba(&bed)->link_local, &made), "the same as at first");
	pbu_stamp(&bed, &pbu);
	pbu.link_local = own;
	accept(BLUE, &pbu);
	cr_expect(ip_equal(&last_pba(&bed)->link_local, &own));
	pbu_stamp(&bed, &pbu);
	pbu.link_local = bed_addr("2001:db8::1");
	cr_expect_eq(feed(&bed, BLUE, &pbu), MH_STATUS_UNSPECIFIED);
	cr_expect(ip_equal(&last_pba(&bed)->link_local, &pbu.link_local), "copied back");
}

Test(lma_base, rejection_echoes,
     .description = "B-5213-5.3.6-c: all prefixes of the request, or one ALL_ZERO")
{
	struct mh_message pbu = good_pbu(&bed, MN1);

	pbu.n_hnp = 0;
	pbu_prefix(&pbu, "2001:db8:100:1::/64");
	pbu_prefix(&pbu, "2001:db8:100:2::/64");
	pbu_prefix(&pbu, "2001:db8:dead::/64");
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_HNP_NOT_AUTHORIZED, "one bad of three");
	cr_expect_eq(last_pba(&bed)->n_hnp, 3);
	cr_expect_arr_eq(last_pba(&bed)->hnp, pbu.hnp, sizeof(pbu.hnp));
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 0);
	pbu_drop(&pbu, MH_HAS(HNP));
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_MISSING_HNP);
	cr_expect(ip_is_zero(&last_pba(&bed)->hnp[0].addr));
}
