/* SPDX-License-Identifier: MIT */
/*
 * The pool: checking out and putting back.
 *
 * Claim first, stack second. A thread remembers, per herd, members that it got or put. If one is
 * idle, a compare-and-swap on the member's own state word has it, and no line is touched that all
 * threads touch. Else one is popped; else one is made. An idle member is always on the stack, so a
 * thread that ends strands nothing.
 */

#include "pool/recent.h"

#include <errno.h>

#include "base/misuse.h"
#include "base/probe.h"

/* The out-of-line definitions of what the header inlines. */
extern inline void herd_scope_leave_(herd_scope_t *scope);
extern inline herd_scope_t herd_scope_enter_(herd_t *herd);

/* Open a member that is ours. Inlined: compilers take a probe for more code than it is. */
static inline __attribute__((always_inline)) bump_t *check_out(const herd_t *herd, struct member *m)
{
	arena_count(&m->arena.epoch);
	arena_open(&m->arena, CLOSED_PARKED);
	PROBE2(get, herd, &m->arena.head);
	return &m->arena.head;
}

/* --- get --- */

static struct member *pop(herd_t *herd)
{
	struct member *m = member_pop(&herd->stack);

	if (m == NULL)
		return NULL;
	recent_miss(herd);
	recent_found(herd, m);
	return m;
}

/*
 * Making a member takes the lock, so it waits for a reset, which has all members, and then finds
 * them.
 */
static __attribute__((noinline)) struct member *pop_or_make(herd_t *herd, const char *function)
{
	const char *problem;
	struct member *m = pop(herd);

	if (m != NULL)
		return m;
	if (herd->bump.first_chunk == 0) /* else the source is asked */
		pool_lock_briefly(herd);
	else
		pool_lock(herd);
	m = pop(herd);
	if (m == NULL) {
		m = member_make(herd, herd->bump.first_chunk, &problem);
		if (m != NULL)
			member_list(herd, m);
	}
	pool_unlock(herd);
	if (m == NULL) {
		pool_failed(herd, problem, num_max(herd->bump.first_chunk, sizeof *m), function);
		return NULL;
	}
	recent_found(herd, m);
	return m;
}

/* Whatever the fast path does not do. */
static __attribute__((noinline)) bump_t *get_slow(herd_t *herd, bool make, const char *function)
{
	if (!pool_callable(herd, function))
		return NULL;

	struct member *m = recent_claim(herd);

	if (m == NULL)
		m = make ? pop_or_make(herd, function) : pop(herd);
	if (m != NULL)
		return check_out(herd, m);
	if (!make)
		errno = EAGAIN;
	return NULL;
}

/*
 * It calls nothing, so that it saves no register: stores in front of an atomic exchange are
 * waited for.
 */
bump_t *herd_get(herd_t *herd)
{
	const struct recent *r = recent_of(herd);

	if (HERD_LIKELY(HERD_CLAIM && r->herd == herd->id && arena_callbacks == NULL &&
			!san_checks_threads() && member_set_busy(r->member)))
		return check_out(herd, r->member);
	return get_slow(herd, true, "herd_get");
}

bump_t *checkout_get(herd_t *herd, const char *function)
{
	return get_slow(herd, true, function);
}

bump_t *herd_try_get(herd_t *herd)
{
	return get_slow(herd, false, "herd_try_get");
}

/* --- put --- */

static void put_back_already(const char *function)
{
	misuse(function, "the arena is not out: it was put back already");
}

/* Of an arena that is known to be a herd's: others are not aligned as a member is. */
static struct member *member_of(bump_t *bump)
{
	return (struct member *)(void *)bump;
}

/* The member behind an arena that is being put back; NULL: it is misuse, and was reported. */
static struct member *returned(const herd_t *herd, bump_t *bump, const char *function)
{
	const struct arena *a = arena_of(bump);

	if (!pool_callable(herd, function))
		return NULL;
	if (a->herd != herd)
		misuse(function, a->herd == NULL ? "the arena belongs to no herd"
						 : "the arena belongs to another herd");
	else if ((a->flags & CLOSED_PARKED) != 0)
		put_back_already(function);
	else if ((a->flags & IS_LOCAL) != 0 && !member_is_mine(member_of(bump)))
		misuse(function, "the arena is another thread's own: herd_local");
	else
		return member_of(bump);
	return NULL;
}

static void park_and_release(herd_t *herd, struct member *m, const char *function)
{
	recent_note(herd, m);
	member_disown(m);
	member_park(m);
	if (!member_release(&herd->stack, m)) /* two threads put it at the same time */
		put_back_already(function);
}

static __attribute__((noinline)) void put_slow(herd_t *herd, bump_t *bump)
{
	struct member *m = returned(herd, bump, "herd_put");

	if (m == NULL)
		return;
	PROBE2(put, herd, bump);
	park_and_release(herd, m, "herd_put");
}

/* The member was off the stack, or was not out. */
static __attribute__((noinline)) void put_off(herd_t *herd, struct member *m, unsigned former)
{
	if (former == OFF_BUSY)
		stack_push(&herd->stack, &m->link);
	else
		put_back_already("herd_put");
}

/*
 * As herd_get(), it calls nothing unless it has to. That is also where the member is not the one
 * that is remembered as the last.
 */
void herd_put(herd_t *herd, bump_t *bump)
{
	const struct arena *a = arena_of(bump);

	if (bump == NULL)
		return;
	if (HERD_LIKELY(a->herd == herd && recent_of(herd)->member == member_of(bump) &&
			(a->flags & (CLOSED_PARKED | IS_LOCAL)) == 0 && arena_callbacks == NULL &&
			!san_checks_threads())) {
		member_park(member_of(bump));
		PROBE2(put, herd, bump);
		const unsigned former = member_set_free(member_of(bump));

		if (!HERD_LIKELY(former == ON_BUSY))
			put_off(herd, member_of(bump), former);
	} else {
		put_slow(herd, bump);
	}
}

void herd_discard(herd_t *herd, bump_t *bump)
{
	struct member *m = bump != NULL ? returned(herd, bump, "herd_discard") : NULL;

	if (m == NULL)
		return;

	/* Relaxed: only an owner writes its snapshot, and that is us. */
	const struct chunk *chunk = atomic_load_explicit(&m->snapshot.chunk, memory_order_relaxed);
	char *ptr = atomic_load_explicit(&m->snapshot.ptr, memory_order_relaxed);
	struct position to = {chunk != NULL ? chunk->serial : 0, ptr};

	/* What came before the checkout may have shrunk since; what is above that came after. */
	if (m->arena.low_water_epoch == arena_epoch(&m->arena) &&
	    position_before(m->arena.low_water, to))
		to = m->arena.low_water;
	if (arena_expect_valid(&m->arena, to.chunk, m->arena.checkout_seq, "herd_discard") &&
	    arena_rewind(&m->arena,
			 (struct checkpoint){.position = to, .seq = m->arena.checkout_seq},
			 "herd_discard")) {
		PROBE2(discard, herd, bump);
		park_and_release(herd, m, "herd_discard");
	}
}
