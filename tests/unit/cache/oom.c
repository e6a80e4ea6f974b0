/* SPDX-License-Identifier: MIT */
/*
 * A cache when there is no memory: from malloc(3) for itself, and from the system for chunks. And
 * what it maps: each page is unmapped once, and none is left.
 */

#include "../pool/pool.h"

#include <herd/cache.h>

#include <sys/mman.h>

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
/* mmap(2) under both names that it can have, by the size of off_t. */
typedef void *map_fn(void *at, size_t size, int protection, int flags, int fd, off_t offset);
map_fn __real_mmap, __wrap_mmap, __real_mmap64, __wrap_mmap64;
int __real_munmap(void *memory, size_t size);
int __wrap_munmap(void *memory, size_t size);

/*
 * Calls by the library and the test, counted from 1. From the number malloc_fails on all fail, if it
 * is not 0; of mmap(2) those up to the number map_fails do.
 */
static size_t mallocs, malloc_fails;
static size_t maps, map_fails;
static size_t mapped; /* bytes */

static size_t malloc_bytes; /* asked for since mallocs was 0 */

static bool malloc_refused(size_t size)
{
	mallocs++;
	malloc_bytes += size;
	return malloc_fails != 0 && mallocs >= malloc_fails;
}

void *__wrap_malloc(size_t size)
{
	return malloc_refused(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return malloc_refused(n * size) ? NULL : __real_calloc(n, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return malloc_refused(size) ? NULL : __real_aligned_alloc(align, size);
}

static bool map_refused(void)
{
	return ++maps <= map_fails;
}

static void *noted(void *memory, size_t size)
{
	mapped += memory != MAP_FAILED ? size : 0;
	return memory;
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (map_refused())
		return MAP_FAILED;
	return noted(__real_mmap(at, size, protection, flags, fd, offset), size);
}

void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (map_refused())
		return MAP_FAILED;
	return noted(__real_mmap64(at, size, protection, flags, fd, offset), size);
}

int __wrap_munmap(void *memory, size_t size)
{
	mapped -= size;
	return __real_munmap(memory, size);
}

static void fail_malloc(size_t at)
{
	mallocs = 0;
	malloc_bytes = 0;
	malloc_fails = at;
}

/* A request for a small chunk is refused by two refusals: without the wish it is tried once more. */
static void fail_map(size_t calls)
{
	maps = 0;
	map_fails = calls;
}

static size_t kept(const herd_cache_t *cache)
{
	herd_cache_stats_t stats;

	herd_cache_stats(cache, &stats);
	return stats.kept;
}

static void *acquire(herd_cache_t *cache, size_t size)
{
	return herd_cache_source(cache)->acquire(
		cache == NULL ? NULL : herd_cache_source(cache)->ctx, &size, 64);
}

static void release(herd_cache_t *cache, void *memory, size_t size)
{
	herd_cache_source(cache)->release(herd_cache_source(cache)->ctx, memory, size);
}

static void a_cache_is_made_or_there_is_no_memory_for_it(void **state)
{
	(void)state;
	herd_cache_t *cache = NULL;
	size_t at = 1;

	for (; cache == NULL; at++) {
		errno = 0;
		fail_malloc(at);
		cache = herd_cache_new(4096);
		const size_t bytes = malloc_bytes;
		fail_malloc(0);
		assert_in_range(bytes, 1, 64 * KIB - 1);
		if (cache == NULL)
			assert_int_equal(errno, ENOMEM);
	}
	assert_in_range(at, 3, 8);
	assert_int_equal(herd_cache_destroy(cache), 0);
}

/* A chunk without a node goes back to the system. */
static void a_chunk_that_can_not_be_noted_is_not_kept(void **state)
{
	(void)state;
	enum { CHUNKS = 200 };
	const size_t before = mapped;
	herd_cache_t *const cache = herd_cache_new(SIZE_MAX);
	void *chunks[CHUNKS];

	for (size_t i = 0; i < CHUNKS; i++)
		assert_non_null(chunks[i] = acquire(cache, 4096));
	fail_malloc(1);
	for (size_t i = 0; i < CHUNKS; i++)
		release(cache, chunks[i], 4096);
	fail_malloc(0);
	assert_in_range(kept(cache), 1, (CHUNKS - 1) * 4096);
	assert_int_equal(mapped - before, kept(cache));
	for (size_t i = 0; i < CHUNKS; i++)
		assert_non_null(chunks[i] = acquire(cache, 4096));
	for (size_t i = 0; i < CHUNKS; i++)
		release(cache, chunks[i], 4096);
	assert_int_equal(kept(cache), CHUNKS * 4096);
	assert_int_equal(mapped - before, CHUNKS * 4096);
	assert_int_equal(herd_cache_destroy(cache), 0);
	assert_int_equal(mapped, before);
}

static void before_a_request_is_refused_all_that_is_kept_goes_back(void **state)
{
	(void)state;
	const size_t before = mapped;
	herd_cache_t *const cache = herd_cache_new(SIZE_MAX);
	void *const small = acquire(cache, 4096);

	release(cache, acquire(cache, 65536), 65536);
	fail_map(2);
	void *const other = acquire(cache, 32768);

	fail_map(0);
	assert_non_null(other);
	assert_int_equal(kept(cache), 0);
	fail_map(2); /* nothing is kept: it is not asked for again */
	assert_null(acquire(cache, 16384));
	fail_map(0);
	assert_int_equal(mapped - before, 4096 + 32768);
	release(cache, small, 4096);
	release(cache, other, 32768);
	assert_int_equal(herd_cache_destroy(cache), 0);
	assert_int_equal(mapped, before);
}

static void what_is_refused_is_not_counted(void **state)
{
	(void)state;
	herd_cache_t *const cache = herd_cache_new(SIZE_MAX);
	herd_cache_stats_t stats;

	fail_map(2);
	assert_null(acquire(cache, 16384));
	fail_map(0);
	herd_cache_stats(cache, &stats);
	assert_int_equal(stats.misses + stats.hits + stats.out + stats.peak, 0);
	assert_int_equal(herd_cache_destroy(cache), 0);
}

static void what_does_not_fit_the_limit_is_unmapped_at_once(void **state)
{
	(void)state;
	const size_t before = mapped;
	herd_cache_t *const cache = herd_cache_new(10 * 4096);
	uint64_t random = test_seed("limit");

	for (size_t i = 0; i < TEST_SCALE(5000); i++) {
		void *chunks[12];
		size_t sizes[12];

		for (size_t k = 0; k < 12; k++) {
			sizes[k] = 1 + test_below(&random, 50000);
			assert_non_null(chunks[k] = acquire(cache, sizes[k]));
		}
		for (size_t k = 0; k < 12; k++)
			release(cache, chunks[k], sizes[k]);
		assert_int_equal(mapped - before, kept(cache));
		assert_in_range(kept(cache), 0, 10 * 4096);
	}
	assert_int_equal(herd_cache_destroy(cache), 0);
	assert_int_equal(mapped, before);
}

/* The bar for a program that has no cache. */
static void a_small_herd_over_the_system_is_one_mmap_and_one_munmap(void **state)
{
	(void)state;
	const size_t before = mapped;

	for (size_t i = 0; i < 10; i++) {
		fail_map(0);
		herd_t *const herd = herd_new(NULL);
		bump_t *const bump = pool_get(herd);

		pool_alloc(bump, 100, 1);
		herd_put(herd, bump);
		assert_int_equal(mapped - before, 4096);
		assert_int_equal(herd_destroy(herd), 0);
		assert_int_equal(maps, 1);
		assert_int_equal(mapped, before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cache_is_made_or_there_is_no_memory_for_it),
		cmocka_unit_test(a_chunk_that_can_not_be_noted_is_not_kept),
		cmocka_unit_test(before_a_request_is_refused_all_that_is_kept_goes_back),
		cmocka_unit_test(what_is_refused_is_not_counted),
		cmocka_unit_test(what_does_not_fit_the_limit_is_unmapped_at_once),
		cmocka_unit_test(a_small_herd_over_the_system_is_one_mmap_and_one_munmap),
	};

	return cmocka_run_group_tests_name("oom", tests, NULL, NULL);
}
