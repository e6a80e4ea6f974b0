/* SPDX-License-Identifier: MIT */
#ifndef HERD_ARENA_ARRAY_H
#define HERD_ARENA_ARRAY_H

/*
 * What strings share with arrays: the functions behind bump_vec_grow_() and bump_vec_finish_(). A
 * string is an array of bytes; these are hidden symbols, so that str.c calls them directly.
 */

#include <herd/vec.h>

/*
 * Room for n elements more, on behalf of `function`: in place where the array is the newest
 * allocation. A `data` of NULL in the result is a failure that was reported, and `cap` is its
 * errno.
 */
bump_vec_room_t vec_grow(bump_t *bump, void *data, size_t len, size_t cap, size_t n, size_t size,
			 size_t align, const char *function);
/* Give the room above `len` back. NULL: misuse or, for an array without memory, ENOMEM. */
void *vec_finish(bump_t *bump, void *data, size_t len, size_t cap, size_t size, size_t align,
		 const char *function);

#endif
