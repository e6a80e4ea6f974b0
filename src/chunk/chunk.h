/* SPDX-License-Identifier: MIT */
#ifndef HERD_CHUNK_CHUNK_H
#define HERD_CHUNK_CHUNK_H

/*
 * A chunk: one piece of memory from a source, with its header in front. It is in one list at a
 * time: an arena's chunks, an arena's own chunks for large requests, or the spare ones. In front of
 * the header there may be a seal: harden.h.
 */

#include <stdint.h>

#include "base/num.h"

#define CHUNK_ALIGN ((size_t)64)    /* asked of a source: a cache line of their own */
#define CHUNK_UNIT ((size_t)16)	    /* the header, and all ends, are multiples of it */
#define CHUNK_FIRST ((size_t)4096)  /* a small arena is a page */
#define CHUNK_MAX ((size_t)2 << 20) /* where doubling ends by default: a huge page */

struct chunk {
	struct chunk *next;
	char *end; /* one past the last usable byte; a multiple of CHUNK_UNIT */
	char *ptr; /* the position in it, while it is not an arena's current chunk */
	union {
		char *faulted; /* its pages were written to once up to here */
		char *made_at; /* of a large chunk: the arena's position when it was made */
	};
	size_t size;	 /* as the source gave it; what release gets */
	uint64_t serial; /* of two chunks of an arena, the higher is the newer */
	char before
		[16]; /* in front of the first allocation: no access where someone watches memory */
} __attribute__((aligned(16)));

/*
 * Set up the header in `size` bytes at `memory`, aligned to CHUNK_UNIT, with room for a header
 * at least.
 */
static inline struct chunk *chunk_at(void *memory, size_t size)
{
	struct chunk *c = (struct chunk *)memory;

	c->next = NULL;
	c->ptr = (char *)(c + 1);
	c->faulted = c->ptr;
	c->end = (char *)memory + num_down(size, CHUNK_UNIT);
	c->size = size;
	c->serial = 0;
	return c;
}

static inline char *chunk_start(const struct chunk *c)
{
	return (char *)(uintptr_t)(c + 1);
}

/* The library's own up to here: what follows is the program's, or nobody's. */
static inline char *chunk_hidden(const struct chunk *c)
{
	return (char *)(uintptr_t)c->before;
}

static inline size_t chunk_capacity(const struct chunk *c)
{
	return (size_t)(c->end - chunk_start(c));
}

static inline size_t chunk_used(const struct chunk *c)
{
	return (size_t)(c->ptr - chunk_start(c));
}

/* The size of a chunk that has room for `size` bytes at `align`, wherever its source puts it. */
static inline size_t chunk_size_for(size_t size, size_t align)
{
	const size_t pad = align > CHUNK_UNIT ? align - CHUNK_UNIT : 0;

	return num_up(num_add(num_add(sizeof(struct chunk), pad), size), CHUNK_UNIT);
}

#endif
