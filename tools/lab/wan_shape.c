/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words that shape an emulated network. */
#include <stdlib.h>
#include <string.h>

#include "tools/lab/wan.h"

struct unit {
	const char *name;
	double factor;
};

static const struct unit times[] = {{"ms", 1e6}, {"us", 1e3}, {"s", 1e9}, {NULL, 0}};
static const struct unit rates[] = {{"G", 1e9}, {"M", 1e6}, {"k", 1e3}, {"", 1}, {NULL, 0}};
static const struct unit shares[] = {{"%", 1e4}, {"ppm", 1}, {NULL, 0}};
static const struct unit sizes[] = {{"M", 1 << 20}, {"k", 1 << 10}, {"", 1}, {NULL, 0}};

static bool number(const char *text, const struct unit *units, double *ret)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || n < 0)
		return false;
	for (; units->name; units++) {
		if (strcmp(end, units->name) == 0) {
			*ret = n * units->factor;
			return true;
		}
	}
	return false;
}

static bool set_cut(const char *value, struct wan_shape shape[2])
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0 && strcmp(value, "up") != 0 &&
	    strcmp(value, "down") != 0)
		return false;
	shape[0].cut = strcmp(value, "yes") == 0 || strcmp(value, "up") == 0;
	shape[1].cut = strcmp(value, "yes") == 0 || strcmp(value, "down") == 0;
	return true;
}

static bool set(const char *key, const char *value, struct wan_shape shape[2])
{
	double n;

	if (strcmp(key, "cut") == 0)
		return set_cut(value, shape);
	for (int i = 0; i < 2; i++) {
		struct wan_shape *s = &shape[i];

		if (strcmp(key, "delay") == 0 && number(value, times, &n))
			s->delay_ns = (uint64_t)n;
		else if (strcmp(key, "jitter") == 0 && number(value, times, &n))
			s->jitter_ns = (uint64_t)n;
		else if (strcmp(key, "loss") == 0 && number(value, shares, &n) && n <= 1e6)
			s->loss_ppm = (uint32_t)n;
		else if (strcmp(key, "rate") == 0 && number(value, rates, &n))
			s->rate_bps = (uint64_t)n;
		else if (strcmp(key, "queue") == 0 && number(value, sizes, &n) && n < 1e9)
			s->queue_bytes = (uint32_t)n;
		else
			return false;
	}
	return true;
}

const char *wan_parse(char *words, struct wan_shape shape[2])
{
	char *save = NULL;

	for (char *w = strtok_r(words, " \n", &save); w; w = strtok_r(NULL, " \n", &save)) {
		char *equals = strchr(w, '=');

		if (!equals)
			return w;
		*equals = '\0';
		if (!set(w, equals + 1, shape)) {
			*equals = '=';
			return w;
		}
	}
	return NULL;
}
