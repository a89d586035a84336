/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Values of one kind each, with errors that say what would have been right. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/loader.h"

static int parse_u64(const char *s, uint64_t *ret, const char **ret_end)
{
	char *end;

	if (!isdigit((unsigned char)s[0]))
		return -EINVAL;
	errno = 0;
	*ret = strtoull(s, &end, 10);
	*ret_end = end;
	return errno ? -EINVAL : 0;
}

int value_number(struct loader *l, const struct text *t, uint64_t min, uint64_t max, uint64_t *ret)
{
	const char *end = "";
	uint64_t n;

	if (parse_u64(t->value, &n, &end) < 0 || *end || n < min || n > max) {
		error_at(l, &t->at, "\"%s\" is not a number from %llu to %llu", t->value,
			 (unsigned long long)min, (unsigned long long)max);
		return -EINVAL;
	}
	*ret = n;
	return 0;
}

static const struct {
	const char *unit;
	uint32_t ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}};

int value_duration_ms(struct loader *l, const struct text *t, uint64_t min_ms, uint64_t max_ms,
		      uint32_t *ret_ms)
{
	const char *unit = "";
	uint64_t n;

	if (parse_u64(t->value, &n, &unit) < 0) {
		error_at(l, &t->at, "\"%s\" is not a time such as 300ms, 5s, 2min or 1h", t->value);
		return -EINVAL;
	}
	if (*unit == '\0') {
		error_at(l, &t->at, "\"%s\" has no unit; did you mean \"%ss\" or \"%sms\"?",
			 t->value, t->value, t->value);
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].unit) != 0)
			continue;
		if (n > UINT32_MAX || n * units[i].ms < min_ms || n * units[i].ms > max_ms) {
			error_at(l, &t->at, "%s is out of range: %llu ms to %llu ms", t->value,
				 (unsigned long long)min_ms, (unsigned long long)max_ms);
			return -EINVAL;
		}
		*ret_ms = (uint32_t)(n * units[i].ms);
		return 0;
	}
	error_at(l, &t->at, "\"%s\": unknown unit \"%s\"; units are ms, s, min and h", t->value,
		 unit);
	return -EINVAL;
}

int value_word(struct loader *l, const struct text *t, const char *const *words, size_t n)
{
	char list[256] = "";
	const char *near;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(t->value, words[i]) == 0)
			return (int)i;
	}
	near = nearest(t->value, words, n);
	if (near) {
		error_at(l, &t->at, "\"%s\" is not known here; did you mean \"%s\"?", t->value,
			 near);
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++) {
		strncat(list,
			i == 0	     ? ""
			: i + 1 == n ? " or "
				     : ", ",
			sizeof(list) - strlen(list) - 1);
		strncat(list, words[i], sizeof(list) - strlen(list) - 1);
	}
	error_at(l, &t->at, "\"%s\" is not known here; it is %s", t->value, list);
	return -EINVAL;
}

int value_bool(struct loader *l, const struct text *t, bool *ret)
{
	static const char *const words[] = {"no", "yes"};
	int i = value_word(l, t, words, 2);

	if (i < 0)
		return i;
	*ret = i == 1;
	return 0;
}

int value_address(struct loader *l, const struct text *t, struct ip_addr *ret)
{
	if (ip_parse(t->value, ret) < 0) {
		error_at(l, &t->at, "\"%s\" is not an address", t->value);
		return -EINVAL;
	}
	if (ip_is_v4(ret)) {
		error_at(l, &t->at, "%s: this version speaks over IPv6 only", t->value);
		return -EINVAL;
	}
	if (!ip_is_global_unicast(ret)) {
		error_at(l, &t->at, "%s is not a global unicast address", t->value);
		return -EINVAL;
	}
	return 0;
}

int value_prefix(struct loader *l, const struct text *t, struct ip_prefix *ret)
{
	char address[VALUE_MAX], wanted[IP_TEXT_MAX];
	const char *slash = strchr(t->value, '/');
	const char *end = "";
	struct ip_prefix p;
	struct ip_addr a;
	uint64_t len;

	if (ip_prefix_parse(t->value, ret) == 0)
		return 0;
	if (!slash) {
		if (ip_parse(t->value, &a) == 0)
			error_at(l, &t->at, "%s has no prefix length; did you mean %s/%d?",
				 t->value, t->value, ip_is_v4(&a) ? 32 : 128);
		else
			error_at(l, &t->at, "\"%s\" is not a prefix such as 2001:db8::/32",
				 t->value);
		return -EINVAL;
	}
	memcpy(address, t->value, (size_t)(slash - t->value));
	address[slash - t->value] = '\0';
	if (ip_parse(address, &a) == 0 && parse_u64(slash + 1, &len, &end) == 0 && *end == '\0') {
		len += ip_is_v4(&a) ? 96 : 0;
		if (len <= 128) {
			p = ip_prefix_make(&a, (uint8_t)len);
			error_at(l, &t->at, "%s has bits behind its length; did you mean %s?",
				 t->value, ip_prefix_text(&p, wanted));
			return -EINVAL;
		}
	}
	error_at(l, &t->at, "\"%s\" is not a prefix such as 2001:db8::/32", t->value);
	return -EINVAL;
}

/* RFC 5213 8.5 and the registry; spec/wire-formats.md 6.6. */
static const struct {
	const char *name;
	uint8_t number;
} access_types[] = {
	{"virtual", 1}, {"ppp", 2},   {"ethernet", 3}, {"wlan", 4},   {"wimax", 5},
	{"geran", 6},	{"utran", 7}, {"lte", 8},      {"nbiot", 13},
};

int value_access(struct loader *l, const struct text *t, uint8_t *ret)
{
	const char *names[sizeof(access_types) / sizeof(access_types[0])];
	uint64_t n;
	int i;

	if (isdigit((unsigned char)t->value[0])) {
		if (value_number(l, t, 1, 255, &n) < 0)
			return -EINVAL;
		*ret = (uint8_t)n;
		return 0;
	}
	for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
		names[k] = access_types[k].name;
	i = value_word(l, t, names, sizeof(names) / sizeof(names[0]));
	if (i < 0)
		return i;
	*ret = access_types[i].number;
	return 0;
}

int value_device(struct loader *l, const struct text *t, char ret[CONFIG_DEVICE_MAX])
{
	size_t len = strlen(t->value);

	if (len >= CONFIG_DEVICE_MAX) {
		error_at(l, &t->at,
			 "\"%s\" is too long for a device; the kernel takes %d characters",
			 t->value, CONFIG_DEVICE_MAX - 1);
		return -EINVAL;
	}
	if (strchr(t->value, '/') || strchr(t->value, ' ')) {
		error_at(l, &t->at, "\"%s\" is not the name of a device", t->value);
		return -EINVAL;
	}
	memcpy(ret, t->value, len + 1);
	return 0;
}

int value_nai(struct loader *l, const struct text *t, struct mh_id *ret)
{
	size_t len = strlen(t->value);
	const char *at = strchr(t->value, '@');

	if (len > MH_ID_MAX - 1) {
		error_at(l, &t->at, "the identity has %zu characters; %d is the most", len,
			 MH_ID_MAX - 1);
		return -EINVAL;
	}
	if (!at || at == t->value || at[1] == '\0' || strchr(at + 1, '@') ||
	    strpbrk(t->value, " \t")) {
		error_at(l, &t->at,
			 "\"%s\" is not a network access identifier such as node1@example.net",
			 t->value);
		return -EINVAL;
	}
	memset(ret, 0, sizeof(*ret));
	ret->subtype = MH_ID_NAI;
	ret->len = (uint8_t)len;
	memcpy(ret->octets, t->value, len);
	return 0;
}

bool next_token(struct text *rest, struct text *ret_token)
{
	size_t skip = strspn(rest->value, " \t,");
	size_t len = strcspn(rest->value + skip, " \t,");

	if (len == 0)
		return false;
	ret_token->at = offset_position(&rest->at, skip);
	memcpy(ret_token->value, rest->value + skip, len);
	ret_token->value[len] = '\0';
	rest->at = offset_position(&rest->at, skip + len);
	memmove(rest->value, rest->value + skip + len, strlen(rest->value + skip + len) + 1);
	return true;
}
