/* SPDX-License-Identifier: MIT */
#ifndef HERD_SOURCE_BIN_H
#define HERD_SOURCE_BIN_H

/*
 * Where a cache keeps chunks: a bin for each class of sizes, the hottest chunk on top. Any number
 * of threads take and put at once; nobody waits for another.
 *
 * All chunks of a class have the same size, which every size of the class is rounded up to. So each
 * serves every request of its class, nothing is searched, and whoever knows the size that was asked
 * for knows what was mapped for it: no size is stored with a chunk.
 *
 * Bins count nothing and know no limit; that is cache.c's. Sizes are in pages here.
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

/* Larger chunks have no class and are not kept. With pages of 4 KiB this is 4 GiB. */
#define BIN_MOST_PAGES ((size_t)1 << 20)

/* The chunk that came last from some of the threads; NULL: none. It is in front of the stack. */
struct bin_slot {
	_Atomic(void *) last __attribute__((aligned(64)));
};

/*
 * Slots per bin, each on a cache line: more would cost memory, and with fewer, threads would meet
 * more often.
 */
enum { BIN_SLOTS = 4 };

struct bin {
	struct stack full;
	struct bin_slot slots[BIN_SLOTS];
};

struct bins {
	/*
	 * The process of the thread that makes nodes; 0: none does. A number of a process, and not
	 * a mutex, so that a child of fork(2) can see that this thread does not exist there.
	 */
	_Atomic pid_t grower;
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

/* The class of a chunk of `pages` pages: rounded up by less than an eighth, up to 16 not at all. */
struct size_class bin_class_of(size_t pages);

/* The class with a number below BINS; the inverse of the above. */
struct size_class bin_class(size_t number);

/* In memory that is zero. False: no memory; bins_destroy() has to be called nevertheless. */
bool bins_init(struct bins *s);

/* The bins must be empty: a chunk in them would be lost. No other thread may use them any more. */
void bins_destroy(struct bins *s);

/* Whether a bin has no chunk. A hint: others take and put meanwhile. */
bool bin_is_empty(const struct bins *s, size_t number);

/*
 * Take a chunk; NULL: there is none. All that was done before the chunk was put happens before
 * what is done after this.
 */
void *bin_take(struct bins *s, size_t number);

/*
 * Put a chunk, which the caller must not use any more. @return NULL; or a chunk of this class, this
 * one or another, that could not be kept, because there was no memory for a node, or another thread
 * was making nodes. It is the caller's then.
 */
void *bin_put(struct bins *s, size_t number, void *memory);

#endif
