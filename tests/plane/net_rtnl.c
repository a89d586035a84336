/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rtnetlink: what is told of a device as it changes, of the hop to a tunnel's far end, and the
 * routes that are ours. Every change is made by `ip`, as an operator would.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "net/net.h"
#include "tests/support/net_bed.h"

#define WATCH  3
#define TUNNEL 5

static const uint8_t mac_here[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t mac_far[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t mac_new[6] = {2, 0, 0, 0, 0, 9};

static struct nbed bed;
static struct rtnl *rtnl;
static struct ip_addr here_addr, far_addr;
static struct rtnl_device_state device; /* as told last */
static struct rtnl_hop hop;
static unsigned int devices, hops, changes;
static void (*on_hop)(uint32_t tunnel);

static void told_device(void *ctx, size_t watch, const struct rtnl_device_state *state)
{
	(void)ctx;
	cr_assert_eq(watch, WATCH);
	device = *state;
	devices++;
}

static void told_hop(void *ctx, uint32_t tunnel, const struct rtnl_hop *new_hop)
{
	(void)ctx;
	hop = *new_hop;
	hops++;
	if (on_hop)
		on_hop(tunnel);
}

static void told_change(void *ctx)
{
	(void)ctx;
	changes++;
}

static void setup(void)
{
	struct rtnl_handler handler = {NULL, told_device, told_hop, told_change};

	nbed_init(&bed);
	here_addr = nbed_addr(NBED_HERE);
	far_addr = nbed_addr(NBED_FAR);
	cr_assert_eq(rtnl_open(&bed.loop, &handler, &rtnl), 0);
}

static void teardown(void)
{
	rtnl_close(rtnl);
	nbed_fini(&bed);
}

TestSuite(net_rtnl, .init = setup, .fini = teardown, .timeout = 30);

/* ---- devices ----------------------------------------------------------------------- */

static void watch(const char *name, const struct ip_addr *anchor)
{
	cr_assert_eq(rtnl_watch_device(rtnl, WATCH, name, anchor), 0);
	cr_assert_eq(devices, 1, "told at once");
}

Test(net_rtnl, address, .description = "comes, goes, is not yet or no longer good")
{
	struct ip_addr second = nbed_addr("2001:db8:a::77");

	watch("w0", NULL);
	cr_expect(device.exists && device.usable);
	cr_expect(ip_equal(&device.address, &here_addr));
	cr_expect_eq(device.ifindex, if_nametoindex("w0"));
	cr_expect_eq(device.mtu, 1500);

	nbed_ip("address del " NBED_HERE "/64 dev w0");
	nbed_await(&bed, !device.usable, 1000);
	cr_expect(device.exists);
	nbed_ip("address add 2001:db8:a::77/64 dev w0 nodad");
	nbed_await(&bed, device.usable, 1000);
	cr_expect(ip_equal(&device.address, &second));

	nbed_ip("address add " NBED_HERE "/64 dev w0 nodad");
	nbed_await(&bed, changes > 2, 1000);
	cr_expect(ip_equal(&device.address, &second), "one that is good is kept");
	nbed_ip("address change 2001:db8:a::77/64 dev w0 preferred_lft 0 valid_lft 1000");
	nbed_await(&bed, ip_equal(&device.address, &here_addr), 1000);
	cr_expect(device.usable);
}

Test(net_rtnl, tentative, .description = "an address in duplicate detection is not used")
{
	struct ip_addr second = nbed_addr("2001:db8:a::77");
	uint64_t began;

	nbed_ip("address del " NBED_HERE "/64 dev w0");
	nbed_ip("link set w0 down");
	cr_assert(nbed_says("cd /proc/sys/net/ipv6/conf/w0 && echo 1 >accept_dad && "
			    "echo 1 >dad_transmits && cat accept_dad dad_transmits",
			    "1\n1"));
	nbed_ip("link set w0 up");
	watch("w0", NULL);
	nbed_ip("address add 2001:db8:a::77/64 dev w0");
	began = nbed_now_ns();
	nbed_await(&bed, device.usable, 5000);
	cr_expect_gt(nbed_now_ns() - began, 500000000, "before the detection ended");
	cr_expect(ip_equal(&device.address, &second));
}

Test(net_rtnl, link, .description = "down, up, without carrier, another MTU")
{
	cr_assert(nbed_says("cd /proc/sys/net/ipv6/conf/w0 && echo 1 >keep_addr_on_down && "
			    "cat keep_addr_on_down",
			    "1"));
	watch("w0", NULL);
	nbed_ip("link set w0 down");
	nbed_await(&bed, !device.usable, 1000);
	cr_expect(device.exists);
	nbed_ip("link set w0 up");
	nbed_await(&bed, device.usable, 3000);
	nbed_ip_far("link set w1 down");
	nbed_await(&bed, !device.usable, 3000);
	nbed_ip_far("link set w1 up");
	nbed_await(&bed, device.usable, 3000);
	nbed_ip("link set w0 mtu 1400");
	nbed_await(&bed, device.mtu == 1400, 1000);
	cr_expect(device.usable);
}

Test(net_rtnl, names, .description = "a device is what has the name: renamed away, back, made anew")
{
	uint32_t first;

	nbed_ip("link add d0 type veth peer name d1");
	nbed_ip("link set d1 up");
	nbed_ip("address add 2001:db8:d::1/64 dev d0 nodad");
	watch("d0", NULL);
	cr_expect(device.exists && !device.usable, "it is down");
	first = device.ifindex;
	nbed_ip("link set d0 up");
	nbed_await(&bed, device.usable, 1000);

	nbed_ip("link set d0 down");
	nbed_ip("link set d0 name d9");
	nbed_await(&bed, !device.exists, 1000);
	nbed_ip("link set d9 name d0");
	nbed_await(&bed, device.exists, 1000);
	cr_expect_eq(device.ifindex, first);

	nbed_ip("link del d0");
	nbed_await(&bed, !device.exists, 1000);
	nbed_ip("link add d0 type veth peer name d1");
	nbed_await(&bed, device.exists, 1000);
	cr_expect_neq(device.ifindex, first);
	cr_expect_eq(device.ifindex, if_nametoindex("d0"));
	cr_expect_not(device.usable);
}

Test(net_rtnl, not_there_yet, .description = "a device may be watched before it is made")
{
	watch("late0", NULL);
	cr_expect_not(device.exists);
	nbed_ip("link add late0 type veth peer name late1");
	nbed_await(&bed, device.exists, 1000);
}

Test(net_rtnl, anchor, .description = "without a route to the anchor a device is of no use")
{
	struct ip_addr remote = nbed_addr("2001:db8:f::1");

	watch("w0", &remote);
	cr_expect(device.exists && !device.usable);
	nbed_ip("-6 route add 2001:db8:f::/64 via " NBED_FAR " dev w0");
	nbed_await(&bed, device.usable, 1000);
	nbed_ip("-6 route del 2001:db8:f::/64");
	nbed_await(&bed, !device.usable, 1000);
	nbed_ip("-6 route add unreachable 2001:db8:f::/64");
	nbed_ip("-6 route add 2001:db8:f::1/128 via " NBED_FAR " dev w0");
	nbed_await(&bed, device.usable, 1000);
}

Test(net_rtnl, same_again, .description = "what did not change is not told again")
{
	watch("w0", NULL);
	nbed_ip("link add d0 type veth peer name d1");
	nbed_ip("link del d0");
	nbed_ip("-6 route add 2001:db8:77::/64 via " NBED_FAR);
	nbed_await(&bed, changes > 0, 1000);
	for (int i = 0; i < 10; i++)
		nbed_turn(&bed);
	cr_expect_eq(devices, 1);
}

/* ---- hops -------------------------------------------------------------------------- */

static bool hop_is(const uint8_t destination[6])
{
	return hop.resolved && memcmp(hop.destination_mac, destination, 6) == 0;
}

static void watch_hop(const char *remote, uint32_t ifindex)
{
	struct ip_addr addr = nbed_addr(remote);

	cr_assert_eq(rtnl_watch_hop(rtnl, TUNNEL, &here_addr, &addr, ifindex), 0);
	cr_assert_eq(hops, 1, "told at once");
}

Test(net_rtnl, neighbour, .description = "resolved on our request; follows the peer's address")
{
	nbed_ip("-6 neigh flush dev w0");
	watch_hop(NBED_FAR, 0);
	nbed_await(&bed, hop_is(mac_far), 2000);
	cr_expect_eq(hop.ifindex, if_nametoindex("w0"));
	cr_expect_eq(hop.mtu, 1500);
	cr_expect_arr_eq(hop.source_mac, mac_here, 6);

	nbed_sysctl_far("conf/w1/ndisc_notify", "1");
	nbed_ip_far("link set w1 address 02:00:00:00:00:09");
	nbed_await(&bed, hop_is(mac_new), 2000);
	nbed_ip("link set w0 mtu 1300");
	nbed_await(&bed, hop.mtu == 1300, 1000);
	nbed_ip("link set w0 address 02:00:00:00:00:05");
	nbed_await(&bed, hop.source_mac[5] == 5, 1000);
}

Test(net_rtnl, link_of_a_hop, .description = "down, without carrier: unresolved; and back")
{
	cr_assert(nbed_says("cd /proc/sys/net/ipv6/conf/w0 && echo 1 >keep_addr_on_down && "
			    "cat keep_addr_on_down",
			    "1"));
	nbed_sysctl_far("conf/w1/keep_addr_on_down", "1");
	watch_hop(NBED_FAR, if_nametoindex("w0"));
	nbed_await(&bed, hop_is(mac_far), 2000);
	nbed_ip("link set w0 down");
	nbed_await(&bed, !hop.resolved, 1000);
	nbed_ip("link set w0 up");
	nbed_await(&bed, hop_is(mac_far), 6000);
	nbed_ip_far("link set w1 down");
	nbed_await(&bed, !hop.resolved, 3000);
	nbed_ip_far("link set w1 up");
	nbed_await(&bed, hop_is(mac_far), 6000);
}

Test(net_rtnl, gateway,
     .description = "the gateway's MAC, the route's MTU; the route goes and comes")
{
	watch_hop("2001:db8:f::1", 0);
	cr_expect_not(hop.resolved);
	nbed_ip("-6 route add 2001:db8:f::/64 via " NBED_FAR " dev w0 mtu 1400");
	nbed_await(&bed, hop_is(mac_far), 2000);
	cr_expect_eq(hop.mtu, 1400);
	nbed_ip("-6 route change 2001:db8:f::/64 via " NBED_FAR " dev w0 mtu 1350");
	nbed_await(&bed, hop.mtu == 1350, 1000);
	cr_expect(hop.resolved);
	nbed_ip("-6 route del 2001:db8:f::/64");
	nbed_await(&bed, !hop.resolved, 1000);
}

Test(net_rtnl, by_its_device, .description = "a hop by a device ignores better routes by others")
{
	nbed_ip("link add x0 type veth peer name x1");
	nbed_ip("link set x0 up");
	nbed_ip("link set x1 up");
	nbed_ip("-6 route add 2001:db8:f::/64 via " NBED_FAR " dev w0 metric 2000");
	watch_hop("2001:db8:f::1", if_nametoindex("w0"));
	nbed_await(&bed, hop_is(mac_far), 2000);
	changes = 0;
	nbed_ip("-6 route add 2001:db8:f::/64 dev x0 metric 1");
	nbed_await(&bed, changes > 0, 1000);
	for (int i = 0; i < 10; i++)
		nbed_turn(&bed);
	cr_expect(hop_is(mac_far));
	cr_expect_eq(hop.ifindex, if_nametoindex("w0"));
}

Test(net_rtnl, unwatched, .description = "who does not watch any more is not told")
{
	watch_hop(NBED_FAR, 0);
	nbed_await(&bed, hop.resolved, 2000);
	rtnl_unwatch_hop(rtnl, TUNNEL);
	rtnl_unwatch_hop(rtnl, TUNNEL);
	hops = changes = 0;
	nbed_ip("link set w0 mtu 1300");
	nbed_await(&bed, changes > 0, 1000);
	cr_expect_eq(hops, 0);
}

static void unwatch_others(uint32_t tunnel)
{
	for (uint32_t i = 1; i <= 20; i++) {
		if (i != tunnel)
			rtnl_unwatch_hop(rtnl, i);
	}
}

Test(net_rtnl, unwatched_while_told, .description = "who is told of one hop may end all others")
{
	for (uint32_t i = 1; i <= 20; i++)
		cr_assert_eq(rtnl_watch_hop(rtnl, i, &here_addr, &far_addr, 0), 0);
	nbed_await(&bed, hop.resolved && hops >= 20, 2000);
	hops = 0;
	on_hop = unwatch_others;
	nbed_ip("link set w0 mtu 1300");
	nbed_await(&bed, hops > 0, 1000);
	nbed_ip("link set w0 mtu 1310");
	nbed_await(&bed, hops > 1, 1000);
	cr_expect_eq(hops, 2, "of the one that is left");
	cr_expect_eq(hop.mtu, 1310);
}

/* ---- routes of ours ---------------------------------------------------------------- */

#define OURS "ip -6 route show proto 82; ip -6 route show type unreachable proto 82"

Test(net_rtnl, routes, .description = "added once, replaced, removed, and removed again")
{
	struct ip_prefix home, v4;
	uint32_t w0 = if_nametoindex("w0");

	cr_assert_eq(ip_prefix_parse("2001:db8:1:1::/64", &home), 0);
	cr_assert_eq(ip_prefix_parse("10.0.0.0/8", &v4), 0);
	cr_expect_eq(rtnl_route_add(rtnl, RTNL_ROUTE_ON_LINK, &home, w0), 0);
	cr_expect_eq(rtnl_route_add(rtnl, RTNL_ROUTE_ON_LINK, &home, w0), 0);
	cr_expect(nbed_says(OURS, "2001:db8:1:1::/64 dev w0"));
	cr_expect_eq(rtnl_route_remove(rtnl, RTNL_ROUTE_ON_LINK, &home, w0), 0);
	cr_expect_not(nbed_says(OURS, "2001:db8:1:1::"));
	cr_expect_eq(rtnl_route_remove(rtnl, RTNL_ROUTE_ON_LINK, &home, w0), 0);
	cr_expect_eq(rtnl_route_add(rtnl, RTNL_ROUTE_UNREACHABLE, &home, 0), 0);
	cr_expect(nbed_says(OURS, "unreachable 2001:db8:1:1::/64"));
	cr_expect_eq(rtnl_route_add(rtnl, RTNL_ROUTE_UNREACHABLE, &v4, 0), -EAFNOSUPPORT);
	cr_expect_lt(rtnl_route_add(rtnl, RTNL_ROUTE_ON_LINK, &home, w0 + 1000), 0);
}

Test(net_rtnl, purge, .description = "all that are ours, none that are not")
{
	struct ip_prefix home;
	char text[48];

	for (unsigned int i = 0; i < 600; i++) {
		snprintf(text, sizeof(text), "2001:db8:1:%x::/64", i);
		cr_assert_eq(ip_prefix_parse(text, &home), 0);
		cr_assert_eq(rtnl_route_add(rtnl,
					    i % 2 ? RTNL_ROUTE_ON_LINK : RTNL_ROUTE_UNREACHABLE,
					    &home, if_nametoindex("w0")),
			     0);
	}
	nbed_ip("-6 route add 2001:db8:77::/64 dev w0");
	cr_assert(nbed_says(OURS, "2001:db8:1:"));
	cr_expect_eq(rtnl_routes_purge(), 0);
	cr_expect_not(nbed_says(OURS, "2001"));
	cr_expect(nbed_says("ip -6 route show", "2001:db8:77::/64"));
	cr_expect_eq(rtnl_routes_purge(), 0);
}
