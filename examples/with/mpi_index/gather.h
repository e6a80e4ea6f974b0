/* SPDX-License-Identifier: MIT */
/*
 * Gathers the results of the ranks into an arena. Processes do not share memory, so pointers into a
 * herd cannot be sent: names are sent as one text, numbers as one array.
 */
#ifndef MPI_INDEX_GATHER_H
#define MPI_INDEX_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../index/table.h"
#include "process.h"

/* The results of a rank: names, and for each name its numbers, in the same order. */
struct found {
	uint64_t (*numbers)[2]; /* how often, and in how many files */
	char *names;		/* each with its NUL */
	uint64_t count;
	uint64_t size; /* of the names */
};

/* Packs the table for sending. Returns 0 or an errno value. */
int found_pack(struct found *found, bump_t *bump, const struct table *table);

/*
 * Gives rank 0 in parts[1], parts[2] and so on what those ranks have in parts[0]. Returns false in
 * all ranks if it failed in any, which has printed the reason.
 */
bool found_gather(const struct process *process, struct found *parts);

/*
 * In rank 0: returns a row per name of any rank, the most frequent one first, equally frequent ones
 * by name. The names point into the parts. Returns NULL if there is no memory.
 */
struct row *found_merge(const struct process *process, const struct found *parts, size_t *count);

#endif
