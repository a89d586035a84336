/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Diagnostics. */
#include <stdarg.h>

#include "config/loader.h"

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
