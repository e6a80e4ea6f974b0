/* SPDX-License-Identifier: MIT */
/*
 * Reading an arena: statistics, its limit, and the walk over its chunks. Deferred functions of the
 * arena may call all of this, because nothing is freed while they run.
 *
 * Only the arena's owner may. What others see of a member that is out comes from its snapshot, in
 * the pool.
 */

#include "arena/arena.h"

#include <errno.h>

#include "base/check.h"
#include "base/san.h"

/*
 * What the next chunk would hold if it were a spare one. 0: no spare chunk serves all requests up to
 * some size, so the source may be asked.
 */
static size_t spare_capacity(const struct arena *a)
{
	const size_t size = spare_largest(a->spare, num_sub(a->limit, a->held));

	return num_sub(chunk_room(num_sub(size, spare_header_offset(a->spare)), a->min_align),
		       a->red_zone);
}

/*
 * The true end, not head.end, which is the position while the arena is closed: INV-HEAD. Without a
 * chunk, as after a reset, the spare ones decide.
 */
size_t bump_capacity(const bump_t *bump)
{
	const struct arena *a = arena_of(bump);

	if (!arena_readable(a, "bump_capacity"))
		return 0;
	return a->chunk != NULL ? (size_t)(a->end - arena_ptr(a)) : spare_capacity(a);
}

size_t bump_min_align(const bump_t *bump)
{
	const struct arena *a = arena_of(bump);

	return arena_readable(a, "bump_min_align") ? a->min_align : 0;
}

/* A standalone arena's limit is its spare lists': they count what is spare as well. */
size_t bump_limit(const bump_t *bump)
{
	const struct arena *a = arena_of(bump);

	if (!arena_readable(a, "bump_limit"))
		return 0;
	if (a->herd == NULL)
		return spare_stats(a->spare).limit;
	return a->limit != SIZE_MAX ? a->limit : 0; /* a member's own; the herd's is another */
}

/* Takes nothing away, not even an empty current chunk: that counts as held. */
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

	*stats = (bump_stats_t){0}; /* also where the call is misuse */
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
		/* Nobody else has these spare chunks, so they are the arena's. */
		const struct spare_stats figures = spare_stats(a->spare);

		stats->reserved = figures.reserved;
		stats->peak = figures.peak;
	}
}

/*
 * Both lists as one, newest first: they are merged by their serials, which fall along each
 * (INV-SERIAL). The current chunk's position is not in its header. The next chunk is read before fn
 * is called, whose result may end the walk.
 */
int arena_each_chunk(const struct arena *a,
		     int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
		     void *ctx)
{
	const struct chunk *c = a->chunk, *large = a->large;
	int result = 0;

	while (result == 0 && (c != NULL || large != NULL)) {
		const struct chunk **list =
			large == NULL || (c != NULL && c->serial > large->serial) ? &c : &large;
		const struct chunk *next = *list;
		const char *position = next == a->chunk ? arena_ptr(a) : next->ptr;

		*list = next->next;
		result = fn(ctx, chunk_start(next), (size_t)(position - chunk_start(next)),
			    chunk_capacity(next));
	}
	return result;
}

/* Headers are verified first, since the walk follows them. */
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
	/* One comparison: below `start` the difference wraps, and is more than any chunk has. */
	return (uintptr_t)ctx - (uintptr_t)start < used;
}

/* Free bytes above a chunk's position are not owned; padding and red zones below it are. */
bool bump_owns(const bump_t *bump, const void *ptr)
{
	const struct arena *a = arena_of(bump);

	return arena_readable(a, "bump_owns") && arena_expect_valid(a, 0, 0, "bump_owns") &&
	       arena_each_chunk(a, chunk_holds, (void *)(uintptr_t)ptr) != 0;
}
