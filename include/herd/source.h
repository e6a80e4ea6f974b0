/* SPDX-License-Identifier: MIT */
#ifndef HERD_SOURCE_H
#define HERD_SOURCE_H

/**
 * @file source.h
 * Where the memory of arenas comes from.
 *
 * An arena asks its source for chunks, seldom and in large pieces, and gives every chunk back
 * whole. Three sources are ready made; a program can write its own, to serve NUMA nodes, shared
 * memory, a fixed region, or faults for its tests:
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
 * A source of memory. Its functions are called from several threads at once when herds use it,
 * never with a lock of herd held that an allocation would need. They must not allocate from, nor
 * call a function of, the arena or herd that they serve.
 *
 * The structure is copied; what ctx points at must live as long as the arena or herd.
 */
typedef struct herd_source_s {
	/**
	 * Give *size bytes (never 0), aligned to `align` (a power of two, at most 64). It may
	 * raise *size to what it really gives; where a limit forbids the raise, the memory is
	 * released at once and the request fails. NULL: there is none. Where more than a page was
	 * asked for, and more than the request needs, it is asked once more, for less; then the
	 * request fails with ENOMEM. Giving less than asked, or misaligned memory, is misuse: it is reported, the
	 * memory is released, and the request fails with EINVAL.
	 */
	void *(*acquire)(void *ctx, size_t *size, size_t align);

	/** Take back what acquire gave: the same address, and the size that acquire told. */
	void (*release)(void *ctx, void *memory, size_t size);

	/** Handed to both functions. */
	void *ctx;
} herd_source_t;

/** Pages of the operating system, mmap(2); huge ones for large chunks. The default. */
extern HERD_API const herd_source_t herd_source_os;

/** aligned_alloc(3) and free(3): for tools that watch the heap. */
extern HERD_API const herd_source_t herd_source_malloc;

/** Never gives anything: with bump_new_in(), an arena that never grows. */
extern HERD_API const herd_source_t herd_source_none;

#ifdef __cplusplus
}
#endif

#endif
