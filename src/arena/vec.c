/* SPDX-License-Identifier: MIT */
/*
 * Growth of an array in an arena, and its end. A string is one of chars: str.c.
 *
 * An array knows its room: so the arena can tell whether it is the newest allocation.
 */

#include "arena/array.h"

#include <errno.h>

#include "arena/arena.h"
#include "base/misuse.h"
#include "base/san.h"

/* The out-of-line definitions of what the header inlines. */
extern inline int bump_vec_room_(bump_t *bump, void *slot, void *data, size_t len, size_t *cap,
				 size_t n, size_t size, size_t align, const char *function);
extern inline void bump_vec_copy_(void *data, size_t *len, const void *items, size_t n,
				  size_t size);
extern inline void *bump_vec_popped_(void *data, size_t *len, size_t size, void *zero);

/* What an array asks for, in elements. */
struct vec_request {
	size_t need;
	size_t want; /* at least that */
	size_t size; /* of an element */
	size_t align;
};

/*
 * The room, in elements, that is to be had in so many bytes: what is wanted, or less; 0 where that
 * is not what is needed.
 */
static size_t fitting(const struct vec_request *request, size_t bytes)
{
	if (HERD_LIKELY(num_mul(request->want, request->size) <= bytes))
		return request->want; /* and no division */

	const size_t most = bytes / request->size;

	return most >= request->need ? most : 0;
}

/* How far the array at `data` could reach if it is the newest allocation. */
static size_t array_reach(const struct arena *a, const char *data)
{
	const struct chunk *const own = a->large;
	const char *end = a->end;

	if (own != NULL && data >= chunk_start(own) && data < own->end)
		end = own->end;
	else if (a->chunk == NULL || data < chunk_start(a->chunk) || data >= end)
		return 0;
	return num_sub((size_t)(end - data), a->red_zone);
}

/*
 * What arena_resize() does in the usual case: the array ends at the position, no large request came
 * after it, the chunk has all that is wanted, nobody watches memory, and nothing is reserved.
 */
static bool extend_at_once(struct arena *a, char *data, size_t cap,
			   const struct vec_request *request)
{
	const size_t bytes = num_mul(request->want, request->size);

	if (a->large != NULL || (a->flags & (CLOSED_INSTRUMENTED | CLOSED_RESERVED)) != 0 ||
	    data + arena_footprint(a, cap * request->size) != arena_ptr(a) ||
	    bytes > (size_t)(a->end - data))
		return false;
	arena_set_ptr(a, data + num_up(bytes, 8));
	return true;
}

/* Grow in place: there all that is left will do, if it is enough. The room, or 0. */
static size_t extend(struct arena *a, char *data, size_t cap, const struct vec_request *request)
{
	if (HERD_LIKELY(extend_at_once(a, data, cap, request)))
		return request->want;

	const size_t room = fitting(request, array_reach(a, data));

	return room != 0 && arena_resize(a, data, cap * request->size, room * request->size) ? room
											     : 0;
}

/* Start in the current chunk, in the same way. */
static size_t start(struct arena *a, char **data, const struct vec_request *request)
{
	char *const position = arena_ptr(a);
	const size_t align = num_max(request->align, a->min_align);
	const size_t taken = num_add(num_pad(position, align), a->red_zone);
	const size_t room = fitting(request, num_sub((size_t)(a->end - position), taken));

	if (room != 0)
		*data = (char *)arena_alloc_here(a, room * request->size, align);
	return room;
}

/*
 * New memory: as much as is wanted, or as is needed where there is not so much. The room, or 0: the
 * failure was reported.
 */
static size_t move(struct arena *a, char **data, size_t len, const struct vec_request *request,
		   const char *function)
{
	const char *problem = NO_MEMORY;
	const size_t need = num_mul(request->need, request->size);
	size_t room = request->want;
	void *moved;

	/* No array is larger: the header relies on it. */
	if (need <= PTRDIFF_MAX) {
		problem = arena_try_alloc(a, num_mul(room, request->size), request->align, &moved);
		if (problem == NO_MEMORY) {
			room = request->need;
			problem = arena_try_alloc(a, need, request->align, &moved);
		}
	}
	if (problem != NULL) {
		arena_failed(a, problem, need, function);
		return 0;
	}
	if (len != 0)
		san_copy(moved, *data, len * request->size);
	*data = (char *)moved;
	return room;
}

/*
 * The room that an array wants that has to grow, in elements. At first 4, if that is little; a
 * string, 32 bytes.
 *
 * Then twice its room, and half a cache line. Powers of two would leave arrays that grow in turns
 * at distances that are powers of two, too: the lines that they write to would share a set of the
 * cache (64 arrays of ints, a push: 8.3 ns; so 0.6). Not more than that, for twice a chunk's
 * capacity is to fit in the next chunk, which is twice as large but for the header.
 */
static size_t wanted(size_t cap, size_t size)
{
	if (cap == 0)
		return size == 1 ? 32 : size <= 64 ? 4 : 1;
	return num_add(num_mul(cap, 2), cap * size < 1024 ? 0 : size < 32 ? 32 / size : 1);
}

bump_vec_room_t vec_grow(bump_t *bump, void *data, size_t len, size_t cap, size_t n, size_t size,
			 size_t align, const char *function)
{
	struct arena *a = arena_of(bump);
	char *memory = (char *)data;

	if (!arena_usable(a, function))
		return (bump_vec_room_t){NULL, EINVAL};

	size = num_max(size, 1); /* GNU C has empty structs */
	const size_t need = num_add(len, n);
	const size_t want = num_max(need, wanted(cap, size));
	/* Of bytes the arena gives a multiple of 8 anyway. */
	const struct vec_request request = {need, size == 1 ? num_up(want, 8) : want, size, align};
	size_t room;

	room = memory != NULL ? extend(a, memory, cap, &request) : start(a, &memory, &request);
	if (room == 0)
		room = move(a, &memory, len, &request, function);
	if (room == 0)
		return (bump_vec_room_t){NULL, (size_t)errno};
	return (bump_vec_room_t){memory, room};
}

bump_vec_room_t bump_vec_grow_(bump_t *bump, void *data, size_t len, size_t cap, size_t n,
			       size_t size, size_t align, const char *function)
{
	return vec_grow(bump, data, len, cap, n, size, align, function);
}

void *vec_finish(bump_t *bump, void *data, size_t len, size_t cap, size_t size, size_t align,
		 const char *function)
{
	struct arena *a = arena_of(bump);

	if (!arena_usable(a, function))
		return NULL;
	if (data == NULL)
		return arena_alloc(a, 0, align, function);
	size = num_max(size, 1);
	(void)arena_resize(a, (char *)data, cap * size, num_max(len * size, 1)); /* it shrinks */
	return data;
}

void *bump_vec_finish_(bump_t *bump, void *data, size_t len, size_t cap, size_t size, size_t align,
		       const char *function)
{
	return vec_finish(bump, data, len, cap, size, align, function);
}

void *bump_vec_popped_none_(void *zero, size_t size)
{
	misuse("bump_vec_pop", "the array has no element");
	return san_zero(zero, size);
}
