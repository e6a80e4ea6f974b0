/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_HEAP_H
#define HERD_BASE_HEAP_H

/*
 * Memory for the library's own structures, from malloc(3): zeroed, and on cache lines of their own.
 */

#include <stddef.h>

#define HEAP_ALIGN ((size_t)64)

/* `size` bytes, a multiple of HEAP_ALIGN; *block is for free(3). NULL: no memory. MT-Safe. */
void *heap_new(size_t size, void **block);

#endif
