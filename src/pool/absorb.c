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
	herd_lock(a->id < b->id ? a : b);
	herd_lock(a->id < b->id ? b : a);
}

static void unlock_both(herd_t *a, herd_t *b)
{
	herd_unlock(a);
	herd_unlock(b);
}

static bool is_empty(const struct arena *a)
{
	return a->chunk == NULL && a->own == NULL && a->defers == NULL;
}

/*
 * A member that holds nothing, to take what an arena holds: an idle one of the herd, or one that
 * is made. *at is where the search goes on. NULL: no memory.
 */
static struct member *taker_of(herd_t *herd, struct member **at)
{
	const char *problem;

	while (*at != NULL) {
		struct member *m = *at;

		*at = m->older;
		if (!member_claim(m))
			continue;
		if (is_empty(&m->arena)) {
			arena_give_ready(&m->arena);
			return m;
		}
		(void)member_release(herd, m);
	}

	return herd_make(herd, 0, &problem);
}

static void release_takers(herd_t *herd, struct member *list)
{
	while (list != NULL) { /* those made last come first */
		struct member *m = list;

		list = m->cold_next;
		if (m->listed)
			(void)member_release(herd, m);
		else
			herd_unmake(herd, m);
	}
}

/* A taker for each member of `from` that holds something, in one list. False: no memory. */
static bool find_takers(herd_t *into, const herd_t *from, struct member **list)
{
	struct member *at = members(into);

	*list = NULL;
	for (const struct member *m = members(from); m != NULL; m = m->older) {
		if (is_empty(&m->arena))
			continue;

		struct member *taker = taker_of(into, &at);

		if (taker == NULL) {
			release_takers(into, *list);
			return false;
		}
		taker->cold_next = *list;
		*list = taker;
	}
	return true;
}

/* What is ready in a member is as good as spare: it stays with its herd. */
static void give_what_is_ready(herd_t *herd)
{
	for (struct member *m = members(herd); m != NULL; m = m->older)
		arena_give_ready(&m->arena);
}

/* Whether a member of `from` holds more than one of `into` may. */
static bool exceeds_limit(const herd_t *into, size_t held)
{
	return into->bump.limit != 0 && held > into->bump.limit;
}

static bool some_exceeds_limit(const herd_t *into, const herd_t *from)
{
	for (const struct member *m = members(from); m != NULL; m = m->older) {
		if (exceeds_limit(into, m->arena.held))
			return true;
	}
	return false;
}

static size_t bytes_held(const herd_t *herd)
{
	size_t bytes = 0;

	for (const struct member *m = members(herd); m != NULL; m = m->older)
		bytes += m->arena.held;
	return bytes;
}

/* Have a taker take what an arena holds; then it is an idle member like others. */
static void take(herd_t *into, struct member *taker, struct arena *from)
{
	arena_take(&taker->arena, from);
	member_park(taker);
	if (!taker->listed)
		herd_list(into, taker);
	(void)member_release(into, taker);
}

static int absorb(herd_t *into, herd_t *from, size_t *bytes)
{
	struct member *takers;

	if (!herd_claim_all(from))
		return EBUSY;
	if (!herd_is_sound(from)) {
		herd_release_all(from);
		return EINVAL;
	}
	give_what_is_ready(from);
	*bytes = bytes_held(from);
	if (some_exceeds_limit(into, from) || !find_takers(into, from, &takers))
		goto fail;
	if (!spare_admit(&into->spare, *bytes)) {
		release_takers(into, takers);
		goto fail;
	}
	for (struct member *m = members(from); m != NULL; m = m->older) {
		if (is_empty(&m->arena))
			continue;

		struct member *taker = takers;

		takers = taker->cold_next;
		take(into, taker, &m->arena);
		member_park(m);
	}
	spare_dismiss(&from->spare, *bytes);
	herd_release_all(from);
	return 0;

fail:
	herd_release_all(from);
	return ENOMEM;
}

int herd_absorb(herd_t *into, herd_t *from)
{
	size_t bytes = 0;

	if (!herd_callable(into, "herd_absorb") || !herd_callable(from, "herd_absorb") ||
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
		herd_failed(into, NO_MEMORY, bytes, "herd_absorb");
	return error;
}

static int adopt(herd_t *herd, struct lone_arena *lone)
{
	const size_t bytes = spare_figures(&lone->spare).reserved;
	struct member *at = members(herd);

	arena_give_ready(&lone->arena);
	struct member *taker = exceeds_limit(herd, lone->arena.held) ? NULL : taker_of(herd, &at);

	if (taker == NULL)
		return ENOMEM;
	taker->cold_next = NULL;
	if (!spare_admit(&herd->spare, bytes)) {
		release_takers(herd, taker);
		return ENOMEM;
	}
	take(herd, taker, &lone->arena);
	spare_move(&herd->spare, &lone->spare);
	spare_dismiss(&lone->spare, bytes);
	return 0;
}

int herd_adopt(herd_t *herd, bump_t *bump)
{
	struct arena *a = arena_of(bump);

	if (!herd_callable(herd, "herd_adopt"))
		return EINVAL;
	if (a->herd != NULL) {
		misuse("herd_adopt", "the arena belongs to a herd");
		return EINVAL;
	}
	if (!arena_usable(a, "herd_adopt"))
		return EINVAL;

	struct lone_arena *lone = (struct lone_arena *)(void *)a;
	const size_t bytes = spare_figures(&lone->spare).reserved;

	if (lone->block == NULL || !same_source(&lone->spare.source, &herd->spare.source) ||
	    a->min_align != num_max(herd->bump.min_align, 1) ||
	    arena_harden(a) != herd->bump.harden)
		return EINVAL;
	if (!arena_is_sound(a, 0, 0) || !spare_is_sound(&lone->spare)) {
		misuse("herd_adopt", HEADER_BROKEN);
		return EINVAL;
	}
	herd_lock(herd);
	const int error = adopt(herd, lone);

	herd_unlock(herd);
	if (error != 0) {
		herd_failed(herd, NO_MEMORY, bytes, "herd_adopt");
		return error;
	}
	spare_done(&lone->spare);
	free(lone->block);
	return 0;
}
