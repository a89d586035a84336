/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The anchor's state table, row by row: spec/conformance-multipath.md section 3.3, L1..L29, and the
 * matrix of section 3.4 that they make up. The bed asserts the default oracle beside what is said
 * here.
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

TestSuite(lma_states, .init = open_bed, .fini = close_bed);

/* MULTI {1: red, 2: blue} */
static void start_multi(void)
{
	join(&bed, RED, MN1, 1, LABEL_RED);
	join(&bed, BLUE, MN1, 2, LABEL_BLUE);
}

static void expect_bindings(const char *mn, const char *one, const char *two)
{
	cr_expect_str_eq(binding_state(&bed, mn, 1), one);
	cr_expect_str_eq(binding_state(&bed, mn, 2), two);
}

Test(lma_states, L01_first_binding,
     .description = "L1 MP-CF-05 MP-CF-06 MP-MMB-11 MP-MMB-18 MP-SIG-08: NONE -> MULTI {1}")
{
	struct mh_message pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	const struct session_view *view;

	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_str_eq(session_state_of(&bed, MN1), "multi");
	cr_expect(last_pba(&bed)->has & MH_HAS(MMB));
	cr_expect_eq(last_pba(&bed)->mmb.bid, 1);
	cr_expect_eq(last_pba(&bed)->mmb.label, LABEL_RED);
	cr_expect_eq(last_pba(&bed)->lifetime, 75);
	view = view_of(&bed, MN1);
	cr_expect_eq(view->state, SESSION_ACTIVE);
	cr_expect_eq(view->n, 1);
	cr_expect_eq(view->n_prefix, 1);
	cr_expect(ip_prefix_equal(&view->prefix[0], &last_pba(&bed)->hnp[0]));
	cr_expect_eq(view->binding[0].use, BINDING_TX | BINDING_RX);
	cr_expect_eq(view->binding[0].label, LABEL_RED);
	cr_expect_eq(bed.r.n_changed, 1);
	cr_expect_eq(recorder_notes(&bed.r, CORE_NOTE_SESSION_UP), 1);
	cr_expect_eq(recorder_notes(&bed.r, CORE_NOTE_BINDING_ADDED), 1);
}

Test(lma_states, L01_own_prefix, .description = "L1 MP-CF-03: a static prefix of a pool")
{
	struct mh_message pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	struct ip_prefix asked = bed_prefix("2001:db8:100:77::/64");

	pbu.hnp[0] = asked;
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect(ip_prefix_equal(&last_pba(&bed)->hnp[0], &asked));
}

Test(lma_states, L02_plain_binding, .description = "L2 B-5213-5.3.2-a: NONE -> SINGLE, no MMB")
{
	struct mh_message pbu = good_pbu(&bed, MN1);

	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_str_eq(session_state_of(&bed, MN1), "single");
	cr_expect_not(last_pba(&bed)->has & MH_HAS(MMB));
	cr_expect_str_eq(tx_of(&bed, MN1), "0");
}

Test(lma_states, L03_multipath_off,
     .description = "L3 MP-STC-01 MP-STC-03 MP-SIG-16: 180 with MMB, without MAG-ID; nothing made")
{
	struct mh_message pbu;

	bed.config.multipath = false;
	lma_bed_reopen(&bed);
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_NO_MULTIPATH);
	cr_expect(last_pba(&bed)->has & MH_HAS(MMB));
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 0);
	cr_expect_eq(bed.r.n_view, 0);
	cr_expect_eq(lma_statuses(bed.lma)[180], 1);
	cr_expect_eq(counter(&bed, CORE_COUNTER_REJECTED), 1);
}

Test(lma_states, L04_second_binding,
     .description =
	     "L4 MP-CF-08 MP-CF-09 MP-SIG-28: one session, two bindings, one prefix, one swap")
{
	size_t views;

	join(&bed, RED, MN1, 1, LABEL_RED);
	views = bed.r.n_view;
	join(&bed, BLUE, MN1, 2, LABEL_BLUE);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 1);
	cr_expect_eq(bed.r.n_view, views + 1);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
	cr_expect_eq(view_of(&bed, MN1)->n, 2);
	expect_bindings(MN1, "active", "active");
}

Test(lma_states, L05_refresh,
     .description = "L5 B-5213-5.3.3-a: nothing is published; lifetime runs anew")
{
	size_t views;
	uint64_t two;

	start_multi();
	views = bed.r.n_view;
	two = binding_expires(&bed, MN1, 2);
	pass(&bed, 100 * BED_SEC);
	join(&bed, RED, MN1, 1, LABEL_RED);
	cr_expect_eq(bed.r.n_view, views);
	cr_expect_eq(binding_expires(&bed, MN1, 1), bed.now + 300 * BED_SEC);
	cr_expect_eq(binding_expires(&bed, MN1, 2), two);
	cr_expect_eq(bed.r.n_changed, 3, "but it is stored");
}

Test(lma_states, L06_bulk_refresh,
     .description = "L6 MP-MMB-22: B sets the lifetime of all; one PBA; nothing published")
{
	struct mh_message pbu;
	size_t views;
	size_t sent;

	start_multi();
	pass(&bed, 100 * BED_SEC);
	views = bed.r.n_view;
	sent = bed.r.n_sent;
	pbu = multi_pbu(&bed, MN1, 2, LABEL_BLUE);
	pbu.mmb.bulk = true;
	pbu.lifetime = 50;
	cr_assert_eq(feed(&bed, BLUE, &pbu), 0);
	cr_expect(last_pba(&bed)->mmb.bulk);
	cr_expect_eq(binding_expires(&bed, MN1, 1), bed.now + 200 * BED_SEC);
	cr_expect_eq(binding_expires(&bed, MN1, 2), bed.now + 200 * BED_SEC);
	cr_expect_eq(bed.r.n_view, views);
	cr_expect_eq(bed.r.n_sent, sent + 1);
}

Test(lma_states, L07_new_address,
     .description = "L7 EC-06 MP-SIG-31: same BID by another address: moved, old tunnel drains")
{
	const struct session_view *view;
	size_t views;

	start_multi();
	views = bed.r.n_view;
	pass(&bed, 5 * BED_SEC);
	join(&bed, GREEN, MN1, 1, LABEL_RED);
	cr_expect_eq(bed.r.n_view, views + 1);
	view = view_of(&bed, MN1);
	cr_expect_eq(view->n, 3);
	cr_expect_eq(bed_count_drain(view), 1);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
	for (uint16_t i = 0; i < view->n; i++) {
		const struct binding_view *b = &view->binding[i];
		struct ip_addr red = bed_addr(RED);
		struct ip_addr green = bed_addr(GREEN);

		if (b->bid == 1 && b->weight == 0)
			cr_expect(ip_equal(&b->remote, &red));
		if (b->bid == 1 && b->weight != 0)
			cr_expect(ip_equal(&b->remote, &green));
	}
	cr_expect_eq(recorder_notes(&bed.r, CORE_NOTE_BINDING_MOVED), 1);
	pass(&bed, 2 * BED_SEC);
	cr_expect_eq(view_of(&bed, MN1)->n, 2, "drained");
}

Test(lma_states, L08_new_label, .description = "L8 MP-MMB-14: label and If-ATT in place, one swap")
{
	struct mh_message pbu;
	size_t views;

	start_multi();
	views = bed.r.n_view;
	pbu = multi_pbu(&bed, MN1, 1, 77);
	pbu.mmb.att = 200;
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_eq(bed.r.n_view, views + 1);
	cr_expect_eq(view_of(&bed, MN1)->n, 2);
	cr_expect_eq(bed_binding(view_of(&bed, MN1), 1)->label, 77);
	cr_expect_eq(bed_binding(view_of(&bed, MN1), 1)->att, 200, "MP-MMB-06 EC-44: stored");
}

Test(lma_states, L09_overwrite,
     .description =
	     "L9 AT-05 MP-MMB-27: O replaces the set in one swap; the others drain, none is known")
{
	struct mh_message pbu;
	size_t views;

	start_multi();
	views = bed.r.n_view;
	pbu = multi_pbu(&bed, MN1, 3, LABEL_RED);
	pbu.mmb.overwrite = true;
	cr_assert_eq(feed(&bed, GREEN, &pbu), 0);
	cr_expect_eq(bed.r.n_view, views + 1);
	cr_expect_str_eq(tx_of(&bed, MN1), "3");
	cr_expect_eq(bed_count_drain(view_of(&bed, MN1)), 2);
	cr_expect_eq(view_of(&bed, MN1)->n, 3, "two drain, one carries, none is gone");
	expect_bindings(MN1, "", "");
	cr_expect_eq(recorder_notes(&bed.r, CORE_NOTE_OVERWRITTEN), 1);
	pass(&bed, 2 * BED_SEC);
	cr_expect_eq(view_of(&bed, MN1)->n, 1);
}

Test(lma_states, L09_overwrite_own, .description = "L9 MP-MMB-27: O by a BID of the set keeps it")
{
	struct mh_message pbu;

	start_multi();
	pbu = multi_pbu(&bed, MN1, 2, LABEL_BLUE);
	pbu.mmb.overwrite = true;
	cr_assert_eq(feed(&bed, BLUE, &pbu), 0);
	expect_bindings(MN1, "", "active");
}

static unsigned int deregister(const char *source, uint8_t bid, bool bulk)
{
	struct mh_message pbu = multi_pbu(&bed, MN1, bid, LABEL_RED);

	pbu.lifetime = 0;
	pbu.hi = MH_HI_UNKNOWN;
	pbu.mmb.bulk = bulk;
	return feed(&bed, source, &pbu);
}

Test(lma_states, L10_deregister_one,
     .description = "L10 D16: out at once, drains, stays known; PBA 0 with lifetime 0")
{
	const struct session_view *view;

	start_multi();
	cr_assert_eq(deregister(RED, 1, false), 0);
	cr_expect_eq(last_pba(&bed)->lifetime, 0);
	cr_expect_str_eq(session_state_of(&bed, MN1), "multi");
	expect_bindings(MN1, "gone", "active");
	view = view_of(&bed, MN1);
	cr_expect_str_eq(tx_of(&bed, MN1), "2");
	cr_expect_eq(bed_count_drain(view), 1);
	cr_expect_eq(bed_binding(view, 1)->use, 0);
	cr_expect(ip_is_zero(&bed_binding(view, 1)->remote));
	pass(&bed, 2 * BED_SEC);
	view = view_of(&bed, MN1);
	cr_expect_eq(bed_count_drain(view), 0);
	cr_expect_eq(view->n, 2, "flows remember BID 1");
	/* kept alive by its sibling, the BID is forgotten after an hour */
	for (int i = 0; i < 30; i++) {
		pass(&bed, 120 * BED_SEC);
		join(&bed, BLUE, MN1, 2, LABEL_BLUE);
	}
	cr_expect_eq(view_of(&bed, MN1)->n, 1);
}

Test(lma_states, L10_by_the_other_path,
     .description = "L10 D7 MP-SIG-30: a dead path is deregistered through a live one")
{
	struct mh_message pbu;

	start_multi();
	cr_assert_eq(deregister(BLUE, 1, false), 0);
	expect_bindings(MN1, "gone", "active");
	cr_expect(ip_equal(&recorder_last(&bed.r)->peer.remote, &bed.from.remote));
	/* and with the dead address named */
	join(&bed, RED, MN1, 1, LABEL_RED);
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu.lifetime = 0;
	pbu.has |= MH_HAS(ALT_COA);
	pbu.alt_coa = bed_addr(RED);
	cr_assert_eq(feed(&bed, BLUE, &pbu), 0);
	expect_bindings(MN1, "gone", "active");
}

Test(lma_states, L10_from_nowhere,
     .description = "L10 B-5213-5.3.5-a: by an address that serves nothing: silence")
{
	start_multi();
	cr_expect_eq(deregister(GREEN, 1, false), NO_ANSWER);
	cr_expect_eq(counter(&bed, CORE_COUNTER_NOT_SERVING), 1);
}

Test(lma_states, L10_registered_again, .description = "L10 L4: a gone BID comes back")
{
	start_multi();
	cr_assert_eq(deregister(RED, 1, false), 0);
	join(&bed, RED, MN1, 1, LABEL_RED);
	expect_bindings(MN1, "active", "active");
	cr_expect_eq(view_of(&bed, MN1)->n, 2, "no drain beside the tunnel in use");
}

Test(lma_states, L11_the_last_one,
     .description =
	     "L11 B-5213-5.3.5-b: LINGER: prefixes are held, nothing carries; answered at once")
{
	struct ip_prefix prefix;

	start_multi();
	prefix = prefix_of(&bed, MN1);
	cr_assert_eq(deregister(RED, 1, false), 0);
	cr_assert_eq(deregister(BLUE, 2, false), 0);
	cr_expect_str_eq(session_state_of(&bed, MN1), "linger");
	cr_expect_eq(view_of(&bed, MN1)->state, SESSION_LINGER);
	cr_expect_eq(view_of(&bed, MN1)->n_prefix, 1);
	cr_expect(ip_prefix_equal(&view_of(&bed, MN1)->prefix[0], &prefix));
	cr_expect_str_eq(tx_of(&bed, MN1), "");
	cr_expect_eq(recorder_notes(&bed.r, CORE_NOTE_SESSION_LINGER), 1);
}

Test(lma_states, L11_all, .description = "L11 MP-MMB-34: B with lifetime 0 takes all")
{
	start_multi();
	cr_assert_eq(deregister(BLUE, 2, true), 0);
	cr_expect_str_eq(session_state_of(&bed, MN1), "linger");
	expect_bindings(MN1, "gone", "gone");
}

Test(lma_states, L11_repeated,
     .description = "L11 B-OWN-LMA-11: deregistered again while lingering: 0, the timer goes on")
{
	start_multi();
	cr_assert_eq(deregister(BLUE, 2, true), 0);
	pass(&bed, 5 * BED_SEC);
	cr_expect_eq(deregister(BLUE, 2, true), 0);
	pass(&bed, 5 * BED_SEC);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 0);
}

Test(lma_states, L12_back_while_lingering,
     .description = "L12 B-5213-5.3.5-d B-OWN-BCE-2: same session, same prefix, wait ended")
{
	struct mh_message pbu;
	struct ip_prefix prefix;
	uint32_t id;
	uint32_t again;

	start_multi();
	prefix = prefix_of(&bed, MN1);
	lma_bed_sessions(&bed, MN1, &id);
	cr_assert_eq(deregister(BLUE, 2, true), 0);
	pass(&bed, 5 * BED_SEC);
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	cr_assert_eq(feed(&bed, GREEN, &pbu), 0);
	pass(&bed, 10 * BED_SEC);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, &again), 1);
	cr_expect_eq(id, again);
	cr_expect(ip_prefix_equal(&last_pba(&bed)->hnp[0], &prefix));
	cr_expect_str_eq(tx_of(&bed, MN1), "1");
}

Test(lma_states, L12_as_single, .description = "L12: LINGER -> SINGLE")
{
	struct mh_message pbu;

	start_multi();
	cr_assert_eq(deregister(BLUE, 2, true), 0);
	pbu = good_pbu(&bed, MN1);
	cr_assert_eq(feed(&bed, GREEN, &pbu), 0);
	cr_expect_str_eq(session_state_of(&bed, MN1), "single");
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 1);
}

Test(lma_states, L13_linger_ends,
     .description =
	     "L13 B-5213-5.3.5-e B-OWN-BCE-5: NONE; the prefix rests before another node has it")
{
	struct mh_message pbu;
	struct ip_prefix prefix;
	uint32_t id;

	start_multi();
	prefix = prefix_of(&bed, MN1);
	lma_bed_sessions(&bed, MN1, &id);
	cr_assert_eq(deregister(BLUE, 2, true), 0);
	pass(&bed, 10 * BED_SEC - 1);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 1);
	pass(&bed, 1);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 0);
	cr_expect_eq(recorder_view(&bed.r, id)->view.state, SESSION_NONE);
	cr_expect_eq(recorder_view(&bed.r, id)->view.n, 0);
	pbu = multi_pbu(&bed, MN2, 1, LABEL_RED);
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_not(ip_prefix_equal(&last_pba(&bed)->hnp[0], &prefix));
	pass(&bed, 60 * BED_SEC);
	pbu = multi_pbu(&bed, "mn3@example.org", 1, LABEL_RED);
	cr_assert_eq(feed(&bed, BLUE, &pbu), 0);
	cr_expect(ip_prefix_equal(&last_pba(&bed)->hnp[0], &prefix), "rested");
}

Test(lma_states, L14_one_expires, .description = "L14: as deregistered, with a note")
{
	start_multi();
	pass(&bed, 200 * BED_SEC);
	join(&bed, BLUE, MN1, 2, LABEL_BLUE);
	pass(&bed, 100 * BED_SEC);
	expect_bindings(MN1, "gone", "active");
	cr_expect_str_eq(tx_of(&bed, MN1), "2");
	cr_expect_eq(bed_count_drain(view_of(&bed, MN1)), 1);
	cr_expect_eq(recorder_notes(&bed.r, CORE_NOTE_BINDING_EXPIRED), 1);
}

Test(lma_states, L14_the_last_expires,
     .description = "L14 B-6275-9.6-a: NONE directly, nothing lingers, nothing is left to do")
{
	uint32_t id;

	start_multi();
	lma_bed_sessions(&bed, MN1, &id);
	pass(&bed, 300 * BED_SEC);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 0);
	cr_expect_eq(recorder_view(&bed.r, id)->view.state, SESSION_NONE);
	cr_expect_eq(recorder_notes(&bed.r, CORE_NOTE_BINDING_EXPIRED), 2);
	pass(&bed, 100 * BED_SEC);
	cr_expect_eq(lma_next_ns(bed.lma), CORE_NEVER);
}

Test(lma_states, L15_suspect,
     .description = "L15: a silent path carries nothing but receives; if all are silent the first "
		    "one stays")
{
	const struct session_view *view;

	start_multi();
	join(&bed, GREEN, MN1, 3, LABEL_RED);
	path(&bed, RED, false);
	cr_expect_str_eq(binding_state(&bed, MN1, 1), "suspect");
	cr_expect_str_eq(tx_of(&bed, MN1), "2 3");
	view = view_of(&bed, MN1);
	cr_expect_eq(bed_binding(view, 1)->use, BINDING_RX);
	cr_expect_not(ip_is_zero(&bed_binding(view, 1)->remote));
	pass(&bed, BED_SEC);
	path(&bed, BLUE, false);
	cr_expect_str_eq(tx_of(&bed, MN1), "3");
	pass(&bed, BED_SEC);
	path(&bed, GREEN, false);
	cr_expect_str_eq(tx_of(&bed, MN1), "1", "least recently failed");
	cr_expect_eq(recorder_notes(&bed.r, CORE_NOTE_PATH_DOWN), 3);
	cr_expect_eq(bed.r.n_changed, 3, "nothing to store");
	path(&bed, GREEN, false);
	cr_expect_eq(recorder_notes(&bed.r, CORE_NOTE_PATH_DOWN), 3, "told once");
}

Test(lma_states, L16_recovered, .description = "L16: by the path, or by a PBU that came by it")
{
	start_multi();
	path(&bed, RED, false);
	path(&bed, RED, true);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
	path(&bed, RED, false);
	join(&bed, RED, MN1, 1, LABEL_RED);
	expect_bindings(MN1, "active", "active");
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
	cr_expect_eq(recorder_notes(&bed.r, CORE_NOTE_PATH_UP), 1);
}

Test(lma_states, L16_bulk_revives_none,
     .description = "MP-MMB-24: B by a sibling extends a suspect binding and leaves it suspect")
{
	struct mh_message pbu;

	start_multi();
	path(&bed, RED, false);
	pass(&bed, 10 * BED_SEC);
	pbu = multi_pbu(&bed, MN1, 2, LABEL_BLUE);
	pbu.mmb.bulk = true;
	cr_assert_eq(feed(&bed, BLUE, &pbu), 0);
	expect_bindings(MN1, "suspect", "active");
	cr_expect_eq(binding_expires(&bed, MN1, 1), bed.now + 300 * BED_SEC);
	cr_expect_str_eq(tx_of(&bed, MN1), "2");
}

Test(lma_states, L17_gateway_restarts, .description = "L17: what comes with O is L9")
{
	struct mh_message pbu;

	start_multi();
	pass(&bed, BED_SEC);
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED); /* knows nothing: HI 1, ALL_ZERO */
	pbu.hi = MH_HI_NEW_INTERFACE;
	pbu.hnp[0] = (struct ip_prefix){0};
	pbu.mmb.overwrite = true;
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	expect_bindings(MN1, "active", "");
	join(&bed, BLUE, MN1, 2, LABEL_BLUE);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 1);
}

Test(lma_states, L18_anchor_restarts,
     .description = "L18: with its records it goes on; the first PBU of each BID validates it")
{
	static struct lma_record record;
	struct core_time now;
	struct ip_prefix prefix;
	uint32_t id;

	start_multi();
	prefix = prefix_of(&bed, MN1);
	lma_bed_sessions(&bed, MN1, &id);
	now = bed_now(&bed);
	cr_assert_eq(lma_export(bed.lma, &now, id, &record), 0);
	lma_bed_reopen(&bed);
	cr_assert_eq(lma_import(bed.lma, &now, &record), 0);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
	pass(&bed, 10 * BED_SEC);
	join(&bed, RED, MN1, 1, LABEL_RED);
	cr_expect(ip_prefix_equal(&last_pba(&bed)->hnp[0], &prefix));
	expect_bindings(MN1, "active", "active");
}

Test(lma_states, L19_duplicate,
     .description = "L19 B-OWN-ORD-3: the same message within 2 s: the same answer, nothing done")
{
	struct mh_message pbu;
	struct mh_message first;
	size_t views;

	start_multi();
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	first = *last_pba(&bed);
	views = bed.r.n_view;
	pass(&bed, 2 * BED_SEC);
	cr_expect_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_arr_eq(last_pba(&bed), &first, sizeof(first));
	cr_expect_eq(counter(&bed, CORE_COUNTER_REPEATED), 1);
	cr_expect_eq(bed.r.n_view, views);
	pass(&bed, 1);
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_TIMESTAMP_OLD, "later it is a replay");
}

Test(lma_states, L19_duplicate_deregistration, .description = "L19: also of a deregistration")
{
	struct mh_message pbu;

	start_multi();
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu.lifetime = 0;
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_eq(last_pba(&bed)->lifetime, 0);
	cr_expect_eq(counter(&bed, CORE_COUNTER_REPEATED), 1);
}

Test(lma_states, L19_other_content, .description = "L19 B-OWN-ORD-2: equal key, other content: 157")
{
	struct mh_message pbu;

	start_multi();
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	pbu.lifetime = 10;
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_TIMESTAMP_OLD);
}

Test(lma_states, L20_late,
     .description = "L20 B-5213-5.5-g: 157 with our time, 135 with the last number")
{
	struct mh_message late;
	struct mh_message pbu;

	join(&bed, RED, MN1, 1, LABEL_RED);
	late = multi_pbu(&bed, MN1, 1, LABEL_RED);
	join(&bed, RED, MN1, 1, LABEL_RED);
	pass(&bed, BED_SEC / 10);
	cr_expect_eq(feed(&bed, RED, &late), MH_STATUS_TIMESTAMP_OLD);
	cr_expect_eq(last_pba(&bed)->timestamp, bed_stamp(bed.now));
	cr_expect(last_pba(&bed)->has & MH_HAS(MMB));

	pbu = multi_pbu(&bed, MN2, 1, LABEL_RED);
	pbu_drop(&pbu, MH_HAS(TIMESTAMP));
	pbu.sequence = 15;
	cr_assert_eq(feed(&bed, BLUE, &pbu), 0);
	cr_expect_not(last_pba(&bed)->has & MH_HAS(TIMESTAMP), "B-5213-5.5-i");
	pbu.sequence = 14;
	cr_expect_eq(feed(&bed, BLUE, &pbu), MH_STATUS_SEQUENCE);
	cr_expect_eq(last_pba(&bed)->sequence, 15);
}

Test(lma_states, L21_late_sibling,
     .description = "L21 EC-53 D5: older than a sibling's, newer than its own: applied")
{
	struct mh_message late;

	start_multi();
	late = multi_pbu(&bed, MN1, 1, LABEL_RED);
	join(&bed, BLUE, MN1, 2, LABEL_BLUE);
	cr_expect_eq(feed(&bed, RED, &late), 0);
	/* and as the first of its BID */
	late = multi_pbu(&bed, MN1, 3, LABEL_RED);
	join(&bed, BLUE, MN1, 2, LABEL_BLUE);
	cr_expect_eq(feed(&bed, GREEN, &late), 0);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2 3");
}

Test(lma_states, L22_concurrent,
     .description = "L22: two at once: either order, the same set, each its PBA")
{
	for (int order = 0; order < 2; order++) {
		struct mh_message one;
		struct mh_message two;

		lma_bed_reopen(&bed);
		join(&bed, GREEN, MN1, 3, LABEL_RED);
		one = multi_pbu(&bed, MN1, 1, LABEL_RED);
		two = multi_pbu(&bed, MN1, 2, LABEL_BLUE);
		cr_expect_eq(order ? feed(&bed, RED, &one) : feed(&bed, BLUE, &two), 0);
		cr_expect_eq(order ? feed(&bed, BLUE, &two) : feed(&bed, RED, &one), 0);
		cr_expect_str_eq(tx_of(&bed, MN1), "1 2 3");
		cr_expect_eq(bed.r.n_sent, 3);
	}
}

Test(lma_states, L23_without_mmb,
     .description = "L23 MP-SIG-21: the same gateway without MMB: one plain binding instead of all")
{
	struct mh_message pbu;

	start_multi();
	pbu = good_pbu(&bed, MN1);
	pbu.hi = MH_HI_UNCHANGED;
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_not(last_pba(&bed)->has & MH_HAS(MMB));
	cr_expect_str_eq(session_state_of(&bed, MN1), "single");
	cr_expect_str_eq(tx_of(&bed, MN1), "0");
	cr_expect_eq(bed_count_drain(view_of(&bed, MN1)), 1, "blue; red is in use");
}

Test(lma_states, L24_other_gateway,
     .description = "L24: another authorised gateway, HI 2, 3, 4: its binding instead of all")
{
	for (unsigned int hi = MH_HI_BETWEEN_INTERFACES; hi <= MH_HI_UNKNOWN; hi++) {
		struct mh_message pbu;
		struct ip_prefix prefix;

		lma_bed_reopen(&bed);
		start_multi();
		prefix = prefix_of(&bed, MN1);
		pbu = multi_pbu(&bed, MN1, 1, LABEL_BLUE);
		pbu.mag_id = bed_id(MAG2);
		pbu.hi = (uint8_t)hi;
		cr_assert_eq(feed(&bed, GREEN, &pbu), 0, "HI %u", hi);
		cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 1);
		cr_expect(ip_prefix_equal(&last_pba(&bed)->hnp[0], &prefix));
		cr_expect_str_eq(tx_of(&bed, MN1), "1");
		cr_expect_eq(bed_count_drain(view_of(&bed, MN1)), 2);
		cr_expect_eq(view_of(&bed, MN1)->n, 3);
		/* the old gateway's late deregistration says nothing any more */
		cr_expect_eq(deregister(RED, 1, false), NO_ANSWER);
		cr_expect_eq(counter(&bed, CORE_COUNTER_NOT_SERVING), 1);
	}
}

Test(lma_states, L25_other_gateway_no_handoff,
     .description = "L25 EC-10: another MAG-ID with HI 1 or 5: 129, nothing changed")
{
	static const uint8_t hi[] = {MH_HI_NEW_INTERFACE, MH_HI_UNCHANGED};

	start_multi();
	for (size_t i = 0; i < sizeof(hi); i++) {
		struct mh_message pbu = multi_pbu(&bed, MN1, 3, LABEL_BLUE);

		pbu.mag_id = bed_id(MAG2);
		pbu.hi = hi[i];
		cr_expect_eq(feed(&bed, GREEN, &pbu), MH_STATUS_PROHIBITED);
		cr_expect(last_pba(&bed)->has & MH_HAS(MMB));
	}
}

Test(lma_states, L26_upgrade,
     .description = "L26 MP-SIG-22: same address: upgraded in place, no drain")
{
	struct mh_message pbu = good_pbu(&bed, MN1);
	uint32_t id;
	uint32_t after;

	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	lma_bed_sessions(&bed, MN1, &id);
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	lma_bed_sessions(&bed, MN1, &after);
	cr_expect_eq(id, after);
	cr_expect_str_eq(session_state_of(&bed, MN1), "multi");
	cr_expect_eq(view_of(&bed, MN1)->n, 1);
	cr_expect_str_eq(tx_of(&bed, MN1), "1");
}

Test(lma_states, L26_refused_or_replaced,
     .description = "L26 MP-SIG-22: another address: 165 without O, replaced with O")
{
	struct mh_message pbu = good_pbu(&bed, MN1);

	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	pbu = multi_pbu(&bed, MN1, 2, LABEL_BLUE);
	cr_expect_eq(feed(&bed, BLUE, &pbu), MH_STATUS_NON_MCOA_EXISTS);
	pbu_stamp(&bed, &pbu);
	pbu.mmb.overwrite = true;
	cr_assert_eq(feed(&bed, BLUE, &pbu), 0);
	cr_expect_str_eq(tx_of(&bed, MN1), "2");
	cr_expect_eq(bed_count_drain(view_of(&bed, MN1)), 1);
}

Test(lma_states, L27_other_prefixes,
     .description =
	     "L27 EC-11 B-5213-5.4.1.1-b -c: 159 for ours or half of ours, 155 for another's")
{
	struct mh_message pbu;
	char ours[IP_TEXT_MAX];
	struct ip_prefix prefix;

	start_multi();
	join(&bed, GREEN, MN2, 1, LABEL_RED);
	prefix = prefix_of(&bed, MN1);
	ip_prefix_text(&prefix, ours);

	pbu = multi_pbu(&bed, MN1, 3, LABEL_RED);
	pbu.n_hnp = 0;
	pbu_prefix(&pbu, "2001:db8:100:99::/64");
	cr_expect_eq(feed(&bed, GREEN, &pbu), MH_STATUS_PREFIX_SET_MISMATCH, "wrong value");
	cr_expect(last_pba(&bed)->has & MH_HAS(MMB));

	pbu = multi_pbu(&bed, MN1, 3, LABEL_RED);
	pbu_prefix(&pbu, "2001:db8:100:99::/64");
	cr_expect_eq(feed(&bed, GREEN, &pbu), MH_STATUS_PREFIX_SET_MISMATCH, "superset");

	pbu = multi_pbu(&bed, MN1, 3, LABEL_RED);
	pbu.hnp[0] = prefix_of(&bed, MN2);
	cr_expect_eq(feed(&bed, GREEN, &pbu), MH_STATUS_HNP_NOT_AUTHORIZED, "of another node");

	pbu = multi_pbu(&bed, MN1, 3, LABEL_RED);
	pbu.n_hnp = 0;
	pbu_prefix(&pbu, "2001:db8:dead::/64");
	cr_expect_eq(feed(&bed, GREEN, &pbu), MH_STATUS_HNP_NOT_AUTHORIZED, "of no pool");
}

Test(lma_states, L27_subset,
     .description = "L27 EC-11: a subset of two prefixes: 159; order is free")
{
	struct mh_message pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);

	pbu.n_hnp = 0;
	pbu_prefix(&pbu, "2001:db8:100:1::/64");
	pbu_prefix(&pbu, "2001:db8:100:2::/64");
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_eq(view_of(&bed, MN1)->n_prefix, 2);
	pbu = multi_pbu(&bed, MN1, 2, LABEL_BLUE);
	cr_expect_eq(pbu.n_hnp, 1);
	cr_expect_eq(feed(&bed, BLUE, &pbu), MH_STATUS_PREFIX_SET_MISMATCH);
	pbu_stamp(&bed, &pbu);
	pbu.n_hnp = 0;
	pbu_prefix(&pbu, "2001:db8:100:2::/64");
	pbu_prefix(&pbu, "2001:db8:100:1::/64");
	cr_expect_eq(feed(&bed, BLUE, &pbu), 0);
}

Test(lma_states, L28_limit, .description = "L28 MP-STC-04: 130 with MMB, what is there stays")
{
	struct mh_message pbu;

	bed.config.max_bindings = 2;
	lma_bed_reopen(&bed);
	start_multi();
	pbu = multi_pbu(&bed, MN1, 3, LABEL_RED);
	cr_expect_eq(feed(&bed, GREEN, &pbu), MH_STATUS_RESOURCES);
	cr_expect(last_pba(&bed)->has & MH_HAS(MMB));
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
	/* one that is gone does not count */
	cr_assert_eq(deregister(RED, 1, false), 0);
	join(&bed, GREEN, MN1, 3, LABEL_RED);
}

Test(lma_states, L29_unknown,
     .description = "L29 B-5213-5.3.2-f: deregistration of no session, of no BID: silence")
{
	struct mh_message pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);

	pbu.lifetime = 0;
	cr_expect_eq(feed(&bed, RED, &pbu), NO_ANSWER);
	cr_expect_eq(counter(&bed, CORE_COUNTER_NO_SESSION), 1);
	cr_expect_eq(bed.r.n_view, 0);
	start_multi();
	cr_expect_eq(deregister(RED, 9, false), NO_ANSWER);
	cr_expect_eq(counter(&bed, CORE_COUNTER_NO_SESSION), 2);
	cr_expect_eq(lma_next_ns(bed.lma), bed.now + 300 * BED_SEC, "no timer of its own");
}

Test(lma_states, L30_released, .description = "L30: the operator ends all, at once, without linger")
{
	struct core_time now = bed_now(&bed);
	uint32_t id;

	start_multi();
	join(&bed, GREEN, MN2, 1, LABEL_RED);
	lma_bed_sessions(&bed, MN1, &id);
	lma_release(bed.lma, &now);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 0);
	cr_expect_eq(lma_bed_sessions(&bed, MN2, NULL), 0);
	cr_expect_eq(recorder_view(&bed.r, id)->view.state, SESSION_NONE);
	cr_expect_eq(recorder_notes(&bed.r, CORE_NOTE_SESSION_DOWN), 2);
}
