/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* suggest.h by Levenshtein's distance. */
#include "util/suggest.h"

#include <string.h>
#include <strings.h>

#define WORD_MAX 40

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's, without regard to case. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[WORD_MAX + 1];
	size_t n = strlen(b);

	if (n > WORD_MAX || strlen(a) > WORD_MAX)
		return WORD_MAX;
	for (unsigned int j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned int i = 1; a[i - 1]; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (unsigned int j = 1; j <= n; j++) {
			unsigned int same = strncasecmp(&a[i - 1], &b[j - 1], 1) == 0;
			unsigned int next = min3(row[j] + 1, row[j - 1] + 1, diagonal + !same);

			diagonal = row[j];
			row[j] = next;
		}
	}
	return row[n];
}

const char *nearest(const char *word, const char *const *words, size_t n)
{
	unsigned int best = (unsigned int)strlen(word) / 3 + 1;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned int d = distance(word, words[i]);

		if (d <= best && d < strlen(words[i])) {
			found = words[i];
			best = d == 0 ? 0 : d - 1;
		}
	}
	return found;
}
