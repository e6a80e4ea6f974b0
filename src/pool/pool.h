/* SPDX-License-Identifier: MIT */
#ifndef HERD_POOL_POOL_H
#define HERD_POOL_POOL_H

/*
 * A herd, and what the pool's files share. A member and its state word are in member.h, and
 * README.md says what each file is for.
 *
 * Functions named pool_* are about the herd, and member_* about one member. None of them is called
 * from outside the pool. "Claimed" means that the state word says busy, and that the caller made it
 * so; "locked" means between pool_lock() and pool_unlock().
 */

#include <pthread.h>

#include <herd/herd.h>

#include "base/check.h"
#include "base/heap.h"
#include "pool/member.h"

struct herd_pool {
	/* Alone on its cache line, which every push and pop takes from other threads. */
	struct stack stack;
	/* Read at every checkout, hardly ever written: all threads can keep this line. */
	uint64_t id; /* never reused, so it is what threads remember of a herd */
	_Atomic(struct member *) newest; /* of all; grows under `lock`, is read without it */
	bump_config_t bump;		 /* of each member; `source` is NULL: spare has it */
	size_t keep; /* the spare bytes that a reset keeps; SIZE_MAX: all, 1: none */
	struct herd_pool *previous, *next; /* in a list of the registry, under its lock */
	void *block;			   /* for free(3): heap.h */
	/* Written whenever a member gets a chunk, so not on the line above. */
	struct spare spare __attribute__((aligned(64))); /* chunks, and the budget */
	struct stack_table table; /* of the stack's entries; grows under `lock` */
	pthread_mutex_t lock;	  /* one cold operation at a time; see pool_lock() */
	struct callback callback; /* of the thread that has the lock: see pool_callable() */
	_Atomic bool seized;	  /* that thread has claimed all members, so none is out */
	/* gate_forks, when ... */
	_Atomic unsigned forks; /* ... the stack was made or repaired: fork_repair() */
	unsigned counted,
		whole; /* ... the budget was counted, the arenas made whole; under `lock` */
};

_Static_assert(sizeof(struct herd_pool) + HEAP_ALIGN <= 1024, "a small herd is cheap");

/*
 * The members, newest first. The list only grows, so a walk needs no lock: it meets the members
 * that were there when it began. Acquire: a member is complete before it is listed; pairs with the
 * release in member_list(). `older` needs no order of its own, for it was written before that.
 */
static inline struct member *pool_members(const struct herd_pool *h)
{
	return atomic_load_explicit(&h->newest, memory_order_acquire);
}

/* --- shared by the pool's files --- */

/* lock.c */
/*
 * Whether `function` may be called now. False: it was reported as misuse, because the herd is NULL, or
 * this thread is in the middle of a function of the herd, which called the program: a deferred
 * function, a walk, a source, or a stream. Every public function asks this before it takes a lock or a member: there the
 * thread itself holds what it would wait for.
 */
bool pool_callable(const herd_t *herd, const char *function);
/*
 * Lock the herd: exclude other cold operations of it, and fork(2). The thread can't be cancelled
 * until it unlocks, because what is called meanwhile may be a cancellation point (a source, a
 * deferred function, a stream), and a cancelled thread would leave the lock behind.
 */
void pool_lock(herd_t *herd);
/*
 * The same where nothing that may be a cancellation point is called: cancellation stays as it is.
 */
void pool_lock_briefly(herd_t *herd);
/*
 * The same, except that a thread which the library has called (a deferred function, a walk, a source)
 * does not wait for others. @return whether the herd is locked.
 */
bool pool_lock_unless_called(herd_t *herd);
void pool_unlock(herd_t *herd);
/*
 * Lock the herd and claim every member. @return 0; or, with nothing locked or claimed, EBUSY where
 * a member is out, or EINVAL where this is misuse, which was reported on behalf of `function`.
 */
int pool_seize(herd_t *herd, const char *function);
/* Release every member and unlock: the end of pool_seize(). Those that changed are parked again. */
void pool_let_go(herd_t *herd);
/*
 * The halves of these, with the lock held. EINVAL of the first: the header of a chunk is broken,
 * which was not reported, because the lock is held.
 */
int pool_claim_all(herd_t *herd);
void pool_release_all(herd_t *herd);
/* The part of pool_unlock() that lets this thread call the herd again. */
void pool_leave(const herd_t *herd);
/*
 * With all members claimed: run all deferred functions. False: the header of a chunk is broken, or
 * that of a spare chunk where `spare_too` asks for these. Either it was found first, and no
 * function ran; or functions ran, and it was found afterwards. The caller must then free nothing.
 */
bool pool_run_defers(herd_t *herd, bool spare_too);
/* Verify the invariants, with all members claimed. For tests. */
void pool_check(herd_t *herd);

/* create.c */
/*
 * With the lock held: make a member that is parked, busy and off the stack, with room for
 * `first_chunk` bytes if that is not 0. NULL: the reason is in *problem, for pool_failed().
 */
struct member *member_make(herd_t *herd, size_t first_chunk, const char **problem);
/* With the lock held: list a member, which is the herd's for good from here on (INV-STABLE). */
void member_list(herd_t *herd, struct member *m);
/* Undo the latest member_make(), of a member that was not listed. */
void member_unmake(herd_t *herd, struct member *m);
/*
 * Report a failure to get memory on behalf of `function`, and set errno: on_oom is called, or the
 * handler of misuse where the source is at fault. They may longjmp, so nothing is held.
 */
void pool_failed(const herd_t *herd, const char *problem, size_t size, const char *function);

/* checkout.c */
/* herd_get(), on behalf of `function`: for herd_local(). */
bump_t *checkout_get(herd_t *herd, const char *function);

/* dump.c */
/*
 * Print a herd to the stream, with the herd locked while its text is made. @return 0, or EIO where
 * the stream fails, or EINVAL: it was misuse by `function`, and was reported.
 */
int pool_print(const herd_t *herd, FILE *stream, void (*print)(herd_t *herd, FILE *stream),
	       const char *function);

/* stats.c */
/* herd_stats(), with the lock held. */
void pool_figures(herd_t *herd, herd_stats_t *stats);
/*
 * With the lock held: walk over the chunks that a member had at its last put, as bump_each_chunk()
 * does, whether the member is out or not (INV-SNAPSHOT).
 */
int member_each_chunk(const struct member *m,
		      int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
		      void *ctx);
/* How often a member was checked out so far. With the lock held, so that no reset is half done. */
uint64_t member_checkouts(const struct member *m);

#endif
