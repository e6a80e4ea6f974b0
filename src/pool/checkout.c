/* SPDX-License-Identifier: MIT */
/*
 * The pool: checking out and putting back.
 *
 * Claim first, stack second. A thread remembers, per herd, members that it got or put. If one is
 * idle, a compare-and-swap on the member's own state word has it, and no line is touched that all
 * threads touch. Else one is popped; else one is made. An idle member is always on the stack, so a
 * thread that ends strands nothing.
 */

#include "pool/pool.h"

#include <errno.h>

#include "base/misuse.h"
#include "base/probe.h"

/* The out-of-line definitions of what the header inlines. */
extern inline void herd_scope_leave_(herd_scope_t *scope);
extern inline herd_scope_t herd_scope_enter_(herd_t *herd);

/* --- what a thread remembers --- */

/*
 * Hints, of each of a few herds, which keep nobody else from a member:
 *
 * - The member that this thread got or put last; behind it, linked through the members themselves,
 *   those before. The newest are tried first: most likely they are idle, and near.
 * - The members that it had to take from the stack, or to make, in a queue; the oldest are tried.
 *   A thread that only gets, and hands on what it got, finds here what others put back since.
 *
 * Any thread that gets or puts a member may link it into a list of its own; then the other's list
 * goes on there. That is enough: both links lead to members of the same herd only, which live as
 * long as the herd does (INV-STABLE), and only the state word says who has one.
 *
 * Release, where a link is written, and acquire, where it is read, pair with each other: a thread
 * that comes to a member on this way only must find its state word made.
 *
 * Keyed by the herd's id, which is never reused: a herd that was destroyed can't be mistaken for
 * one made since.
 */
enum {
	RECENT = 4,    /* herds */
	TRIES = 2,     /* the newest so many members are tried, and of the queue the oldest */
	PATIENCE = 32, /* after so many misses in a row these are forgotten: count_miss() */
};

struct recent {
	uint64_t herd;
	struct member *member;		/* the last one, not NULL */
	struct member *oldest, *newest; /* the queue; newest counts only where oldest is not NULL */
};

/* 0: every checkout goes through the stack. bench/checkout measures what claiming gains. */
#ifndef HERD_CLAIM
#define HERD_CLAIM 1
#endif

THREAD_LOCAL uint64_t my_thread_id;
static THREAD_LOCAL struct recent recent[RECENT];
/* Of each queue, in a row: beside it, for the fast path indexes the other. */
static THREAD_LOCAL unsigned misses[RECENT];

static size_t index_of(const herd_t *herd)
{
	return (size_t)(herd->id % RECENT);
}

static struct recent *recent_of(const herd_t *herd)
{
	return &recent[index_of(herd)];
}

/* Have the next checkout try `m` first, which is ours. */
static void remember(const herd_t *herd, struct member *m)
{
	struct recent *r = recent_of(herd);

	if (r->herd != herd->id) {
		*r = (struct recent){.herd = herd->id, .member = m};
		misses[index_of(herd)] = 0;
	}
	if (r->member == m)
		return;
	atomic_store_explicit(&m->before, r->member, memory_order_release);
	r->member = m;
}

/* Append a member; if it is in the queue already, what is behind it is forgotten. */
static void enqueue(struct recent *r, struct member *m)
{
	atomic_store_explicit(&m->after, NULL, memory_order_relaxed);
	if (r->oldest == NULL)
		r->oldest = m;
	else if (r->newest != m)
		atomic_store_explicit(&r->newest->after, m, memory_order_release);
	r->newest = m;
}

/* Claim one of the oldest of the queue, and append it; those before it are forgotten. */
static struct member *claim_oldest(const herd_t *herd)
{
	struct recent *r = recent_of(herd);
	struct member *m = r->oldest;

	for (unsigned i = 0; i < TRIES && m != NULL; i++) {
		struct member *after = atomic_load_explicit(&m->after, memory_order_acquire);

		if (member_claim(m)) {
			r->oldest = after;
			misses[index_of(herd)] = 0;
			enqueue(r, m);
			return m;
		}
		m = after;
	}
	return NULL;
}

/*
 * A member was idle, and none that this thread tried was. What is out is most likely back soon, the
 * oldest first; but members that stay out for long must not keep this thread from those behind them.
 */
static void count_miss(const herd_t *herd)
{
	struct recent *r = recent_of(herd);

	if (r->herd != herd->id || ++misses[index_of(herd)] < PATIENCE)
		return;
	misses[index_of(herd)] = 0;
	for (unsigned i = 0; i < TRIES && r->oldest != NULL; i++)
		r->oldest = atomic_load_explicit(&r->oldest->after, memory_order_acquire);
}

/* Claim a member that this thread remembers; NULL: none was found idle. */
static struct member *claim_recent(const herd_t *herd)
{
	struct recent *r = recent_of(herd);

	if (!HERD_CLAIM || r->herd != herd->id)
		return NULL;

	struct member *m = r->member;

	for (unsigned i = 0; i < TRIES && m != NULL; i++) {
		if (member_claim(m))
			return r->member = m;
		m = atomic_load_explicit(&m->before, memory_order_acquire);
	}
	return claim_oldest(herd);
}

/* Open a member that is ours. Inlined: compilers take a probe for more code than it is. */
static inline __attribute__((always_inline)) bump_t *check_out(const herd_t *herd, struct member *m)
{
	arena_count(&m->arena.epoch);
	arena_open(&m->arena, CLOSED_PARKED);
	PROBE2(get, herd, &m->arena.head);
	return &m->arena.head;
}

/* --- get --- */

/* Remember a member that no hint led to. */
static struct member *found(const herd_t *herd, struct member *m)
{
	remember(herd, m);
	enqueue(recent_of(herd), m);
	return m;
}

static struct member *pop(herd_t *herd)
{
	struct member *m = member_pop(herd);

	if (m == NULL)
		return NULL;
	count_miss(herd);
	return found(herd, m);
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
	return found(herd, m);
}

/* Whatever the fast path does not do. */
static __attribute__((noinline)) bump_t *get_slow(herd_t *herd, bool make, const char *function)
{
	if (!pool_callable(herd, function))
		return NULL;

	struct member *m = claim_recent(herd);

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
	remember(herd, m);
	member_disown(m);
	member_park(m);
	if (!member_release(herd, m)) /* two threads put it at the same time */
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
