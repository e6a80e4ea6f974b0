/* SPDX-License-Identifier: MIT */
#ifndef HERD_SOURCE_H
#define HERD_SOURCE_H

/**
 * @file source.h
 * Where the memory of arenas comes from.
 *
 * An arena asks its source for chunks, seldom and in large pieces, and gives every chunk back
 * whole. Three sources are ready made. A program can write its own, for example for NUMA nodes,
 * shared memory, a fixed region, or faults in its tests:
 *
 * @code
 * static void *take(void *ctx, size_t *size, size_t align)
 * {
 *         return numa_alloc_onnode(*size, *(int *)ctx);    // page-aligned, so `align` is met
 * }
 * static void give(void *ctx, void *memory, size_t size)
 * {
 *         (void)ctx;
 *         numa_free(memory, size);
 * }
 * int node = 1;
 * herd_source_t source = {.acquire = take, .release = give, .ctx = &node};
 * bump_t *bump = bump_new(&(bump_config_t){.source = &source});
 * @endcode
 */

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A source of memory. When herds use it, several threads call its functions at once, but never with
 * a lock of herd held that an allocation would need. The functions must not allocate from the arena
 * or herd that they serve, nor call a function of it.
 *
 * To call a function of the herd is misuse, and reported, where a function of the herd called the
 * source: herd_warm(), herd_trim(), a reset or a destroy that gives memory back, and the like.
 *
 * The structure is copied. The object that ctx points at must live as long as the arena or herd.
 */
typedef struct herd_source_s {
	/**
	 * Give *size bytes (never 0), aligned to `align` (a power of two, at most 64). NULL means
	 * that there is no memory.
	 *
	 * - acquire may raise *size to what it really gives. Where a limit forbids the raise, the
	 *   memory is released at once and the request fails.
	 * - Where acquire returns NULL, and more than a page was asked for and more than the
	 *   request needs, it is called once more for less. If there is still no memory, the
	 *   request fails with ENOMEM.
	 * - To give less than *size, or memory that is not aligned, is misuse. It is reported, the
	 *   memory is released, and the request fails with EINVAL.
	 */
	void *(*acquire)(void *ctx, size_t *size, size_t align);

	/**
	 * Take back what acquire gave, with the same address, and the size that acquire reported.
	 */
	void (*release)(void *ctx, void *memory, size_t size);

	/** Passed to both functions. */
	void *ctx;
} herd_source_t;

/**
 * Pages of the operating system, mmap(2), with huge pages for large chunks. This is the default.
 *
 * Huge pages, their alignment, and memory that is backed at once are wishes: where the system refuses
 * one of them, chunks come without. Where it does not take memory back, see herd_source_kept().
 */
extern HERD_API const herd_source_t herd_source_os;

/** aligned_alloc(3) and free(3), for tools that observe the heap. */
extern HERD_API const herd_source_t herd_source_malloc;

/** A source that never gives anything. With bump_new_in(), it makes an arena that never grows. */
extern HERD_API const herd_source_t herd_source_none;

/**
 * Get how many bytes the operating system did not take back when herd_source_os released them, for the
 * whole process (where plugins have copies of the library, for this copy). Usually that is 0. munmap(2) may fail where a process has as many mappings as it may
 * have (vm.max_map_count on Linux), or where a filter of system calls forbids it.
 *
 * For the arena, herd or cache that released them, these bytes are released: no limit and no
 * statistics count them. They hold no memory, except one page in about 250, and all of them where the
 * process locks its memory. They serve the next requests for chunks that they are large
 * enough for, and go back to the system while it takes other memory.
 *
 * @return the bytes. MT-Safe. Cost: a load.
 */
HERD_API size_t herd_source_kept(void);

#ifdef __cplusplus
}
#endif

#endif
