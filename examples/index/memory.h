/* SPDX-License-Identifier: MIT */
/*
 * The only place where the two allocators differ: memory comes from an arena, or, where there is
 * none (NULL), from malloc. What came from malloc has to be given back piece by piece.
 */
#ifndef INDEX_MEMORY_H
#define INDEX_MEMORY_H

#include <stddef.h>
#include <stdlib.h>

#include <herd/bump.h>

/* Aligned to 8: enough for all that the index stores. */
static inline void *take(bump_t *bump, size_t size)
{
	return bump != NULL ? bump_alloc_aligned(bump, size, 8) : malloc(size);
}

/* Nothing to do for an arena: it is rewound or reset as a whole. */
static inline void drop(bump_t *bump, void *memory)
{
	if (bump == NULL)
		free(memory);
}

#endif
