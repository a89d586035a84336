/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The names of what core/ counts and notes, from the tables in port.h: one source for logs, metrics
 * and documentation.
 */
#include "core/port.h"

const char *core_note_text(enum core_note_kind kind)
{
	static const char *const text[] = {
#define X(name, string, severity) [CORE_NOTE_##name] = (string),
		CORE_NOTES(X)
#undef X
	};

	return (unsigned int)kind < CORE_NOTE_COUNT ? text[kind] : "unknown";
}

const char *core_counter_text(enum core_counter counter)
{
	static const char *const text[] = {
#define X(name, string, doc) [CORE_COUNTER_##name] = (string),
		CORE_COUNTERS(X)
#undef X
	};

	return (unsigned int)counter < CORE_COUNTER_COUNT ? text[counter] : "unknown";
}
