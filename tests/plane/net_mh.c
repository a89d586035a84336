/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Mobility Header socket between two namespaces: what is sent arrives with the facts of its
 * way and a right checksum; what is damaged, cut or from nowhere does not; errors of one message
 * are not those of the next.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net.h"
#include "tests/support/net_bed.h"
#include "wire/message.h"

struct end {
	struct mh_socket *sock;
	struct core_peer from; /* of the last message */
	uint8_t octets[MH_MAX];
	size_t len;
	unsigned int messages;
	unsigned int batches;
	unsigned int unfinished; /* messages since the last end of a batch */
	uint16_t next;		 /* number that a message must have */
	bool disorder;
};

static struct nbed bed;
static struct end here, far;
static struct ip_addr here_addr, far_addr;
static uint32_t w0;

static void on_message(void *ctx, const struct core_peer *from, const uint8_t *octets, size_t len)
{
	struct end *e = ctx;

	e->from = *from;
	e->len = len;
	memcpy(e->octets, octets, len);
	e->messages++;
	e->unfinished++;
	e->disorder = e->disorder || octets[6] != e->next >> 8 || octets[7] != (e->next & 0xff);
	e->next++;
}

static void on_batch_end(void *ctx)
{
	struct end *e = ctx;

	e->batches++;
	e->unfinished = 0;
}

static void open_end(struct end *e)
{
	struct mh_handler handler = {e, on_message, on_batch_end};

	cr_assert_eq(mh_socket_open(&bed.loop, &handler, &e->sock), 0);
}

static void setup(void)
{
	nbed_init(&bed);
	here_addr = nbed_addr(NBED_HERE);
	far_addr = nbed_addr(NBED_FAR);
	w0 = if_nametoindex("w0");
	open_end(&here);
	nbed_enter_far(&bed);
	open_end(&far);
	nbed_leave_far(&bed);
}

static void teardown(void)
{
	mh_socket_close(here.sock);
	mh_socket_close(far.sock);
	nbed_fini(&bed);
}

TestSuite(net_mh, .init = setup, .fini = teardown, .timeout = 30);

/* A message of 8 * `units` octets with its number in it, checksum 0. */
static size_t make(uint8_t *octets, unsigned int units, uint16_t number)
{
	memset(octets, 0x5a, (size_t)8 * units);
	octets[0] = 59;
	octets[1] = (uint8_t)(units - 1);
	octets[2] = 5;
	octets[3] = 0;
	octets[4] = octets[5] = 0;
	octets[6] = (uint8_t)(number >> 8);
	octets[7] = (uint8_t)number;
	return (size_t)8 * units;
}

static int queue(uint32_t ifindex, const struct ip_addr *remote, uint16_t number)
{
	struct core_peer to = {here_addr, *remote, ifindex};
	uint8_t octets[MH_MAX];
	size_t len = make(octets, 4, number);

	return mh_socket_send(here.sock, &to, octets, len);
}

/* RFC 6275 6.1.1: over the pseudo-header and the message; 0 when it is right. */
static uint16_t checksum(const struct ip_addr *a, const struct ip_addr *b, const uint8_t *octets,
			 size_t len)
{
	uint32_t sum = (uint32_t)len + 135;

	for (size_t i = 0; i < 16; i += 2)
		sum += (uint32_t)(a->b[i] << 8 | a->b[i + 1]) +
		       (uint32_t)(b->b[i] << 8 | b->b[i + 1]);
	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)(octets[i] << 8 | octets[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

Test(net_mh, round_trip, .description = "octets, addresses, device; the kernel's checksum is right")
{
	uint8_t expected[MH_MAX];
	size_t len = make(expected, 4, 0);
	uint32_t w1;

	nbed_enter_far(&bed);
	w1 = if_nametoindex("w1");
	nbed_leave_far(&bed);
	cr_assert_eq(queue(w0, &far_addr, 0), 0);
	cr_expect_eq(mh_socket_counts(here.sock)->sent, 0, "queued is not sent");
	mh_socket_flush(here.sock);
	nbed_await(&bed, far.batches == 1, 2000);
	cr_expect_eq(far.messages, 1);
	cr_expect_eq(far.len, len);
	cr_expect(ip_equal(&far.from.remote, &here_addr));
	cr_expect(ip_equal(&far.from.local, &far_addr));
	cr_expect_eq(far.from.ifindex, w1);
	cr_expect_neq(far.octets[4] << 8 | far.octets[5], 0);
	cr_expect_eq(checksum(&here_addr, &far_addr, far.octets, far.len), 0);
	memset(far.octets + 4, 0, 2);
	cr_expect_arr_eq(far.octets, expected, len);
	cr_expect_eq(mh_socket_counts(here.sock)->sent, 1);
	cr_expect_eq(mh_socket_counts(far.sock)->received, 1);

	/* and back, by routing */
	cr_assert_eq(mh_socket_send(far.sock, &(struct core_peer){far_addr, here_addr, 0}, expected,
				    len),
		     0);
	mh_socket_flush(far.sock);
	nbed_await(&bed, here.batches == 1, 2000);
	cr_expect(ip_equal(&here.from.remote, &far_addr));
	cr_expect_eq(here.from.ifindex, w0);
}

Test(net_mh, burst, .description = "in order, none lost, in batches; the queue has an end")
{
	uint16_t n = 0;

	while (queue(w0, &far_addr, n) == 0)
		cr_assert_lt(++n, 10000);
	cr_expect_eq(queue(w0, &far_addr, n), -ENOBUFS);
	cr_expect_eq(mh_socket_counts(here.sock)->send_errors, 2);
	mh_socket_flush(here.sock);
	nbed_await(&bed, far.messages == n && far.unfinished == 0, 5000);
	cr_expect_not(far.disorder);
	cr_expect_lt(far.batches, n / 8, "%u batches", far.batches);
	cr_expect_eq(mh_socket_counts(here.sock)->sent, n);
	cr_expect_eq(queue(w0, &far_addr, n), 0, "there is room again");
}

Test(net_mh, too_long)
{
	uint8_t octets[MH_MAX + 8] = {0};
	struct core_peer to = {here_addr, far_addr, w0};

	cr_expect_eq(mh_socket_send(here.sock, &to, octets, sizeof(octets)), -EMSGSIZE);
	mh_socket_flush(here.sock);
	cr_expect_eq(mh_socket_counts(here.sock)->sent, 0);
}

Test(net_mh, longest, .description = "a message of 2048 octets goes in fragments")
{
	uint8_t octets[MH_MAX];
	struct core_peer to = {here_addr, far_addr, w0};

	make(octets, 256, 0);
	cr_assert_eq(mh_socket_send(here.sock, &to, octets, MH_MAX), 0);
	mh_socket_flush(here.sock);
	nbed_await(&bed, far.messages == 1, 2000);
	cr_expect_eq(far.len, MH_MAX);
	cr_expect_eq(checksum(&here_addr, &far_addr, far.octets, far.len), 0);
}

Test(net_mh, errors, .description = "what cannot go is counted and holds up nothing")
{
	struct ip_addr nowhere = nbed_addr("2001:db8:99::1");

	cr_assert_eq(queue(0, &nowhere, 7), 0);
	cr_assert_eq(queue(0, &far_addr, 0), 0);
	cr_assert_eq(queue(w0 + 1000, &far_addr, 7), 0);
	cr_assert_eq(queue(w0, &far_addr, 1), 0);
	mh_socket_flush(here.sock);
	nbed_await(&bed, far.messages == 2, 2000);
	cr_expect_not(far.disorder);
	cr_expect_eq(mh_socket_counts(here.sock)->send_errors, 2);
	cr_expect_eq(mh_socket_counts(here.sock)->sent, 2);
}

Test(net_mh, by_its_device, .description = "not by that of a better route")
{
	uint32_t x1;

	nbed_ip("link add x0 type veth peer name x1 netns far");
	nbed_ip("address add 2001:db8:b::1/64 dev x0 nodad");
	nbed_ip_far("address add 2001:db8:b::2/64 dev x1 nodad");
	nbed_ip("link set x0 up");
	nbed_ip_far("link set x1 up");
	nbed_ip("-6 route add " NBED_FAR "/128 via 2001:db8:b::2 dev x0 metric 1");
	nbed_enter_far(&bed);
	x1 = if_nametoindex("x1");
	nbed_leave_far(&bed);

	cr_assert_eq(queue(0, &far_addr, 0), 0);
	mh_socket_flush(here.sock);
	nbed_await(&bed, far.messages == 1, 2000);
	cr_expect_eq(far.from.ifindex, x1, "by routing");
	cr_assert_eq(queue(w0, &far_addr, 1), 0);
	mh_socket_flush(here.sock);
	nbed_await(&bed, far.messages == 2, 2000);
	cr_expect_neq(far.from.ifindex, x1, "by w0");
}

/* ---- what must not arrive ---------------------------------------------------------- */

/* A whole frame from far with a message in it; returns its length. */
static size_t frame(uint8_t *p, const struct ip_addr *source, uint16_t number)
{
	static const uint8_t ethernet[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd};
	size_t len = make(p + 54, 4, number);
	uint16_t sum;

	memset(p, 0, 54);
	memcpy(p, ethernet, sizeof(ethernet));
	p[14] = 0x60;
	p[19] = (uint8_t)len;
	p[20] = 135;
	p[21] = 64;
	memcpy(p + 22, source->b, 16);
	memcpy(p + 38, here_addr.b, 16);
	sum = checksum(source, &here_addr, p + 54, len);
	p[58] = (uint8_t)(sum >> 8);
	p[59] = (uint8_t)sum;
	return 54 + len;
}

Test(net_mh, bad_checksum,
     .description = "B-6275-9.2-a: never arrives; the same message sound does")
{
	int fd = nbed_far_packets(&bed);
	uint8_t p[128];
	size_t len = frame(p, &far_addr, 0);

	p[len - 1] ^= 1;
	cr_assert_eq(send(fd, p, len, 0), (ssize_t)len);
	p[len - 1] ^= 1;
	p[58] = p[59] = 0; /* none at all */
	cr_assert_eq(send(fd, p, len, 0), (ssize_t)len);
	len = frame(p, &far_addr, 0);
	cr_assert_eq(send(fd, p, len, 0), (ssize_t)len);
	nbed_await(&bed, here.messages > 0, 2000);
	cr_expect_not(here.disorder);
	cr_expect_eq(here.messages, 1);
	cr_expect_eq(mh_socket_counts(here.sock)->received, 1);
	close(fd);
}

Test(net_mh, not_unicast, .description = "a sender that cannot be one is counted, not heard")
{
	struct ip_addr link_local = nbed_addr("fe80::2");
	int fd = nbed_far_packets(&bed);
	uint8_t p[128];
	size_t len = frame(p, &link_local, 9);

	cr_assert_eq(send(fd, p, len, 0), (ssize_t)len);
	len = frame(p, &far_addr, 0);
	cr_assert_eq(send(fd, p, len, 0), (ssize_t)len);
	nbed_await(&bed, here.messages > 0, 2000);
	cr_expect_not(here.disorder);
	cr_expect_eq(mh_socket_counts(here.sock)->not_unicast, 1);
	cr_expect_eq(mh_socket_counts(here.sock)->received, 2);
	close(fd);
}

Test(net_mh, truncated, .description = "more octets than a header can say are counted, not heard")
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6};
	uint8_t octets[MH_MAX + 8];
	int fd;

	make(octets, 256, 9);
	memset(octets + MH_MAX, 0, 8);
	memcpy(&to.sin6_addr, here_addr.b, 16);
	nbed_enter_far(&bed);
	fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, 135);
	nbed_leave_far(&bed);
	cr_assert_eq(sendto(fd, octets, sizeof(octets), 0, (struct sockaddr *)&to, sizeof(to)),
		     (ssize_t)sizeof(octets));
	make(octets, 4, 0);
	cr_assert_eq(sendto(fd, octets, 32, 0, (struct sockaddr *)&to, sizeof(to)), 32);
	nbed_await(&bed, here.messages > 0, 2000);
	cr_expect_not(here.disorder);
	cr_expect_eq(mh_socket_counts(here.sock)->truncated, 1);
	close(fd);
}
