/* SPDX-License-Identifier: MIT */
#ifndef HERD_POOL_POOL_H
#define HERD_POOL_POOL_H

/*
 * A herd, and what the pool's files share: checkout.c checks members out and takes them back, create.c makes
 * and frees, lock.c has all members at once, maintain.c resets, trims and warms, stats.c reports,
 * absorb.c joins. A member and its state word are in member.h.
 */

#include <pthread.h>

#include <herd/herd.h>

#include "base/check.h"
#include "base/heap.h"
#include "pool/member.h"

struct herd_pool {
	/* Alone on its cache line. */
	struct stack stack;
	/* Read at every checkout, hardly ever written. */
	uint64_t id;			 /* never reused */
	_Atomic(struct member *) newest; /* of all; grows under `lock`, is read without it */
	bump_config_t bump;
	size_t keep;			   /* SIZE_MAX: all */
	struct herd_pool *previous, *next; /* in a list of all herds: fork.c */
	void *block;			   /* for free(3): heap.h */
	/* Written whenever a member gets a chunk. */
	struct spare spare __attribute__((aligned(64))); /* chunks, and the budget */
	struct stack_table table; /* of the stack's entries; grows under `lock` */
	pthread_mutex_t lock;	  /* one cold operation at a time; see pool_lock() */
};

_Static_assert(sizeof(struct herd_pool) + HEAP_ALIGN <= 1024, "a small herd is cheap");

/*
 * The members, newest first. Acquire: a member is complete before it is listed; pairs with the
 * release in member_list().
 */
static inline struct member *pool_members(const struct herd_pool *h)
{
	return atomic_load_explicit(&h->newest, memory_order_acquire);
}

/* --- shared by the pool's files --- */

/* lock.c */
/*
 * Whether `function` may be called now; else it was reported: this thread runs a deferred
 * function of the herd.
 */
bool pool_callable(const herd_t *herd, const char *function);
/* Exclude other cold operations, and fork(2). The thread can't be cancelled meanwhile. */
void pool_lock(herd_t *herd);
/* The same where nothing that a thread is cancelled in, or started in, is called meanwhile. */
void pool_lock_briefly(herd_t *herd);
void pool_unlock(herd_t *herd);
/*
 * Lock, and claim every member: 0; EBUSY, and nothing was done, where one is out; EINVAL,
 * reported on behalf of `function`, where it is misuse. And let go of all, and unlock.
 */
int pool_seize(herd_t *herd, const char *function);
void pool_let_go(herd_t *herd);
/* With the lock held, the halves of these. EINVAL: a header is broken, which was not reported. */
int pool_claim_all(herd_t *herd);
void pool_release_all(herd_t *herd);
/*
 * With all members claimed: run all that was deferred. False: a header is broken, of a spare chunk
 * too if these are looked at; before, and nothing was done, or after it.
 */
bool pool_run_defers(herd_t *herd, bool spare_too);
/* Verify the invariants, with all members claimed. For tests. */
void pool_check(herd_t *herd);

/* create.c */
/* With the lock held: make a member, parked and busy; NULL: why is in *problem. And list it. */
struct member *member_make(herd_t *herd, size_t first_chunk, const char **problem);
void member_list(herd_t *herd, struct member *m);
/* Undo the latest member_make(), of a member that was not listed. */
void member_unmake(herd_t *herd, struct member *m);
/* Report a failure to get memory, on behalf of `function`, with nothing held. */
void pool_failed(const herd_t *herd, const char *problem, size_t size, const char *function);

/* checkout.c */
/* herd_get(), on behalf of `function`. */
bump_t *checkout_get(herd_t *herd, const char *function);

/* stats.c */
/* With the lock held: herd_stats(). */
void pool_figures(herd_t *herd, herd_stats_t *stats);
/* Walk over the chunks that a member had at its last put, as bump_each_chunk(); out or not. */
int member_each_chunk(const struct member *m,
		      int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
		      void *ctx);
/* How often a member was checked out so far. */
uint64_t member_checkouts(const struct member *m);

#endif
