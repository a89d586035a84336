/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The worked examples of the wire reference (tests/vectors/mip6-examples.hex) as packets. Tests run
 * from the top of the tree.
 */
#ifndef MAGPIE_TESTS_VECTORS_H
#define MAGPIE_TESTS_VECTORS_H

#include <stddef.h>
#include <stdint.h>

#define VECTOR_MAX   512
#define VECTOR_COUNT 17 /* the messages; the data packets behind them are not read */

struct vector {
	unsigned int number; /* as in section 12 */
	size_t len;
	uint8_t octets[VECTOR_MAX]; /* from the IP header on */
};

/* Fills all, by number - 1; aborts the test when the file is not there or has another shape. */
void vectors_load(struct vector vectors[VECTOR_COUNT]);

#endif
