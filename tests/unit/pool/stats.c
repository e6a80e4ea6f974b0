/* SPDX-License-Identifier: MIT */
/*
 * What a herd tells of itself: statistics, the walk over its chunks, and what it owns.
 */

#include "pool.h"

/* --- herd_stats --- */

static void members_and_out_are_counted_at_every_step(void **state)
{
	(void)state;
	enum { N = 12 };
	struct pool pool;
	bump_t *members[N];
	uint64_t random = test_seed("members and out");
	size_t out = 0;
	size_t most = 0;

	pool_start(&pool);
	for (size_t step = 0; step < 2000; step++) {
		const bool take = out == 0 || (out < N && test_below(&random, 2) == 0);

		if (take) {
			members[out++] = pool_get(pool.herd);
		} else {
			const size_t i = test_below(&random, out);
			bump_t *const bump = members[i];

			members[i] = members[--out];
			if (test_below(&random, 2) == 0)
				herd_put(pool.herd, bump);
			else
				herd_discard(pool.herd, bump);
		}
		most = most < out ? out : most;
		const herd_stats_t stats = pool_stats(pool.herd);
		if (stats.out != out || stats.members != most)
			fail_msg("step %zu: %zu of %zu out, where %zu of %zu are", step, stats.out,
				 stats.members, out, most);
	}
	while (out != 0)
		herd_put(pool.herd, members[--out]);
	pool_end(&pool);
}

static void reserved_is_what_the_source_gave_and_peak_the_highest_of_it(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 5000, 100000, 40, 3 * MIB, 700};
	struct pool pool;

	pool_init(&pool);
	pool.source.give_more = 80;
	pool_open(&pool);
	for (size_t turn = 0; turn < 4; turn++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			HERD_SCOPE(pool.herd, bump);

			pool_peak_agrees(&pool);
			pool_alloc(bump, sizes[i], 1);
			pool_peak_agrees(&pool);
		}
		pool_peak_agrees(&pool);
		assert_int_equal(herd_reset(pool.herd), 0);
		pool_peak_agrees(&pool);
		herd_trim(pool.herd, turn % 2 == 0 ? 100000 : 0);
		pool_peak_agrees(&pool);
	}
	assert_in_range(pool_stats(pool.herd).peak, 3 * MIB, 6 * MIB);
	pool_end(&pool);
}

static void a_request_that_the_source_refuses_counts_nowhere(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	pool_alloc(bump, 100, 1);
	const herd_stats_t before = pool_stats(pool.herd);
	test_source_fail(&pool.source, 1, true);
	assert_null(bump_alloc(bump, 10 * MIB));
	assert_int_equal(herd_warm(pool.herd, 1, 10 * MIB), ENOMEM);
	const herd_stats_t after = pool_stats(pool.herd);
	assert_int_equal(after.reserved, before.reserved);
	assert_int_equal(after.peak, before.peak);
	pool_peak_agrees(&pool);
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

static void used_is_what_members_that_are_in_handed_out(void **state)
{
	(void)state;
	enum { N = 3 };
	struct pool pool;
	bump_t *members[N];
	size_t used = 0;

	pool_start(&pool);
	for (size_t turn = 0; turn < 4; turn++) {
		for (size_t i = 0; i < N; i++)
			members[i] = pool_get(pool.herd);
		assert_int_equal(pool_stats(pool.herd).used, used);
		for (size_t i = 0; i < N; i++) {
			const size_t before = pool_used(members[i]);

			pool_alloc(members[i], 1 + turn * 10000 + i, 1);
			assert_int_equal(pool_stats(pool.herd).used,
					 used); /* as at their checkout */
			const size_t more = pool_used(members[i]) - before;
			assert_in_range(more, 1 + turn * 10000 + i, SIZE_MAX);
			herd_put(pool.herd, members[i]);
			used += more;
			assert_int_equal(pool_stats(pool.herd).used, used);
		}
	}
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(pool_stats(pool.herd).used, 0);
	pool_end(&pool);
}

static size_t reserved_by(const bump_t *bump)
{
	bump_stats_t stats;

	bump_stats(bump, &stats);
	return stats.reserved;
}

static void reserved_is_what_members_hold_and_what_is_spare(void **state)
{
	(void)state;
	enum { N = 4 };
	struct pool pool;
	bump_t *members[N];

	pool_start(&pool);
	for (size_t turn = 0; turn < 6; turn++) {
		size_t reserved = 0;

		for (size_t i = 0; i < N; i++)
			members[i] = pool_get(pool.herd);
		for (size_t i = 0; i < N; i++)
			pool_alloc(members[i], 1 + turn * i * 20000, 1);
		reserved = pool_stats(pool.herd).spare;
		for (size_t i = 0; i < N; i++)
			reserved += reserved_by(members[i]);
		assert_int_equal(pool_stats(pool.herd).reserved, reserved);
		for (size_t i = 0; i < N; i++)
			herd_put(pool.herd, members[i]);
		if (turn % 2 == 1)
			assert_int_equal(herd_reset(pool.herd), 0);
	}
	pool_end(&pool);
}

static void after_a_reset_all_that_is_reserved_is_spare(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	assert_int_equal(pool_stats(pool.herd).spare, 0);
	bump_t *const bump = pool_get(pool.herd);
	pool_alloc(bump, 100000, 1);
	assert_int_equal(pool_stats(pool.herd).spare, 0);
	herd_put(pool.herd, bump);
	assert_int_equal(pool_stats(pool.herd).spare, 0);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_in_range(pool_stats(pool.herd).spare, 100000, SIZE_MAX);
	assert_int_equal(pool_stats(pool.herd).spare, pool_stats(pool.herd).reserved);
	herd_trim(pool.herd, 0);
	assert_int_equal(pool_stats(pool.herd).spare, 0);
	pool_end(&pool);
}

static void the_limit_is_reported_as_it_was_set(void **state)
{
	(void)state;
	static const size_t limits[] = {1, 4096, 0, SIZE_MAX - 1, 1 * MIB};
	struct pool pool;

	pool_init(&pool);
	pool.config.limit = 12345678;
	pool_open(&pool);
	assert_int_equal(pool_stats(pool.herd).limit, 12345678);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		herd_set_limit(pool.herd, limits[i]);
		assert_int_equal(pool_stats(pool.herd).limit, limits[i]);
	}
	pool_end(&pool);
}

/* --- herd_each_chunk --- */

struct walk {
	herd_t *herd;
	size_t chunks;
	size_t used;
	size_t capacity;
	size_t stop_at; /* the chunk at which it stops; 0: none */
	size_t found;	/* of the pointers looked for, those in a chunk's used part */
	void *const *pointers;
	size_t n;
};

static int see_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	struct walk *const walk = ctx;
	const uintptr_t from = (uintptr_t)start;

	assert_in_range(used, 0, capacity);
	walk->chunks++;
	walk->used += used;
	walk->capacity += capacity;
	for (size_t i = 0; i < walk->n; i++)
		walk->found += (uintptr_t)walk->pointers[i] - from < used;
	return walk->chunks == walk->stop_at ? 42 : 0;
}

enum { MEMBERS = 3, SHARES = 40 };

/* Members with chunks small and large; all are in. */
static void make_pieces(herd_t *herd, void *pieces[SHARES])
{
	bump_t *members[MEMBERS];

	for (size_t i = 0; i < MEMBERS; i++)
		members[i] = pool_get(herd);
	for (size_t i = 0; i < SHARES; i++)
		pieces[i] = pool_alloc(members[i % MEMBERS], i % 7 == 0 ? 300000 : 100 + i * 50, 1);
	for (size_t i = 0; i < MEMBERS; i++)
		herd_put(herd, members[i]);
}

static void the_walk_shows_every_allocation_once_and_adds_up(void **state)
{
	(void)state;
	struct pool pool;
	void *pieces[SHARES];

	pool_init(&pool);
	pool.config.bump.max_chunk = 64 * KIB;
	pool_open(&pool);
	make_pieces(pool.herd, pieces);
	struct walk walk = {.pointers = pieces, .n = SHARES};
	assert_int_equal(herd_each_chunk(pool.herd, see_chunk, &walk), 0);
	assert_in_range(walk.chunks, MEMBERS, SHARES + MEMBERS);
	assert_int_equal(walk.found, SHARES);
	assert_int_equal(walk.used, pool_stats(pool.herd).used);
	assert_in_range(walk.capacity, walk.used, pool_stats(pool.herd).reserved);
	pool_end(&pool);
}

static void the_walk_over_an_empty_herd_shows_nothing_used(void **state)
{
	(void)state;
	struct pool pool;
	void *pieces[SHARES];
	struct walk walk = {0};

	pool_start(&pool);
	assert_int_equal(herd_each_chunk(pool.herd, see_chunk, &walk), 0);
	assert_int_equal(walk.chunks, 0);
	make_pieces(pool.herd, pieces);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(herd_each_chunk(pool.herd, see_chunk, &walk), 0);
	assert_int_equal(walk.used, 0);
	pool_end(&pool);
}

static void the_walk_ends_with_the_first_result_that_is_not_zero(void **state)
{
	(void)state;
	struct pool pool;
	void *pieces[SHARES];
	struct walk all = {0};

	pool_start(&pool);
	make_pieces(pool.herd, pieces);
	assert_int_equal(herd_each_chunk(pool.herd, see_chunk, &all), 0);
	for (size_t stop_at = 1; stop_at <= all.chunks; stop_at++) {
		struct walk walk = {.stop_at = stop_at};

		assert_int_equal(herd_each_chunk(pool.herd, see_chunk, &walk), 42);
		assert_int_equal(walk.chunks, stop_at);
	}
	assert_int_equal(pool_stats(pool.herd).out, 0);
	assert_int_equal(herd_reset(pool.herd), 0);
	pool_end(&pool);
}

static void the_walk_is_EBUSY_and_shows_nothing_while_a_member_is_out(void **state)
{
	(void)state;
	struct pool pool;
	void *pieces[SHARES];
	bump_t *members[MEMBERS];
	struct walk walk = {0};

	pool_start(&pool);
	make_pieces(pool.herd, pieces);
	for (size_t i = 0; i < MEMBERS; i++) {
		members[i] = pool_get(pool.herd);
		assert_int_equal(herd_each_chunk(pool.herd, see_chunk, &walk), EBUSY);
		assert_int_equal(walk.chunks, 0);
	}
	for (size_t i = 0; i < MEMBERS; i++) {
		assert_int_equal(herd_each_chunk(pool.herd, see_chunk, &walk), EBUSY);
		herd_put(pool.herd, members[i]);
	}
	assert_int_equal(walk.chunks, 0);
	assert_int_equal(herd_each_chunk(pool.herd, see_chunk, &walk), 0);
	pool_end(&pool);
}

static int call_the_herd(void *ctx, const void *start, size_t used, size_t capacity)
{
	struct walk *const walk = ctx;

	(void)start, (void)used, (void)capacity;
	errno = 0;
	if (herd_get(walk->herd) == NULL && errno == EINVAL)
		walk->found++;
	if (herd_reset(walk->herd) == EINVAL)
		walk->found++;
	return 1;
}

static void a_walk_that_calls_its_herd_is_misuse(void **state)
{
	(void)state;
	struct pool pool;
	void *pieces[SHARES];
	pool_start(&pool);
	struct walk walk = {.herd = pool.herd};

	make_pieces(pool.herd, pieces);
	test_misuse_begin();
	assert_int_equal(herd_each_chunk(pool.herd, call_the_herd, &walk), 1);
	assert_int_equal(test_misuse_count(), 2);
	test_misuse_end();
	assert_int_equal(walk.found, 2);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	pool_end(&pool);
}

/* --- herd_owns --- */

static void a_herd_owns_what_its_idle_members_handed_out(void **state)
{
	(void)state;
	struct pool pool;
	void *pieces[SHARES];
	const char *mine = "not from a herd";

	pool_init(&pool);
	pool.config.bump.max_chunk = 64 * KIB;
	pool_open(&pool);
	assert_false(herd_owns(pool.herd, mine));
	assert_false(herd_owns(pool.herd, NULL));
	make_pieces(pool.herd, pieces);
	for (size_t i = 0; i < SHARES; i++) {
		const size_t size = i % 7 == 0 ? 300000 : 100 + i * 50;

		for (size_t at = 0; at < size; at += at < 64 ? 1 : size / 20)
			assert_true(herd_owns(pool.herd, (char *)pieces[i] + at));
		assert_true(herd_owns(pool.herd, (char *)pieces[i] + size - 1));
	}
	assert_false(herd_owns(pool.herd, mine));
	assert_false(herd_owns(pool.herd, NULL));
	assert_false(herd_owns(pool.herd, &pieces));
	assert_false(herd_owns(pool.herd, pool.herd));
	assert_int_equal(herd_reset(pool.herd), 0);
	for (size_t i = 0; i < SHARES; i++)
		assert_false(herd_owns(pool.herd, pieces[i]));
	pool_end(&pool);
}

static void members_that_are_out_answer_as_at_their_checkout(void **state)
{
	(void)state;
	static const size_t sizes[] = {100, 5000, 300000, 8, 40000};
	enum { N = sizeof(sizes) / sizeof(sizes[0]) };
	struct pool pool;
	void *old[N];
	void *new[N];

	pool_init(&pool);
	pool.config.bump.max_chunk = 64 * KIB;
	pool_open(&pool);
	bump_t *const first = pool_get(pool.herd);
	for (size_t i = 0; i < N; i++)
		old[i] = pool_alloc(first, sizes[i], 1);
	for (size_t i = 0; i < N; i++)
		assert_false(herd_owns(pool.herd, old[i])); /* it is out for the first time */
	herd_put(pool.herd, first);
	bump_t *const bump = pool_get(pool.herd);
	assert_ptr_equal(bump, first);
	for (size_t i = 0; i < N; i++) {
		new[i] = pool_alloc(bump, sizes[i], 2);
		assert_true(herd_owns(pool.herd, old[i]));
		assert_true(herd_owns(pool.herd, (char *)old[i] + sizes[i] - 1));
		assert_false(herd_owns(pool.herd, new[i]));
	}
	herd_put(pool.herd, bump);
	for (size_t i = 0; i < N; i++) {
		assert_true(herd_owns(pool.herd, old[i]));
		assert_true(herd_owns(pool.herd, new[i]));
	}
	pool_end(&pool);
}

static void an_out_member_may_take_old_memory_back_while_others_look(void **state)
{
	(void)state;
	static const size_t sizes[] = {100, 3000, 300000, 5 * MIB};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct pool pool;

		pool_start(&pool);
		bump_t *bump = pool_get(pool.herd);
		void *const older = pool_alloc(bump, 100, 1);
		void *const old = pool_alloc(bump, sizes[i], 2);
		herd_put(pool.herd, bump);
		bump = pool_get(pool.herd);
		const bool taken = bump_free_last(bump, old, sizes[i]);
		herd_trim(pool.herd, 0);
		assert_true(herd_owns(pool.herd, older));
		assert_true(herd_owns(pool.herd, old)); /* as at the checkout */
		pool_alloc(bump, 10, 3);
		herd_trim(pool.herd, 0);
		assert_true(herd_owns(pool.herd, (char *)old + sizes[i] - 1));
		herd_put(pool.herd, bump);
		if (taken)
			assert_false(herd_owns(pool.herd, (char *)old + sizes[i] - 1));
		assert_true(herd_owns(pool.herd, older));
		assert_true(test_verify(older, 100, 1));
		pool_peak_agrees(&pool);
		pool_end(&pool);
	}
}

static void rewinding_and_discarding_change_what_is_owned_when_the_member_is_in(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *bump = pool_get(pool.herd);
	void *const kept = pool_alloc(bump, 100, 1);
	const bump_mark_t mark = bump_mark(bump);
	void *const rewound = pool_alloc(bump, 100000, 1);
	assert_int_equal(bump_rewind(bump, mark), 0);
	herd_put(pool.herd, bump);
	assert_true(herd_owns(pool.herd, kept));
	assert_false(herd_owns(pool.herd, rewound));
	bump = pool_get(pool.herd);
	void *const discarded = pool_alloc(bump, 100000, 1);
	herd_discard(pool.herd, bump);
	assert_true(herd_owns(pool.herd, kept));
	assert_false(herd_owns(pool.herd, discarded));
	pool_end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_and_out_are_counted_at_every_step),
		cmocka_unit_test(reserved_is_what_the_source_gave_and_peak_the_highest_of_it),
		cmocka_unit_test(a_request_that_the_source_refuses_counts_nowhere),
		cmocka_unit_test(used_is_what_members_that_are_in_handed_out),
		cmocka_unit_test(reserved_is_what_members_hold_and_what_is_spare),
		cmocka_unit_test(after_a_reset_all_that_is_reserved_is_spare),
		cmocka_unit_test(the_limit_is_reported_as_it_was_set),
		cmocka_unit_test(the_walk_shows_every_allocation_once_and_adds_up),
		cmocka_unit_test(the_walk_over_an_empty_herd_shows_nothing_used),
		cmocka_unit_test(the_walk_ends_with_the_first_result_that_is_not_zero),
		cmocka_unit_test(the_walk_is_EBUSY_and_shows_nothing_while_a_member_is_out),
		cmocka_unit_test(a_walk_that_calls_its_herd_is_misuse),
		cmocka_unit_test(a_herd_owns_what_its_idle_members_handed_out),
		cmocka_unit_test(members_that_are_out_answer_as_at_their_checkout),
		cmocka_unit_test(an_out_member_may_take_old_memory_back_while_others_look),
		cmocka_unit_test(
			rewinding_and_discarding_change_what_is_owned_when_the_member_is_in),
	};

	return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
