/* SPDX-License-Identifier: MIT */
/*
 * What a member keeps when it is rewound to its beginning: a small chunk, empty, as its current one, so
 * that a scope in a member that holds nothing else takes no lock. Not under a limit; and while the member
 * is idle, a limit that is set, a trim, a reset and herds that are joined have it back.
 */

#include "pool.h"

enum { PAGE = 4096, HEADER = 64 }; /* no chunk's header is larger */

/* Allocate `total` bytes in pieces, and free them by rewinding; the first one's place. */
static void *in_a_scope(bump_t *bump, size_t total)
{
	BUMP_SCOPE(bump);
	void *const first = pool_alloc(bump, 1000, 1);

	assert_true(pool_spend(bump, total, 1000));
	return first;
}

static void *in_a_checkout(herd_t *herd)
{
	bump_t *const bump = pool_get(herd);
	void *const p = pool_alloc(bump, 1000, 2);

	herd_discard(herd, bump);
	return p;
}

/* --- it is kept --- */

static void a_rewind_to_the_beginning_keeps_a_chunk_from_other_members(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	bump_t *const other = pool_get(pool.herd);
	void *const p = in_a_scope(bump, 1000);

	pool_alloc(other, 1000, 3);
	assert_int_equal(pool.source.acquires, 2);
	assert_ptr_equal(in_a_scope(bump, 1000), p);
	assert_int_equal(pool.source.acquires, 2);
	herd_put(pool.herd, bump);
	herd_put(pool.herd, other);
	pool_end(&pool);
}

static void so_does_a_discard_of_all(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const other = pool_get(pool.herd);
	void *const p = in_a_checkout(pool.herd);

	pool_alloc(other, 1000, 3);
	assert_ptr_equal(in_a_checkout(pool.herd), p);
	assert_int_equal(pool.source.acquires, 2);
	herd_put(pool.herd, other);
	pool_end(&pool);
}

static void a_scope_finds_the_bytes_of_the_last_one_again(void **state)
{
	(void)state;
	static const size_t totals[] = {1000, 5000, 20000, 50000, 300000, 5 * MIB};

	for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++) {
		struct pool pool;

		pool_start(&pool);
		bump_t *const bump = pool_get(pool.herd);

		for (int round = 0; round < 10; round++) {
			const size_t acquires = pool.source.acquires;

			in_a_scope(bump, totals[i]);
			if (round > 1 && pool.source.acquires != acquires)
				fail_msg("%zu bytes: round %d asked the source", totals[i], round);
			assert_int_equal(pool_used(bump), 0);
		}
		herd_put(pool.herd, bump);
		pool_agrees(&pool);
		pool_end(&pool);
	}
}

/* --- it is small, and it is for what fits --- */

static void at_most_64_kib_are_kept_from_others(void **state)
{
	(void)state;
	struct pool pool;

	for (size_t total = 1000; total < 3 * MIB; total *= 2) {
		pool_start(&pool);
		bump_t *const bump = pool_get(pool.herd);

		in_a_scope(bump, total);
		const herd_stats_t stats = pool_stats(pool.herd);

		if (stats.reserved - stats.spare > 64 * KIB || stats.reserved == stats.spare)
			fail_msg("%zu of %zu bytes are spare after %zu", stats.spare,
				 stats.reserved, total);
		herd_put(pool.herd, bump);
		pool_end(&pool);
	}
}

static void a_large_chunk_is_not_kept(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.bump.first_chunk = 100000;
	pool_open(&pool);
	assert_int_equal(herd_warm(pool.herd, 1, 1), 0);
	assert_int_equal(herd_reset(pool.herd), 0);
	bump_t *const bump = pool_get(pool.herd);

	in_a_scope(bump, 1000);
	assert_int_equal(pool_stats(pool.herd).spare, pool_stats(pool.herd).reserved);
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

static void after_it_chunks_double_from_its_size_on(void **state)
{
	(void)state;
	struct pool pool;
	bump_stats_t stats;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);

	in_a_scope(bump, 10 * MIB);
	assert_true(pool_spend(bump, 100000, 1000));
	bump_stats(bump, &stats);
	assert_in_range(stats.capacity, 100000, 192 * KIB);
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

/* Where it is smaller than a first chunk, because the source had no more. */
static void after_it_a_chunk_has_at_least_the_first_size(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.bump.first_chunk = 20000;
	pool_open(&pool);
	bump_t *const bump = pool_get(pool.herd);

	herd_put(pool.herd, bump);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_true(herd_trim(pool.herd, 0) > 20000);
	pool.source.ceiling = 8 * KIB;
	assert_ptr_equal(pool_get(pool.herd), bump);
	in_a_scope(bump, 1000);
	assert_in_range(pool.source.held, 1000, 8 * KIB);
	pool.source.ceiling = 0;
	pool_alloc(bump, 10000, 3);
	assert_in_range(bump_capacity(bump), 9000, 12000);
	herd_put(pool.herd, bump);
	pool_agrees(&pool);
	pool_end(&pool);
}

static int count_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)start;
	(void)used;
	(void)capacity;
	++*(size_t *)ctx;
	return 0;
}

/* Of chunks that go, the only one that is small enough came first; others are spare already. */
static void the_oldest_chunk_may_be_the_one(void **state)
{
	(void)state;
	struct pool pool;
	size_t chunks = 0;

	pool_init(&pool);
	pool.config.bump.first_chunk = 60000;
	pool_open(&pool);
	/* A member is made with a chunk, which a reset takes. */
	herd_put(pool.herd, pool_get(pool.herd));
	assert_int_equal(herd_reset(pool.herd), 0);
	bump_t *const bump = pool_get(pool.herd);
	bump_t *const other = pool_get(pool.herd);

	pool_alloc(bump, 50000, 1);
	assert_true(pool_spend(bump, 100000, 1000));
	assert_true(bump_free_last(other, pool_alloc(other, MIB, 2), MIB));
	herd_discard(pool.herd, bump);
	assert_ptr_equal(pool_get(pool.herd), bump);
	assert_int_equal(bump_each_chunk(bump, count_chunk, &chunks), 0);
	assert_int_equal(chunks, 1);
	herd_put(pool.herd, bump);
	herd_put(pool.herd, other);
	pool_agrees(&pool);
	pool_end(&pool);
}

static void what_it_does_not_serve_leaves_it_as_it_is(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);

	in_a_scope(bump, 1000);
	const size_t room = bump_capacity(bump);

	pool_alloc(bump, MIB, 4);
	assert_int_equal(pool_stats(pool.herd).spare, 0);
	assert_int_equal(bump_capacity(bump), room);
	pool_alloc(bump, 1000, 5);
	assert_int_equal(pool.source.acquires, 2);
	herd_put(pool.herd, bump);
	pool_agrees(&pool);
	pool_end(&pool);
}

/* --- limits --- */

static void under_a_limit_of_the_herd_it_goes_to_who_needs_it(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.limit = PAGE;
	pool_open(&pool);
	bump_t *const bump = pool_get(pool.herd);
	bump_t *const other = pool_get(pool.herd);

	in_a_scope(bump, 1000);
	pool_alloc(other, PAGE - 2 * HEADER, 5);
	herd_put(pool.herd, bump);
	herd_put(pool.herd, other);
	pool_end(&pool);
}

static void under_a_limit_set_later_too(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	bump_t *const other = pool_get(pool.herd);

	in_a_scope(bump, 1000);
	herd_set_limit(pool.herd, PAGE);
	in_a_scope(bump, 1000);
	pool_alloc(other, PAGE - 2 * HEADER, 5);
	herd_put(pool.herd, bump);
	herd_put(pool.herd, other);
	pool_end(&pool);
}

static void what_idle_members_keep_goes_when_it_is_set(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	bump_t *const other = pool_get(pool.herd);

	in_a_scope(bump, 1000);
	herd_put(pool.herd, bump);
	herd_set_limit(pool.herd, PAGE);
	pool_alloc(other, PAGE - 2 * HEADER, 5);
	herd_put(pool.herd, other);
	pool_agrees(&pool);
	pool_end(&pool);
}

static void all_of_a_members_limit_can_be_used_after_it(void **state)
{
	(void)state;
	struct pool pool;

	for (size_t limit = PAGE; limit <= 4 * PAGE; limit += 1000) {
		pool_init(&pool);
		pool.config.bump.limit = limit;
		pool_open(&pool);
		bump_t *const bump = pool_get(pool.herd);
		const bump_mark_t beginning = bump_mark(bump);

		for (size_t size = 1; size <= limit - 2 * HEADER; size += 501) {
			in_a_scope(bump, 1000);
			if (bump_alloc_aligned(bump, size, 1) == NULL)
				fail_msg("limit %zu: %zu bytes were refused", limit, size);
			assert_int_equal(bump_rewind(bump, beginning), 0);
		}
		bump_stats_t stats;

		bump_stats(bump, &stats);
		assert_true(stats.peak <= limit);
		herd_put(pool.herd, bump);
		pool_end(&pool);
	}
}

/* --- the end of it --- */

static void a_trim_gives_it_back(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);

	in_a_scope(bump, 1000);
	herd_put(pool.herd, bump);
	assert_int_equal(herd_trim(pool.herd, 0), PAGE);
	assert_int_equal(pool.source.held, 0);
	pool_agrees(&pool);
	pool_end(&pool);
}

static void a_reset_makes_it_common_property(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	bump_t *const other = pool_get(pool.herd);

	in_a_scope(bump, 1000);
	herd_put(pool.herd, bump);
	herd_put(pool.herd, other);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(pool_stats(pool.herd).spare, PAGE);
	/* Whichever it is: one of them did not have it. */
	for (int i = 0; i < 2; i++)
		pool_alloc(pool_get(pool.herd), 1000, 6);
	assert_int_equal(pool.source.acquires, 2);
	assert_int_equal(herd_recall(pool.herd), 2);
	pool_end(&pool);
}

/* Of both herds, in members that take and in those that are taken from, and of an arena. */
static void joining_counts_it_where_it_stays(void **state)
{
	(void)state;
	struct pool pool;
	herd_t *from;

	pool_start(&pool);
	from = herd_new(&pool.config);
	assert_non_null(from);
	bump_t *const full = pool_get(from);
	bump_t *const empty = pool_get(from);
	bump_t *const lone = bump_new(&pool.config.bump);
	assert_non_null(lone);

	assert_non_null(in_a_checkout(pool.herd));
	pool_alloc(full, 1000, 7);
	in_a_scope(empty, 1000);
	in_a_scope(lone, 1000);
	herd_put(from, full);
	herd_put(from, empty);
	assert_int_equal(herd_absorb(pool.herd, from), 0);
	assert_int_equal(pool_stats(pool.herd).reserved, 2 * PAGE);
	assert_int_equal(pool_stats(pool.herd).spare, PAGE);
	assert_int_equal(pool_stats(from).spare, PAGE);
	assert_int_equal(herd_adopt(pool.herd, lone), 0);
	assert_int_equal(pool_stats(pool.herd).spare, 2 * PAGE);
	assert_int_equal(herd_destroy(from), 0);
	pool_agrees(&pool);
	pool_end(&pool);
}

/* --- what others see of an idle member --- */

/* The chunks that a dump shows: each has a bar. */
static size_t chunks_shown(const herd_t *herd)
{
	static char text[64 * KIB];
	size_t bars = 0;
	FILE *const stream = fmemopen(text, sizeof text, "w");

	assert_non_null(stream);
	assert_int_equal(herd_dump(herd, stream), 0);
	assert_int_equal(fclose(stream), 0);
	for (const char *at = text; (at = strchr(at, '[')) != NULL; at++)
		bars++;
	return bars;
}

/* An idle member that keeps a chunk, which holds nothing. */
static void start_with_a_chunk(struct pool *pool)
{
	pool_start(pool);
	(void)in_a_checkout(pool->herd);
	assert_int_equal(chunks_shown(pool->herd), 1);
}

static void it_is_not_shown_once_it_went(void **state)
{
	(void)state;
	struct pool pool;
	struct pool from;

	start_with_a_chunk(&pool);
	herd_trim(pool.herd, SIZE_MAX);
	assert_int_equal(chunks_shown(pool.herd), 0);
	pool_end(&pool);

	start_with_a_chunk(&pool);
	herd_set_limit(pool.herd, MIB);
	assert_int_equal(chunks_shown(pool.herd), 0);
	pool_end(&pool);

	pool_start(&pool);
	start_with_a_chunk(&from);
	from.config.bump.source = pool.config.bump.source;
	herd_t *const other = herd_new(&from.config);
	(void)in_a_checkout(other);
	assert_int_equal(herd_absorb(pool.herd, other), 0);
	assert_int_equal(chunks_shown(other), 0);
	assert_int_equal(herd_destroy(other), 0);
	pool_end(&from);
	pool_end(&pool);
}

/* A member whose current chunk is empty, but for what was reserved and not committed. */
static void *put_with_an_empty_chunk(herd_t *herd, bool and_one_that_is_not)
{
	bump_t *const bump = pool_get(herd);
	void *const p = and_one_that_is_not ? pool_alloc(bump, 1000, 1) : NULL;

	assert_non_null(bump_reserve(bump, 5000, 1, NULL));
	herd_put(herd, bump);
	return p;
}

static herd_t *loaded(struct pool *pool)
{
	herd_t *const herd = herd_new(&(herd_config_t){.bump = pool->config.bump});
	bump_t *const bump = pool_get(herd);

	pool_alloc(bump, 100000, 2);
	herd_put(herd, bump);
	return herd;
}

static void what_was_no_use_for_what_is_absorbed_is_shown_as_it_is(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	herd_t *from = loaded(&pool);
	void *const p = put_with_an_empty_chunk(pool.herd, true);
	assert_int_equal(herd_absorb(pool.herd, from), 0);
	assert_true(herd_owns(pool.herd, p));
	assert_int_equal(herd_destroy(from), 0);
	pool_end(&pool);

	pool_init(&pool);
	pool.config.limit = 50000;
	pool_open(&pool);
	from = loaded(&pool);
	(void)put_with_an_empty_chunk(pool.herd, false);
	assert_int_equal(chunks_shown(pool.herd), 1);
	assert_int_equal(herd_absorb(pool.herd, from), ENOMEM);
	assert_int_equal(chunks_shown(pool.herd), 0);
	assert_int_equal(herd_destroy(from), 0);
	pool_end(&pool);
}

/* --- marks --- */

static void marks_of_what_was_rewound_are_void(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	const bump_mark_t beginning = bump_mark(bump);

	pool_alloc(bump, 1000, 8);
	const bump_mark_t inner = bump_mark(bump);
	assert_int_equal(bump_rewind(bump, beginning), 0);
	test_misuse_begin();
	assert_int_equal(bump_rewind(bump, inner), EINVAL);
	test_misuse_expect("bump_rewind");
	test_misuse_clear();
	/* The same chunk, but a later place in the arena's life. */
	pool_alloc(bump, 3000, 9);
	assert_int_equal(bump_rewind(bump, inner), EINVAL);
	test_misuse_expect("bump_rewind");
	test_misuse_end();
	assert_true(pool_used(bump) >= 3000);
	assert_int_equal(bump_rewind(bump, beginning), 0);
	assert_int_equal(pool_used(bump), 0);
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rewind_to_the_beginning_keeps_a_chunk_from_other_members),
		cmocka_unit_test(so_does_a_discard_of_all),
		cmocka_unit_test(a_scope_finds_the_bytes_of_the_last_one_again),
		cmocka_unit_test(at_most_64_kib_are_kept_from_others),
		cmocka_unit_test(a_large_chunk_is_not_kept),
		cmocka_unit_test(after_it_chunks_double_from_its_size_on),
		cmocka_unit_test(after_it_a_chunk_has_at_least_the_first_size),
		cmocka_unit_test(the_oldest_chunk_may_be_the_one),
		cmocka_unit_test(what_it_does_not_serve_leaves_it_as_it_is),
		cmocka_unit_test(under_a_limit_of_the_herd_it_goes_to_who_needs_it),
		cmocka_unit_test(under_a_limit_set_later_too),
		cmocka_unit_test(what_idle_members_keep_goes_when_it_is_set),
		cmocka_unit_test(all_of_a_members_limit_can_be_used_after_it),
		cmocka_unit_test(a_trim_gives_it_back),
		cmocka_unit_test(a_reset_makes_it_common_property),
		cmocka_unit_test(joining_counts_it_where_it_stays),
		cmocka_unit_test(it_is_not_shown_once_it_went),
		cmocka_unit_test(what_was_no_use_for_what_is_absorbed_is_shown_as_it_is),
		cmocka_unit_test(marks_of_what_was_rewound_are_void),
	};

	return cmocka_run_group_tests_name("keep", tests, NULL, NULL);
}
