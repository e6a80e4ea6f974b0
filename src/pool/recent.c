/* SPDX-License-Identifier: MIT */
/* What a thread remembers of the members that it got and put; see recent.h. */

#include "pool/recent.h"

enum {
	TRIES = 2,     /* the newest so many members are tried, and of the queue the oldest */
	PATIENCE = 32, /* after so many misses in a row these are forgotten: recent_miss() */
};

THREAD_LOCAL struct recent recent_herds[RECENT_HERDS];
/* Of each queue, in a row: beside it, for the fast path indexes the other. */
static THREAD_LOCAL unsigned misses[RECENT_HERDS];

static unsigned *misses_of(const herd_t *herd)
{
	return &misses[herd->id % RECENT_HERDS];
}

void recent_note(const herd_t *herd, struct member *m)
{
	struct recent *r = recent_of(herd);

	if (r->herd != herd->id) {
		*r = (struct recent){.herd = herd->id, .member = m};
		*misses_of(herd) = 0;
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
	for (unsigned i = 0; i < TRIES && r->oldest != NULL; i++)
		r->oldest = atomic_load_explicit(&r->oldest->after, memory_order_acquire);
}

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

void recent_found(const herd_t *herd, struct member *m)
{
	recent_note(herd, m);
	enqueue(recent_of(herd), m);
}
