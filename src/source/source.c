/* SPDX-License-Identifier: MIT */
/*
 * The sources that are ready made: three public ones, and the system's with guard pages.
 *
 * They keep no state of their own (regions have theirs in region.c), so that each is a constant
 * which all arenas and herds share. Each is MT-Safe, and so is what it calls.
 */

#include <herd/source.h>

#include <stdlib.h>

#include "base/num.h"
#include "source/kept.h"
#include "source/os.h"
#include "source/region.h"
#include "source/source.h"

/*
 * *size is raised to whole pages: the rest of the last page can't be used for anything else. Chunks
 * of exactly one huge page come out of regions, the same size that os_release() looks for.
 */
static void *os_acquire(void *ctx, size_t *size, size_t align)
{
	(void)ctx;
	(void)align; /* at most SOURCE_ALIGN, and a page is more */

	const size_t bytes = num_up(*size, os_page_size());
	void *memory = bytes == OS_HUGE ? region_take() : os_map(bytes);

	if (memory != NULL)
		*size = bytes;
	return memory;
}

/* `size` is what acquire reported. region_give() finds out what was mapped by itself. */
static void os_release(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	if (size == OS_HUGE)
		region_give(memory);
	else
		os_unmap(memory, size);
}

size_t herd_source_kept(void)
{
	return kept_bytes();
}

bool source_is_os(const herd_source_t *source)
{
	return source->acquire == os_acquire && source->release == os_release;
}

/*
 * Not from regions, where chunks lie beside each other without a guard. Guard pages hold no memory,
 * so *size, and with it a limit, does not count them.
 */
static void *guarded_acquire(void *ctx, size_t *size, size_t align)
{
	(void)ctx;
	(void)align;

	const size_t bytes = num_up(*size, os_page_size());
	void *memory = os_map_guarded(bytes);

	if (memory != NULL)
		*size = bytes;
	return memory;
}

static void guarded_release(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	os_unmap_guarded(memory, size);
}

static bool is_guarded(const herd_source_t *source)
{
	return source->acquire == guarded_acquire && source->release == guarded_release;
}

/*
 * For tools that observe the heap. *size is not raised: source_unit() made it a multiple of the
 * alignment before it was charged, and a program that calls this itself gets what it asked for.
 */
static void *malloc_acquire(void *ctx, size_t *size, size_t align)
{
	(void)ctx;

	/* C11 wants a size that is a multiple of the alignment from callers of aligned_alloc(3). */
	const size_t bytes = num_up(*size, align);

	return bytes > PTRDIFF_MAX ? NULL : aligned_alloc(align, bytes);
}

static void malloc_release(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	(void)size;
	free(memory);
}

/* Every request for growth fails, and its arena stays in the memory that it was made in. */
static void *none_acquire(void *ctx, size_t *size, size_t align)
{
	(void)ctx;
	(void)size;
	(void)align;
	return NULL;
}

/* Never called with memory; but a source has both functions. */
static void none_release(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	(void)memory;
	(void)size;
}

/* A cache rounds up to classes beyond this, but keeps the difference to itself (cache.c). */
size_t source_unit(const herd_source_t *source)
{
	if (source_has_huge_pages(source))
		return os_page_size();
	return source->acquire == malloc_acquire ? SOURCE_ALIGN : SOURCE_UNIT;
}

bool source_has_huge_pages(const herd_source_t *source)
{
	return source_is_os(source) || is_guarded(source) || source_is_cache(source);
}

/* Not herd_source_none: cancellation is disabled around it for nothing, which does no harm. */
bool source_is_builtin(const herd_source_t *source)
{
	return source_has_huge_pages(source) ||
	       (source->acquire == malloc_acquire && source->release == malloc_release);
}

const herd_source_t herd_source_os = {.acquire = os_acquire, .release = os_release, .ctx = NULL};
const herd_source_t source_guarded = {
	.acquire = guarded_acquire, .release = guarded_release, .ctx = NULL};
const herd_source_t herd_source_malloc = {
	.acquire = malloc_acquire, .release = malloc_release, .ctx = NULL};
const herd_source_t herd_source_none = {
	.acquire = none_acquire, .release = none_release, .ctx = NULL};
