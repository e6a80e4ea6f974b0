/* SPDX-License-Identifier: MIT */
#ifndef HERD_SOURCE_BIN_H
#define HERD_SOURCE_BIN_H

/*
 * Where a cache keeps chunks: a shelf for each class of sizes, the hottest chunk on top. Any number
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
	SHELF_STEPS = 8,	    /* classes from a power of two to the next */
	SHELVES = 18 * SHELF_STEPS, /* up to SHELF_MOST_PAGES */
};

#define SHELF_MOST_PAGES ((size_t)1 << 20)

/* The chunk that came last from some of the threads; in front of the stack. */
struct front {
	_Atomic(void *) last __attribute__((aligned(64)));
};

enum { FRONTS = 4 };

struct shelf {
	struct stack full;
	struct front fronts[FRONTS];
};

struct shelves {
	_Atomic pid_t grower;	  /* the process of the thread that makes nodes; 0: none does */
	struct segment *segments; /* all nodes; belongs to that thread */
	struct stack_table table; /* of the nodes; belongs to that thread */
	struct stack vacant;	  /* nodes that hold no chunk */
	struct shelf shelf[SHELVES];
};

/* The number of a class, and how many pages its chunks have. */
struct size_class {
	size_t number; /* SHELVES: too large for any */
	size_t pages;
};

/* The class of a chunk of `pages` pages: rounded up by less than an eighth. */
struct size_class shelf_class_of(size_t pages);
struct size_class shelf_class(size_t number);

/* In memory that is zero. False: no memory; shelves_done() has to be called nevertheless. */
bool shelves_init(struct shelves *s);
/* The shelves must be empty. */
void shelves_done(struct shelves *s);

/* Whether there is none; a hint. */
bool shelf_is_empty(const struct shelves *s, size_t number);

/* Take a chunk; NULL: there is none. What was done before it was put happens before this. */
void *shelf_take(struct shelves *s, size_t number);

/* Put a chunk. @return the chunk that found no place, for want of memory; else NULL. */
void *shelf_put(struct shelves *s, size_t number, void *memory);

#endif
