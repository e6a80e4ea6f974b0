/* SPDX-License-Identifier: MIT */
/*
 * The only place where the two allocators differ. Memory comes from an arena or, if that is NULL,
 * from malloc. Memory from malloc must be freed piece by piece.
 */
#ifndef INDEX_MEMORY_H
#define INDEX_MEMORY_H

#include <stddef.h>
#include <stdlib.h>

#include <herd/bump.h>

/* Returns memory aligned to 8, which is enough for all that the index stores. */
static inline void *take(bump_t *bump, size_t size)
{
	return bump != NULL ? bump_alloc_aligned(bump, size, 8) : malloc(size);
}

/* Does nothing for an arena, which is rewound or reset as a whole. */
static inline void drop(bump_t *bump, void *memory)
{
	if (bump == NULL)
		free(memory);
}

#endif
