/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_HEAP_H
#define HERD_BASE_HEAP_H

/*
 * Memory for the library's own structures: herds, members, standalone arenas, caches. It comes from
 * malloc(3) and not from a source, so that no limit counts it. It is zeroed, which the functions
 * that set a structure up rely on ("in memory that is zero"). It lies on cache lines of its own, so
 * that threads with different structures do not take a line from each other.
 */

#include <stddef.h>

/* A cache line of most machines. Where lines are longer, two structures may share one. */
#define HEAP_ALIGN ((size_t)64)

/*
 * Get `size` bytes, a multiple of HEAP_ALIGN. free(3) takes *block, not the address that is
 * returned. NULL: there is no memory, and *block is NULL as well. MT-Safe.
 */
void *heap_new(size_t size, void **block);

#endif
