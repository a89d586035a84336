/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Identifiers and codes as people read them; what a peer sent must not reach a terminal raw. */
#include <criterion/criterion.h>
#include <string.h>

#include "wire/message.h"

static struct mh_id id(uint8_t subtype, const char *octets, size_t len)
{
	struct mh_id i = {.subtype = subtype, .len = (uint8_t)len};

	memcpy(i.octets, octets, len);
	return i;
}

Test(wire_text, identifiers)
{
	struct mh_id nai = id(MH_ID_NAI, "mn1@example.org", 15), imsi = id(3, "\x12\x34\x9f", 3),
		     empty = id(MH_ID_NAI, "", 0),
		     evil = id(MH_ID_NAI, "a\x1b[2J \\\n\x00\x7f\xff", 11);
	char text[64];

	cr_expect_str_eq(mh_id_text(&nai, text, sizeof(text)), "mn1@example.org");
	cr_expect_str_eq(mh_id_text(&imsi, text, sizeof(text)), "3:12349f");
	cr_expect_str_eq(mh_id_text(&empty, text, sizeof(text)), "");
	cr_expect_str_eq(mh_id_text(&evil, text, sizeof(text)),
			 "a\\x1b[2J\\x20\\x5c\\x0a\\x00\\x7f\\xff");
}

Test(wire_text, every_octet_is_printable, .description = "all 256 values, both forms")
{
	for (unsigned int octet = 0; octet < 256; octet++) {
		char c = (char)octet, text[16];
		struct mh_id nai = id(MH_ID_NAI, &c, 1), other = id(2, &c, 1);

		mh_id_text(&nai, text, sizeof(text));
		for (const char *p = text; *p; p++)
			cr_expect(*p > 0x20 && *p < 0x7f, "octet %u", octet);
		mh_id_text(&other, text, sizeof(text));
		cr_expect_eq(strlen(text), 4, "2:xx");
	}
}

Test(wire_text, any_buffer_is_respected, .description = "cut, terminated, nothing behind the end")
{
	struct mh_id nai = id(MH_ID_NAI, "mn1\x01@example.org", 16), other = id(200, "\xff\xff", 2);

	for (size_t size = 1; size < 24; size++) {
		char text[32];

		memset(text, '#', sizeof(text));
		cr_expect_lt(strlen(mh_id_text(&nai, text, size)), size);
		cr_expect_eq(text[size], '#', "size %zu", size);
		memset(text, '#', sizeof(text));
		cr_expect_lt(strlen(mh_id_text(&other, text, size)), size);
		cr_expect_eq(text[size], '#', "size %zu", size);
	}
	cr_expect_str_eq(mh_id_text(&nai, NULL, 0), "");
}

Test(wire_text, identifiers_compare_octet_for_octet)
{
	struct mh_id a = id(1, "abc", 3), same = id(1, "abc", 3), subtype = id(2, "abc", 3),
		     shorter = id(1, "ab", 2), other = id(1, "abC", 3);

	same.octets[3] = 'x'; /* behind its length */
	cr_expect(mh_id_equal(&a, &same));
	cr_expect_not(mh_id_equal(&a, &subtype));
	cr_expect_not(mh_id_equal(&a, &shorter));
	cr_expect_not(mh_id_equal(&a, &other));
}

Test(wire_text, codes)
{
	cr_expect_str_eq(mh_status_text(0), "accepted");
	cr_expect_str_eq(mh_status_text(180), "cannot support multipath binding");
	cr_expect_null(mh_status_text(181));
	cr_expect_str_eq(mh_fault_text(MH_FAULT_NONE), "no fault");
	cr_expect_str_eq(mh_fault_text(MH_FAULT_COUNT), "unknown fault");
	for (unsigned int i = 0; i < MH_FAULT_COUNT; i++)
		cr_expect(*mh_fault_text((enum mh_fault)i));
}
