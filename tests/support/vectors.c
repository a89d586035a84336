/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A reader of text2pcap's hex format, as far as the examples use it. */
#include "tests/support/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take_line(struct vector *v, char *line)
{
	char *save = NULL;

	for (char *t = strtok_r(line, " \n", &save); t; t = strtok_r(NULL, " \n", &save)) {
		if (strlen(t) == 2 && v->len < VECTOR_MAX)
			v->octets[v->len++] = (uint8_t)strtoul(t, NULL, 16);
	}
}

void vectors_load(struct vector vectors[VECTOR_COUNT])
{
	FILE *f = fopen("tests/vectors/mip6-examples.hex", "re");
	struct vector *v = NULL;
	unsigned int n = 0;
	char line[256];

	if (!f)
		abort();
	memset(vectors, 0, VECTOR_COUNT * sizeof(*vectors));
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#') {
			unsigned long number = strtoul(line + 1, NULL, 10);

			if (number < 1 || number > VECTOR_COUNT) {
				v = NULL;
				continue;
			}
			v = &vectors[number - 1];
			v->number = (unsigned int)number;
			n++;
		} else if (v) {
			take_line(v, line);
		}
	}
	fclose(f);
	if (n != VECTOR_COUNT)
		abort();
}
