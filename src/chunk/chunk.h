/* SPDX-License-Identifier: MIT */
#ifndef HERD_CHUNK_CHUNK_H
#define HERD_CHUNK_CHUNK_H

/*
 * A chunk: one piece of memory from a source, with its header in front. It is in one list at a
 * time: an arena's chunks, an arena's large chunks, or the spare ones.
 *
 * The header lies beside the program's data, because a table of chunks elsewhere would need memory
 * and a search of its own. So a program that writes before the beginning of a chunk overwrites the
 * header; the hardened mode finds that, with a checksum in front of the header (checksum.h).
 * Whether there is a checksum must not be read from the header itself. It follows from the
 * header's address, which nobody can overwrite:
 *
 * INV-ADDRESS: a header without a checksum stands at a multiple of 2 * CHUNK_UNIT, and one with a
 *   checksum CHUNK_UNIT bytes behind such a multiple. Memory of a source is aligned to CHUNK_ALIGN,
 *   and bump_new_in() aligns the initial block.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/num.h"
#include "source/source.h"

#define CHUNK_ALIGN SOURCE_ALIGN    /* asked of a source: no two chunks share a cache line */
#define CHUNK_UNIT SOURCE_UNIT	    /* the header, and all ends, are multiples of it */
#define CHUNK_FIRST ((size_t)4096)  /* a small arena is a page */
#define CHUNK_MAX ((size_t)2 << 20) /* where doubling ends by default: a huge page */

struct chunk {
	struct chunk *next;
	char *end; /* one past the last usable byte; a multiple of CHUNK_UNIT */
	char *ptr; /* the position, valid while the chunk is not an arena's current one */
	union {
		char *faulted; /* up to here its pages were written to, so they are backed */
		char *made_at; /* of a large chunk: the arena's position when it was made */
	};
	size_t size;	 /* as the source gave it and gets it back, the checksum included */
	uint64_t serial; /* of two chunks of an arena, the higher is the newer */
	char before[16]; /* a red zone before the first allocation, under a sanitizer */
} __attribute__((aligned(16)));

/*
 * Set up the header in `size` bytes at `memory`, which is where INV-ADDRESS wants it and has room
 * for a header at least. The chunk is in no list, holds nothing, and has no valid checksum yet: the
 * caller corrects `size` and `serial` first, and then calls checksum_set().
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

/* The first usable byte, aligned to CHUNK_UNIT. */
static inline char *chunk_start(const struct chunk *c)
{
	return (char *)(uintptr_t)(c + 1);
}

/*
 * Where a sanitizer's guard begins: the library itself reads and writes only what lies before. What
 * follows is the red zone, and then the program's or nobody's.
 */
static inline char *chunk_hidden(const struct chunk *c)
{
	return (char *)(uintptr_t)c->before;
}

/* The usable bytes, alignment padding included. */
static inline size_t chunk_capacity(const struct chunk *c)
{
	return (size_t)(c->end - chunk_start(c));
}

/* The bytes handed out. Not for an arena's current chunk, whose position is in the arena's head. */
static inline size_t chunk_used(const struct chunk *c)
{
	return (size_t)(c->ptr - chunk_start(c));
}

/* INV-ADDRESS: one bit of the address decides, so this costs no access to memory. */
static inline bool chunk_has_checksum(const struct chunk *c)
{
	return ((uintptr_t)c & CHUNK_UNIT) != 0;
}

/* The memory as the source gave it. The checksum comes first, where there is one. */
static inline char *chunk_memory(const struct chunk *c)
{
	return (char *)(uintptr_t)c - (chunk_has_checksum(c) ? CHUNK_UNIT : 0);
}

/*
 * The size of a chunk that has room for `size` bytes at `align`, wherever its source puts it. A
 * checksum comes on top: spare_get() adds it. SIZE_MAX where the sum overflows.
 */
static inline size_t chunk_size_for(size_t size, size_t align)
{
	/* The first usable byte is aligned to CHUNK_UNIT, so at most this much is lost. */
	const size_t pad = align > CHUNK_UNIT ? align - CHUNK_UNIT : 0;

	return num_up(num_add(num_add(sizeof(struct chunk), pad), size), CHUNK_UNIT);
}

/* The other way round: the most bytes at `align` for which a chunk of `size` has room. */
static inline size_t chunk_room(size_t size, size_t align)
{
	const size_t pad = align > CHUNK_UNIT ? align - CHUNK_UNIT : 0;

	return num_sub(num_down(size, CHUNK_UNIT), num_add(sizeof(struct chunk), pad));
}

#endif
