/* SPDX-License-Identifier: MIT */
/* The workers, and the thread that merges what they send. */
#define _POSIX_C_SOURCE 200809L

#include "indexer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "channel.h"
#include "scan.h"

/* What the workers share. */
struct crew {
	const struct job *job;
	atomic_size_t next; /* the first file that no worker has taken */
	atomic_bool failed; /* out of memory: all workers stop */
	struct channel channel;
};

/* Scans files until there are no more. Returns false if there is no memory. */
static bool scan_files(struct crew *crew, bump_t *bump)
{
	const struct walk *walk = crew->job->walk;
	struct scanner *scanner = scanner_new(bump);
	bool done = scanner != NULL;

	while (done && !atomic_load(&crew->failed)) {
		const size_t i = atomic_fetch_add(&crew->next, 1);

		if (i >= walk->count)
			break;
		struct batch *batch = scanner_scan(scanner, walk->files[i]);

		done = batch != NULL;
		if (done)
			channel_send(&crew->channel, batch);
	}
	if (bump == NULL)
		scanner_free(scanner);
	return done;
}

static bool scan_with_arena(struct crew *crew)
{
	HERD_SCOPE(crew->job->herd, bump);

	return bump != NULL && scan_files(crew, bump);
}

/* A thread. It sends NULL last; by then its arena is back, and its contents are in use. */
static void *work(void *arg)
{
	struct crew *crew = arg;
	const bool done = crew->job->herd != NULL ? scan_with_arena(crew) : scan_files(crew, NULL);

	if (!done)
		atomic_store(&crew->failed, true);
	channel_send(&crew->channel, NULL);
	return NULL;
}

/* Merges the tokens of a file. Returns false if there is no memory. */
static bool add_batch(struct index *index, struct batch *batch)
{
	batch->next = index->batches;
	index->batches = batch;
	index->texts += batch->kind == BATCH_TEXT;
	index->binaries += batch->kind == BATCH_BINARY;
	index->unreadable += batch->kind == BATCH_UNREADABLE;
	index->bytes += batch->bytes;
	index->identifiers += batch->identifiers;
	return table_merge(&index->table, batch);
}

/* Receives what the workers send until the last of them has ended. */
static void receive_all(struct crew *crew, struct index *index, unsigned workers)
{
	const struct job *job = crew->job;
	size_t done = 0;

	while (workers > 0) {
		struct batch *batch = channel_receive(&crew->channel);

		if (batch == NULL) {
			workers--;
			continue;
		}
		if (!add_batch(index, batch))
			atomic_store(&crew->failed, true);
		progress_show(job->progress, ++done, job->walk->count);
	}
}

/* Runs the workers and merges meanwhile. If some cannot be started, the others do their work. */
static int run(struct crew *crew, struct index *index)
{
	pthread_t threads[MAX_THREADS];
	unsigned started = 0;
	int error = channel_init(&crew->channel);

	if (error != 0)
		return error;
	while (started < crew->job->threads && error == 0) {
		error = pthread_create(&threads[started], NULL, work, crew);
		started += error == 0;
	}
	receive_all(crew, index, started);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	channel_destroy(&crew->channel);
	if (started == 0)
		return error;
	return atomic_load(&crew->failed) ? ENOMEM : 0;
}

int index_build(struct index *index, const struct job *job)
{
	struct crew crew = {.job = job};

	*index = (struct index){0};
	if (job->herd == NULL)
		return run(&crew, index);

	HERD_SCOPE(job->herd, nodes);
	HERD_SCOPE(job->herd, buckets);
	if (nodes == NULL || buckets == NULL)
		return ENOMEM;
	index->table.nodes = nodes;
	index->table.buckets = buckets;
	return run(&crew, index);
}

/*
 * Two phases over the same files allocate the same, except for what depends on which worker takes
 * which file: how full the last chunk of each member is, and whether the order of insertion makes
 * uthash double its buckets once more. This much is allocated in addition; after the reset it is
 * spare memory of the whole herd.
 */
int index_settle(const struct index *index, const struct job *job, size_t chunk)
{
	const size_t members = (size_t)job->threads + 2;
	bump_t *bump = herd_get(job->herd);

	if (bump == NULL)
		return ENOMEM;
	const void *buckets = bump_alloc(bump, 2 * table_bucket_bytes(&index->table));

	herd_put(job->herd, bump);
	return buckets != NULL ? herd_warm(job->herd, members, chunk) : ENOMEM;
}

static void free_each(struct index *index)
{
	struct batch *next;

	table_free(&index->table); /* first: its names lie in the batches */
	for (struct batch *batch = index->batches; batch != NULL; batch = next) {
		next = batch->next;
		batch_free(batch);
	}
}

int index_free(struct index *index, const struct job *job)
{
	int error = 0;

	if (job->herd != NULL)
		error = herd_reset(job->herd);
	else
		free_each(index);
	*index = (struct index){0};
	return error;
}
