/* SPDX-License-Identifier: MIT */
#ifndef HERD_HERD_H
#define HERD_HERD_H

/**
 * @file herd.h
 * A pool of arenas for many threads.
 *
 * A thread checks an arena out, allocates at full speed without any synchronisation, and puts it
 * back. What was allocated stays valid after the arena went back, and after the thread ended,
 * until the herd is reset or destroyed.
 *
 * @code
 * static void *worker(void *arg)                // one of many
 * {
 *         struct job *job = arg;
 *         HERD_SCOPE(job->herd, bump);          // put back when the function returns
 *         if (bump != NULL)
 *                 job->result = bump_strdup(bump, "still there when the thread is gone");
 *         return NULL;
 * }
 *
 * herd_t *herd = herd_new(NULL);
 * ...                                       // run the workers, join them, read their results
 * herd_reset(herd);                         // free it all at once; the next phase is hot
 * herd_destroy(herd);
 * @endcode
 *
 * Threads. All functions are MT-Safe, except that herd_destroy() must be the last call. get and
 * put are lock-free; the cold operations (reset, trim, warm, walks, statistics) exclude each
 * other, and a get that meets a reset or a walk waits for it. An arena that is out belongs to the
 * thread that got it; it may be handed on, and put, by any thread, with the usual release and
 * acquire of the channel that carries it. The same holds for pointers into it: herd adds nothing
 * to that and asks nothing of it.
 *
 * fork(2). It waits until no cold operation is under way. The child may go on using, resetting
 * and destroying what it inherited; it inherits no lock held. After a fork in a deferred
 * function, or in a walk, the child may only exec(3) or _exit(2). Members that other threads had
 * out stay out in the child. Functions given to pthread_atfork(3) must not call those of a herd.
 *
 * Misuse (see herd_on_misuse()) is detected in release builds, at no cost to an allocation:
 * putting twice, putting into the wrong herd, using an arena that was put back, resetting or
 * destroying a herd's member as if it were a standalone arena. What concerns an arena that was
 * put back holds until someone checks it out again: then it can't be told.
 */

#include <stdio.h>

#include "bump.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A pool of arenas, its members. */
typedef struct herd_pool herd_t;

/** How a herd is made. Zero members, and a NULL configuration, mean the defaults. */
typedef struct herd_config_s {
	/** For every member; its limit is per member. */
	bump_config_t bump;
	/** Most bytes that the whole herd ever holds from the source at one time. 0: none. Exact, whatever
	 *  the threads do. */
	size_t limit;
	/** Bytes that a reset may keep for reuse. 0: all; 1 keeps nothing. */
	size_t keep;
	/** Must be zero (EINVAL). */
	size_t reserved_[4];
} herd_config_t;

/** @name Making and freeing a herd
 *  @{ */

/**
 * Make a herd without members.
 *
 * @param config  NULL for the defaults; copied.
 * @return the herd, to be freed by herd_destroy(); or NULL with errno ENOMEM (no memory), or
 * EINVAL as bump_new(). MT-Safe. Cost: one malloc(3) of less than 1 KiB.
 */
HERD_API herd_t *herd_new(const herd_config_t *config);

/**
 * Run what was deferred in all members and give everything back. NULL is allowed. It must be the
 * last call: MT-Unsafe race:herd. EBUSY tells of a mistake; it is not for waiting until other
 * threads are done, because one that put its last member may still be in herd_put().
 *
 * @return 0; EBUSY, and nothing happens, while a member is out. EINVAL where BUMP_HARDEN_CHECK found a
 *         broken header: nothing is freed.
 */
HERD_API int herd_destroy(herd_t *herd);

/**
 * Free every allocation of every member at once; memory (up to `keep` bytes) and members are kept
 * for reuse. Runs all deferred functions, before any memory is freed; no order between members.
 *
 * MT-Safe. Cost: one step a member, whatever was allocated; with `keep` also one release for each
 * chunk that is not kept; and what the deferred functions do, during which other cold operations
 * wait; in the hardened mode (BUMP_HARDEN_CHECK, BUMP_HARDEN_ZERO) see there.
 * @return 0; EBUSY, and nothing happens, while a member is out; EINVAL where BUMP_HARDEN_CHECK found a
 *         broken header.
 */
HERD_API int herd_reset(herd_t *herd);

/** @} */
/** @name Checking out and putting back
 *  @{ */

/**
 * Check a member out; where none is idle, one is made.
 *
 * MT-Safe, lock-free but for making a member. Cost: where a member is idle that this thread got or
 * put last, or had before that and was put back, one compare-and-swap on a line that hardly any
 * other thread touches; a few are tried.
 *
 * @return the member, to be handed to herd_put() or herd_discard(); or NULL: ENOMEM (no memory, or
 *         a limit is reached).
 */
HERD_API bump_t *herd_get(herd_t *herd);

/**
 * Check out an idle member. Never allocates, never waits. MT-Safe, lock-free.
 *
 * @return the member; or NULL with errno EAGAIN: there is none, or a reset or another cold
 *         operation has it just now.
 */
HERD_API bump_t *herd_try_get(herd_t *herd);

/**
 * Put a member back: its allocations stay valid. NULL is allowed. MT-Safe, lock-free.
 * Misuse: an arena that is not out, or not of this herd (errno EINVAL).
 */
HERD_API void herd_put(herd_t *herd, bump_t *bump);

/**
 * Put a member back and free what was allocated since its checkout, nothing else. What was
 * deferred since runs first. NULL is allowed. MT-Safe. Misuse: as herd_put().
 */
HERD_API void herd_discard(herd_t *herd, bump_t *bump);

/* What HERD_SCOPE() declares. */
typedef struct herd_scope_s {
	herd_t *herd_;
	bump_t *bump_;
} herd_scope_t;

HERD_INLINE void herd_scope_leave_(herd_scope_t *scope)
{
	herd_put(scope->herd_, scope->bump_);
}

HERD_INLINE herd_scope_t herd_scope_enter_(herd_t *herd)
{
	herd_scope_t scope;

	scope.herd_ = herd;
	scope.bump_ = herd_get(herd);
	return scope;
}

/**
 * Declare `bump_t *bump`, checked out here (NULL where herd_get() failed), and put back when the
 * enclosing block is left, by whichever way but longjmp(3).
 */
#define HERD_SCOPE(herd, bump) HERD_SCOPE_AS_(herd, bump, HERD_JOIN(herd_scope_, __COUNTER__))
#define HERD_SCOPE_AS_(herd, name, scope)                                                          \
	herd_scope_t scope HERD_ON_LEAVE(herd_scope_leave_) = herd_scope_enter_(herd);             \
	bump_t *const name __attribute__((unused)) = scope.bump_

/** @} */
/** @name A thread's own member
 *  @{ */

/**
 * The calling thread's own member, without passing it down the call chain: checked out at the first
 * call, the same one at every later call, put back by herd_local_put() or when the thread ends, by
 * whichever way but a kill.
 *
 * herd_put() of it is herd_local_put(), herd_discard() likewise; by another thread it is misuse.
 * As any member that is out, it keeps the herd from being reset or destroyed; see herd_recall().
 *
 * MT-Safe. Cost: a look-up in a table of the thread's own, without a lock; the first call is that
 * of herd_get(), and may allocate a table. @return the member, or NULL: ENOMEM (no memory,
 * or a limit is reached).
 */
HERD_API bump_t *herd_local(herd_t *herd);

/** Put the calling thread's own member back, if it has one. MT-Safe. */
HERD_API void herd_local_put(herd_t *herd);

/** @} */
/** @name Tending
 *  @{ */

/**
 * See to it that at least `members` members are idle, each with room for one allocation of
 * bytes_each (aligned for any type) and that memory touched: no page fault later. A reset makes
 * the room common property again; it stays hot.
 *
 * MT-Safe. Cost: that of the members and of the memory that is missing. @return 0; ENOMEM (no
 * memory, or a limit is reached): what was made so far stays.
 */
HERD_API int herd_warm(herd_t *herd, size_t members, size_t bytes_each);

/**
 * Give idle memory above `keep` bytes back to the source: spare chunks, and chunks of idle
 * members that hold no allocation. MT-Safe. Cost: one step a member, one release a chunk.
 *
 * @return the bytes given back.
 */
HERD_API size_t herd_trim(herd_t *herd, size_t keep);

/**
 * Put back every member that is out: those of threads that died, and those that living threads
 * keep with herd_local(), too (their next herd_local() checks one out anew). The caller
 * guarantees that no thread uses one any more: handing back later what was recalled is misuse.
 *
 * MT-Safe. Cost: one step a member. @return how many were out.
 */
HERD_API size_t herd_recall(herd_t *herd);

/**
 * All allocations of `from` live as long as `into` from now on; `from` is empty and usable.
 * Nothing is copied. What was deferred moves along; what `from` has spare stays with it.
 *
 * MT-Safe. Cost: one step a member, and one malloc(3) for each member of `from` where `into` has
 * none that is idle and empty; neither bytes nor chunks count.
 * @return 0; EBUSY while a member of `from` is out; EINVAL where sources, min_align or harden differ, or
 *         into is from; ENOMEM (no memory, above into's limit, or a member holds more than into's
 *         limit of one). On failure nothing was moved.
 */
HERD_API int herd_absorb(herd_t *into, herd_t *from);

/**
 * A standalone arena becomes an idle member: its allocations live as long as the herd, and `bump`
 * itself is gone.
 *
 * MT-Safe (race:bump). Cost: one step a member, at most one malloc(3), and one step a chunk that
 * the arena has spare.
 * @return 0; EINVAL where its memory is the caller's (bump_new_in()), or its source, min_align
 *         or harden differs from the herd's; ENOMEM (no memory, or above the herd's limit or its limit of a
 *         member; what the arena has spare counts), and the arena is as before.
 */
HERD_API int herd_adopt(herd_t *herd, bump_t *bump);

/**
 * Change the limit of the whole herd; 0: none. One below what is held keeps what is held and
 * refuses more. What idle members keep ready after a rewind is collected, so that it takes no room
 * from others. Waits for a reset or a walk under way; misuse in a deferred function, or a walk, of
 * this herd. MT-Safe. Cost: one step a member, unless the limit is 0.
 */
HERD_API void herd_set_limit(herd_t *herd, size_t limit);

/** @} */
/** @name Looking
 *  @{ */

/** What a herd holds; sizes in bytes. */
typedef struct herd_stats_s {
	/** created and alive */
	size_t members;
	/** checked out now */
	size_t out;
	/** held from the source by the whole herd */
	size_t reserved;
	/** highest `reserved` so far */
	size_t peak;
	/** of those, bytes that hold no allocation and any member can take */
	size_t spare;
	/** handed out by members that are in; those out count as at their checkout */
	size_t used;
	/** the limit; 0: none */
	size_t limit;
	/** zero */
	size_t reserved_[4];
} herd_stats_t;

/**
 * Fill *stats: at any time, from any thread, while others work. MT-Safe. Cost: one step a
 * member.
 */
HERD_API void herd_stats(const herd_t *herd, herd_stats_t *stats);

/**
 * Call fn for each chunk of each member, as bump_each_chunk() does. fn must not call a function
 * of the herd, nor change a member.
 *
 * MT-Safe. @return 0, or the first result of fn that is not 0, with which the walk ends; EBUSY, and
 * nothing happens, while a member is out.
 */
HERD_API int herd_each_chunk(herd_t *herd,
			     int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
			     void *ctx);

/**
 * Look a pointer up. Members that are out answer as at their checkout. MT-Safe. Cost: one step a
 * chunk.
 *
 * @return whether ptr lies in memory that a member handed out and that was not freed.
 */
HERD_API bool herd_owns(const herd_t *herd, const void *ptr);

/**
 * Print a herd for people: its budget, and how it is hardened where it is; a line a member: its
 * state, how often it was checked out, bytes used and held; a bar for each chunk that shows how full
 * it is. Members that are out show as at their checkout. MT-Safe. Cost: one step a chunk; other cold
 * operations wait until it is written. @return 0, or EIO where stream fails.
 */
HERD_API int herd_dump(const herd_t *herd, FILE *stream);

/**
 * The same as a picture: a standalone SVG memory map, a lane a member and one for what is spare,
 * chunks to scale, used, wasted and spare bytes told apart, for light and for dark viewers.
 * MT-Safe.
 * @return 0, or EIO where stream fails.
 */
HERD_API int herd_dump_svg(const herd_t *herd, FILE *stream);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
