/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * store.h on SQLite. One table; a record is a blob of its fixed part and the bindings in use, with
 * its format in a column, so that another version can tell what it finds.
 */
#include "store/store.h"

#include <errno.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/log.h"

#define RECORD_FORMAT 1
#define KEY_SIZE      17 /* prefix and its length */

enum statement { PUT, REMOVE, EACH, BEGIN, COMMIT, ROLLBACK, CLEAR, N_STATEMENTS };

static const char *const sql[N_STATEMENTS] = {
	[PUT] = "INSERT OR REPLACE INTO session (prefix, format, record) VALUES (?, ?, ?)",
	[REMOVE] = "DELETE FROM session WHERE prefix = ?",
	[EACH] = "SELECT prefix, format, record FROM session",
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[CLEAR] = "DELETE FROM session",
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *statement[N_STATEMENTS];
	bool in_batch;
};

static int to_errno(int r)
{
	switch (r & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	default:
		return -EIO;
	}
}

static int step(struct store *store, enum statement s)
{
	sqlite3_stmt *stmt = store->statement[s];
	int r = to_errno(sqlite3_step(stmt));

	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return r;
}

static int begin(struct store *store)
{
	int r;

	if (store->in_batch)
		return 0;
	r = step(store, BEGIN);
	store->in_batch = r == 0;
	return r;
}

static void make_key(const struct ip_prefix *prefix, uint8_t key[KEY_SIZE])
{
	memcpy(key, prefix->addr.b, 16);
	key[16] = prefix->len;
}

int store_put(struct store *store, const struct lma_record *record)
{
	size_t size = offsetof(struct lma_record, binding) +
		      record->n * sizeof(struct lma_record_binding);
	sqlite3_stmt *stmt = store->statement[PUT];
	uint8_t key[KEY_SIZE];
	int r;

	if (record->n_prefix == 0 || record->n_prefix > MH_MAX_HNP || record->n > CORE_MAX_BINDINGS)
		return -EINVAL;
	r = begin(store);
	if (r < 0)
		return r;
	make_key(&record->prefix[0], key);
	sqlite3_bind_blob(stmt, 1, key, sizeof(key), SQLITE_STATIC);
	sqlite3_bind_int(stmt, 2, RECORD_FORMAT);
	sqlite3_bind_blob(stmt, 3, record, (int)size, SQLITE_STATIC);
	return step(store, PUT);
}

int store_remove(struct store *store, const struct ip_prefix *first)
{
	uint8_t key[KEY_SIZE];
	int r;

	r = begin(store);
	if (r < 0)
		return r;
	make_key(first, key);
	sqlite3_bind_blob(store->statement[REMOVE], 1, key, sizeof(key), SQLITE_STATIC);
	return step(store, REMOVE);
}

int store_commit(struct store *store)
{
	int r;

	if (!store->in_batch)
		return 0;
	r = step(store, COMMIT);
	if (r < 0) {
		log_error("store: cannot commit: %s", sqlite3_errmsg(store->db));
		step(store, ROLLBACK);
	}
	store->in_batch = false;
	return r;
}

int store_clear(struct store *store)
{
	int r = begin(store);

	if (r == 0)
		r = step(store, CLEAR);
	return r == 0 ? store_commit(store) : r;
}

static bool record_is_sound(const struct lma_record *record, size_t size)
{
	return record->n <= CORE_MAX_BINDINGS && record->n_prefix > 0 &&
	       record->n_prefix <= MH_MAX_HNP &&
	       size == offsetof(struct lma_record, binding) +
			       record->n * sizeof(struct lma_record_binding);
}

static bool is_its_key(const struct lma_record *record, const void *found, int size)
{
	uint8_t key[KEY_SIZE];

	make_key(&record->prefix[0], key);
	return size == KEY_SIZE && memcmp(found, key, KEY_SIZE) == 0;
}

int store_each(struct store *store, void (*each)(void *ctx, const struct lma_record *record),
	       void *ctx)
{
	sqlite3_stmt *stmt = store->statement[EACH];
	struct lma_record *record = malloc(sizeof(*record));
	int r;

	if (!record)
		return -ENOMEM;
	while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
		size_t size = (size_t)sqlite3_column_bytes(stmt, 2);

		if (sqlite3_column_int(stmt, 1) != RECORD_FORMAT || size > sizeof(*record) ||
		    size < offsetof(struct lma_record, binding)) {
			log_error("store: a record of another format or size is left alone");
			continue;
		}
		memset(record, 0, sizeof(*record));
		memcpy(record, sqlite3_column_blob(stmt, 2), size);
		if (!record_is_sound(record, size) ||
		    !is_its_key(record, sqlite3_column_blob(stmt, 0),
				sqlite3_column_bytes(stmt, 0))) {
			log_error("store: a damaged record is left alone");
			continue;
		}
		each(ctx, record);
	}
	sqlite3_reset(stmt);
	free(record);
	return to_errno(r);
}

void store_close(struct store *store)
{
	if (!store)
		return;
	store_commit(store);
	for (unsigned int i = 0; i < N_STATEMENTS; i++)
		sqlite3_finalize(store->statement[i]);
	sqlite3_close(store->db);
	free(store);
}

int store_open(const char *dir, struct store **ret_store)
{
	static const char setup[] = "PRAGMA journal_mode=WAL;"
				    "PRAGMA synchronous=FULL;"
				    "CREATE TABLE IF NOT EXISTS session ("
				    " prefix BLOB PRIMARY KEY, format INTEGER NOT NULL,"
				    " record BLOB NOT NULL) WITHOUT ROWID;";
	struct store *store;
	char path[512];
	int r;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		r = -errno;
		log_error("store: cannot make %s: %s", dir, strerror(-r));
		return r;
	}
	if ((size_t)snprintf(path, sizeof(path), "%s/bindings.sqlite", dir) >= sizeof(path))
		return -ENAMETOOLONG;
	store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;

	r = sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_exec(store->db, setup, NULL, NULL, NULL);
	for (unsigned int i = 0; r == SQLITE_OK && i < N_STATEMENTS; i++)
		r = sqlite3_prepare_v3(store->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &store->statement[i], NULL);
	if (r != SQLITE_OK) {
		log_error("store: %s: %s", path, sqlite3_errmsg(store->db));
		store_close(store);
		return to_errno(r);
	}
	*ret_store = store;
	return 0;
}
