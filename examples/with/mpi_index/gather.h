/* SPDX-License-Identifier: MIT */
/*
 * What the ranks found, gathered into an arena. Memory does not cross processes, so pointers into a
 * herd don't either: names are sent as one text, numbers as one array.
 */
#ifndef MPI_INDEX_GATHER_H
#define MPI_INDEX_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../index/table.h"
#include "process.h"

/* What a rank found: for each name its numbers, in the same order. */
struct found {
	uint64_t (*numbers)[2]; /* how often, and in how many files */
	char *names;		/* each with its NUL */
	uint64_t count;
	uint64_t size; /* of the names */
};

/* What the table has, in the shape in which it is sent. 0 or an errno value. */
int found_pack(struct found *found, bump_t *bump, const struct table *table);

/*
 * Rank 0 gets into parts[1], parts[2] and so on what those ranks have in parts[0]. False, in all
 * ranks: it failed in some, and that has said why.
 */
bool found_gather(const struct process *process, struct found *parts);

/*
 * In rank 0: one row for each name that any rank has, the most frequent one first, by name where
 * they are equally frequent; the names are those of the parts. NULL: there is no memory.
 */
struct row *found_merge(const struct process *process, const struct found *parts, size_t *count);

#endif
