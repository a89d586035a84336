/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The gateway's way into a session: the first PBU, finding out what the anchor can do, the other
 * paths, and what is left when the anchor cannot or will not do multipath. Virtual time, scripted
 * anchor (tests/support/flma.h).
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

static void start(void)
{
	cr_assert_eq(mag_new(&config, &f.r.port, &f.mag), 0);
}

static void start_with_links(size_t n)
{
	start();
	for (size_t i = 0; i < n; i++)
		flma_link_up(&f, i);
}

static const struct mh_message *sent(size_t k)
{
	cr_assert_lt(k, f.r.n_sent);
	return &f.r.sent[k].msg;
}

static int keep_info(void *ctx, const struct mag_session_info *s)
{
	*(struct mag_session_info *)ctx = *s;
	return 1;
}

static const char *mode(void)
{
	struct mag_session_info info = {0};

	mag_each(f.mag, keep_info, &info);
	return info.mode;
}

TestSuite(mag_discover, .init = setup, .fini = teardown);

Test(mag_discover, nothing_without_a_link, .description = "MP-CF-02: no address, no PBU")
{
	start();
	flma_run_ms(&f, 60000);
	cr_expect_eq(f.r.n_sent, 0);
	cr_expect_eq(f.r.n_view, 0);
}

Test(mag_discover, first_pbu,
     .description = "M29 MP-CF-03 MP-MMB-28 MP-SIG-24 B-5213-6.9.1.5-a -c 6.9.1.1-c: first PBU")
{
	const struct mh_message *m;

	start_with_links(1);
	cr_assert_eq(f.r.n_sent, 1);
	m = sent(0);
	cr_expect_eq(m->type, MH_BU);
	cr_expect_eq(m->flags, MH_BU_A | MH_BU_P);
	cr_expect_eq(m->lifetime, 75);
	cr_expect_eq(m->has, MH_HAS(MN_ID) | MH_HAS(HNP) | MH_HAS(HI) | MH_HAS(ATT) | MH_HAS(LLID) |
				     MH_HAS(TIMESTAMP) | MH_HAS(MMB) | MH_HAS(MAG_ID));
	cr_expect_eq(m->n_hnp, 1);
	cr_expect_eq(m->hnp[0].len, 0);
	cr_expect(ip_is_zero(&m->hnp[0].addr));
	cr_expect_eq(m->hi, MH_HI_NEW_INTERFACE);
	cr_expect_eq(m->att, 1);
	cr_expect_eq(m->llid.len, 8, "derived from the MN-ID");
	cr_expect(m->mmb.overwrite);
	cr_expect_not(m->mmb.bulk);
	cr_expect_eq(m->mmb.bid, 1);
	cr_expect_eq(m->mmb.label, 10);
	cr_expect_eq(m->mmb.att, 4);
	cr_expect_eq(m->timestamp, flma_time(&f).stamp);
	cr_expect(flma_is_address(&f.r.sent[0].peer.local, 0));
	cr_expect(ip_equal(&f.r.sent[0].peer.remote, &config.lma));
	cr_expect_eq(f.r.sent[0].peer.ifindex, 1);
	cr_expect_eq(f.r.n_view, 0, "M29: what is pinned stays until the first PBA");
}

Test(mag_discover, llid_is_stable,
     .description = "base section 28 row 39: the same after a restart")
{
	struct mh_llid first;

	start_with_links(1);
	first = sent(0)->llid;
	mag_free(f.mag);
	recorder_clear(&f.r);
	f.seen = 0;
	start_with_links(1);
	cr_expect_eq(memcmp(&first, &sent(0)->llid, sizeof(first)), 0);
}

Test(mag_discover, static_prefixes, .description = "B-5213-6.9.1.1-c: one HNP for each prefix")
{
	node.n_prefix = 2;
	node.prefix[0] = bed_prefix("2001:db8:100::/64");
	node.prefix[1] = bed_prefix("2001:db8:101::/64");
	start_with_links(1);
	cr_expect_eq(sent(0)->n_hnp, 2);
	flma_run_ms(&f, 100);
	cr_expect_eq(recorder_view(&f.r, 1)->view.n_prefix, 2);
	cr_expect_eq(f.r.n_view, 1);
}

Test(mag_discover, one_path_first,
     .description = "MP-SIG-04 M1 M2 MP-CF-08: no PBU on blue before red's PBA, then with the HNP")
{
	const struct mh_message *m;

	f.rtt_ns = 900 * BED_MS;
	start_with_links(2);
	flma_run_ms(&f, 899);
	cr_expect_eq(f.r.n_sent, 1);
	flma_run_ms(&f, 1);
	cr_assert_eq(f.r.n_sent, 2);
	m = sent(1);
	cr_expect_eq(m->mmb.bid, 2);
	cr_expect_eq(m->hi, MH_HI_UNCHANGED);
	cr_expect_not(m->mmb.overwrite);
	cr_expect_eq(m->n_hnp, 1);
	cr_expect(ip_prefix_equal(&m->hnp[0], &f.prefix));
	cr_expect_eq(f.r.sent[1].peer.ifindex, 2);
	cr_expect(flma_is_address(&f.r.sent[1].peer.local, 1));
	cr_expect_eq(m->att, sent(0)->att, "MP-MMB-07: option 24 is constant");
	flma_run_ms(&f, 900);
	cr_expect_eq(flma_bound(&f), 2);
	cr_expect_str_eq(mode(), "multi");
}

Test(mag_discover, any_order_of_links,
     .description = "MP-CF-01: blue before red, same two bindings")
{
	start();
	flma_link_up(&f, 1);
	flma_run_ms(&f, 500);
	flma_link_up(&f, 0);
	flma_run_ms(&f, 500);
	cr_expect(f.binding[1].bound && f.binding[2].bound);
	cr_expect(flma_is_address(&f.binding[1].coa, 0));
	cr_expect(flma_is_address(&f.binding[2].coa, 1));
	cr_expect_eq(flma_bound(&f), 2);
}

Test(mag_discover, waits_for_the_better_path, .description = "MP-CF-13: red 2 s late is waited for")
{
	path[1].priority = 5;
	start();
	flma_link_up(&f, 1);
	flma_run_ms(&f, 2000);
	cr_expect_eq(f.r.n_sent, 0);
	flma_link_up(&f, 0);
	cr_assert_eq(f.r.n_sent, 1);
	cr_expect_eq(sent(0)->mmb.bid, 1);
}

Test(mag_discover, waits_no_longer_than_said, .description = "MP-CF-13: red 5 s late is not")
{
	path[1].priority = 5;
	start();
	flma_link_up(&f, 1);
	flma_run_ms(&f, 2999);
	cr_expect_eq(f.r.n_sent, 0);
	flma_run_ms(&f, 1);
	cr_assert_eq(f.r.n_sent, 1);
	cr_expect_eq(sent(0)->mmb.bid, 2);
}

Test(mag_discover, capability_known, .description = "MP-SIG-05: all paths at once, one O=1")
{
	config.capability_known = true;
	start();
	for (size_t i = 0; i < 2; i++)
		flma_link_up(&f, i);
	cr_assert_eq(f.r.n_sent, 2);
	cr_expect(sent(0)->mmb.overwrite);
	cr_expect_not(sent(1)->mmb.overwrite);
	cr_expect_eq(sent(0)->hi, MH_HI_NEW_INTERFACE);
	cr_expect_eq(sent(1)->hi, MH_HI_UNCHANGED);
	flma_run_ms(&f, 100);
	cr_expect_eq(flma_bound(&f), 2);
}

Test(mag_discover, repeated_overwrite_hits_no_sibling,
     .description = "MP-SIG-05 MP-MMB-28: the first PBU is lost, its repetition has no O any more")
{
	config.capability_known = true;
	f.cut[1] = true;
	start_with_links(2);
	flma_run_ms(&f, 500);
	f.cut[1] = false;
	flma_run_ms(&f, 1000);
	cr_assert_eq(f.r.n_sent, 3);
	cr_expect_not(sent(2)->mmb.overwrite);
	cr_expect_eq(flma_bound(&f), 2);
}

Test(mag_discover, back_off, .description = "M12 MP-SIG-29 B-5213-6.9.4-a -c B-6275-11.8-a -b")
{
	static const uint64_t at_s[] = {0, 1, 3, 7, 15, 31, 63, 95, 127};
	uint64_t begin;

	f.mute = true;
	begin = f.now_ns;
	start_with_links(1);
	for (size_t k = 0; k < sizeof(at_s) / sizeof(at_s[0]); k++) {
		flma_run_ms(&f, (begin + at_s[k] * BED_SEC - f.now_ns) / BED_MS);
		cr_expect_eq(f.r.n_sent, k + 1);
		cr_expect_eq(sent(k)->timestamp, flma_time(&f).stamp, "never a stored message");
		cr_expect_eq(sent(k)->sequence, (uint16_t)(sent(0)->sequence + k));
		if (at_s[k] < 127) {
			flma_run_ms(&f, 999);
			cr_expect_eq(f.r.n_sent, k + 1);
		}
	}
	f.mute = false;
	flma_run_ms(&f, 33000);
	cr_expect_eq(flma_bound(&f), 1);
}

Test(mag_discover, moves_to_the_next_path,
     .description = "MP-SIG-07 M12: red is silent, blue after three PBUs, never two outstanding")
{
	f.cut[1] = true;
	start_with_links(2);
	flma_run_ms(&f, 6999);
	cr_expect_eq(f.r.n_sent, 3);
	for (size_t k = 0; k < 3; k++)
		cr_expect_eq(sent(k)->mmb.bid, 1);
	flma_run_ms(&f, 1);
	cr_expect_eq(sent(3)->mmb.bid, 2);
	cr_expect(sent(3)->mmb.overwrite);
	cr_expect_eq(sent(3)->hi, MH_HI_NEW_INTERFACE);
	flma_run_ms(&f, 100);
	cr_expect_eq(f.binding[2].bound, true);
	/* and red goes on by itself, at most path_retry_ms apart */
	f.cut[1] = false;
	flma_run_ms(&f, 5000);
	cr_expect_eq(flma_bound(&f), 2);
}

Test(mag_discover, both_silent_for_long,
     .description = "B-6275-11.8-b MP-SIG-07: each path is tried at least every 32 s")
{
	f.cut[1] = f.cut[2] = true;
	start_with_links(2);
	flma_run_ms(&f, 600000);
	recorder_clear(&f.r);
	f.seen = 0;
	flma_run_ms(&f, 64000);
	cr_expect_geq(f.r.n_sent, 4);
	cr_expect_leq(f.r.n_sent, 6);
	f.cut[2] = false;
	flma_run_ms(&f, 33000);
	cr_expect(f.binding[2].bound);
}

Test(mag_discover, prefix_survives_the_first_path,
     .description = "MP-CF-12: red dies between its PBA and blue's PBU")
{
	start();
	flma_link_up(&f, 0);
	flma_run_ms(&f, 100);
	flma_link_down(&f, 0);
	flma_link_up(&f, 1);
	cr_expect(ip_prefix_equal(&recorder_last(&f.r)->msg.hnp[0], &f.prefix));
	flma_run_ms(&f, 100);
	cr_expect(f.binding[2].bound);
	cr_expect_eq(bed_count_tx(&recorder_view(&f.r, 1)->view), 1);
}

Test(mag_discover, legacy_anchor,
     .description =
	     "M3 M5 MP-SIG-13 MP-SIG-14: one binding, standby paths, no option 63 or 64 again")
{
	f.kind = FLMA_LEGACY;
	start_with_links(2);
	flma_run_ms(&f, 100);
	cr_expect_str_eq(mode(), "legacy");
	cr_expect_eq(recorder_notes(&f.r, CORE_NOTE_LEGACY), 1, "ATK-15: the downgrade is noted");
	cr_expect_eq(f.r.n_sent, 1);
	flma_run_ms(&f, 10800000);
	cr_expect_gt(f.r.n_sent, 60);
	for (size_t k = 1; k < f.r.n_sent; k++) {
		cr_assert_eq(sent(k)->has & (MH_HAS(MMB) | MH_HAS(MAG_ID)), 0);
		cr_assert_eq(f.r.sent[k].peer.ifindex, 1);
		cr_assert_eq(sent(k)->hi, MH_HI_UNCHANGED);
	}
	cr_expect_eq(flma_bound(&f), 1);
	cr_expect_eq(bed_count_tx(&recorder_view(&f.r, 1)->view), 1);
	cr_expect_eq(recorder_view(&f.r, 1)->view.n, 2, "the standby path is known");
}

Test(mag_discover, legacy_handoff,
     .description = "MP-SIG-15: red is lost, one ordinary PBU by blue with HI 3")
{
	f.kind = FLMA_LEGACY;
	start_with_links(2);
	flma_run_ms(&f, 1000);
	f.cut[1] = true;
	flma_alive(&f, 0, false);
	cr_assert_eq(f.r.n_sent, 2);
	cr_expect_eq(sent(1)->hi, MH_HI_BETWEEN_MAGS);
	cr_expect_eq(sent(1)->lifetime, 75);
	cr_expect_eq(f.r.sent[1].peer.ifindex, 2);
	flma_run_ms(&f, 10000);
	cr_expect_eq(f.r.n_sent, 2, "no deregistration of what was replaced");
	cr_expect_eq(bed_binding(&recorder_view(&f.r, 1)->view, 2)->use, BINDING_TX | BINDING_RX);
	cr_expect_eq(bed_binding(&recorder_view(&f.r, 1)->view, 1)->use, 0);
	/* and back, although nobody told that red is alive again */
	f.cut[1] = false;
	f.cut[2] = true;
	flma_alive(&f, 1, false);
	flma_run_ms(&f, 3100);
	cr_expect_eq(recorder_last(&f.r)->peer.ifindex, 1);
	flma_alive(&f, 0, true);
	cr_expect_eq(bed_count_tx(&recorder_view(&f.r, 1)->view), 1);
}

Test(mag_discover, refused_on_the_first_path,
     .description = "M6 MP-STC-03 MP-SIG-17 MP-SIG-18 D25: 180, then at once without multipath")
{
	f.kind = FLMA_REFUSE;
	start_with_links(2);
	flma_run_ms(&f, 20);
	cr_assert_eq(f.r.n_sent, 2);
	cr_expect_eq(sent(1)->has & (MH_HAS(MMB) | MH_HAS(MAG_ID)), 0);
	cr_expect_eq(sent(1)->hi, MH_HI_NEW_INTERFACE);
	cr_expect_eq(f.r.sent[1].peer.ifindex, 1);
	flma_run_ms(&f, 20);
	cr_expect_eq(bed_count_tx(&recorder_view(&f.r, 1)->view), 1);
	flma_run_ms(&f, 3500000);
	for (size_t k = 1; k < f.r.n_sent; k++)
		cr_assert_eq(sent(k)->has & MH_HAS(MMB), 0);
	/* after the hold it asks again, and again is refused */
	flma_run_ms(&f, 200000);
	cr_expect_eq(mag_statuses(f.mag)[180], 2);
	cr_expect_eq(bed_count_tx(&recorder_view(&f.r, 1)->view), 1);
	cr_expect_str_eq(mode(), "legacy");
	/* the next time the anchor has learned it: upgrade in place */
	f.kind = FLMA_MULTI;
	flma_run_ms(&f, 3700000);
	cr_expect_str_eq(mode(), "multi");
	cr_expect_eq(flma_bound(&f), 2);
}

static uint8_t refuse_blue(struct flma *anchor, const struct bed_sent *pbu)
{
	(void)anchor;
	return pbu->msg.has & MH_HAS(MMB) && pbu->msg.mmb.bid == 2 ? MH_STATUS_NO_MULTIPATH : 0;
}

Test(mag_discover, refused_on_a_further_path,
     .description = "M6 MP-SIG-19: red stays, no more paths are added, it is noted")
{
	flma_config(&config, path, 3, &node);
	f.judge = refuse_blue;
	start();
	flma_link_up(&f, 0);
	flma_run_ms(&f, 100);
	flma_link_up(&f, 1);
	flma_run_ms(&f, 100);
	flma_link_up(&f, 2);
	flma_run_ms(&f, 60000);
	cr_expect_eq(f.r.n_sent, 2);
	cr_expect_eq(recorder_notes(&f.r, CORE_NOTE_REFUSED_BY_PEER), 1);
	cr_expect_eq(bed_count_tx(&recorder_view(&f.r, 1)->view), 1);
	cr_expect_str_eq(mode(), "multi");
	flma_run_ms(&f, 3600000);
	cr_expect(f.binding[1].bound);
	cr_expect(f.binding[3].bound, "after the hold the third path is added");
}

Test(mag_discover, never_asked_for, .description = "multipath off: an ordinary gateway")
{
	config.multipath = false;
	start_with_links(2);
	flma_run_ms(&f, 1000);
	cr_expect_eq(f.r.n_sent, 1);
	cr_expect_eq(sent(0)->has & (MH_HAS(MMB) | MH_HAS(MAG_ID)), 0);
	cr_expect_str_eq(mode(), "legacy");
	cr_expect_eq(bed_count_tx(&recorder_view(&f.r, 1)->view), 1);
}

Test(mag_discover, modes_are_per_node, .description = "MP-SIG-20: one node legacy, one multipath")
{
	struct mag_node_config two[2] = {node, node};

	two[1].mn_id = bed_id("mn2@example");
	config.node = two;
	config.n_node = 2;
	f.mute = true;
	start_with_links(2);
	cr_assert_eq(f.r.n_sent, 2, "each node begins on one path");
	for (size_t k = 0; k < 2; k++) {
		struct bed_sent pbu = f.r.sent[k];
		struct mh_message pba;

		memset(f.binding, 0, sizeof(f.binding)); /* it knows one node at a time */
		flma_reply(&f, &pbu, &pba);
		if (k == 1)
			pba.has &= ~MH_HAS(MMB);
		pba.hnp[0].addr.b[5] = (uint8_t)k;
		flma_deliver(&f, &pbu, &pba);
	}
	cr_expect_eq(f.r.n_sent, 3, "only the first node adds its second path");
	cr_expect(mh_id_equal(&sent(2)->mn_id, &two[0].mn_id));
}
