/* SPDX-License-Identifier: MIT */
/*
 * Growing, shrinking and taking back the newest allocation.
 *
 * An allocation's size is not stored, so the caller passes it. The newest allocation is known by
 * its end, which is the position. A large allocation has a large chunk of its own, and is the
 * newest as long as the position is where it was when it was made. A large one that came before the
 * present checkout never changes, because its end is in its header, which other threads may be
 * reading. The end of others is the position, of which readers have a copy.
 */

#include "arena/arena.h"

#include <errno.h>

#include "base/check.h"
#include "base/misuse.h"
#include "base/san.h"

/*
 * The newest allocation's chunk if it is a large one, else NULL. One whose header is broken is not
 * used; the next reset or rewind reports it.
 */
static struct chunk *newest_large(const struct arena *a)
{
	if (a->large == NULL || a->large->made_at != arena_ptr(a))
		return NULL;
	return chunk_is_whole(a->large) ? a->large : NULL;
}

/* Whether `size` bytes at `ptr` are the newest allocation, and one that may change. */
static bool is_newest(const struct arena *a, const char *ptr, size_t size)
{
	const struct chunk *large = newest_large(a);
	const size_t footprint = arena_footprint(a, size);

	if (large != NULL)
		return large->serial > a->checkout_seq && ptr >= chunk_start(large) &&
		       ptr < large->ptr && footprint == (size_t)(large->ptr - ptr);
	return a->chunk != NULL && ptr >= chunk_start(a->chunk) && ptr < arena_ptr(a) &&
	       footprint == (size_t)(arena_ptr(a) - ptr);
}

/*
 * Retire what an allocation lost, or let the program use what it gained. Also of one that is not
 * the newest: then its bytes stay taken, but a tool reports accesses, and secrets are cleared.
 */
static void retire_or_give(const struct arena *a, char *ptr, size_t old_size, size_t new_size)
{
	if (new_size < old_size)
		arena_retire(a, ptr + new_size, ptr + old_size);
	else if (arena_is_instrumented(a))
		san_fresh(ptr + old_size, new_size - old_size);
}

/* Resize the newest allocation in place. False: there is no room, and nothing was changed. */
static bool resize_newest(struct arena *a, char *ptr, size_t old_size, size_t new_size)
{
	struct chunk *large = newest_large(a);
	char *const end = large != NULL ? large->end : a->end;
	char *const from = large != NULL ? large->ptr : arena_ptr(a);
	const size_t footprint = arena_footprint(a, new_size);

	if (footprint > (size_t)(end - ptr))
		return false;
	arena_end_reservation(a, arena_ptr(a));
	if (large != NULL) {
		totals_subtract(&a->older, large);
		chunk_set_ptr(large, ptr + footprint);
		totals_add(&a->older, large); /* INV-OLDER */
		a->seq++;		      /* a reservation is no longer valid */
	} else {
		if (ptr + footprint < from)
			arena_lower(a, ptr + footprint);
		else
			arena_set_ptr(a, ptr + footprint);
	}
	retire_or_give(a, ptr, old_size, new_size);
	return true;
}

/* What shrinks always can, and what grows into its own rounding takes nothing from others. */
bool arena_resize(struct arena *a, char *ptr, size_t old_size, size_t new_size)
{
	if (is_newest(a, ptr, old_size))
		return resize_newest(a, ptr, old_size, new_size);
	if (new_size > old_size && arena_footprint(a, new_size) != arena_footprint(a, old_size))
		return false;
	retire_or_give(a, ptr, old_size, new_size);
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
	/* Shrinking never moves, not even for a higher alignment. */
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

/* Take the newest large chunk out of its list, and make it a spare one. Takes the spare lock. */
static void drop_large(struct arena *a, struct chunk *large)
{
	CHECK(a->large == large);
	a->large = large->next;
	if (a->large == NULL)
		a->large_oldest = NULL;
	a->seq++;
	a->held -= large->size;
	totals_subtract(&a->older, large);
	spare_return(a->spare, large, large, large->size);
}

/* False is no failure: the memory is freed with everything else. */
bool bump_free_last(bump_t *bump, void *ptr, size_t size)
{
	struct arena *a = arena_of(bump);
	struct chunk *large = newest_large(a);

	/* A destructor may take its object back; no misuse, and all is freed in a moment. */
	if ((a->flags & CLOSED_DEFERS) != 0)
		return false;
	if (!arena_usable(a, "bump_free_last") || ptr == NULL ||
	    !is_newest(a, (const char *)ptr, size))
		return false;
	arena_end_reservation(a, arena_ptr(a));
	/* Before the chunk is spare: from then on it is not ours. */
	arena_retire(a, (char *)ptr, (char *)ptr + arena_footprint(a, size));
	if (large != NULL) {
		drop_large(a, large);
	} else {
		arena_lower(a, (char *)ptr);
	}
	return true;
}
