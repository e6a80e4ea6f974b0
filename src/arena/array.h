/* SPDX-License-Identifier: MIT */
#ifndef HERD_ARENA_ARRAY_H
#define HERD_ARENA_ARRAY_H

/* What strings share with arrays: the functions behind bump_vec_grow_() and bump_vec_finish_(). */

#include <herd/vec.h>

bump_vec_room_t vec_grow(bump_t *bump, void *data, size_t len, size_t cap, size_t n, size_t size,
			 size_t align, const char *function);
void *vec_finish(bump_t *bump, void *data, size_t len, size_t cap, size_t size, size_t align,
		 const char *function);

#endif
