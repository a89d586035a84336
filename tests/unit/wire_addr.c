/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses and prefixes: text there and back, kinds, order, what a prefix contains. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "wire/addr.h"

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	cr_assert_eq(ip_parse(text, &a), 0, "%s", text);
	return a;
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;

	cr_assert_eq(ip_prefix_parse(text, &p), 0, "%s", text);
	return p;
}

Test(wire_addr, text_is_that_of_rfc_5952)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"::", "::"},
		{"::1", "::1"},
		{"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* 4.2.2: one group stays */
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},	  /* 4.2.3: the longest run */
		{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},	  /* 4.2.3: else the first */
		{"192.0.2.10", "192.0.2.10"},
		{"::ffff:192.0.2.10", "192.0.2.10"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_addr a = addr(rows[i].in);
		char text[IP_TEXT_MAX];

		cr_expect_str_eq(ip_text(&a, text), rows[i].out);
	}
}

Test(wire_addr, octets_are_in_network_order)
{
	static const uint8_t v4[16] = {[10] = 0xff, 0xff, 192, 0, 2, 10};
	static const uint8_t v6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 7};
	struct ip_addr a = addr("192.0.2.10"), b = addr("2001:db8::7");

	cr_expect_arr_eq(a.b, v4, 16);
	cr_expect_arr_eq(b.b, v6, 16);
}

Test(wire_addr, what_is_no_address_is_refused)
{
	static const char *const rows[] = {"",
					   "1",
					   "1.2.3",
					   "1.2.3.256",
					   "1.2.3.4 ",
					   ":",
					   "2001:db8",
					   "2001:db8::1::2",
					   "fe80::g",
					   "fe80::1%lo",
					   "1:2:3:4:5:6:7:8:9"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_addr a = {{1}}, before = a;

		cr_expect_eq(ip_parse(rows[i], &a), -EINVAL, "\"%s\"", rows[i]);
		cr_expect(ip_equal(&a, &before), "\"%s\" was written", rows[i]);
	}
}

Test(wire_addr, prefixes_there_and_back)
{
	static const struct {
		const char *text;
		uint8_t len;
	} rows[] = {{"::/0", 0},
		    {"2001:db8:100::/64", 64},
		    {"2001:db8::1/128", 128},
		    {"2001:db8:8000::/33", 33},
		    {"0.0.0.0/0", 96},
		    {"10.0.0.0/8", 104},
		    {"10.20.0.5/32", 128}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_prefix p = prefix(rows[i].text);
		char text[IP_TEXT_MAX];

		cr_expect_eq(p.len, rows[i].len, "%s: %u", rows[i].text, p.len);
		cr_expect_str_eq(ip_prefix_text(&p, text), rows[i].text);
	}
}

Test(wire_addr, the_longest_text_fits)
{
	struct ip_prefix p = prefix("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
	char text[IP_TEXT_MAX];

	cr_expect_str_eq(ip_prefix_text(&p, text), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
}

Test(wire_addr, what_is_no_prefix_is_refused)
{
	static const char *const rows[] = {
		"",
		"/",
		"10.0.0.0",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.1/8",
		"2001:db8::/129",
		"2001:db8::1/64",
		"::/-1",
		"::/+1",
		"::/ 1",
		"::/64x",
		"/64",
		"::/18446744073709551616",
		"2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000:0000/64"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_prefix p = {.len = 77};

		cr_expect_eq(ip_prefix_parse(rows[i], &p), -EINVAL, "\"%s\"", rows[i]);
		cr_expect_eq(p.len, 77, "\"%s\" was written", rows[i]);
	}
}

Test(wire_addr, every_length_clears_just_the_bits_behind_it)
{
	struct ip_addr ones, bit;

	memset(&ones, 0xff, sizeof(ones));
	for (unsigned int len = 0; len <= 128; len++) {
		struct ip_prefix p = ip_prefix_make(&ones, (uint8_t)len);

		for (unsigned int i = 0; i < 128; i++)
			cr_assert_eq(p.addr.b[i / 8] >> (7 - i % 8) & 1, i < len, "/%u bit %u", len,
				     i);
		cr_expect(ip_prefix_contains(&p, &ones));
		for (unsigned int i = 0; i < 128; i++) {
			bit = ones;
			bit.b[i / 8] ^= (uint8_t)(0x80 >> i % 8);
			cr_assert_eq(ip_prefix_contains(&p, &bit), i >= len, "/%u bit %u", len, i);
		}
	}
	cr_expect_eq(ip_prefix_make(&ones, 200).len, 128);
}

Test(wire_addr, care_of_addresses_are_global_unicast)
{
	static const struct {
		const char *text;
		bool global;
	} rows[] = {{"2001:db8::1", true}, {"fd00::1", true},
		    {"fec0::1", true},	   {"192.0.2.1", true},
		    {"10.0.0.1", true},	   {"223.255.255.255", true},
		    {"::", false},	   {"::1", false},
		    {"fe80::1", false},	   {"febf::1", false},
		    {"ff02::1", false},	   {"0.0.0.0", false},
		    {"127.0.0.1", false},  {"169.254.1.1", false},
		    {"224.0.0.1", false},  {"255.255.255.255", false}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_addr a = addr(rows[i].text);

		cr_expect_eq(ip_is_global_unicast(&a), rows[i].global, "%s", rows[i].text);
	}
}

Test(wire_addr, kinds_and_order)
{
	struct ip_addr zero = addr("::"), v4 = addr("1.2.3.4"), low = addr("2001:db8::ff"),
		       high = addr("2001:db8::100");
	struct ip_prefix p = prefix("2001:db8::/32"), longer = prefix("2001:db8::/48");

	cr_expect(ip_is_zero(&zero) && !ip_is_zero(&v4));
	cr_expect(ip_is_v4(&v4) && !ip_is_v4(&zero) && !ip_is_v4(&low));
	cr_expect_lt(ip_compare(&low, &high), 0);
	cr_expect_gt(ip_compare(&high, &low), 0);
	cr_expect_eq(ip_compare(&low, &low), 0);
	cr_expect(ip_equal(&low, &low) && !ip_equal(&low, &high));
	cr_expect(ip_prefix_equal(&p, &p) && !ip_prefix_equal(&p, &longer));
}
