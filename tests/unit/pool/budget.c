/* SPDX-License-Identifier: MIT */
/*
 * Limits and spare memory at their exact edges: what just fits is given, what is refused uses
 * nothing up, and what goes back is no more than has to.
 */

#include "pool.h"

/* The bytes that a herd holds for one request of `size` bytes: a chunk of its own. */
static size_t held_for(size_t size)
{
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	pool_alloc(bump, size, 1);
	const size_t held = pool.source.held;
	herd_put(pool.herd, bump);
	pool_end(&pool);
	return held;
}

static void requests_that_the_source_refuses_use_up_no_limit(void **state)
{
	(void)state;
	const size_t large = held_for(MIB);
	struct pool pool;

	pool_init(&pool);
	pool.config.limit = large;
	pool_open(&pool);
	bump_t *const bump = pool_get(pool.herd);
	for (size_t size = 1; size <= MIB; size *= 2) {
		test_source_fail(&pool.source, 1, true);
		assert_null(bump_alloc(bump, size));
		assert_int_equal(errno, ENOMEM);
	}
	test_source_fail(&pool.source, 0, false);
	pool_alloc(bump, MIB, 1); /* all of the limit */
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

/* A source at whose work another thread asks for memory, once. */
struct busy_source {
	herd_source_t source;
	struct pool *pool;
	bump_t *other;
	bool given; /* what the other thread asked for */
};

static void *ask_for_a_byte(void *arg)
{
	struct busy_source *const busy = arg;

	busy->given = bump_alloc(busy->other, 1) != NULL;
	return NULL;
}

static void *acquire_meanwhile(void *ctx, size_t *size, size_t align)
{
	struct busy_source *const busy = ctx;
	const herd_source_t *const source = &busy->pool->source.source;
	pthread_t thread;

	if (busy->other != NULL && pthread_create(&thread, NULL, ask_for_a_byte, busy) == 0)
		pthread_join(thread, NULL);
	busy->other = NULL;
	return source->acquire(source->ctx, size, align);
}

static void release_to_pool(void *ctx, void *memory, size_t size)
{
	struct busy_source *const busy = ctx;

	busy->pool->source.source.release(busy->pool->source.source.ctx, memory, size);
}

static void what_another_thread_is_asking_for_counts_already(void **state)
{
	(void)state;
	const size_t large = held_for(MIB);
	struct pool pool;

	pool_init(&pool);
	struct busy_source busy = {.source = {acquire_meanwhile, release_to_pool, &busy},
				   .pool = &pool};
	pool.config.bump.source = &busy.source;
	pool.config.limit = large;
	pool_open(&pool);
	bump_t *const bump = pool_get(pool.herd);
	bump_t *const other = pool_get(pool.herd);
	busy.other = other;
	pool_alloc(bump, MIB, 1);
	assert_null(busy.other); /* it was asked meanwhile */
	assert_false(busy.given);
	assert_int_equal(pool.source.held, large);
	herd_put(pool.herd, bump);
	herd_put(pool.herd, other);
	pool_end(&pool);
}

/* Nothing that is spare has to go for a request that its member may not have. */
static void a_member_s_limit_holds_where_spare_memory_could_make_room(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.limit = 200 * KIB;
	pool.config.bump.limit = 160 * KIB;
	pool_open(&pool);
	bump_t *const bump = pool_get(pool.herd);
	pool_alloc(bump, 100 * KIB, 1);
	herd_put(pool.herd, bump);
	assert_int_equal(herd_reset(pool.herd), 0);
	const size_t spare = pool_stats(pool.herd).spare;

	assert_ptr_equal(pool_get(pool.herd), bump);
	assert_null(bump_alloc(bump, 170 * KIB));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(pool_stats(pool.herd).spare, spare);
	pool_alloc(bump, 150 * KIB, 2);
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

static void all_spare_memory_goes_where_all_of_it_makes_just_enough_room(void **state)
{
	(void)state;
	const size_t large = held_for(100 * KIB);
	struct pool pool;

	pool_init(&pool);
	pool.config.limit = large;
	pool_open(&pool);
	bump_t *bump = pool_get(pool.herd);
	pool_alloc(bump, 1, 1);
	herd_put(pool.herd, bump);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_true(pool_stats(pool.herd).spare != 0);
	bump = pool_get(pool.herd);
	pool_alloc(bump, 100 * KIB, 2);
	assert_int_equal(pool.source.held, large);
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

static void a_huge_spare_chunk_is_left_for_those_who_need_it(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *bump = pool_get(pool.herd);
	pool_alloc(bump, 32 * MIB, 1);
	herd_put(pool.herd, bump);
	assert_int_equal(herd_reset(pool.herd), 0);
	const size_t spare = pool_stats(pool.herd).spare;

	bump = pool_get(pool.herd);
	pool_alloc(bump, 100, 2);
	assert_int_equal(pool_stats(pool.herd).spare, spare);
	const size_t acquires = pool.source.acquires;

	pool_alloc(bump, 32 * MIB, 3); /* and that is who */
	assert_int_equal(pool.source.acquires, acquires);
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

/* Chunks of one size: then the sum that stays can be met exactly. */
static void a_trim_gives_back_no_more_than_it_has_to(void **state)
{
	enum { MEMBERS = 8 };
	bump_t *members[MEMBERS];
	struct pool pool;

	(void)state;
	pool_start(&pool);
	for (size_t i = 0; i < MEMBERS; i++) {
		members[i] = pool_get(pool.herd);
		pool_alloc(members[i], 1, 1);
	}
	for (size_t i = 0; i < MEMBERS; i++)
		herd_put(pool.herd, members[i]);
	assert_int_equal(herd_reset(pool.herd), 0);
	const size_t each = pool_stats(pool.herd).spare / MEMBERS;

	for (size_t n = MEMBERS; n-- > 0;) {
		assert_int_equal(herd_trim(pool.herd, n * each + each / 2), each);
		assert_int_equal(pool_stats(pool.herd).spare, n * each);
	}
	pool_end(&pool);
}

/* 0: what it holds is its limit. */
static int absorb_within(size_t less)
{
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	pool_alloc(bump, 100 * KIB, 1);
	herd_put(pool.herd, bump);
	herd_config_t config = {.bump.source = &pool.source.source,
				.bump.limit = pool.source.held - less};
	herd_t *const into = herd_new(&config);
	const int error = herd_absorb(into, pool.herd);

	assert_int_equal(herd_destroy(into), 0);
	pool_end(&pool);
	return error;
}

static void a_member_that_just_fits_the_limit_of_one_is_absorbed(void **state)
{
	(void)state;
	assert_int_equal(absorb_within(0), 0);
	assert_int_equal(absorb_within(1), ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_that_the_source_refuses_use_up_no_limit),
		cmocka_unit_test(what_another_thread_is_asking_for_counts_already),
		cmocka_unit_test(a_member_s_limit_holds_where_spare_memory_could_make_room),
		cmocka_unit_test(all_spare_memory_goes_where_all_of_it_makes_just_enough_room),
		cmocka_unit_test(a_huge_spare_chunk_is_left_for_those_who_need_it),
		cmocka_unit_test(a_trim_gives_back_no_more_than_it_has_to),
		cmocka_unit_test(a_member_that_just_fits_the_limit_of_one_is_absorbed),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
