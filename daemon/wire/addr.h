/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses and prefixes as the pure part of magpie sees them: 16 octets in network byte order,
 * IPv4 as ::ffff:a.b.c.d. No socket types here; net/ converts at the edge.
 */
#ifndef MAGPIE_WIRE_ADDR_H
#define MAGPIE_WIRE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ip_addr {
	uint8_t b[16];
};

struct ip_prefix {
	struct ip_addr addr; /* host bits are zero */
	uint8_t len;	     /* 0..128; an IPv4 prefix of length n has 96 + n */
};

#define IP_TEXT_MAX 48 /* "xxxx:...:255.255.255.255" and a prefix length, with the NUL */

bool ip_is_zero(const struct ip_addr *a);
bool ip_is_v4(const struct ip_addr *a);
/* Not multicast, not unspecified, not loopback, not link-local: what may be a care-of address. */
bool ip_is_global_unicast(const struct ip_addr *a);
bool ip_equal(const struct ip_addr *a, const struct ip_addr *b);
/* Order of the unsigned big-endian integers, as memcmp. */
int ip_compare(const struct ip_addr *a, const struct ip_addr *b);

bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b);
bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a);
/* Clears the bits behind a prefix length. */
struct ip_prefix ip_prefix_make(const struct ip_addr *a, uint8_t len);

/* RFC 5952 text; IPv4 in dotted form. Always NUL-terminated; returns out. */
const char *ip_text(const struct ip_addr *a, char out[IP_TEXT_MAX]);
const char *ip_prefix_text(const struct ip_prefix *p, char out[IP_TEXT_MAX]);
/* 0, or -EINVAL. "10.0.0.0/8" gives length 104. A prefix with host bits set is refused. */
int ip_parse(const char *text, struct ip_addr *ret_addr);
int ip_prefix_parse(const char *text, struct ip_prefix *ret_prefix);

#endif
