/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words that shape an emulated network, and what it says of itself. */
#include <inttypes.h>
#include <stdio.h>
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
static const struct unit plain[] = {{"", 1}, {NULL, 0}};

/* A finite number in 0..max with one of the units. */
static bool number(const char *text, const struct unit *units, double max, double *ret)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || !(n >= 0))
		return false;
	for (; units->name; units++) {
		if (strcmp(end, units->name) == 0) {
			*ret = n * units->factor;
			return *ret <= max;
		}
	}
	return false;
}

static bool yes_or_no(const char *value, bool *ret)
{
	*ret = strcmp(value, "yes") == 0;
	return *ret || strcmp(value, "no") == 0;
}

static bool set_one(const char *key, const char *value, struct wan_shape *s)
{
	double n;

	if (strcmp(key, "cut") == 0)
		return yes_or_no(value, &s->cut);
	if (strcmp(key, "reorder") == 0)
		return yes_or_no(value, &s->reorder);
	if (strcmp(key, "delay") == 0 && number(value, times, 60e9, &n))
		s->delay_ns = (uint64_t)n;
	else if (strcmp(key, "jitter") == 0 && number(value, times, 60e9, &n))
		s->jitter_ns = (uint64_t)n;
	else if (strcmp(key, "loss") == 0 && number(value, shares, 1e6, &n))
		s->loss_ppm = (uint32_t)n;
	else if (strcmp(key, "rate") == 0 && number(value, rates, 1e12, &n))
		s->rate_bps = (uint64_t)n;
	else if (strcmp(key, "queue") == 0 && number(value, sizes, 1e9, &n))
		s->queue_bytes = (uint32_t)n;
	else if (strcmp(key, "seed") == 0 && number(value, plain, 1e15, &n)) {
		s->seed = (uint64_t)n;
		s->reseed = true;
	} else
		return false;
	return true;
}

/* cut=up and cut=down name the direction that is cut; the other one is open then. */
static bool set_cut_one_way(const char *value, struct wan_shape shape[2])
{
	shape[0].cut = strcmp(value, "up") == 0;
	shape[1].cut = strcmp(value, "down") == 0;
	return true;
}

static bool set(const char *key, const char *value, struct wan_shape shape[2])
{
	if (strncmp(key, "up.", 3) == 0)
		return set_one(key + 3, value, &shape[0]);
	if (strncmp(key, "down.", 5) == 0)
		return set_one(key + 5, value, &shape[1]);
	if (strcmp(key, "cut") == 0 && (strcmp(value, "up") == 0 || strcmp(value, "down") == 0))
		return set_cut_one_way(value, shape);
	return set_one(key, value, &shape[0]) && set_one(key, value, &shape[1]);
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

int wan_describe(const struct wan_queue *q, const char *name, char *out, size_t size)
{
#define FORMAT(field)	",\"" #field "\":%" PRIu64
#define ARGUMENT(field) , q->count.field
	const struct wan_shape *s = &q->shape;

	return snprintf(out, size,
			"\"%s\":{\"delay_us\":%" PRIu64 ",\"jitter_us\":%" PRIu64
			",\"loss_ppm\":%" PRIu32 ",\"rate_bps\":%" PRIu64
			",\"queue_bytes\":%" PRIu32
			",\"reorder\":%s,\"cut\":%s,\"under_way\":%zu" WAN_COUNTS(FORMAT) "}",
			name, s->delay_ns / 1000, s->jitter_ns / 1000, s->loss_ppm, s->rate_bps,
			s->queue_bytes, s->reorder ? "true" : "false", s->cut ? "true" : "false",
			q->n WAN_COUNTS(ARGUMENT));
#undef FORMAT
#undef ARGUMENT
}
