/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lines -> sections, keys, values. A '#' or ';' at the start of a line, or '#' after white space,
 * begins a comment. Drop-ins are read after the file, in the order of their names.
 */
#include <errno.h>
#include <string.h>

#include "config/loader.h"

#define LINE_MAX_OCTETS 2048

static const struct {
	const char *section;
	const char *key;
	unsigned int roles;
} keys[] = {
#define X(section, key, roles, def, doc) {#section, #key, CONFIG_##roles},
	CONFIG_KEYS(X)
#undef X
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static const struct {
	const char *name;
	unsigned int roles;
	bool repeats;
} sections[] = {
#define X(name, roles, repeats, doc) {#name, CONFIG_##roles, repeats},
	CONFIG_SECTIONS(X)
#undef X
};

static struct position here(const struct loader *l, unsigned int line, size_t offset)
{
	return (struct position){l->file, line, (unsigned int)offset + 1};
}

/* Which role a section or key is for is judged when the role is known. */
static void note_role(struct loader *l, const struct position *at, unsigned int roles,
		      const char *section, const char *key)
{
	struct wrong_role *use;

	if (roles == CONFIG_BOTH || l->n_role_use == sizeof(l->role_use) / sizeof(l->role_use[0]))
		return;
	use = &l->role_use[l->n_role_use++];
	use->at = *at;
	use->roles = roles;
	if (key)
		snprintf(use->what, sizeof(use->what), "%s in [%s]", key, section);
	else
		snprintf(use->what, sizeof(use->what), "section [%s]", section);
}

static void take_section(struct loader *l, char *text, unsigned int line, size_t offset)
{
	const char *names[CONFIG_SECTION_COUNT];
	struct position at = here(l, line, offset);
	char *close = strchr(text, ']');
	const char *near;

	l->section = -1;
	l->seen = 0;
	l->section_at = at;
	if (!close || close[1] != '\0') {
		error_at(l, &at, "a section is written as [Name] alone on its line");
		return;
	}
	*close = '\0';
	text++;
	at = here(l, line, offset + 1);
	for (int i = 0; i < CONFIG_SECTION_COUNT; i++) {
		names[i] = sections[i].name;
		if (strcmp(text, sections[i].name) != 0)
			continue;
		l->section = i;
		if (!sections[i].repeats && l->section_first[i].line != 0 &&
		    l->section_first[i].file == l->file)
			error_at(l, &at, "[%s] stands twice in this file, first in line %u", text,
				 l->section_first[i].line);
		if (l->section_first[i].line == 0)
			l->section_first[i] = l->section_at;
		note_role(l, &l->section_at, sections[i].roles, text, NULL);
		setting_section(l, (enum config_section)i);
		return;
	}
	near = nearest(text, names, CONFIG_SECTION_COUNT);
	if (near)
		error_at(l, &at, "unknown section [%s]; did you mean [%s]?", text, near);
	else
		error_at(l, &at, "unknown section [%s]", text);
}

static void unknown_key(struct loader *l, const struct position *at, const char *key)
{
	const char *names[N_KEYS];
	const char *near;
	size_t n = 0;

	for (size_t i = 0; i < N_KEYS; i++) {
		if (strcmp(keys[i].section, sections[l->section].name) == 0)
			names[n++] = keys[i].key;
	}
	near = nearest(key, names, n);
	if (near) {
		error_at(l, at, "unknown key \"%s\" in [%s]; did you mean \"%s\"?", key,
			 sections[l->section].name, near);
		return;
	}
	for (size_t i = 0; i < N_KEYS; i++) {
		if (strcmp(keys[i].key, key) == 0) {
			error_at(l, at, "unknown key \"%s\" in [%s]; it belongs into [%s]", key,
				 sections[l->section].name, keys[i].section);
			return;
		}
	}
	error_at(l, at, "unknown key \"%s\" in [%s]", key, sections[l->section].name);
}

/* A section that is not repeatable may be continued in a drop-in: its keys are then set anew. */
static void take_key(struct loader *l, const char *key, const struct position *at,
		     const struct text *value)
{
	unsigned int bit = 0;

	for (size_t i = 0; i < N_KEYS; i++) {
		if (strcmp(keys[i].section, sections[l->section].name) != 0)
			continue;
		if (strcmp(keys[i].key, key) != 0) {
			bit++;
			continue;
		}
		if (l->seen & (UINT64_C(1) << bit)) {
			error_at(l, at, "\"%s\" stands twice in this section", key);
			return;
		}
		l->seen |= UINT64_C(1) << bit;
		note_role(l, at, keys[i].roles, sections[l->section].name, key);
		if (value->value[0] == '\0')
			error_at(l, &value->at, "\"%s\" has no value", key);
		else
			setting(l, i, value);
		return;
	}
	unknown_key(l, at, key);
}

static void trim_end(char *s)
{
	size_t len = strlen(s);

	while (len > 0 && strchr(" \t\r\n", s[len - 1]))
		s[--len] = '\0';
}

static void cut_comment(char *s)
{
	for (char *p = s; *p; p++) {
		if (*p == '#' && (p == s || p[-1] == ' ' || p[-1] == '\t')) {
			*p = '\0';
			return;
		}
	}
}

static void take_assignment(struct loader *l, char *line_text, size_t offset, unsigned int line)
{
	struct position at = here(l, line, offset);
	char *equals = strchr(line_text, '=');
	struct text value;
	size_t skip;

	if (!equals) {
		error_at(l, &at, "neither [Section] nor Key=Value: \"%.40s\"", line_text);
		return;
	}
	*equals = '\0';
	skip = strspn(equals + 1, " \t");
	value.at = here(l, line, offset + (size_t)(equals - line_text) + 1 + skip);
	if (strlen(equals + 1 + skip) >= sizeof(value.value)) {
		error_at(l, &value.at, "the value is longer than %d characters", VALUE_MAX - 1);
		return;
	}
	memcpy(value.value, equals + 1 + skip, strlen(equals + 1 + skip) + 1);
	trim_end(line_text);
	if (l->section_at.line == 0 || l->section_at.file != l->file) {
		error_at(l, &at, "\"%s\" stands before any [Section]", line_text);
		return;
	}
	if (l->section >= 0) /* the unknown section was told already */
		take_key(l, line_text, &at, &value);
}

static void take_line(struct loader *l, char *text, unsigned int line)
{
	size_t offset = strspn(text, " \t");

	text += offset;
	if (text[0] == ';')
		return;
	cut_comment(text);
	trim_end(text);
	if (text[0] == '\0')
		return;
	if (text[0] == '[')
		take_section(l, text, line, offset);
	else
		take_assignment(l, text, offset, line);
}

/* Reads one line of at most size - 1 octets. 1: a line, 0: the end, -EINVAL: not text. */
static int read_line(struct loader *l, FILE *f, char *out, size_t size, unsigned int line)
{
	struct position at = here(l, line, 0);
	size_t n = 0;
	int c;

	while ((c = getc(f)) != EOF && c != '\n') {
		if (c == '\0') {
			error_at(l, &at, "the line holds a NUL octet: this is no text file");
			return -EINVAL;
		}
		if (n + 1 < size)
			out[n] = (char)c;
		n++;
	}
	if (c == EOF && n == 0)
		return 0;
	out[n < size ? n : size - 1] = '\0';
	if (n >= size) {
		error_at(l, &at, "the line is longer than %zu octets", size - 1);
		out[0] = '\0';
	}
	return 1;
}

int read_file(struct loader *l, const char *file, bool optional)
{
	char text[LINE_MAX_OCTETS];
	unsigned int line = 1;
	FILE *f = fopen(file, "re");
	int r;

	l->file = file;
	l->section = -1;
	l->section_at = (struct position){0};
	if (!f) {
		struct position at = {file, 0, 0};

		r = -errno;
		if (!optional)
			error_at(l, &at, "cannot be read: %s", strerror(-r));
		return r;
	}
	while ((r = read_line(l, f, text, sizeof(text), line)) > 0)
		take_line(l, text, line++);
	if (ferror(f)) {
		struct position at = {file, 0, 0};

		r = -EIO;
		error_at(l, &at, "cannot be read: %s", strerror(EIO));
	}
	fclose(f);
	return r;
}
