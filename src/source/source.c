/* SPDX-License-Identifier: MIT */
/* The three sources that are ready made. */

#include <herd/source.h>

#include <stdlib.h>

#include "base/num.h"
#include "source/os.h"
#include "source/region.h"
#include "source/source.h"

static void *os_acquire(void *ctx, size_t *size, size_t align)
{
	(void)ctx;
	(void)align; /* at most 64, and a page is more */

	const size_t bytes = num_up(*size, os_page_size());
	void *memory = bytes == OS_HUGE ? region_take() : os_map(bytes);

	if (memory != NULL)
		*size = bytes;
	return memory;
}

static void os_release(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	if (size == OS_HUGE)
		region_give(memory);
	else
		os_unmap(memory, size);
}

bool source_is_os(const herd_source_t *source)
{
	return source->acquire == os_acquire && source->release == os_release;
}

/* Guard pages hold no memory: a size does not count them. */
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

static void *malloc_acquire(void *ctx, size_t *size, size_t align)
{
	(void)ctx;

	/* aligned_alloc(3) wants a multiple of the alignment: see source_unit(). */
	const size_t bytes = num_up(*size, align);

	return bytes > PTRDIFF_MAX ? NULL : aligned_alloc(align, bytes);
}

static void malloc_release(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	(void)size;
	free(memory);
}

static void *none_acquire(void *ctx, size_t *size, size_t align)
{
	(void)ctx;
	(void)size;
	(void)align;
	return NULL;
}

static void none_release(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	(void)memory;
	(void)size;
}

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
