/* SPDX-License-Identifier: MIT */
/*
 * Growth of an array in an arena, and its end. A string is one of chars: str.c.
 *
 * An array knows its room: so it knows whether it is the newest allocation, as bump_extend() does.
 */

#include <herd/vec.h>

#include <errno.h>
#include <string.h>

#include "arena.h"
#include "misuse.h"

/* The first room of an array, in bytes, where that is more than was asked for. */
#define FIRST_ROOM ((size_t)32)

/* The out-of-line definitions of what the header inlines. */
extern inline int bump_vec_room_(bump_t *bump, void *slot, void *data, size_t len, size_t *cap,
				 size_t n, size_t size, size_t align, const char *function);
extern inline void bump_vec_copy_(void *data, size_t *len, const void *items, size_t n,
				  size_t size);
extern inline void *bump_vec_popped_(void *data, size_t *len, size_t size, void *zero);

/* What an array asks for, in bytes. */
struct wish {
	size_t need;
	size_t want; /* at least that */
	size_t size; /* of an element: room is a multiple of it */
	size_t align;
};

/*
 * The largest room up to `bytes`, and up to what is wanted, rounded up as the arena does; 0 where
 * that is less than what is needed.
 */
static size_t fitting(const struct wish *wish, size_t bytes)
{
	const size_t most = num_min(bytes, num_up(wish->want, 8));
	const size_t room = most - most % wish->size;

	return room >= wish->need ? room : 0;
}

/* How far the array at `data` could reach if it is the newest allocation. */
static size_t reach(const struct arena *a, const char *data)
{
	const struct chunk *const own = a->own;
	const char *end = a->end;

	if (own != NULL && data >= chunk_start(own) && data < own->end)
		end = own->end;
	else if (a->chunk == NULL || data < chunk_start(a->chunk) || data >= end)
		return 0;
	return num_sub((size_t)(end - data), a->red_zone);
}

/*
 * Grow in place, or start in the current chunk: there all that is left will do, if it is enough. The
 * room, or 0. Without data, *data is set.
 */
static size_t grow_here(struct arena *a, char **data, size_t old, const struct wish *wish)
{
	if (*data != NULL) {
		const size_t room = fitting(wish, reach(a, *data));

		return room != 0 && bump_extend(&a->head, *data, old, room) ? room : 0;
	}

	char *const pos = arena_pos(a);
	const size_t pad = num_pad(pos, num_max(wish->align, a->min_align));
	const size_t left = num_sub((size_t)(a->end - pos), num_add(pad, a->red_zone));
	const size_t room = fitting(wish, left);

	if (room == 0)
		return 0;
	*data = arena_alloc_here(a, room, num_max(wish->align, a->min_align));
	return room;
}

/*
 * New memory: as much as is wanted, or as is needed where there is not so much. The room, or 0: the
 * failure was reported.
 */
static size_t move(struct arena *a, char **data, size_t used, const struct wish *wish,
		   const char *function)
{
	const char *problem =
		NO_MEMORY; /* no array is larger than PTRDIFF_MAX: the header relies on it */
	size_t room = fitting(wish, SIZE_MAX);
	void *moved;

	if (wish->need <= PTRDIFF_MAX)
		problem = arena_try_alloc(a, room, wish->align, &moved);
	if (problem == NO_MEMORY && wish->need <= PTRDIFF_MAX) {
		room = wish->need;
		problem = arena_try_alloc(a, room, wish->align, &moved);
	}
	if (problem != NULL) {
		arena_failed(a, problem, wish->need, function);
		return 0;
	}
	if (used != 0)
		memcpy(moved, *data, used);
	*data = moved;
	return room;
}

bump_vec_room_t bump_vec_grow_(bump_t *bump, void *data, size_t len, size_t cap, size_t n,
			       size_t size, size_t align, const char *function)
{
	struct arena *a = arena_of(bump);
	char *memory = data;

	if (!arena_usable(a, function))
		return (bump_vec_room_t){NULL, EINVAL};

	size = num_max(size, 1); /* GNU C has empty structs */
	const size_t old = cap * size;
	const size_t need = num_mul(num_add(len, n), size);
	const struct wish wish = {
		.need = need,
		.want = num_max(need, num_max(num_mul(old, 2), FIRST_ROOM)),
		.size = size,
		.align = align,
	};
	size_t room = grow_here(a, &memory, old, &wish);

	if (room == 0)
		room = move(a, &memory, len * size, &wish, function);
	if (room == 0)
		return (bump_vec_room_t){NULL, (size_t)errno};
	return (bump_vec_room_t){memory, room / size};
}

void *bump_vec_finish_(bump_t *bump, void *data, size_t len, size_t cap, size_t size, size_t align,
		       const char *function)
{
	struct arena *a = arena_of(bump);

	if (!arena_usable(a, function))
		return NULL;
	if (data == NULL)
		return arena_alloc(a, 0, align, function);
	size = num_max(size, 1);
	(void)bump_extend(bump, data, cap * size, len * size); /* it shrinks: that can't fail */
	return data;
}

void *bump_vec_popped_none_(void *zero, size_t size)
{
	misuse("bump_vec_pop", "the array has no element");
	return memset(zero, 0, size);
}
