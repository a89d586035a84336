/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The codec against the worked examples and against what peers may get wrong. Round trips have a
 * file of their own.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/vectors.h"
#include "wire/message.h"

static struct vector vectors[VECTOR_COUNT];

static void load(void)
{
	vectors_load(vectors);
}

/* The Mobility Header of an example: behind the IPv6 header, or behind IPv4 and UDP. */
static const uint8_t *mh_of(unsigned int number, size_t *ret_len)
{
	const struct vector *v = &vectors[number - 1];
	size_t start = v->octets[0] >> 4 == 6 ? 40 : 28;

	*ret_len = v->len - start;
	return v->octets + start;
}

TestSuite(wire_message, .init = load);

Test(wire_message, examples_encode_byte_for_byte,
     .description =
	     "12.1 12.2 12.3 12.11 12.12 12.17 MP-MMB-02 MP-SEC-03: decode, encode: same octets")
{
	static const unsigned int known[] = {1, 2, 3, 11, 12, 17};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t len;
		const uint8_t *octets = mh_of(known[i], &len);
		uint8_t out[MH_MAX];
		struct mh_message msg;
		int n;

		cr_assert_eq(mh_decode(octets, len, &msg), MH_FAULT_NONE);
		cr_expect_eq(msg.unknown, 0, "example %u: %u unknown options", known[i],
			     msg.unknown);
		cr_expect_eq(msg.bad | msg.dup, 0);
		n = mh_encode(&msg, out, sizeof(out));
		cr_assert_eq(n, (int)len, "example %u: %d octets", known[i], n);
		memcpy(out + 4, octets + 4, 2); /* the checksum is another test's */
		cr_expect_arr_eq(out, octets, len, "example %u", known[i]);
	}
}

Test(wire_message, fields_of_the_first_example)
{
	struct ip_addr zero = {{0}};
	size_t len;
	const uint8_t *octets = mh_of(1, &len);
	struct mh_message m;
	char text[64];

	cr_assert_eq(mh_decode(octets, len, &m), MH_FAULT_NONE);
	cr_expect_eq(m.type, MH_BU);
	cr_expect_eq(m.sequence, 0x0101);
	cr_expect_eq(m.flags, MH_BU_A | MH_BU_P);
	cr_expect_eq(m.lifetime, 75);
	cr_expect_str_eq(mh_id_text(&m.mn_id, text, sizeof(text)), "mn1@example.org");
	cr_expect_str_eq(mh_id_text(&m.mag_id, text, sizeof(text)), "mag1.example.org");
	cr_expect_eq(m.n_hnp, 1);
	cr_expect(ip_equal(&m.hnp[0].addr, &zero));
	cr_expect_eq(m.hi, MH_HI_NEW_INTERFACE);
	cr_expect_eq(m.att, 8);
	cr_expect_eq(m.mmb.att, 8);
	cr_expect_eq(m.mmb.label, 11);
	cr_expect_eq(m.mmb.bid, 1);
	cr_expect_not(m.mmb.bulk);
	cr_expect_not(m.mmb.overwrite);
	cr_expect_eq(m.timestamp, (UINT64_C(1700000000) << 16) + 0x8000);
}

Test(wire_message, checksums_of_all_examples,
     .description = "B-6275-6.1.1: pseudo-header of RFC 8200 8.1")
{
	unsigned int checked = 0;

	for (unsigned int n = 1; n <= 17; n++) {
		const struct vector *v = &vectors[n - 1];
		struct ip_addr src, dst;
		uint16_t sum;

		if (v->octets[0] >> 4 != 6)
			continue; /* over IPv4 the field is zero */
		memcpy(src.b, v->octets + 8, 16);
		memcpy(dst.b, v->octets + 24, 16);
		sum = mh_checksum(&src, &dst, v->octets + 40, v->len - 40);
		cr_expect_arr_eq(&sum, v->octets + 44, 2, "example %u", n);
		checked++;
	}
	cr_expect_eq(checked, 15);
}

Test(wire_message, unknown_options_are_skipped_and_counted,
     .description = "12.4-12.8 12.15: options of later issues survive as a count, others are read")
{
	static const struct {
		unsigned int number, unknown;
		uint32_t others; /* behind the options that each of them has */
		uint8_t bid;
	} rows[] = {
		{4, 1, MH_HAS(MAG_ID), 2}, /* IPv4 Home Address Request */
		{5, 4, 0, 2}, /* its Reply, Default-Router, DHCP Support Mode, NAT Detection */
		{6, 1, MH_HAS(MAG_ID) | MH_HAS(LLID) | MH_HAS(ALT_COA), 1}, /* GRE Key */
		{7, 2, MH_HAS(MAG_ID), 1}, /* Flow Identification, Flow Summary */
		{8, 1, MH_HAS(MAG_ID), 1}, /* Flow Identification */
		{15, 2, MH_HAS(MAG_ID), 1} /* two delegated prefixes */
	};
	const uint32_t all = MH_HAS(MN_ID) | MH_HAS(HI) | MH_HAS(ATT) | MH_HAS(MMB) |
			     MH_HAS(TIMESTAMP) | MH_HAS(HNP);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len;
		const uint8_t *octets = mh_of(rows[i].number, &len);
		struct mh_message m;

		cr_assert_eq(mh_decode(octets, len, &m), MH_FAULT_NONE);
		cr_expect_eq(m.unknown, rows[i].unknown, "example %u: %u", rows[i].number,
			     m.unknown);
		cr_expect_eq(m.has, all | rows[i].others, "example %u", rows[i].number);
		cr_expect_eq(m.bad | m.dup, 0);
		cr_expect_eq(m.mmb.bid, rows[i].bid);
	}
}

Test(wire_message, other_types_are_told_by_name,
     .description = "12.9 12.10 12.13 12.14 12.16: Heartbeat, Revocation, Update Notification")
{
	static const uint8_t rows[][2] = {{9, 13}, {10, 13}, {13, 16}, {14, 16}, {16, 19}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len;
		const uint8_t *octets = mh_of(rows[i][0], &len);
		struct mh_message m;

		cr_expect_eq(mh_decode(octets, len, &m), MH_FAULT_TYPE_UNKNOWN);
		cr_expect_eq(m.type, rows[i][1], "for the Binding Error");
	}
}

Test(wire_message, link_layer_id_and_care_of_address,
     .description = "12.6: the options that only this example has")
{
	static const uint8_t mac[] = {0x02, 0x00, 0x5e, 0x10, 0x00, 0x01};
	size_t len;
	const uint8_t *octets = mh_of(6, &len);
	struct mh_message m;
	char text[IP_TEXT_MAX];

	cr_assert_eq(mh_decode(octets, len, &m), MH_FAULT_NONE);
	cr_assert_eq(m.llid.len, sizeof(mac));
	cr_expect_arr_eq(m.llid.octets, mac, sizeof(mac));
	cr_expect_str_eq(ip_text(&m.alt_coa, text), "2001:db8:a::1");
	cr_expect_eq(m.hi, MH_HI_UNCHANGED);
	cr_expect_str_eq(ip_prefix_text(&m.hnp[0], text), "2001:db8:100::/64");
}

Test(wire_message, flags_of_mmb, .description = "12.12 12.15: B and O are bits of their own")
{
	size_t len;
	const uint8_t *octets = mh_of(12, &len);
	struct mh_message m;

	cr_assert_eq(mh_decode(octets, len, &m), MH_FAULT_NONE);
	cr_expect(m.mmb.bulk && !m.mmb.overwrite);
	octets = mh_of(15, &len);
	cr_assert_eq(mh_decode(octets, len, &m), MH_FAULT_NONE);
	cr_expect(!m.mmb.bulk && m.mmb.overwrite);
}

Test(wire_message, every_truncation_is_a_fault_or_a_message,
     .description = "EC-22 ATK-25: no read past the input (ASan build), no half-filled message")
{
	for (unsigned int n = 1; n <= VECTOR_COUNT; n++) {
		size_t whole;
		const uint8_t *octets = mh_of(n, &whole);

		for (size_t len = 0; len < whole; len++) {
			/* of the exact size, so that ASan sees a step too far */
			uint8_t *copy = malloc(len ? len : 1);
			struct mh_message m;

			memcpy(copy, octets, len);
			cr_expect_neq(mh_decode(copy, len, &m), MH_FAULT_NONE);
			cr_expect_eq(m.has, 0);
			free(copy);
		}
	}
}

Test(wire_message, every_shorter_header_len_is_safe,
     .description =
	     "EC-22: options cut off by Header Len are a fault, which fills in the type alone")
{
	for (unsigned int n = 1; n <= VECTOR_COUNT; n++) {
		size_t whole;
		const uint8_t *octets = mh_of(n, &whole);

		for (size_t len = 8; len < whole; len += 8) {
			uint8_t *copy = malloc(len);
			enum mh_fault exact, longer;
			struct mh_message m, same;
			uint8_t all[VECTOR_MAX];

			memcpy(all, octets, whole);
			all[1] = (uint8_t)(len / 8 - 1);
			memcpy(copy, all, len);
			exact = mh_decode(copy, len, &m);
			longer = mh_decode(all, whole, &same);
			cr_expect_eq(exact, longer, "octets behind the message matter");
			cr_expect_arr_eq(&m, &same, sizeof(m));
			if (exact != MH_FAULT_NONE) {
				struct mh_message only_type = {.type = octets[2]};

				cr_expect_arr_eq(&m, &only_type, sizeof(m), "half-filled");
			}
			free(copy);
		}
	}
}

/* ---- what peers get wrong ---------------------------------------------------------- */

/* A PBU with the options given as octets; padded to a multiple of 8. */
static enum mh_fault decode_with(const uint8_t *options, size_t n, struct mh_message *m)
{
	uint8_t octets[512] = {59, 0, MH_BU};
	size_t len = (12 + n + 7) / 8 * 8;

	memcpy(octets + 12, options, n);
	octets[1] = (uint8_t)(len / 8 - 1);
	return mh_decode(octets, len, m);
}

Test(wire_message, mmb_lengths,
     .description = "EC-20 EC-21 EC-23 MP-MMB-03: any Length but 6 is bad")
{
	for (unsigned int length = 0; length <= 253; length++) {
		uint8_t option[255] = {63, (uint8_t)length, 4, 9, 2};
		struct mh_message m;

		cr_assert_eq(decode_with(option, 2 + length, &m), MH_FAULT_NONE);
		cr_expect_eq(!!(m.has & MH_HAS(MMB)), length == 6);
		cr_expect_eq(!!(m.bad & MH_HAS(MMB)), length != 6);
	}
}

Test(wire_message, mag_id_lengths,
     .description = "EC-26 MP-MID-01 MP-MID-02: shorter than 3 is bad")
{
	for (unsigned int length = 0; length <= 10; length++) {
		uint8_t option[16] = {64, (uint8_t)length, 1, 0xff, 'm', 'a', 'g', '1', '@', 'e',
				      'x'};
		struct mh_message m;
		char text[64];

		cr_assert_eq(decode_with(option, 2 + length, &m), MH_FAULT_NONE);
		cr_expect_eq(!!(m.has & MH_HAS(MAG_ID)), length >= 3);
		if (length == 9)
			cr_expect_str_eq(mh_id_text(&m.mag_id, text, sizeof(text)), "mag1@ex");
	}
}

Test(wire_message, mag_id_is_opaque_and_anywhere,
     .description = "EC-26 MP-MID-01: octets that are no UTF-8 are kept; odd offsets are accepted")
{
	static const uint8_t options[] = {0, 64, 5, 1, 0, 0xff, 0x00, 0xc0};
	struct mh_message m;

	for (size_t skip = 0; skip < 2; skip++) { /* at 13, at 12 */
		cr_assert_eq(decode_with(options + skip, sizeof(options) - skip, &m),
			     MH_FAULT_NONE);
		cr_assert_eq(m.has, MH_HAS(MAG_ID));
		cr_expect_eq(m.mag_id.subtype, MH_ID_NAI);
		cr_assert_eq(m.mag_id.len, 3);
		cr_expect_arr_eq(m.mag_id.octets, options + 5, 3);
	}
}

Test(wire_message, mag_id_reserved_octet_is_ignored,
     .description = "MP-MID-03: any value is accepted, ours is zero")
{
	static const uint8_t option[] = {64, 3, 1, 0xff, 'm'};
	struct mh_message m;
	uint8_t out[64];

	cr_assert_eq(decode_with(option, sizeof(option), &m), MH_FAULT_NONE);
	cr_assert(m.has & MH_HAS(MAG_ID));
	cr_assert_eq(mh_encode(&m, out, sizeof(out)), 24);
	cr_expect_arr_eq(out + 12, ((uint8_t[]){64, 3, 1, 0, 'm'}), 5);
}

Test(wire_message, mmb_at_any_offset,
     .description = "MP-MMB-04 MP-MMB-31 D3: accepted at 8n+0..8n+7, sent at 8n+2")
{
	for (unsigned int shift = 0; shift < 8; shift++) {
		uint8_t options[16] = {0};
		struct mh_message m;
		uint8_t out[MH_MAX];

		memcpy(options + shift, (uint8_t[]){63, 6, 4, 9, 2, 0xff, 0xff, 0xff}, 8);
		cr_assert_eq(decode_with(options, 8 + shift, &m), MH_FAULT_NONE);
		cr_assert(m.has & MH_HAS(MMB));
		cr_expect_eq(m.mmb.bid, 2);
		cr_assert_gt(mh_encode(&m, out, sizeof(out)), 0);
		cr_expect_eq(out[12], 1, "PadN first");
		cr_expect_eq(out[18], 63, "MMB at 8n+2");
		/* reserved bits received as ones leave as zero */
		cr_expect_eq(out[23], 0xc0);
		cr_expect_eq(out[24] | out[25], 0);
	}
}

Test(wire_message, duplicates_are_told, .description = "EC-24 EC-25: the first one is kept")
{
	static const uint8_t options[] = {63, 6, 4, 9,	1, 0, 0, 0,   63, 6, 4, 9, 2,
					  0,  0, 0, 64, 3, 1, 0, 'a', 64, 3, 1, 0, 'b'};
	struct mh_message m;

	cr_assert_eq(decode_with(options, sizeof(options), &m), MH_FAULT_NONE);
	cr_expect_eq(m.dup, MH_HAS(MMB) | MH_HAS(MAG_ID));
	cr_expect_eq(m.mmb.bid, 1);
	cr_expect_eq(m.mag_id.octets[0], 'a');
}

Test(wire_message, what_is_bad_once_stays_bad,
     .description = "EC-20 EC-24: a legal second MMB does not repair an illegal first")
{
	static const uint8_t options[] = {63, 5, 4, 9, 1, 0, 0, 63, 6, 4, 9, 2, 0, 0, 0};
	struct mh_message m;

	cr_assert_eq(decode_with(options, sizeof(options), &m), MH_FAULT_NONE);
	cr_expect_eq(m.bad, MH_HAS(MMB));
	cr_expect_eq(m.dup, MH_HAS(MMB));
	cr_expect_eq(m.has, 0);
}

Test(wire_message, prefixes_up_to_the_limit,
     .description = "more prefixes than MH_MAX_HNP are told; what came before is kept")
{
	uint8_t options[20 * (MH_MAX_HNP + 1)] = {0};
	struct mh_message m;

	for (unsigned int n = 1; n <= MH_MAX_HNP + 1; n++) {
		uint8_t *option = options + (size_t)20 * (n - 1);

		memcpy(option, (uint8_t[]){22, 18, 0, 64, 0x20, 1}, 6);
		option[11] = (uint8_t)n;
		cr_assert_eq(decode_with(options, (size_t)20 * n, &m), MH_FAULT_NONE);
		cr_expect_eq(m.n_hnp, n <= MH_MAX_HNP ? n : MH_MAX_HNP);
		cr_expect_eq(m.bad, n <= MH_MAX_HNP ? 0 : MH_HAS(HNP));
		cr_expect_eq(m.dup, 0);
		cr_expect_eq(m.hnp[m.n_hnp - 1].addr.b[7], m.n_hnp);
	}
}

Test(wire_message, link_layer_identifier_lengths)
{
	for (unsigned int length = 0; length < 60; length++) {
		uint8_t option[64] = {25, (uint8_t)length};
		bool legal = length >= 2 && length <= 2 + MH_LLID_MAX;
		struct mh_message m;

		cr_assert_eq(decode_with(option, 2 + length, &m), MH_FAULT_NONE);
		cr_expect_eq(m.has, legal ? MH_HAS(LLID) : 0);
		cr_expect_eq(m.bad, legal ? 0 : MH_HAS(LLID));
		cr_expect_eq(m.llid.len, legal ? length - 2 : 0);
	}
}

Test(wire_message, fixed_lengths_are_checked)
{
	static const struct {
		uint8_t type;
		uint8_t legal;
		uint32_t bit;
	} rows[] = {{22, 18, MH_HAS(HNP)},	{23, 2, MH_HAS(HI)},
		    {24, 2, MH_HAS(ATT)},	{26, 16, MH_HAS(LINK_LOCAL)},
		    {27, 8, MH_HAS(TIMESTAMP)}, {3, 16, MH_HAS(ALT_COA)}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned int length = 0; length < 40; length++) {
			uint8_t option[64] = {rows[i].type, (uint8_t)length};
			struct mh_message m;

			cr_assert_eq(decode_with(option, 2 + length, &m), MH_FAULT_NONE);
			cr_expect_eq(m.has, length == rows[i].legal ? rows[i].bit : 0);
			cr_expect_eq(m.bad, length == rows[i].legal ? 0 : rows[i].bit);
		}
	}
}

Test(wire_message, identifier_lengths,
     .description = "RFC 4283: Length 0 is bad, 1 is the empty one")
{
	struct mh_message m;

	cr_assert_eq(decode_with((uint8_t[]){8, 0}, 2, &m), MH_FAULT_NONE);
	cr_expect_eq(m.bad, MH_HAS(MN_ID));
	cr_assert_eq(decode_with((uint8_t[]){8, 1, 1}, 3, &m), MH_FAULT_NONE);
	cr_expect_eq(m.has, MH_HAS(MN_ID));
	cr_expect_eq(m.mn_id.len, 0);
}

Test(wire_message, host_bits_of_a_prefix_are_cleared)
{
	uint8_t option[20] = {22, 18, 0, 64, 0x20, 1, [19] = 9};
	struct mh_message m;

	cr_assert_eq(decode_with(option, sizeof(option), &m), MH_FAULT_NONE);
	cr_expect_eq(m.hnp[0].addr.b[15], 0);
	option[3] = 129;
	cr_assert_eq(decode_with(option, sizeof(option), &m), MH_FAULT_NONE);
	cr_expect_eq(m.bad, MH_HAS(HNP));
}

Test(wire_message, faults_by_name, .description = "B-6275-9.2: each header fault has its name")
{
	uint8_t good[16] = {59, 1, MH_BU};
	struct mh_message m;
	uint8_t bad[16];

	cr_expect_eq(mh_decode(good, 16, &m), MH_FAULT_NONE);
	cr_expect_eq(mh_decode(good, 7, &m), MH_FAULT_SHORT);
	cr_expect_eq(mh_decode(good, 15, &m), MH_FAULT_HEADER_LEN_LARGE);
	memcpy(bad, good, 16);
	bad[0] = 58;
	cr_expect_eq(mh_decode(bad, 16, &m), MH_FAULT_PAYLOAD_PROTO);
	memcpy(bad, good, 16);
	bad[1] = 0;
	cr_expect_eq(mh_decode(bad, 16, &m), MH_FAULT_HEADER_LEN_SMALL);
	memcpy(bad, good, 16);
	bad[2] = 99;
	cr_expect_eq(mh_decode(bad, 16, &m), MH_FAULT_TYPE_UNKNOWN);
	memcpy(bad, good, 16);
	bad[12] = 63;
	bad[13] = 7;
	cr_expect_eq(mh_decode(bad, 16, &m), MH_FAULT_OPTION_OVERRUN);
	memcpy(bad, good, 16);
	memset(bad + 12, 0, 3);
	bad[15] = 63; /* a lone Type octet at the end */
	cr_expect_eq(mh_decode(bad, 16, &m), MH_FAULT_OPTION_OVERRUN);
}

Test(wire_message, any_padding_is_accepted,
     .description = "RFC 6275 6.2.2 6.2.3: many Pad1, PadN of 2..N octets, PadN with content")
{
	static const uint8_t options[] = {0, 0,	 1, 0, 1, 3, 0xff, 63, 6,
					  0, 23, 2, 0, 4, 0, 1,	   1,  9};
	struct mh_message m;

	cr_assert_eq(decode_with(options, sizeof(options), &m), MH_FAULT_NONE);
	cr_expect_eq(m.has, MH_HAS(HI), "an option in a PadN is no option");
	cr_expect_eq(m.hi, 4);
	cr_expect_eq(m.unknown, 0);
	cr_expect_eq(decode_with((uint8_t[]){1, 3, 0, 0}, 4, &m), MH_FAULT_OPTION_OVERRUN);
}

Test(wire_message, what_cannot_be_encoded_is_refused)
{
	struct mh_message m = {.type = MH_BU, .has = MH_HAS(MN_ID)};
	uint8_t out[64];

	cr_expect_eq(mh_encode(&m, out, sizeof(out)), -EINVAL, "empty identifier in a PBU");
	m.type = MH_BA;
	cr_expect_eq(mh_encode(&m, out, sizeof(out)), 16);
	m.mn_id.len = 100;
	cr_expect_eq(mh_encode(&m, out, sizeof(out)), -ENOBUFS);
	m = (struct mh_message){.type = 99};
	cr_expect_eq(mh_encode(&m, out, sizeof(out)), -EINVAL);
	m = (struct mh_message){.type = MH_BU, .has = MH_HAS(MAG_ID)};
	cr_expect_eq(mh_encode(&m, out, sizeof(out)), -EINVAL, "empty MAG-ID");
	m.mag_id.len = MH_ID_MAX;
	cr_expect_eq(mh_encode(&m, out, sizeof(out)), -EINVAL, "MAG-ID of 254 octets");
	m = (struct mh_message){.type = MH_BU, .has = MH_HAS(HNP)};
	cr_expect_eq(mh_encode(&m, out, sizeof(out)), -EINVAL, "HNP present, but none");
	m.n_hnp = MH_MAX_HNP + 1;
	cr_expect_eq(mh_encode(&m, out, sizeof(out)), -EINVAL, "too many prefixes");
	m = (struct mh_message){.type = MH_BU, .has = MH_HAS(LLID), .llid.len = MH_LLID_MAX + 1};
	cr_expect_eq(mh_encode(&m, out, sizeof(out)), -EINVAL, "link-layer identifier too long");
}
