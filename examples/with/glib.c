/* SPDX-License-Identifier: MIT */
/*
 * Work in GLib's threads: its results in a herd are read when all of it is done, and freed by one
 * reset. The threads of a pool that is not exclusive never end, and serve other pools, too. There
 * are two ways to get an arena:
 *
 * - A piece of work checks out an arena for itself, which costs next to nothing.
 * - It uses the thread's own member with herd_local(), anywhere in the call chain. Then the threads
 *   keep their members, and herd_recall() takes them back before the reset, when no work is under
 *   way.
 *
 * GLib's own lists, strings and tables come from malloc(3); a program cannot change that.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include <herd/herd.h>

#include "../output.h"

#define PIECES 200
#define THREADS 4

struct piece {
	unsigned number;
	const char *result; /* in the herd; NULL if there was no memory */
};

static const char *square(bump_t *bump, unsigned number)
{
	return bump_asprintf(bump, "%u squared is %u", number, number * number);
}

static void with_scope(gpointer data, gpointer ctx)
{
	struct piece *piece = data;
	HERD_SCOPE(ctx, bump);

	if (bump != NULL)
		piece->result = square(bump, piece->number);
}

static void with_local(gpointer data, gpointer ctx)
{
	struct piece *piece = data;
	bump_t *bump = herd_local(ctx); /* the same one for the thread's next piece */

	if (bump != NULL)
		piece->result = square(bump, piece->number);
}

/* Returns the number of correct results. */
static size_t run_pieces(herd_t *herd, GFunc work, struct piece *pieces)
{
	size_t good = 0;
	GThreadPool *pool = g_thread_pool_new(work, herd, THREADS, FALSE, NULL);

	if (pool == NULL)
		return 0;
	for (unsigned i = 0; i < PIECES; i++) {
		pieces[i] = (struct piece){.number = i};
		/* FALSE: no thread was started; the piece waits for an existing one. */
		g_thread_pool_push(pool, &pieces[i], NULL);
	}
	g_thread_pool_free(pool, FALSE, TRUE); /* waits until all are done; the threads live on */
	for (unsigned i = 0; i < PIECES; i++) {
		char expected[40];

		snprintf(expected, sizeof(expected), "%u squared is %u", i, i * i);
		good += pieces[i].result != NULL && strcmp(pieces[i].result, expected) == 0;
	}
	return good;
}

static int run_phase(herd_t *herd, GFunc work)
{
	bump_t *bump = herd_get(herd);
	struct piece *pieces = bump != NULL ? BUMP_NEW_ARRAY(bump, struct piece, PIECES) : NULL;

	herd_put(herd, bump);
	if (pieces == NULL)
		return -1;

	const size_t good = run_pieces(herd, work, pieces);
	const size_t kept = herd_recall(herd); /* nobody works any more */

	printf("%zu of %d, %s member stayed with a thread\n", good, PIECES,
	       kept > 0 ? "some" : "no");
	if (herd_reset(herd) != 0) /* EBUSY without the recall */
		return -1;
	return good == PIECES && (kept > 0) == (work == with_local) ? 0 : -1;
}

int main(void)
{
	herd_t *herd = herd_new(NULL);
	int failed = herd == NULL;

	g_thread_pool_set_max_unused_threads(-1); /* otherwise GLib ends some, sooner or later */
	for (int i = 0; i < 2 && !failed; i++)
		failed = run_phase(herd, with_scope) != 0 || run_phase(herd, with_local) != 0;
	return herd_destroy(herd) != 0 || failed || !output_written("glib");
}
