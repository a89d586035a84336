/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Bindings that outlive the daemon. Changes are collected and written as one transaction
 * (store_commit) before the answers of the same batch leave. The interface knows records, not SQL:
 * another engine can stand behind it. Keyed by the session's first prefix, which is its alone.
 */
#ifndef MAGPIE_STORE_STORE_H
#define MAGPIE_STORE_STORE_H

#include "core/lma.h"

struct store;

/* SQLite in WAL mode, `dir`/bindings.sqlite; the directory is made if missing. */
int store_open(const char *dir, struct store **ret_store);
void store_close(struct store *store);
/* Negative errno; the record takes effect with the next store_commit. */
int store_put(struct store *store, const struct lma_record *record);
int store_remove(struct store *store, const struct ip_prefix *first);
/* -EIO, -ENOSPC: nothing of the batch is stored. Nothing to do is success. */
int store_commit(struct store *store);
/* Calls `each` for every stored record; a damaged one is logged and left where it is. */
int store_each(struct store *store, void (*each)(void *ctx, const struct lma_record *record),
	       void *ctx);
/* Removes every record, at once. */
int store_clear(struct store *store);

#endif
