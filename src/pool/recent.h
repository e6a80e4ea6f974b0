/* SPDX-License-Identifier: MIT */
#ifndef HERD_POOL_RECENT_H
#define HERD_POOL_RECENT_H

/*
 * What a thread remembers: hints, of each of a few herds, which keep nobody else from a member.
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

#include "base/thread.h"
#include "pool/pool.h"

/* 0: every checkout goes through the stack. bench/checkout measures what claiming gains. */
#ifndef HERD_CLAIM
#define HERD_CLAIM 1
#endif

enum { RECENT_HERDS = 4 };

struct recent {
	uint64_t herd;
	struct member *member;		/* the last one, not NULL */
	struct member *oldest, *newest; /* the queue; newest counts only where oldest is not NULL */
};

extern THREAD_LOCAL struct recent recent_herds[RECENT_HERDS];

static inline struct recent *recent_of(const herd_t *herd)
{
	return &recent_herds[herd->id % RECENT_HERDS];
}

/* Have the next checkout try `m` first, which is ours. */
void recent_note(const herd_t *herd, struct member *m);
/* Note a member that no hint led to, and append it to the queue. */
void recent_found(const herd_t *herd, struct member *m);
/* Claim a member that this thread remembers; NULL: none was found idle. */
struct member *recent_claim(const herd_t *herd);
/*
 * A member was idle, and none that this thread tried was. What is out is most likely back soon, the
 * oldest first; but members that stay out for long must not keep this thread from those behind them.
 */
void recent_miss(const herd_t *herd);

#endif
