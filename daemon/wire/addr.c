/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * addr.h. Text comes from and goes to the C library's own converters, which work on octets.
 */
#include "wire/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool ip_is_zero(const struct ip_addr *a)
{
	static const struct ip_addr zero;

	return memcmp(a, &zero, sizeof(zero)) == 0;
}

bool ip_is_v4(const struct ip_addr *a)
{
	return memcmp(a->b, v4_mapped, sizeof(v4_mapped)) == 0;
}

bool ip_is_global_unicast(const struct ip_addr *a)
{
	static const struct ip_addr loopback = {{[15] = 1}};

	if (ip_is_v4(a)) {
		const uint8_t *v4 = a->b + 12;

		return v4[0] != 0 && v4[0] != 127 && v4[0] < 224 && !(v4[0] == 169 && v4[1] == 254);
	}
	if (a->b[0] == 0xff || (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80))
		return false;
	return !ip_is_zero(a) && !ip_equal(a, &loopback);
}

bool ip_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return ip_compare(a, b) == 0;
}

int ip_compare(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->len == b->len && ip_equal(&a->addr, &b->addr);
}

struct ip_prefix ip_prefix_make(const struct ip_addr *a, uint8_t len)
{
	struct ip_prefix p = {.addr = *a, .len = len > 128 ? 128 : len};
	unsigned int whole = p.len / 8;

	if (whole < 16) {
		p.addr.b[whole] &= (uint8_t)(0xff00 >> (p.len % 8));
		memset(p.addr.b + whole + 1, 0, 15 - whole);
	}
	return p;
}

bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a)
{
	struct ip_prefix of_a = ip_prefix_make(a, p->len);

	return ip_equal(&of_a.addr, &p->addr);
}

const char *ip_text(const struct ip_addr *a, char out[IP_TEXT_MAX])
{
	const char *text = ip_is_v4(a) ? inet_ntop(AF_INET, a->b + 12, out, IP_TEXT_MAX)
				       : inet_ntop(AF_INET6, a->b, out, IP_TEXT_MAX);

	return text ? text : "?";
}

const char *ip_prefix_text(const struct ip_prefix *p, char out[IP_TEXT_MAX])
{
	bool v4 = ip_is_v4(&p->addr) && p->len >= 96;
	size_t used;

	ip_text(&p->addr, out);
	used = strlen(out);
	snprintf(out + used, IP_TEXT_MAX - used, "/%u", v4 ? p->len - 96u : p->len);
	return out;
}

int ip_parse(const char *text, struct ip_addr *ret_addr)
{
	struct ip_addr a = {{0}};

	if (strchr(text, ':')) {
		if (inet_pton(AF_INET6, text, a.b) != 1)
			return -EINVAL;
	} else {
		memcpy(a.b, v4_mapped, sizeof(v4_mapped));
		if (inet_pton(AF_INET, text, a.b + 12) != 1)
			return -EINVAL;
	}
	*ret_addr = a;
	return 0;
}

int ip_prefix_parse(const char *text, struct ip_prefix *ret_prefix)
{
	const char *slash = strchr(text, '/');
	char address[IP_TEXT_MAX];
	struct ip_addr a;
	struct ip_prefix p;
	unsigned long len;
	char *end;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (ip_parse(address, &a) < 0 || slash[1] < '0' || slash[1] > '9')
		return -EINVAL;
	len = strtoul(slash + 1, &end, 10);
	if (*end || len > (ip_is_v4(&a) ? 32u : 128u))
		return -EINVAL;
	p = ip_prefix_make(&a, (uint8_t)(ip_is_v4(&a) ? 96 + len : len));
	if (!ip_equal(&p.addr, &a))
		return -EINVAL;
	*ret_prefix = p;
	return 0;
}
