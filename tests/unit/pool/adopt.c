/* SPDX-License-Identifier: MIT */
/*
 * herd_adopt(): a standalone arena becomes an idle member, with all that it holds; or it is as it
 * was.
 */

#include "pool.h"

/* --- an arena over a pool's source --- */

static bump_t *arena_new(struct pool *pool)
{
	bump_t *const bump = bump_new(&pool->config.bump);

	assert_non_null(bump);
	return bump;
}

static bump_stats_t arena_stats(const bump_t *bump)
{
	bump_stats_t stats;

	memset(&stats, 0xEE, sizeof(stats));
	bump_stats(bump, &stats);
	return stats;
}

static void adopt(herd_t *herd, bump_t *bump)
{
	const int result = herd_adopt(herd, bump);

	if (result != 0)
		fail_msg("herd_adopt: %s", strerror(result));
}

/* herd_adopt() must fail so, without misuse, and leave herd, arena and source as they are. */
static void adopt_fails(struct pool *pool, bump_t *bump, int expected, const char *why)
{
	const herd_stats_t herd_before = pool_stats(pool->herd);
	const bump_stats_t bump_before = arena_stats(bump);
	const size_t releases = pool->source.releases;

	test_misuse_begin();
	const int result = herd_adopt(pool->herd, bump);
	assert_int_equal(test_misuse_count(), 0);
	test_misuse_end();
	if (result != expected)
		fail_msg("%s: herd_adopt: %s where %s was expected", why, strerror(result),
			 strerror(expected));
	const herd_stats_t herd_after = pool_stats(pool->herd);
	const bump_stats_t bump_after = arena_stats(bump);
	if (memcmp(&herd_after, &herd_before, sizeof(herd_after)) != 0)
		fail_msg("%s: the herd has changed", why);
	if (memcmp(&bump_after, &bump_before, sizeof(bump_after)) != 0)
		fail_msg("%s: the arena has changed", why);
	assert_int_equal(pool->source.releases, releases);
	assert_non_null(bump_strdup(bump, "still usable"));
}

/* --- what moves --- */

static void adopted_allocations_are_intact_and_owned_by_the_herd(void **state)
{
	(void)state;
	struct pool pool;
	static struct cargo cargo;

	pool_start(&pool);
	for (size_t n = 0; n < LOADS; n++) {
		bump_t *const bump = arena_new(&pool);

		cargo_load(&cargo, bump, n);
		adopt(pool.herd, bump);
		assert_int_equal(pool_stats(pool.herd).members, n + 1);
		for (size_t i = 0; i <= n; i++)
			cargo_check_load(&cargo, i, pool.herd);
	}
	assert_int_equal(pool_stats(pool.herd).reserved, pool.source.held);
	herd_trim(pool.herd, 0);
	cargo_check(&cargo, pool.herd);
	assert_int_equal(herd_reset(pool.herd), 0);
	cargo_is_not_of(&cargo, pool.herd);
	assert_int_equal(pool_stats(pool.herd).spare, pool.source.held);
	pool_end(&pool);
}

static void the_figures_of_the_arena_add_to_those_of_the_herd(void **state)
{
	(void)state;
	struct pool pool;
	static struct cargo cargo;

	pool_start(&pool);
	bump_t *const member = pool_get(pool.herd);
	pool_alloc(member, 20000, 1);
	herd_put(pool.herd, member);
	bump_t *const bump = arena_new(&pool);
	assert_true(pool_spend(bump, 1000000, 1000));
	assert_int_equal(bump_reset(bump), 0);
	cargo_load(&cargo, bump, 1); /* some of what it holds stays spare */

	const herd_stats_t before = pool_stats(pool.herd);
	const bump_stats_t arena = arena_stats(bump);
	const size_t acquires = pool.source.acquires;
	const size_t releases = pool.source.releases;
	adopt(pool.herd, bump);
	const herd_stats_t after = pool_stats(pool.herd);
	assert_int_equal(pool.source.acquires, acquires);
	assert_int_equal(pool.source.releases, releases);
	assert_int_equal(after.members, before.members + 1);
	assert_int_equal(after.out, 0);
	assert_int_equal(after.reserved, before.reserved + arena.reserved);
	assert_int_equal(after.used, before.used + arena.used);
	assert_int_equal(after.peak, after.reserved);
	assert_int_not_equal(after.spare, 0);
	assert_in_range(after.spare, before.spare + 1, before.spare + arena.reserved - arena.used);
	assert_int_equal(after.reserved, pool.source.held);

	/* What was spare is any member's now. */
	bump_t *const heir = pool_get(pool.herd);
	assert_true(pool_spend(heir, after.spare / 4, 100));
	assert_true(pool.source.acquires <= acquires + 1);
	herd_put(pool.herd, heir);
	pool_end(&pool);
}

/* As a reset left them: nobody has looked for one of them since. */
static void all_spare_chunks_move(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = arena_new(&pool);
	assert_true(pool_spend(bump, 1000000, 1000));
	assert_int_equal(bump_reset(bump), 0);
	const size_t chunks = pool.source.chunks_live;
	const size_t held = pool.source.held;
	assert_in_range(chunks, 3, 1000);
	adopt(pool.herd, bump);
	assert_int_equal(pool_stats(pool.herd).spare, held);
	assert_int_equal(pool.source.chunks_live, chunks);
	assert_int_equal(herd_trim(pool.herd, 0), held);
	assert_int_equal(pool.source.chunks_live, 0);
	pool_end(&pool);
}

static void an_arena_that_holds_nothing_becomes_a_member_too(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	adopt(pool.herd, arena_new(&pool));
	assert_int_equal(pool_stats(pool.herd).members, 1);
	assert_int_equal(pool_stats(pool.herd).reserved, 0);
	bump_t *const bump = herd_try_get(pool.herd);
	assert_non_null(bump);
	pool_alloc(bump, 5000, 1);
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

/* Who checks it out allocates behind what is there; a discard frees only that. */
static void the_member_is_one_like_others(void **state)
{
	(void)state;
	struct pool pool;
	static struct cargo cargo;

	pool_start(&pool);
	bump_t *const lone = arena_new(&pool);
	const bump_mark_t mark = bump_mark(lone);
	cargo_load(&cargo, lone, 0);
	adopt(pool.herd, lone);
	const size_t used = pool_stats(pool.herd).used;
	for (size_t i = 0; i < 3; i++) {
		bump_t *const bump = herd_try_get(pool.herd);

		assert_non_null(bump);
		pool_alloc(bump, 100, 1);
		pool_alloc(bump, 300000, 1);
		herd_discard(pool.herd, bump);
		assert_int_equal(pool_stats(pool.herd).used, used);
		cargo_check_load(&cargo, 0, pool.herd);
	}
	bump_t *const bump = herd_local(pool.herd);
	assert_int_equal(pool_stats(pool.herd).members, 1);
	test_misuse_begin();
	assert_int_equal(bump_rewind(bump, mark), EINVAL); /* a mark of the arena that is gone */
	test_misuse_expect("bump_rewind");
	assert_int_equal(bump_reset(bump), EINVAL);
	test_misuse_expect("bump_reset");
	test_misuse_end();
	herd_local_put(pool.herd);
	cargo_check_load(&cargo, 0, pool.herd);
	pool_end(&pool);
}

static void deferred_functions_run_at_the_herd_s_reset_once_and_newest_first(void **state)
{
	(void)state;
	for (size_t destroy = 0; destroy < 2; destroy++) {
		struct pool pool;
		struct journal journal = {0};

		pool_start(&pool);
		bump_t *const lone = arena_new(&pool);
		journal_defer(lone, &journal, 0, 20);
		adopt(pool.herd, lone);
		bump_t *const bump = pool_get(pool.herd);
		journal_defer(bump, &journal, 20, 20);
		herd_put(pool.herd, bump);
		assert_int_equal(journal.n, 0);
		if (destroy == 0) {
			assert_int_equal(herd_reset(pool.herd), 0);
			assert_int_equal(journal.n, 40);
			assert_int_equal(herd_reset(pool.herd), 0);
		}
		pool_end(&pool);
		assert_int_equal(journal.n, 40);
		journal_check(&journal, 0, 40);
	}
}

static void the_herd_may_have_members_out(void **state)
{
	(void)state;
	struct pool pool;
	static struct cargo cargo;

	pool_start(&pool);
	bump_t *const out = pool_get(pool.herd);
	void *const memory = pool_alloc(out, 5000, 1);
	bump_t *const lone = arena_new(&pool);
	cargo_load(&cargo, lone, 1);
	adopt(pool.herd, lone);
	assert_int_equal(pool_stats(pool.herd).members, 2);
	assert_int_equal(pool_stats(pool.herd).out, 1);
	pool_alloc(out, 50000, 2);
	herd_put(pool.herd, out);
	assert_true(test_verify(memory, 5000, 1));
	cargo_check_load(&cargo, 1, pool.herd);
	pool_end(&pool);
}

/* --- limits --- */

static void count_oom(void *ctx, size_t size)
{
	(void)size;
	(*(size_t *)ctx)++;
}

/* The arena holds spare memory, deferred functions and allocations; the herd holds something. */
static void a_limit_that_would_be_exceeded_is_ENOMEM_and_the_arena_is_as_before(void **state)
{
	(void)state;
	struct pool pool;
	static struct cargo cargo;
	struct journal journal = {0};
	size_t ooms = 0;

	pool_start(&pool);
	bump_t *const lone = arena_new(&pool);
	assert_int_equal(herd_destroy(pool.herd), 0);
	pool.config.bump.on_oom = count_oom; /* of the herd alone */
	pool.config.bump.on_oom_ctx = &ooms;
	pool_open(&pool);
	bump_t *const bump = pool_get(pool.herd);
	pool_alloc(bump, 10000, 1);
	herd_put(pool.herd, bump);
	assert_true(pool_spend(lone, 1000000, 1000));
	assert_int_equal(bump_reset(lone), 0);
	journal_defer(lone, &journal, 0, 5);
	cargo_load(&cargo, lone, 1);

	const size_t need = pool_stats(pool.herd).reserved + arena_stats(lone).reserved;
	const size_t limits[] = {1, pool_stats(pool.herd).reserved, need - 1};
	for (size_t i = 0; i < 3; i++) {
		herd_set_limit(pool.herd, limits[i]);
		adopt_fails(&pool, lone, ENOMEM, "above the limit");
		assert_int_equal(ooms, i + 1);
		assert_int_equal(journal.n, 0);
	}
	herd_set_limit(pool.herd, need);
	adopt(pool.herd, lone);
	assert_int_equal(ooms, 3);
	assert_int_equal(pool_stats(pool.herd).reserved, need);
	cargo_check_load(&cargo, 1, pool.herd);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(journal.n, 5);
	journal_check(&journal, 0, 5);
	pool_end(&pool);
}

static void spare_memory_of_the_herd_goes_back_to_make_room(void **state)
{
	(void)state;
	struct pool pool;
	static struct cargo cargo;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	assert_true(pool_spend(bump, 100000, 1000));
	herd_put(pool.herd, bump);
	assert_int_equal(herd_reset(pool.herd), 0);
	bump_t *const lone = arena_new(&pool);
	cargo_load(&cargo, lone, 2);
	const size_t moves = arena_stats(lone).reserved;
	assert_true(moves > pool_stats(pool.herd).reserved);
	herd_set_limit(pool.herd, moves - 1);
	adopt_fails(&pool, lone, ENOMEM, "above the limit even without spare memory");
	assert_int_equal(arena_stats(lone).reserved, moves);
	herd_set_limit(pool.herd, moves);
	adopt(pool.herd, lone);
	assert_int_equal(pool_stats(pool.herd).reserved, moves);
	assert_int_equal(pool.source.held, moves);
	cargo_check_load(&cargo, 2, pool.herd);
	pool_end(&pool);
}

/* --- what it refuses --- */

static void an_arena_in_the_callers_memory_is_EINVAL(void **state)
{
	(void)state;
	struct pool pool;
	static char memory[8192];

	pool_start(&pool);
	bump_t *const bump = bump_new_in(memory, sizeof(memory), &pool.config.bump);
	assert_non_null(bump);
	pool_alloc(bump, 100, 1);
	adopt_fails(&pool, bump, EINVAL, "in the caller's memory");
	pool_alloc(bump, 50000, 1);
	adopt_fails(&pool, bump, EINVAL, "in the caller's memory, and grown");
	bump_destroy(bump);
	pool_end(&pool);
}

static void another_source_or_min_align_is_EINVAL(void **state)
{
	(void)state;
	struct pool pool;
	struct test_source other;

	test_source_init(&other); /* the same functions, another ctx */
	pool_start(&pool);
	const bump_config_t configs[] = {
		{.source = &other.source},
		{.source = &herd_source_malloc},
		{.source = NULL},
		{.source = &pool.source.source, .min_align = 2},
		{.source = &pool.source.source, .min_align = 64},
	};
	static const char *const why[] = {"another ctx", "malloc's source", "the system's source",
					  "min_align 2", "min_align 64"};
	for (size_t i = 0; i < 5; i++) {
		bump_t *const bump = bump_new(&configs[i]);

		assert_non_null(bump);
		pool_alloc(bump, 100, 1);
		adopt_fails(&pool, bump, EINVAL, why[i]);
		bump_destroy(bump);
	}
	pool.config.bump.min_align = 1; /* which 0 means, too */
	adopt(pool.herd, arena_new(&pool));
	pool_end(&pool);
	test_source_done(&other);
}

static void adopt_is_misuse_of(herd_t *herd, bump_t *bump)
{
	const herd_stats_t before = pool_stats(herd);

	test_misuse_begin();
	assert_int_equal(herd_adopt(herd, bump), EINVAL);
	test_misuse_expect("herd_adopt");
	test_misuse_end();
	const herd_stats_t after = pool_stats(herd);
	assert_memory_equal(&after, &before, sizeof(after));
}

static void a_herd_s_member_is_misuse(void **state)
{
	(void)state;
	struct pool pool;
	struct pool other;

	pool_start(&pool);
	pool_start(&other);
	bump_t *const out = pool_get(pool.herd);
	bump_t *const parked = pool_get(pool.herd);
	bump_t *const local = herd_local(pool.herd);
	herd_put(pool.herd, parked);
	bump_t *const members[] = {out, parked, local};
	for (size_t i = 0; i < 3; i++) {
		adopt_is_misuse_of(pool.herd, members[i]);
		adopt_is_misuse_of(other.herd, members[i]);
	}
	pool_alloc(out, 100, 1);
	pool_alloc(local, 100, 1);
	herd_put(pool.herd, out);
	herd_local_put(pool.herd);
	pool_end(&pool);
	pool_end(&other);
}

struct suicide {
	struct pool *pool;
	bump_t *lone;
	int result;
};

static void adopt_from_within(void *arg)
{
	struct suicide *const suicide = arg;

	suicide->result = herd_adopt(suicide->pool->herd, suicide->lone);
}

static void an_arena_that_runs_deferred_functions_is_misuse(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	struct suicide suicide = {.pool = &pool, .lone = arena_new(&pool)};
	assert_int_equal(bump_defer(suicide.lone, adopt_from_within, &suicide), 0);
	test_misuse_begin();
	assert_int_equal(bump_reset(suicide.lone), 0);
	test_misuse_expect("herd_adopt");
	test_misuse_end();
	assert_int_equal(suicide.result, EINVAL);
	assert_int_equal(pool_stats(pool.herd).members, 0);
	bump_destroy(suicide.lone);
	pool_end(&pool);
}

/* --- beside others --- */

struct adoption {
	struct pool pool;
	size_t rounds;
	atomic_size_t ran;
};

static void count_run(void *arg)
{
	atomic_fetch_add((atomic_size_t *)arg, 1);
}

static void adopt_and_use(void *arg, size_t id)
{
	struct adoption *const adoption = arg;
	herd_t *const herd = adoption->pool.herd;

	for (size_t i = 0; i < adoption->rounds; i++) {
		bump_t *const lone = bump_new(&adoption->pool.config.bump);
		bump_t *const bump = herd_get(herd);

		if (!TEAM_CHECK(lone != NULL && bump != NULL, "%s", strerror(errno)))
			return;
		void *const memory = bump_alloc(lone, 1000);
		void *const more = bump_alloc(bump, 1000);
		if (!TEAM_CHECK(memory != NULL && more != NULL, "%s", strerror(errno)))
			return;
		TEAM_CHECK(bump_defer(lone, count_run, &adoption->ran) == 0, "%s", strerror(errno));
		test_fill(memory, 1000, (uint32_t)i);
		test_fill(more, 1000, (uint32_t)id);
		TEAM_CHECK(herd_adopt(herd, lone) == 0, "turn %zu", i);
		TEAM_CHECK(test_verify(memory, 1000, (uint32_t)i), "turn %zu", i);
		TEAM_CHECK(test_verify(more, 1000, (uint32_t)id), "turn %zu", i);
		if (i % 2 == 0)
			herd_put(herd, bump);
		else
			herd_discard(herd, bump);
	}
}

static void many_threads_adopt_into_one_herd_and_nothing_is_lost(void **state)
{
	(void)state;
	static struct adoption adoption;

	adoption.rounds = TEST_SCALE(2000);
	pool_start(&adoption.pool);
	team_run(4, adopt_and_use, &adoption);
	assert_in_range(pool_stats(adoption.pool.herd).members, 4 * adoption.rounds,
			4 * adoption.rounds + 4);
	assert_int_equal(pool_stats(adoption.pool.herd).out, 0);
	assert_int_equal(atomic_load(&adoption.ran), 0);
	assert_int_equal(herd_reset(adoption.pool.herd), 0);
	assert_int_equal(atomic_load(&adoption.ran), 4 * adoption.rounds);
	assert_int_equal(pool_stats(adoption.pool.herd).reserved, adoption.pool.source.held);
	pool_end(&adoption.pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adopted_allocations_are_intact_and_owned_by_the_herd),
		cmocka_unit_test(the_figures_of_the_arena_add_to_those_of_the_herd),
		cmocka_unit_test(all_spare_chunks_move),
		cmocka_unit_test(an_arena_that_holds_nothing_becomes_a_member_too),
		cmocka_unit_test(the_member_is_one_like_others),
		cmocka_unit_test(deferred_functions_run_at_the_herd_s_reset_once_and_newest_first),
		cmocka_unit_test(the_herd_may_have_members_out),
		cmocka_unit_test(
			a_limit_that_would_be_exceeded_is_ENOMEM_and_the_arena_is_as_before),
		cmocka_unit_test(spare_memory_of_the_herd_goes_back_to_make_room),
		cmocka_unit_test(an_arena_in_the_callers_memory_is_EINVAL),
		cmocka_unit_test(another_source_or_min_align_is_EINVAL),
		cmocka_unit_test(a_herd_s_member_is_misuse),
		cmocka_unit_test(an_arena_that_runs_deferred_functions_is_misuse),
		cmocka_unit_test(many_threads_adopt_into_one_herd_and_nothing_is_lost),
	};

	return cmocka_run_group_tests_name("adopt", tests, NULL, NULL);
}
