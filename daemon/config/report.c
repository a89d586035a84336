/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Diagnostics and the suggestions in them. */
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "config/loader.h"

#define WORD_MAX 40

void complain(struct loader *l, enum config_severity severity, const struct position *at,
	      const char *format, ...)
{
	char text[512];
	struct config_diagnostic d = {.severity = severity,
				      .file = at->file,
				      .line = at->line,
				      .column = at->column,
				      .text = text};
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (severity == CONFIG_ERROR)
		l->errors++;
	l->report(l->ctx, &d);
}

void config_print(void *stream, const struct config_diagnostic *d)
{
	const char *severity = d->severity == CONFIG_ERROR ? "error" : "warning";

	if (d->line == 0)
		fprintf(stream, "%s: %s: %s\n", d->file, severity, d->text);
	else
		fprintf(stream, "%s:%u:%u: %s: %s\n", d->file, d->line, d->column, severity,
			d->text);
}

struct position offset_position(const struct position *at, size_t columns)
{
	struct position p = *at;

	p.column += (unsigned int)columns;
	return p;
}

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
