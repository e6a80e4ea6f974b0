/* SPDX-License-Identifier: MIT */
/*
 * One phase: workers scan the files of a walk, each into an arena of its own, and send what they
 * found to the calling thread, which merges it into a table. Then all of it is freed at once.
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

/* What a phase found. */
struct index {
	struct table table;
	struct batch *batches; /* one for each file, newest first */
	size_t texts;
	size_t binaries;
	size_t unreadable;
	size_t bytes; /* of the texts, as the next one */
	size_t identifiers;
};

/*
 * Index all files. Returns 0 or an errno value; either way index_free() has to follow. In the herd,
 * no member is out when it returns.
 */
int index_build(struct index *index, const struct job *job);

/*
 * See to it that building the same index again needs no new memory, whichever worker takes which
 * file then. `chunk` is the herd's largest chunk. For a herd only; index_free() has to follow.
 */
int index_settle(const struct index *index, const struct job *job, size_t chunk);

/* Free all that the phase allocated: by one reset, or by one free() for each malloc(). */
int index_free(struct index *index, const struct job *job);

#endif
