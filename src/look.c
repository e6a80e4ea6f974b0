/* SPDX-License-Identifier: MIT */
/* Looking at an arena: statistics, the walk over its chunks, and the check of its invariants. */

#include "arena.h"

#include <errno.h>

#include "check.h"
#include "san.h"

size_t bump_capacity(const bump_t *bump)
{
	const struct arena *a = arena_of(bump);

	return arena_readable(a, "bump_capacity") ? (size_t)(a->end - arena_pos(a)) : 0;
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
		return spare_figures(a->spare).limit;
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

static struct sums sums_of(const struct arena *a)
{
	struct sums sums = a->below;

	sums.used = arena_used(a);
	if (a->chunk != NULL) {
		sums.capacity += chunk_capacity(a->chunk);
		sums.chunks++;
	}
	return sums;
}

void bump_stats(const bump_t *bump, bump_stats_t *stats)
{
	const struct arena *a = arena_of(bump);

	*stats = (bump_stats_t){0};
	san_defined(stats, sizeof *stats);
	if (!arena_readable(a, "bump_stats"))
		return;

	const struct sums sums = sums_of(a);

	stats->used = sums.used;
	stats->capacity = sums.capacity;
	stats->chunks = sums.chunks;
	stats->reserved = a->held;
	stats->peak = a->peak;
	if (a->herd == NULL) {
		const struct spare_figures figures = spare_figures(a->spare);

		stats->reserved = figures.reserved;
		stats->peak = figures.peak;
	}
}

/* Both lists as one, newest first. The current chunk's position is not in its header. */
int arena_each_chunk(const struct arena *a,
		     int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
		     void *ctx)
{
	const struct chunk *c = a->chunk, *own = a->own;
	int result = 0;

	while (result == 0 && (c != NULL || own != NULL)) {
		const struct chunk **list =
			own == NULL || (c != NULL && c->serial > own->serial) ? &c : &own;
		const struct chunk *next = *list;
		const char *pos = next == a->chunk ? arena_pos(a) : next->ptr;

		*list = next->next;
		result = fn(ctx, chunk_start(next), (size_t)(pos - chunk_start(next)),
			    chunk_capacity(next));
	}
	return result;
}

int bump_each_chunk(const bump_t *bump,
		    int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
		    void *ctx)
{
	const struct arena *a = arena_of(bump);

	return arena_readable(a, "bump_each_chunk") ? arena_each_chunk(a, fn, ctx) : EINVAL;
}

int chunk_holds(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)capacity;
	return (uintptr_t)ctx - (uintptr_t)start < used; /* below `start` it wraps, and is more */
}

bool bump_owns(const bump_t *bump, const void *ptr)
{
	const struct arena *a = arena_of(bump);

	return arena_readable(a, "bump_owns") &&
	       arena_each_chunk(a, chunk_holds, (void *)(uintptr_t)ptr) != 0;
}

static struct chunk *sum_list(struct arena *a, struct chunk *list)
{
	struct chunk *oldest = NULL;

	for (struct chunk *c = list; c != NULL; c = c->next) {
		if (c != a->home) {
			a->held += c->size;
			oldest = c;
		}
		if (c == a->chunk)
			continue;
		a->below.used += chunk_used(c);
		a->below.capacity += chunk_capacity(c);
		a->below.chunks++;
	}
	return oldest;
}

void arena_mend(struct arena *a)
{
	struct chunk *c = a->chunk;
	char *const pos = arena_pos(a);

	a->held = 0;
	a->below = (struct sums){0};
	a->oldest = sum_list(a, a->chunk);
	a->own_oldest = sum_list(a, a->own);
	a->peak = num_max(a->peak, a->held);
	if (c != NULL && pos >= chunk_start(c) && pos <= c->end)
		c->ptr = pos;
	else if (c != NULL)
		c->ptr = chunk_start(c);
	arena_resume(a, c);
	a->clock++;
}

/* One list: its order, its bounds, its sums. */
static void check_list(const struct arena *a, const struct chunk *list, const struct chunk *oldest,
		       size_t *held, struct sums *sums)
{
	uint64_t serial = a->clock + 1;
	const struct chunk *last = NULL;

	for (const struct chunk *c = list; c != NULL; c = c->next) {
		const char *pos = c == a->chunk ? arena_pos(a) : c->ptr;

		CHECK(c->serial < serial);
		CHECK(num_pad(c->end, CHUNK_UNIT) == 0 && num_pad(pos, 8) == 0);
		CHECK(pos >= chunk_start(c) && pos <= c->end);
		serial = c->serial;
		sums->used += (size_t)(pos - chunk_start(c));
		sums->capacity += chunk_capacity(c);
		sums->chunks++;
		if (c == a->home)
			continue;
		*held += c->size;
		last = c;
	}
	CHECK(last == oldest);
}

void arena_check(const struct arena *a)
{
	const struct sums known = sums_of(a);
	struct sums sums = {0};
	size_t held = 0;

	check_list(a, a->chunk, a->oldest, &held, &sums);
	check_list(a, a->own, a->own_oldest, &held, &sums);
	CHECK(held == a->held && a->held <= a->peak);
	CHECK(sums.used == known.used && sums.capacity == known.capacity &&
	      sums.chunks == known.chunks);
	CHECK(a->head.ptr <= a->end);
	CHECK(a->head.end == ((a->flags & CLOSED_ANY) != 0 ? a->head.ptr : a->end));
	for (const struct defer *d = a->defers; d != NULL && d->next != NULL; d = d->next)
		CHECK(d->serial > d->next->serial);
}
