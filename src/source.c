/* SPDX-License-Identifier: MIT */
/* The two sources that do not ask the operating system. */

#include <herd/source.h>

#include <stdlib.h>

#include "num.h"

static void *malloc_acquire(void *ctx, size_t *size, size_t align)
{
	(void)ctx;

	/*
	 * aligned_alloc(3) wants a multiple of the alignment; the arena need not know of the few
	 * bytes more.
	 */
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

const herd_source_t herd_source_malloc = {
	.acquire = malloc_acquire, .release = malloc_release, .ctx = NULL};
const herd_source_t herd_source_none = {
	.acquire = none_acquire, .release = none_release, .ctx = NULL};
