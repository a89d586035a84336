/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ten thousand random lives of a gateway; what is checked in each is in tests/support/mag_play.h.
 */
#include <criterion/criterion.h>

#include "tests/support/mag_play.h"

#define SEQUENCES 10000
#define LENGTH	  120

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

Test(mag_random, sequences, .timeout = 300,
     .description =
	     "MP-MMB-20 MP-MMB-29 MP-SIG-26 AT-01: never B with O, never O in a "
	     "deregistration, keys increase, no TX before an accepted PBU, every message counted, "
	     "all paths in use in the end")
{
	for (uint64_t seed = 1; seed <= SEQUENCES; seed++) {
		uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15);
		uint8_t octets[LENGTH];
		const char *fault;

		for (size_t k = 0; k < LENGTH; k++)
			octets[k] = (uint8_t)(next(&x) >> 24);
		fault = mag_play(octets, LENGTH);
		cr_assert(fault == NULL, "seed %lu: %s", (unsigned long)seed, fault);
	}
}
