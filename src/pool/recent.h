/* SPDX-License-Identifier: MIT */
#ifndef HERD_POOL_RECENT_H
#define HERD_POOL_RECENT_H

/*
 * What a thread remembers of the members that it got and put: hints, for a few herds. They make
 * most checkouts one atomic operation on a cache line that other threads rarely touch. They reserve
 * nothing: any thread may claim or pop a member that another one remembers.
 *
 * - A list: the member that this thread got or put last, and behind it, linked through the members
 *   themselves (`before`), those that came earlier. The newest are tried first, because they are
 *   most likely idle, and in this processor's cache.
 * - A queue: the members that this thread had to take from the stack, or to make, linked by
 *   `after`. The oldest are tried. A thread that only gets, and hands on what it got, finds in the
 *   queue what others put back since; its list would lead to members that are all out.
 *
 * Links are in the members, because a thread's own memory has no room for them and must not be
 * allocated at a checkout. So any thread that gets or puts a member may link it into its own list,
 * and the list of another thread then goes on there. That does no harm: links lead to members of
 * the same herd only, which live as long as the herd does (INV-STABLE); and only the state word
 * decides who has a member. Lists may even be circular, so every search is of bounded length.
 *
 * Order (H): a link is written with release and read with acquire. A thread that comes to a member
 * only on this way must find its state word and its arena made; the thread that wrote the link had
 * the member, and so has seen that.
 *
 * What is remembered is keyed by the herd's id, which is never reused. So a herd that was destroyed
 * can't be mistaken for a new one at the same address. A thread that ends needs no clean-up here. A
 * child of fork(2) forgets all: so whoever remembers a member came by the stack since, which was
 * repaired then (fork.h).
 */

#include "base/thread.h"
#include "pool/pool.h"

/* 0: every checkout goes through the stack. bench/checkout measures what claiming gains. */
#ifndef HERD_CLAIM
#define HERD_CLAIM 1
#endif

/* Herds that a thread uses alternately keep their hints, unless their ids meet in one slot. */
enum { RECENT_HERDS = 4 };

/* The hints of one herd. A slot whose `herd` is another id says nothing of this one. */
struct recent {
	uint64_t herd;			/* its id; 0: the slot was never used */
	struct member *member;		/* the last one, not NULL */
	struct member *oldest, *newest; /* the queue; newest counts only where oldest is not NULL */
};

extern THREAD_LOCAL struct recent recent_herds[RECENT_HERDS];

/* In the header, because the fast paths of get and put look into the slot without a call. */
static inline struct recent *recent_of(const herd_t *herd)
{
	return &recent_herds[herd->id % RECENT_HERDS];
}

/*
 * Have the next checkout try `m` first, which is ours. To be called before it is put back: then
 * another thread may write its links.
 */
void recent_note(const herd_t *herd, struct member *m);
/* The same for a member that no hint led to: append it to the queue, too. */
void recent_found(const herd_t *herd, struct member *m);
/* Claim a member that this thread remembers; NULL: none was found idle. */
struct member *recent_claim(const herd_t *herd);
/*
 * The stack had an idle member, although none that this thread tried was idle. Members that are out
 * are most likely back soon, the oldest first, so the queue is kept for a while. But members that
 * stay out for long must not keep this thread from those behind them: after many misses in a row
 * they leave the queue.
 */
void recent_miss(const herd_t *herd);
/* The thread remembers nothing any more, of any herd. */
void recent_forget(void);

#endif
