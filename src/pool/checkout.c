/* SPDX-License-Identifier: MIT */
/*
 * Checking out and putting back: get, put and discard. The protocol is in member.h, and what a
 * thread remembers in recent.h.
 *
 * A get tries three ways, each dearer than the one before:
 *
 * 1. Claim a member that this thread remembers: one compare-and-swap on the member's own state
 *    word, on a cache line that other threads rarely touch.
 * 2. Pop one from the herd's stack, which is one line for all threads.
 * 3. Make one, under the herd's lock.
 *
 * An idle member is always on the stack, also while threads remember it. So a thread that ends
 * strands nothing, and the third way is needed only where all members are out, or a cold operation
 * has them. A cache of idle members per thread would need no atomic operation at all, but members
 * of threads that sleep, or died, would be missing elsewhere: a prototype grew to 439 MB where 63
 * MB were needed.
 *
 * herd_get and herd_put are written for their usual case. They call nothing there: a function that
 * calls another one saves registers first, and the processor completes stores before an atomic
 * exchange. Whatever is unusual is out of line.
 */

#include "pool/fork.h"
#include "pool/recent.h"

#include <errno.h>

#include "base/misuse.h"
#include "base/probe.h"

/* The out-of-line definitions of what the header inlines. */
extern inline void herd_scope_leave_(herd_scope_t *scope);
extern inline herd_scope_t herd_scope_enter_(herd_t *herd);

/*
 * Open a member that is ours. Its epoch is a new one, so marks of former checkouts are refused.
 * Always inlined: compilers take a probe for more code than it is.
 */
static inline __attribute__((always_inline)) bump_t *check_out(const herd_t *herd, struct member *m)
{
	arena_count(&m->arena.epoch);
	arena_open(&m->arena, CLOSED_PARKED);
	PROBE2(get, herd, &m->arena.head);
	return &m->arena.head;
}

/* --- get --- */

/* Remembered as found: next time this thread may claim it. Nothing was idle where it looked. */
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
 * The stack is asked again under the lock. A reset may have had all members; it is over then, they
 * are back, and none is made: a program whose phases overlap does not grow at each of them.
 *
 * A member is listed before it is handed out, so that resets and walks find it. It never was on the
 * stack: the first put pushes it (OFF_BUSY).
 */
static __attribute__((noinline)) struct member *pop_or_make(herd_t *herd, const char *function)
{
	const char *problem;
	struct member *m = pop(herd);

	if (m != NULL)
		return m;
	if (herd->bump.first_chunk == 0) /* else the source is asked, which may be cancelled in */
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

/*
 * Whatever the fast path does not do: callbacks, sanitizers, other hints, the stack, and making a
 * member if `make` allows it. herd_try_get() does not: EAGAIN means that no member was idle.
 */
static __attribute__((noinline)) bump_t *get_slow(herd_t *herd, bool make, const char *function)
{
	if (!pool_callable(herd, function))
		return NULL;
	fork_repair(herd);

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
 * The usual case: this thread's last member of this herd is idle. In a callback the thread may be
 * in a deferred function of this herd; with a thread checker a claim has to be reported (A'). Both
 * go the long way.
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

/* Found either by the closed arena or, where two threads put it at once, by the state word. */
static void put_back_already(const char *function)
{
	misuse(function, "the arena is not out: it was put back already");
}

/*
 * Of an arena that is known to be a herd's, which is a member's first part: others are not even
 * aligned as a member is. A comparison of the address alone needs no such knowledge.
 */
static struct member *member_of(bump_t *bump)
{
	return (struct member *)(void *)bump;
}

/*
 * The member behind an arena that is being put back; NULL: it is misuse, and was reported. An arena
 * that is in use by another thread can't be told from one that was handed to this thread, which is
 * allowed; only a member that is a thread's own says whose it is.
 */
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

/* The hint first: after the release the member may be another thread's. */
static void park_and_release(herd_t *herd, struct member *m, const char *function)
{
	fork_repair(herd);
	recent_note(herd, m);
	member_disown(m);
	arena_end_reservation(&m->arena, arena_ptr(&m->arena)); /* nobody can commit it any more */
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

/*
 * The usual put is over where the state was ON_BUSY; else the entry is off the stack, or it is
 * misuse.
 */
static __attribute__((noinline)) void put_off(herd_t *herd, struct member *m, unsigned former)
{
	if (former == OFF_BUSY)
		stack_push(&herd->stack, &m->link);
	else
		put_back_already("herd_put");
}

/*
 * The usual case: an arena of this herd that is out, is no thread's own, and is the last one that
 * this thread remembers, so no hint has to be written. The probe comes before the release, while
 * the arena is still this thread's.
 */
void herd_put(herd_t *herd, bump_t *bump)
{
	const struct arena *a = arena_of(bump);

	if (bump == NULL)
		return;
	if (HERD_LIKELY(a->herd == herd && herd != NULL &&
			recent_of(herd)->member == member_of(bump) &&
			(a->flags & (CLOSED_PARKED | CLOSED_RESERVED | IS_LOCAL)) == 0 &&
			arena_callbacks == NULL && !san_checks_threads())) {
		member_park(member_of(bump));
		PROBE2(put, herd, bump);
		const unsigned former = member_set_free(member_of(bump));

		if (!HERD_LIKELY(former == ON_BUSY))
			put_off(herd, member_of(bump), former);
	} else {
		put_slow(herd, bump);
	}
}

/*
 * A put that frees what was allocated since the checkout: a rewind to the snapshot, which says how
 * the member was when it was put back last. `checkout_seq` finds chunks and deferred functions that
 * came since. No header is read before it was verified, so the member knows the chunk's serial.
 *
 * A deferred function may break a header. Then the arena stays out, for the caller to look at, and
 * nothing was freed: arena_rewind() reported it.
 */
void herd_discard(herd_t *herd, bump_t *bump)
{
	struct member *m = bump != NULL ? returned(herd, bump, "herd_discard") : NULL;

	if (m == NULL)
		return;

	/* Relaxed: only an owner writes its snapshot, and that is us. */
	struct position to = {m->serial,
			      atomic_load_explicit(&m->snapshot.ptr, memory_order_relaxed)};

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
