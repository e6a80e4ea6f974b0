/* SPDX-License-Identifier: MIT */
#ifndef HERD_CACHE_H
#define HERD_CACHE_H

/**
 * @file cache.h
 * A source that keeps chunks for the next herd.
 *
 * Programs that make a herd for each request, file or frame, and destroy it at the end, would map
 * and unmap the same memory again and again. A cache stands between the operating system and such
 * herds and standalone arenas. The memory that one of them gives back is given to the next one,
 * hot. In the steady state no system call is made, and no page faults.
 *
 * @code
 * static herd_cache_t *cache;                   // one for the process, or one per subsystem
 *
 * static int serve(struct request *request)     // in any thread, in several at once
 * {
 *         herd_config_t config = {.bump.source = herd_cache_source(cache)};
 *         herd_t *herd = herd_new(&config);
 *         if (herd == NULL)
 *                 return ENOMEM;
 *         int result = answer(request, herd);
 *         herd_destroy(herd);                   // its chunks are the next request's
 *         return result;
 * }
 *
 * cache = herd_cache_new(64 << 20);             // keep at most 64 MiB
 * if (cache == NULL)
 *         return ENOMEM;
 * ...                                           // serve requests
 * herd_cache_trim(cache, 0);                    // a quiet hour: give all that is kept back
 * ...
 * herd_cache_destroy(cache);                    // when the last herd over it is gone
 * @endcode
 *
 * Memory comes from herd_source_os, and is kept whole: a chunk that is backed by huge pages stays
 * so. Chunks are kept by size classes:
 *
 * - There is a class for each number of pages up to 8. Above that there are 8 classes from a power
 *   of two to the next.
 * - A request is rounded up to its class, by less than an eighth or a page. Therefore each kept
 *   chunk of a class serves each request of that class.
 * - A herd counts the pages that it asked for, so it gets what its limit allows.
 * - Chunks of more than a million pages are not kept.
 *
 * When the limit is reached, each chunk that comes back displaces a few chunks of other sizes,
 * first those that nobody asked for lately. Thus a cache follows a program whose needs change.
 *
 * Threads. All functions, and those of the source, are MT-Safe and lock-free (except for malloc(3),
 * now and then, and for system calls), except that herd_cache_destroy() must be the last call.
 * Writes to a chunk before it was given back happen before its next holder gets it.
 *
 * fork(2). The child may go on using what it inherited. It inherits no lock held. A chunk that
 * another thread was getting or giving back at that moment is lost to the child. There it may count
 * for good as kept or as out, and then herd_cache_destroy() returns EBUSY.
 */

#include "source.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A cache of chunks. */
typedef struct herd_cache_s herd_cache_t;

/**
 * Make an empty cache.
 *
 * @param limit  the most bytes that it ever keeps, exact whatever the threads do; 0 keeps none,
 *               SIZE_MAX all. Memory that is out does not count.
 * @return the cache, which herd_cache_destroy() frees; or NULL with errno ENOMEM (there is no
 *         memory).
 *
 * MT-Safe. Cost: a few malloc(3), of less than 64 KiB in all.
 */
HERD_API herd_cache_t *herd_cache_new(size_t limit) HERD_USED;

/**
 * Get the source for the configuration of herds and standalone arenas. It is valid as long as the
 * cache, and it is the same at every call. A copy serves as well, so that herd_absorb() can join
 * herds over one cache. MT-Safe.
 *
 * Its acquire gives any alignment up to a page, and never raises *size. Where the system has no
 * memory, the cache gives all that it keeps back to the system before acquire fails.
 *
 * @return the source.
 */
HERD_API const herd_source_t *herd_cache_source(herd_cache_t *cache) HERD_NEVER_NULL;

/**
 * Give kept chunks back to the system, the largest first, until at most `keep` bytes are kept.
 * Chunks that others give back meanwhile may stay. MT-Safe. Cost: one munmap(2) per chunk.
 *
 * @return the bytes that were given back.
 */
HERD_API size_t herd_cache_trim(herd_cache_t *cache, size_t keep);

/**
 * Give everything back. NULL is allowed. It must be the last call: MT-Unsafe race:cache. A herd
 * whose herd_destroy() returned, in whatever thread, has no chunk out any more.
 *
 * @return 0; or EBUSY while a chunk is out, because a herd or an arena over the cache holds it, and
 *         then nothing was changed.
 */
HERD_API int herd_cache_destroy(herd_cache_t *cache);

/** What a cache holds, in bytes of whole pages, and how many requests it served. */
typedef struct herd_cache_stats_s {
	/** the limit of what is kept */
	size_t limit;
	/** bytes that are kept for the next request */
	size_t kept;
	/**
	 * bytes that herds and arenas have and did not give back yet, in the sizes of their classes
	 */
	size_t out;
	/** the highest sum of both so far, which is what was held from the system */
	size_t peak;
	/** requests that were served with kept memory */
	size_t hits;
	/** requests that were served with memory from the system */
	size_t misses;
	/** zero */
	size_t reserved_[4];
} herd_cache_stats_t;

/**
 * Fill *stats. The function may be called at any time and from any thread. While other threads are
 * at work, each figure is of a moment of its own. MT-Safe. Cost: a few loads.
 */
HERD_API void herd_cache_stats(const herd_cache_t *cache, herd_cache_stats_t *stats);

#ifdef __cplusplus
}
#endif

#endif
