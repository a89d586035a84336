/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Members of documents, aligned tables, numbers for people. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/magpie/cli.h"

struct table {
	unsigned int columns;
	size_t n;
	char **cell;
};

struct json_object *field(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, name, &v);
	return v;
}

const char *text(struct json_object *o, const char *name, const char *absent)
{
	struct json_object *v = field(o, name);

	return v ? json_object_get_string(v) : absent;
}

int64_t number(struct json_object *o, const char *name)
{
	return json_object_get_int64(field(o, name));
}

void print_json(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
}

struct table *table_new(unsigned int columns)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->columns = columns;
	return t;
}

void table_cell(struct table *t, const char *format, ...)
{
	char **grown = realloc(t->cell, (t->n + 1) * sizeof(*grown));
	va_list ap;

	if (!grown)
		abort();
	t->cell = grown;
	va_start(ap, format);
	if (vasprintf(&t->cell[t->n++], format, ap) < 0)
		abort();
	va_end(ap);
}

void table_print(struct table *t)
{
	int width[16] = {0};

	for (size_t i = 0; i < t->n; i++) {
		int len = (int)strlen(t->cell[i]);

		if (len > width[i % t->columns])
			width[i % t->columns] = len;
	}
	for (size_t i = 0; i < t->n; i++) {
		bool last = i % t->columns == t->columns - 1;

		printf("%-*s%s", last ? 0 : width[i % t->columns], t->cell[i], last ? "\n" : "  ");
		free(t->cell[i]);
	}
	free(t->cell);
	free(t);
}

const char *human(int64_t n, char out[16])
{
	static const char units[] = "kMGTPE";
	double v = (double)n;
	int u = -1;

	while (v >= 1000 && u < 5) {
		v /= 1000;
		u++;
	}
	if (u < 0)
		snprintf(out, 16, "%lld", (long long)n);
	else
		snprintf(out, 16, "%.1f%c", v, units[u]);
	return out;
}

static bool colours(void)
{
	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

const char *colour_bad(void)
{
	return colours() ? "\033[31m" : "";
}

const char *colour_good(void)
{
	return colours() ? "\033[32m" : "";
}

const char *colour_off(void)
{
	return colours() ? "\033[0m" : "";
}
