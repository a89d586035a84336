/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mh_expect.h. One row per option holds what its RFC's figure says; the code only walks.
 */
#include "tests/support/mh_expect.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#define ZERO_FROM 2 /* the masks of a row start behind Type and Length */
#define ZERO_N	  6

struct layout {
	uint8_t type;
	uint8_t align_x, align_y; /* offset of the Type octet mod x == y */
	uint8_t min, max, step;	  /* of the Length octet */
	bool repeats;
	uint8_t zero[ZERO_N]; /* reserved bits of octets 2..7 */
	const char *name;
};

static const struct layout layouts[] = {
	/* RFC 6275 6.2.5 */
	{3, 8, 6, 16, 16, 1, false, {0}, "Alternate Care-of Address"},
	/* RFC 4283 3 */
	{8, 1, 0, 1, 255, 1, false, {0}, "Mobile Node Identifier"},
	/* RFC 5213 8.3-8.8 */
	{22, 8, 4, 18, 18, 1, true, {0xff}, "Home Network Prefix"},
	{23, 1, 0, 2, 2, 1, false, {0xff}, "Handoff Indicator"},
	{24, 1, 0, 2, 2, 1, false, {0xff}, "Access Technology Type"},
	{25, 2, 0, 3, 255, 1, false, {0xff, 0xff}, "Mobile Node Link-layer Identifier"},
	{26, 8, 6, 16, 16, 1, false, {0}, "Link-local Address"},
	{27, 8, 2, 8, 8, 1, false, {0}, "Timestamp"},
	/* RFC 5555 3.2.2 */
	{31, 4, 0, 6, 6, 1, false, {0x7f, 0xff}, "NAT Detection"},
	/* RFC 5845 6.1: with and without a key */
	{33, 4, 0, 2, 6, 4, false, {0xff, 0xff}, "GRE Key"},
	/* RFC 5844 3.3 */
	{36, 4, 0, 6, 6, 1, false, {0x03, 0xff}, "IPv4 Home Address Request"},
	{37, 4, 0, 6, 6, 1, false, {0, 0x03}, "IPv4 Home Address Reply"},
	{38, 4, 0, 6, 6, 1, false, {0xff, 0xff}, "IPv4 Default-Router Address"},
	{39, 1, 0, 2, 2, 1, false, {0xff, 0xfe}, "IPv4 DHCP Support Mode"},
	/* RFC 6089 4.2 */
	{44, 2, 0, 2, 254, 2, true, {0}, "Flow Summary"},
	{45, 2, 0, 6, 255, 1, true, {0, 0, 0, 0, 0xff}, "Flow Identification"},
	/* RFC 7148 4.1: IPv4 and IPv6 */
	{55, 8, 2, 6, 18, 12, true, {0x7f}, "Delegated Mobile Network Prefix"},
	/* RFC 8278 4.1 and 4.2; the alignment of MMB is the draft's */
	{63, 8, 2, 6, 6, 1, false, {0, 0, 0, 0x3f, 0xff, 0xff}, "MAG Multipath Binding"},
	{64, 1, 0, 3, 255, 1, false, {0, 0xff}, "MAG Identifier"},
};
#define LAYOUTS (sizeof(layouts) / sizeof(layouts[0]))

struct walk {
	const uint8_t *mh;
	size_t len;
	char *complaint;
	bool seen[LAYOUTS];
};

__attribute__((format(printf, 2, 3))) static bool complain(struct walk *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(w->complaint, MH_COMPLAINT_MAX, format, args);
	va_end(args);
	return false;
}

static unsigned int be16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

/*
 * RFC 6275 6.1.1: the sum of pseudo-header (RFC 8200 8.1) and message, checksum included, is all
 * ones. Unlike the codec, which makes the checksum.
 */
static bool checksum_right(const struct mh_seen *seen)
{
	uint32_t sum = (uint32_t)seen->len + 135;

	for (size_t i = 0; i < 16; i += 2)
		sum += be16(seen->source + i) + be16(seen->destination + i);
	for (size_t i = 0; i < seen->len; i += 2)
		sum += be16(seen->octets + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* What only one option has. */
static bool content_right(struct walk *w, const struct layout *l, const uint8_t *o)
{
	bool update = w->mh[2] == 5;

	switch (l->type) {
	case 8:
		if (update && o[1] < 2)
			return complain(w, "%s: empty in an update", l->name);
		if (o[1] > 1 && o[2] == 0)
			return complain(w, "%s: subtype 0 is not assigned", l->name);
		break;
	case 22:
		if (o[3] > 128)
			return complain(w, "%s: prefix length %u", l->name, o[3]);
		break;
	case 55:
		if ((o[2] & 0x80) != (o[1] == 6 ? 0x80 : 0) || o[3] > (o[1] == 6 ? 32 : 128))
			return complain(w, "%s: family, Length and prefix length disagree",
					l->name);
		break;
	case 63:
		if (o[4] == 0 || o[4] == 255)
			return complain(w, "%s: reserved BID %u", l->name, o[4]);
		if ((o[5] & 0xc0) == 0xc0)
			return complain(w, "%s: B and O both", l->name);
		if (update && (o[5] & 0x40) && be16(w->mh + 10) == 0)
			return complain(w, "%s: O in a de-registration", l->name);
		break;
	case 64:
		if (!update)
			return complain(w, "%s: in an acknowledgement (RFC 8278 4.4)", l->name);
		break;
	default:
		break;
	}
	return true;
}

/* The option at `at`; its end is known to lie in the message. */
static bool option_right(struct walk *w, size_t at)
{
	const uint8_t *o = w->mh + at;
	const struct layout *l = NULL;
	size_t index = 0;

	for (size_t i = 0; i < LAYOUTS; i++) {
		if (layouts[i].type == o[0]) {
			l = &layouts[i];
			index = i;
		}
	}
	if (!l)
		return complain(w, "option %u at %zu is not one that we send", o[0], at);
	if (at % l->align_x != l->align_y)
		return complain(w, "%s at offset %zu, not %un+%u", l->name, at, l->align_x,
				l->align_y);
	if (o[1] < l->min || o[1] > l->max || (o[1] - l->min) % l->step != 0)
		return complain(w, "%s of Length %u", l->name, o[1]);
	for (size_t i = 0; i < ZERO_N && i < o[1]; i++) {
		if (o[ZERO_FROM + i] & l->zero[i])
			return complain(w, "%s: reserved bits are set", l->name);
	}
	if (w->seen[index] && !l->repeats)
		return complain(w, "%s: more than one", l->name);
	w->seen[index] = true;
	return content_right(w, l, o);
}

/* One padding at `at`, needed only for the alignment of what stands behind it. */
static bool padding_right(struct walk *w, size_t at, size_t size)
{
	size_t next = at + size, needed = (8 - at % 8) % 8;

	for (size_t i = 2; i < size; i++) {
		if (w->mh[at + i] != 0)
			return complain(w, "PadN at %zu has content", at);
	}
	if (next < w->len) {
		uint8_t type = w->mh[next];

		if (type <= 1)
			return complain(w, "two paddings in a row at %zu", at);
		needed = 0;
		for (size_t i = 0; i < LAYOUTS; i++) {
			const struct layout *l = &layouts[i];

			if (l->type == type)
				needed = (l->align_x + l->align_y - at % l->align_x) % l->align_x;
		}
	}
	if (size != needed)
		return complain(w, "%zu octets of padding at %zu where %zu are needed", size, at,
				needed);
	return true;
}

static bool options_right(struct walk *w, size_t at)
{
	while (at < w->len) {
		size_t left = w->len - at, size = 1;

		if (w->mh[at] != 0) {
			size = left < 2 ? 2 : 2u + w->mh[at + 1];
			if (size > left)
				return complain(w, "option %u at %zu runs past the end", w->mh[at],
						at);
		}
		if (w->mh[at] <= 1 ? !padding_right(w, at, size) : !option_right(w, at))
			return false;
		at += size;
	}
	return true;
}

/* RFC 6275 6.1.2 and 6.1.7-6.1.9, RFC 5213 8.1 and 8.2. */
static bool fixed_part_right(struct walk *w, size_t *ret_options)
{
	const uint8_t *mh = w->mh;

	*ret_options = 12;
	switch (mh[2]) {
	case 0:
		*ret_options = 8;
		if (be16(mh + 6) != 0)
			return complain(w, "refresh request: reserved bits are set");
		break;
	case 5:
		if (w->len < 16)
			return complain(w, "update of %zu octets", w->len);
		if ((be16(mh + 8) & 0x8200) != 0x8200)
			return complain(w, "update without the A or P flag");
		if (be16(mh + 8) & 0x000f)
			return complain(w, "update: reserved flags are set");
		break;
	case 6:
		if (w->len < 16)
			return complain(w, "acknowledgement of %zu octets", w->len);
		if ((mh[7] & 0x20) == 0)
			return complain(w, "acknowledgement without the P flag");
		if (mh[7] & 0x01)
			return complain(w, "acknowledgement: reserved flag is set");
		break;
	case 7:
		*ret_options = 24;
		if (w->len != 24)
			return complain(w, "binding error of %zu octets", w->len);
		if (mh[6] < 1 || mh[6] > 2 || mh[7] != 0)
			return complain(w, "binding error: status or reserved octet");
		break;
	default:
		return complain(w, "MH Type %u is not one that we send", mh[2]);
	}
	return true;
}

static bool header_right(struct walk *w, const struct mh_seen *seen)
{
	const uint8_t *mh = w->mh;

	if (w->len < 8 || w->len % 8 != 0)
		return complain(w, "%zu octets are no multiple of 8", w->len);
	if (mh[0] != 59)
		return complain(w, "Payload Proto %u, not 59", mh[0]);
	if (8 * (mh[1] + (size_t)1) != w->len)
		return complain(w, "Header Len %u for %zu octets", mh[1], w->len);
	if (mh[3] != 0)
		return complain(w, "reserved octet of the header is set");
	if (!seen->source && be16(mh + 4) != 0)
		return complain(w, "checksum field over UDP is not zero");
	if (seen->source && !checksum_right(seen))
		return complain(w, "checksum 0x%04x is wrong", be16(mh + 4));
	return true;
}

const char *mh_expect(const struct mh_seen *seen, char complaint[MH_COMPLAINT_MAX])
{
	struct walk w = {.mh = seen->octets, .len = seen->len, .complaint = complaint};
	size_t options;

	if (header_right(&w, seen) && fixed_part_right(&w, &options) && options_right(&w, options))
		return NULL;
	return complaint;
}
