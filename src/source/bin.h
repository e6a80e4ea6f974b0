/* SPDX-License-Identifier: MIT */
#ifndef HERD_SOURCE_BIN_H
#define HERD_SOURCE_BIN_H

/*
 * Where a cache keeps chunks: a bin for each class of sizes, the hottest chunk on top. Any number
 * of threads take and put at once; nobody waits for another.
 *
 * All chunks of a class have the same size, which every size of the class is rounded up to. So each
 * serves every request of its class, nothing is searched, and whoever knows the size that was asked
 * for knows what was mapped for it.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/num.h"
#include "base/stack.h"

enum {
	BIN_STEPS = 8,	       /* classes from a power of two to the next */
	BINS = 18 * BIN_STEPS, /* up to BIN_MOST_PAGES */
};

#define BIN_MOST_PAGES ((size_t)1 << 20)

/* The chunk that came last from some of the threads; in front of the stack. */
struct bin_slot {
	_Atomic(void *) last __attribute__((aligned(64)));
};

enum { BIN_SLOTS = 4 };

struct bin {
	struct stack full;
	struct bin_slot slots[BIN_SLOTS];
};

struct bins {
	_Atomic pid_t grower;	  /* the process of the thread that makes nodes; 0: none does */
	struct segment *segments; /* all nodes; belongs to that thread */
	struct stack_table table; /* of the nodes; belongs to that thread */
	struct stack vacant;	  /* nodes that hold no chunk */
	struct bin bin[BINS];
};

/* The number of a class, and how many pages its chunks have. */
struct size_class {
	size_t number; /* BINS: too large for any */
	size_t pages;
};

/* The class of a chunk of `pages` pages: rounded up by less than an eighth. */
struct size_class bin_class_of(size_t pages);
struct size_class bin_class(size_t number);

/* In memory that is zero. False: no memory; bins_destroy() has to be called nevertheless. */
bool bins_init(struct bins *s);
/* The bins must be empty. */
void bins_destroy(struct bins *s);

/* Whether there is none; a hint. */
bool bin_is_empty(const struct bins *s, size_t number);

/* Take a chunk; NULL: there is none. What was done before it was put happens before this. */
void *bin_take(struct bins *s, size_t number);

/* Put a chunk. @return the chunk that found no place, for want of memory; else NULL. */
void *bin_put(struct bins *s, size_t number, void *memory);

#endif
