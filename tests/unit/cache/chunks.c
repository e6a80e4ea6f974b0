/* SPDX-License-Identifier: MIT */
/*
 * The cache as a source, in one thread: what it gives, keeps, makes way for, and gives back.
 */

#include "../pool/pool.h"

#include <herd/cache.h>

#include <unistd.h>

static size_t page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static herd_cache_stats_t stats_of(const herd_cache_t *cache)
{
	herd_cache_stats_t stats;

	memset(&stats, 0xEE, sizeof(stats));
	herd_cache_stats(cache, &stats);
	return stats;
}

static herd_cache_t *cache_with(size_t limit)
{
	herd_cache_t *const cache = herd_cache_new(limit);

	assert_non_null(cache);
	return cache;
}

static void *acquire(herd_cache_t *cache, size_t size)
{
	const herd_source_t *const source = herd_cache_source(cache);
	size_t given = size;
	void *const memory = source->acquire(source->ctx, &given, 64);

	if (memory == NULL)
		fail_msg("no memory for %zu bytes", size);
	if (given != size)
		fail_msg("asked for %zu bytes, told of %zu", size, given);
	return memory;
}

static void release(herd_cache_t *cache, void *memory, size_t size)
{
	const herd_source_t *const source = herd_cache_source(cache);

	source->release(source->ctx, memory, size);
}

static void end(herd_cache_t *cache)
{
	assert_int_equal(stats_of(cache).out, 0);
	assert_int_equal(herd_cache_destroy(cache), 0);
}

/* Put n chunks of `size` bytes into the cache, if it keeps them. */
static void stock(herd_cache_t *cache, size_t n, size_t size)
{
	void *chunks[64];

	assert_in_range(n, 1, 64);
	for (size_t i = 0; i < n; i++)
		chunks[i] = acquire(cache, size);
	for (size_t i = 0; i < n; i++)
		release(cache, chunks[i], size);
}

/* --- what is given --- */

static void what_comes_back_is_given_again_the_last_first(void **state)
{
	(void)state;
	herd_cache_t *const cache = cache_with(SIZE_MAX);
	void *const first = acquire(cache, 4096);
	void *const second = acquire(cache, 4096);

	assert_ptr_not_equal(first, second);
	release(cache, first, 4096);
	release(cache, second, 4096);
	assert_ptr_equal(acquire(cache, 4096), second);
	assert_ptr_equal(acquire(cache, 4096), first);
	assert_int_equal(stats_of(cache).misses, 2);
	assert_int_equal(stats_of(cache).hits, 2);
	release(cache, first, 4096);
	release(cache, second, 4096);
	end(cache);
}

/* Sizes around all borders of classes. */
static size_t border(size_t i)
{
	const size_t steps = 8 + i / 3 % 8;

	return ((steps << (i / 24)) * page() / 8) + i % 3 - 1;
}

enum { BORDERS = 12 * 24 };

static void each_size_is_rounded_up_by_less_than_an_eighth_or_a_page(void **state)
{
	(void)state;
	for (size_t i = 0; i < BORDERS; i++) {
		herd_cache_t *const cache = cache_with(SIZE_MAX);
		const size_t size = border(i);
		void *const memory = acquire(cache, size);
		const size_t out = stats_of(cache).out;
		const size_t most = size / 8 > page() ? size / 8 : page();

		if (out < size || out - size >= most || out % page() != 0)
			fail_msg("%zu bytes became %zu", size, out);
		test_fill(memory, size, (uint32_t)i);
		assert_true(test_verify(memory, size, (uint32_t)i));
		release(cache, memory, size);
		assert_int_equal(stats_of(cache).kept, out);
		end(cache);
	}
}

static void every_size_of_a_class_is_served_by_what_is_kept_of_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < BORDERS; i++) {
		herd_cache_t *const cache = cache_with(SIZE_MAX);
		const size_t size = border(i);
		void *const memory = acquire(cache, size);
		const size_t out = stats_of(cache).out;

		release(cache, memory, size);
		void *const largest = acquire(cache, out);

		if (largest != memory)
			fail_msg("%zu bytes were kept for %zu, but not given for %zu", out, size,
				 out);
		release(cache, largest, out);
		void *const again = acquire(cache, size);

		if (again != memory)
			fail_msg("%zu bytes were not given for %zu", out, size);
		void *const larger = acquire(cache, out + 1);

		assert_ptr_not_equal(larger, memory);
		release(cache, larger, out + 1);
		release(cache, again, size);
		end(cache);
	}
}

static void huge_chunks_are_aligned_and_kept_whole(void **state)
{
	(void)state;
	herd_cache_t *const cache = cache_with(SIZE_MAX);
	void *const huge = acquire(cache, 2 * MIB);

	assert_true(test_is_aligned(huge, 2 * MIB));
	release(cache, huge, 2 * MIB);
	void *const small = acquire(cache, 4096);

	assert_int_equal(stats_of(cache).hits, 0);
	assert_int_equal(stats_of(cache).kept, 2 * MIB);
	assert_ptr_equal(acquire(cache, 2 * MIB), huge);
	release(cache, small, 4096);
	release(cache, huge, 2 * MIB);
	end(cache);
}

static void any_alignment_up_to_a_page_is_given_and_no_other(void **state)
{
	(void)state;
	herd_cache_t *const cache = cache_with(SIZE_MAX);
	const herd_source_t *const source = herd_cache_source(cache);

	for (size_t align = 1; align <= 2 * page(); align *= 2) {
		size_t size = 3 * page();
		void *const memory = source->acquire(source->ctx, &size, align);

		assert_int_equal(memory != NULL, align <= page());
		if (memory == NULL)
			continue;
		assert_true(test_is_aligned(memory, align));
		source->release(source->ctx, memory, size);
	}
	end(cache);
}

static void what_no_system_has_is_refused(void **state)
{
	(void)state;
	herd_cache_t *const cache = cache_with(SIZE_MAX);
	const herd_source_t *const source = herd_cache_source(cache);
	const size_t sizes[] = {SIZE_MAX, SIZE_MAX - page(), (size_t)PTRDIFF_MAX + 1};

	for (size_t i = 0; i < 3; i++) {
		size_t size = sizes[i];

		assert_null(source->acquire(source->ctx, &size, 64));
		assert_int_equal(size, sizes[i]);
	}
	assert_int_equal(stats_of(cache).peak, 0);
	end(cache);
}

static void chunks_above_a_million_pages_are_not_kept(void **state)
{
	(void)state;
	if (test_is_slow() || sizeof(size_t) < 8) {
		print_message("# there is no room for chunks of that size\n");
		skip();
	}
	herd_cache_t *const cache = cache_with(SIZE_MAX);
	const herd_source_t *const source = herd_cache_source(cache);
	const size_t most = page() << 20;

	for (size_t size = most; size <= most + 1; size++) {
		size_t given = size;
		void *const memory = source->acquire(source->ctx, &given, 64);

		if (memory == NULL)
			continue; /* the system promises no more than it has */
		source->release(source->ctx, memory, given);
		assert_int_equal(stats_of(cache).kept, size == most ? most : 0);
		herd_cache_trim(cache, 0);
	}
	end(cache);
}

/* --- the limit --- */

static void no_more_is_kept_than_the_limit(void **state)
{
	(void)state;
	for (size_t limit = 0; limit <= 5; limit++) {
		herd_cache_t *const cache = cache_with(limit * page());

		stock(cache, 5, page());
		assert_int_equal(stats_of(cache).kept, limit * page());
		assert_int_equal(stats_of(cache).limit, limit * page());
		assert_int_equal(stats_of(cache).peak, 5 * page());
		end(cache);
	}
}

static void a_limit_is_exact_to_the_byte(void **state)
{
	(void)state;
	herd_cache_t *const cache = cache_with(2 * page() - 1);

	stock(cache, 2, page());
	assert_int_equal(stats_of(cache).kept, page());
	stock(cache, 1, 2 * page());
	assert_int_equal(stats_of(cache).kept, page());
	end(cache);
}

static void what_is_out_does_not_count_to_the_limit(void **state)
{
	(void)state;
	herd_cache_t *const cache = cache_with(page());
	void *const out = acquire(cache, 100 * page());

	stock(cache, 1, page());
	assert_int_equal(stats_of(cache).kept, page());
	assert_int_equal(stats_of(cache).out >= 100 * page(), 1);
	release(cache, out, 100 * page());
	assert_int_equal(stats_of(cache).kept, page());
	end(cache);
}

/* Any number of chunks: there are nodes for as many as there are. */
static void without_a_limit_all_is_kept(void **state)
{
	(void)state;
	enum { MANY = 5000 };
	const size_t n = TEST_SCALE(MANY);
	herd_cache_t *const cache = cache_with(SIZE_MAX);
	static void *chunks[MANY];

	for (size_t i = 0; i < n; i++)
		chunks[i] = acquire(cache, page());
	for (size_t i = 0; i < n; i++)
		release(cache, chunks[i], page());
	assert_int_equal(stats_of(cache).kept, n * page());
	for (size_t i = n; i-- > 0;)
		assert_ptr_equal(acquire(cache, page()), chunks[i]);
	assert_int_equal(stats_of(cache).misses, n);
	for (size_t i = 0; i < n; i++)
		release(cache, chunks[i], page());
	end(cache);
}

/*
 * A program that has changed: what it needed once fills the cache, and something else is asked
 * for.
 */
static void sizes_that_nobody_asks_for_make_way(void **state)
{
	(void)state;
	const size_t sizes[] = {1, 3, 8, 20, 64};

	for (size_t i = 0; i < 25; i++) {
		const size_t old = sizes[i / 5];
		const size_t fresh = sizes[i % 5];

		if (old == fresh)
			continue;
		herd_cache_t *const cache = cache_with(64 * page());

		stock(cache, 64 / old, old * page());
		for (size_t turn = 0; turn < 8; turn++)
			stock(cache, 1, fresh * page());
		const size_t misses = stats_of(cache).misses;

		for (size_t turn = 0; turn < 8; turn++)
			stock(cache, 1, fresh * page());
		if (stats_of(cache).misses != misses)
			fail_msg("%zu pages are never kept where there were chunks of %zu", fresh,
				 old);
		assert_in_range(stats_of(cache).kept, 1, 64 * page());
		end(cache);
	}
}

static void sizes_that_are_asked_for_stay(void **state)
{
	(void)state;
	herd_cache_t *const cache = cache_with(16 * page());

	stock(cache, 4, page());
	stock(cache, 3, 4 * page());
	for (size_t turn = 0; turn < 20; turn++) {
		const size_t misses = stats_of(cache).misses;

		stock(cache, 4, page());
		stock(cache, 3, 4 * page());
		assert_int_equal(stats_of(cache).misses, misses);
	}
	end(cache);
}

/* The large one would need more of them than ever give way at once. */
static void what_is_asked_for_does_not_make_way_in_vain(void **state)
{
	(void)state;
	herd_cache_t *const cache = cache_with(64 * page());

	stock(cache, 60, page());
	for (size_t turn = 0; turn < 5; turn++) {
		const size_t misses = stats_of(cache).misses;

		stock(cache, 60, page());
		assert_int_equal(stats_of(cache).misses, misses);
		stock(cache, 1, 32 * page());
		assert_int_equal(stats_of(cache).kept, 60 * page());
	}
	end(cache);
}

/* --- trimming --- */

static void trim_gives_back_down_to_what_may_stay_the_largest_first(void **state)
{
	(void)state;
	herd_cache_t *const cache = cache_with(SIZE_MAX);

	stock(cache, 3, page());
	stock(cache, 1, 4 * page());
	stock(cache, 1, 64 * page());
	assert_int_equal(herd_cache_trim(cache, SIZE_MAX), 0);
	assert_int_equal(herd_cache_trim(cache, 71 * page()), 0);
	assert_int_equal(herd_cache_trim(cache, 71 * page() - 1), 64 * page());
	assert_int_equal(stats_of(cache).kept, 7 * page());
	assert_int_equal(herd_cache_trim(cache, 2 * page()), 5 * page());
	assert_int_equal(stats_of(cache).kept, 2 * page());
	assert_int_equal(herd_cache_trim(cache, 0), 2 * page());
	assert_int_equal(herd_cache_trim(cache, 0), 0);
	assert_int_equal(stats_of(cache).kept, 0);
	end(cache);
}

static void trim_leaves_alone_what_is_out(void **state)
{
	(void)state;
	herd_cache_t *const cache = cache_with(SIZE_MAX);
	void *const out = acquire(cache, 10000);

	test_fill(out, 10000, 7);
	stock(cache, 2, 10000);
	herd_cache_trim(cache, 0);
	assert_true(test_verify(out, 10000, 7));
	assert_int_equal(stats_of(cache).kept, 0);
	release(cache, out, 10000);
	end(cache);
}

/* --- the end --- */

static void destroy_allows_null(void **state)
{
	(void)state;
	assert_int_equal(herd_cache_destroy(NULL), 0);
}

static void destroy_is_refused_while_a_chunk_is_out_and_nothing_happens(void **state)
{
	(void)state;
	herd_cache_t *const cache = cache_with(SIZE_MAX);
	void *const out = acquire(cache, 5000);

	test_fill(out, 5000, 3);
	stock(cache, 3, page());
	const herd_cache_stats_t before = stats_of(cache);

	assert_int_equal(herd_cache_destroy(cache), EBUSY);
	const herd_cache_stats_t after = stats_of(cache);

	assert_memory_equal(&after, &before, sizeof(after));
	assert_true(test_verify(out, 5000, 3));
	stock(cache, 3, page());
	assert_int_equal(stats_of(cache).misses, before.misses);
	release(cache, out, 5000);
	end(cache);
}

/* --- looking --- */

static void statistics_count_bytes_of_pages_and_requests(void **state)
{
	(void)state;
	herd_cache_t *const cache = cache_with(3 * page());
	const herd_cache_stats_t none = {.limit = 3 * page()};
	herd_cache_stats_t stats = stats_of(cache);

	assert_memory_equal(&stats, &none, sizeof(stats));
	void *const one = acquire(cache, 1);
	void *const two = acquire(cache, page() + 1);

	release(cache, one, 1);
	release(cache, acquire(cache, page()), page());
	stats = stats_of(cache);
	const herd_cache_stats_t some = {.limit = 3 * page(),
					 .kept = page(),
					 .out = 2 * page(),
					 .peak = 3 * page(),
					 .hits = 1,
					 .misses = 2};

	assert_memory_equal(&stats, &some, sizeof(stats));
	release(cache, two, page() + 1);
	herd_cache_trim(cache, 0);
	stats = stats_of(cache);
	const herd_cache_stats_t last = {
		.limit = 3 * page(), .peak = 3 * page(), .hits = 1, .misses = 2};

	assert_memory_equal(&stats, &last, sizeof(stats));
	end(cache);
}

static void the_source_is_the_same_at_every_call(void **state)
{
	(void)state;
	herd_cache_t *const cache = cache_with(0);

	assert_ptr_equal(herd_cache_source(cache), herd_cache_source(cache));
	end(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_back_is_given_again_the_last_first),
		cmocka_unit_test(each_size_is_rounded_up_by_less_than_an_eighth_or_a_page),
		cmocka_unit_test(every_size_of_a_class_is_served_by_what_is_kept_of_it),
		cmocka_unit_test(huge_chunks_are_aligned_and_kept_whole),
		cmocka_unit_test(any_alignment_up_to_a_page_is_given_and_no_other),
		cmocka_unit_test(what_no_system_has_is_refused),
		cmocka_unit_test(chunks_above_a_million_pages_are_not_kept),
		cmocka_unit_test(no_more_is_kept_than_the_limit),
		cmocka_unit_test(a_limit_is_exact_to_the_byte),
		cmocka_unit_test(what_is_out_does_not_count_to_the_limit),
		cmocka_unit_test(without_a_limit_all_is_kept),
		cmocka_unit_test(sizes_that_nobody_asks_for_make_way),
		cmocka_unit_test(sizes_that_are_asked_for_stay),
		cmocka_unit_test(what_is_asked_for_does_not_make_way_in_vain),
		cmocka_unit_test(trim_gives_back_down_to_what_may_stay_the_largest_first),
		cmocka_unit_test(trim_leaves_alone_what_is_out),
		cmocka_unit_test(destroy_allows_null),
		cmocka_unit_test(destroy_is_refused_while_a_chunk_is_out_and_nothing_happens),
		cmocka_unit_test(statistics_count_bytes_of_pages_and_requests),
		cmocka_unit_test(the_source_is_the_same_at_every_call),
	};

	return cmocka_run_group_tests_name("chunks", tests, NULL, NULL);
}
