/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Builds Ethernet frames for the tests of the data plane, back to front: the payload first, then
 * each header in front of what is there. Lengths and checksums are filled in. Addresses are text.
 */
#ifndef MAGPIE_TESTS_FRAME_H
#define MAGPIE_TESTS_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 8192

struct frame {
	size_t start; /* of what has been built, in octet */
	size_t len;
	uint8_t octet[FRAME_MAX];
};

/* IP header fields that vary; zero is a usable value of all but the addresses. */
struct ip_fields {
	int family; /* 4 or 6 */
	const char *src;
	const char *dst;
	uint8_t proto;
	uint8_t tos;	   /* DSCP and ECN */
	uint8_t hop_limit; /* 0: 64 */
	uint32_t label;
	uint16_t id;
	uint16_t frag; /* IPv4 flags and offset, host byte order */
};

const uint8_t *frame_octets(const struct frame *frame);
void frame_init(struct frame *frame, size_t payload);
void frame_push(struct frame *frame, const void *octets, size_t len);
void frame_udp(struct frame *frame, uint16_t sport, uint16_t dport);
void frame_tcp(struct frame *frame, uint16_t sport, uint16_t dport, uint8_t flags);
/* ICMP of either family: the checksum is over the octets alone. */
void frame_icmp(struct frame *frame, uint8_t type, uint8_t code, uint32_t rest);
void frame_ip(struct frame *frame, const struct ip_fields *ip);
void frame_eth(struct frame *frame, const uint8_t dst[6], const uint8_t src[6], uint16_t type);
void frame_pad(struct frame *frame, size_t len); /* zeros behind, up to len octets */
void frame_addr(const char *text, uint8_t ret_addr[16]);
uint16_t frame_checksum(const void *octets, size_t len, uint32_t sum);

#endif
