/* SPDX-License-Identifier: MIT */
/*
 * The ends and beginnings of phases: reset, trim, warm, recall, and the limit. All are cold
 * operations, so one at a time.
 *
 * Reset needs all members, and so does nothing where one is out. The others take the idle members
 * one by one, and leave alone what is out. Whichever changes a member's chunks parks it again
 * before it lets go of it (INV-SNAPSHOT).
 */

#include "pool/fork.h"

#include <errno.h>

#include "base/misuse.h"
#include "source/os.h"
#include "base/probe.h"
#include "pool/registry.h"

/*
 * Costs one step per member, not per chunk: arena_clear() splices a member's chunks to the spare
 * ones. Only where checksums are verified, or freed memory is cleared or poisoned, they are walked.
 *
 * Memory goes back to the source at the end, down to what the configuration keeps, while the
 * members are still claimed: a get that came earlier would take a chunk that is about to go. If a
 * header turns out to be broken, nothing is freed; but deferred functions may have run, each once.
 */
int herd_reset(herd_t *herd)
{
	const int error = pool_seize(herd, "herd_reset");

	if (error != 0)
		return error;
	if (!pool_run_defers(herd, herd->keep != SIZE_MAX)) {
		pool_let_go(herd);
		misuse("herd_reset", HEADER_BROKEN);
		return EINVAL;
	}
	for (struct member *m = pool_members(herd); m != NULL; m = m->older) {
		arena_clear(&m->arena);
		member_park(m);
	}
	if (herd->keep != SIZE_MAX) /* 1 stands for nothing, because 0 is the default: all */
		(void)spare_trim(&herd->spare, herd->keep == 1 ? 0 : herd->keep);
	if (HERD_DEEP_CHECKS)
		pool_check(herd);
	PROBE1(reset, herd);
	pool_let_go(herd);
	return 0;
}

/*
 * A member that is being trimmed is claimed for a moment only. A get that misses it meanwhile finds
 * another one, or waits for the lock and finds it then.
 *
 * In a broken list nothing can be trusted, so the first header that is broken ends the trim. What
 * was stripped until then is spare, which is harmless.
 */
size_t herd_trim(herd_t *herd, size_t keep)
{
	if (!pool_callable(herd, "herd_trim"))
		return 0;
	pool_lock(herd);
	bool valid = spare_is_valid(&herd->spare);

	for (struct member *m = pool_members(herd); m != NULL && valid; m = m->older) {
		if (!member_claim(m))
			continue;
		valid = arena_is_valid(&m->arena, 0, 0);
		if (valid)
			arena_strip(&m->arena);
		member_park(m);
		(void)member_release(&herd->stack, m);
	}
	const size_t given = valid ? spare_trim(&herd->spare, keep) : 0;

	PROBE2(trim, herd, given);
	pool_unlock(herd);
	if (!valid)
		misuse("herd_trim", HEADER_BROKEN);
	return given;
}

/* The bytes up to the end of an allocation of `size`, padding included, at the position. */
static size_t warm_reach(const struct arena *a, size_t size)
{
	const size_t pad = num_pad(arena_ptr(a), num_max(_Alignof(max_align_t), a->min_align));

	return num_add(pad, arena_footprint(a, size));
}

/* Whether a member needs no chunk for the allocation that it is warmed for. */
static bool has_room(const struct arena *a, size_t size)
{
	return warm_reach(a, size) <= (size_t)(a->end - arena_ptr(a));
}

/*
 * Have room for `size` bytes in a member that is ours, in pages that are backed by memory. NULL, or
 * why not. What is written there is free, so contents do not matter; where a sanitizer is there, it
 * would be an access to poisoned memory. `faulted` records what was touched, so that a chunk that
 * is used again is not touched twice.
 */
static const char *warm_member(struct member *m, size_t size)
{
	struct arena *a = &m->arena;

	if (!has_room(a, size)) {
		const char *problem = arena_make_room(a, size, _Alignof(max_align_t));

		if (problem != NULL)
			return problem;
	}
	if (!arena_is_instrumented(a)) {
		char *end = arena_ptr(a) + warm_reach(a, size);

		os_touch(arena_ptr(a), end);
		/* A broken header is left as it is: warming needs nothing of it. */
		if (chunk_is_whole(a->chunk) && a->chunk->faulted < end)
			chunk_set_faulted(a->chunk, end);
	}
	return NULL;
}

/*
 * The next idle member, claimed: first those that have the room already, then the others, so that a
 * herd that is warm already takes no memory. *at is where the walk is, and *others whether it is
 * the second one. NULL: none is left.
 *
 * A member whose room can't be known without claiming it is claimed and released. Nothing in it
 * changed, so it need not be parked.
 */
static struct member *claim_next(herd_t *herd, struct member **at, bool *others, size_t size)
{
	for (;; *at = (*at)->older) {
		if (*at == NULL) {
			if (*others)
				return NULL;
			*others = true;
			*at = pool_members(herd);
			if (*at == NULL)
				return NULL;
		}
		struct member *m = *at;

		if (!member_claim(m))
			continue;
		if (*others || has_room(&m->arena, size))
			return m;
		(void)member_release(&herd->stack, m);
	}
}

/*
 * A new member goes in front of the list, so the walk of claim_next() does not meet it again. It is
 * listed before it is warmed: if that fails, it stays as a member like others.
 */
static struct member *make_listed(herd_t *herd, const char **problem)
{
	struct member *m = member_make(herd, herd->bump.first_chunk, problem);

	if (m != NULL)
		member_list(herd, m);
	return m;
}

/* The lock is still held, so members come back while no other cold operation can miss them. */
static void release_list(herd_t *herd, struct member *list)
{
	while (list != NULL) {
		struct member *m = list;

		list = m->cold_next;
		(void)member_release(&herd->stack, m);
	}
}

/*
 * Warmed members are kept claimed until there are enough, so that none is counted twice: a thread
 * could take one, and put it back behind the walk. A member that failed to get its room is among
 * those that are released. The problem is reported with nothing held.
 */
int herd_warm(herd_t *herd, size_t wanted, size_t bytes_each)
{
	const char *problem = wanted > STACK_ENTRIES ? NO_MEMORY : NULL;

	if (!pool_callable(herd, "herd_warm"))
		return EINVAL;
	pool_lock(herd);
	struct member *at = pool_members(herd);
	struct member *warmed_ones = NULL;
	bool others = false;

	for (size_t warmed = 0; warmed < wanted && problem == NULL; warmed++) {
		struct member *m = claim_next(herd, &at, &others, bytes_each);

		if (m == NULL)
			m = make_listed(herd, &problem);
		if (m == NULL)
			break;
		m->cold_next = warmed_ones;
		warmed_ones = m;
		problem = warm_member(m, bytes_each);
		member_park(m);
	}
	release_list(herd, warmed_ones);
	pool_unlock(herd);
	if (problem == NULL)
		return 0;
	pool_failed(herd, problem, bytes_each, "herd_warm");
	return errno;
}

/*
 * Put back whatever is out, with the herd locked in the registry: so a thread that ends is either
 * done with its members, or has not begun and finds that they are not its own any more.
 *
 * Members are as their threads left them. A thread that died in a deferred function left the arena
 * closed, so it is opened; and one that died in a get left it parked, and parking twice is
 * harmless. Relaxed reads of states are enough, because the caller guarantees that no thread uses a
 * member.
 */
static void recall_all(herd_t *herd, void *ctx)
{
	size_t *recalled = (size_t *)ctx;

	fork_repair_arenas(herd);
	for (struct member *m = pool_members(herd); m != NULL; m = m->older) {
		if (member_is_free(m))
			continue;
		member_disown(m);
		arena_open(&m->arena, CLOSED_DEFERS);
		member_park(m);
		PROBE2(put, herd, &m->arena.head);
		*recalled += member_release(&herd->stack, m);
	}
}

/* The herd is alive, since it is the caller's: the visit is for the lock. */
size_t herd_recall(herd_t *herd)
{
	size_t recalled = 0;

	if (!pool_callable(herd, "herd_recall"))
		return 0;
	pool_lock(herd);
	(void)registry_visit(herd->id, recall_all, &recalled);
	pool_unlock(herd);
	return recalled;
}

/*
 * The new limit counts at once, for gets and allocations that are under way. Chunks that idle
 * members hold for nothing are collected afterwards: what a limit allows must not depend on them.
 */
void herd_set_limit(herd_t *herd, size_t limit)
{
	if (!pool_callable(herd, "herd_set_limit"))
		return;
	spare_set_limit(&herd->spare, limit);
	if (limit == 0)
		return;
	pool_lock(herd);
	for (struct member *m = pool_members(herd); m != NULL; m = m->older) {
		if (!member_claim(m))
			continue;
		arena_strip(&m->arena);
		member_park(m);
		(void)member_release(&herd->stack, m);
	}
	pool_unlock(herd);
}
