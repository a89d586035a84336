/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 *   storm mh|tunnel SOURCE DESTINATION COUNT RATE
 * sends COUNT random and mutated Mobility Header messages, or tunnelled packets, at RATE per
 * second. The mutations start from a sound registration of a stranger, or from a sound inner
 * packet. The seed is fixed: every run sends the same.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "wire/message.h"

#define MAX_OCTETS 512

static uint64_t state = 0x9e3779b97f4a7c15U;

static uint32_t rnd(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 33) % n;
}

static size_t sound_message(uint8_t *out)
{
	struct mh_message m = {.type = MH_BU,
			       .sequence = 1,
			       .flags = MH_BU_A | MH_BU_P,
			       .lifetime = 15,
			       .hi = 1,
			       .att = 1,
			       .timestamp = UINT64_C(1700000000) << 16,
			       .mmb = {8, 9, 1, false, true}};
	int n;

	m.mn_id = (struct mh_id){MH_ID_NAI, 13, "mn9@stranger."};
	m.mag_id = (struct mh_id){MH_ID_NAI, 14, "mag9@stranger."};
	m.has = MH_HAS(MN_ID) | MH_HAS(HI) | MH_HAS(ATT) | MH_HAS(TIMESTAMP) | MH_HAS(MMB) |
		MH_HAS(MAG_ID);
	n = mh_encode(&m, out, MAX_OCTETS);
	if (n < 0)
		abort();
	return (size_t)n;
}

/* An IPv6 UDP packet of nobody's session. */
static size_t sound_inner(uint8_t *out)
{
	memset(out, 0, 68);
	out[0] = 0x60;
	out[5] = 28;
	out[6] = IPPROTO_UDP;
	out[7] = 64;
	memcpy(out + 8, "\x20\x01\x0d\xb8\x01\x00\xff\xff\0\0\0\0\0\0\0\1", 16);
	memcpy(out + 24, "\x20\x01\x0d\xb8\x00\x0c\x00\x00\0\0\0\0\0\0\0\2", 16);
	out[45] = 28;
	return 68;
}

static size_t mutate(uint8_t *octets, size_t len)
{
	uint32_t n = 1 + rnd(6);

	if (rnd(4) == 0) { /* nothing but noise */
		len = 8 + rnd(200);
		for (size_t i = 0; i < len; i++)
			octets[i] = (uint8_t)rnd(256);
		return len;
	}
	for (uint32_t i = 0; i < n; i++)
		octets[rnd((uint32_t)len)] = (uint8_t)rnd(256);
	if (rnd(3) == 0)
		len = 8 + rnd((uint32_t)len - 8);
	return len;
}

static void pace(const struct timespec *begin, uint64_t sent, double rate)
{
	struct timespec now;
	double ahead;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ahead = (double)sent / rate - ((double)(now.tv_sec - begin->tv_sec) +
				       (double)(now.tv_nsec - begin->tv_nsec) / 1e9);
	if (ahead > 0.001)
		nanosleep(&(struct timespec){0, 1000000}, NULL);
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 from = {.sin6_family = AF_INET6}, to = {.sin6_family = AF_INET6};
	bool mh = argc == 6 && strcmp(argv[1], "mh") == 0;
	uint64_t sent = 0, count;
	struct timespec begin;
	struct ip_addr a, b;
	double rate;
	int fd;

	if (argc != 6 || ip_parse(argv[2], &a) < 0 || ip_parse(argv[3], &b) < 0)
		return 2;
	count = strtoull(argv[4], NULL, 10);
	rate = strtod(argv[5], NULL);
	memcpy(&from.sin6_addr, a.b, 16);
	memcpy(&to.sin6_addr, b.b, 16);
	fd = socket(AF_INET6, SOCK_RAW, mh ? MH_PROTOCOL : IPPROTO_IPV6);
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0) {
		perror("storm");
		return 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (sent < count) {
		uint8_t octets[MAX_OCTETS];
		size_t len = mutate(octets, mh ? sound_message(octets) : sound_inner(octets));

		if (sendto(fd, octets, len, 0, (struct sockaddr *)&to, sizeof(to)) == (ssize_t)len)
			sent++;
		pace(&begin, sent, rate);
	}
	printf("%llu\n", (unsigned long long)sent);
	return 0;
}
