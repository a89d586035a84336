/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* "Did you mean": the word nearest to a slip of the fingers. */
#ifndef MAGPIE_UTIL_SUGGEST_H
#define MAGPIE_UTIL_SUGGEST_H

#include <stddef.h>

/* The nearest of n words within an edit distance that a slip makes, or NULL. */
const char *nearest(const char *word, const char *const *words, size_t n);

#endif
