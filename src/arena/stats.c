/* SPDX-License-Identifier: MIT */
/* Looking at an arena: statistics, the walk over its chunks, and the check of its invariants. */

#include "arena/arena.h"

#include <errno.h>

#include "base/check.h"
#include "base/san.h"

size_t bump_capacity(const bump_t *bump)
{
	const struct arena *a = arena_of(bump);

	return arena_readable(a, "bump_capacity") ? (size_t)(a->end - arena_ptr(a)) : 0;
}

size_t bump_min_align(const bump_t *bump)
{
	const struct arena *a = arena_of(bump);

	return arena_readable(a, "bump_min_align") ? a->min_align : 0;
}

size_t bump_limit(const bump_t *bump)
{
	const struct arena *a = arena_of(bump);

	if (!arena_readable(a, "bump_limit"))
		return 0;
	if (a->herd == NULL)
		return spare_stats(a->spare).limit;
	return a->limit != SIZE_MAX ? a->limit : 0;
}

void bump_set_limit(bump_t *bump, size_t limit)
{
	struct arena *a = arena_of(bump);

	if (!arena_readable(a, "bump_set_limit"))
		return;
	if (a->herd == NULL)
		spare_set_limit(a->spare, limit);
	else
		a->limit = limit != 0 ? limit : SIZE_MAX;
}

void bump_stats(const bump_t *bump, bump_stats_t *stats)
{
	const struct arena *a = arena_of(bump);

	*stats = (bump_stats_t){0};
	san_defined(stats, sizeof *stats);
	if (!arena_readable(a, "bump_stats"))
		return;

	const struct totals totals = arena_totals(a);

	stats->used = totals.used;
	stats->capacity = totals.capacity;
	stats->chunks = totals.chunks;
	stats->reserved = a->held;
	stats->peak = a->peak;
	if (a->herd == NULL) {
		const struct spare_stats figures = spare_stats(a->spare);

		stats->reserved = figures.reserved;
		stats->peak = figures.peak;
	}
}

/* Both lists as one, newest first. The current chunk's position is not in its header. */
int arena_each_chunk(const struct arena *a,
		     int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
		     void *ctx)
{
	const struct chunk *c = a->chunk, *own = a->large;
	int result = 0;

	while (result == 0 && (c != NULL || own != NULL)) {
		const struct chunk **list =
			own == NULL || (c != NULL && c->serial > own->serial) ? &c : &own;
		const struct chunk *next = *list;
		const char *position = next == a->chunk ? arena_ptr(a) : next->ptr;

		*list = next->next;
		result = fn(ctx, chunk_start(next), (size_t)(position - chunk_start(next)),
			    chunk_capacity(next));
	}
	return result;
}

int bump_each_chunk(const bump_t *bump,
		    int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
		    void *ctx)
{
	const struct arena *a = arena_of(bump);

	if (!arena_readable(a, "bump_each_chunk") ||
	    !arena_expect_valid(a, 0, 0, "bump_each_chunk"))
		return EINVAL;
	return arena_each_chunk(a, fn, ctx);
}

int chunk_holds(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)capacity;
	return (uintptr_t)ctx - (uintptr_t)start < used; /* below `start` it wraps, and is more */
}

bool bump_owns(const bump_t *bump, const void *ptr)
{
	const struct arena *a = arena_of(bump);

	return arena_readable(a, "bump_owns") && arena_expect_valid(a, 0, 0, "bump_owns") &&
	       arena_each_chunk(a, chunk_holds, (void *)(uintptr_t)ptr) != 0;
}
