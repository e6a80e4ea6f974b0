/* SPDX-License-Identifier: MIT */
/*
 * Herds and standalone arenas over a cache: in the steady state they ask the system for nothing,
 * their limits hold, and what they gave back is nobody's.
 */

#define _GNU_SOURCE 1
#include "../pool/pool.h"

#include <herd/cache.h>

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

void *__asan_region_is_poisoned(void *start, size_t size) __attribute__((weak));

static herd_cache_stats_t stats_of(const herd_cache_t *cache)
{
	herd_cache_stats_t stats;

	herd_cache_stats(cache, &stats);
	return stats;
}

/* Page faults of this thread so far that needed no input or output. */
static size_t faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (size_t)usage.ru_minflt;
}

struct works {
	herd_cache_t *cache;
	size_t turns;
	atomic_size_t warm; /* threads that have done their first turns */
	atomic_size_t cold; /* turns, but the first, in which a page faulted */
};

/* A request: a herd, two members, allocations that make chunks double and one that has its own. */
static void request(struct works *works, size_t id, size_t turn)
{
	const herd_config_t config = {.bump.source = herd_cache_source(works->cache)};
	herd_t *const herd = herd_new(&config);
	const uint32_t seed = (uint32_t)(turn * 16 + id);

	if (!TEAM_CHECK(herd != NULL, "turn %zu", turn))
		return;
	bump_t *const one = herd_get(herd);
	bump_t *const two = herd_get(herd);
	char *const small = one == NULL ? NULL : bump_alloc(one, 100);
	char *const own = two == NULL ? NULL : bump_alloc(two, 100000);

	if (TEAM_CHECK(small != NULL && own != NULL && pool_spend(one, 30000, 300), "turn %zu",
		       turn)) {
		test_fill(small, 100, seed);
		test_fill(own, 100000, seed);
		TEAM_CHECK(test_verify(small, 100, seed) && test_verify(own, 100000, seed),
			   "turn %zu", turn);
	}
	herd_put(herd, two);
	herd_put(herd, one);
	TEAM_CHECK(herd_destroy(herd) == 0, "turn %zu", turn);
}

/* The most that a request needs, so that there are chunks for all threads at once. */
static void stock(struct works *works, size_t threads)
{
	const herd_source_t *const source = herd_cache_source(works->cache);
	const size_t sizes[] = {4096, 4096, 8192, 16384, 32768, 65536, 100000 + 64};
	enum { SIZES = 7 };
	void *chunks[TEAM_MAX][SIZES];

	for (size_t i = 0; i < threads * SIZES; i++) {
		size_t size = sizes[i % SIZES];

		chunks[i / SIZES][i % SIZES] = source->acquire(source->ctx, &size, 64);
		assert_non_null(chunks[i / SIZES][i % SIZES]);
		memset(chunks[i / SIZES][i % SIZES], 0, size);
	}
	for (size_t i = 0; i < threads * SIZES; i++)
		source->release(source->ctx, chunks[i / SIZES][i % SIZES], sizes[i % SIZES]);
}

static void serve(void *arg, size_t id)
{
	struct works *const works = arg;

	for (size_t turn = 0; turn < 10; turn++)
		request(works, id, turn);
	/* malloc(3) gives each thread an arena of its own; that, and the stack, are hot now. */
	atomic_fetch_add(&works->warm, 1);
	for (size_t turn = 10; turn < works->turns; turn++) {
		const size_t before = faults();

		request(works, id, turn);
		if (faults() != before)
			atomic_fetch_add(&works->cold, 1);
	}
}

static void serve_with(size_t threads)
{
	struct works works = {.cache = herd_cache_new(SIZE_MAX), .turns = 10 + TEST_SCALE(2000)};

	assert_non_null(works.cache);
	stock(&works, threads);
	const size_t misses = stats_of(works.cache).misses;

	team_run(threads, serve, &works);
	assert_int_equal(stats_of(works.cache).misses, misses);
	assert_int_equal(stats_of(works.cache).out, 0);
	if (!test_is_slow())
		assert_int_equal(atomic_load(&works.cold), 0);
	assert_int_equal(herd_cache_destroy(works.cache), 0);
}

static void a_herd_a_request_asks_the_system_for_nothing_and_faults_not(void **state)
{
	(void)state;
	serve_with(1);
}

static void herds_of_several_threads_share_a_cache(void **state)
{
	(void)state;
	serve_with(8);
}

static void a_standalone_arena_may_use_a_cache(void **state)
{
	(void)state;
	herd_cache_t *const cache = herd_cache_new(SIZE_MAX);
	const bump_config_t config = {.source = herd_cache_source(cache)};
	void *first = NULL;

	for (size_t i = 0; i < 3; i++) {
		bump_t *const bump = bump_new(&config);

		assert_non_null(bump);
		void *const memory = bump_alloc(bump, 100);

		assert_non_null(memory);
		if (first == NULL)
			first = memory;
		assert_ptr_equal(memory, first);
		assert_int_equal(herd_cache_destroy(cache), EBUSY);
		bump_destroy(bump);
	}
	assert_int_equal(stats_of(cache).misses, 1);
	assert_int_equal(stats_of(cache).hits, 2);
	assert_int_equal(herd_cache_destroy(cache), 0);
}

/* A herd's limit counts the pages it asks for: rounding by the cache never makes it refuse. */
static void what_the_limit_of_a_herd_allows_it_gets(void **state)
{
	(void)state;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	herd_cache_t *const cache = herd_cache_new(SIZE_MAX);

	for (size_t size = 1000; size < 3000000; size += size / 7 + 1) {
		const size_t limit = (size + 64) / page * page + page;
		const herd_config_t config = {.bump.source = herd_cache_source(cache),
					      .limit = limit};
		herd_t *const herd = herd_new(&config);
		bump_t *const bump = pool_get(herd);

		pool_alloc(bump, size, 1);
		assert_in_range(pool_stats(herd).peak, size, limit);
		herd_put(herd, bump);
		assert_int_equal(herd_destroy(herd), 0);
	}
	assert_int_equal(herd_cache_destroy(cache), 0);
}

static void herds_over_one_cache_can_be_joined(void **state)
{
	(void)state;
	herd_cache_t *const cache = herd_cache_new(SIZE_MAX);
	const herd_source_t copy = *herd_cache_source(cache);
	herd_t *const into = herd_new(&(herd_config_t){.bump.source = herd_cache_source(cache)});
	herd_t *const from = herd_new(&(herd_config_t){.bump.source = &copy});
	bump_t *const bump = pool_get(from);
	void *const memory = pool_alloc(bump, 5000, 3);

	herd_put(from, bump);
	assert_int_equal(herd_absorb(into, from), 0);
	assert_int_equal(herd_destroy(from), 0);
	assert_true(test_verify(memory, 5000, 3));
	assert_int_equal(herd_cache_destroy(cache), EBUSY);
	assert_int_equal(herd_destroy(into), 0);
	assert_int_equal(herd_cache_destroy(cache), 0);
}

static void a_trim_of_a_herd_is_the_caches_gain(void **state)
{
	(void)state;
	herd_cache_t *const cache = herd_cache_new(SIZE_MAX);
	herd_t *const herd = herd_new(&(herd_config_t){.bump.source = herd_cache_source(cache)});
	bump_t *const bump = pool_get(herd);

	assert_true(pool_spend(bump, 100000, 1000));
	herd_put(herd, bump);
	const size_t out = stats_of(cache).out;

	assert_int_equal(herd_reset(herd), 0);
	assert_int_equal(stats_of(cache).kept, 0);
	assert_int_equal(herd_trim(herd, 0), out);
	assert_int_equal(stats_of(cache).kept, out);
	assert_int_equal(herd_destroy(herd), 0);
	assert_int_equal(herd_cache_destroy(cache), 0);
}

static void a_use_of_kept_memory_is_reported_by_address_sanitizer(void **state)
{
	(void)state;
	if (__asan_region_is_poisoned == NULL) {
		print_message("# needs address sanitizer\n");
		skip();
	}
	herd_cache_t *const cache = herd_cache_new(SIZE_MAX);
	herd_t *const herd = herd_new(&(herd_config_t){.bump.source = herd_cache_source(cache)});
	bump_t *const bump = pool_get(herd);
	char *const memory = pool_alloc(bump, 100, 1);

	herd_put(herd, bump);
	assert_int_equal(herd_destroy(herd), 0);
	assert_ptr_equal(__asan_region_is_poisoned(memory, 1), memory);
	const herd_source_t *const source = herd_cache_source(cache);
	size_t size = 4096;
	void *const chunk = source->acquire(source->ctx, &size, 64);

	assert_int_equal(stats_of(cache).hits, 1);
	assert_null(__asan_region_is_poisoned(chunk, 4096));
	source->release(source->ctx, chunk, size);
	assert_int_equal(herd_cache_destroy(cache), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_herd_a_request_asks_the_system_for_nothing_and_faults_not),
		cmocka_unit_test(herds_of_several_threads_share_a_cache),
		cmocka_unit_test(a_standalone_arena_may_use_a_cache),
		cmocka_unit_test(what_the_limit_of_a_herd_allows_it_gets),
		cmocka_unit_test(herds_over_one_cache_can_be_joined),
		cmocka_unit_test(a_trim_of_a_herd_is_the_caches_gain),
		cmocka_unit_test(a_use_of_kept_memory_is_reported_by_address_sanitizer),
	};

	return cmocka_run_group_tests_name("herds", tests, NULL, NULL);
}
