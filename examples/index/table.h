/* SPDX-License-Identifier: MIT */
/*
 * The index: a hash table of identifiers, into which the batches of all files are merged. Names are
 * not copied: an entry points to the string in the arena of the worker that sent it first.
 */
#ifndef INDEX_TABLE_H
#define INDEX_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include <herd/bump.h>

#include "scan.h"

struct entry;

struct table {
	struct entry *entries;
	/* of the entries and of uthash itself; NULL for malloc */
	bump_t *nodes;
	bump_t *buckets;
};

/* A row of the result. */
struct row {
	const char *name;
	size_t count; /* in all files */
	size_t files; /* that have it */
};

/* Adds the identifiers of a batch. Returns false if there is no memory. */
bool table_merge(struct table *table, const struct batch *batch);

size_t table_size(const struct table *table);

/* Returns the bytes of uthash's array of buckets, which doubles when the chains get long. */
size_t table_bucket_bytes(const struct table *table);

/*
 * Returns the most frequent identifiers, at most `most` of them, equally frequent ones by name.
 * Names and rows are copied into the arena. *count is set to their number. Returns NULL if there is
 * no memory.
 */
struct row *table_top(const struct table *table, bump_t *bump, size_t most, size_t *count);

/* Frees, piece by piece, a table whose memory came from malloc. */
void table_free(struct table *table);

#endif
