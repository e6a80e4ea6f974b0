/* SPDX-License-Identifier: MIT */
/*
 * Making a herd, checking members out and putting them back.
 */

#include "pool.h"

/* --- herd_new --- */

static void a_new_herd_has_no_member_and_holds_nothing(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	const herd_stats_t stats = pool_stats(pool.herd);
	const herd_stats_t zero = {0};
	assert_memory_equal(&stats, &zero, sizeof(stats));
	assert_int_equal(pool.source.acquires, 0);
	pool_end(&pool);
}

static void a_null_configuration_means_the_defaults(void **state)
{
	(void)state;
	herd_t *const herd = herd_new(NULL);
	bump_t *const bump = pool_get(herd);

	assert_int_equal(bump_min_align(bump), 1);
	assert_int_equal(bump_limit(bump), 0);
	assert_int_equal(bump_capacity(bump), 0);
	pool_alloc(bump, 100000, 1);
	herd_put(herd, bump);
	assert_int_equal(pool_stats(herd).limit, 0);
	assert_int_equal(herd_destroy(herd), 0);
}

static void refused(herd_config_t config, const char *what)
{
	errno = 0;
	herd_t *const herd = herd_new(&config);
	if (herd != NULL || errno != EINVAL)
		fail_msg("%s: herd %p, errno %d", what, (void *)herd, errno);
}

static void a_contradictory_configuration_is_EINVAL(void **state)
{
	(void)state;
	const herd_source_t no_acquire = {.release = herd_source_malloc.release};
	const herd_source_t no_release = {.acquire = herd_source_malloc.acquire};

	refused((herd_config_t){.bump.min_align = 3}, "min_align 3");
	refused((herd_config_t){.bump.min_align = SIZE_MAX}, "min_align SIZE_MAX");
	refused((herd_config_t){.bump = {.first_chunk = 4097, .limit = 4096}},
		"first_chunk > limit");
	refused((herd_config_t){.bump.source = &no_acquire}, "no acquire");
	refused((herd_config_t){.bump.source = &no_release}, "no release");
	for (size_t i = 0; i < 4; i++) {
		herd_config_t config = {0};

		config.reserved_[i] = 1;
		refused(config, "reserved_ of the herd");
		config.reserved_[i] = 0;
		config.bump.reserved_[i % 3] = 1;
		refused(config, "reserved_ of the arena");
	}
}

static void the_configuration_is_copied(void **state)
{
	(void)state;
	struct test_source source;
	test_source_init(&source);
	herd_source_t functions = source.source;
	herd_config_t config = {.bump = {.source = &functions, .limit = 100000}};
	herd_t *const herd = herd_new(&config);

	assert_non_null(herd);
	memset(&functions, 0, sizeof(functions));
	memset(&config, 0, sizeof(config));
	bump_t *const bump = pool_get(herd);
	pool_alloc(bump, 1000, 1);
	assert_int_equal(bump_limit(bump), 100000);
	assert_int_not_equal(source.held, 0);
	herd_put(herd, bump);
	assert_int_equal(herd_destroy(herd), 0);
	test_source_done(&source);
}

static void every_member_is_made_as_the_configuration_says(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.bump.first_chunk = 5000;
	pool.config.bump.min_align = 64;
	pool.config.bump.limit = 70000;
	pool_open(&pool);
	bump_t *const members[] = {pool_get(pool.herd), pool_get(pool.herd)};
	for (size_t i = 0; i < 2; i++) {
		assert_in_range(bump_capacity(members[i]), 5000, 70000);
		assert_int_equal(bump_min_align(members[i]), 64);
		assert_int_equal(bump_limit(members[i]), 70000);
		assert_true(test_is_aligned(pool_alloc(members[i], 3, 1), 64));
		assert_true(test_is_aligned(bump_strdup(members[i], "abc"), 64));
		herd_put(pool.herd, members[i]);
	}
	assert_int_equal(pool_stats(pool.herd).limit, 0);
	pool_end(&pool);
}

static void destroy_allows_null(void **state)
{
	(void)state;
	assert_int_equal(herd_destroy(NULL), 0);
}

/* --- get and put --- */

static void get_makes_a_member_where_none_is_idle(void **state)
{
	(void)state;
	enum { N = 100 };
	struct pool pool;
	bump_t *members[N];

	pool_start(&pool);
	for (size_t i = 0; i < N; i++) {
		members[i] = pool_get(pool.herd);
		const herd_stats_t stats = pool_stats(pool.herd);
		assert_int_equal(stats.members, i + 1);
		assert_int_equal(stats.out, i + 1);
		for (size_t j = 0; j < i; j++)
			assert_ptr_not_equal(members[i], members[j]);
	}
	for (size_t i = 0; i < N; i++)
		herd_put(pool.herd, members[i]);
	pool_end(&pool);
}

static void get_makes_none_where_one_is_idle(void **state)
{
	(void)state;
	enum { N = 20 };
	struct pool pool;
	bump_t *members[N];

	pool_start(&pool);
	for (size_t turn = 0; turn < 5; turn++) {
		for (size_t i = 0; i < N; i++)
			members[i] = pool_get(pool.herd);
		for (size_t i = 0; i < N; i++) /* another order at each turn */
			herd_put(pool.herd, members[(i * 7 + turn) % N]);
		assert_int_equal(pool_stats(pool.herd).members, N);
		assert_int_equal(pool_stats(pool.herd).out, 0);
	}
	pool_end(&pool);
}

static void one_thread_may_hold_several_members(void **state)
{
	(void)state;
	enum { N = 8, SIZE = 3000 };
	struct pool pool;
	bump_t *members[N];
	void *memory[N][4];

	pool_start(&pool);
	for (size_t i = 0; i < N; i++)
		members[i] = pool_get(pool.herd);
	for (size_t j = 0; j < 4; j++)
		for (size_t i = 0; i < N; i++)
			memory[i][j] = pool_alloc(members[i], SIZE, (uint32_t)(i * 4 + j));
	for (size_t i = 0; i < N; i += 2)
		herd_put(pool.herd, members[i]);
	for (size_t i = 1; i < N; i += 2)
		herd_put(pool.herd, members[i]);
	for (size_t i = 0; i < N; i++)
		for (size_t j = 0; j < 4; j++)
			assert_true(test_verify(memory[i][j], SIZE, (uint32_t)(i * 4 + j)));
	pool_end(&pool);
}

static void put_and_discard_allow_null(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	test_misuse_begin();
	herd_put(pool.herd, NULL);
	herd_discard(pool.herd, NULL);
	assert_int_equal(test_misuse_count(), 0);
	test_misuse_end();
	assert_int_equal(pool_stats(pool.herd).members, 0);
	pool_end(&pool);
}

struct carried {
	herd_t *herd;
	bump_t *bump;
	void *memory;
};

static void put_it(void *arg, size_t id)
{
	struct carried *const carried = arg;

	(void)id;
	carried->memory = bump_alloc(carried->bump, 500);
	if (TEAM_CHECK(carried->memory != NULL, "500 bytes: %s", strerror(errno)))
		test_fill(carried->memory, 500, 2);
	herd_put(carried->herd, carried->bump);
}

static void a_member_may_be_put_by_another_thread_than_got_it(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	for (size_t i = 0; i < 50; i++) {
		struct carried carried = {.herd = pool.herd, .bump = pool_get(pool.herd)};
		void *const mine = pool_alloc(carried.bump, 500, 1);

		team_run(1, put_it, &carried);
		assert_int_equal(pool_stats(pool.herd).out, 0);
		assert_true(test_verify(mine, 500, 1));
		assert_true(test_verify(carried.memory, 500, 2));
	}
	assert_int_equal(pool_stats(pool.herd).members, 1);
	pool_end(&pool);
}

/* --- herd_try_get --- */

static void try_get_is_EAGAIN_where_no_member_is_idle(void **state)
{
	(void)state;
	struct pool pool;
	bump_t *members[3];

	pool_start(&pool);
	for (size_t out = 0; out < 3; out++) {
		errno = 0;
		assert_null(herd_try_get(pool.herd));
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(pool_stats(pool.herd).members, out);
		members[out] = pool_get(pool.herd);
	}
	for (size_t i = 0; i < 3; i++)
		herd_put(pool.herd, members[i]);
	pool_end(&pool);
}

static void try_get_checks_out_every_idle_member(void **state)
{
	(void)state;
	enum { N = 10 };
	struct pool pool;
	bump_t *members[N];

	pool_start(&pool);
	for (size_t i = 0; i < N; i++)
		members[i] = pool_get(pool.herd);
	for (size_t i = 0; i < N; i++)
		herd_put(pool.herd, members[i]);
	for (size_t i = 0; i < N; i++) {
		members[i] = herd_try_get(pool.herd);
		assert_non_null(members[i]);
		for (size_t j = 0; j < i; j++)
			assert_ptr_not_equal(members[i], members[j]);
		assert_int_equal(pool_stats(pool.herd).out, i + 1);
	}
	assert_null(herd_try_get(pool.herd));
	assert_int_equal(pool_stats(pool.herd).members, N);
	for (size_t i = 0; i < N; i++)
		herd_put(pool.herd, members[i]);
	pool_end(&pool);
}

static void try_get_asks_the_source_for_nothing(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.bump.first_chunk = 1000;
	pool_open(&pool);
	assert_null(herd_try_get(pool.herd));
	assert_int_equal(pool.source.acquires, 0);
	herd_put(pool.herd, pool_get(pool.herd));
	const size_t acquires = pool.source.acquires;
	assert_int_not_equal(acquires, 0);
	herd_put(pool.herd, herd_try_get(pool.herd));
	assert_int_equal(herd_reset(pool.herd), 0);
	bump_t *const bump = herd_try_get(pool.herd);
	assert_non_null(bump);
	assert_null(herd_try_get(pool.herd));
	assert_int_equal(pool.source.acquires, acquires);
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

/* --- HERD_SCOPE --- */

static size_t scope_ends(herd_t *herd)
{
	HERD_SCOPE(herd, bump);

	pool_alloc(bump, 100, 1);
	return pool_stats(herd).out;
}

static size_t scope_returns_early(herd_t *herd, bool early)
{
	HERD_SCOPE(herd, bump);

	if (early)
		return pool_stats(herd).out;
	pool_alloc(bump, 100, 1);
	return 0;
}

static size_t scope_leaves_loop(herd_t *herd, bool by_break)
{
	size_t turns = 0;

	for (size_t i = 0; i < 3; i++) {
		HERD_SCOPE(herd, bump);

		pool_alloc(bump, 100, 1);
		turns++;
		assert_int_equal(pool_stats(herd).out, 1);
		if (by_break)
			break;
		if (i < 3)
			continue;
		turns = 100;
	}
	return turns;
}

static size_t scope_left_by_goto(herd_t *herd)
{
	size_t out = 0;

	{
		HERD_SCOPE(herd, bump);

		pool_alloc(bump, 100, 1);
		out = pool_stats(herd).out;
		if (out == 1)
			goto done;
		out = 100;
	}
done:
	return out;
}

static size_t scopes_nest(herd_t *herd)
{
	HERD_SCOPE(herd, outer);
	HERD_SCOPE(herd, beside);
	{
		HERD_SCOPE(herd, inner);

		assert_ptr_not_equal(outer, beside);
		assert_ptr_not_equal(outer, inner);
		assert_ptr_not_equal(beside, inner);
		assert_int_equal(pool_stats(herd).out, 3);
	}
	return pool_stats(herd).out;
}

static void a_scope_puts_its_member_back_by_every_exit(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	assert_int_equal(scope_ends(pool.herd), 1);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	assert_int_equal(scope_returns_early(pool.herd, true), 1);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	assert_int_equal(scope_returns_early(pool.herd, false), 0);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	assert_int_equal(scope_leaves_loop(pool.herd, true), 1);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	assert_int_equal(scope_leaves_loop(pool.herd, false), 3);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	assert_int_equal(scope_left_by_goto(pool.herd), 1);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	assert_int_equal(pool_stats(pool.herd).members, 1);
	pool_end(&pool);
}

static void scopes_nest_and_stand_side_by_side(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	assert_int_equal(scopes_nest(pool.herd), 2);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	pool_end(&pool);
}

static void a_scope_evaluates_its_herd_once(void **state)
{
	(void)state;
	struct pool pool;
	pool_start(&pool);
	herd_t *herds[] = {pool.herd, NULL};
	herd_t **next = herds;

	{
		HERD_SCOPE(*next++, bump);

		assert_non_null(bump);
	}
	assert_ptr_equal(next, herds + 1);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	pool_end(&pool);
}

static void a_scope_that_gets_no_member_declares_null(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.bump.first_chunk = 1000;
	pool_open(&pool);
	test_source_fail(&pool.source, 1, true);
	{
		errno = 0;
		HERD_SCOPE(pool.herd, bump);

		assert_null(bump);
		assert_int_equal(errno, ENOMEM);
	}
	assert_int_equal(pool_stats(pool.herd).out, 0);
	pool_end(&pool);
}

/* --- several herds --- */

static void a_thread_may_use_many_herds_in_turn(void **state)
{
	(void)state;
	enum { HERDS = 40, TURNS = 50 };
	herd_t *herds[HERDS];
	void *memory[HERDS][TURNS];

	for (size_t i = 0; i < HERDS; i++)
		assert_non_null(herds[i] = herd_new(NULL));
	for (size_t turn = 0; turn < TURNS; turn++) {
		for (size_t i = 0; i < HERDS; i++) {
			HERD_SCOPE(herds[i], bump);

			memory[i][turn] = pool_alloc(bump, 50, (uint32_t)(i * TURNS + turn));
		}
	}
	for (size_t i = 0; i < HERDS; i++) {
		assert_int_equal(pool_stats(herds[i]).members, 1);
		for (size_t turn = 0; turn < TURNS; turn++) {
			assert_true(herd_owns(herds[i], memory[i][turn]));
			assert_false(herd_owns(herds[(i + 1) % HERDS], memory[i][turn]));
			assert_true(test_verify(memory[i][turn], 50, (uint32_t)(i * TURNS + turn)));
		}
	}
	for (size_t i = 0; i < HERDS; i++)
		assert_int_equal(herd_destroy(herds[i]), 0);
}

static void a_herd_is_never_mistaken_for_a_destroyed_one_at_its_address(void **state)
{
	(void)state;
	size_t again = 0;
	herd_t *former = NULL;

	for (size_t turn = 0; turn < 100; turn++) {
		herd_t *const herd = herd_new(NULL);
		assert_non_null(herd);
		again += herd == former;
		former = herd;
		assert_null(herd_try_get(herd));
		bump_t *const bump = pool_get(herd);
		char *const memory = pool_alloc(bump, 100, 1);
		herd_put(herd, bump);
		assert_true(herd_owns(herd, memory));
		assert_int_equal(pool_stats(herd).members, 1);
		assert_int_equal(herd_destroy(herd), 0);
	}
	print_message("# %zu of 100 herds stood where the one before did\n", again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_herd_has_no_member_and_holds_nothing),
		cmocka_unit_test(a_null_configuration_means_the_defaults),
		cmocka_unit_test(a_contradictory_configuration_is_EINVAL),
		cmocka_unit_test(the_configuration_is_copied),
		cmocka_unit_test(every_member_is_made_as_the_configuration_says),
		cmocka_unit_test(destroy_allows_null),
		cmocka_unit_test(get_makes_a_member_where_none_is_idle),
		cmocka_unit_test(get_makes_none_where_one_is_idle),
		cmocka_unit_test(one_thread_may_hold_several_members),
		cmocka_unit_test(put_and_discard_allow_null),
		cmocka_unit_test(a_member_may_be_put_by_another_thread_than_got_it),
		cmocka_unit_test(try_get_is_EAGAIN_where_no_member_is_idle),
		cmocka_unit_test(try_get_checks_out_every_idle_member),
		cmocka_unit_test(try_get_asks_the_source_for_nothing),
		cmocka_unit_test(a_scope_puts_its_member_back_by_every_exit),
		cmocka_unit_test(scopes_nest_and_stand_side_by_side),
		cmocka_unit_test(a_scope_evaluates_its_herd_once),
		cmocka_unit_test(a_scope_that_gets_no_member_declares_null),
		cmocka_unit_test(a_thread_may_use_many_herds_in_turn),
		cmocka_unit_test(a_herd_is_never_mistaken_for_a_destroyed_one_at_its_address),
	};

	return cmocka_run_group_tests_name("checkout", tests, NULL, NULL);
}
