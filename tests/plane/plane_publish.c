/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What publishing a view writes, and that it writes nothing else and nothing by halves. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/plane_bed.h"

#define RED  9
#define BLUE 11

static struct pbed bed;

static void open_bed(enum magpie_role role)
{
	pbed_init(&bed, role);
	cr_assert_eq(pbed_open(&bed), 0);
}

static void publish(const struct session_view *view)
{
	cr_assert_eq(plane_publish(bed.plane, view), 0);
}

/* Sessions 1 .. n, each on a tunnel of its own. */
static void publish_many(uint32_t n)
{
	for (uint32_t i = 1; i <= n; i++) {
		struct session_view view;

		pbed_view(&view, i);
		pbed_bind(&view, 1, RED, (uint16_t)i);
		publish(&view);
	}
}

Test(plane_publish, writes, .description = "AT-03: set, paths, tunnels, local end and slot")
{
	struct magpie_tunnel_key key = {.encap = MAGPIE_ENCAP_IP6};
	struct magpie_local_key local;
	struct ip_addr end = pbed_addr("2001:db8:f::1"), red = pbed_addr("2001:db8:a:1::1");
	struct session_view view;
	struct magpie_set set;
	struct magpie_path path;
	uint32_t id = 0, session;

	open_bed(MAGPIE_ROLE_LMA);
	pbed_view(&view, 7);
	pbed_bind(&view, 3, RED, 1);
	pbed_bind(&view, 5, BLUE, 2)->weight = 3;
	publish(&view);

	session = pbed_session_of(&bed, "2001:db8:1:7::/64");
	cr_assert_eq(session, 1);
	set = pbed_set(&bed, session, pbed_live(&bed, session));
	cr_assert_eq(set.state, MAGPIE_SESSION_ACTIVE);
	cr_assert_eq(set.n, 2);
	cr_assert_eq(set.wide, 0);
	cr_assert_neq(set.seed, 0);
	cr_assert_eq(set.binding[0].bid, 3);
	cr_assert_eq(set.binding[0].label, RED);
	cr_assert_eq(set.binding[0].flags, MAGPIE_BINDING_TX | MAGPIE_BINDING_RX);
	cr_assert_eq(set.binding[1].weight, 3);
	cr_assert_neq(set.binding[0].path, set.binding[1].path);

	path = pbed_path(&bed, set.binding[0].path);
	cr_assert_eq(path.encap, MAGPIE_ENCAP_IP6);
	cr_assert_eq(path.label, RED);
	cr_assert_arr_eq(path.local, end.b, 16);
	cr_assert_arr_eq(path.remote, red.b, 16);
	memcpy(key.local, end.b, 16);
	memcpy(key.remote, red.b, 16);
	cr_assert_eq(pbed_get(&bed, "tunnel", &key, &id), 0);
	cr_assert_eq(id, set.binding[0].path);
	memcpy(local.addr, end.b, 16);
	cr_assert_eq(pbed_get(&bed, "local", &local, &id), 0);
	cr_assert_eq(id, 2, "two tunnels end there");
	cr_assert_eq(pbed_count(&bed, "tunnel"), 2);
	cr_assert_eq(pbed_count(&bed, "prefix"), 0);
	cr_assert_eq(bed.added, 2);
}

Test(plane_publish, reasons, .description = "a dump of the counters names its reasons")
{
	struct magpie_reason_count count[256];
	uint32_t last = MAGPIE_REASON_COUNT - 1;

	open_bed(MAGPIE_ROLE_LMA);
	cr_assert_eq(pbed_get(&bed, "reason", &last, count), 0);
	cr_assert_eq(count[0].reason, last);
	cr_assert_eq(count[1].reason, last, "on every processor");
}

Test(plane_publish, readable, .description = "dumps print names of fields and of enum values")
{
	struct session_view view;

	open_bed(MAGPIE_ROLE_LMA);
	pbed_view(&view, 7);
	pbed_bind(&view, 1, RED, 1);
	publish(&view);
	pbed_shell(
		"d() { /usr/sbin/bpftool map dump pinned /mnt/bpf/magpie_$1 | grep -q \"$2\"; } "
		"&& d session '\"state\": \"MAGPIE_SESSION_ACTIVE\"' && d session '\"bid\": 1' && "
		"d path '\"encap\": \"MAGPIE_ENCAP_IP6\"' && d path '\"label\": 9' && "
		"d reason '\"reason\": \"MAGPIE_REASON_TOO_BIG\"' && "
		"d pathstat '\"tx_bytes\"' && d config '\"role\": \"MAGPIE_ROLE_LMA\"'");
}

Test(plane_publish, unchanged, .description = "L5: a refresh writes nothing")
{
	struct session_view view;
	struct pbed_dump before;

	open_bed(MAGPIE_ROLE_LMA);
	pbed_view(&view, 7);
	pbed_bind(&view, 1, RED, 1);
	pbed_bind(&view, 2, BLUE, 2);
	publish(&view);
	pbed_dump(&bed, &before);
	publish(&view);
	pbed_assert_same(&bed, &before);
	cr_assert_eq(bed.added, 2);
	cr_assert_eq(bed.removed, 0);
	view.binding[1].weight = 2; /* that the digest can tell */
	publish(&view);
	{
		struct pbed_dump after;

		pbed_dump(&bed, &after);
		cr_assert_not_null(pbed_differs(&before, &after));
	}
}

Test(plane_publish, alternates, .description = "AT-01: the set that is live is never written")
{
	struct session_view view;

	open_bed(MAGPIE_ROLE_LMA);
	pbed_view(&view, 7);
	pbed_bind(&view, 1, RED, 1);
	publish(&view);
	for (uint8_t weight = 2; weight < 8; weight++) {
		uint8_t live = pbed_live(&bed, 1);
		struct magpie_set old = pbed_set(&bed, 1, live), kept, new;

		view.binding[0].weight = weight;
		publish(&view);
		cr_assert_eq(pbed_live(&bed, 1), !live);
		kept = pbed_set(&bed, 1, live);
		new = pbed_set(&bed, 1, !live);
		cr_assert_arr_eq(&kept, &old, sizeof(old));
		cr_assert_eq(new.generation, old.generation + 1);
		cr_assert_eq(new.binding[0].weight, weight);
	}
}

Test(plane_publish, outer_alternates, .description = "AT-01: nor is the outer header that is live")
{
	struct session_view view;
	struct magpie_outer outer = {.ifindex = 1, .len = 54, .l2_len = 14};

	open_bed(MAGPIE_ROLE_LMA);
	pbed_view(&view, 7);
	pbed_bind(&view, 1, RED, 1);
	publish(&view);
	for (uint16_t mtu = 1400; mtu < 1406; mtu++) {
		struct magpie_path old = pbed_path(&bed, 1), new;

		outer.mtu = mtu;
		plane_set_outer(bed.plane, 1, &outer);
		new = pbed_path(&bed, 1);
		cr_assert_eq(new.live, !old.live);
		cr_assert_arr_eq(&new.outer[old.live], &old.outer[old.live], sizeof(outer));
		cr_assert_eq(new.outer[new.live].mtu, mtu);
		plane_set_outer(bed.plane, 1, &outer);
		old = pbed_path(&bed, 1);
		cr_assert_arr_eq(&new, &old, sizeof(new), "the same header again writes nothing");
	}
}

Test(plane_publish, wide, .description = "BID 1..254 in one session, then back to few")
{
	static struct magpie_wide wide;
	struct session_view view;
	struct magpie_set set;
	uint32_t first;

	open_bed(MAGPIE_ROLE_LMA);
	pbed_view(&view, 7);
	for (uint16_t i = 1; i <= 254; i++)
		pbed_bind(&view, (uint8_t)i, RED, i);
	publish(&view);
	set = pbed_set(&bed, 1, pbed_live(&bed, 1));
	cr_assert_eq(set.n, 254);
	first = set.wide;
	cr_assert_eq(pbed_get(&bed, "wide", &set.wide, &wide), 0);
	for (int i = 0; i < 254; i++) {
		struct magpie_path path = pbed_path(&bed, wide.binding[i].path);

		cr_assert_eq(wide.binding[i].bid, i + 1);
		cr_assert_arr_eq(path.remote, view.binding[i].remote.b, 16);
	}
	view.binding[100].weight = 9;
	publish(&view);
	set = pbed_set(&bed, 1, pbed_live(&bed, 1));
	cr_assert_neq(set.wide, first, "a new set takes a fresh element");
	view.n = 4;
	publish(&view);
	set = pbed_set(&bed, 1, pbed_live(&bed, 1));
	cr_assert_eq(set.wide, 0);
	cr_assert_eq(pbed_count(&bed, "tunnel"), 4);
	cr_assert_eq(bed.removed, 250);
}

Test(plane_publish, ends, .description = "the end of a session leaves nothing of it")
{
	struct session_view view;

	open_bed(MAGPIE_ROLE_LMA);
	pbed_view(&view, 7);
	pbed_add_prefix(&view, "2001:db8:ffff::/56"); /* of no pool */
	pbed_bind(&view, 1, RED, 1);
	pbed_bind(&view, 2, BLUE, 2);
	publish(&view);
	cr_assert_eq(pbed_session_of(&bed, "2001:db8:ffff::/56"), 1);
	view.state = SESSION_LINGER;
	publish(&view);
	cr_assert_eq(pbed_set(&bed, 1, pbed_live(&bed, 1)).state, MAGPIE_SESSION_LINGER);
	view.state = SESSION_NONE;
	publish(&view);
	cr_assert_eq(pbed_set(&bed, 1, pbed_live(&bed, 1)).state, MAGPIE_SESSION_NONE);
	cr_assert_eq(pbed_session_of(&bed, "2001:db8:1:7::/64"), 0);
	cr_assert_eq(pbed_count(&bed, "prefix"), 0);
	cr_assert_eq(pbed_count(&bed, "tunnel"), 0);
	cr_assert_eq(pbed_count(&bed, "local"), 0);
	cr_assert_eq(pbed_path(&bed, 1).encap, MAGPIE_ENCAP_NONE);
	cr_assert_eq(bed.removed, 2);
	publish(&view); /* again: nothing to do */
}

Test(plane_publish, shared, .description = "sessions with the same tunnel share its path")
{
	struct session_view a, b;
	struct plane_path_info info;

	open_bed(MAGPIE_ROLE_LMA);
	pbed_view(&a, 1);
	pbed_bind(&a, 1, RED, 1);
	pbed_view(&b, 2);
	pbed_bind(&b, 1, RED, 1);
	publish(&a);
	publish(&b);
	cr_assert_eq(bed.added, 1);
	cr_assert_eq(plane_path(bed.plane, 1, &info), 0);
	cr_assert_eq(info.users, 2);
	a.state = SESSION_NONE;
	publish(&a);
	cr_assert_eq(bed.removed, 0);
	b.state = SESSION_NONE;
	publish(&b);
	cr_assert_eq(bed.removed, 1);
	cr_assert_eq(plane_path(bed.plane, 1, &info), -ENOENT);
}

Test(plane_publish, prefix_changes_hands, .description = "its old session's end leaves it alone")
{
	struct session_view a, b;

	open_bed(MAGPIE_ROLE_LMA);
	pbed_view(&a, 1);
	pbed_add_prefix(&a, "2001:db8:1:99::/64");
	publish(&a);
	pbed_view(&b, 2);
	pbed_add_prefix(&b, "2001:db8:1:99::/64");
	publish(&b);
	a.state = SESSION_NONE;
	publish(&a);
	cr_assert_eq(pbed_session_of(&bed, "2001:db8:1:99::/64"), 2);
}

/* ---- tables that are full ---------------------------------------------------------- */

/* The view is refused and nothing is different from before. */
static void refuse(const struct session_view *view)
{
	struct pbed_dump before;

	pbed_dump(&bed, &before);
	cr_assert_eq(plane_publish(bed.plane, view), -ENOSPC);
	pbed_assert_same(&bed, &before);
	for (size_t i = 0; i < PBED_EVENTS; i++) {
		struct plane_path_info info;

		cr_assert_eq(bed.known[i], plane_path(bed.plane, (uint32_t)i, &info) == 0,
			     "the watcher knows of path %zu", i);
	}
}

Test(plane_publish, full_paths, .description = "AT-06: too many paths, new and known session")
{
	struct session_view view;

	pbed_init(&bed, MAGPIE_ROLE_LMA);
	bed.config.max_paths = 10;
	cr_assert_eq(pbed_open(&bed), 0);
	publish_many(7);
	pbed_view(&view, 8);
	for (uint16_t i = 1; i < 4; i++)
		pbed_bind(&view, (uint8_t)i, RED, (uint16_t)(100 + i));
	refuse(&view);
	pbed_view(&view, 7);
	for (uint16_t i = 1; i < 6; i++)
		pbed_bind(&view, (uint8_t)i, RED, (uint16_t)(6 + i));
	refuse(&view);
	view.n = 3; /* and what fits does so afterwards */
	publish(&view);
}

Test(plane_publish, full_sessions, .description = "AT-06: too many sessions")
{
	struct session_view view;

	open_bed(MAGPIE_ROLE_LMA);
	publish_many(64); /* one, and the spare ones */
	pbed_view(&view, 65);
	pbed_bind(&view, 1, RED, 1);
	pbed_bind(&view, 2, RED, 1000);
	refuse(&view);
}

Test(plane_publish, full_wide, .description = "AT-06: too many sessions with many bindings")
{
	struct session_view view;

	open_bed(MAGPIE_ROLE_LMA);
	for (uint32_t id = 1; id <= 16; id++) {
		pbed_view(&view, id);
		for (uint8_t i = 1; i <= 5; i++)
			pbed_bind(&view, i, RED, i);
		if (id < 16)
			publish(&view);
	}
	pbed_bind(&view, 6, RED, 1000);
	refuse(&view);
}

Test(plane_publish, full_prefixes, .description = "AT-06: too many prefixes of no pool")
{
	struct session_view view;
	char prefix[64];

	open_bed(MAGPIE_ROLE_LMA);
	for (uint32_t id = 1; id <= 32; id++) { /* the trie has 65 places */
		pbed_view(&view, id);
		for (unsigned int k = 0; k < 2; k++) {
			snprintf(prefix, sizeof(prefix), "2001:db8:f%x:%x::/64", k, id);
			pbed_add_prefix(&view, prefix);
		}
		pbed_bind(&view, 1, RED, 1);
		publish(&view);
	}
	pbed_view(&view, 33);
	pbed_add_prefix(&view, "2001:db8:e1::/48");
	pbed_add_prefix(&view, "2001:db8:e2::/48");
	pbed_bind(&view, 1, RED, 1000);
	refuse(&view);
	pbed_view(&view, 32); /* a known one, which grows */
	pbed_add_prefix(&view, "2001:db8:e1::/48");
	pbed_add_prefix(&view, "2001:db8:e2::/48");
	pbed_bind(&view, 1, BLUE, 1000);
	refuse(&view);
}

/* ---- what the watcher may rely on -------------------------------------------------- */

static uint8_t live_when_added;

static void note_live(struct pbed *b, const struct plane_path_info *path)
{
	struct magpie_outer outer = {.ifindex = 1, .mtu = 1460, .len = 54, .l2_len = 14};

	live_when_added = pbed_live(b, 1);
	plane_set_outer(b->plane, path->id, &outer);
	plane_set_alive(b->plane, path->id, true);
}

Test(plane_publish, added_before_switch, .description = "MP-CF-10: a new path's header is first")
{
	struct session_view view;
	struct magpie_path path;

	open_bed(MAGPIE_ROLE_LMA);
	pbed_view(&view, 7);
	pbed_bind(&view, 1, RED, 1);
	publish(&view);
	bed.on_added = note_live;
	pbed_bind(&view, 2, BLUE, 2);
	publish(&view);
	cr_assert_neq(live_when_added, pbed_live(&bed, 1));
	path = pbed_path(&bed, 2);
	cr_assert_eq(path.alive, 1);
	cr_assert_eq(path.outer[path.live].ifindex, 1);
}

static void publish_again(struct pbed *b, uint32_t id)
{
	struct session_view view;

	(void)id;
	b->on_removed = NULL;
	pbed_view(&view, 7);
	pbed_bind(&view, 1, RED, 3);
	publish(&view);
}

Test(plane_publish, removed_last, .description = "who hears of a removal may publish")
{
	struct session_view view;
	struct magpie_set set;

	open_bed(MAGPIE_ROLE_LMA);
	pbed_view(&view, 7);
	pbed_bind(&view, 1, RED, 1);
	publish(&view);
	bed.on_removed = publish_again;
	view.binding[0].remote = pbed_addr("2001:db8:a:2::1");
	publish(&view);
	set = pbed_set(&bed, 1, pbed_live(&bed, 1));
	cr_assert_eq(pbed_path(&bed, set.binding[0].path).remote[7], 3,
		     "the inner one is the last");
	cr_assert_eq(pbed_count(&bed, "tunnel"), 1);
	cr_assert_eq(bed.added, 3);
	cr_assert_eq(bed.removed, 2);
}

Test(plane_publish, other_device, .description = "a tunnel that leaves by another device is told")
{
	struct session_view view;
	struct plane_path_info info;

	open_bed(MAGPIE_ROLE_LMA);
	pbed_view(&view, 7);
	pbed_bind(&view, 1, RED, 1)->ifindex = 3;
	publish(&view);
	view.binding[0].ifindex = 4;
	publish(&view);
	cr_assert_eq(bed.added, 2);
	cr_assert_eq(bed.removed, 1);
	cr_assert_eq(plane_path(bed.plane, 1, &info), 0);
	cr_assert_eq(info.ifindex, 4);
}

Test(plane_publish, icmp_source, .description = "Packet Too Big comes from an end that is there")
{
	struct ip_addr second = pbed_addr("2001:db8:f::2");
	struct magpie_config config;
	struct session_view view;
	uint32_t zero = 0;

	open_bed(MAGPIE_ROLE_LMA);
	pbed_view(&view, 7);
	pbed_bind(&view, 1, RED, 1);
	publish(&view);
	view.binding[0].local = second;
	publish(&view);
	pbed_get(&bed, "config", &zero, &config);
	cr_assert_arr_eq(config.icmp_source6, second.b, 16);
}

/* ---- a gateway's prefixes ---------------------------------------------------------- */

Test(plane_publish, learned, .description = "a gateway's prefixes: pools while there are entries")
{
	struct magpie_config config;
	struct session_view view;
	uint32_t zero = 0;
	char prefix[64];

	open_bed(MAGPIE_ROLE_MAG);
	for (uint32_t id = 1; id <= 10; id++) {
		pbed_view(&view, id);
		publish(&view);
	}
	for (uint32_t id = 1; id <= 10; id++) {
		snprintf(prefix, sizeof(prefix), "2001:db8:1:%x::/64", id);
		cr_assert_eq(pbed_session_of(&bed, prefix), id, "%s", prefix);
	}
	cr_assert_eq(pbed_count(&bed, "prefix"), 2);
	for (uint32_t id = 1; id <= 10; id++) {
		pbed_view(&view, id);
		view.state = SESSION_NONE;
		publish(&view);
	}
	cr_assert_eq(pbed_count(&bed, "prefix"), 0);
	pbed_get(&bed, "config", &zero, &config);
	cr_assert_eq(config.has_prefixes, 0);
	for (size_t i = 0; i < MAGPIE_POOLS; i++)
		cr_assert_eq(config.pool[i].slots, 0);
	pbed_view(&view, 77); /* the entries serve again */
	publish(&view);
	cr_assert_eq(pbed_session_of(&bed, "2001:db8:1:4d::/64"), 11);
}

Test(plane_publish, pools,
     .description = "an anchor's pools by position; too large a one in the trie")
{
	static const char *const prefixes[] = {"2001:db8:77:8::/64", "10.20.3.4/32",
					       "10.20.255.255/32", "2001:db9:0:10::/60"};
	struct session_view view;

	pbed_init(&bed, MAGPIE_ROLE_LMA);
	ip_prefix_parse("2001:db8::/32", &bed.pool[0].range); /* 2^32 places */
	ip_prefix_parse("10.20.0.0/16", &bed.pool[1].range);
	bed.pool[1].length = 128;
	bed.config.n_pool = 2;
	cr_assert_eq(pbed_open(&bed), 0);
	memset(&view, 0, sizeof(view));
	view.id = 1;
	view.state = SESSION_ACTIVE;
	for (size_t i = 0; i < 4; i++)
		pbed_add_prefix(&view, prefixes[i]);
	publish(&view);
	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(pbed_session_of(&bed, prefixes[i]), 1, "%s", prefixes[i]);
	cr_assert_eq(pbed_session_of(&bed, "10.20.3.5/32"), 0);
	cr_assert_eq(pbed_count(&bed, "prefix"), 2);
	cr_assert_eq(pbed_count(&bed, "slots"), 65536);
	pbed_close(&bed);
	cr_assert_eq(pbed_open(&bed), 0);
	{
		struct pbed_dump before;

		pbed_dump(&bed, &before);
		publish(&view);
		pbed_assert_same(&bed, &before);
	}
	cr_assert_eq(plane_orphans(bed.plane), 0);
}
