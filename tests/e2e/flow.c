/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Numbered UDP packets, for counting what is lost, doubled or on the wrong way.
 *
 *   flow sink PORT                          counts until SIGTERM, then prints JSON
 *   flow echo PORT                          sends everything back, until SIGTERM
 *   flow send ADDR PORT RATE SECONDS FLOWS  numbered packets at a pace, from FLOWS source ports
 *   flow ask ADDR PORT FLOWS COUNT          COUNT packets on each of FLOWS ports to an echo; prints
 *                                           JSON with the number of answers
 * Source ports begin at 20000. A packet is 16 octets and PADDING: flow, number.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire/octets.h"

#define FIRST_PORT 20000
#define MAX_FLOWS  4096
#define PAYLOAD	   100
#define BATCH	   32

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static int udp_socket(uint16_t port)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int size = 32 << 20;

	put_be16((uint8_t *)&address.sin6_port, port);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror("flow: socket");
		exit(1);
	}
	return fd;
}

static void resolve(const char *host, const char *port, struct sockaddr_in6 *ret)
{
	struct addrinfo hints = {.ai_family = AF_INET6, .ai_socktype = SOCK_DGRAM}, *ai;

	if (getaddrinfo(host, port, &hints, &ai) != 0) {
		fprintf(stderr, "flow: no such address: %s %s\n", host, port);
		exit(2);
	}
	memcpy(ret, ai->ai_addr, sizeof(*ret));
	freeaddrinfo(ai);
}

static void wait_readable(int fd, int ms)
{
	struct pollfd p = {fd, POLLIN, 0};

	poll(&p, 1, ms);
}

/* ---- sink and echo ----------------------------------------------------------------- */

/* A packet may be overtaken by at most WINDOW others of its flow to be told from a double. */
#define WINDOW 8192

struct tally {
	uint64_t received, doubled, overtaken, longest_gap_ns;
	uint64_t next[MAX_FLOWS]; /* one above the highest number seen */
	uint64_t unique[MAX_FLOWS];
	uint64_t last_ns[MAX_FLOWS];
	uint8_t seen[MAX_FLOWS][WINDOW / 8];
};

static bool seen_before(struct tally *t, uint64_t flow, uint64_t number)
{
	uint8_t *octet = &t->seen[flow][number % WINDOW / 8];
	uint8_t bit = (uint8_t)(1 << (number % 8));
	bool seen = *octet & bit;

	*octet |= bit;
	return seen;
}

static void note(struct tally *t, const uint8_t *p)
{
	uint64_t flow = get_be64(p) % MAX_FLOWS, number = get_be64(p + 8), now = now_ns();

	t->received++;
	if (t->last_ns[flow] && now - t->last_ns[flow] > t->longest_gap_ns)
		t->longest_gap_ns = now - t->last_ns[flow];
	t->last_ns[flow] = now;
	for (; t->next[flow] <= number; t->next[flow]++) /* the window moves on */
		t->seen[flow][t->next[flow] % WINDOW / 8] &= (uint8_t) ~(1 << (t->next[flow] % 8));
	if (seen_before(t, flow, number)) {
		t->doubled++;
		return;
	}
	t->unique[flow]++;
	if (number + 1 < t->next[flow])
		t->overtaken++;
}

static uint64_t lost(const struct tally *t)
{
	uint64_t n = 0;

	for (size_t i = 0; i < MAX_FLOWS; i++)
		n += t->next[i] - t->unique[i];
	return n;
}

static int sink(uint16_t port)
{
	static struct tally t;
	static uint8_t octets[BATCH][2048];
	int fd = udp_socket(port);

	while (!stop) {
		struct mmsghdr msg[BATCH];
		struct iovec iov[BATCH];
		int n;

		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){octets[i], sizeof(octets[i])};
			msg[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
		}
		wait_readable(fd, 100);
		n = recvmmsg(fd, msg, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++) {
			if (msg[i].msg_len >= 16)
				note(&t, octets[i]);
		}
	}
	printf("{\"received\":%llu,\"lost\":%llu,\"doubled\":%llu,\"overtaken\":%llu,"
	       "\"longest_gap_ms\":%llu}\n",
	       (unsigned long long)t.received, (unsigned long long)lost(&t),
	       (unsigned long long)t.doubled, (unsigned long long)t.overtaken,
	       (unsigned long long)t.longest_gap_ns / 1000000);
	return 0;
}

static int echo(uint16_t port)
{
	int fd = udp_socket(port);

	while (!stop) {
		struct sockaddr_in6 from;
		socklen_t len = sizeof(from);
		uint8_t octets[2048];
		ssize_t n;

		wait_readable(fd, 100);
		while ((n = recvfrom(fd, octets, sizeof(octets), MSG_DONTWAIT,
				     (struct sockaddr *)&from, &len)) >= 0)
			sendto(fd, octets, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
	return 0;
}

/* ---- send -------------------------------------------------------------------------- */

static void fill(uint8_t *p, uint64_t flow, uint64_t number)
{
	memset(p, 0, PAYLOAD);
	put_be64(p, flow);
	put_be64(p + 8, number);
}

static int *open_flows(size_t n)
{
	struct rlimit limit = {MAX_FLOWS + 64, MAX_FLOWS + 64};
	int *fd = calloc(n, sizeof(*fd));

	setrlimit(RLIMIT_NOFILE, &limit);
	for (size_t i = 0; i < n; i++)
		fd[i] = udp_socket((uint16_t)(FIRST_PORT + i));
	return fd;
}

static int send_paced(const struct sockaddr_in6 *to, double rate, double seconds, size_t flows)
{
	int *fd = open_flows(flows);
	uint64_t *number = calloc(flows, sizeof(*number));
	uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), sent = 0, failed = 0;

	while (!stop && now_ns() < end) {
		uint64_t due = (uint64_t)((double)(now_ns() - start) * rate / 1e9);

		while (sent < due) {
			size_t f = sent % flows;
			uint8_t octets[PAYLOAD];

			fill(octets, f, number[f]);
			if (sendto(fd[f], octets, sizeof(octets), 0, (const struct sockaddr *)to,
				   sizeof(*to)) < 0)
				failed++;
			else
				number[f]++;
			sent++;
		}
		nanosleep(&(struct timespec){0, 200000}, NULL);
	}
	printf("{\"sent\":%llu,\"failed\":%llu}\n", (unsigned long long)(sent - failed),
	       (unsigned long long)failed);
	return 0;
}

static int ask(const struct sockaddr_in6 *to, size_t flows, size_t count)
{
	int *fd = open_flows(flows);
	uint64_t answers = 0, whole = 0;

	for (size_t k = 0; k < count; k++) {
		for (size_t i = 0; i < flows; i++) {
			uint8_t octets[PAYLOAD];

			fill(octets, i, k);
			sendto(fd[i], octets, sizeof(octets), 0, (const struct sockaddr *)to,
			       sizeof(*to));
		}
	}
	for (size_t i = 0; i < flows; i++) {
		uint64_t got = 0;
		uint8_t octets[2048];

		while (got < count) {
			struct pollfd p = {fd[i], POLLIN, 0};

			if (poll(&p, 1, 2000) <= 0)
				break;
			if (recv(fd[i], octets, sizeof(octets), 0) > 0)
				got++;
		}
		answers += got;
		whole += got == count;
	}
	printf("{\"answers\":%llu,\"whole_flows\":%llu}\n", (unsigned long long)answers,
	       (unsigned long long)whole);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 to;

	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	if (argc == 3 && strcmp(argv[1], "sink") == 0)
		return sink((uint16_t)atoi(argv[2]));
	if (argc == 3 && strcmp(argv[1], "echo") == 0)
		return echo((uint16_t)atoi(argv[2]));
	if (argc == 7 && strcmp(argv[1], "send") == 0) {
		resolve(argv[2], argv[3], &to);
		return send_paced(&to, atof(argv[4]), atof(argv[5]), (size_t)atoi(argv[6]));
	}
	if (argc == 6 && strcmp(argv[1], "ask") == 0) {
		resolve(argv[2], argv[3], &to);
		return ask(&to, (size_t)atoi(argv[4]), (size_t)atoi(argv[5]));
	}
	fprintf(stderr, "usage: flow sink|echo PORT, flow send ADDR PORT RATE SECONDS FLOWS, "
			"flow ask ADDR PORT FLOWS COUNT\n");
	return 2;
}
