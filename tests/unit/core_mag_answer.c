/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the gateway believes of an answer, and what it does about each refusal. Virtual time,
 * scripted anchor.
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
	cr_assert_eq(mag_new(&config, &f.r.port, &f.mag), 0);
}

static void teardown(void)
{
	flma_free(&f);
}

static const struct mh_message *sent(size_t k)
{
	cr_assert_lt(k, f.r.n_sent);
	return &f.r.sent[k].msg;
}

static uint64_t counter(enum core_counter c)
{
	return mag_counters(f.mag)[c];
}

static unsigned int tx(void)
{
	const struct bed_view *v = recorder_view(&f.r, 1);

	return v ? bed_count_tx(&v->view) : 0;
}

static void both_up(void)
{
	flma_link_up(&f, 0);
	flma_link_up(&f, 1);
	flma_run_ms(&f, 1000);
	cr_assert_eq(tx(), 2);
}

/* Refuses the PBUs with BID `bid_` (0: all) by `status_`, `times_` times. */
static uint8_t status_;
static uint8_t bid_;
static unsigned int times_;

static uint8_t refuse(struct flma *anchor, const struct bed_sent *pbu)
{
	(void)anchor;
	if (times_ == 0 || (bid_ && pbu->msg.mmb.bid != bid_))
		return 0;
	times_--;
	return status_;
}

static void refuse_next(uint8_t bid, uint8_t status, unsigned int times)
{
	bid_ = bid;
	status_ = status;
	times_ = times;
	f.judge = refuse;
}

TestSuite(mag_answer, .init = setup, .fini = teardown);

Test(mag_answer, accepted, .description = "M4 MP-CF-07: session, binding, tunnel, in this order")
{
	const struct binding_view *b;

	flma_link_up(&f, 0);
	cr_expect_eq(f.r.n_view, 0);
	flma_run_ms(&f, 20);
	cr_assert_eq(f.r.n_view, 1);
	b = bed_binding(&f.r.view[0].view, 1);
	cr_assert(b);
	cr_expect_eq(b->use, BINDING_TX | BINDING_RX);
	cr_expect_eq(b->ifindex, 1);
	cr_expect(ip_equal(&b->remote, &config.lma));
	cr_expect(flma_is_address(&b->local, 0));
	cr_expect_eq(b->label, 10);
	cr_expect_eq(recorder_notes(&f.r, CORE_NOTE_SESSION_UP), 1);
	cr_expect_eq(recorder_notes(&f.r, CORE_NOTE_BINDING_ADDED), 1);
	cr_expect_eq(counter(CORE_COUNTER_ACCEPTED), 1);
	cr_expect_eq(mag_statuses(f.mag)[0], 1);
}

/* ---- what is no answer of ours ----------------------------------------------------- */

enum field { SEQUENCE, STAMP, NO_STAMP, MN, MAG_IDENTITY, BID, HI, ATT, LLID };

static void spoil(struct mh_message *m, enum field field)
{
	switch (field) {
	case SEQUENCE:
		m->sequence ^= 0x100;
		break;
	case STAMP:
		m->timestamp++;
		break;
	case NO_STAMP:
		m->has &= ~MH_HAS(TIMESTAMP);
		break;
	case MN:
		m->mn_id.octets[0] ^= 1;
		break;
	case MAG_IDENTITY:
		m->has |= MH_HAS(MAG_ID);
		m->mag_id = bed_id("mag2@example");
		break;
	case BID:
		m->mmb.bid++;
		break;
	case HI:
		m->hi = 3;
		break;
	case ATT:
		m->att = 9;
		break;
	case LLID:
		m->llid.octets[0] ^= 1;
		break;
	}
}

Test(mag_answer, wrong_fields_are_ignored,
     .description =
	     "M31 ATK-14 MP-SIG-10 MP-SIG-12 B-OWN-MAG-1 B-5213-6.9.1.2-e -f: nothing changes, "
	     "the repetition goes on")
{
	struct mh_message good;
	uint64_t mismatch = 0;

	f.mute = true;
	flma_link_up(&f, 0);
	flma_reply(&f, &f.r.sent[0], &good);
	for (int field = SEQUENCE; field <= LLID; field++) {
		struct mh_message bad = good;

		spoil(&bad, (enum field)field);
		flma_deliver(&f, &f.r.sent[0], &bad);
		bad.status = MH_STATUS_NO_MULTIPATH;
		if (field != NO_STAMP)
			flma_deliver(&f, &f.r.sent[0], &bad);
		mismatch += field == SEQUENCE ? 0 : field == NO_STAMP ? 1 : 2;
		cr_expect_eq(counter(CORE_COUNTER_MISMATCH), mismatch, "field %d", field);
		cr_expect_eq(counter(CORE_COUNTER_UNEXPECTED), 2);
	}
	cr_expect_eq(f.r.n_view, 0);
	cr_expect_eq(f.r.n_sent, 1);
	flma_run_ms(&f, 1000);
	cr_expect_eq(f.r.n_sent, 2);
	flma_deliver(&f, &f.r.sent[0], &good);
	cr_expect_eq(tx(), 1, "B-OWN-RTX-1: an answer to an earlier transmission counts");
	flma_deliver(&f, &f.r.sent[0], &good);
	cr_expect_eq(counter(CORE_COUNTER_UNEXPECTED), 3, "M31: and only once");
	cr_expect_eq(f.r.n_view, 1);
}

Test(mag_answer, wrong_messages_are_counted, .description = "every message ends in one counter")
{
	struct mh_message good;
	struct mh_message m;
	struct bed_sent pbu;
	uint64_t sum = 0;

	f.mute = true;
	flma_link_up(&f, 0);
	pbu = f.r.sent[0];
	flma_reply(&f, &pbu, &good);
	m = good;
	m.type = MH_BU;
	flma_deliver(&f, &pbu, &m);
	cr_expect_eq(counter(CORE_COUNTER_WRONG_ROLE), 1);
	m.type = MH_BE;
	flma_deliver(&f, &pbu, &m);
	m.type = MH_BRR;
	flma_deliver(&f, &pbu, &m);
	cr_expect_eq(counter(CORE_COUNTER_OTHER), 2);
	m = good;
	m.dup = MH_HAS(MMB);
	flma_deliver(&f, &pbu, &m);
	m.dup = 0;
	m.bad = MH_HAS(HNP);
	flma_deliver(&f, &pbu, &m);
	cr_expect_eq(counter(CORE_COUNTER_MALFORMED), 2);
	pbu.peer.remote = bed_addr("2001:db8:f::2");
	flma_deliver(&f, &pbu, &good);
	cr_expect_eq(counter(CORE_COUNTER_FOREIGN), 1, "B-5213-6.9.1.2-e: another address");
	for (int c = 0; c < CORE_COUNTER_COUNT; c++)
		sum += mag_counters(f.mag)[c];
	cr_expect_eq(sum, 6);
	cr_expect_eq(f.r.n_view, 0);
}

static bool without_echoes(struct flma *anchor, const struct bed_sent *pbu, struct mh_message *pba)
{
	(void)anchor;
	(void)pbu;
	pba->has &= ~(MH_HAS(HI) | MH_HAS(ATT) | MH_HAS(LLID) | MH_HAS(MN_ID));
	pba->has |= MH_HAS(MAG_ID);
	pba->mag_id = config.mag_id;
	return true;
}

Test(mag_answer, absent_echoes_are_tolerated,
     .description = "B-OWN-MAG-3 MP-SIG-09 MP-SIG-10: without echoes, with our MAG-ID")
{
	f.edit = without_echoes;
	both_up();
}

static bool other_mmb(struct flma *anchor, const struct bed_sent *pbu, struct mh_message *pba)
{
	(void)anchor;
	(void)pbu;
	pba->mmb.label++;
	pba->mmb.att++;
	pba->mmb.overwrite = !pba->mmb.overwrite;
	return true;
}

Test(mag_answer, other_label_in_the_answer, .description = "EC-29: accepted, noted; ours counts")
{
	f.edit = other_mmb;
	both_up();
	cr_expect_eq(bed_binding(&recorder_view(&f.r, 1)->view, 2)->label, 11);
	cr_expect_eq(recorder_notes(&f.r, CORE_NOTE_IGNORED), 2);
}

static bool always_mmb(struct flma *anchor, const struct bed_sent *pbu, struct mh_message *pba)
{
	(void)anchor;
	(void)pbu;
	pba->has |= MH_HAS(MMB);
	pba->mmb = (struct mh_mmb){.att = 4, .label = 10, .bid = 77};
	return true;
}

Test(mag_answer, mmb_that_was_not_asked_for, .description = "EC-28: ignored")
{
	mag_free(f.mag);
	config.multipath = false;
	cr_assert_eq(mag_new(&config, &f.r.port, &f.mag), 0);
	f.edit = always_mmb;
	flma_link_up(&f, 0);
	flma_link_up(&f, 1);
	flma_run_ms(&f, 10000);
	cr_expect_eq(tx(), 1);
	cr_expect_eq(f.r.n_sent, 1);
}

Test(mag_answer, arrives_by_another_path, .description = "EC-30: accepted")
{
	struct bed_sent other;
	struct mh_message pba;

	f.mute = true;
	flma_link_up(&f, 0);
	flma_reply(&f, &f.r.sent[0], &pba);
	other = f.r.sent[0];
	other.peer.local = bed_addr("2001:db8:a:2::1");
	other.peer.ifindex = 2;
	flma_deliver(&f, &other, &pba);
	cr_expect_eq(tx(), 1);
	cr_expect_eq(bed_binding(&recorder_view(&f.r, 1)->view, 1)->ifindex, 1);
}

static int keep_expiry(void *ctx, const struct mag_session_info *s)
{
	*(uint64_t *)ctx = s->binding[0].expires_ns;
	return 0;
}

Test(mag_answer, lifetime_counts_from_the_sending,
     .description =
	     "EC-31 B-6275-11.7.3-c B-OWN-MAG-6: granted is clamped and counted from the PBU")
{
	uint64_t begin = f.now_ns;
	uint64_t expires = 0;

	f.grant = 100; /* 400 s for 300 s asked */
	f.rtt_ns = 900 * BED_MS;
	flma_link_up(&f, 0);
	flma_run_ms(&f, 900);
	mag_each(f.mag, keep_expiry, &expires);
	cr_expect_eq(expires, begin + 300 * BED_SEC);
}

Test(mag_answer, arrives_after_its_lifetime, .description = "B-6275-11.7.3-c: 2 units, 9 s late")
{
	struct mh_message pba;

	f.mute = true;
	f.grant = 2;
	flma_link_up(&f, 0);
	flma_reply(&f, &f.r.sent[0], &pba);
	flma_run_ms(&f, 9000);
	flma_deliver(&f, &f.r.sent[0], &pba);
	cr_expect_eq(f.r.n_view, 0);
	cr_expect_eq(counter(CORE_COUNTER_UNEXPECTED), 1);
}

static bool nothing_granted(struct flma *anchor, const struct bed_sent *pbu, struct mh_message *pba)
{
	(void)anchor;
	(void)pbu;
	pba->lifetime = 0;
	return true;
}

static bool no_proxy_flag(struct flma *anchor, const struct bed_sent *pbu, struct mh_message *pba)
{
	(void)anchor;
	(void)pbu;
	pba->flags = 0;
	return true;
}

Test(mag_answer, lifetime_of_nothing_is_a_refusal, .description = "EC-31 B-OWN-MAG-6")
{
	f.edit = nothing_granted;
	flma_link_up(&f, 0);
	flma_run_ms(&f, 5000);
	cr_expect_eq(tx(), 0);
	cr_expect_eq(counter(CORE_COUNTER_REJECTED), 1);
	cr_expect_eq(f.r.n_sent, 1, "held for reject_hold_ms");
}

Test(mag_answer, no_proxy_answer_is_a_refusal, .description = "B-OWN-MAG-2: P=0")
{
	f.edit = no_proxy_flag;
	flma_link_up(&f, 0);
	flma_run_ms(&f, 5000);
	cr_expect_eq(tx(), 0);
	cr_expect_eq(recorder_notes(&f.r, CORE_NOTE_REFUSED_BY_PEER), 1);
}

static bool foreign_prefix(struct flma *anchor, const struct bed_sent *pbu, struct mh_message *pba)
{
	(void)anchor;
	if (pbu->msg.mmb.bid == 2 && pbu->msg.lifetime)
		pba->hnp[0] = bed_prefix("2001:db8:bad::/64");
	return true;
}

Test(mag_answer, foreign_prefix_on_a_further_path,
     .description = "M7: not used, deregistered, noted, red unaffected, no packet with that prefix")
{
	f.edit = foreign_prefix;
	flma_link_up(&f, 0);
	flma_link_up(&f, 1);
	flma_run_ms(&f, 1000);
	cr_assert_eq(f.r.n_sent, 3);
	cr_expect_eq(sent(2)->lifetime, 0);
	cr_expect_eq(sent(2)->mmb.bid, 2);
	cr_expect(ip_prefix_equal(&sent(2)->hnp[0], &f.prefix));
	cr_expect_eq(flma_bound(&f), 1);
	cr_expect_eq(tx(), 1);
	cr_expect_eq(counter(CORE_COUNTER_MISMATCH), 1);
	for (size_t k = 0; k < f.r.n_view; k++)
		cr_assert(ip_prefix_equal(&f.r.view[k].view.prefix[0], &f.prefix));
	flma_run_ms(&f, 20000);
	cr_expect_eq(f.r.n_sent, 3, "held");
}

static bool link_local_prefix(struct flma *anchor, const struct bed_sent *pbu,
			      struct mh_message *pba)
{
	(void)anchor;
	(void)pbu;
	pba->hnp[0] = bed_prefix("fe80::/64");
	return true;
}

Test(mag_answer, unusable_prefix, .description = "B-OWN-MAG-7: no service, deregistered")
{
	f.edit = link_local_prefix;
	flma_link_up(&f, 0);
	flma_run_ms(&f, 1000);
	cr_expect_eq(sent(1)->lifetime, 0);
	cr_expect_not(sent(1)->mmb.overwrite, "MP-MMB-29");
	cr_expect_eq(f.r.n_view, 0);
}

/* ---- refusals ---------------------------------------------------------------------- */

Test(mag_answer, old_timestamp_once,
     .description = "M8 B-5213-6.9.1.2-a: 157, at once with a newer key")
{
	refuse_next(1, MH_STATUS_TIMESTAMP_OLD, 1);
	flma_link_up(&f, 0);
	flma_run_ms(&f, 40);
	cr_assert_eq(f.r.n_sent, 2);
	cr_expect_gt(sent(1)->timestamp, sent(0)->timestamp);
	cr_expect_eq(tx(), 1);
}

Test(mag_answer, old_timestamp_for_ever,
     .description = "M8 B-5213-6.9.1.2-a: three fast repetitions, then the back-off; no storm")
{
	refuse_next(1, MH_STATUS_TIMESTAMP_OLD, 1000);
	flma_link_up(&f, 0);
	flma_run_ms(&f, 60000);
	cr_expect_leq(f.r.n_sent, 8);
}

Test(mag_answer, anchor_orders_per_node,
     .description =
	     "M8 MP-SIG-26 MP-SIG-27: reordered on the way, all paths end registered, no storm")
{
	enum { N = 20 };

	mag_free(f.mag);
	flma_config(&config, path, N, &node);
	config.capability_known = true;
	cr_assert_eq(mag_new(&config, &f.r.port, &f.mag), 0);
	f.mute = true;
	for (size_t i = 0; i < N; i++)
		flma_link_up(&f, i);
	cr_assert_eq(f.r.n_sent, N);
	/* The newest arrives first: all others are older than what the anchor knows then. */
	f.mute = false;
	f.strict = true;
	for (size_t k = N; k-- > 0;) {
		struct bed_sent pbu = f.r.sent[k];
		struct mh_message pba;

		flma_reply(&f, &pbu, &pba);
		flma_deliver(&f, &pbu, &pba);
	}
	cr_expect_eq(f.r.n_sent, N + 1, "one by one from now on");
	f.seen = N;
	flma_run_ms(&f, 10000);
	cr_expect_eq(flma_bound(&f), N);
	cr_expect_eq(tx(), N);
	cr_expect_leq(f.r.n_sent, (size_t)3 * N);
}

Test(mag_answer, sequence_scheme,
     .description = "M8 B-6275-11.7.3-b: 135 with 500, the next PBU carries 501")
{
	f.sequence_only = true;
	f.mute = true;
	flma_link_up(&f, 0);
	f.mute = false;
	f.last_sequence = (uint16_t)(sent(0)->sequence + 500);
	f.seen = 0;
	flma_run_ms(&f, 40);
	cr_assert_eq(f.r.n_sent, 2);
	cr_expect_eq(sent(1)->sequence, (uint16_t)(sent(0)->sequence + 501));
	cr_expect_eq(tx(), 1);
}

Test(mag_answer, own_clock_stepped_back,
     .description = "EC-56 B-OWN-ORD-0: recovers within 2 PBUs on each path, in its own old time")
{
	f.window = 65536 * 3 / 10;
	both_up();
	recorder_clear(&f.r);
	f.seen = 0;
	f.wall_shift = INT64_C(-3600) * 65536;
	flma_run_ms(&f, 300000);
	cr_expect_eq(flma_bound(&f), 2);
	cr_expect_eq(mag_statuses(f.mag)[156] + mag_statuses(f.mag)[157], 1);
	for (size_t k = 1; k < f.r.n_sent; k++)
		cr_assert_gt(sent(k)->timestamp, sent(k - 1)->timestamp);
	/* the time source corrects the clock: that is a step, too, and goes unnoticed */
	f.wall_shift = 0;
	flma_run_ms(&f, 300000);
	cr_expect_eq(flma_bound(&f), 2);
	cr_expect_eq(mag_statuses(f.mag)[156] + mag_statuses(f.mag)[157], 1);
}

Test(mag_answer, own_clock_stepped_forward,
     .description = "EC-56: keys that were refused bind nobody")
{
	f.window = 65536 * 3 / 10;
	both_up();
	f.wall_shift = INT64_C(3600) * 65536;
	flma_run_ms(&f, 600000);
	cr_expect_eq(flma_bound(&f), 2);
	cr_expect_leq(mag_statuses(f.mag)[156], 1);
}

Test(mag_answer, boot_clock_is_corrected,
     .description =
	     "B-5213-6.9.1.2-b: wrong since the start: held, no key from the anchor's clock; "
	     "once the clock is set it goes on")
{
	f.window = 65536 * 3 / 10;
	f.wall_shift = INT64_C(-86400) * 65536;
	flma_link_up(&f, 0);
	flma_run_ms(&f, 120000);
	cr_expect_leq(f.r.n_sent, 5);
	for (size_t k = 0; k < f.r.n_sent; k++)
		cr_expect_lt(sent(k)->timestamp, bed_stamp(f.now_ns) - 86000 * UINT64_C(65536));
	cr_expect_eq(tx(), 0);
	f.wall_shift = 0;
	flma_run_ms(&f, 33000);
	cr_expect_eq(tx(), 1);
}

Test(mag_answer, prefix_set_differs,
     .description = "M9 B-OWN-MAG-5: 159, asked once with ALL_ZERO and HI 4")
{
	flma_link_up(&f, 0);
	flma_run_ms(&f, 100);
	refuse_next(2, MH_STATUS_PREFIX_SET_MISMATCH, 1);
	flma_link_up(&f, 1);
	flma_run_ms(&f, 100);
	cr_assert_eq(f.r.n_sent, 3);
	cr_expect_eq(sent(2)->n_hnp, 1);
	cr_expect_eq(sent(2)->hnp[0].len, 0);
	cr_expect_eq(sent(2)->hi, MH_HI_UNKNOWN);
	cr_expect_eq(tx(), 2);
}

Test(mag_answer, prefix_set_differs_for_good, .description = "M9: else REJECTED")
{
	flma_link_up(&f, 0);
	flma_run_ms(&f, 100);
	refuse_next(2, MH_STATUS_PREFIX_SET_MISMATCH, 2);
	flma_link_up(&f, 1);
	flma_run_ms(&f, 20000);
	cr_expect_eq(f.r.n_sent, 3);
	cr_expect_eq(tx(), 1);
}

Test(mag_answer, renumbered_by_a_resync,
     .description = "B-OWN-MAG-5: 159 for a refresh, another set: the session is renumbered")
{
	flma_link_up(&f, 0);
	flma_run_ms(&f, 100);
	refuse_next(1, MH_STATUS_PREFIX_SET_MISMATCH, 1);
	f.prefix = bed_prefix("2001:db8:200::/64");
	flma_run_ms(&f, 170000);
	cr_expect_eq(tx(), 1);
	cr_expect(ip_prefix_equal(&recorder_view(&f.r, 1)->view.prefix[0], &f.prefix));
}

Test(mag_answer, prefix_not_authorised,
     .description = "B-5213-6.9.1.2-h: 155, not the same prefix again, ALL_ZERO instead")
{
	mag_free(f.mag);
	node.n_prefix = 1;
	node.prefix[0] = bed_prefix("2001:db8:999::/64");
	cr_assert_eq(mag_new(&config, &f.r.port, &f.mag), 0);
	refuse_next(1, MH_STATUS_HNP_NOT_AUTHORIZED, 1);
	flma_link_up(&f, 0);
	flma_run_ms(&f, 100);
	cr_assert_eq(f.r.n_sent, 2);
	cr_expect_eq(sent(1)->hnp[0].len, 0);
	cr_expect_eq(tx(), 1);
	refuse_next(1, MH_STATUS_HNP_NOT_AUTHORIZED, 1);
}

Test(mag_answer, plain_binding_exists, .description = "M10: 165, again with O=1, no sibling ACTIVE")
{
	refuse_next(1, MH_STATUS_NON_MCOA_EXISTS, 1);
	flma_link_up(&f, 0);
	flma_run_ms(&f, 100);
	cr_assert_eq(f.r.n_sent, 2);
	cr_expect(sent(1)->mmb.overwrite);
	cr_expect_eq(tx(), 1);
}

Test(mag_answer, plain_binding_exists_beside_a_sibling, .description = "M10: alarm, no O")
{
	flma_link_up(&f, 0);
	flma_run_ms(&f, 100);
	refuse_next(2, MH_STATUS_NON_MCOA_EXISTS, 1);
	flma_link_up(&f, 1);
	flma_run_ms(&f, 10000);
	cr_expect_eq(f.r.n_sent, 2);
	cr_expect_eq(recorder_notes(&f.r, CORE_NOTE_REFUSED_BY_PEER), 1);
	cr_expect_eq(tx(), 1);
}

Test(mag_answer, other_refusals_are_held,
     .description =
	     "M11: 128, 129, 130, 153, 154, 163, 178: others unaffected, again after the hold")
{
	static const uint8_t codes[] = {128, 129, 130, 153, 154, 163, 178, 255};

	for (size_t k = 0; k < sizeof(codes); k++) {
		teardown();
		setup();
		flma_link_up(&f, 0);
		flma_run_ms(&f, 100);
		refuse_next(2, codes[k], 1);
		flma_link_up(&f, 1);
		flma_run_ms(&f, 31000);
		cr_expect_eq(f.r.n_sent, 2);
		cr_expect_eq(tx(), 1);
		flma_run_ms(&f, 2000);
		cr_expect_eq(tx(), 2);
	}
}

Test(mag_answer, refused_discovery_tries_the_next_path,
     .description = "M11: a refusal on red does not keep blue waiting")
{
	refuse_next(1, MH_STATUS_RESOURCES, 1);
	flma_link_up(&f, 0);
	flma_link_up(&f, 1);
	flma_run_ms(&f, 100);
	cr_expect(f.binding[2].bound);
}

Test(mag_answer, proxy_registration_not_enabled,
     .description = "B-5213-6.9.1.2-g: 152: silent until an administrator acts")
{
	struct core_time now;

	refuse_next(1, MH_STATUS_PROXY_REG_NOT_ENABLED, 1);
	flma_link_up(&f, 0);
	flma_link_up(&f, 1);
	flma_run_ms(&f, 600000);
	flma_link_down(&f, 0);
	flma_link_up(&f, 0);
	flma_run_ms(&f, 600000);
	cr_expect_eq(f.r.n_sent, 1);
	now = flma_time(&f);
	cr_assert_eq(mag_reconfigure(f.mag, &now, &config), 0);
	flma_run_ms(&f, 1000);
	cr_expect_eq(tx(), 2);
}

/* ---- order keys -------------------------------------------------------------------- */

Test(mag_answer, burst_of_keys,
     .description =
	     "MP-SIG-26 B-5213-6.9.1.1-h B-OWN-ORD-0: 100 paths at once, all keys distinct and "
	     "increasing in the order of sending")
{
	mag_free(f.mag);
	flma_config(&config, path, 100, &node);
	config.capability_known = true;
	cr_assert_eq(mag_new(&config, &f.r.port, &f.mag), 0);
	for (size_t i = 0; i < 100; i++)
		flma_link_up(&f, i);
	cr_assert_eq(f.r.n_sent, 100);
	for (size_t k = 1; k < 100; k++) {
		cr_expect_eq(sent(k)->timestamp, sent(k - 1)->timestamp + 1);
		cr_expect_eq(sent(k)->sequence, (uint16_t)(sent(k - 1)->sequence + 1));
	}
	f.strict = true;
	flma_run_ms(&f, 1000);
	cr_expect_eq(tx(), 100);
}
