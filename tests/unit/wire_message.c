/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The codec against the worked examples, against itself (round trips of random messages) and
 * against what peers may get wrong.
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

/* The Mobility Header of an IPv6 example. */
static const uint8_t *mh_of(unsigned int number, size_t *ret_len)
{
	const struct vector *v = &vectors[number - 1];

	cr_assert_eq(v->octets[6], MH_PROTOCOL, "example %u is no MH over IPv6", number);
	*ret_len = v->len - 40;
	return v->octets + 40;
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
     .description = "12.6 12.7 12.8 12.15: options of later issues survive as a count")
{
	static const unsigned int with_unknown[] = {6, 7, 8, 15};

	for (size_t i = 0; i < 4; i++) {
		size_t len;
		const uint8_t *octets = mh_of(with_unknown[i], &len);
		struct mh_message m;

		cr_assert_eq(mh_decode(octets, len, &m), MH_FAULT_NONE);
		cr_expect_gt(m.unknown, 0);
		cr_expect(m.has & MH_HAS(MMB));
		cr_expect(m.has & MH_HAS(MN_ID));
	}
}

Test(wire_message, every_truncation_is_a_fault_or_a_message,
     .description = "EC-22 ATK-25: no read past the input (ASan build), no half-filled message")
{
	for (unsigned int n = 1; n <= 17; n++) {
		const struct vector *v = &vectors[n - 1];
		size_t start = v->octets[0] >> 4 == 6 ? 40 : 28;

		for (size_t len = 0; len < v->len - start; len++) {
			uint8_t *copy =
				malloc(len ? len : 1); /* exact, so that ASan sees a step too far */
			struct mh_message m;

			memcpy(copy, v->octets + start, len);
			cr_expect_neq(mh_decode(copy, len, &m), MH_FAULT_NONE);
			cr_expect_eq(m.has, 0);
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

Test(wire_message, mag_id_reserved_octet_is_ignored, .description = "MP-MID-03")
{
	static const uint8_t option[] = {64, 3, 1, 0xff, 'm'};
	struct mh_message m;

	cr_assert_eq(decode_with(option, sizeof(option), &m), MH_FAULT_NONE);
	cr_expect(m.has & MH_HAS(MAG_ID));
}

Test(wire_message, mmb_at_any_offset,
     .description = "MP-MMB-04 D3: accepted at 8n+0..8n+7, sent at 8n+2")
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
		/* MP-MMB-31: reserved bits received as ones leave as zero */
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
}

/* ---- round trips ------------------------------------------------------------------- */

static uint64_t state = 0x9e3779b97f4a7c15U;

static uint32_t rnd(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 33) % n;
}

static void fill(void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)rnd(256);
}

static void random_id(struct mh_id *id, uint8_t max)
{
	id->subtype = (uint8_t)(1 + rnd(8));
	id->len = (uint8_t)(1 + rnd(max));
	fill(id->octets, id->len);
}

static void random_message(struct mh_message *m)
{
	memset(m, 0, sizeof(*m));
	m->type = rnd(2) ? MH_BU : MH_BA;
	m->sequence = (uint16_t)rnd(65536);
	m->flags = (uint16_t)(rnd(65536) & (m->type == MH_BU ? MH_BU_KNOWN : MH_BA_KNOWN));
	m->lifetime = (uint16_t)rnd(65536);
	m->status = m->type == MH_BA ? (uint8_t)rnd(256) : 0;
	m->has = rnd(1u << MH_OPT_COUNT);
	if (m->has & MH_HAS(MN_ID))
		random_id(&m->mn_id, 254);
	if (m->has & MH_HAS(MAG_ID))
		random_id(&m->mag_id, 253);
	if (m->has & MH_HAS(HNP)) {
		m->n_hnp = (uint8_t)(1 + rnd(MH_MAX_HNP));
		for (unsigned int i = 0; i < m->n_hnp; i++) {
			struct ip_addr a;

			fill(&a, sizeof(a));
			m->hnp[i] = ip_prefix_make(&a, (uint8_t)rnd(129));
		}
	}
	if (m->has & MH_HAS(HI))
		m->hi = (uint8_t)rnd(256);
	if (m->has & MH_HAS(ATT))
		m->att = (uint8_t)rnd(256);
	if (m->has & MH_HAS(LLID)) {
		m->llid.len = (uint8_t)rnd(MH_LLID_MAX + 1);
		fill(m->llid.octets, m->llid.len);
	}
	if (m->has & MH_HAS(LINK_LOCAL))
		fill(&m->link_local, 16);
	if (m->has & MH_HAS(ALT_COA))
		fill(&m->alt_coa, 16);
	if (m->has & MH_HAS(TIMESTAMP))
		fill(&m->timestamp, 8);
	if (m->has & MH_HAS(MMB))
		m->mmb = (struct mh_mmb){(uint8_t)rnd(256), (uint8_t)rnd(256), (uint8_t)rnd(256),
					 rnd(2), rnd(2)};
}

Test(wire_message, random_messages_survive_a_round_trip)
{
	static const struct {
		uint8_t type, x, y;
	} alignment[] = {{22, 8, 4}, {27, 8, 2}, {63, 8, 2}, {26, 8, 6}, {3, 8, 6}};

	for (unsigned int k = 0; k < 20000; k++) {
		struct mh_message m, back;
		uint8_t out[MH_MAX];
		int n;

		random_message(&m);
		n = mh_encode(&m, out, sizeof(out));
		cr_assert_gt(n, 0, "round %u: %d", k, n);
		cr_assert_eq(n % 8, 0);
		cr_assert_eq(mh_decode(out, (size_t)n, &back), MH_FAULT_NONE);
		cr_assert_arr_eq(&m, &back, sizeof(m), "round %u", k);
		for (size_t at = 12; at < (size_t)n; at += out[at] == 0 ? 1 : 2u + out[at + 1]) {
			for (size_t i = 0; i < 5; i++) {
				if (out[at] == alignment[i].type)
					cr_assert_eq(at % alignment[i].x, alignment[i].y);
			}
		}
	}
}
