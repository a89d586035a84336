/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* libFuzzer: octets are a gateway's life; see tests/support/mag_play.h for what must hold in it. */
#include <stdio.h>
#include <stdlib.h>

/* A fuzz target is one translation unit beside the pure sources. */
/* NOLINTBEGIN(bugprone-suspicious-include) */
#include "tests/support/core_bed.c"
#include "tests/support/flma.c"
#include "tests/support/mag_play.c"
/* NOLINTEND(bugprone-suspicious-include) */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *fault = mag_play(data, size);

	if (fault) {
		fprintf(stderr, "%s\n", fault);
		abort();
	}
	return 0;
}
