/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_SCHEDULE_FLOCK_H
#define HERD_TESTS_SCHEDULE_FLOCK_H

/*
 * The herds of a scenario, as the explorer sees them: the numbers of their shared words, their
 * stacks, and a source that counts.
 */

#include "explore.h"
#include "pool/pool.h"

enum { HERDS = 2 };

/* Numbers of what is shared besides; those of herds are higher. */
enum { NUMBER_NEXT = 2, NUMBER_OFFER, NUMBER_TOLD, NUMBER_WANTED };

/* A herd, and how many of its members are wanted: from before a get to behind the put. */
struct flock {
	herd_t *herd;
	size_t wanted, most_wanted, times_wanted;
	size_t resets;
};

extern struct flock flocks[HERDS];
extern size_t flocks_count;
extern bool flocks_with_views; /* what herd_stats() and walks look at counts as shared */

/* The number of a shared word; 0: it is none. */
uint64_t flock_word(uintptr_t address);

/* A source, and how many of its chunks were not given back. */
extern const herd_source_t flock_source;
extern size_t flock_chunks_out;

size_t flock_members(const struct flock *flock);

/* How many are on the stack; reports one that is there twice, or off by its state. */
size_t flock_stack(struct flock *flock);

#endif
