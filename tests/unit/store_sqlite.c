/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The store of bindings: what was committed is there after a restart and nothing else is; what
 * cannot be read is left alone and reported; what cannot be written is an error.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store.h"
#include "tests/support/core_bed.h"

static char dir[64], inner[96], file[128];
static struct store *store;

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/magpie-store.XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(inner, sizeof(inner), "%s/state", dir);
	snprintf(file, sizeof(file), "%s/bindings.sqlite", inner);
	cr_assert_eq(store_open(inner, &store), 0);
}

static void teardown(void)
{
	static const char *const suffix[] = {"", "-wal", "-shm"};
	char path[160];

	store_close(store);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", file, suffix[i]);
		unlink(path);
	}
	rmdir(inner);
	cr_expect_eq(rmdir(dir), 0, "something is left in %s", dir);
}

TestSuite(store_sqlite, .init = setup, .fini = teardown, .timeout = 20);

static void reopen(void)
{
	store_close(store);
	store = NULL;
	cr_assert_eq(store_open(inner, &store), 0);
}

/* Every field different from zero and from those of other numbers. */
static void make_record(struct lma_record *ret, uint8_t number, uint16_t n)
{
	char text[48];

	memset(ret, 0, sizeof(*ret));
	ret->epoch = 1000 + number;
	snprintf(text, sizeof(text), "mn%u@example.org", number);
	ret->mn_id = bed_id(text);
	ret->mag_id = bed_id("mag@example.org");
	ret->llid.len = 6;
	memset(ret->llid.octets, number, 6);
	ret->link_local = bed_addr("fe80::1");
	ret->att = 4;
	ret->multi = 1;
	ret->n_prefix = 2;
	snprintf(text, sizeof(text), "2001:db8:1:%x::/64", number);
	ret->prefix[0] = bed_prefix(text);
	snprintf(text, sizeof(text), "2001:db8:2:%x::/64", number);
	ret->prefix[1] = bed_prefix(text);
	ret->n = n;
	for (uint16_t i = 0; i < n; i++) {
		ret->binding[i] = (struct lma_record_binding){
			.local = bed_addr("2001:db8:f::1"),
			.remote = bed_addr("2001:db8:a::1"),
			.stamp = UINT64_C(0x123456789a) + i,
			.expires = UINT64_C(0xabcdef0123) + number,
			.ifindex = 7,
			.sequence = (uint16_t)(500 + i),
			.bid = (uint8_t)(i + 1),
			.label = 9,
			.att = 5,
		};
	}
}

static void put(uint8_t number, uint16_t n)
{
	struct lma_record record;

	make_record(&record, number, n);
	cr_assert_eq(store_put(store, &record), 0);
}

/* What store_each gives: the number of records, and by number how many bindings. */
struct seen {
	unsigned int n;
	unsigned int wrong; /* not what make_record made */
	int bindings[256];  /* -1: not there */
};

static void look(void *ctx, const struct lma_record *record)
{
	struct seen *seen = ctx;
	uint8_t number = record->prefix[0].addr.b[7];
	struct lma_record expected;

	make_record(&expected, number, record->n);
	seen->n++;
	seen->wrong += memcmp(record, &expected, sizeof(expected)) != 0;
	seen->bindings[number] = record->n;
}

static struct seen read_all(void)
{
	struct seen seen = {0};

	for (int i = 0; i < 256; i++)
		seen.bindings[i] = -1;
	cr_assert_eq(store_each(store, look, &seen), 0);
	return seen;
}

/* ---- what is kept ------------------------------------------------------------------ */

Test(store_sqlite, round_trip, .description = "every field of a record, with 0 to 254 bindings")
{
	struct seen seen;

	put(1, 1);
	put(2, 0);
	put(3, CORE_MAX_BINDINGS);
	cr_assert_eq(store_commit(store), 0);
	reopen();
	seen = read_all();
	cr_expect_eq(seen.n, 3);
	cr_expect_eq(seen.wrong, 0);
	cr_expect_eq(seen.bindings[1], 1);
	cr_expect_eq(seen.bindings[2], 0);
	cr_expect_eq(seen.bindings[3], CORE_MAX_BINDINGS);
}

Test(store_sqlite, replaces, .description = "one record for each first prefix")
{
	struct seen seen;

	put(1, 5);
	put(1, 2);
	cr_assert_eq(store_commit(store), 0);
	put(1, 3);
	cr_assert_eq(store_commit(store), 0);
	seen = read_all();
	cr_expect_eq(seen.n, 1);
	cr_expect_eq(seen.bindings[1], 3);
	cr_expect_eq(seen.wrong, 0);
}

Test(store_sqlite, removes)
{
	struct ip_prefix first = bed_prefix("2001:db8:1:1::/64");
	struct ip_prefix shorter = bed_prefix("2001:db8:1:2::/63");
	struct seen seen;

	put(1, 1);
	put(2, 1);
	cr_assert_eq(store_commit(store), 0);
	cr_expect_eq(store_remove(store, &first), 0);
	cr_expect_eq(store_remove(store, &shorter), 0, "what is not there is removed already");
	cr_assert_eq(store_commit(store), 0);
	reopen();
	seen = read_all();
	cr_expect_eq(seen.n, 1);
	cr_expect_eq(seen.bindings[2], 1);
}

Test(store_sqlite, put_and_remove_in_one_batch)
{
	struct ip_prefix first = bed_prefix("2001:db8:1:1::/64");

	put(1, 1);
	cr_expect_eq(store_remove(store, &first), 0);
	cr_assert_eq(store_commit(store), 0);
	cr_expect_eq(read_all().n, 0);
}

Test(store_sqlite, clears, .description = "at once, uncommitted changes and all")
{
	put(1, 1);
	cr_assert_eq(store_commit(store), 0);
	put(2, 1);
	cr_expect_eq(store_clear(store), 0);
	reopen();
	cr_expect_eq(read_all().n, 0);
	put(3, 1);
	cr_assert_eq(store_commit(store), 0);
	cr_expect_eq(read_all().n, 1);
}

Test(store_sqlite, nothing_to_commit)
{
	cr_expect_eq(store_commit(store), 0);
	cr_expect_eq(store_commit(store), 0);
	cr_expect_eq(read_all().n, 0);
}

Test(store_sqlite, no_record,
     .description = "what cannot be a record is refused, the batch goes on")
{
	struct lma_record record;

	put(1, 1);
	make_record(&record, 2, 1);
	record.n_prefix = 0;
	cr_expect_eq(store_put(store, &record), -EINVAL);
	record.n_prefix = MH_MAX_HNP + 1;
	cr_expect_eq(store_put(store, &record), -EINVAL);
	make_record(&record, 2, 1);
	record.n = CORE_MAX_BINDINGS + 1;
	cr_expect_eq(store_put(store, &record), -EINVAL);
	cr_assert_eq(store_commit(store), 0);
	cr_expect_eq(read_all().n, 1);
}

/* ---- another hand in the database -------------------------------------------------- */

/* Runs one statement with a blob as its only parameter; the number of rows it changed or gave. */
static int by_hand(const char *sql, const void *blob, size_t size)
{
	sqlite3_stmt *stmt;
	sqlite3 *db;
	int rows = 0, r;

	cr_assert_eq(sqlite3_open(file, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s",
		     sqlite3_errmsg(db));
	if (blob)
		sqlite3_bind_blob(stmt, 1, blob, (int)size, SQLITE_STATIC);
	while ((r = sqlite3_step(stmt)) == SQLITE_ROW)
		rows++;
	cr_assert_eq(r, SQLITE_DONE, "%s", sqlite3_errmsg(db));
	rows += sqlite3_changes(db);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return rows;
}

/* Lines on standard error while store_each runs. */
static unsigned int complaints(struct seen *ret_seen)
{
	FILE *f = tmpfile();
	unsigned int lines = 0;
	int old = dup(STDERR_FILENO), c;

	cr_assert(f && old >= 0);
	dup2(fileno(f), STDERR_FILENO);
	*ret_seen = read_all();
	dup2(old, STDERR_FILENO);
	close(old);
	rewind(f);
	while ((c = fgetc(f)) != EOF)
		lines += c == '\n';
	fclose(f);
	return lines;
}

/* Stores 1, 2 and 3, changes 2, and finds it reported, not given out and still there. */
static void damage(const char *sql, const void *blob, size_t size)
{
	struct seen seen;

	for (uint8_t i = 1; i <= 3; i++)
		put(i, 2);
	cr_assert_eq(store_commit(store), 0);
	cr_assert_eq(by_hand(sql, blob, size), 1);
	cr_expect_eq(complaints(&seen), 1, "one line for one record");
	cr_expect_eq(seen.n, 2);
	cr_expect_eq(seen.bindings[2], -1);
	cr_expect_eq(seen.wrong, 0);
	reopen();
	cr_expect_eq(by_hand("SELECT 1 FROM session", NULL, 0), 3, "it is left where it is");
}

#define OF_2 " WHERE hex(prefix) LIKE '20010DB800010002%'"

Test(store_sqlite, other_format, .description = "that of another version")
{
	damage("UPDATE session SET format = 2" OF_2, NULL, 0);
}

Test(store_sqlite, cut_short)
{
	damage("UPDATE session SET record = ?" OF_2, "magpie", 6);
}

Test(store_sqlite, cut_in_the_bindings)
{
	struct lma_record record;

	make_record(&record, 2, 2);
	damage("UPDATE session SET record = ?" OF_2, &record,
	       offsetof(struct lma_record, binding) + sizeof(record.binding[0]));
}

Test(store_sqlite, too_long)
{
	struct lma_record record[2];

	make_record(&record[0], 2, 2);
	make_record(&record[1], 2, 2);
	damage("UPDATE session SET record = ?" OF_2, record, sizeof(record));
}

Test(store_sqlite, too_many_prefixes)
{
	struct lma_record record;

	make_record(&record, 2, 2);
	record.n_prefix = MH_MAX_HNP + 1;
	damage("UPDATE session SET record = ?" OF_2, &record,
	       offsetof(struct lma_record, binding) + 2 * sizeof(record.binding[0]));
}

Test(store_sqlite, of_another_prefix, .description = "a record that is not what its key says")
{
	struct lma_record record;

	make_record(&record, 9, 2);
	damage("UPDATE session SET record = ?" OF_2, &record,
	       offsetof(struct lma_record, binding) + 2 * sizeof(record.binding[0]));
}

Test(store_sqlite, busy, .description = "another writer: an error, and later it works")
{
	struct lma_record record;
	sqlite3 *db;

	make_record(&record, 1, 1);
	cr_assert_eq(sqlite3_open(file, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	cr_expect_eq(store_put(store, &record), -EBUSY);
	cr_assert_eq(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	cr_expect_eq(store_put(store, &record), 0);
	cr_expect_eq(store_commit(store), 0);
	cr_expect_eq(read_all().n, 1);
}

Test(store_sqlite, no_database, .description = "a file that is something else stays as it is")
{
	static const char text[] = "this is not a database, it is a note of somebody's, and it is "
				   "longer than the header of a database, which takes 100 octets\n";
	struct store *other = NULL;
	char found[sizeof(text)];
	int fd;

	store_close(store);
	store = NULL;
	fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);
	cr_assert_eq(write(fd, text, sizeof(text)), sizeof(text));
	close(fd);
	cr_expect_eq(store_open(inner, &other), -EIO);
	cr_expect_null(other);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	cr_expect_eq(read(fd, found, sizeof(found)), sizeof(text));
	cr_expect_arr_eq(found, text, sizeof(text));
	close(fd);
}

/* ---- what cannot be written -------------------------------------------------------- */

Test(store_sqlite, read_only, .description = "a directory that cannot be written")
{
	struct store *other = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/locked", dir);
	cr_assert_eq(mkdir(path, 0700), 0);
	if (geteuid() == 0)
		cr_assert_eq(chown(path, 65534, 65534), 0);
	cr_assert_eq(chmod(path, 0500), 0);
	cr_assert_eq(chmod(dir, 0711), 0);
	if (geteuid() == 0) /* root may write anywhere */
		cr_assert_eq(seteuid(65534), 0);
	cr_expect_lt(store_open(path, &other), 0);
	cr_expect_null(other);
	strcat(path, "/deeper");
	cr_expect_eq(store_open(path, &other), -EACCES);
	if (getuid() == 0)
		cr_assert_eq(seteuid(0), 0);
	*strrchr(path, '/') = '\0';
	cr_expect_eq(rmdir(path), 0, "nothing was made in it");
}

Test(store_sqlite, no_parent)
{
	struct store *other = NULL;
	char path[160];

	snprintf(path, sizeof(path), "%s/no/such", dir);
	cr_expect_eq(store_open(path, &other), -ENOENT);
	cr_expect_null(other);
}

Test(store_sqlite, a_file_in_its_place)
{
	struct store *other = NULL;

	cr_expect_lt(store_open(file, &other), 0);
	cr_expect_null(other);
}

Test(store_sqlite, too_long_a_name)
{
	struct store *other = NULL;
	char path[600];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	for (size_t i = 0; i < sizeof(path) - 1; i += 100)
		path[i] = '/';
	cr_expect_lt(store_open(path, &other), 0);
	cr_expect_null(other);
}
