/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The anchor and the data plane: what is published, in which order with the answer, what happens
 * when it is refused (spec/conformance-multipath.md 3.1, AT-*), records for the store, and how the
 * state costs memory.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
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

TestSuite(lma_data, .init = open_bed, .fini = close_bed);

static void start_multi(void)
{
	join(&bed, RED, MN1, 1, LABEL_RED);
	join(&bed, BLUE, MN1, 2, LABEL_BLUE);
}

/* ---- before the answer ------------------------------------------------------------- */

static size_t sent_when_published;
static size_t changed_when_sent;

static void watch_order(struct recorder *r, const struct session_view *view)
{
	(void)view;
	sent_when_published = r->n_sent;
}

static void send_order(void *ctx, const struct core_peer *peer, const struct mh_message *msg)
{
	struct recorder *r = ctx;

	(void)peer;
	(void)msg;
	changed_when_sent = r->n_changed;
	r->n_sent++;
}

Test(lma_data, published_then_stored_then_answered,
     .description = "AT-03 AT-06 B-OWN-LMA-6: the PBA is the last of the three")
{
	struct recorder r;
	struct lma *lma;
	struct core_time now = bed_now(&bed);
	struct core_peer from = {.local = bed_addr(LMAA), .remote = bed_addr(RED)};
	struct mh_message pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);

	recorder_init(&r);
	r.watch = watch_order;
	r.port.send = send_order;
	cr_assert_eq(lma_new(&bed.config, &r.port, &lma), 0);
	sent_when_published = 9;
	lma_receive(lma, &now, &from, &pbu);
	cr_expect_eq(sent_when_published, 0);
	cr_expect_eq(r.n_view, 1);
	cr_expect_eq(changed_when_sent, 1);
	cr_expect_eq(r.n_sent, 1);
	lma_free(lma);
	r.n_sent = 0;
	recorder_free(&r);
}

/* ---- the data plane refuses -------------------------------------------------------- */

static void plain(struct mh_message *pbu)
{
	(void)pbu;
}

static void with_o(struct mh_message *pbu)
{
	pbu->mmb.overwrite = true;
}

static void dereg(struct mh_message *pbu)
{
	pbu->lifetime = 0;
}

static void dereg_all(struct mh_message *pbu)
{
	pbu->lifetime = 0;
	pbu->mmb.bulk = true;
}

static void without_mmb(struct mh_message *pbu)
{
	pbu_drop(pbu, MH_HAS(MMB) | MH_HAS(MAG_ID));
}

static void other_gateway(struct mh_message *pbu)
{
	pbu->mag_id = bed_id(MAG2);
	pbu->hi = MH_HI_BETWEEN_MAGS;
}

Test(lma_data, refused_publication,
     .description =
	     "AT-06: whatever the change: 130, byte-identical state; accepted when tried again")
{
	static const struct {
		uint8_t bid;
		const char *source;
		void (*change)(struct mh_message *pbu);
	} row[] = {
		{3, GREEN, plain}, {1, GREEN, plain},	      {3, GREEN, with_o},
		{1, RED, dereg},   {1, RED, dereg_all},	      {1, RED, without_mmb},
		{3, RED, plain},   {1, GREEN, other_gateway},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct mh_message pbu;

		lma_bed_reopen(&bed);
		start_multi();
		pass(&bed, 5 * BED_SEC);
		pbu = multi_pbu(&bed, MN1, row[i].bid, LABEL_RED);
		row[i].change(&pbu);
		bed.r.publish_result = -ENOSPC;
		/* the bed compares the dumps */
		cr_expect_eq(feed(&bed, row[i].source, &pbu), MH_STATUS_RESOURCES, "row %zu", i);
		cr_expect_eq(recorder_notes(&bed.r, CORE_NOTE_DATAPATH), 1);
		bed.r.publish_result = 0;
		cr_expect_eq(feed(&bed, row[i].source, &pbu), 0, "row %zu: the key is unused", i);
	}
}

Test(lma_data, refused_creation,
     .description = "AT-06 B-OWN-LMA-5: no session, no prefix taken, no timer, no key")
{
	struct mh_message pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	struct ip_prefix first;

	bed.r.publish_result = -ENOSPC;
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_RESOURCES);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 0);
	cr_expect_eq(lma_next_ns(bed.lma), CORE_NEVER);
	bed.r.publish_result = 0;
	cr_expect_eq(feed(&bed, RED, &pbu), 0);
	first = bed_prefix("2001:db8:100::/64");
	cr_expect(ip_prefix_equal(&last_pba(&bed)->hnp[0], &first), "the very first of the pool");
}

Test(lma_data, refused_expiry,
     .description = "L14 AT-06: what has happened is published again until the data plane takes it")
{
	uint32_t id;

	start_multi();
	pass(&bed, 200 * BED_SEC);
	join(&bed, BLUE, MN1, 2, LABEL_BLUE);
	bed.r.publish_result = -ENOSPC;
	pass(&bed, 100 * BED_SEC);
	cr_expect_str_eq(binding_state(&bed, MN1, 1), "gone");
	pass(&bed, 3 * BED_SEC);
	bed.r.publish_result = 0;
	pass(&bed, 1 * BED_SEC);
	cr_expect_str_eq(tx_of(&bed, MN1), "2");
	/* and the end of the session: it keeps its prefix until the data plane lets go */
	lma_bed_sessions(&bed, MN1, &id);
	bed.r.publish_result = -ENOSPC;
	pass(&bed, 250 * BED_SEC);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 1);
	bed.r.publish_result = 0;
	pass(&bed, BED_SEC);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 0);
	cr_expect_eq(recorder_view(&bed.r, id)->view.state, SESSION_NONE);
}

Test(lma_data, refused_path_state, .description = "L15: a dead path is dead, told again later")
{
	start_multi();
	bed.r.publish_result = -ENOSPC;
	bed.r.refuse_n = 1;
	path(&bed, RED, false);
	cr_expect_str_eq(binding_state(&bed, MN1, 1), "suspect");
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2", "not taken yet");
	pass(&bed, BED_SEC);
	cr_expect_str_eq(tx_of(&bed, MN1), "2");
}

/* ---- drains ------------------------------------------------------------------------ */

Test(lma_data, no_drain, .description = "AT-04: drain 0: out at once, known all the same")
{
	struct mh_message pbu;

	bed.config.drain_ms = 0;
	lma_bed_reopen(&bed);
	start_multi();
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu.lifetime = 0;
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect_eq(view_of(&bed, MN1)->n, 2);
	cr_expect_eq(bed_count_drain(view_of(&bed, MN1)), 0);
	cr_expect_eq(bed_count_idle(view_of(&bed, MN1)), 1);
}

Test(lma_data, drain_of_two_moves, .description = "L7 AT-08: each tunnel left drains its own time")
{
	start_multi();
	pass(&bed, 5 * BED_SEC);
	join(&bed, GREEN, MN1, 1, LABEL_RED);
	pass(&bed, 1500 * BED_MS);
	join(&bed, "2001:db8:e::1", MN1, 1, LABEL_RED);
	cr_expect_eq(bed_count_drain(view_of(&bed, MN1)), 2);
	pass(&bed, 500 * BED_MS);
	cr_expect_eq(bed_count_drain(view_of(&bed, MN1)), 1);
	pass(&bed, 1500 * BED_MS);
	cr_expect_eq(bed_count_drain(view_of(&bed, MN1)), 0);
}

Test(lma_data, shared_tunnel,
     .description = "L15: a tunnel of many sessions is the end of each, in one event")
{
	char mn[32];

	for (int i = 0; i < 50; i++) {
		snprintf(mn, sizeof(mn), "n%05d@example.org", i);
		join(&bed, RED, mn, 1, LABEL_RED);
		join(&bed, BLUE, mn, 2, LABEL_BLUE);
	}
	path(&bed, RED, false);
	for (int i = 0; i < 50; i++) {
		struct mh_message pbu;

		snprintf(mn, sizeof(mn), "n%05d@example.org", i);
		cr_assert_str_eq(tx_of(&bed, mn), "2");
		if (i % 3 != 0)
			continue;
		pbu = multi_pbu(&bed, mn, 1, LABEL_RED);
		pbu.lifetime = 0;
		cr_assert_eq(feed(&bed, RED, &pbu), 0);
	}
	path(&bed, RED, true);
	for (int i = 0; i < 50; i++) {
		snprintf(mn, sizeof(mn), "n%05d@example.org", i);
		cr_assert_str_eq(tx_of(&bed, mn), i % 3 == 0 ? "2" : "1 2");
	}
}

/* ---- records ----------------------------------------------------------------------- */

static struct lma_record record;
static struct lma_record again;

static void export_of(const char *mn, struct lma_record *ret_record)
{
	struct core_time now = bed_now(&bed);
	uint32_t id;

	cr_assert_eq(lma_bed_sessions(&bed, mn, &id), 1);
	cr_assert_eq(lma_export(bed.lma, &now, id, ret_record), 0);
}

Test(lma_data, round_trip, .description = "L18 AT-07: export, import, export: the same")
{
	struct mh_message pbu;
	struct core_time now;

	start_multi();
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu.mmb.overwrite = true;
	pbu.has |= MH_HAS(LINK_LOCAL);
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	join(&bed, BLUE, MN1, 2, LABEL_BLUE);
	pass(&bed, 100 * BED_SEC);
	export_of(MN1, &record);
	cr_expect_eq(record.n, 2);
	lma_bed_reopen(&bed);
	now = bed_now(&bed);
	cr_assert_eq(lma_import(bed.lma, &now, &record), 0);
	export_of(MN1, &again);
	cr_expect_arr_eq(&again, &record, sizeof(record));
	cr_expect_eq(lma_import(bed.lma, &now, &record), -EEXIST);
	/* the order keys are alive: a replay from before the restart is refused */
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_TIMESTAMP_OLD);
	pass(&bed, 200 * BED_SEC);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 0, "lifetimes went on");
}

Test(lma_data, import_on_another_clock,
     .description = "L18: lifetimes are wall clock; what expired meanwhile is left out")
{
	struct mh_message pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	struct core_time now;

	pbu.lifetime = 10;
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	join(&bed, BLUE, MN1, 2, LABEL_BLUE);
	export_of(MN1, &record);
	lma_bed_reopen(&bed);
	now.stamp = bed_stamp(bed.now + 60 * BED_SEC);
	now.mono_ns = 5 * BED_SEC; /* booted */
	cr_assert_eq(lma_import(bed.lma, &now, &record), 0);
	cr_expect_str_eq(tx_of(&bed, MN1), "2");
	cr_expect_eq(binding_expires(&bed, MN1, 2), 245 * BED_SEC);
	lma_bed_reopen(&bed);
	now.stamp = bed_stamp(bed.now + 300 * BED_SEC);
	cr_expect_eq(lma_import(bed.lma, &now, &record), -ESTALE);
}

Test(lma_data, import_refused, .description = "lma_import: each errno, and nothing is left behind")
{
	struct core_time now = bed_now(&bed);
	static struct lma_record broken;

	start_multi();
	export_of(MN1, &record);
	lma_bed_reopen(&bed);
	broken = record;
	broken.prefix[0] = bed_prefix("2001:db8:dead::/64");
	cr_expect_eq(lma_import(bed.lma, &now, &broken), -ERANGE);
	broken = record;
	broken.binding[1].bid = 1;
	cr_expect_eq(lma_import(bed.lma, &now, &broken), -EINVAL);
	broken = record;
	broken.n = 255;
	cr_expect_eq(lma_import(bed.lma, &now, &broken), -EINVAL);
	broken = record;
	broken.n_prefix = MH_MAX_HNP + 1;
	cr_expect_eq(lma_import(bed.lma, &now, &broken), -EINVAL);
	broken = record;
	broken.multi = 0;
	cr_expect_eq(lma_import(bed.lma, &now, &broken), -EINVAL);
	bed.r.publish_result = -ENOSPC;
	cr_expect_eq(lma_import(bed.lma, &now, &record), -ENOSPC);
	cr_expect_eq(lma_bed_sessions(&bed, MN1, NULL), 0);
	bed.r.publish_result = 0;
	cr_expect_eq(lma_import(bed.lma, &now, &record), 0);
	cr_expect_eq(lma_export(bed.lma, &now, 4711, &broken), -ENOENT);
}

/* ---- configuration, names, size ---------------------------------------------------- */

Test(lma_data, reconfigured,
     .description = "lma_reconfigure: sessions stay, what comes next follows the new one")
{
	struct mh_message pbu;
	struct ip_prefix first;

	start_multi();
	first = prefix_of(&bed, MN1);
	bed.pool.range = bed_prefix("2001:db8:200::/48");
	bed.config.max_bindings = 2;
	cr_assert_eq(lma_reconfigure(bed.lma, &bed.config), 0);
	cr_expect_str_eq(tx_of(&bed, MN1), "1 2");
	pbu = multi_pbu(&bed, MN2, 1, LABEL_RED);
	cr_assert_eq(feed(&bed, RED, &pbu), 0);
	cr_expect(ip_prefix_contains(&bed.pool.range, &last_pba(&bed)->hnp[0].addr));
	pbu = multi_pbu(&bed, MN1, 3, LABEL_RED);
	cr_expect_eq(feed(&bed, GREEN, &pbu), MH_STATUS_RESOURCES);
	/* a prefix of no pool any more is kept by who has it */
	join(&bed, RED, MN1, 1, LABEL_RED);
	cr_expect(ip_prefix_equal(&first, &last_pba(&bed)->hnp[0]));
	pass(&bed, 400 * BED_SEC);
	pbu = multi_pbu(&bed, MN1, 1, LABEL_RED);
	pbu.hnp[0] = first;
	cr_expect_eq(feed(&bed, RED, &pbu), MH_STATUS_HNP_NOT_AUTHORIZED);
	bed.config.max_bindings = 0;
	cr_expect_eq(lma_reconfigure(bed.lma, &bed.config), -EINVAL);
}

Test(lma_data, names, .description = "notes and counters have names, all different")
{
	for (int i = 0; i < CORE_NOTE_COUNT; i++)
		for (int k = 0; k < i; k++)
			cr_expect_str_neq(core_note_text((enum core_note_kind)i),
					  core_note_text((enum core_note_kind)k));
	for (int i = 0; i < CORE_COUNTER_COUNT; i++)
		for (int k = 0; k < i; k++)
			cr_expect_str_neq(core_counter_text((enum core_counter)i),
					  core_counter_text((enum core_counter)k));
}

#if defined(__SANITIZE_ADDRESS__)
#define SIZES_ARE_REAL false
#else
#define SIZES_ARE_REAL true
#endif

Test(lma_data, size_of_a_session,
     .description = "B-OWN-LMA-5: less than 1 KiB for a session with two bindings, each by its own "
		    "tunnels",
     .disabled = !SIZES_ARE_REAL)
{
	enum { SESSIONS = 4096 };
	struct mallinfo2 before;
	struct mallinfo2 after;
	size_t each;

	bed.config.max_sessions = SESSIONS;
	lma_bed_reopen(&bed);
	bed.unchecked = true;
	bed.r.forget = true;
	before = mallinfo2();
	for (unsigned int i = 0; i < SESSIONS; i++) {
		char mn[32];
		char source[IP_TEXT_MAX];
		struct mh_message pbu;

		snprintf(mn, sizeof(mn), "%06u@example.org", i);
		for (uint8_t bid = 1; bid <= 2; bid++) {
			pbu = multi_pbu(&bed, mn, bid, LABEL_RED);
			snprintf(source, sizeof(source), "2001:db8:%x::%x", 10U + bid, i + 1);
			feed(&bed, source, &pbu);
		}
		pass(&bed, BED_MS);
	}
	after = mallinfo2();
	each = (after.uordblks - before.uordblks) / SESSIONS;
	cr_expect_eq(counter(&bed, CORE_COUNTER_ACCEPTED), UINT64_C(2) * SESSIONS);
	cr_expect_lt(each, 1024, "%zu octets a session", each);
}
