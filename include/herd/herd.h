/* SPDX-License-Identifier: MIT */
#ifndef HERD_HERD_H
#define HERD_HERD_H

/**
 * @file herd.h
 * A pool of arenas for many threads.
 *
 * A thread checks an arena out, allocates at full speed without any synchronisation, and puts it
 * back. Its allocations stay valid after the arena was put back, and after the thread ended, until
 * the herd is reset or destroyed.
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
 * Threads. All functions are MT-Safe, except that herd_destroy() must be the last call. get and put
 * are lock-free. The cold operations (reset, trim, warm, walks, statistics) exclude each other, and
 * a get that meets a reset or a walk waits for it.
 *
 * An arena that is out belongs to the thread that got it. It may be handed on to another thread,
 * and any thread may put it. Handing on an arena, or a pointer into it, needs the usual release and
 * acquire of the channel that carries it: herd adds nothing to that and asks nothing of it.
 *
 * fork(2). It waits until no cold operation is under way. It costs the same however many herds there
 * are, and writes to none of them, in the parent or in the child.
 *
 * - The child may go on using, resetting and destroying what it inherited. It inherits no lock
 *   held.
 * - Members that other threads had out stay out in the child.
 * - After a fork in a deferred function, in a walk, or in a source that a cold operation calls, the
 *   child may only exec(3) or _exit(2).
 * - Functions that were registered with pthread_atfork(3) after the library was loaded may call those
 *   of herds and arenas. They may also lock a mutex under which the program calls herd elsewhere. A
 *   deferred function, a walk or a source must not wait for such a mutex: the fork would wait for it,
 *   and it for the fork.
 *
 * Misuse (see herd_on_misuse()) is detected in release builds, at no cost to an allocation:
 *
 * - putting an arena twice, or into the wrong herd;
 * - using a herd that another copy of the library made, such as a plugin's;
 * - using an arena that was put back;
 * - resetting or destroying a herd's member as if it were a standalone arena;
 * - calling a herd from a function of the program that a function of this herd called: a deferred
 *   function, a walk, or a source.
 *
 * Misuse of an arena that was put back is detected until the arena is checked out again.
 */

#include <stdio.h>

#include "bump.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A pool of arenas. Its arenas are called its members. */
typedef struct herd_pool herd_t;

/**
 * How a herd is made. Members that are zero, and a configuration that is NULL, mean the defaults.
 */
typedef struct herd_config_s {
	/** The configuration of every member. Its limit is the limit of each single member. */
	bump_config_t bump;
	/**
	 * The most bytes that the whole herd ever holds from the source at one time. 0 means no
	 * limit. The limit is exact, whatever the threads do. With the system's memory it counts whole
	 * pages, so one below a page allows nothing: see bump_config_t.limit.
	 */
	size_t limit;
	/** The most bytes that a reset keeps for reuse. 0 means all; 1 keeps nothing. */
	size_t keep;
	/** Must be zero (EINVAL). */
	size_t reserved_[4];
} herd_config_t;

/** @name Making and freeing a herd
 *  @{ */

/**
 * Make a herd without members.
 *
 * @param config  NULL for the defaults; it is copied
 * @return the herd, which herd_destroy() frees; or NULL with errno:
 *         - ENOMEM: there is no memory.
 *         - EINVAL: the configuration is not valid, as for bump_new().
 *
 * MT-Safe. Cost: one malloc(3) of less than 1 KiB.
 */
HERD_API herd_t *herd_new(const herd_config_t *config) HERD_USED;

/**
 * Run the deferred functions of all members, and give all memory back. NULL is allowed. It must be
 * the last call: MT-Unsafe race:herd.
 *
 * EBUSY means that the program has a bug. Do not retry until it goes away, because a thread that
 * put its last member may still be in herd_put(): join the threads first.
 *
 * @return 0, or an errno value:
 *         - EBUSY: a member is out. Nothing was changed.
 *         - EINVAL: BUMP_HARDEN_CHECK found an overwritten header. Nothing was freed.
 */
HERD_API int herd_destroy(herd_t *herd);

/**
 * Free every allocation of every member at once. Members, and up to `keep` bytes of memory, are
 * kept for reuse. All deferred functions run before any memory is freed; those of different members
 * run in no order.
 *
 * @return 0, or an errno value:
 *         - EBUSY: a member is out. Nothing was changed.
 *         - EINVAL: BUMP_HARDEN_CHECK found an overwritten header.
 *
 * MT-Safe. Cost: one step per member, whatever was allocated; with `keep`, also one release per
 * chunk that is not kept. Other cold operations wait while the deferred functions run. For
 * BUMP_HARDEN_CHECK and BUMP_HARDEN_ZERO see harden.h.
 */
HERD_API int herd_reset(herd_t *herd);

/** @} */
/** @name Checking out and putting back
 *  @{ */

/**
 * Check a member out. Where none is idle, one is made.
 *
 * MT-Safe, and lock-free except for making a member. Cost: usually one atomic operation on a cache
 * line that other threads rarely touch. The thread tries the members that it used most recently
 * first.
 *
 * @return the member, which herd_put() or herd_discard() takes back; or NULL with errno ENOMEM
 *         (there is no memory, or a limit is reached).
 */
HERD_API bump_t *herd_get(herd_t *herd) HERD_TAKEN;

/**
 * Check out an idle member. The function never allocates and never waits. MT-Safe, lock-free.
 *
 * @return the member; or NULL with errno EAGAIN where no member is idle, or a reset or another cold
 *         operation has the idle ones just now.
 */
HERD_API bump_t *herd_try_get(herd_t *herd) HERD_TAKEN;

/**
 * Put a member back. Its allocations stay valid. NULL is allowed. MT-Safe, lock-free. Misuse: the
 * arena is not out, or it is not of this herd (errno is EINVAL).
 */
HERD_API void herd_put(herd_t *herd, bump_t *bump);

/**
 * Put a member back, and free the allocations that were made since its checkout and nothing else.
 * Functions that were deferred since the checkout run before. NULL is allowed. MT-Safe. Misuse: as
 * for herd_put().
 */
HERD_API void herd_discard(herd_t *herd, bump_t *bump);

/* The type of the variable that HERD_SCOPE() declares. */
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
 * Declare `bump_t *bump` and check a member out into it (NULL where herd_get() failed). The member
 * is put back when the enclosing block is left: at its end, and by return, break, goto or a C++
 * exception.
 *
 * These leave the member out: longjmp(3) out of the block, and exit(3). So do pthread_exit(3) and
 * cancellation, which run no cleanup in C that was compiled without -fexceptions, nor with every C
 * library; use pthread_cleanup_push(3) there, or herd_local(). herd_recall() puts back what was left out.
 */
#define HERD_SCOPE(herd, bump) HERD_SCOPE_AS_(herd, bump, HERD_JOIN(herd_scope_, __COUNTER__))
#define HERD_SCOPE_AS_(herd, name, scope)                                                          \
	herd_scope_t scope HERD_ON_LEAVE(herd_scope_leave_) = herd_scope_enter_(herd);             \
	bump_t *const name __attribute__((unused)) = scope.bump_

/** @} */
/** @name A thread's own member
 *  @{ */

/**
 * Get the calling thread's own member, so that it need not be passed down the call chain. The first
 * call checks it out, and every later call returns the same one. It is put back by herd_local_put()
 * or when the thread ends, in whichever way except a kill.
 *
 * For this member, herd_put() does the same as herd_local_put(), and herd_discard() puts it back as
 * well. Both are misuse by another thread. As any member that is out, it keeps the herd from being
 * reset or destroyed; see herd_recall().
 *
 * MT-Safe. Cost: a look-up in a table of the thread's own, without a lock. The first call costs as
 * much as herd_get(), and may allocate a table.
 *
 * @return the member, or NULL with errno ENOMEM (there is no memory, or a limit is reached).
 */
HERD_API bump_t *herd_local(herd_t *herd);

/** Put the calling thread's own member back, if it has one. MT-Safe. */
HERD_API void herd_local_put(herd_t *herd);

/** @} */
/**
 * @name Maintenance
 *  @{
 */

/**
 * Prepare members, so that later there is no page fault. Afterwards at least `members` members are
 * idle, and each has room for one allocation of bytes_each (aligned for any type), in memory that
 * was touched. A reset makes the room common property again; it stays hot.
 *
 * @return 0, or ENOMEM (there is no memory, or a limit is reached), and then the members and the
 *         room that were made so far stay.
 *
 * MT-Safe. Cost: that of the members and of the memory that are missing.
 */
HERD_API int herd_warm(herd_t *herd, size_t members, size_t bytes_each);

/**
 * Give idle memory above `keep` bytes back to the source: spare chunks, and chunks of idle members
 * that hold no allocation. MT-Safe. Cost: one step per member, and one release per chunk.
 *
 * @return the bytes that were given back.
 */
HERD_API size_t herd_trim(herd_t *herd, size_t keep);

/**
 * Put back every member that is out. These are members of threads that died, and also those that
 * living threads keep with herd_local(): the next herd_local() of such a thread checks one out
 * anew. The caller guarantees that no thread uses a member any more. Putting back a member that was
 * recalled is misuse.
 *
 * MT-Safe. Cost: one step per member.
 *
 * @return the number of members that were out.
 */
HERD_API size_t herd_recall(herd_t *herd);

/**
 * Move all allocations of `from` to `into`: from now on they live as long as `into`, and `from` is
 * empty and usable. Nothing is copied. Deferred functions move along. The spare memory of `from`
 * stays with `from`.
 *
 * @return 0, or an errno value, and then nothing was moved:
 *         - EBUSY: a member of `from` is out.
 *         - EINVAL: sources, min_align or harden differ, or into is from.
 *         - ENOMEM: there is no memory, into's limit would be exceeded, or a member holds more than
 *           into's limit of one member.
 *
 * MT-Safe. Cost: one step per member, and one malloc(3) for each member of `from` where `into` has
 * none that is idle and empty. The number of bytes and of chunks does not matter.
 */
HERD_API int herd_absorb(herd_t *into, herd_t *from);

/**
 * Make a standalone arena an idle member. Its allocations live as long as the herd from now on, and
 * `bump` itself is gone.
 *
 * @return 0, or an errno value, and then the arena is as before:
 *         - EINVAL: the memory of the arena is the caller's (bump_new_in()), or its source,
 *           min_align or harden differs from the herd's.
 *         - ENOMEM: there is no memory, or the herd's limit or its limit of a member would be
 *           exceeded. The spare memory of the arena counts.
 *
 * MT-Safe race:bump. Cost: one step per member, at most one malloc(3), and one step per spare chunk
 * of the arena.
 */
HERD_API int herd_adopt(herd_t *herd, bump_t *bump);

/**
 * Change the limit of the whole herd; 0 means no limit. Where the herd holds more than the new
 * limit, it keeps what it holds and gets no more. Chunks that idle members keep ready after a
 * rewind are collected, so that they take no room from others.
 *
 * The function waits for a reset or a walk that is under way. It is misuse in a deferred function
 * or in a walk of this herd. MT-Safe. Cost: one step per member, unless the limit is 0.
 */
HERD_API void herd_set_limit(herd_t *herd, size_t limit);

/** @} */
/**
 * @name Inspecting a herd
 *  @{
 */

/** What a herd holds. Sizes are in bytes. */
typedef struct herd_stats_s {
	/** members that were made and are alive */
	size_t members;
	/** members that are checked out now */
	size_t out;
	/** bytes that the whole herd holds from the source */
	size_t reserved;
	/** the highest `reserved` so far */
	size_t peak;
	/** bytes of `reserved` that hold no allocation, and that any member can take */
	size_t spare;
	/** bytes handed out by members; a member that is out counts as at its checkout */
	size_t used;
	/** the limit; 0 means no limit */
	size_t limit;
	/** zero */
	size_t reserved_[4];
} herd_stats_t;

/**
 * Fill *stats. The function may be called at any time and from any thread, while others work. It
 * waits for a cold operation that is under way, but not in a deferred function (or another function that
 * the library calls) of another herd: there, members with which such an operation is at work may
 * count as out. MT-Safe. Cost: one step per member.
 */
HERD_API void herd_stats(const herd_t *herd, herd_stats_t *stats);

/**
 * Call fn for each chunk of each member, as bump_each_chunk() does. fn must not call a function of
 * the herd, nor change a member.
 *
 * @return 0; or the first result of fn that is not 0, which ends the walk; or EBUSY where a member
 *         is out, and then fn is not called.
 *
 * MT-Safe.
 */
HERD_API int herd_each_chunk(herd_t *herd,
			     int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
			     void *ctx);

/**
 * Look a pointer up. Members that are out answer as at their checkout. MT-Safe. Cost: one step per
 * chunk.
 *
 * @return true if ptr lies in memory that a member handed out and that was not freed.
 */
HERD_API bool herd_owns(const herd_t *herd, const void *ptr);

/**
 * Print a herd for people. Members that are out are shown as at their checkout. The text consists
 * of
 *
 * - a line for the herd: its budget, and how it is hardened where it is;
 * - a line per member: its state, how often it was checked out, the bytes that are used and held;
 * - a bar per chunk that shows how full it is.
 *
 * @return 0, or EIO where the stream fails.
 *
 * The text is made in memory and written when the herd is not locked any more. So the stream may be one
 * that itself calls the herd. Where there is no memory for it, other cold operations wait until all is
 * written, and a stream that calls the herd is misuse.
 *
 * MT-Safe. Cost: one step per chunk.
 */
HERD_API int herd_dump(const herd_t *herd, FILE *stream);

/**
 * Draw a herd as a standalone SVG memory map, for light and for dark viewers. There is a lane per
 * member and one for what is spare. Chunks are drawn to scale, with used, wasted and spare bytes in
 * different colours. It is written as herd_dump() writes. MT-Safe.
 *
 * @return 0, or EIO where the stream fails.
 */
HERD_API int herd_dump_svg(const herd_t *herd, FILE *stream);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
