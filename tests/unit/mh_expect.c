/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The checker of captured messages is itself checked: it has nothing against the worked examples,
 * and each single thing made wrong in one of them is told by its name.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/mh_expect.h"
#include "tests/support/vectors.h"

static struct vector vectors[VECTOR_COUNT];

static void load(void)
{
	vectors_load(vectors);
}

TestSuite(mh_expect, .init = load);

/* Examples 4 and 5 come over UDP; the checksum of the others is over their IPv6 addresses. */
static struct mh_seen seen_of(unsigned int number)
{
	const struct vector *v = &vectors[number - 1];
	bool v6 = v->octets[0] >> 4 == 6;

	return (struct mh_seen){
		.source = v6 ? v->octets + 8 : NULL,
		.destination = v6 ? v->octets + 24 : NULL,
		.octets = v->octets + (v6 ? 40 : 28),
		.len = v->len - (v6 ? 40 : 28),
	};
}

Test(mh_expect, nothing_against_the_examples, .description = "12.1-12.8 12.11 12.12 12.15 12.17")
{
	static const unsigned int ours[] = {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 17};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		struct mh_seen seen = seen_of(ours[i]);
		char complaint[MH_COMPLAINT_MAX];

		cr_expect_null(mh_expect(&seen, complaint), "example %u: %s", ours[i], complaint);
	}
}

Test(mh_expect, other_types_are_complained_about)
{
	static const unsigned int others[] = {9, 10, 13, 14, 16};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct mh_seen seen = seen_of(others[i]);
		char complaint[MH_COMPLAINT_MAX];

		cr_assert_not_null(mh_expect(&seen, complaint), "example %u", others[i]);
		cr_expect(strstr(complaint, "MH Type"), "%s", complaint);
	}
}

Test(mh_expect, the_checksum_sees_any_changed_octet,
     .description = "also of the addresses and the length")
{
	struct mh_seen seen = seen_of(1);
	char complaint[MH_COMPLAINT_MAX];
	struct vector *v = &vectors[0];

	for (size_t at = 8; at < v->len; at++) {
		for (unsigned int flip = 1; flip < 256; flip++) {
			v->octets[at] ^= (uint8_t)flip;
			cr_expect_not_null(mh_expect(&seen, complaint), "octet %zu", at);
			v->octets[at] ^= (uint8_t)flip;
		}
	}
	cr_expect_null(mh_expect(&seen, complaint));
	seen.source = seen.destination = NULL;
	cr_expect_str_eq(mh_expect(&seen, complaint), "checksum field over UDP is not zero");
}

Test(mh_expect, no_truncation_passes)
{
	for (unsigned int number = 1; number <= VECTOR_COUNT; number++) {
		struct mh_seen seen = seen_of(number);
		char complaint[MH_COMPLAINT_MAX];

		for (size_t whole = seen.len; seen.len-- > 0;)
			cr_expect_not_null(mh_expect(&seen, complaint), "%zu of %zu", seen.len,
					   whole);
	}
}

Test(mh_expect, each_mistake_has_its_complaint)
{
	static const struct {
		uint8_t example, at, value;
		const char *complaint;
	} rows[] = {
		{1, 0, 58, "Payload Proto"},
		{1, 1, 11, "Header Len"},
		{1, 3, 1, "reserved octet"},
		{1, 8, 0x02, "A or P"},
		{1, 8, 0x80, "A or P"},
		{1, 9, 0x01, "reserved flags"},
		{2, 7, 0x00, "P flag"},
		{2, 7, 0x21, "reserved flag"},
		{17, 6, 3, "binding error"},
		{17, 7, 1, "binding error"},
		{1, 14, 0, "subtype"},
		{1, 12, 99, "option 99"},	       /* of no RFC here */
		{1, 13, 255, "runs past the end"},     /* an MN-ID over everything */
		{1, 32, 1, "Handoff Indicator: res"},  /* reserved octet */
		{1, 36, 1, "Access Technology Type:"}, /* reserved octet */
		{1, 31, 4, "Handoff Indicator of L"},  /* Length 4 */
		{1, 34, 23, "more than one"},	       /* two Handoff Indicators */
		{1, 40, 1, "has content"},	       /* of a PadN */
		{6, 90, 0, "two paddings"},	       /* two Pad1 */
		{7, 134, 0, "two paddings"},	       /* at the end */
		{1, 38, 0, "1 octets of padding at 38 where 0"},
		{1, 42, 64, "at 38 where 0 are needed"}, /* MAG-ID in the place of MMB */
		{1, 46, 0, "BID 0"},
		{1, 46, 255, "BID 255"},
		{1, 47, 0xc0, "B and O both"},
		{1, 47, 0x20, "Binding: reserved"},
		{1, 48, 1, "Binding: reserved"},
		{1, 49, 1, "Binding: reserved"},
		{11, 47, 0x40, "O in a de-registration"},
		{1, 62, 1, "Prefix: reserved"},
		{1, 63, 129, "prefix length 129"},
		{1, 83, 1, "MAG Identifier: reserved"},

		{4, 91, 1, "MAG Identifier: reserved"}, /* over UDP */
		{6, 83, 1, "Link-layer Identifier: res"},
		{6, 95, 1, "GRE Key: reserved"},
		{6, 93, 4, "GRE Key of Length 4"},
		{15, 84, 0x80, "disagree"}, /* IPv4 of Length 18 */
		{15, 109, 33, "disagree"},  /* IPv4 /33 */
		{3, 60, 64, "in an acknowledgement"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mh_seen seen = seen_of(rows[i].example);
		char complaint[MH_COMPLAINT_MAX] = "none";
		uint8_t octets[VECTOR_MAX];

		memcpy(octets, seen.octets, seen.len);
		octets[rows[i].at] = rows[i].value;
		octets[4] = octets[5] = 0;
		/* as if over UDP, so that not the checksum is complained about */
		seen = (struct mh_seen){.octets = octets, .len = seen.len};
		mh_expect(&seen, complaint);
		cr_expect(strstr(complaint, rows[i].complaint), "row %zu: \"%s\"", i, complaint);
	}
}

/* A PBU with the options given, padded to a multiple of 8 by the caller. */
static const char *expect_options(const uint8_t *options, size_t n, char *complaint)
{
	uint8_t octets[64] = {59, 0, 5, [8] = 0x82};
	struct mh_seen seen = {.octets = octets, .len = 12 + n};

	octets[1] = (uint8_t)(seen.len / 8 - 1);
	memcpy(octets + 12, options, n);
	return mh_expect(&seen, complaint);
}

Test(mh_expect, place_and_padding,
     .description = "MP-MMB-04: each offset but the aligned one; one padding, of the size needed")
{
	char complaint[MH_COMPLAINT_MAX];

	for (unsigned int shift = 2; shift < 8; shift++) {
		uint8_t options[20] = {1, (uint8_t)(shift - 2)};
		const char *said;
		size_t end = shift + 8;

		memcpy(options + shift, (uint8_t[]){63, 6, 4, 9, 2, 0, 0, 0}, 8);
		if (20 - end >= 2)
			options[end] = 1, options[end + 1] = (uint8_t)(20 - end - 2);
		said = expect_options(options, sizeof(options), complaint);
		if (shift == 6) /* 12 + 6 = 8n+2 */
			cr_expect_null(said, "%s", said);
		else
			cr_expect(said && strstr(said, "where 6 are needed"), "%u: %s", shift,
				  said);
	}
	cr_expect_null(
		expect_options((uint8_t[]){23, 2, 0, 1, 24, 2, 0, 1, 1, 2, 0, 0}, 12, complaint));
	cr_expect_not_null(
		expect_options((uint8_t[]){63, 6, 4, 9, 2, 0, 0, 0, 1, 2, 0, 0}, 12, complaint));
	cr_expect(strstr(complaint, "8n+2"), "%s", complaint);
	cr_expect_not_null(
		expect_options((uint8_t[]){23, 2, 0, 1, 1, 0, 24, 2, 0, 1, 1, 0}, 12, complaint),
		"padding before an option without alignment");
	cr_expect_not_null(
		expect_options((uint8_t[]){1, 2, 0, 0, 1, 6, 0, 0, 0, 0, 0, 0}, 12, complaint),
		"eight octets more than needed");
	cr_expect_not_null(expect_options((uint8_t[]){8, 1, 1, 0}, 4, complaint), "empty MN-ID");
	cr_expect(strstr(complaint, "empty"), "%s", complaint);
	cr_expect_not_null(expect_options((uint8_t[]){8, 0, 1, 0}, 4, complaint), "MN-ID Length 0");
	cr_expect_not_null(expect_options((uint8_t[]){0, 0, 0, 8}, 4, complaint), "lone Type");
}
