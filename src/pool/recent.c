/* SPDX-License-Identifier: MIT */
/*
 * What a thread remembers of the members that it got and put; see recent.h. All of it is the
 * calling thread's own except the links, which are in the members.
 */

#include "pool/recent.h"

enum {
	TRIES = 2,     /* so many of the newest members are tried, and so many of the oldest */
	PATIENCE = 32, /* after so many misses in a row the oldest are forgotten */
};

THREAD_LOCAL struct recent recent_herds[RECENT_HERDS];
/*
 * The misses of each queue in a row. They are not in struct recent, whose size is a power of two
 * where pointers have 64 bits: so the fast path finds a slot with a shift.
 */
static THREAD_LOCAL unsigned char misses[RECENT_HERDS];

static unsigned char *misses_of(const herd_t *herd)
{
	return &misses[herd->id % RECENT_HERDS];
}

/* Where the slot was another herd's, that one's hints are lost: the stack leads to its members. */
void recent_note(const herd_t *herd, struct member *m)
{
	struct recent *r = recent_of(herd);

	if (r->herd != herd->id) {
		*r = (struct recent){.herd = herd->id, .member = m};
		*misses_of(herd) = 0;
	}
	if (r->member == m) /* or the list would be this member over and over */
		return;
	atomic_store_explicit(&m->before, r->member, memory_order_release);
	r->member = m;
}

/*
 * Append a member. If it is in the queue already, what is behind it is forgotten: to find that out
 * would take a walk, and what is forgotten is still on the stack, or out.
 *
 * Relaxed for the end of the queue: NULL leads nowhere, so nothing has to be complete behind it.
 */
static void enqueue(struct recent *r, struct member *m)
{
	atomic_store_explicit(&m->after, NULL, memory_order_relaxed);
	if (r->oldest == NULL)
		r->oldest = m;
	else if (r->newest != m)
		atomic_store_explicit(&r->newest->after, m, memory_order_release);
	r->newest = m;
}

/*
 * Claim one of the oldest of the queue and append it, so that the queue goes round as a pipeline of
 * threads does. Those in front of it are forgotten: they were out longer than their turn.
 *
 * `after` is read first, because enqueue() overwrites it. It may be stale when the member is
 * claimed; a stale link is as good a hint as any other.
 */
static struct member *claim_oldest(const herd_t *herd)
{
	struct recent *r = recent_of(herd);
	struct member *m = r->oldest;

	for (unsigned i = 0; i < TRIES && m != NULL; i++) {
		struct member *after = atomic_load_explicit(&m->after, memory_order_acquire);

		if (member_claim(m)) {
			r->oldest = after;
			*misses_of(herd) = 0;
			enqueue(r, m);
			return m;
		}
		m = after;
	}
	return NULL;
}

void recent_miss(const herd_t *herd)
{
	struct recent *r = recent_of(herd);

	if (r->herd != herd->id || ++*misses_of(herd) < PATIENCE)
		return;
	*misses_of(herd) = 0;
	/* As many as claim_oldest() tries: the next search begins with members it never tried. */
	for (unsigned i = 0; i < TRIES && r->oldest != NULL; i++)
		r->oldest = atomic_load_explicit(&r->oldest->after, memory_order_acquire);
}

/*
 * The list first, then the queue. A member that is out costs one read of its state word, which is
 * why few are tried: a claim that fails anyway must not cost more than a pop.
 */
struct member *recent_claim(const herd_t *herd)
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

/* In this order: the first call may give the slot to this herd, with an empty queue. */
void recent_found(const herd_t *herd, struct member *m)
{
	recent_note(herd, m);
	enqueue(recent_of(herd), m);
}

void recent_forget(void)
{
	for (size_t i = 0; i < RECENT_HERDS; i++)
		recent_herds[i] = (struct recent){0};
}
