/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The codec against itself, with random messages and mutated examples, and against a checker that
 * shares nothing with it. The seed is fixed: what fails once fails always.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/mh_expect.h"
#include "tests/support/vectors.h"
#include "wire/message.h"

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
	m->has = rnd(UINT32_C(1) << MH_OPT_COUNT);
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

Test(wire_round_trip, random_messages_survive)
{
	for (unsigned int k = 0; k < 20000; k++) {
		struct mh_message m, back;
		uint8_t out[MH_MAX];
		int n;

		random_message(&m);
		n = mh_encode(&m, out, sizeof(out));
		cr_assert_gt(n, 0, "round %u: %d", k, n);
		cr_assert_eq(mh_decode(out, (size_t)n, &back), MH_FAULT_NONE);
		cr_assert_arr_eq(&m, &back, sizeof(m), "round %u", k);
	}
}

/* Makes of a random message one that a gateway or an anchor may send. */
static void make_sendable(struct mh_message *m)
{
	bool update = m->type == MH_BU;

	m->flags |= update ? MH_BU_A | MH_BU_P : MH_BA_P;
	if (!update)
		m->has &= ~MH_HAS(MAG_ID);
	if (m->llid.len == 0)
		m->has &= ~MH_HAS(LLID);
	m->mmb.bid = (uint8_t)(1 + m->mmb.bid % 254);
	if (m->mmb.bulk || m->lifetime == 0)
		m->mmb.overwrite = false;
}

Test(wire_round_trip, the_independent_checker_agrees,
     .description = "MP-MMB-03 MP-MMB-04 MP-MMB-31 MP-MID-01 MP-MID-03 B-6275-6.1.1: checksum, "
		    "lengths, alignment, padding, reserved bits of random messages of our own")
{
	for (unsigned int k = 0; k < 20000; k++) {
		char complaint[MH_COMPLAINT_MAX];
		struct ip_addr source, destination;
		struct mh_seen seen = {.source = source.b, .destination = destination.b};
		struct mh_message m;
		uint8_t out[MH_MAX];
		uint16_t sum;
		int n;

		random_message(&m);
		make_sendable(&m);
		fill(&source, sizeof(source));
		fill(&destination, sizeof(destination));
		n = mh_encode(&m, out, sizeof(out));
		cr_assert_gt(n, 0);
		sum = mh_checksum(&source, &destination, out, (size_t)n);
		memcpy(out + 4, &sum, sizeof(sum));
		cr_assert_eq(mh_checksum(&source, &destination, out, (size_t)n), sum,
			     "its own field counts as zero");
		seen.octets = out;
		seen.len = (size_t)n;
		cr_assert_null(mh_expect(&seen, complaint), "round %u: %s", k, complaint);
	}
}

Test(wire_round_trip, every_too_small_buffer_is_refused,
     .description = "-ENOBUFS, and no write behind the end (ASan build)")
{
	for (unsigned int k = 0; k < 40; k++) {
		struct mh_message m;
		uint8_t out[MH_MAX];
		int n;

		random_message(&m);
		n = mh_encode(&m, out, sizeof(out));
		cr_assert_gt(n, 0);
		for (size_t size = 0; size <= (size_t)n; size++) {
			uint8_t *exact = malloc(size ? size : 1);
			int r = mh_encode(&m, exact, size);

			cr_assert_eq(r, size < (size_t)n ? -ENOBUFS : n, "%zu of %d: %d", size, n,
				     r);
			if (r > 0)
				cr_expect_arr_eq(exact, out, size);
			free(exact);
		}
	}
}

/* What was decoded, less what the decoder remarked on, survives; except what we never send. */
static void expect_stable(const struct mh_message *decoded, unsigned int example, size_t at)
{
	struct mh_message m = *decoded, back;
	uint8_t out[MH_MAX];
	int n = mh_encode(&m, out, sizeof(out));

	if (n == -EINVAL && m.type == MH_BU && (m.has & MH_HAS(MN_ID)) && m.mn_id.len == 0)
		return;
	cr_assert_gt(n, 0, "example %u, octet %zu: %d", example, at, n);
	cr_assert_eq(mh_decode(out, (size_t)n, &back), MH_FAULT_NONE);
	m.unknown = 0;
	m.dup = 0;
	m.bad = 0;
	cr_assert_arr_eq(&m, &back, sizeof(m), "example %u, octet %zu", example, at);
}

Test(wire_round_trip, every_octet_of_every_example_changed,
     .description = "ATK-25: each octet takes each value: a fault, or a message that survives")
{
	struct vector vectors[VECTOR_COUNT];
	unsigned int messages = 0, faults = 0;

	vectors_load(vectors);
	for (unsigned int k = 0; k < VECTOR_COUNT; k++) {
		size_t start = vectors[k].octets[0] >> 4 == 6 ? 40 : 28;
		size_t len = vectors[k].len - start;
		uint8_t *copy = malloc(len); /* of the exact size, for ASan */

		memcpy(copy, vectors[k].octets + start, len);
		for (size_t at = 0; at < len; at++) {
			uint8_t was = copy[at];

			for (unsigned int value = 0; value < 256; value++) {
				struct mh_message m;

				copy[at] = (uint8_t)value;
				if (mh_decode(copy, len, &m) == MH_FAULT_NONE) {
					expect_stable(&m, k + 1, at);
					messages++;
				} else {
					faults++;
				}
			}
			copy[at] = was;
		}
		free(copy);
	}
	cr_expect_gt(messages, 100000, "%u", messages);
	cr_expect_gt(faults, 10000, "%u", faults);
}

Test(wire_round_trip, messages_without_options)
{
	struct mh_message m = {.type = MH_BE, .status = 2}, back;
	uint8_t out[64];

	fill(&m.home_address, sizeof(m.home_address));
	cr_assert_eq(mh_encode(&m, out, sizeof(out)), 24);
	cr_assert_eq(mh_decode(out, 24, &back), MH_FAULT_NONE);
	cr_expect_arr_eq(&m, &back, sizeof(m));
	m = (struct mh_message){.type = MH_BRR};
	cr_assert_eq(mh_encode(&m, out, sizeof(out)), 8);
	cr_expect_arr_eq(out, ((uint8_t[]){59, 0, 0, 0, 0, 0, 0, 0}), 8);
	cr_assert_eq(mh_decode(out, 8, &back), MH_FAULT_NONE);
	cr_expect_arr_eq(&m, &back, sizeof(m));
}
