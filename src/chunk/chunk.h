/* SPDX-License-Identifier: MIT */
#ifndef HERD_CHUNK_CHUNK_H
#define HERD_CHUNK_CHUNK_H

/*
 * A chunk: one piece of memory from a source, with its header in front. It is in one list at a
 * time: an arena's chunks, an arena's large chunks, or the spare ones.
 *
 * In front of the header there may be a checksum (checksum.h). Whether there is one can be seen from
 * the header's address, which nobody can overwrite:
 *
 * INV-ADDRESS: a header without a checksum stands at a multiple of 2 * CHUNK_UNIT, and one with a
 *   checksum CHUNK_UNIT bytes behind such a multiple.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/num.h"
#include "source/source.h"

#define CHUNK_ALIGN SOURCE_ALIGN    /* asked of a source: a cache line of their own */
#define CHUNK_UNIT SOURCE_UNIT	    /* the header, and all ends, are multiples of it */
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
	size_t size;	 /* as the source gave it, and as release gets it */
	uint64_t serial; /* of two chunks of an arena, the higher is the newer */
	char before[16]; /* in front of the first allocation: no access under a sanitizer */
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

/* INV-ADDRESS. */
static inline bool chunk_has_checksum(const struct chunk *c)
{
	return ((uintptr_t)c & CHUNK_UNIT) != 0;
}

/* What the source gave: the checksum comes first, where there is one. */
static inline char *chunk_memory(const struct chunk *c)
{
	return (char *)(uintptr_t)c - (chunk_has_checksum(c) ? CHUNK_UNIT : 0);
}

/* The size of a chunk that has room for `size` bytes at `align`, wherever its source puts it. */
static inline size_t chunk_size_for(size_t size, size_t align)
{
	const size_t pad = align > CHUNK_UNIT ? align - CHUNK_UNIT : 0;

	return num_up(num_add(num_add(sizeof(struct chunk), pad), size), CHUNK_UNIT);
}

#endif
