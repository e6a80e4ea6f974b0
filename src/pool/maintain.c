/* SPDX-License-Identifier: MIT */
/*
 * The ends and beginnings of phases: reset, trim, warm, limit. All are cold operations: one at a
 * time.
 */

#include "pool/pool.h"

#include <errno.h>

#include "base/misuse.h"
#include "source/os.h"
#include "base/probe.h"
#include "pool/registry.h"

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
	if (herd->keep != SIZE_MAX)
		(void)spare_trim(&herd->spare, herd->keep == 1 ? 0 : herd->keep);
	if (HERD_DEEP_CHECKS)
		pool_check(herd);
	PROBE1(reset, herd);
	pool_let_go(herd);
	return 0;
}

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

static bool has_room(const struct arena *a, size_t size)
{
	return warm_reach(a, size) <= (size_t)(a->end - arena_ptr(a));
}

/* Have room for `size` bytes in a member that is ours, its pages backed. NULL, or why not. */
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
		if (a->chunk->faulted < end)
			chunk_set_faulted(a->chunk, end);
	}
	return NULL;
}

/*
 * The next idle member, claimed: first those that have the room already, then the others. *at goes
 * on behind it. NULL: none is left.
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

/* In front of the list: a walk that has begun does not meet it. */
static struct member *make_listed(herd_t *herd, const char **problem)
{
	struct member *m = member_make(herd, herd->bump.first_chunk, problem);

	if (m != NULL)
		member_list(herd, m);
	return m;
}

static void release_list(herd_t *herd, struct member *list)
{
	while (list != NULL) {
		struct member *m = list;

		list = m->cold_next;
		(void)member_release(&herd->stack, m);
	}
}

/* Warmed members are kept claimed until there are enough: so none is counted twice. */
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
 * With the list of herds locked, so that a thread that ends is either done with its members or
 * has not begun. Members are as their threads left them: one that died in a deferred function
 * left it marked so.
 */
static void recall_all(herd_t *herd, void *ctx)
{
	size_t *recalled = (size_t *)ctx;

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

void herd_set_limit(herd_t *herd, size_t limit)
{
	if (!pool_callable(herd, "herd_set_limit"))
		return;
	spare_set_limit(&herd->spare, limit);
	if (limit == 0)
		return;
	/* What a limit allows must not depend on chunks that hold nothing. */
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
