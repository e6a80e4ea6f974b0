/* SPDX-License-Identifier: MIT */
/*
 * One phase: workers scan the files of a walk, each into an arena of its own, and send the results
 * to the calling thread, which merges them into a table. Then everything is freed at once.
 */
#ifndef INDEX_INDEXER_H
#define INDEX_INDEXER_H

#include <stddef.h>

#include <herd/herd.h>

#include "progress.h"
#include "table.h"
#include "walk.h"

#define MAX_THREADS 1024u

struct job {
	const struct walk *walk;
	herd_t *herd; /* NULL: malloc */
	unsigned threads;
	struct progress *progress;
};

/* The results of a phase. */
struct index {
	struct table table;
	struct batch *batches; /* one per file, newest first */
	size_t texts;
	size_t binaries;
	size_t unreadable;
	size_t bytes; /* of the texts, as the next member */
	size_t identifiers;
};

/*
 * Indexes all files. Returns 0 or an errno value; index_free() must follow in both cases. No member
 * of the herd is out when it returns.
 */
int index_build(struct index *index, const struct job *job);

/*
 * Makes sure that building the same index again needs no new memory, whichever worker takes which
 * file. `chunk` is the size of the herd's largest chunk. For a herd only; index_free() must follow.
 */
int index_settle(const struct index *index, const struct job *job, size_t chunk);

/* Frees everything that the phase allocated: by one reset, or by one free() per malloc(). */
int index_free(struct index *index, const struct job *job);

#endif
