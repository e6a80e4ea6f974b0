/* SPDX-License-Identifier: MIT */
#ifndef HERD_POOL_MEMBER_H
#define HERD_POOL_MEMBER_H

/*
 * A member of a herd, and the state word on which checking out rests.
 *
 * A member is idle or busy, and by itself either on the stack or off it:
 *
 *                claim (compare-and-swap)
 *       ON_FREE ----------------------------> ON_BUSY      the entry stays on the stack meanwhile
 *          |    <----------------------------    |
 *          |         put (exchange)              | popped by another thread: exchange; it is left
 *          | popped: exchange; it is the         | off, and whoever has it will push it
 *          | popper's                            v
 *          +------------------------------->  OFF_BUSY
 *          ^        put: ON_FREE, then push      |
 *          +-------------------------------------+
 *
 * INV-STATE:  an idle member is on the stack, or its putter is about to push it. So whoever looks
 *   finds all.
 * INV-ONCE:   an entry is pushed only by the one who turned OFF_BUSY into ON_FREE; so it is on
 *   the stack at most once.
 * INV-STABLE: members are freed with their herd, not before.
 * INV-OWNER:  all of a member but its state, link, hints and snapshot belongs to whoever made it busy.
 *
 * The orders are in the functions below; README.md has a table of them.
 */

#include <stdatomic.h>

#include "arena/arena.h"
#include "base/stack.h"
#include "base/thread.h"

enum { ON_FREE, ON_BUSY, OFF_BUSY };

/*
 * What others may see of a member that is out: how it was when it went out. Written by its owner
 * at put, `ptr` last; read in the opposite order. What it leads to does not change before the
 * next reset.
 */
struct snapshot {
	_Atomic(struct chunk *) chunk, large;
	_Atomic size_t used;
	_Atomic(char *) ptr;
};

struct member {
	struct arena arena;	  /* first: a bump_t * is a member's address */
	struct snapshot snapshot; /* also where a checkout began: discard goes back to it */
	size_t used_at_0;	  /* bytes in use if the position were 0, modulo 2^N */
	bool listed;
	void *block;		  /* for free(3): heap.h */
	struct member *older;	  /* the next in the herd's list of all members; never changes */
	struct member *cold_next; /* in a list of claimed ones, of who has the herd's lock */
	/* What other threads touch, apart from what the owner works with. */
	struct stack_link link __attribute__((aligned(64)));
	_Atomic unsigned state;
	/* Hints, of whoever remembered it last: herd.c. Members of the same herd, or NULL. */
	_Atomic(struct member *) before, after;
	/* The thread whose own member this is, by its id: local.c. 0: no one's. */
	_Atomic uint64_t local;
};

/* --- the state word --- */

static inline struct member *member_of_link(struct stack_link *link)
{
	return (struct member *)(void *)((char *)link - offsetof(struct member, link));
}

/* Relaxed: a hint, or asked where nothing can change it. */
static inline bool member_is_free(const struct member *m)
{
	return atomic_load_explicit(&m->state, memory_order_relaxed) == ON_FREE;
}

/*
 * ON_FREE to ON_BUSY: make an idle member ours, wherever it is. It looks first: a swap that fails
 * costs as much as one that succeeds, and takes the line from whoever has the member.
 * Acquire: all that its last owner did happens before what we do; pairs with the release in
 * member_set_free().
 */
static inline bool member_set_busy(struct member *m)
{
	unsigned expected = ON_FREE;

	return member_is_free(m) &&
	       atomic_compare_exchange_strong_explicit(&m->state, &expected, ON_BUSY,
						       memory_order_acquire, memory_order_relaxed);
}

/*
 * Let go of a member that is ours. Returns the former state: ON_BUSY, and that is all; OFF_BUSY,
 * and we have to push it; ON_FREE, and it was idle already, and still is. Release: all that we
 * did to it happens before what its next owner does; pairs with the acquires in member_set_busy()
 * and member_pop(). The state is set before the push: a thread that pops the member must find it
 * free already, or it would leave it off for good. Acquire, for a member that was left off
 * meanwhile: our push comes after the pop, whose exchange this pairs with.
 */
static inline unsigned member_set_free(struct member *m)
{
	return atomic_exchange_explicit(&m->state, ON_FREE, memory_order_acq_rel);
}

/* Claim an idle member. */
static inline bool member_claim(struct member *m)
{
	if (single_threaded()) { /* nobody else can change it */
		if (!member_is_free(m))
			return false;
		atomic_store_explicit(&m->state, ON_BUSY, memory_order_relaxed);
		return true;
	}
	if (!member_set_busy(m))
		return false;
	san_observe(&m->state);
	return true;
}

/* Pop an idle member; NULL where there is none. */
static inline struct member *member_pop(struct stack *stack)
{
	struct stack_link *link;

	while ((link = stack_pop(stack)) != NULL) {
		struct member *m = member_of_link(link);

		/*
		 * Acquire: as in member_set_busy(). The pop's own order is not enough: since the
		 * push another thread may have claimed the member and put it back, which leaves
		 * no trace but here. Release, for the holder of a member that is left off: its
		 * acquire in member_set_free() orders its push after our pop.
		 */
		if (atomic_exchange_explicit(&m->state, OFF_BUSY, memory_order_acq_rel) ==
		    ON_FREE) {
			san_observe(&m->state);
			return m;
		}
	}
	return NULL;
}

/* Put back a member that is ours, and parked. False: it was idle already, and still is. */
static inline bool member_release(struct stack *stack, struct member *m)
{
	san_publish(&m->state);
	const unsigned former = member_set_free(m);

	if (former == OFF_BUSY)
		stack_push(stack, &m->link);
	return former != ON_FREE;
}

/*
 * Close the arena, and let others see how it is; the next step is member_release(). At most
 * checkouts no chunk came or went: then only the position is new.
 */
static inline void member_park(struct member *m)
{
	struct arena *a = &m->arena;

	arena_close(a, CLOSED_PARKED);
	if (a->checkout_seq != a->seq) {
		a->checkout_seq = a->seq;
		m->used_at_0 = arena_used(a) - (uintptr_t)arena_ptr(a);
		atomic_store_explicit(&m->snapshot.chunk, a->chunk, memory_order_release);
		atomic_store_explicit(&m->snapshot.large, a->large, memory_order_release);
	}
	/*
	 * Release, all three: who sees the new `ptr` sees the lists that it is in, and who sees
	 * those sees what their chunks say; pair with the acquires in survey.c.
	 */
	atomic_store_explicit(&m->snapshot.used, m->used_at_0 + (uintptr_t)arena_ptr(a),
			      memory_order_relaxed);
	atomic_store_explicit(&m->snapshot.ptr, arena_ptr(a), memory_order_release);
}

/* --- a thread's own member --- */

/* Names this thread; never reused. 0: it never had a member of its own. */
extern THREAD_LOCAL uint64_t my_thread_id;

/*
 * Whether a member that is out is this thread's own; else it is another's, or no one's. Relaxed:
 * the ticket is this thread's only if this thread wrote it, or if the herd was told that no
 * thread uses the member.
 */
static inline bool member_is_mine(const struct member *m)
{
	return my_thread_id != 0 &&
	       atomic_load_explicit(&m->local, memory_order_relaxed) == my_thread_id;
}

/* A member that is ours is nobody's own any more. */
static inline void member_disown(struct member *m)
{
	if ((m->arena.flags & IS_LOCAL) == 0)
		return;
	m->arena.flags &= ~(unsigned)IS_LOCAL;
	atomic_store_explicit(&m->local, 0, memory_order_relaxed);
}

#endif
