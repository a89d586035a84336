/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * STAMP through a tunnel between two namespaces: when a path is up and down, what a probe looks
 * like to a peer that is not ours, and what forged, repeated and foreign packets do: nothing.
 */
#include <arpa/inet.h>
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

#define TUNNEL	   7
#define PROBE_SIZE 92 /* IPv6, UDP, 44 octets of STAMP */
#define PORT	   862

static const struct health_config config = {.interval_ms = 100, .detect_ms = 300, .up_count = 3};

static struct nbed bed;
static struct stamp *here, *far;
static struct ip_addr here_addr, far_addr;
static uint32_t w0;
static bool far_knows = true;
static enum health_state state; /* as told last */
static unsigned int changes;
static void (*on_change)(uint32_t tunnel);

static void told(void *ctx, uint32_t tunnel, enum health_state new_state)
{
	(void)ctx;
	state = new_state;
	changes++;
	if (on_change)
		on_change(tunnel);
}

static bool here_known(void *ctx, const struct ip_addr *local, const struct ip_addr *remote)
{
	(void)ctx;
	return ip_equal(local, &here_addr) && ip_equal(remote, &far_addr);
}

static bool far_known(void *ctx, const struct ip_addr *local, const struct ip_addr *remote)
{
	(void)ctx;
	cr_assert(ip_equal(local, &far_addr));
	cr_assert(ip_equal(remote, &here_addr));
	return far_knows;
}

static void setup(void)
{
	struct stamp_handler handler = {NULL, told, here_known};

	nbed_init(&bed);
	here_addr = nbed_addr(NBED_HERE);
	far_addr = nbed_addr(NBED_FAR);
	w0 = if_nametoindex("w0");
	cr_assert_eq(stamp_open(&bed.loop, &config, &handler, &here), 0);
	handler.known = far_known;
	nbed_enter_far(&bed);
	cr_assert_eq(stamp_open(&bed.loop, &config, &handler, &far), 0);
	nbed_leave_far(&bed);
}

static void teardown(void)
{
	stamp_close(here);
	stamp_close(far);
	nbed_fini(&bed);
}

TestSuite(net_stamp, .init = setup, .fini = teardown, .timeout = 30);

static void add(void)
{
	cr_assert_eq(stamp_add(here, TUNNEL, &here_addr, &far_addr, w0), 0);
}

static const struct health *health(void)
{
	return stamp_health(here, TUNNEL);
}

/* ---- up and down ------------------------------------------------------------------- */

Test(net_stamp, up_down_up, .description = "up in 500 ms; down 400 ms after the cut; up again")
{
	nbed_sysctl_far("conf/w1/keep_addr_on_down", "1");
	cr_expect_null(health());
	add();
	cr_expect_eq(health()->state, HEALTH_UNKNOWN);
	nbed_await(&bed, state == HEALTH_UP, 500);
	cr_expect_eq(health()->state, HEALTH_UP);
	cr_expect_gt(health()->rtt_us, 0);

	nbed_ip_far("link set w1 down");
	nbed_await(&bed, state == HEALTH_DOWN, 400);
	nbed_ip_far("link set w1 up");
	nbed_await(&bed, state == HEALTH_UP, 5000);
	cr_expect_eq(changes, 3, "a state is told once");
	stamp_remove(here, TUNNEL);
	cr_expect_null(health());
}

Test(net_stamp, silence, .description = "a path over which nothing comes back, with its link up")
{
	uint64_t answered;

	add();
	nbed_await(&bed, state == HEALTH_UP, 500);
	far_knows = false;
	nbed_await(&bed, state == HEALTH_DOWN, 400);
	answered = health()->answered;
	far_knows = true;
	nbed_await(&bed, state == HEALTH_UP, 600);
	cr_expect_geq(health()->answered, answered + config.up_count, "up only after several");
}

Test(net_stamp, strangers, .description = "who is no peer of ours gets no answer")
{
	far_knows = false;
	add();
	nbed_await(&bed, state == HEALTH_DOWN, 600);
	cr_expect_gt(health()->sent, 2);
	cr_expect_eq(health()->answered, 0);
	cr_expect_eq(health()->heard_ns, 0);
}

/* Everything else goes when the first is told. */
static void remove_others(uint32_t tunnel)
{
	for (uint32_t i = 1; i <= 20; i++) {
		if (i != tunnel)
			stamp_remove(here, i);
	}
}

Test(net_stamp, removed_while_told, .description = "who is told of one path may remove all others")
{
	on_change = remove_others;
	far_knows = false;
	for (uint32_t i = 1; i <= 20; i++)
		cr_assert_eq(stamp_add(here, i, &here_addr, &far_addr, w0), 0);
	nbed_await(&bed, changes > 0, 600);
	for (int i = 0; i < 40; i++)
		nbed_turn(&bed);
	cr_expect_eq(changes, 1);
}

/* ---- a peer that is not ours ------------------------------------------------------- */

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Of UDP in the inner packet, checksum field included; 0 when right. */
static uint16_t checksum(const uint8_t *p)
{
	uint32_t sum = IPPROTO_UDP + 52;

	for (unsigned int i = 8; i < PROBE_SIZE; i += 2)
		sum += get16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static int far_socket(void)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6};
	int fd;

	memcpy(&to.sin6_addr, here_addr.b, 16);
	nbed_enter_far(&bed);
	fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_IPV6);
	nbed_leave_far(&bed);
	cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static bool receive(int fd, uint8_t packet[PROBE_SIZE])
{
	return recv(fd, packet, PROBE_SIZE, MSG_TRUNC) == PROBE_SIZE;
}

static void seal(uint8_t *packet)
{
	put16(packet + 46, 0);
	put16(packet + 46, checksum(packet));
}

/* RFC 8762 4.3.1, by hand. */
static void make_answer(const uint8_t *probe, uint8_t *answer)
{
	memset(answer, 0, PROBE_SIZE);
	memcpy(answer, probe, 8);
	memcpy(answer + 8, probe + 24, 16);
	memcpy(answer + 24, probe + 8, 16);
	put16(answer + 40, PORT);
	memcpy(answer + 42, probe + 40, 2);
	put16(answer + 44, 52);
	memcpy(answer + 48, probe + 48, 4);	  /* sequence number */
	memcpy(answer + 48 + 24, probe + 48, 14); /* the sender's */
	answer[48 + 40] = probe[7];
	seal(answer);
}

static void inject(int fd, const uint8_t *packet)
{
	cr_assert_eq(send(fd, packet, PROBE_SIZE, 0), PROBE_SIZE, "%s", strerror(errno));
}

/* A probe taken off the tunnel, unanswered. */
static int take_probe(uint8_t probe[PROBE_SIZE])
{
	int fd = far_socket();

	far_knows = false;
	add();
	nbed_await(&bed, receive(fd, probe), 500);
	return fd;
}

Test(net_stamp, format, .description = "RFC 8762 4.2.1, inside the tunnel's own addresses")
{
	uint8_t first[PROBE_SIZE], second[PROBE_SIZE];
	int fd = take_probe(first);

	nbed_await(&bed, receive(fd, second), 500);
	cr_expect_eq(first[0], 0x60);
	cr_expect_eq(get16(first + 4), 52);
	cr_expect_eq(first[6], IPPROTO_UDP);
	cr_expect_eq(first[7], 255);
	cr_expect_arr_eq(first + 8, here_addr.b, 16);
	cr_expect_arr_eq(first + 24, far_addr.b, 16);
	cr_expect_eq(get16(first + 42), PORT);
	cr_expect_eq(get16(first + 44), 52);
	cr_expect_eq(checksum(first), 0);
	cr_expect_eq(get16(second + 50), get16(first + 50) + 1, "sequence");
	cr_expect(memcmp(second + 52, first + 52, 8) > 0, "timestamp");
	cr_expect_neq(get16(first + 60) & 0xff, 0, "the multiplier must not be 0");
	for (unsigned int i = 62; i < PROBE_SIZE; i++)
		cr_expect_eq(first[i], 0, "octet %u", i);
	close(fd);
}

Test(net_stamp, other_reflector, .description = "any reflector by the RFC does; a repeat is stray")
{
	uint8_t probe[PROBE_SIZE], answer[PROBE_SIZE];
	int fd = take_probe(probe);

	make_answer(probe, answer);
	inject(fd, answer);
	nbed_await(&bed, health()->answered == 1, 500);
	cr_expect_eq(state, HEALTH_UP);
	inject(fd, answer);
	nbed_await(&bed, health()->stray == 1, 500);
	cr_expect_eq(health()->answered, 1);
	close(fd);
}

Test(net_stamp, forged, .description = "ATK-22: who has not seen the probe cannot answer it")
{
	uint8_t probe[PROBE_SIZE], answer[PROBE_SIZE];
	int fd = take_probe(probe);

	make_answer(probe, answer);
	answer[48 + 28 + 7] ^= 1; /* the nonce */
	seal(answer);
	inject(fd, answer);
	nbed_await(&bed, health()->stray == 1, 500);
	make_answer(probe, answer);
	answer[48 + 24] ^= 0x40; /* a sequence number far away */
	seal(answer);
	inject(fd, answer);
	nbed_await(&bed, health()->stray == 2, 500);
	cr_expect_eq(health()->answered, 0);
	nbed_await(&bed, state == HEALTH_DOWN, 600);
	close(fd);
}

Test(net_stamp, damaged, .description = "checksum, addresses, lengths, ports: not even stray")
{
	static const unsigned int wrong[] = {0, 5, 6, 8 + 15, 24 + 15, 41, 43, 45, 47};
	uint8_t probe[PROBE_SIZE], answer[PROBE_SIZE];
	int fd = take_probe(probe);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		make_answer(probe, answer);
		answer[wrong[i]] ^= 0x10;
		if (wrong[i] != 47)
			seal(answer);
		inject(fd, answer);
	}
	make_answer(probe, answer);
	cr_assert_eq(send(fd, answer, PROBE_SIZE - 1, 0), PROBE_SIZE - 1);
	inject(fd, answer);
	nbed_await(&bed, health()->answered == 1, 500);
	cr_expect_eq(health()->stray, 0);
	close(fd);
}

/* A request from far as a session-sender of its own. */
static void make_request(uint8_t *p, uint32_t number)
{
	memset(p, 0, PROBE_SIZE);
	p[0] = 0x60;
	put16(p + 4, 52);
	p[6] = IPPROTO_UDP;
	p[7] = 77;
	memcpy(p + 8, far_addr.b, 16);
	memcpy(p + 24, here_addr.b, 16);
	put16(p + 40, 40000);
	put16(p + 42, PORT);
	put16(p + 44, 52);
	put16(p + 48, (uint16_t)(number >> 16));
	put16(p + 50, (uint16_t)number);
	memset(p + 52, 0xab, 8);
	put16(p + 60, 0x8103);
	seal(p);
}

Test(net_stamp, reflects, .description = "RFC 8762 4.3.1: what the answer holds")
{
	uint8_t request[PROBE_SIZE], answer[PROBE_SIZE];
	int fd = far_socket();

	make_request(request, 0x12345);
	inject(fd, request);
	nbed_await(&bed, receive(fd, answer), 500);
	cr_expect_arr_eq(answer + 8, here_addr.b, 16);
	cr_expect_arr_eq(answer + 24, far_addr.b, 16);
	cr_expect_eq(get16(answer + 40), PORT);
	cr_expect_eq(get16(answer + 42), 40000);
	cr_expect_eq(checksum(answer), 0);
	cr_expect_arr_eq(answer + 48, request + 48, 4);
	cr_expect_arr_eq(answer + 48 + 24, request + 48, 14);
	cr_expect_eq(answer[48 + 40], 77);
	cr_expect(memcmp(answer + 48 + 16, answer + 48 + 4, 8) >= 0, "received before it was sent");
	close(fd);
}

Test(net_stamp, budget,
     .description = "a peer that asks without end is answered 100 times a second")
{
	uint8_t request[PROBE_SIZE], answer[PROBE_SIZE];
	unsigned int answers = 0;
	uint64_t end = 0;
	int fd = far_socket();

	for (uint32_t i = 0; i < 500; i++) {
		make_request(request, i);
		inject(fd, request);
		if (i % 50 == 49)
			nbed_turn(&bed);
	}
	end = nbed_now_ns() + 100000000;
	while (nbed_now_ns() < end) {
		nbed_turn(&bed);
		while (receive(fd, answer))
			answers += get16(answer + 40) == PORT;
	}
	cr_expect_geq(answers, 100);
	cr_expect_leq(answers, 200, "a second may end within the test");
	close(fd);
}
