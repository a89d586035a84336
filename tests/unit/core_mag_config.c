/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A gateway whose configuration changes while it runs: what is the same goes on untouched, what is
 * gone is deregistered, what is new is registered.
 */
#include <criterion/criterion.h>

#include <errno.h>

#include "tests/support/flma.h"

static struct flma f;
static struct mag_config config;
static struct mag_path_config path[4];
static struct mag_node_config node[2];

static void setup(void)
{
	flma_init(&f);
	flma_config(&config, path, 2, &node[0]);
	node[1] = node[0];
	node[1].mn_id = bed_id("mn2@example");
	cr_assert_eq(mag_new(&config, &f.r.port, &f.mag), 0);
	flma_link_up(&f, 0);
	flma_link_up(&f, 1);
	flma_run_ms(&f, 1000);
	cr_assert_eq(flma_bound(&f), 2);
	recorder_clear(&f.r);
	f.seen = 0;
}

static void teardown(void)
{
	flma_free(&f);
}

static void apply(void)
{
	struct core_time now = flma_time(&f);

	cr_assert_eq(mag_reconfigure(f.mag, &now, &config), 0);
}

static const struct mh_message *sent(size_t k)
{
	cr_assert_lt(k, f.r.n_sent);
	return &f.r.sent[k].msg;
}

static unsigned int tx(uint32_t session)
{
	const struct bed_view *v = recorder_view(&f.r, session);

	cr_assert(v);
	return bed_count_tx(&v->view);
}

TestSuite(mag_config, .init = setup, .fini = teardown);

Test(mag_config, the_same_again, .description = "nothing is sent, nothing is published")
{
	apply();
	flma_run_ms(&f, 10000);
	cr_expect_eq(f.r.n_sent, 0);
	cr_expect_eq(f.r.n_view, 0);
}

Test(mag_config, another_order, .description = "MP-MMB-17: paths are known by BID, not by position")
{
	struct mag_path_config first = path[0];

	path[0] = path[1];
	path[1] = first;
	apply();
	cr_expect_eq(f.r.n_sent, 0);
	cr_expect_eq(f.r.n_view, 0);
	flma_run_ms(&f, 200000);
	cr_expect_eq(flma_bound(&f), 2);
}

Test(mag_config, path_added)
{
	flma_config(&config, path, 3, &node[0]);
	apply();
	flma_link_up(&f, 2);
	flma_run_ms(&f, 100);
	cr_expect_eq(f.r.n_sent, 1);
	cr_expect_eq(sent(0)->mmb.bid, 3);
	cr_expect_eq(tx(1), 3);
}

Test(mag_config, path_removed,
     .description =
	     "M22: the address is still usable: PBU lifetime 0 over itself, TX off first, drain")
{
	config.path = &path[1];
	config.n_path = 1;
	apply();
	cr_assert_eq(f.r.n_sent, 1);
	cr_expect_eq(sent(0)->lifetime, 0);
	cr_expect_eq(sent(0)->mmb.bid, 1);
	cr_expect_eq(f.r.sent[0].peer.ifindex, 1);
	cr_expect_not(sent(0)->has & MH_HAS(ALT_COA));
	cr_expect_eq(bed_binding(&recorder_view(&f.r, 1)->view, 1)->use, BINDING_RX);
	flma_run_ms(&f, 3000);
	cr_expect_eq(recorder_view(&f.r, 1)->view.n, 1);
	cr_expect_eq(tx(1), 1);
	cr_expect_eq(flma_bound(&f), 1);
}

Test(mag_config, label_changed, .description = "MP-MMB-14: the anchor is told, no gap")
{
	path[1].label = 99;
	apply();
	cr_assert_eq(f.r.n_sent, 1);
	cr_expect_eq(sent(0)->mmb.label, 99);
	cr_expect_eq(sent(0)->mmb.bid, 2);
	cr_expect_eq(tx(1), 2);
	cr_expect_eq(bed_binding(&recorder_view(&f.r, 1)->view, 2)->label, 99);
}

Test(mag_config, node_added_and_removed)
{
	struct core_time now;

	config.node = node;
	config.n_node = 2;
	f.mute = true;
	apply();
	cr_assert_eq(f.r.n_sent, 1);
	cr_expect(mh_id_equal(&sent(0)->mn_id, &node[1].mn_id));
	cr_expect(sent(0)->mmb.overwrite);
	config.node = &node[1];
	config.n_node = 1;
	apply();
	cr_assert_eq(f.r.n_sent, 2);
	cr_expect(mh_id_equal(&sent(1)->mn_id, &node[0].mn_id));
	cr_expect_eq(sent(1)->lifetime, 0);
	cr_expect(sent(1)->mmb.bulk, "M30: admin removal, one PBU");
	cr_expect_eq(tx(1), 0);
	flma_run_ms(&f, 3000);
	cr_expect_eq(recorder_view(&f.r, 1)->view.state, SESSION_NONE);
	now = flma_time(&f);
	mag_tick(f.mag, &now);
}

Test(mag_config, another_anchor,
     .description = "deregistered with the old one, then registered with the new one")
{
	config.lma = bed_addr("2001:db8:f::2");
	apply();
	cr_assert_eq(f.r.n_sent, 1);
	cr_expect_eq(sent(0)->lifetime, 0);
	cr_expect(ip_equal(&f.r.sent[0].peer.remote, &f.address));
	flma_run_ms(&f, 1000);
	cr_expect_eq(sent(1)->lifetime, 75);
	cr_expect(sent(1)->mmb.overwrite);
	cr_expect(ip_equal(&f.r.sent[1].peer.remote, &config.lma));
	cr_expect_eq(recorder_view(&f.r, 1)->view.state, SESSION_NONE);
	cr_expect_eq(tx(2), 2);
}

Test(mag_config, multipath_switched_off)
{
	config.multipath = false;
	apply();
	flma_run_ms(&f, 1000);
	cr_expect_eq(recorder_last(&f.r)->msg.has & (MH_HAS(MMB) | MH_HAS(MAG_ID)), 0);
	cr_expect_eq(tx(2), 1);
}

Test(mag_config, wrong_ones_change_nothing)
{
	struct core_time now = flma_time(&f);

	path[1].bid = path[0].bid;
	cr_expect_eq(mag_reconfigure(f.mag, &now, &config), -EINVAL);
	path[1].bid = 2;
	mag_release(f.mag, &now);
	cr_expect_eq(mag_reconfigure(f.mag, &now, &config), -ESHUTDOWN);
}
