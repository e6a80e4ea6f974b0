/* SPDX-License-Identifier: MIT */
/*
 * Growth of an array in an arena, and its end. A string is an array of chars: str.c.
 *
 * An array knows its room, and the arena finds by it whether the array is the newest allocation.
 * Then it grows in place. Otherwise it moves, and its old bytes stay allocated until all is freed:
 * an arena frees nothing in the middle.
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
	size_t need; /* the least that serves */
	size_t want; /* need <= want */
	size_t size; /* of an element, in bytes; not 0 */
	size_t align;
};

/*
 * The room, in elements, that so many bytes give: what is wanted, or all that fits; 0 where that is
 * less than what is needed.
 */
static size_t fitting(const struct vec_request *request, size_t bytes)
{
	if (HERD_LIKELY(num_mul(request->want, request->size) <= bytes))
		return request->want; /* and no division */

	const size_t most = bytes / request->size;

	return most >= request->need ? most : 0;
}

/*
 * How far the array at `data` could reach if it is the newest allocation, in bytes. 0: it is in a
 * chunk that is not the current one. Whether it is the newest is for arena_resize() to find.
 */
static size_t array_reach(const struct arena *a, const char *data)
{
	const struct chunk *const large = a->large;
	const char *end = a->end;

	if (large != NULL && data >= chunk_start(large) && data < large->end)
		end = large->end;
	else if (a->chunk == NULL || data < chunk_start(a->chunk) || data >= end)
		return 0;
	return num_sub((size_t)(end - data), a->red_zone);
}

/*
 * What arena_resize() does, in the usual case: the array ends at the position, there is no large
 * chunk, the current one has all that is wanted, no tool checks memory, and nothing is reserved
 * that would have to be retired. The position only rises, so there is nothing to retire either.
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

/*
 * Grow in place. Less than what is wanted will do there, if it is enough, since moving costs a
 * copy. The room in elements, or 0.
 */
static size_t extend(struct arena *a, char *data, size_t cap, const struct vec_request *request)
{
	if (HERD_LIKELY(extend_at_once(a, data, cap, request)))
		return request->want;

	const size_t room = fitting(request, array_reach(a, data));

	return room != 0 && arena_resize(a, data, cap * request->size, room * request->size) ? room
											     : 0;
}

/* Start an array in the current chunk, in the same way. The room in elements, or 0. */
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
 * New memory: as much as is wanted; as much as is needed, where there is not so much, for example
 * under a limit. The room in elements, or 0: the failure was reported, and the array is as it was.
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
 * The room that an array wants that has to grow, in elements. At first these are 4, where an
 * element is no larger than a cache line; a string starts with 32 bytes.
 *
 * Then it is twice its room, and half a cache line more. With powers of two, arrays that grow
 * alternately would lie at distances that are powers of two as well, and the lines that they write
 * to would share a set of the cache (measured with 64 arrays of ints, per push: 8.3 ns, and with
 * this 0.6 ns). Not more than half a line, and only from 1 KiB on: twice a chunk's capacity has to
 * fit in the next chunk, which is twice as large except for the header.
 */
static size_t wanted(size_t cap, size_t size)
{
	if (cap == 0)
		return size == 1 ? 32 : size <= 64 ? 4 : 1;
	return num_add(num_mul(cap, 2), cap * size < 1024 ? 0 : size < 32 ? 32 / size : 1);
}

/* In place if that can be done; and in the current chunk before another is asked for. */
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
	/*
	 * Of bytes the arena hands out a multiple of 8 anyway (INV-UNIT), so the array may use
	 * them.
	 */
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
	if (data == NULL) /* a pointer of its own even for an empty array */
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

/*
 * What the inlined pop calls for an empty array; it returns a zero element where misuse() returns.
 */
void *bump_vec_popped_none_(void *zero, size_t size)
{
	misuse("bump_vec_pop", "the array has no element");
	return san_zero(zero, size);
}
