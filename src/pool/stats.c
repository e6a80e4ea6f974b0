/* SPDX-License-Identifier: MIT */
/*
 * Reports on a herd: statistics, walks, ownership.
 *
 * Except herd_each_chunk(), which needs all members, these work while members are out. They do not
 * disturb an owner, and read nothing that an owner writes except its snapshot, the state word and
 * two counters. So a member that is out is reported as it was when it was put back last. Figures of
 * several members are not of one moment.
 *
 * All take the herd's lock. It keeps the chunks that snapshots lead to (INV-SNAPSHOT), and members
 * that another cold operation has claimed from being reported as out.
 */

#include "pool/pool.h"

#include <errno.h>

#include "base/misuse.h"
#include "base/san.h"

/* The lock is not part of what a caller sees of a herd, so it is taken for a const one, too. */
static herd_t *lockable(const herd_t *herd)
{
	return (herd_t *)(uintptr_t)herd;
}

/*
 * The budget's figures are of one moment, under the spare lock; the members' are not. Without the
 * herd's lock, members that a cold operation claimed one by one may count as out.
 */
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
		/* Relaxed, both: numbers by themselves. */
		stats->used += atomic_load_explicit(&m->snapshot.used, memory_order_relaxed);
	}
	if (atomic_load_explicit(&herd->seized, memory_order_relaxed))
		stats->out = 0;
}

/*
 * Zeroed where it is misuse, so that a caller who goes on reads no garbage.
 *
 * A thread that is in a deferred function or another callback may have a herd's lock. Two such threads
 * that asked for each other's herds would wait for ever. So they do not wait: what is read is safe to
 * read without the lock.
 */
void herd_stats(const herd_t *herd, herd_stats_t *stats)
{
	*stats = (herd_stats_t){0};
	if (pool_callable(herd, "herd_stats")) {
		const bool locked = pool_lock_unless_called(lockable(herd));

		pool_figures(lockable(herd), stats);
		if (locked)
			pool_unlock(lockable(herd));
	}
	san_defined(stats, sizeof *stats);
}

/*
 * fn is the program's, and gets pointers to what members hold, so all members are claimed
 * meanwhile. Cancellation is off, as in pool_lock().
 */
int herd_each_chunk(herd_t *herd,
		    int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
		    void *ctx)
{
	int result = pool_seize(herd, "herd_each_chunk");

	if (result != 0)
		return result;
	for (struct member *m = pool_members(herd); m != NULL && result == 0; m = m->older)
		result = arena_each_chunk(&m->arena, fn, ctx);
	pool_let_go(herd);
	return result;
}

/*
 * The owner may be working, or just putting the member back. What the snapshot leads to stays while
 * the herd is locked (INV-SNAPSHOT). A snapshot that is being replaced may show a newer list with
 * an older position. Then the chunks in front of the one that holds the position are too new, and
 * are skipped. Of the chunk that holds it only `end` and `next` are read, because its header's
 * `ptr` is written when the owner goes on to another chunk; behind it all headers are at rest.
 */
int member_each_chunk(const struct member *m,
		      int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
		      void *ctx)
{
	/*
	 * Acquire, all three (F', D', E'): pair with the releases in member_park(), in the opposite
	 * order. A position that was seen lies in a list that is seen, and a list that was seen has
	 * headers that are seen.
	 */
	const char *position = atomic_load_explicit(&m->snapshot.ptr, memory_order_acquire);
	const struct chunk *c = atomic_load_explicit(&m->snapshot.chunk, memory_order_acquire);
	const struct chunk *large = atomic_load_explicit(&m->snapshot.large, memory_order_acquire);
	int result = 0;

	san_observe((void *)(uintptr_t)&m->state); /* all up to the put that wrote it */
	while (c != NULL && (position < chunk_start(c) || position > c->end))
		c = c->next;
	for (; c != NULL && result == 0; c = c->next) {
		result = fn(ctx, chunk_start(c), (size_t)(position - chunk_start(c)),
			    chunk_capacity(c));
		position = c->next != NULL ? c->next->ptr : NULL;
	}
	for (; large != NULL && result == 0; large = large->next)
		result = fn(ctx, chunk_start(large), chunk_used(large), chunk_capacity(large));
	return result;
}

/* Both are counted up by a reset, so their difference is the number of checkouts. */
uint64_t member_checkouts(const struct member *m)
{
	return arena_epoch(&m->arena) -
	       atomic_load_explicit(&m->arena.resets, memory_order_relaxed);
}

/* Memory of a member that is out, and was allocated since its checkout, is not found. */
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
