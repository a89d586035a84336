/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Log lines for people and for the journal: one line each on standard error, with the "<N>" prefix
 * that journald reads when it is listening (JOURNAL_STREAM), else with the level's name.
 * Lines that a peer or a packet can cause go through log_limited. Not for core/ and wire/: they
 * speak through core_port.note.
 */
#ifndef MAGPIE_UTIL_LOG_H
#define MAGPIE_UTIL_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { /* numbers of syslog(3) */
		 LOG_LEVEL_ERROR = 3,
		 LOG_LEVEL_WARNING = 4,
		 LOG_LEVEL_NOTICE = 5,
		 LOG_LEVEL_INFO = 6,
		 LOG_LEVEL_DEBUG = 7,
};

/* Lines above this level are not printed; default LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
/* "debug", "info", "notice", "warning", "error"; -EINVAL otherwise. */
int log_level_parse(const char *text, enum log_level *ret_level);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* A burst of 5 lines and 1 a second after it; what was left out is told with the next line. */
struct log_limit {
	uint64_t last_ns;
	uint32_t tokens;
	uint32_t suppressed;
	bool started;
};
void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
