/* SPDX-License-Identifier: MIT */
/*
 * Tending a herd: what a reset keeps, what a trim gives back, what is spare, and warming up.
 */

#include "pool.h"

#include <sys/resource.h>

/* Members with all sorts of allocations; all are put back. */
static void phase(herd_t *herd, size_t members, size_t bytes_each)
{
	bump_t *out[16];

	assert_in_range(members, 1, 16);
	for (size_t i = 0; i < members; i++)
		out[i] = pool_get(herd);
	for (size_t i = 0; i < members; i++)
		assert_true(pool_spend(out[i], bytes_each, 800));
	for (size_t i = 0; i < members; i++)
		herd_put(herd, out[i]);
}

/* --- keep --- */

static void keep_0_keeps_all(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	phase(pool.herd, 4, 1 * MIB);
	const size_t held = pool.source.held;
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(pool.source.held, held);
	assert_int_equal(pool.source.releases, 0);
	pool_peak_agrees(&pool);
	pool_end(&pool);
}

static void keep_1_keeps_nothing(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.keep = 1;
	pool_open(&pool);
	for (size_t turn = 0; turn < 3; turn++) {
		phase(pool.herd, 4, 1 * MIB);
		assert_int_equal(herd_reset(pool.herd), 0);
		assert_int_equal(pool.source.held, 0);
		assert_int_equal(pool_stats(pool.herd).members, 4);
		pool_peak_agrees(&pool);
	}
	pool_end(&pool);
}

static void keep_n_keeps_at_most_n(void **state)
{
	(void)state;
	static const size_t keeps[] = {2,	4095,	     4096,    100000,
				       1 * MIB, 2 * MIB + 1, 3 * MIB, 64 * MIB};

	for (size_t i = 0; i < sizeof(keeps) / sizeof(keeps[0]); i++) {
		struct pool pool;

		pool_init(&pool);
		pool.config.keep = keeps[i];
		pool.config.bump.max_chunk = 64 * KIB;
		pool_open(&pool);
		for (size_t turn = 0; turn < 3; turn++) {
			phase(pool.herd, 4, 1 * MIB);
			const size_t before = pool.source.held;
			assert_int_equal(herd_reset(pool.herd), 0);
			if (pool.source.held > keeps[i])
				fail_msg("keep %zu: %zu bytes held", keeps[i], pool.source.held);
			if (before <= keeps[i] && pool.source.held < before)
				fail_msg("keep %zu: only %zu of %zu bytes kept", keeps[i],
					 pool.source.held, before);
			pool_peak_agrees(&pool);
		}
		pool_end(&pool);
	}
}

/* --- herd_trim --- */

static void trim_returns_what_it_gave_back(void **state)
{
	(void)state;
	static const size_t keeps[] = {SIZE_MAX, 3 * MIB, 1 * MIB, 100000, 5000, 1, 0, 0};
	struct pool pool;

	pool_start(&pool);
	phase(pool.herd, 4, 1 * MIB);
	assert_int_equal(herd_reset(pool.herd), 0);
	for (size_t i = 0; i < sizeof(keeps) / sizeof(keeps[0]); i++) {
		const size_t before = pool.source.held;
		const size_t given = herd_trim(pool.herd, keeps[i]);

		if (given != before - pool.source.held)
			fail_msg("trim to %zu: says %zu, gave %zu back", keeps[i], given,
				 before - pool.source.held);
		if (pool.source.held > keeps[i])
			fail_msg("trim to %zu: %zu bytes held", keeps[i], pool.source.held);
		if (before <= keeps[i] && given != 0)
			fail_msg("trim to %zu: gave %zu bytes of %zu back", keeps[i], given,
				 before);
		pool_peak_agrees(&pool);
	}
	assert_int_equal(pool.source.held, 0);
	assert_int_equal(pool_stats(pool.herd).spare, 0);
	assert_int_equal(pool_stats(pool.herd).members, 4);
	phase(pool.herd, 4, 1 * MIB);
	pool_end(&pool);
}

static void trim_leaves_every_allocation(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.bump.max_chunk = 64 * KIB;
	pool_open(&pool);
	phase(pool.herd, 8, 500000);
	assert_int_equal(herd_reset(pool.herd), 0);
	bump_t *const in = pool_get(pool.herd);
	bump_t *const out = pool_get(pool.herd);
	void *const memory[] = {pool_alloc(in, 700, 1), pool_alloc(in, 200000, 2),
				pool_alloc(out, 700, 3), pool_alloc(out, 200000, 4)};
	herd_put(pool.herd, in);
	const size_t used = pool_stats(pool.herd).used;
	assert_int_not_equal(herd_trim(pool.herd, 0), 0);
	assert_int_equal(pool_stats(pool.herd).used, used);
	assert_int_equal(pool_stats(pool.herd).out, 1);
	for (size_t i = 0; i < 4; i++)
		assert_true(test_verify(memory[i], i % 2 == 0 ? 700 : 200000, (uint32_t)i + 1));
	assert_true(herd_owns(pool.herd, memory[0]));
	pool_alloc(out, 100000, 5);
	herd_put(pool.herd, out);
	pool_peak_agrees(&pool);
	pool_end(&pool);
}

static void trim_gives_back_the_empty_chunks_of_idle_members(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	void *const kept = pool_alloc(bump, 100, 1);
	herd_put(pool.herd, bump);
	bump_t *const again = pool_get(pool.herd);
	assert_ptr_equal(again, bump);
	assert_true(pool_spend(again, 2 * MIB, 1000));
	assert_non_null(bump_alloc(again, 5 * MIB));
	herd_discard(pool.herd, again);
	herd_trim(pool.herd, 0);
	assert_in_range(pool.source.held, 100, 64 * KIB); /* the one chunk that holds something */
	assert_true(test_verify(kept, 100, 1));
	pool_peak_agrees(&pool);
	pool_end(&pool);
}

static void trim_gives_back_the_room_of_idle_members_that_hold_nothing(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.bump.first_chunk = 3000;
	pool_open(&pool);
	assert_int_equal(herd_warm(pool.herd, 3, 200000), 0);
	bump_t *const out = pool_get(pool.herd);
	const size_t held = pool.source.held;
	const size_t given = herd_trim(pool.herd, 0);
	assert_int_equal(pool.source.held, held - given);
	assert_in_range(pool.source.held, 200000, 250000); /* what the member that is out has */
	pool_alloc(out, 200000, 1);
	herd_put(pool.herd, out);
	assert_int_equal(herd_reset(pool.herd), 0);
	herd_trim(pool.herd, 0);
	assert_int_equal(pool.source.held, 0);
	phase(pool.herd, 3, 5000);
	pool_end(&pool);
}

static void trim_of_a_herd_that_holds_nothing_gives_nothing(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	assert_int_equal(herd_trim(pool.herd, 0), 0);
	herd_put(pool.herd, pool_get(pool.herd));
	assert_int_equal(herd_trim(pool.herd, 0), 0);
	pool_end(&pool);
}

/* --- spare memory --- */

static void what_one_member_held_serves_any_other_after_a_reset(void **state)
{
	(void)state;
	struct pool pool;
	pool_start(&pool);
	bump_t *const first = pool_get(pool.herd);
	bump_t *const second = pool_get(pool.herd);

	assert_true(pool_spend(first, 4 * MIB, 1000));
	herd_put(pool.herd, first);
	herd_put(pool.herd, second);
	assert_int_equal(herd_reset(pool.herd), 0);
	const size_t acquires = pool.source.acquires;
	bump_t *const members[] = {pool_get(pool.herd), pool_get(pool.herd)};
	bump_t *const other = members[0] == first ? members[1] : members[0];
	assert_true(pool_spend(other, 4 * MIB, 1000));
	assert_int_equal(pool.source.acquires, acquires);
	herd_put(pool.herd, members[0]);
	herd_put(pool.herd, members[1]);
	pool_end(&pool);
}

/* Three sizes of spare chunks, put back in the order given; then small requests come first. */
static void small_before_large(const size_t order[3])
{
	static const size_t sizes[] = {100, 100000, 4 * MIB};
	struct pool pool;
	bump_t *members[3];

	pool_init(&pool);
	pool.config.bump.max_chunk = 8 * MIB;
	pool_open(&pool);
	for (size_t i = 0; i < 3; i++) {
		members[i] = pool_get(pool.herd);
		pool_alloc(members[i], sizes[order[i]], 1);
	}
	for (size_t i = 0; i < 3; i++)
		herd_put(pool.herd, members[i]);
	assert_int_equal(herd_reset(pool.herd), 0);
	const size_t acquires = pool.source.acquires;
	for (size_t i = 0; i < 3; i++) {
		const size_t before = pool_stats(pool.herd).spare;

		members[i] = pool_get(pool.herd);
		pool_alloc(members[i], sizes[i], 2);
		const size_t taken = before - pool_stats(pool.herd).spare;
		if (pool.source.acquires != acquires || taken > sizes[i] + sizes[i] / 2 + 8192)
			fail_msg("order %zu, %zu, %zu: %zu bytes took %zu, and %zu calls", order[0],
				 order[1], order[2], sizes[i], taken,
				 pool.source.acquires - acquires);
	}
	for (size_t i = 0; i < 3; i++)
		herd_put(pool.herd, members[i]);
	pool_end(&pool);
}

static void a_small_member_takes_no_large_spare_while_a_smaller_fits(void **state)
{
	(void)state;
	static const size_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	for (size_t i = 0; i < 6; i++)
		small_before_large(orders[i]);
}

/* --- herd_warm --- */

/* All members that are idle: each gives bytes_each without a call of the source. Puts them back. */
static void members_have_room(struct pool *pool, size_t members, size_t bytes_each)
{
	const size_t acquires = pool->source.acquires;
	bump_t *out[16];

	assert_in_range(members, 1, 16);
	for (size_t i = 0; i < members; i++) {
		out[i] = herd_try_get(pool->herd);
		assert_non_null(out[i]);
		assert_true(test_is_aligned(pool_alloc(out[i], bytes_each, (uint32_t)i), 16));
	}
	if (pool->source.acquires != acquires)
		fail_msg("%zu members, %zu bytes each: %zu calls", members, bytes_each,
			 pool->source.acquires - acquires);
	for (size_t i = 0; i < members; i++)
		herd_put(pool->herd, out[i]);
}

static void warm_sees_to_idle_members_with_room_each(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 100, 4000, 4096, 100000, 3 * MIB};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t members = 1; members < 6; members += 2) {
			struct pool pool;

			pool_start(&pool);
			assert_int_equal(herd_warm(pool.herd, members, sizes[i]), 0);
			assert_int_equal(pool_stats(pool.herd).members, members);
			assert_int_equal(pool_stats(pool.herd).out, 0);
			assert_int_equal(pool_stats(pool.herd).used, 0);
			pool_peak_agrees(&pool);
			members_have_room(&pool, members, sizes[i]);
			pool_end(&pool);
		}
	}
}

static void warm_of_no_members_or_no_bytes_is_fine(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	assert_int_equal(herd_warm(pool.herd, 0, 0), 0);
	assert_int_equal(herd_warm(pool.herd, 0, SIZE_MAX), 0);
	assert_int_equal(pool_stats(pool.herd).members, 0);
	assert_int_equal(herd_warm(pool.herd, 3, 0), 0);
	assert_int_equal(pool_stats(pool.herd).members, 3);
	pool_end(&pool);
}

static void warm_of_what_is_warm_asks_for_nothing(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	assert_int_equal(herd_warm(pool.herd, 4, 50000), 0);
	const size_t acquires = pool.source.acquires;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(herd_warm(pool.herd, 4 - i, 50000 - i * 100), 0);
	assert_int_equal(pool.source.acquires, acquires);
	assert_int_equal(pool_stats(pool.herd).members, 4);
	members_have_room(&pool, 4, 50000);
	pool_end(&pool);
}

static void warm_is_content_with_members_that_have_the_room_already(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	assert_int_equal(herd_warm(pool.herd, 1, 50000), 0);
	assert_int_equal(herd_warm(pool.herd, 3, 100), 0); /* two more, with little room */
	const size_t acquires = pool.source.acquires;
	assert_int_equal(herd_warm(pool.herd, 1, 50000), 0);
	assert_int_equal(pool.source.acquires, acquires);
	pool_end(&pool);
}

static void warm_does_not_count_members_that_are_out(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const out = pool_get(pool.herd);
	void *const memory = pool_alloc(out, 100, 1);
	assert_int_equal(herd_warm(pool.herd, 3, 10000), 0);
	assert_int_equal(pool_stats(pool.herd).out, 1);
	assert_int_equal(pool_stats(pool.herd).members, 4);
	members_have_room(&pool, 3, 10000);
	assert_true(test_verify(memory, 100, 1));
	herd_put(pool.herd, out);
	pool_end(&pool);
}

static void warm_leaves_every_allocation(void **state)
{
	(void)state;
	struct pool pool;
	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	void *const small = pool_alloc(bump, 3000, 1);
	void *const large = pool_alloc(bump, 3 * MIB, 2);

	herd_put(pool.herd, bump);
	const size_t used = pool_stats(pool.herd).used;
	assert_int_equal(herd_warm(pool.herd, 2, 1 * MIB), 0);
	assert_int_equal(pool_stats(pool.herd).used, used);
	members_have_room(&pool, 2, 1 * MIB);
	assert_true(test_verify(small, 3000, 1));
	assert_true(test_verify(large, 3 * MIB, 2));
	pool_end(&pool);
}

static void a_reset_makes_warm_room_common_property(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	assert_int_equal(herd_warm(pool.herd, 4, 1 * MIB), 0);
	assert_int_equal(herd_reset(pool.herd), 0);
	members_have_room(&pool, 4, 1 * MIB);
	assert_int_equal(herd_reset(pool.herd), 0);
	const size_t acquires = pool.source.acquires;
	bump_t *const bump = pool_get(pool.herd); /* one member may take it all */
	for (size_t i = 0; i < 4; i++)
		pool_alloc(bump, 1 * MIB, 1);
	assert_int_equal(pool.source.acquires, acquires);
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

enum { WARM = 4 };
#define WARM_BYTES ((size_t)700000)

struct warmth {
	herd_t *rehearsal; /* another herd, for what a thread touches at its first use of any */
	herd_t *herd;
	pthread_barrier_t barrier;
	size_t faults[WARM];
};

static size_t thread_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (size_t)usage.ru_minflt;
}

/* Get, allocate, touch; hold the member until all have one. @return the page faults before that */
static size_t use_warmth(struct warmth *warmth, herd_t *herd, size_t bytes)
{
	const size_t before = thread_faults();
	bump_t *const bump = herd_get(herd);
	void *const memory = bump == NULL ? NULL : bump_alloc(bump, bytes);

	if (TEAM_CHECK(memory != NULL, "%zu bytes: %s", bytes, strerror(errno)))
		memset(memory, 1, bytes);
	const size_t faults = thread_faults() - before;
	pthread_barrier_wait(&warmth->barrier);
	herd_put(herd, bump);
	return faults;
}

static void warm_worker(void *arg, size_t id)
{
	struct warmth *const warmth = arg;

	use_warmth(warmth, warmth->rehearsal, 1000);
	use_warmth(warmth, warmth->rehearsal, 2000);
	pthread_barrier_wait(&warmth->barrier);
	warmth->faults[id] = use_warmth(warmth, warmth->herd, WARM_BYTES);
}

static void warm_herds_take_no_page_fault(size_t resets)
{
	struct warmth warmth = {.rehearsal = herd_new(NULL), .herd = herd_new(NULL)};

	assert_non_null(warmth.rehearsal);
	assert_non_null(warmth.herd);
	const size_t before = thread_faults();
	assert_int_equal(herd_warm(warmth.herd, WARM, WARM_BYTES), 0);
	assert_int_not_equal(thread_faults(), before); /* they are counted indeed */
	for (size_t i = 0; i < resets; i++)
		assert_int_equal(herd_reset(warmth.herd), 0);
	pthread_barrier_init(&warmth.barrier, NULL, WARM);
	team_run(WARM, warm_worker, &warmth);
	pthread_barrier_destroy(&warmth.barrier);
	for (size_t i = 0; i < WARM; i++)
		if (warmth.faults[i] != 0)
			fail_msg("thread %zu took %zu page faults after %zu resets", i,
				 warmth.faults[i], resets);
	assert_int_equal(herd_destroy(warmth.rehearsal), 0);
	assert_int_equal(herd_destroy(warmth.herd), 0);
}

static void no_page_fault_comes_after_warm(void **state)
{
	(void)state;
	if (test_is_slow()) {
		print_message("# sanitizers, valgrind and qemu take page faults of their own\n");
		skip();
	}
	warm_herds_take_no_page_fault(0);
	warm_herds_take_no_page_fault(2);
}

static void what_warm_made_before_it_failed_stays(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	test_source_fail(&pool.source, 3, true);
	assert_int_equal(herd_warm(pool.herd, 4, 10000), ENOMEM);
	const herd_stats_t stats = pool_stats(pool.herd);
	assert_in_range(stats.members, 2, 4);
	assert_int_equal(stats.out, 0);
	assert_int_equal(pool.source.chunks_live, 2);
	pool_peak_agrees(&pool);
	test_source_fail(&pool.source, 0, false);
	assert_int_equal(herd_warm(pool.herd, 4, 10000), 0);
	members_have_room(&pool, 4, 10000);
	pool_end(&pool);
}

static void warm_stops_at_the_limit(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.limit = 100000;
	pool_open(&pool);
	assert_int_equal(herd_warm(pool.herd, 4, 40000), ENOMEM);
	assert_in_range(pool.source.peak, 40000, 100000);
	assert_int_equal(herd_warm(pool.herd, 1000, 4000), ENOMEM);
	assert_in_range(pool.source.peak, 40000, 100000);
	assert_int_equal(herd_warm(pool.herd, 1, SIZE_MAX), ENOMEM);
	assert_int_equal(herd_warm(pool.herd, 1, SIZE_MAX - 4096), ENOMEM);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(herd_warm(pool.herd, 1, 40000), 0);
	members_have_room(&pool, 1, 40000);
	pool_end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keep_0_keeps_all),
		cmocka_unit_test(keep_1_keeps_nothing),
		cmocka_unit_test(keep_n_keeps_at_most_n),
		cmocka_unit_test(trim_returns_what_it_gave_back),
		cmocka_unit_test(trim_leaves_every_allocation),
		cmocka_unit_test(trim_gives_back_the_empty_chunks_of_idle_members),
		cmocka_unit_test(trim_gives_back_the_room_of_idle_members_that_hold_nothing),
		cmocka_unit_test(trim_of_a_herd_that_holds_nothing_gives_nothing),
		cmocka_unit_test(what_one_member_held_serves_any_other_after_a_reset),
		cmocka_unit_test(a_small_member_takes_no_large_spare_while_a_smaller_fits),
		cmocka_unit_test(warm_sees_to_idle_members_with_room_each),
		cmocka_unit_test(warm_of_no_members_or_no_bytes_is_fine),
		cmocka_unit_test(warm_of_what_is_warm_asks_for_nothing),
		cmocka_unit_test(warm_is_content_with_members_that_have_the_room_already),
		cmocka_unit_test(warm_does_not_count_members_that_are_out),
		cmocka_unit_test(warm_leaves_every_allocation),
		cmocka_unit_test(a_reset_makes_warm_room_common_property),
		cmocka_unit_test(no_page_fault_comes_after_warm),
		cmocka_unit_test(what_warm_made_before_it_failed_stays),
		cmocka_unit_test(warm_stops_at_the_limit),
	};

	return cmocka_run_group_tests_name("tend", tests, NULL, NULL);
}
