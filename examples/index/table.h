/* SPDX-License-Identifier: MIT */
/*
 * The index: a hash table of identifiers, which the batches of all files are merged into. Names are
 * not copied: an entry points at the string in the arena of the worker that sent it first.
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
	/* where memory comes from: of the entries, and of uthash itself; NULL: malloc */
	bump_t *nodes;
	bump_t *buckets;
};

/* A line of the result. */
struct row {
	const char *name;
	size_t count; /* in all files */
	size_t files; /* that have it */
};

/* Count a batch's identifiers. False: there is no memory. */
bool table_merge(struct table *table, const struct batch *batch);

size_t table_size(const struct table *table);

/* Bytes of uthash's array of buckets, which doubles when the chains get long. */
size_t table_bucket_bytes(const struct table *table);

/*
 * The most frequent identifiers, at most `most` of them, equally frequent ones by name; names and
 * rows are copied into the arena. *count is set to how many they are. NULL: there is no memory.
 */
struct row *table_top(const struct table *table, bump_t *bump, size_t most, size_t *count);

/* Give back, piece by piece, a table whose memory came from malloc. */
void table_free(struct table *table);

#endif
