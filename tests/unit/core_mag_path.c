/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Paths that go, come back and move, the views the data plane gets meanwhile, and leaving for good.
 * Virtual time, scripted anchor.
 */
#include <criterion/criterion.h>

#include <errno.h>

#include "tests/support/flma.h"

#define TXRX (BINDING_TX | BINDING_RX)

static struct flma f;
static struct mag_config config;
static struct mag_path_config path[CORE_MAX_BINDINGS];
static struct mag_node_config node;

/* No view may be wrong in itself, nor give TX to what the anchor has never accepted. */
static void watch(struct recorder *r, const struct session_view *view)
{
	const char *fault = bed_view_fault(view);

	(void)r;
	cr_assert(fault == NULL, "%s", fault);
}

static void setup(void)
{
	flma_init(&f);
	flma_config(&config, path, 2, &node);
	f.r.watch = watch;
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
	flma_run_ms(&f, 10000);
	recorder_clear(&f.r);
	f.seen = 0;
}

static const struct mh_message *sent(size_t k)
{
	cr_assert_lt(k, f.r.n_sent);
	return &f.r.sent[k].msg;
}

static uint8_t use(uint8_t bid)
{
	const struct bed_view *v = recorder_view(&f.r, 1);

	cr_assert(v);
	cr_assert(bed_binding(&v->view, bid));
	return bed_binding(&v->view, bid)->use;
}

static const char *state_of_[CORE_MAX_BINDINGS];

static int keep_states(void *ctx, const struct mag_session_info *s)
{
	(void)ctx;
	for (uint16_t i = 0; i < s->n; i++)
		state_of_[i] = s->binding[i].state;
	return 0;
}

static const char *state(size_t i)
{
	mag_each(f.mag, keep_states, NULL);
	return state_of_[i];
}

/* Milliseconds until the anchor holds `n` bindings. */
static unsigned int until_bound(unsigned int n, unsigned int limit)
{
	unsigned int ms = 0;

	for (; flma_bound(&f) != n && ms < limit; ms++)
		flma_run_ms(&f, 1);
	return ms;
}

TestSuite(mag_path, .init = setup, .fini = teardown);

Test(mag_path, tentative_before_the_pbu,
     .description = "M1 M2 AT-03: blue receives before its PBU leaves and sends after its PBA")
{
	up(1);
	f.mute = true;
	flma_link_up(&f, 1);
	cr_assert_eq(f.r.n_view, 1);
	cr_expect_eq(use(2), BINDING_RX);
	cr_expect_eq(use(1), TXRX, "3.4 create: the old set until the swap");
	f.mute = false;
	f.seen = 0;
	flma_run_ms(&f, 20);
	cr_expect_eq(use(2), TXRX);
	cr_expect_eq(f.r.n_view, 2, "one publication for each step");
}

Test(mag_path, refused_path_stops_receiving, .description = "M6 M11: TENTATIVE removed")
{
	up(1);
	f.kind = FLMA_REFUSE;
	flma_link_up(&f, 1);
	cr_expect_eq(use(2), BINDING_RX);
	flma_run_ms(&f, 20);
	cr_expect_eq(use(2), 0);
	cr_expect_str_eq(state(1), "rejected");
}

Test(mag_path, silent_loss,
     .description =
	     "M18 M20 M23 MP-SIG-30 MP-MMB-25 3.4 red down silent: no TX at once, RX stays; "
	     "deregistered by blue with Alternate CoA after suspect_ms; drain; known after that")
{
	up(2);
	f.cut[1] = true;
	flma_alive(&f, 0, false);
	cr_expect_eq(use(1), BINDING_RX);
	cr_expect_eq(use(2), TXRX);
	cr_expect_str_eq(state(0), "suspect");
	flma_run_ms(&f, 2999);
	cr_expect_eq(f.r.n_sent, 0);
	flma_run_ms(&f, 1);
	cr_assert_eq(f.r.n_sent, 1);
	cr_expect_eq(sent(0)->lifetime, 0);
	cr_expect_eq(sent(0)->mmb.bid, 1);
	cr_expect_not(sent(0)->mmb.overwrite);
	cr_expect_not(sent(0)->mmb.bulk);
	cr_expect_eq(sent(0)->hi, MH_HI_UNKNOWN, "B-5213-6.9.1.4-b");
	cr_expect(sent(0)->has & MH_HAS(ALT_COA));
	cr_expect(flma_is_address(&sent(0)->alt_coa, 0));
	cr_expect(flma_is_address(&f.r.sent[0].peer.local, 1));
	cr_expect_eq(f.r.sent[0].peer.ifindex, 2);
	flma_run_ms(&f, 20);
	cr_expect_not(f.binding[1].bound);
	cr_expect(f.binding[2].bound);
	cr_expect_eq(use(1), BINDING_RX, "drain");
	flma_run_ms(&f, 990);
	cr_expect_eq(use(1), BINDING_RX);
}

Test(mag_path, comes_back_within_seconds,
     .description = "M20 MP-INT-01: however long red was away, it is used again path_retry_ms "
		    "after it is back")
{
	for (unsigned int away = 4000; away < 1000000; away *= 3) {
		teardown();
		setup();
		up(2);
		f.cut[1] = true;
		flma_alive(&f, 0, false);
		flma_run_ms(&f, away);
		cr_expect_not(f.binding[1].bound);
		f.cut[1] = false;
		cr_expect_leq(until_bound(2, 60000), 5100);
		flma_run_ms(&f, 30);
		cr_expect_eq(use(1), BINDING_RX, "not used while health says down");
		flma_alive(&f, 0, true);
		cr_expect_eq(use(1), TXRX);
	}
}

Test(mag_path, recovers_before_the_deregistration,
     .description = "M19: used again after the hold-down, nothing was sent")
{
	config.hold_down_ms = 5000;
	up(2);
	flma_alive(&f, 0, false);
	flma_run_ms(&f, 1000);
	flma_alive(&f, 0, true);
	cr_expect_str_eq(state(0), "active");
	flma_run_ms(&f, 4999);
	cr_expect_eq(use(1), BINDING_RX);
	flma_run_ms(&f, 1);
	cr_expect_eq(use(1), TXRX);
	cr_expect_eq(f.r.n_sent, 0);
}

Test(mag_path, nobody_left,
     .description =
	     "M21 PL-25: no deregistration, refreshed with back-off until expiry; the last path "
	     "goes on carrying packets, because silence may be the anchor's daemon alone")
{
	up(1);
	f.cut[1] = true;
	flma_alive(&f, 0, false);
	cr_expect_null(recorder_view(&f.r, 1), "nothing changes for packets");
	flma_run_ms(&f, 280000);
	cr_expect_str_eq(state(0), "suspect");
	cr_expect_gt(f.r.n_sent, 5);
	for (size_t k = 0; k < f.r.n_sent; k++) {
		cr_assert_eq(sent(k)->lifetime, 75);
		cr_assert_eq(sent(k)->hi, MH_HI_UNCHANGED);
	}
	flma_run_ms(&f, 40000);
	cr_expect_eq(recorder_notes(&f.r, CORE_NOTE_BINDING_EXPIRED), 1);
	cr_expect_eq(recorder_view(&f.r, 1)->view.state, SESSION_NONE, "B-OWN-MAG-9");
	f.cut[1] = false;
	cr_expect_leq(until_bound(1, 60000), 33000);
	flma_run_ms(&f, 30);
	flma_alive(&f, 0, true);
	cr_expect_eq(use(1), TXRX);
	cr_expect(recorder_last(&f.r)->msg.mmb.overwrite, "empty list: O=1");
	cr_expect_eq(recorder_last(&f.r)->msg.hi, MH_HI_UNKNOWN, "28, row 38: after lost state");
	cr_expect(ip_prefix_equal(&recorder_last(&f.r)->msg.hnp[0], &f.prefix));
}

Test(mag_path, interface_down,
     .description = "M22 AT-04: TX off first, PBU lifetime 0 by the sibling, then drain")
{
	up(2);
	f.mute = true;
	flma_link_down(&f, 0);
	cr_assert_eq(f.r.n_sent, 1);
	cr_expect_eq(sent(0)->lifetime, 0);
	cr_expect_eq(f.r.sent[0].peer.ifindex, 2);
	cr_expect(sent(0)->has & MH_HAS(ALT_COA));
	cr_expect_eq(use(1), BINDING_RX);
	cr_expect_str_eq(state(0), "deregister");
	f.mute = false;
	f.seen = 0;
	flma_run_ms(&f, 20);
	cr_expect_str_eq(state(0), "idle");
	flma_run_ms(&f, 1999);
	cr_expect_eq(use(1), BINDING_RX);
	flma_run_ms(&f, 1);
	cr_expect_eq(use(1), 0);
	cr_expect(ip_is_zero(&bed_binding(&recorder_view(&f.r, 1)->view, 1)->remote));
}

Test(mag_path, deregistration_has_an_end,
     .description = "M23 B-OWN-MAG-10: three PBUs with newer keys, then it counts as done")
{
	up(2);
	f.mute = true;
	flma_link_down(&f, 0);
	flma_run_ms(&f, 3000);
	cr_assert_eq(f.r.n_sent, 3);
	cr_expect_gt(sent(1)->timestamp, sent(0)->timestamp);
	cr_expect_gt(sent(2)->timestamp, sent(1)->timestamp);
	cr_expect_str_eq(state(0), "idle");
	flma_run_ms(&f, 60000);
	cr_expect_eq(f.r.n_sent, 3);
}

Test(mag_path, back_during_the_deregistration,
     .description = "M24 B-OWN-RTX-2: cancelled by a PBU with a newer key; the late answer changes "
		    "nothing")
{
	struct bed_sent dereg;
	struct mh_message pba;

	up(2);
	f.mute = true;
	flma_link_down(&f, 0);
	dereg = f.r.sent[0];
	flma_reply(&f, &dereg, &pba);
	flma_link_up(&f, 0);
	cr_assert_eq(f.r.n_sent, 2);
	cr_expect_eq(sent(1)->lifetime, 75);
	cr_expect_eq(sent(1)->mmb.bid, 1);
	cr_expect_gt(sent(1)->timestamp, sent(0)->timestamp);
	cr_expect_eq(use(1), BINDING_RX);
	flma_deliver(&f, &dereg, &pba);
	cr_expect_str_eq(state(0), "init");
	cr_expect_eq(mag_counters(f.mag)[CORE_COUNTER_UNEXPECTED], 1);
	f.mute = false;
	f.seen = 1;
	flma_run_ms(&f, 20);
	cr_expect_eq(use(1), TXRX);
	cr_expect(f.binding[1].bound);
}

Test(mag_path, flapping_interface,
     .description =
	     "MP-MMB-17 MP-SIG-29 B-6275-11.8-d: BID constant, at most 3 PBUs/s of the binding")
{
	up(2);
	for (int k = 0; k < 100; k++) {
		flma_link_down(&f, 0);
		flma_run_ms(&f, 5);
		flma_link_up(&f, 0);
		flma_run_ms(&f, 5);
	}
	cr_expect_leq(f.r.n_sent, 4);
	for (size_t k = 0; k < f.r.n_sent; k++)
		cr_expect_eq(sent(k)->mmb.bid, 1);
	flma_run_ms(&f, 2000);
	cr_expect_eq(use(1), TXRX);
	cr_expect(f.binding[1].bound);
}

Test(mag_path, address_change,
     .description =
	     "M25 3.4 CoA change: same BID, PBU at once; old address drains, TX after the PBA")
{
	struct mag_link link = flma_link(0);
	struct core_time now;
	const struct session_view *v;

	up(2);
	link.address = bed_addr("2001:db8:a:77::1");
	now = flma_time(&f);
	mag_link(f.mag, &now, 0, &link);
	cr_assert_eq(f.r.n_sent, 1);
	cr_expect_eq(sent(0)->mmb.bid, 1);
	cr_expect_not(sent(0)->mmb.overwrite);
	cr_expect(ip_equal(&f.r.sent[0].peer.local, &link.address));
	cr_expect_not(sent(0)->has & MH_HAS(ALT_COA));
	v = &recorder_view(&f.r, 1)->view;
	cr_expect_eq(v->n, 3);
	cr_expect_eq(bed_count_drain(v), 1);
	cr_expect_eq(bed_binding(v, 1)->use, BINDING_RX);
	cr_expect(ip_equal(&bed_binding(v, 1)->local, &link.address));
	cr_expect_eq(bed_binding(v, 2)->use, TXRX, "uplink goes on by the siblings");
	for (uint16_t i = 0; i < v->n; i++)
		cr_expect(v->binding[i].weight || flma_is_address(&v->binding[i].local, 0));
	flma_run_ms(&f, 20);
	cr_expect_eq(use(1), TXRX);
	cr_expect_eq(recorder_notes(&f.r, CORE_NOTE_BINDING_MOVED), 1);
	cr_expect(ip_equal(&f.binding[1].coa, &link.address));
	cr_expect_eq(flma_bound(&f), 2);
	flma_run_ms(&f, 1979);
	cr_expect_eq(recorder_view(&f.r, 1)->view.n, 3);
	flma_run_ms(&f, 1);
	cr_expect_eq(recorder_view(&f.r, 1)->view.n, 2);
}

Test(mag_path, legacy_address_change, .description = "B-OWN-MAG-8: HI 3, without multipath")
{
	struct mag_link link = flma_link(0);
	struct core_time now;

	f.kind = FLMA_LEGACY;
	up(1);
	link.address = bed_addr("2001:db8:a:77::1");
	now = flma_time(&f);
	mag_link(f.mag, &now, 0, &link);
	cr_expect_eq(sent(0)->hi, MH_HI_BETWEEN_MAGS);
	flma_run_ms(&f, 20);
	cr_expect_eq(use(1), TXRX);
}

Test(mag_path, device_renumbered, .description = "the same address on a new device needs no PBU")
{
	struct mag_link link = flma_link(0);
	struct core_time now;

	up(1);
	link.ifindex = 9;
	now = flma_time(&f);
	mag_link(f.mag, &now, 0, &link);
	cr_expect_eq(f.r.n_sent, 0);
	cr_expect_eq(bed_binding(&recorder_view(&f.r, 1)->view, 1)->ifindex, 9);
}

/* ---- publications that fail -------------------------------------------------------- */

Test(mag_path, tentative_that_cannot_be_published,
     .description =
	     "AT-03 AT-06: no PBU without its tunnel; noted; again with back-off; red untouched")
{
	up(1);
	f.r.publish_result = -ENOSPC;
	flma_link_up(&f, 1);
	flma_run_ms(&f, 1000);
	cr_expect_eq(f.r.n_sent, 0);
	cr_expect_geq(recorder_notes(&f.r, CORE_NOTE_DATAPATH), 2);
	cr_expect_leq(recorder_notes(&f.r, CORE_NOTE_DATAPATH), 6);
	cr_expect(recorder_view(&f.r, 1) == NULL, "nothing of it got through");
	f.r.publish_result = 0;
	flma_run_ms(&f, 5100);
	cr_expect_eq(use(2), TXRX);
}

Test(mag_path, first_view_that_cannot_be_published,
     .description = "AT-06: accepted but not published: not used, again with back-off")
{
	f.r.publish_result = -ENOSPC;
	f.r.refuse_n = 3;
	cr_assert_eq(mag_new(&config, &f.r.port, &f.mag), 0);
	flma_link_up(&f, 0);
	flma_run_ms(&f, 100);
	cr_expect(recorder_view(&f.r, 1) == NULL);
	flma_run_ms(&f, 700);
	cr_expect_eq(use(1), TXRX);
	cr_expect_eq(recorder_notes(&f.r, CORE_NOTE_DATAPATH), 3);
}

Test(mag_path, removal_that_cannot_be_published,
     .description = "a view that must change is retried")
{
	up(2);
	f.r.publish_result = -EBUSY;
	flma_alive(&f, 0, false);
	flma_run_ms(&f, 50);
	f.r.publish_result = 0;
	flma_run_ms(&f, 5000);
	cr_expect_eq(use(1) & BINDING_TX, 0);
	cr_expect_eq(use(2), TXRX);
}

static void tell_while_publishing(struct recorder *r, const struct session_view *view)
{
	(void)r;
	struct core_time now = flma_time(&f);
	const struct binding_view *b = bed_binding(view, 1);

	if (b && b->use == BINDING_RX)
		mag_path_state(f.mag, &now, 0, true);
}

Test(mag_path, told_while_publishing,
     .description = "the data plane finds a path alive while it takes a view: nothing is nested")
{
	up(2);
	f.r.watch = tell_while_publishing;
	flma_alive(&f, 0, false);
	cr_expect_eq(use(1), BINDING_RX);
	cr_expect_eq(mag_next_ns(f.mag), 0);
	flma_run_ms(&f, 1);
	cr_expect_eq(use(1), TXRX);
}

/* ---- leaving ----------------------------------------------------------------------- */

Test(mag_path, release_in_one_message,
     .description =
	     "M30 MP-MMB-29 3.4 dereg B: one PBU, B=1, O=0, lifetime 0; TX off first; then nothing")
{
	struct core_time now;

	up(2);
	now = flma_time(&f);
	mag_release(f.mag, &now);
	cr_assert_eq(f.r.n_sent, 1);
	cr_expect_eq(sent(0)->lifetime, 0);
	cr_expect(sent(0)->mmb.bulk);
	cr_expect_not(sent(0)->mmb.overwrite);
	cr_expect_eq(sent(0)->hi, MH_HI_UNKNOWN);
	cr_expect(ip_prefix_equal(&sent(0)->hnp[0], &f.prefix), "B-5213-6.9.1.4-b");
	cr_expect_eq(bed_count_tx(&f.r.view[0].view), 0);
	cr_expect_not(mag_released(f.mag));
	flma_run_ms(&f, 20);
	cr_expect(mag_released(f.mag));
	cr_expect_eq(flma_bound(&f), 0);
	cr_expect_eq(recorder_view(&f.r, 1)->view.state, SESSION_NONE);
	cr_expect_eq(mag_next_ns(f.mag), CORE_NEVER);
	flma_link_down(&f, 0);
	flma_link_up(&f, 0);
	flma_run_ms(&f, 10000);
	cr_expect_eq(f.r.n_sent, 1);
}

Test(mag_path, release_of_a_legacy_session, .description = "M30: a plain deregistration")
{
	struct core_time now;

	f.kind = FLMA_LEGACY;
	up(2);
	now = flma_time(&f);
	mag_release(f.mag, &now);
	cr_assert_eq(f.r.n_sent, 1);
	cr_expect_eq(sent(0)->lifetime, 0);
	cr_expect_eq(sent(0)->has & MH_HAS(MMB), 0);
	flma_run_ms(&f, 20);
	cr_expect(mag_released(f.mag));
	cr_expect_eq(flma_bound(&f), 0);
}

Test(mag_path, release_without_an_answer,
     .description = "M23 M30: three PBUs, then released anyway")
{
	struct core_time now;

	up(2);
	f.mute = true;
	now = flma_time(&f);
	mag_release(f.mag, &now);
	flma_run_ms(&f, 2999);
	cr_expect_not(mag_released(f.mag));
	flma_run_ms(&f, 1);
	cr_expect(mag_released(f.mag));
	cr_expect_eq(f.r.n_sent, 3);
}

Test(mag_path, release_while_registering,
     .description = "B-OWN-RTX-2: no tunnel from the answer to a registration that was given up")
{
	struct core_time now;
	struct mh_message pba;
	struct bed_sent pbu;

	f.mute = true;
	cr_assert_eq(mag_new(&config, &f.r.port, &f.mag), 0);
	flma_link_up(&f, 0);
	pbu = f.r.sent[0];
	now = flma_time(&f);
	mag_release(f.mag, &now);
	cr_assert_eq(f.r.n_sent, 2);
	cr_expect_eq(sent(1)->lifetime, 0);
	flma_reply(&f, &pbu, &pba);
	flma_deliver(&f, &pbu, &pba);
	cr_expect_eq(f.r.n_view, 0);
	flma_run_ms(&f, 10000);
	cr_expect(mag_released(f.mag));
	cr_expect_eq(f.r.n_view, 0);
}

Test(mag_path, release_with_nothing, .description = "nothing registered, nothing to wait for")
{
	struct core_time now;

	cr_assert_eq(mag_new(&config, &f.r.port, &f.mag), 0);
	now = flma_time(&f);
	mag_release(f.mag, &now);
	cr_expect(mag_released(f.mag));
	cr_expect_eq(f.r.n_sent, 0);
}

/* ---- many -------------------------------------------------------------------------- */

Test(mag_path, all_254, .description = "EC-01 MP-MMB-16: 254 paths in one session")
{
	struct core_time now;

	flma_config(&config, path, 254, &node);
	up(254);
	cr_expect_eq(flma_bound(&f), 254);
	flma_run_ms(&f, 400000);
	cr_expect_eq(flma_bound(&f), 254);
	flma_link_down(&f, 3);
	cr_expect_eq(bed_count_tx(&recorder_view(&f.r, 1)->view), 253);
	cr_expect_eq(recorder_view(&f.r, 1)->view.n, 254);
	flma_link_up(&f, 3);
	flma_run_ms(&f, 1000);
	cr_expect_eq(bed_count_tx(&recorder_view(&f.r, 1)->view), 254);
	now = flma_time(&f);
	mag_release(f.mag, &now);
	flma_run_ms(&f, 100);
	cr_expect_eq(flma_bound(&f), 0);
}

Test(mag_path, what_is_no_configuration,
     .description = "EC-01 MP-MMB-16: 255 paths, BID 0, 255, twice")
{
	struct mag_path_config many[255];

	flma_config(&config, many, 255, &node);
	cr_expect_eq(mag_new(&config, &f.r.port, &f.mag), -EINVAL);
	flma_config(&config, path, 2, &node);
	path[1].bid = 1;
	cr_expect_eq(mag_new(&config, &f.r.port, &f.mag), -EINVAL);
	path[1].bid = 0;
	cr_expect_eq(mag_new(&config, &f.r.port, &f.mag), -EINVAL);
	path[1].bid = 255;
	cr_expect_eq(mag_new(&config, &f.r.port, &f.mag), -EINVAL);
	path[1].bid = 2;
	path[1].att = 0;
	cr_expect_eq(mag_new(&config, &f.r.port, &f.mag), -EINVAL, "MP-MMB-05");
	config.n_path = 0;
	cr_expect_eq(mag_new(&config, &f.r.port, &f.mag), -EINVAL);
}
