/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The decoder never reads past its input; what it takes without remark is encoded again to the same
 * message, and that encoding is a fixed point (canonical).
 */
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t first[MH_MAX], second[MH_MAX];
	struct mh_message m, back;
	char text[1200];
	int n;

	if (mh_decode(data, size, &m) != MH_FAULT_NONE)
		return 0;
	mh_id_text(&m.mn_id, text, sizeof(text));
	mh_id_text(&m.mag_id, text, 7);
	if (m.unknown || m.bad || m.dup)
		return 0;
	n = mh_encode(&m, first, sizeof(first));
	if (n < 0)
		return 0; /* legal to receive, not ours to send (empty identifier in a PBU) */
	if (mh_decode(first, (size_t)n, &back) != MH_FAULT_NONE ||
	    memcmp(&m, &back, sizeof(m)) != 0)
		abort();
	if (mh_encode(&back, second, sizeof(second)) != n || memcmp(first, second, (size_t)n) != 0)
		abort();
	return 0;
}
