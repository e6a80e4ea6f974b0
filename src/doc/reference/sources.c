/* SPDX-License-Identifier: MIT */
/* Examples of herd/source.h and herd/cache.h. */

#include <herd/cache.h>
#include <herd/herd.h>
#include <herd/source.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

/* [herd_source_t] */
static void *take(void *ctx, size_t *size, size_t align)
{
	size_t rounded = (*size + align - 1) & ~(align - 1);

	*(size_t *)ctx += *size; /* counts; with several threads it would have to be atomic */
	return aligned_alloc(align, rounded);
}

static void give(void *ctx, void *memory, size_t size)
{
	*(size_t *)ctx -= size;
	free(memory);
}

static bump_t *new_counted(size_t *held)
{
	herd_source_t source = {.acquire = take, .release = give, .ctx = held};

	return bump_new(&(bump_config_t){.source = &source}); /* the source is copied */
}
/* [herd_source_t] */

/* [herd_source_os] */
static void *take_small(void *ctx, size_t *size, size_t align)
{
	if (*size > 1 << 20)
		return NULL; /* no chunk above 1 MiB; all else is as by default */
	return herd_source_os.acquire(ctx, size, align);
}
/* [herd_source_os] */

/* [herd_source_kept] */
static void report(FILE *stream)
{
	if (herd_source_kept() != 0)
		fprintf(stream, "%zu bytes could not be unmapped: see vm.max_map_count\n",
			herd_source_kept());
}
/* [herd_source_kept] */

/* [herd_source_malloc] */
static herd_t *new_for_heap_profiler(void)
{
	return herd_new(&(herd_config_t){.bump.source = &herd_source_malloc});
}
/* [herd_source_malloc] */

/* [herd_source_none] */
static bump_t *new_fixed(void *memory, size_t size)
{
	/* ENOMEM when that is full. */
	return bump_new_in(memory, size, &(bump_config_t){.source = &herd_source_none});
}
/* [herd_source_none] */

/* [herd_cache_new] */
static int serve(int requests, int (*answer)(herd_t *herd))
{
	herd_cache_t *cache = herd_cache_new(64 << 20); /* keeps at most 64 MiB */
	int error = cache != NULL ? 0 : ENOMEM;

	for (int i = 0; i < requests && error == 0; i++) {
		herd_config_t config = {.bump.source = herd_cache_source(cache)};
		herd_t *herd = herd_new(&config);
		error = herd != NULL ? answer(herd) : ENOMEM;
		herd_destroy(herd); /* its chunks are the next one's */
	}
	return herd_cache_destroy(cache) != 0 ? EBUSY : error;
}
/* [herd_cache_new] */

/* [herd_cache_trim] */
static void low_memory(herd_cache_t *cache)
{
	printf("%zu bytes went back to the system\n", herd_cache_trim(cache, 0));
}
/* [herd_cache_trim] */

/* [herd_cache_stats] */
static double hit_rate(const herd_cache_t *cache)
{
	herd_cache_stats_t stats;

	herd_cache_stats(cache, &stats);
	size_t all = stats.hits + stats.misses;
	return all > 0 ? (double)stats.hits / (double)all : 0;
}
/* [herd_cache_stats] */

static int answer(herd_t *herd)
{
	HERD_SCOPE(herd, bump);

	return bump != NULL && bump_alloc(bump, 100000) != NULL ? 0 : ENOMEM;
}

static void with_sources(void)
{
	size_t held = 0;
	bump_t *bump = new_counted(&held);
	MUST(bump != NULL && bump_alloc(bump, 10) != NULL && held > 10);
	bump_destroy(bump);
	MUST(held == 0);

	const herd_source_t small = {.acquire = take_small, .release = herd_source_os.release};
	bump = bump_new(&(bump_config_t){.source = &small});
	MUST(bump_alloc(bump, 1000) != NULL && bump_alloc(bump, 4 << 20) == NULL);
	bump_destroy(bump);

	char memory[BUMP_OVERHEAD + 256];
	bump = new_fixed(memory, sizeof memory);
	MUST(bump != NULL && bump_alloc(bump, 8) != NULL);
	MUST(bump_alloc(bump, 1000) == NULL && errno == ENOMEM);
	bump_destroy(bump);
}

int main(void)
{
	with_sources();
	report(stderr);

	herd_t *herd = new_for_heap_profiler();
	MUST(herd != NULL && answer(herd) == 0 && herd_destroy(herd) == 0);
	MUST(serve(3, answer) == 0);

	herd_cache_t *cache = herd_cache_new(SIZE_MAX);
	MUST(cache != NULL);
	for (int i = 0; i < 2; i++) {
		bump_t *bump = bump_new(&(bump_config_t){.source = herd_cache_source(cache)});
		MUST(bump != NULL && bump_alloc(bump, 100) != NULL);
		bump_destroy(bump);
	}
	MUST(hit_rate(cache) > 0.4 && hit_rate(cache) < 0.6);
	low_memory(cache);
	MUST(herd_cache_destroy(cache) == 0);
	return 0;
}
