/* SPDX-License-Identifier: MIT */
#ifndef HERD_POOL_MEMBER_H
#define HERD_POOL_MEMBER_H

/*
 * A member of a herd: an arena, and the state word that decides who may use it.
 *
 * This file is the whole protocol of checking out. The stack, the hints and the lists only lead to
 * members. Whether a thread has one is a matter of the state word alone. So what leads there may be
 * stale, and may lead several threads to the same member.
 *
 * A member is idle or busy, and independently of that its entry is on the stack or off it:
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
 * INV-STATE:    an idle member is on the stack, or its putter is about to push it. So whoever
 *   searches the stack finds every idle member, and a thread that ends strands none.
 * INV-ONCE:     an entry is pushed only by the one who turned OFF_BUSY into ON_FREE. So it is on
 *   the stack at most once.
 * INV-STABLE:   members are freed with their herd, not before. So a popper that loses reads a stale
 *   link, never freed memory, and a stale hint still leads to a member.
 * INV-OWNER:    everything in a member except its state, link, hints, `local` and snapshot belongs
 *   to whoever made it busy.
 * INV-SNAPSHOT: the chunks that a snapshot leads to are still the member's, and what a walk reads
 *   in their headers does not change. A checkout keeps this: its arena frees no chunk that was
 *   there before, and resizes none of the large ones. A cold operation that changes the chunks of
 *   an idle member parks it again before it unlocks the herd, because walks hold that lock.
 *
 * The memory orders. Time runs downwards; a release pairs with the acquire of the same letter.
 *
 * 1. A member is put back, and claimed on the stack:
 *
 *        last owner                              next owner
 *
 *        use the member, park it
 *    A   exchange the state to ON_FREE,
 *        it was ON_BUSY (release)
 *                                            A'  compare-and-swap the state from ON_FREE
 *                                                to ON_BUSY (acquire)
 *                                                use the member
 *
 *    A with A': what the last owner did to the member happens before what the next owner does.
 *
 * 2. A member that is off the stack is put back, and popped:
 *
 *        last owner                              next owner
 *
 *        use the member, park it
 *    A   exchange the state to ON_FREE,
 *        it was OFF_BUSY (release)
 *    B   push the entry (release)
 *                                            B'  pop the entry (acquire)
 *                                            A"  exchange the state to OFF_BUSY,
 *                                                it was ON_FREE (acquire)
 *                                                use the member
 *
 *    B with B' is not enough: between them a third thread may have claimed the member and put it
 *    back, which touches nothing but the state. So A pairs with A", too, and the A that counts is
 *    the last one. A stands in front of B: if the push came first, the popper could find the member
 *    busy and leave it off, and the putter would then set free what no stack leads to (INV-STATE).
 *
 * 3. A member is popped while it is busy, and put back later:
 *
 *        popper                                  owner
 *
 *    B'  pop the entry
 *    C   exchange the state to OFF_BUSY,
 *        it was ON_BUSY (release)
 *        go on to the next entry
 *                                            C'  exchange the state to ON_FREE,
 *                                                it was OFF_BUSY (acquire)
 *                                            B   push the entry
 *
 *    C with C': the push comes after the pop in the order of the stack's head. Otherwise the entry
 *    would be pushed while it is still there (INV-ONCE).
 *
 * 4. A member is put back, while a walk reads its snapshot:
 *
 *        owner                                   walk, with the herd's lock
 *
 *        write the headers of the chunks
 *    D   store snapshot.chunk (release)
 *    E   store snapshot.large (release)
 *    F   store snapshot.ptr (release)
 *                                            F'  load snapshot.ptr (acquire)
 *                                            D'  load snapshot.chunk (acquire)
 *                                            E'  load snapshot.large (acquire)
 *                                                read the headers
 *
 *    F with F': a walk that sees a position sees the list in which it lies, or a later one. D with
 *    D', E with E': a walk that sees a list sees what its headers say. A later list with an older
 *    position is harmless (INV-SNAPSHOT): the chunks in front of the position's are too new.
 *
 * 5. Beside the protocol: G, a member is listed (pool.h), and H, hints (recent.h). The stack
 *    itself, B, is in base/stack.h.
 *
 * Thread sanitizer and valgrind see neither the stack's assembly nor a library that is not
 * instrumented. san_publish() and san_observe() report A and A', A" and D to F to them.
 */

#include <stdatomic.h>

#include "arena/arena.h"
#include "base/stack.h"
#include "base/thread.h"

/* There is no OFF_FREE: between A and B of a put the state is ON_FREE already. */
enum { ON_FREE, ON_BUSY, OFF_BUSY };

/*
 * What others may see of a member that is out: how it was when it was put back last. The owner
 * writes it at put, `ptr` last, and walks read it in the opposite order: D, E and F. It is also
 * what herd_discard() goes back to.
 */
struct snapshot {
	_Atomic(struct chunk *) chunk, large; /* the lists, newest first; NULL: empty */
	_Atomic size_t used;		      /* bytes that are handed out, in all chunks */
	_Atomic(char *) ptr;		      /* the position; it lies in `chunk` or is nowhere */
};

struct member {
	struct arena arena;	  /* first: a bump_t * is a member's address */
	struct snapshot snapshot; /* also where a checkout began: discard goes back to it */
	size_t used_at_0;	  /* bytes in use if the position were 0, modulo 2^N */
	uint64_t serial; /* of snapshot.chunk, for a discard: headers may be overwritten; 0: none */
	bool listed;	 /* in the herd's list; else a cold operation may still unmake it */
	void *block;	 /* for free(3): heap.h */
	struct member *older;	  /* the next in the herd's list of all members; never changes */
	struct member *cold_next; /* in a list of claimed ones, of who has the herd's lock */
	/*
	 * What other threads touch. It has a cache line of its own, so that a thread which only
	 * tries to claim the member does not slow its owner's allocations down.
	 */
	struct stack_link link __attribute__((aligned(64)));
	_Atomic unsigned state;
	/* Hints, of whoever remembered it last: recent.h. Members of the same herd, or NULL. */
	_Atomic(struct member *) before, after;
	/* The id of the thread whose own member this is: local.c. 0: it is nobody's own. */
	_Atomic uint64_t local;
};

/* --- the state word --- */

static inline struct member *member_of_link(struct stack_link *link)
{
	return (struct member *)(void *)((char *)link - offsetof(struct member, link));
}

/*
 * Relaxed: a hint before a claim, a figure, or a question that is asked where nothing changes it.
 */
static inline bool member_is_free(const struct member *m)
{
	return atomic_load_explicit(&m->state, memory_order_relaxed) == ON_FREE;
}

/*
 * ON_FREE to ON_BUSY: make an idle member ours, wherever its entry is on the stack. The state is
 * read first, because a swap that fails costs as much as one that succeeds, and takes the cache
 * line from whoever has the member.
 *
 * Acquire (A'): all that the last owner did happens before what we do. It pairs with the release in
 * member_set_free(). Relaxed where the swap fails: then nothing of the member is read. No release:
 * what precedes a claim is handed to nobody by it.
 *
 * The swap must not be a weak one: a member that is idle would count as out, and a reset would
 * report EBUSY for no reason.
 */
static inline bool member_set_busy(struct member *m)
{
	unsigned expected = ON_FREE;

	return member_is_free(m) &&
	       atomic_compare_exchange_strong_explicit(&m->state, &expected, ON_BUSY,
						       memory_order_acquire, memory_order_relaxed);
}

/*
 * Let go of a member that is ours. @return the former state:
 *
 * - ON_BUSY: the member is idle now, and nothing is left to do;
 * - OFF_BUSY: a popper left the entry off, so the caller has to push it, and only the caller
 *   (INV-ONCE);
 * - ON_FREE: it was idle already, and still is. Two threads put it back: that is misuse.
 *
 * Release (A): all that we did to it happens before what its next owner does. It pairs with the
 * acquires in member_set_busy() and member_pop(). Acquire (C'), for a member that was left off: our
 * push comes after the pop, whose exchange this pairs with.
 *
 * The member may be another thread's as soon as this returns, so nothing of it is read afterwards;
 * its entry is still the caller's where the state was OFF_BUSY.
 */
static inline unsigned member_set_free(struct member *m)
{
	return atomic_exchange_explicit(&m->state, ON_FREE, memory_order_acq_rel);
}

/*
 * Claim an idle member. False: it is out, or another thread was faster. A process with one thread
 * takes no locked instruction; a thread that it starts later sees all of this, because
 * pthread_create() orders it.
 */
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

/*
 * Pop an idle member; NULL where the stack has none. Entries of members that were claimed since
 * they were pushed are left off, and their owners push them again. So such an entry costs the
 * poppers one step in all, and does not stand in the way of every pop.
 */
static inline struct member *member_pop(struct stack *stack)
{
	struct stack_link *link;

	while ((link = stack_pop(stack)) != NULL) {
		struct member *m = member_of_link(link);

		/*
		 * Acquire (A"): pairs with the release in member_set_free(). The order of the pop
		 * is not enough: since the push another thread may have claimed the member and put
		 * it back, which leaves no trace except in the state. Release (C), for the owner of
		 * a member that is left off: its acquire in member_set_free() orders its push after
		 * our pop.
		 */
		if (atomic_exchange_explicit(&m->state, OFF_BUSY, memory_order_acq_rel) ==
		    ON_FREE) {
			san_observe(&m->state);
			return m;
		}
	}
	return NULL;
}

/*
 * Put back a member that is ours, and parked. False: it was idle already, and still is. It takes no
 * lock and calls nothing, so it is also what ends of threads and of cold operations use.
 */
static inline bool member_release(struct stack *stack, struct member *m)
{
	san_publish(&m->state);
	const unsigned former = member_set_free(m);

	if (former == OFF_BUSY)
		stack_push(stack, &m->link);
	return former != ON_FREE;
}

/*
 * Close the arena, and let others see how it is. The caller has the member, and the next step is
 * member_release(), or nothing where it goes on to change the member.
 *
 * Closing is what makes a stale holder's next allocation a call, which reports the misuse.
 *
 * INV-SNAPSHOT: whoever changed the chunks of a member calls this afterwards, also where the member
 * was parked already. `seq` counts such changes, so in most checkouts, where no chunk came or went,
 * only the position is new. `checkout_seq` is what the arena compares with in order to leave alone
 * what a snapshot leads to.
 */
static inline void member_park(struct member *m)
{
	struct arena *a = &m->arena;

	arena_close(a, CLOSED_PARKED);
	if (a->checkout_seq != a->seq) {
		a->checkout_seq = a->seq;
		m->used_at_0 = arena_used(a) - (uintptr_t)arena_ptr(a);
		m->serial = a->serial;
		atomic_store_explicit(&m->snapshot.chunk, a->chunk, memory_order_release);
		atomic_store_explicit(&m->snapshot.large, a->large, memory_order_release);
	}
	/*
	 * Release, all three (D, E, F): pair with the acquires in member_each_chunk(). Relaxed for
	 * `used`: it is a number by itself. It follows the position by one addition, because
	 * used_at_0 changes only with the lists.
	 */
	atomic_store_explicit(&m->snapshot.used, m->used_at_0 + (uintptr_t)arena_ptr(a),
			      memory_order_relaxed);
	atomic_store_explicit(&m->snapshot.ptr, arena_ptr(a), memory_order_release);
}

/* --- a thread's own member --- */

/* The id of this thread, never reused. 0: it never had a member of its own. */
extern THREAD_LOCAL uint64_t my_thread_id;

/*
 * Whether a member that is out is this thread's own. Otherwise it is another's, or nobody's own.
 * Relaxed: the word is this thread's id only if this thread wrote it. It is taken away by this
 * thread, or by herd_recall(), whose caller guarantees that no thread uses a member.
 */
static inline bool member_is_mine(const struct member *m)
{
	return my_thread_id != 0 &&
	       atomic_load_explicit(&m->local, memory_order_relaxed) == my_thread_id;
}

/*
 * A member that is ours is nobody's own any more. The flag is read first, because the word lies on
 * the line that other threads touch, and few members are some thread's own.
 */
static inline void member_disown(struct member *m)
{
	if ((m->arena.flags & IS_LOCAL) == 0)
		return;
	m->arena.flags &= ~(unsigned)IS_LOCAL;
	atomic_store_explicit(&m->local, 0, memory_order_relaxed);
}

#endif
