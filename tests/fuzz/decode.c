/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The decoder never reads past its input; what it takes is encoded again to the same message, less
 * what it remarked on (unknown, bad and repeated options), and that encoding is a fixed point
 * (canonical).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_identifiers(const struct mh_message *m)
{
	char text[1200];

	mh_id_text(&m->mn_id, text, sizeof(text));
	mh_id_text(&m->mag_id, text, 7);
}

/* Legal to receive, not ours to send. */
static bool empty_identifier_in_update(const struct mh_message *m)
{
	return m->type == MH_BU && (m->has & MH_HAS(MN_ID)) && m->mn_id.len == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t first[MH_MAX], second[MH_MAX];
	struct mh_message m, back;
	int n;

	if (mh_decode(data, size, &m) != MH_FAULT_NONE)
		return 0;
	print_identifiers(&m);
	m.unknown = 0;
	m.bad = 0;
	m.dup = 0;
	n = mh_encode(&m, first, sizeof(first));
	if (n == -EINVAL && empty_identifier_in_update(&m))
		return 0;
	if (n < 0 || mh_decode(first, (size_t)n, &back) != MH_FAULT_NONE)
		abort();
	/* The decoder starts from zeroes, so the holes are equal too. NOLINTNEXTLINE */
	if (memcmp(&m, &back, sizeof(m)) != 0)
		abort();
	if (mh_encode(&back, second, sizeof(second)) != n || memcmp(first, second, (size_t)n) != 0)
		abort();
	return 0;
}
