/* SPDX-License-Identifier: MIT */
/*
 * Joining lifetimes without copying: the memory of a herd, or of a standalone arena, becomes
 * another herd's.
 *
 * What an arena holds moves into a receiver: a member of the other herd that is empty. Members
 * themselves can't move. A thread may be in the middle of popping one, or remember it, and would
 * then meet a member of another herd (INV-STABLE).
 *
 * The order is: claim what gives, find all receivers, charge the budget, move. Everything that can
 * fail comes before the first move, and is undone. So a join happens as a whole or not at all.
 */

#include "pool/pool.h"

#include <errno.h>
#include <stdlib.h>

#include "base/misuse.h"

/* A chunk goes back to where it came from, so both have to have the same source. */
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

/* Of an arena that was stripped: a chunk that holds nothing would count, too. */
static bool is_empty(const struct arena *a)
{
	return a->chunk == NULL && a->large == NULL && a->defers == NULL;
}

/*
 * A receiver: an idle member of the herd that holds nothing, claimed, or else one that is made. *at
 * is where the search for idle ones goes on, so that all receivers of a join take one walk. NULL:
 * there is no memory for another member.
 *
 * Stripping gives away chunks, so what is released again is parked first (INV-SNAPSHOT). What is
 * returned is parked by receive() or release_receivers(); until then nobody else sees it.
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

/*
 * Undo receiver_of() for a list: members that were claimed go back to the stack, and those that
 * were made are unmade. The latter have to go in the reverse order: member_unmake() undoes the
 * latest.
 */
static void release_receivers(herd_t *herd, struct member *list)
{
	while (list != NULL) { /* the list is that order */
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

/*
 * A receiver for each member of `from` that holds something, linked in one list: nothing has to be
 * allocated for it. False: there is no memory, and there are no receivers.
 */
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

/*
 * Chunks that hold nothing are as good as spare, and stay with their herd. Parked again, although
 * the members are claimed: where the join fails they are released as they are (INV-SNAPSHOT).
 */
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

/* A limit of one member counts for what moves in, too. Asked before anything moves. */
static bool some_exceeds_limit(const herd_t *into, const herd_t *from)
{
	for (const struct member *m = pool_members(from); m != NULL; m = m->older) {
		if (exceeds_limit(into, m->arena.held))
			return true;
	}
	return false;
}

/* What moves, in bytes of the source: what the other budget has to admit (INV-BUDGET). */
static size_t bytes_held(const herd_t *herd)
{
	size_t bytes = 0;

	for (const struct member *m = pool_members(herd); m != NULL; m = m->older)
		bytes += m->arena.held;
	return bytes;
}

/*
 * Have a receiver take what an arena holds, in constant time. Afterwards it is an idle member like
 * others, so it is listed before it is released: whoever pops it may have to be found by a reset.
 */
static void receive(herd_t *into, struct member *receiver, struct arena *from)
{
	arena_take(&receiver->arena, from);
	member_park(receiver);
	if (!receiver->listed)
		member_list(into, receiver);
	(void)member_release(&into->stack, receiver);
}

/*
 * Why the budget did not admit what moves in: the limit, or a spare chunk that can't go to make room
 * because its header is broken.
 */
static int not_admitted(herd_t *into)
{
	return spare_is_valid(&into->spare) ? ENOMEM : EINVAL;
}

/*
 * With both herds locked. Members of `into` may be out: only receivers are needed. All members of
 * `from` have to be claimed, because what is out may grow while it moves.
 *
 * The bytes are admitted by one budget before the other dismisses them, so for a moment both count
 * them. Counted by neither, a limit could be exceeded.
 */
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
		pool_release_all(from);
		return not_admitted(into);
	}
	for (struct member *m = pool_members(from); m != NULL; m = m->older) {
		if (is_empty(&m->arena))
			continue;

		struct member *receiver = receivers;

		receivers = receiver->cold_next;
		receive(into, receiver, &m->arena);
		member_park(m); /* it is empty now, and its snapshot must say so */
	}
	spare_dismiss(&from->spare, *bytes);
	pool_release_all(from);
	return 0;

fail:
	pool_release_all(from);
	return ENOMEM;
}

/* What can be refused without a lock comes first; these properties of a herd never change. */
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

/*
 * With the herd locked; the standalone arena is the caller's alone. Its spare chunks move along,
 * for nobody is left to use them, so the budget has to admit them, too.
 *
 * What it does not use becomes spare: that can go to any member, and does not count against the limit
 * of one. Not before it is certain that it is adopted, for a failure leaves its marks valid.
 */
static int adopt(herd_t *herd, struct standalone_arena *standalone)
{
	const size_t bytes = spare_stats(&standalone->spare).reserved;
	struct member *at = pool_members(herd);

	const struct arena *a = &standalone->arena;
	const size_t held = a->held - (arena_at_beginning(a) ? a->chunk->size : 0);
	struct member *receiver = exceeds_limit(herd, held) ? NULL : receiver_of(herd, &at);

	if (receiver == NULL)
		return ENOMEM;
	receiver->cold_next = NULL;
	if (!spare_admit(&herd->spare, bytes)) {
		release_receivers(herd, receiver);
		return not_admitted(herd);
	}
	arena_strip(&standalone->arena);
	receive(herd, receiver, &standalone->arena);
	spare_move(&herd->spare, &standalone->spare);
	spare_dismiss(&standalone->spare, bytes);
	return 0;
}

/*
 * An arena in the caller's memory (`block` is NULL) can't be adopted: its first chunk would have to
 * outlive what it lies in. The headers are verified before the lock is taken, because nobody else
 * can change them. The arena's own structure is freed with nothing held.
 */
int herd_adopt(herd_t *herd, bump_t *bump)
{
	struct arena *a = arena_of(bump);

	if (!pool_callable(herd, "herd_adopt"))
		return EINVAL;
	if (a == NULL || a->herd != NULL) {
		misuse("herd_adopt",
		       a == NULL ? "the arena is NULL" : "the arena belongs to a herd");
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
		pool_failed(herd, error == ENOMEM ? NO_MEMORY : HEADER_BROKEN, bytes, "herd_adopt");
		return error;
	}
	spare_done(&standalone->spare);
	free(standalone->block);
	return 0;
}
