/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Log lines to standard error. A line is formatted whole and written with one write(2), so that
 * lines of several processes do not mix; what does not fit a line is cut, never split.
 */
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_OCTETS 1024
#define LIMIT_BURST	5

static enum log_level max_level = LOG_LEVEL_INFO;

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
	max_level = level;
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
	for (unsigned int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

static void log_va(enum log_level level, uint32_t suppressed, const char *format, va_list ap)
{
	char line[LINE_MAX_OCTETS];
	size_t used = 0;
	int n;

	if (level > max_level)
		return;

	if (getenv("JOURNAL_STREAM"))
		n = snprintf(line, sizeof(line), "<%d>", (int)level);
	else
		n = snprintf(line, sizeof(line), "magpied: %s: ", level_names[level]);
	used = (size_t)n;

	n = vsnprintf(line + used, sizeof(line) - used, format, ap);
	if (n > 0)
		used += (size_t)n;
	if (suppressed > 0 && used < sizeof(line)) {
		n = snprintf(line + used, sizeof(line) - used, " (%u like it not shown)",
			     suppressed);
		used += (size_t)n;
	}
	if (used > sizeof(line) - 1)
		used = sizeof(line) - 1;
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0)
		return; /* nowhere left to say it */
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_va(level, 0, format, ap);
	va_end(ap);
}

void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
{
	struct timespec ts;
	uint64_t now;
	va_list ap;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
	if (!limit->started) {
		*limit = (struct log_limit){.last_ns = now, .tokens = LIMIT_BURST, .started = true};
	} else {
		uint64_t earned = (now - limit->last_ns) / 1000000000U;

		if (earned > 0) {
			limit->tokens = earned >= LIMIT_BURST - limit->tokens
						? LIMIT_BURST
						: limit->tokens + (uint32_t)earned;
			limit->last_ns = now;
		}
	}
	if (limit->tokens == 0) {
		limit->suppressed++;
		return;
	}
	limit->tokens--;

	va_start(ap, format);
	log_va(level, limit->suppressed, format, ap);
	va_end(ap);
	limit->suppressed = 0;
}
