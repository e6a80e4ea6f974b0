/* SPDX-License-Identifier: MIT */
/*
 * Growing, shrinking and taking back the newest allocation, and writing ahead of it (reserve and
 * commit).
 *
 * An allocation's size is not stored. The newest one is known by its end: that is the position. A
 * large request has a chunk of its own, and is the newest as long as the position is where it was
 * then. One that came before the present checkout never changes, because other threads may be
 * walking over it.
 */

#include "arena/arena.h"

#include <errno.h>

#include "base/check.h"
#include "base/misuse.h"
#include "base/san.h"

/*
 * The most room of a reservation, if no more is asked for, where all that is not committed has to be
 * cleared.
 */
#define ZEROED_ROOM ((size_t)4096)

/*
 * The newest allocation's chunk if that has one of its own, else NULL. One whose header is broken is
 * not looked at: the next reset, or rewind, tells of it.
 */
static struct chunk *newest_large(const struct arena *a)
{
	if (a->large == NULL || a->large->made_at != arena_ptr(a))
		return NULL;
	return !arena_has_checksums(a) || checksum_is_valid(a->large) ? a->large : NULL;
}

static bool is_newest(const struct arena *a, const char *ptr, size_t size)
{
	const struct chunk *own = newest_large(a);
	const size_t footprint = arena_footprint(a, size);

	if (own != NULL)
		return own->serial > a->checkout_seq && ptr >= chunk_start(own) && ptr < own->ptr &&
		       footprint == (size_t)(own->ptr - ptr);
	return a->chunk != NULL && ptr >= chunk_start(a->chunk) && ptr < arena_ptr(a) &&
	       footprint == (size_t)(arena_ptr(a) - ptr);
}

/* Mark what a change of size gives to the program, or takes from it. */
static void watch_resize(const struct arena *a, const char *ptr, size_t old_size, size_t new_size)
{
	if (!arena_is_instrumented(a))
		return;
	if (new_size > old_size)
		san_fresh(ptr + old_size, new_size - old_size);
	else
		san_no_access(ptr + new_size, old_size - new_size);
}

/* Resize the newest allocation in place. False: there is no room. */
static bool resize_newest(struct arena *a, char *ptr, size_t old_size, size_t new_size)
{
	struct chunk *own = newest_large(a);
	char *const end = own != NULL ? own->end : a->end;
	char *const from = own != NULL ? own->ptr : arena_ptr(a);
	const size_t footprint = arena_footprint(a, new_size);

	if (footprint > (size_t)(end - ptr))
		return false;
	arena_end_reservation(a, arena_ptr(a));
	if (own != NULL) {
		chunk_set_ptr(own, ptr + footprint, arena_has_checksums(a));
		a->seq++;
		a->older.used = a->older.used - (size_t)(from - chunk_start(own)) + chunk_used(own);
	} else {
		if (ptr + footprint < from)
			arena_lower(a, ptr + footprint);
		else
			arena_set_ptr(a, ptr + footprint);
	}
	watch_resize(a, ptr, old_size, new_size);
	return true;
}

bool arena_resize(struct arena *a, char *ptr, size_t old_size, size_t new_size)
{
	if (new_size < old_size && arena_zeroes(a))
		harden_zero(ptr + new_size, old_size - new_size); /* what shrinks always can */
	if (is_newest(a, ptr, old_size))
		return resize_newest(a, ptr, old_size, new_size);
	if (new_size > old_size && arena_footprint(a, new_size) != arena_footprint(a, old_size))
		return false;
	watch_resize(a, ptr, old_size, new_size);
	return true;
}

void *bump_realloc(bump_t *bump, void *ptr, size_t old_size, size_t new_size, size_t align)
{
	struct arena *a = arena_of(bump);

	if (!arena_usable(a, "bump_realloc"))
		return NULL;
	if (ptr == NULL || !num_is_power_of_2(align))
		return arena_alloc(a, new_size, align, "bump_realloc");

	old_size = num_max(old_size, 1);
	new_size = num_max(new_size, 1);
	const bool stays = new_size <= old_size || num_pad(ptr, num_max(align, a->min_align)) == 0;

	if (stays && arena_resize(a, (char *)ptr, old_size, new_size))
		return ptr;

	void *moved = arena_alloc(a, new_size, align, "bump_realloc");

	return moved != NULL ? san_copy(moved, ptr, num_min(old_size, new_size)) : NULL;
}

bool bump_extend(bump_t *bump, void *ptr, size_t old_size, size_t new_size)
{
	struct arena *a = arena_of(bump);

	if (!arena_usable(a, "bump_extend") || ptr == NULL)
		return false;
	return arena_resize(a, (char *)ptr, num_max(old_size, 1), num_max(new_size, 1));
}

/* Take a chunk of its own out of its list, and make it a spare one. */
static void drop_large(struct arena *a, struct chunk *own)
{
	CHECK(a->large == own);
	a->large = own->next;
	if (a->large == NULL)
		a->large_oldest = NULL;
	a->seq++;
	a->held -= own->size;
	a->older.used -= chunk_used(own);
	a->older.capacity -= chunk_capacity(own);
	a->older.chunks--;
	spare_return(a->spare, own, own, own->size);
}

bool bump_free_last(bump_t *bump, void *ptr, size_t size)
{
	struct arena *a = arena_of(bump);
	struct chunk *own = newest_large(a);

	if ((a->flags & CLOSED_DEFERS) != 0)
		return false; /* a destructor may take its object back: all is freed in a moment */
	if (!arena_usable(a, "bump_free_last") || ptr == NULL ||
	    !is_newest(a, (const char *)ptr, size))
		return false;
	arena_end_reservation(a, arena_ptr(a));
	if (arena_zeroes(a))
		harden_zero(ptr, arena_footprint(a, size));
	if (arena_is_instrumented(a))
		san_no_access(ptr, num_max(size, 1));
	if (own != NULL) {
		drop_large(a, own);
	} else {
		arena_lower(a, (char *)ptr);
	}
	return true;
}

/* Where an allocation at `align` would start in the current chunk, and the bytes it could have. */
static char *tail_at(const struct arena *a, size_t align, size_t *room)
{
	char *const pos = arena_ptr(a);
	const size_t left = (size_t)(a->end - pos);
	const size_t pad = num_pad(pos, align);

	*room = num_sub(left, num_add(pad, a->red_zone));
	return *room != 0 ? pos + pad : pos;
}

/*
 * The room of a reservation at `start`, of the `left` bytes that there are, where all that is not
 * committed has to be cleared: what is asked for. What a former one had there has to be cleared with it.
 */
static size_t zeroed_room(const struct arena *a, const char *start, size_t left, size_t size)
{
	const bool again = (a->flags & CLOSED_RESERVED) != 0;
	const size_t former = again ? num_sub((size_t)a->reservation.pos, (size_t)start) : 0;

	return num_max(num_min(left, num_max(size, ZEROED_ROOM)), former);
}

void *bump_reserve(bump_t *bump, size_t size, size_t align, size_t *room)
{
	struct arena *a = arena_of(bump);
	size_t left;

	if (!arena_usable(a, "bump_reserve"))
		return NULL;
	if (!num_is_power_of_2(align)) {
		errno = EINVAL;
		return NULL;
	}
	size = num_max(size, 1);
	align = num_max(align, a->min_align);

	char *start = tail_at(a, align, &left);

	if (left < size) {
		const char *problem = arena_make_room(a, size, align);

		if (problem != NULL) {
			arena_failed(a, problem, size, "bump_reserve");
			return NULL;
		}
		start = tail_at(a, align, &left);
	}
	CHECK(left >= size);
	if (arena_zeroes(a))
		left = zeroed_room(a, start, left, size);
	if (arena_is_instrumented(a))
		san_fresh(start, left);
	if (room != NULL) {
		*room = left;
		san_defined(room, sizeof *room);
	}
	a->reservation = (struct reservation){start, arena_ptr(a), a->seq};
	if (arena_zeroes(a)) { /* no allocation goes by that */
		a->reservation.pos = start + left;
		arena_close(a, CLOSED_RESERVED);
	}
	return start;
}

void bump_commit(bump_t *bump, void *start, size_t used)
{
	struct arena *a = arena_of(bump);
	char *const from = (char *)start;

	if (!arena_usable(a, "bump_commit"))
		return;
	const bool moved = (a->flags & CLOSED_RESERVED) == 0 && a->reservation.pos != arena_ptr(a);

	if (from == NULL || from != a->reservation.start || moved || a->reservation.seq != a->seq) {
		misuse("bump_commit", "this is not the arena's present reservation");
		return;
	}

	char *const end = arena_zeroes(a) ? a->reservation.pos : a->end - a->red_zone;
	const size_t left = num_sub((size_t)end, (size_t)from);

	if (used > left) {
		misuse("bump_commit", "more bytes are committed than there was room for");
		return;
	}
	arena_end_reservation(a, from + used);
	a->reservation.start = NULL;
	if (arena_is_instrumented(a))
		san_no_access(from + used, left - used);
	if (used != 0)
		arena_set_ptr(a, from + arena_footprint(a, used));
}
