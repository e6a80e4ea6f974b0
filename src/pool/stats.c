/* SPDX-License-Identifier: MIT */
/* Looking at a herd while others work: statistics, walks, ownership. */

#include "pool/pool.h"

#include <errno.h>

#include "base/misuse.h"
#include "base/san.h"

/* The lock is not part of what a caller sees of a herd: reading takes it, too. */
static herd_t *lockable(const herd_t *herd)
{
	return (herd_t *)(uintptr_t)herd;
}

/* The lock keeps members that a reset or a walk has claimed from being counted as out. */
void pool_figures(herd_t *herd, herd_stats_t *stats)
{
	const struct spare_stats figures = spare_stats(&herd->spare);

	*stats = (herd_stats_t){.reserved = figures.reserved,
				.peak = figures.peak,
				.spare = figures.bytes,
				.limit = figures.limit};
	for (const struct member *m = pool_members(herd); m != NULL; m = m->older) {
		stats->members++;
		stats->out += !member_is_free(m);
		/* Relaxed: a number by itself. */
		stats->used += atomic_load_explicit(&m->snapshot.used, memory_order_relaxed);
	}
}

void herd_stats(const herd_t *herd, herd_stats_t *stats)
{
	*stats = (herd_stats_t){0};
	if (pool_callable(herd, "herd_stats")) {
		pool_lock(lockable(herd));
		pool_figures(lockable(herd), stats);
		pool_unlock(lockable(herd));
	}
	san_defined(stats, sizeof *stats);
}

int herd_each_chunk(herd_t *herd,
		    int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
		    void *ctx)
{
	struct callback here = {herd, arena_callbacks};
	int result = pool_seize(herd, "herd_each_chunk");

	if (result != 0)
		return result;
	arena_callbacks = &here;
	for (struct member *m = pool_members(herd); m != NULL && result == 0; m = m->older)
		result = arena_each_chunk(&m->arena, fn, ctx);
	arena_callbacks = here.outer;
	pool_let_go(herd);
	return result;
}

/*
 * A member may be out and be working: what its snapshot leads to does not change before the next
 * reset, which the herd's lock excludes. A snapshot that is being replaced may show a new list with
 * an old position; then the chunks in front of the one that holds the position are too new, and
 * are skipped.
 */
int member_each_chunk(const struct member *m,
		      int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
		      void *ctx)
{
	/*
	 * Acquire, all three: pair with the releases in member_park(). Who sees a position sees the
	 * list that it is in, or a later one; who sees a list sees what its chunks say.
	 */
	const char *position = atomic_load_explicit(&m->snapshot.ptr, memory_order_acquire);
	const struct chunk *c = atomic_load_explicit(&m->snapshot.chunk, memory_order_acquire);
	const struct chunk *own = atomic_load_explicit(&m->snapshot.large, memory_order_acquire);
	int result = 0;

	san_observe((void *)(uintptr_t)&m->state); /* all up to the put that showed it */
	while (c != NULL && (position < chunk_start(c) || position > c->end))
		c = c->next;
	for (; c != NULL && result == 0; c = c->next) {
		result = fn(ctx, chunk_start(c), (size_t)(position - chunk_start(c)),
			    chunk_capacity(c));
		position = c->next != NULL ? c->next->ptr : NULL;
	}
	for (; own != NULL && result == 0; own = own->next)
		result = fn(ctx, chunk_start(own), chunk_used(own), chunk_capacity(own));
	return result;
}

uint64_t member_checkouts(const struct member *m)
{
	return arena_epoch(&m->arena) -
	       atomic_load_explicit(&m->arena.resets, memory_order_relaxed);
}

bool herd_owns(const herd_t *herd, const void *ptr)
{
	bool found = false;

	if (!pool_callable(herd, "herd_owns"))
		return false;
	pool_lock(lockable(herd));
	for (const struct member *m = pool_members(herd); m != NULL && !found; m = m->older)
		found = member_each_chunk(m, chunk_holds, (void *)(uintptr_t)ptr) != 0;
	pool_unlock(lockable(herd));
	return found;
}
