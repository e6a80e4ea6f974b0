/* SPDX-License-Identifier: MIT */
/*
 * Joining lifetimes without copying: the memory of a herd, or of a standalone arena, becomes
 * another herd's.
 *
 * What moves is what an arena holds, into a member made for it; members themselves stay where
 * they are. So a thread that is in the middle of popping one never meets a member of another
 * herd, and INV-STABLE holds.
 */

#include "pool/pool.h"

#include <errno.h>
#include <stdlib.h>

#include "base/misuse.h"

static bool same_source(const herd_source_t *a, const herd_source_t *b)
{
	return a->acquire == b->acquire && a->release == b->release && a->ctx == b->ctx;
}

/*
 * Two herds are locked in the order of their ids, so that two threads that join them crosswise
 * do not wait for each other.
 */
static void lock_both(herd_t *a, herd_t *b)
{
	pool_lock(a->id < b->id ? a : b);
	pool_lock(a->id < b->id ? b : a);
}

static void unlock_both(herd_t *a, herd_t *b)
{
	pool_unlock(a);
	pool_unlock(b);
}

static bool is_empty(const struct arena *a)
{
	return a->chunk == NULL && a->large == NULL && a->defers == NULL;
}

/*
 * A member that holds nothing, to take what an arena holds: an idle one of the herd, or one that
 * is made. *at is where the search goes on. NULL: no memory.
 */
static struct member *receiver_of(herd_t *herd, struct member **at)
{
	const char *problem;

	while (*at != NULL) {
		struct member *m = *at;

		*at = m->older;
		if (!member_claim(m))
			continue;
		arena_strip(&m->arena);
		if (is_empty(&m->arena))
			return m;
		member_park(m);
		(void)member_release(&herd->stack, m);
	}

	return member_make(herd, 0, &problem);
}

static void release_receivers(herd_t *herd, struct member *list)
{
	while (list != NULL) { /* those made last come first */
		struct member *m = list;

		list = m->cold_next;
		if (m->listed) {
			member_park(m);
			(void)member_release(&herd->stack, m);
		} else {
			member_unmake(herd, m);
		}
	}
}

/* A receiver for each member of `from` that holds something, in one list. False: no memory. */
static bool find_receivers(herd_t *into, const herd_t *from, struct member **list)
{
	struct member *at = pool_members(into);

	*list = NULL;
	for (const struct member *m = pool_members(from); m != NULL; m = m->older) {
		if (is_empty(&m->arena))
			continue;

		struct member *receiver = receiver_of(into, &at);

		if (receiver == NULL) {
			release_receivers(into, *list);
			return false;
		}
		receiver->cold_next = *list;
		*list = receiver;
	}
	return true;
}

/* What holds nothing is as good as spare: it stays with its herd. */
static void strip_all(herd_t *herd)
{
	for (struct member *m = pool_members(herd); m != NULL; m = m->older) {
		arena_strip(&m->arena);
		member_park(m);
	}
}

/* Whether a member of `from` holds more than one of `into` may. */
static bool exceeds_limit(const herd_t *into, size_t held)
{
	return into->bump.limit != 0 && held > into->bump.limit;
}

static bool some_exceeds_limit(const herd_t *into, const herd_t *from)
{
	for (const struct member *m = pool_members(from); m != NULL; m = m->older) {
		if (exceeds_limit(into, m->arena.held))
			return true;
	}
	return false;
}

static size_t bytes_held(const herd_t *herd)
{
	size_t bytes = 0;

	for (const struct member *m = pool_members(herd); m != NULL; m = m->older)
		bytes += m->arena.held;
	return bytes;
}

/* Have a receiver take what an arena holds; then it is an idle member like others. */
static void receive(herd_t *into, struct member *receiver, struct arena *from)
{
	arena_take(&receiver->arena, from);
	member_park(receiver);
	if (!receiver->listed)
		member_list(into, receiver);
	(void)member_release(&into->stack, receiver);
}

static int absorb(herd_t *into, herd_t *from, size_t *bytes)
{
	struct member *receivers;

	const int error = pool_claim_all(from);

	if (error != 0)
		return error;
	strip_all(from);
	*bytes = bytes_held(from);
	if (some_exceeds_limit(into, from) || !find_receivers(into, from, &receivers))
		goto fail;
	if (!spare_admit(&into->spare, *bytes)) {
		release_receivers(into, receivers);
		goto fail;
	}
	for (struct member *m = pool_members(from); m != NULL; m = m->older) {
		if (is_empty(&m->arena))
			continue;

		struct member *receiver = receivers;

		receivers = receiver->cold_next;
		receive(into, receiver, &m->arena);
		member_park(m);
	}
	spare_dismiss(&from->spare, *bytes);
	pool_release_all(from);
	return 0;

fail:
	pool_release_all(from);
	return ENOMEM;
}

int herd_absorb(herd_t *into, herd_t *from)
{
	size_t bytes = 0;

	if (!pool_callable(into, "herd_absorb") || !pool_callable(from, "herd_absorb") ||
	    into == from || !same_source(&into->spare.source, &from->spare.source) ||
	    num_max(into->bump.min_align, 1) != num_max(from->bump.min_align, 1) ||
	    into->bump.harden != from->bump.harden)
		return EINVAL;
	lock_both(into, from);
	const int error = absorb(into, from, &bytes);

	unlock_both(into, from);
	if (error == EINVAL)
		misuse("herd_absorb", HEADER_BROKEN);
	if (error == ENOMEM)
		pool_failed(into, NO_MEMORY, bytes, "herd_absorb");
	return error;
}

static int adopt(herd_t *herd, struct standalone_arena *standalone)
{
	const size_t bytes = spare_stats(&standalone->spare).reserved;
	struct member *at = pool_members(herd);

	arena_strip(&standalone->arena);
	struct member *receiver =
		exceeds_limit(herd, standalone->arena.held) ? NULL : receiver_of(herd, &at);

	if (receiver == NULL)
		return ENOMEM;
	receiver->cold_next = NULL;
	if (!spare_admit(&herd->spare, bytes)) {
		release_receivers(herd, receiver);
		return ENOMEM;
	}
	receive(herd, receiver, &standalone->arena);
	spare_move(&herd->spare, &standalone->spare);
	spare_dismiss(&standalone->spare, bytes);
	return 0;
}

int herd_adopt(herd_t *herd, bump_t *bump)
{
	struct arena *a = arena_of(bump);

	if (!pool_callable(herd, "herd_adopt"))
		return EINVAL;
	if (a->herd != NULL) {
		misuse("herd_adopt", "the arena belongs to a herd");
		return EINVAL;
	}
	if (!arena_usable(a, "herd_adopt"))
		return EINVAL;

	struct standalone_arena *standalone = (struct standalone_arena *)(void *)a;
	const size_t bytes = spare_stats(&standalone->spare).reserved;

	if (standalone->block == NULL ||
	    !same_source(&standalone->spare.source, &herd->spare.source) ||
	    a->min_align != num_max(herd->bump.min_align, 1) ||
	    arena_harden(a) != herd->bump.harden)
		return EINVAL;
	if (!arena_is_valid(a, 0, 0) || !spare_is_valid(&standalone->spare)) {
		misuse("herd_adopt", HEADER_BROKEN);
		return EINVAL;
	}
	pool_lock(herd);
	const int error = adopt(herd, standalone);

	pool_unlock(herd);
	if (error != 0) {
		pool_failed(herd, NO_MEMORY, bytes, "herd_adopt");
		return error;
	}
	spare_done(&standalone->spare);
	free(standalone->block);
	return 0;
}
