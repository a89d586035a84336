/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Router advertisements, as the kernel of a host takes them (address, MTU, default route,
 * deprecation) and as they are answered to solicitations, sound and unsound.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net.h"
#include "tests/support/net_bed.h"

#define ADDRESSES "ip -n far -6 address show dev w1"
#define ROUTES	  "ip -n far -6 route show default"
#define MTU	  "ip netns exec far cat /proc/sys/net/ipv6/conf/w1/mtu"

static struct nbed bed;
static struct ra *ra;
static uint32_t w1;

static void setup(void)
{
	nbed_init(&bed);
	nbed_enter_far(&bed);
	w1 = if_nametoindex("w1");
	nbed_leave_far(&bed);
	cr_assert_eq(ra_open(&bed.loop, &ra), 0);
}

static void teardown(void)
{
	ra_close(ra);
	nbed_fini(&bed);
}

TestSuite(net_ra, .init = setup, .fini = teardown, .timeout = 30);

static void advertise(const char *prefix, uint16_t mtu, uint16_t router_lifetime_s)
{
	struct ra_prefix p = {.lifetime_s = 600};

	if (prefix)
		cr_assert_eq(ip_prefix_parse(prefix, &p.prefix), 0);
	cr_assert_eq(ra_set(ra, "w0", &p, prefix != NULL, mtu, router_lifetime_s), 0);
}

/* ---- a host ------------------------------------------------------------------------ */

Test(net_ra, host, .description = "B-5213-6.9.2-a, -c: address by SLAAC, MTU and default route")
{
	advertise("2001:db8:1:1::/64", 1400, 600);
	nbed_await(&bed, nbed_says(ADDRESSES, "2001:db8:1:1:0:ff:fe00:2/64"), 3000);
	nbed_await(&bed, nbed_says(ROUTES, "default via fe80::ff:fe00:1 "), 1000);
	nbed_await(&bed, nbed_says(MTU, "1400"), 1000);
}

Test(net_ra, withdrawn, .description = "RFC 4861 6.2.5: what has left is let go of, the rest stays")
{
	struct ra_prefix both[2] = {{.lifetime_s = 600}, {.lifetime_s = 600}};

	cr_assert_eq(ip_prefix_parse("2001:db8:1:1::/64", &both[0].prefix), 0);
	cr_assert_eq(ip_prefix_parse("2001:db8:1:2::/64", &both[1].prefix), 0);
	cr_assert_eq(ra_set(ra, "w0", both, 2, 0, 600), 0);
	nbed_await(&bed, nbed_says(ADDRESSES, "2001:db8:1:1:0:ff:fe00:2/64"), 3000);
	nbed_await(&bed, nbed_says(ADDRESSES, "2001:db8:1:2:0:ff:fe00:2/64"), 1000);
	cr_expect_not(nbed_says(ADDRESSES, "deprecated"));

	cr_assert_eq(ra_set(ra, "w0", both + 1, 1, 0, 600), 0);
	nbed_await(&bed, nbed_says(ADDRESSES " | grep 2001:db8:1:1:", "deprecated"), 3000);
	cr_expect_not(nbed_says(ADDRESSES " | grep 2001:db8:1:2:", "deprecated"));

	/* no router any more */
	cr_assert_eq(ra_set(ra, "w0", NULL, 0, 0, 0), 0);
	nbed_await(&bed, nbed_says(ADDRESSES " | grep 2001:db8:1:2:", "deprecated"), 3000);
	nbed_await(&bed, !nbed_says(ROUTES, "default"), 1000);

	/* and a router again */
	cr_assert_eq(ra_set(ra, "w0", both, 1, 0, 600), 0);
	nbed_await(&bed, !nbed_says(ADDRESSES " | grep 2001:db8:1:1:", "deprecated"), 3000);
	nbed_await(&bed, nbed_says(ROUTES, "default"), 1000);
}

Test(net_ra, many, .description = "more prefixes than one message holds")
{
	struct ra_prefix p[60];
	char text[48];

	nbed_sysctl_far("conf/w1/max_addresses", "100");
	for (unsigned int i = 0; i < 60; i++) {
		snprintf(text, sizeof(text), "2001:db8:1:%x::/64", i + 1);
		p[i].lifetime_s = 600;
		cr_assert_eq(ip_prefix_parse(text, &p[i].prefix), 0);
	}
	cr_assert_eq(ra_set(ra, "w0", p, 60, 1400, 600), 0);
	nbed_await(&bed, nbed_says(ADDRESSES " | grep -c 2001:db8:1:", "60"), 5000);
}

Test(net_ra, device_comes_later, .description = "a LAN may be set before its device is there")
{
	struct ra_prefix p = {.lifetime_s = 600};

	cr_assert_eq(ip_prefix_parse("2001:db8:1:1::/64", &p.prefix), 0);
	cr_assert_eq(ra_set(ra, "x0", &p, 1, 0, 600), 0);
	nbed_turn(&bed);
	nbed_ip("link add x0 type veth peer name x1 netns far");
	nbed_ip("link set x0 up");
	nbed_ip_far("link set x1 up");
	nbed_await(&bed, nbed_says("ip -6 address show dev x0", "fe80::"), 3000);
	ra_device_changed(ra, "x0");
	ra_device_changed(ra, "unknown0");
	nbed_await(&bed, nbed_says("ip -n far -6 address show dev x1", "2001:db8:1:1:"), 5000);
}

/* ---- a listener -------------------------------------------------------------------- */

struct listener {
	int fd;
	unsigned int multicast, unicast;
	uint8_t packet[1500];
	ssize_t len; /* of the last one */
	int hop_limit;
};

static void listen_far(struct listener *l)
{
	struct ipv6_mreq mreq = {.ipv6mr_interface = w1};
	struct icmp6_filter filter;
	int on = 1;

	memset(l, 0, sizeof(*l));
	nbed_enter_far(&bed);
	l->fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
	nbed_leave_far(&bed);
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ND_ROUTER_ADVERT, &filter);
	mreq.ipv6mr_multiaddr.s6_addr[0] = 0xff;
	mreq.ipv6mr_multiaddr.s6_addr[1] = 2;
	mreq.ipv6mr_multiaddr.s6_addr[15] = 1;
	cr_assert_eq(setsockopt(l->fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)), 0);
	cr_assert_eq(setsockopt(l->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)), 0);
	cr_assert_eq(setsockopt(l->fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on)), 0);
	cr_assert_eq(setsockopt(l->fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &mreq, sizeof(mreq)), 0);
}

static void take(struct listener *l)
{
	_Alignas(struct cmsghdr) uint8_t control[128];

	for (;;) {
		struct iovec iov = {l->packet, sizeof(l->packet)};
		struct msghdr msg = {.msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control,
				     .msg_controllen = sizeof(control)};
		struct in6_pktinfo info = {0};
		ssize_t n = recvmsg(l->fd, &msg, 0);

		if (n < 0)
			return;
		l->len = n;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
			if (c->cmsg_type == IPV6_PKTINFO)
				memcpy(&info, CMSG_DATA(c), sizeof(info));
			else if (c->cmsg_type == IPV6_HOPLIMIT)
				memcpy(&l->hop_limit, CMSG_DATA(c), sizeof(int));
		}
		if (info.ipi6_addr.s6_addr[0] == 0xff)
			l->multicast++;
		else
			l->unicast++;
	}
}

#define await(listener, condition, ms) nbed_await(&bed, (take(listener), condition), ms)

Test(net_ra, format, .description = "RFC 4861 4.2: hop limit 255, flags, options")
{
	struct listener l;
	const uint8_t *p = l.packet;

	listen_far(&l);
	advertise("2001:db8:1:1::/64", 1400, 1800);
	await(&l, l.multicast == 1, 1000);
	cr_expect_eq(l.hop_limit, 255);
	cr_expect_eq(l.len, 16 + 8 + 32);
	cr_expect_eq(p[0], ND_ROUTER_ADVERT);
	cr_expect_eq(p[5], 0, "neither managed nor other configuration");
	cr_expect_eq(p[6] << 8 | p[7], 1800);
	cr_expect_eq(p[16], 5);
	cr_expect_eq(p[22] << 8 | p[23], 1400);
	cr_expect_eq(p[24], 3);
	cr_expect_eq(p[26], 64);
	cr_expect_eq(p[27], 0xc0, "on-link, autonomous");
	cr_expect_eq(p[30] << 8 | p[31], 600);
	cr_expect_eq(p[34] << 8 | p[35], 600);
	close(l.fd);
}

Test(net_ra, burst, .description = "RFC 4861 6.2.4: a change is said three times")
{
	struct listener l;

	listen_far(&l);
	advertise("2001:db8:1:1::/64", 0, 600);
	await(&l, l.multicast == 3, 2500);
	close(l.fd);
}

/* ---- solicitations ----------------------------------------------------------------- */

/* A frame with a solicitation from `source`; returns its length. */
static size_t solicitation(uint8_t *p, const char *source, const uint8_t *option, size_t option_len)
{
	static const uint8_t ethernet[] = {0x33, 0x33, 0, 0, 0, 2, 2, 0, 0, 0, 0, 2, 0x86, 0xdd};
	struct ip_addr from = nbed_addr(source), to = nbed_addr("ff02::2");
	size_t len = 8 + option_len;
	uint32_t sum = (uint32_t)len + IPPROTO_ICMPV6;

	memset(p, 0, 54 + len);
	memcpy(p, ethernet, sizeof(ethernet));
	p[14] = 0x60;
	p[19] = (uint8_t)len;
	p[20] = IPPROTO_ICMPV6;
	p[21] = 255;
	memcpy(p + 22, from.b, 16);
	memcpy(p + 38, to.b, 16);
	p[54] = ND_ROUTER_SOLICIT;
	if (option_len)
		memcpy(p + 62, option, option_len);
	for (size_t i = 22; i < 54 + len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	p[56] = (uint8_t)(~sum >> 8);
	p[57] = (uint8_t)~sum;
	return 54 + len;
}

static void solicit(int fd, const char *source)
{
	uint8_t p[128];
	size_t len = solicitation(p, source, NULL, 0);

	cr_assert_eq(send(fd, p, len, 0), (ssize_t)len);
}

#define FAR_LINK_LOCAL "fe80::ff:fe00:2"

Test(net_ra, solicited, .description = "RFC 4861 6.2.6: answered to who asked, at once")
{
	struct listener l;
	int fd = nbed_far_packets(&bed);

	listen_far(&l);
	advertise("2001:db8:1:1::/64", 0, 600);
	await(&l, l.multicast == 1, 1000);
	solicit(fd, FAR_LINK_LOCAL);
	await(&l, l.unicast == 1, 500);
	close(fd);
	close(l.fd);
}

Test(net_ra, unspecified, .description = "from ::, again and again: soon, and to all")
{
	struct listener l;
	int fd = nbed_far_packets(&bed);
	uint64_t began, next = 0;

	listen_far(&l);
	advertise("2001:db8:1:1::/64", 0, 600);
	await(&l, l.multicast == 1, 1000);
	began = nbed_now_ns();
	while (l.multicast == 1) {
		cr_assert_lt(nbed_now_ns() - began, 400000000, "put off by each of them");
		if (nbed_now_ns() >= next) {
			solicit(fd, "::");
			next = nbed_now_ns() + 40000000;
		}
		nbed_turn(&bed);
		take(&l);
	}
	cr_expect_eq(l.unicast, 0);
	close(fd);
	close(l.fd);
}

Test(net_ra, unsound, .description = "RFC 4861 6.1.1: hop limit, code, options; not answered")
{
	static const uint8_t source_option[8] = {1, 1, 2, 0, 0, 0, 0, 2};
	static const uint8_t empty_option[8] = {1, 0};
	static const uint8_t long_option[8] = {1, 2};
	struct listener l;
	int fd = nbed_far_packets(&bed);
	uint8_t p[128];
	size_t len;

	listen_far(&l);
	advertise("2001:db8:1:1::/64", 0, 600);
	await(&l, l.multicast == 1, 1000);
	len = solicitation(p, FAR_LINK_LOCAL, NULL, 0);
	p[21] = 254;
	cr_assert_eq(send(fd, p, len, 0), (ssize_t)len);
	p[21] = 255;
	p[55] = 1; /* code; the checksum follows */
	p[57]--;
	cr_assert_eq(send(fd, p, len, 0), (ssize_t)len);
	len = solicitation(p, FAR_LINK_LOCAL, empty_option, 8);
	cr_assert_eq(send(fd, p, len, 0), (ssize_t)len);
	len = solicitation(p, FAR_LINK_LOCAL, long_option, 8);
	cr_assert_eq(send(fd, p, len, 0), (ssize_t)len);
	len = solicitation(p, FAR_LINK_LOCAL, source_option, 8);
	cr_assert_eq(send(fd, p, len, 0), (ssize_t)len);
	await(&l, l.unicast > 0, 500);
	for (int i = 0; i < 10; i++)
		nbed_turn(&bed);
	take(&l);
	cr_expect_eq(l.unicast, 1, "the sound one is answered, no other");
	close(fd);
	close(l.fd);
}

Test(net_ra, flood, .description = "a budget of 20 answers a second")
{
	struct listener l;
	int fd = nbed_far_packets(&bed);

	listen_far(&l);
	advertise("2001:db8:1:1::/64", 0, 600);
	await(&l, l.multicast == 1, 1000);
	for (int i = 0; i < 300; i++)
		solicit(fd, FAR_LINK_LOCAL);
	await(&l, l.unicast >= 20, 1000);
	for (int i = 0; i < 20; i++)
		nbed_turn(&bed);
	take(&l);
	cr_expect_leq(l.unicast, 40, "a second may end within the test");
	close(fd);
	close(l.fd);
}

Test(net_ra, no_router, .description = "where there is nothing to say, nobody is answered")
{
	struct listener l;
	int fd = nbed_far_packets(&bed);

	listen_far(&l);
	advertise(NULL, 0, 0);
	await(&l, l.multicast == 3, 3000);
	cr_expect_eq(l.packet[6] << 8 | l.packet[7], 0);
	solicit(fd, FAR_LINK_LOCAL);
	solicit(fd, "::");
	for (int i = 0; i < 30; i++)
		nbed_turn(&bed);
	take(&l);
	cr_expect_eq(l.unicast, 0);
	cr_expect_eq(l.multicast, 3);
	close(fd);
	close(l.fd);
}
