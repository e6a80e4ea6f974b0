/* SPDX-License-Identifier: MIT */
/*
 * SQLite and arenas: which of its memory may come from an arena, and which should not.
 *
 * - Rows that a program reads: yes. SQLite's own copy of a text is gone with the next step, so it
 *   must be copied anyway; here into a member of a herd, where it outlives statement, connection
 *   and thread.
 * - The page cache (SQLITE_CONFIG_PAGECACHE): yes. It is one buffer per process, which SQLite
 *   manages itself. When it is full, SQLite uses malloc(3). The arena is never reset, and is
 *   destroyed after sqlite3_shutdown(). It saves the larger requests: with room for 1000 pages,
 *   10000 inserts into a table in memory make no call of malloc(3) for a page or more, instead of
 *   43.
 * - Lookaside, a buffer for the small and short-lived objects of a connection: yes, if SQLite has
 *   it; Debian's is built without (SQLITE_OMIT_LOOKASIDE). It belongs to the connection: close that
 *   before its arena is reset or put back.
 * - All of malloc(3) (SQLITE_CONFIG_MALLOC): no. It is one per process, not per connection, and
 *   must report sizes, which an adapter could do. But SQLite frees nearly everything within the
 *   statement, and an arena would keep it. Those 10000 inserts, each prepared, are 310000 requests
 *   for 111 MB in all, of which at most 0.2 MB are in use at a time (counted with SQLite 3.40.1).
 *   Moreover, SQLite's caches outlive every reset.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include <herd/herd.h>
#include <herd/vec.h>

#include "../output.h"

#define THREADS 4
#define ROWS 500
#define PAGES 400
#define PAGE_SIZE 4096
#define SLOT 128 /* of lookaside: size and number of slots */
#define SLOTS 100

typedef BUMP_VEC(const char *) texts_t;

struct job {
	pthread_t thread;
	herd_t *herd;
	int number;
	texts_t texts; /* in the herd */
	int error;     /* of SQLite */
};

/* Sets the page cache of the whole process, before SQLite is used. */
static int give_pages(bump_t *bump)
{
	int header = 0; /* the bytes that SQLite adds to a page */
	int error = sqlite3_config(SQLITE_CONFIG_PCACHE_HDRSZ, &header);

	if (error != SQLITE_OK)
		return error;

	const int size = (PAGE_SIZE + header + 7) / 8 * 8;
	void *pages = bump_alloc_array(bump, PAGES, (size_t)size, 8);

	if (pages == NULL)
		return SQLITE_NOMEM;
	return sqlite3_config(SQLITE_CONFIG_PAGECACHE, pages, size, PAGES);
}

/* Gives an unused connection a buffer for its small objects, if SQLite has lookaside. */
static void give_lookaside(sqlite3 *db, bump_t *bump)
{
	void *slots = sqlite3_compileoption_used("OMIT_LOOKASIDE")
			      ? NULL
			      : bump_alloc_array(bump, SLOTS, SLOT, 8);

	if (slots != NULL)
		sqlite3_db_config(db, SQLITE_DBCONFIG_LOOKASIDE, slots, SLOT, SLOTS);
}

static int fill(sqlite3 *db, int number)
{
	sqlite3_stmt *insert = NULL;
	int error = sqlite3_exec(db, "CREATE TABLE t (n INTEGER, s TEXT)", NULL, NULL, NULL);

	if (error == SQLITE_OK)
		error = sqlite3_prepare_v2(db, "INSERT INTO t VALUES (?1, ?2 || ' times ' || ?1)",
					   -1, &insert, NULL);
	for (int i = 0; i < ROWS && error == SQLITE_OK; i++) {
		sqlite3_bind_int(insert, 1, i);
		sqlite3_bind_int(insert, 2, number);
		sqlite3_step(insert);
		error = sqlite3_reset(insert); /* returns the error of the step */
	}
	sqlite3_finalize(insert);
	return error;
}

/* Copies the rows into the arena. */
static int look(sqlite3 *db, bump_t *bump, texts_t *texts)
{
	sqlite3_stmt *select = NULL;
	int error = sqlite3_prepare_v2(db, "SELECT s FROM t WHERE n % 2 = 0 ORDER BY n DESC", -1,
				       &select, NULL);

	bump_vec_init(texts, bump);
	while (error == SQLITE_OK && (error = sqlite3_step(select)) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(select, 0);
		const char *copy = text != NULL ? bump_strdup(bump, text) : NULL;

		error = copy != NULL && bump_vec_push(texts, copy) == 0 ? SQLITE_OK : SQLITE_NOMEM;
	}
	sqlite3_finalize(select);
	return error == SQLITE_DONE ? SQLITE_OK : error;
}

static void *work(void *arg)
{
	struct job *job = arg;
	HERD_SCOPE(job->herd, bump);
	sqlite3 *db = NULL;

	job->error = bump != NULL ? sqlite3_open(":memory:", &db) : SQLITE_NOMEM;
	if (job->error == SQLITE_OK) {
		give_lookaside(db, bump);
		job->error = fill(db, job->number);
	}
	if (job->error == SQLITE_OK)
		job->error = look(db, bump, &job->texts);
	sqlite3_close(db); /* before the arena is put back; the texts stay */
	return NULL;
}

static int is_right(const struct job *job)
{
	char expected[40];

	if (job->error != SQLITE_OK || job->texts.len != ROWS / 2) {
		fprintf(stderr, "sqlite: %s\n", sqlite3_errstr(job->error));
		return 0;
	}
	for (int i = 0; i < ROWS / 2; i++) {
		snprintf(expected, sizeof(expected), "%d times %d", job->number, ROWS - 2 - 2 * i);
		if (strcmp(job->texts.data[i], expected) != 0)
			return 0;
	}
	return 1;
}

static int run_phase(herd_t *herd)
{
	static struct job jobs[THREADS];
	int started = 0;
	int right = 0;

	for (; started < THREADS; started++) {
		jobs[started] = (struct job){.herd = herd, .number = started};
		if (pthread_create(&jobs[started].thread, NULL, work, &jobs[started]) != 0)
			break;
	}
	for (int i = 0; i < started; i++) {
		pthread_join(jobs[i].thread, NULL);
		right += is_right(&jobs[i]);
	}
	if (right == THREADS)
		printf("%d rows, the last is \"%s\"\n", right * ROWS / 2,
		       jobs[3].texts.data[ROWS / 2 - 1]);
	return herd_reset(herd) == 0 && right == THREADS;
}

/* Whether all of SQLite's pages were in the arena. */
static int used_pages(void)
{
	int used = 0;
	int most = 0;
	int overflow = 0;
	int most_overflow = 0;

	sqlite3_status(SQLITE_STATUS_PAGECACHE_USED, &used, &most, 0);
	sqlite3_status(SQLITE_STATUS_PAGECACHE_OVERFLOW, &overflow, &most_overflow, 0);
	printf("%s in the arena, %d bytes of pages elsewhere\n", most > 0 ? "pages" : "no pages",
	       most_overflow);
	return most > 0 && most_overflow == 0;
}

int main(void)
{
	bump_t *pages = bump_new(NULL);
	herd_t *herd = herd_new(NULL);
	int good = pages != NULL && herd != NULL && give_pages(pages) == SQLITE_OK;

	for (int i = 0; good && i < 3; i++)
		good = run_phase(herd);
	good = good && used_pages();
	sqlite3_shutdown();
	bump_destroy(pages);
	return herd_destroy(herd) != 0 || !good || !output_written("sqlite");
}
