/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * uthash and utlist as core/ uses them: running out of memory leaves the element out of the table
 * (its hh.tbl is NULL) instead of ending the process.
 */
#ifndef MAGPIE_CORE_TABLE_H
#define MAGPIE_CORE_TABLE_H

#define HASH_NONFATAL_OOM 1

#include <uthash.h>
#include <utlist.h>

/* FNV-1a, for content that is compared by hash: duplicates, holders of prefixes. */
#define CORE_HASH_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t core_hash(uint64_t hash, const void *octets, size_t len)
{
	const unsigned char *o = (const unsigned char *)octets;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ o[i]) * UINT64_C(0x100000001b3);
	return hash;
}

#endif
