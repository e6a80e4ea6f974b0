/* SPDX-License-Identifier: MIT */
/*
 * herd_recall(): what threads lost, or keep, goes back; its allocations stay; and handing it back
 * later is misuse, as far as it can be told.
 */

#include "pool.h"

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		continue;
}

/* --- in one thread --- */

static void it_returns_how_many_were_out(void **state)
{
	(void)state;
	for (size_t out = 0; out <= 5; out++) {
		struct pool pool;
		bump_t *members[5];

		pool_start(&pool);
		for (size_t i = 0; i < 5; i++)
			members[i] = pool_get(pool.herd);
		for (size_t i = out; i < 5; i++)
			herd_put(pool.herd, members[i]);
		assert_int_equal(herd_recall(pool.herd), out);
		assert_int_equal(pool_stats(pool.herd).out, 0);
		assert_int_equal(pool_stats(pool.herd).members, 5);
		assert_int_equal(herd_recall(pool.herd), 0);
		assert_int_equal(herd_reset(pool.herd), 0);
		pool_end(&pool);
	}
}

static void a_herd_without_members_has_none_to_recall(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	assert_int_equal(herd_recall(pool.herd), 0);
	assert_int_equal(pool_stats(pool.herd).members, 0);
	pool_end(&pool);
}

static void allocations_stay_until_the_herd_is_reset(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 100, 5000, 300000, 5000000};
	struct pool pool;
	void *memory[5];
	size_t used = 0;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	for (size_t i = 0; i < 5; i++)
		memory[i] = pool_alloc(bump, sizes[i], (uint32_t)i);
	used = pool_used(bump);
	assert_int_equal(pool_stats(pool.herd).used, 0); /* as at the checkout */
	assert_int_equal(herd_recall(pool.herd), 1);
	assert_int_equal(pool_stats(pool.herd).used, used);
	for (size_t i = 0; i < 5; i++) {
		if (!test_verify(memory[i], sizes[i], (uint32_t)i) ||
		    !herd_owns(pool.herd, memory[i]))
			fail_msg("allocation %zu, of %zu bytes, is gone", i, sizes[i]);
	}
	pool_agrees(&pool);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(pool_stats(pool.herd).used, 0);
	assert_int_equal(pool_stats(pool.herd).spare, pool_stats(pool.herd).reserved);
	pool_end(&pool);
}

/* It joins the others: each can be had once. */
static void what_was_recalled_can_be_checked_out(void **state)
{
	(void)state;
	struct pool pool;
	bump_t *members[4];
	bump_t *again[4];

	pool_start(&pool);
	for (size_t i = 0; i < 4; i++)
		members[i] = pool_get(pool.herd);
	herd_put(pool.herd, members[2]);
	assert_int_equal(herd_recall(pool.herd), 3);
	for (size_t i = 0; i < 4; i++) {
		again[i] = herd_try_get(pool.herd);
		assert_non_null(again[i]);
		pool_alloc(again[i], 5000, (uint32_t)i);
		for (size_t j = 0; j < i; j++)
			assert_ptr_not_equal(again[i], again[j]);
	}
	assert_null(herd_try_get(pool.herd));
	for (size_t i = 0; i < 4; i++)
		herd_put(pool.herd, again[i]);
	assert_int_equal(pool_stats(pool.herd).members, 4);
	pool_end(&pool);
}

static void other_herds_are_left_alone(void **state)
{
	(void)state;
	struct pool pool;
	struct pool other;

	pool_start(&pool);
	pool_start(&other);
	bump_t *const got = pool_get(other.herd);
	bump_t *const mine = herd_local(other.herd);
	assert_non_null(mine);
	assert_non_null(herd_local(pool.herd));
	assert_int_equal(herd_recall(pool.herd), 1);
	assert_int_equal(pool_stats(other.herd).out, 2);
	assert_ptr_equal(herd_local(other.herd), mine);
	pool_alloc(mine, 100, 1);
	pool_alloc(got, 100, 1);
	herd_local_put(other.herd);
	herd_put(other.herd, got);
	pool_end(&pool);
	pool_end(&other);
}

static void handing_back_later_is_misuse_without_effect(void **state)
{
	(void)state;
	for (size_t local = 0; local < 2; local++) {
		struct pool pool;

		pool_start(&pool);
		bump_t *const bump = local ? herd_local(pool.herd) : herd_get(pool.herd);
		assert_non_null(bump);
		void *const memory = pool_alloc(bump, 100, 1);
		assert_int_equal(herd_recall(pool.herd), 1);
		const herd_stats_t before = pool_stats(pool.herd);

		test_misuse_begin();
		errno = 0;
		herd_put(pool.herd, bump);
		assert_int_equal(errno, EINVAL);
		test_misuse_expect("herd_put");
		errno = 0;
		herd_discard(pool.herd, bump);
		assert_int_equal(errno, EINVAL);
		test_misuse_expect("herd_discard");
		errno = 0;
		assert_null(bump_alloc(bump, 10));
		assert_int_equal(errno, EINVAL);
		assert_int_equal(test_misuse_count(), 1);
		test_misuse_clear();
		herd_local_put(pool.herd); /* there is none: that is no misuse */
		assert_int_equal(test_misuse_count(), 0);
		test_misuse_end();

		const herd_stats_t after = pool_stats(pool.herd);
		assert_memory_equal(&after, &before, sizeof(after));
		assert_true(test_verify(memory, 100, 1));
		pool_end(&pool);
	}
}

static void note(void *arg)
{
	(*(size_t *)arg)++;
}

static void what_was_deferred_runs_at_the_reset(void **state)
{
	(void)state;
	struct pool pool;
	size_t runs = 0;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(bump_defer(bump, note, &runs), 0);
	assert_int_equal(herd_recall(pool.herd), 1);
	assert_int_equal(runs, 0);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(runs, 10);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(runs, 10);
	pool_end(&pool);
}

static void the_next_herd_local_checks_one_out_anew(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const first = herd_local(pool.herd);
	assert_non_null(first);
	assert_int_equal(herd_recall(pool.herd), 1);
	bump_t *const taken = pool_get(pool.herd);
	assert_ptr_equal(taken, first);

	herd_local_put(pool.herd); /* the thread has none */
	assert_int_equal(pool_stats(pool.herd).out, 1);
	bump_t *const second = herd_local(pool.herd);
	assert_non_null(second);
	assert_ptr_not_equal(second, taken);
	assert_ptr_equal(herd_local(pool.herd), second);
	assert_int_equal(pool_stats(pool.herd).out, 2);
	pool_alloc(taken, 100, 1);
	pool_alloc(second, 100, 2);
	herd_put(pool.herd, taken);
	herd_local_put(pool.herd);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	pool_end(&pool);
}

/* --- threads that died --- */

struct lost {
	herd_t *herd;
	void *memory[TEAM_MAX];
};

static void end_without_putting(void *arg, size_t id)
{
	struct lost *const lost = arg;
	bump_t *const bump = herd_get(lost->herd);

	lost->memory[id] = bump == NULL ? NULL : bump_alloc(bump, 3000);
	if (TEAM_CHECK(lost->memory[id] != NULL, "thread %zu: %s", id, strerror(errno)))
		test_fill(lost->memory[id], 3000, (uint32_t)id);
}

static void members_of_threads_that_died_go_back(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	struct lost lost = {.herd = pool.herd};
	for (size_t round = 1; round <= 3; round++) {
		team_run(TEAM_MAX, end_without_putting, &lost);
		assert_int_equal(pool_stats(pool.herd).out, TEAM_MAX);
		assert_int_equal(herd_reset(pool.herd), EBUSY);
		assert_int_equal(herd_destroy(pool.herd), EBUSY);
		assert_int_equal(herd_recall(pool.herd), TEAM_MAX);
		for (size_t i = 0; i < TEAM_MAX; i++)
			assert_true(test_verify(lost.memory[i], 3000, (uint32_t)i));
		assert_int_equal(herd_reset(pool.herd), 0);
		assert_int_equal(pool_stats(pool.herd).members, TEAM_MAX);
	}
	pool_agrees(&pool);
	pool_end(&pool);
}

static void *leave_scopes_by_pthread_exit(void *arg)
{
	herd_t *const herd = arg;
	HERD_SCOPE(herd, bump);

	if (bump == NULL || bump_alloc(bump, 10) == NULL)
		return arg;
	BUMP_SCOPE(bump);
	if (bump_alloc(bump, 1000) != NULL)
		pthread_exit(NULL);
	return arg;
}

/* As the headers say. What the system's threads do in C++, or with -fexceptions, is their affair. */
static void a_scope_that_pthread_exit_left_open_goes_back_by_a_recall(void **state)
{
	herd_t *const herd = herd_new(NULL);
	pthread_t thread;
	void *failed = NULL;

	(void)state;
	assert_non_null(herd);
	assert_int_equal(pthread_create(&thread, NULL, leave_scopes_by_pthread_exit, herd), 0);
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
#ifdef __EXCEPTIONS
	assert_in_range(herd_recall(herd), 0, 1);
#else
	assert_int_equal(pool_stats(herd).out, 1);
	assert_int_equal(herd_recall(herd), 1);
#endif
	assert_int_equal(herd_reset(herd), 0); /* what the scopes would have freed */
	assert_int_equal(pool_stats(herd).used, 0);
	assert_int_equal(herd_destroy(herd), 0);
}

static void die(void *arg)
{
	note(arg);
	pthread_exit(NULL);
}

struct deathbed {
	herd_t *herd;
	size_t runs;
};

static void *die_in_a_deferred_function(void *arg)
{
	struct deathbed *const deathbed = arg;
	bump_t *const bump = herd_get(deathbed->herd);

	if (!TEAM_CHECK(bump != NULL, "%s", strerror(errno)))
		return NULL;
	const bump_mark_t mark = bump_mark(bump);
	TEAM_CHECK(bump_defer(bump, die, &deathbed->runs) == 0, "%s", strerror(errno));
	(void)bump_rewind(bump, mark);
	TEAM_CHECK(false, "the rewind came back");
	return NULL;
}

static void a_member_whose_thread_died_in_a_deferred_function_is_usable_again(void **state)
{
	(void)state;
	struct pool pool;
	pthread_t thread;

	pool_start(&pool);
	struct deathbed deathbed = {.herd = pool.herd};
	assert_int_equal(pthread_create(&thread, NULL, die_in_a_deferred_function, &deathbed), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	team_verdict();
	assert_int_equal(herd_recall(pool.herd), 1);
	bump_t *const bump = pool_get(pool.herd);
	pool_alloc(bump, 5000, 1);
	herd_put(pool.herd, bump);
	assert_int_equal(pool_stats(pool.herd).members, 1);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(deathbed.runs, 1);
	pool_end(&pool);
}

/* --- threads that live on --- */

struct keeper {
	herd_t *herd;
	bump_t *bump;
	sem_t has_it, may_go_on;
};

static void keep_one(struct keeper *keeper)
{
	keeper->bump = herd_local(keeper->herd);
	TEAM_CHECK(keeper->bump != NULL && bump_alloc(keeper->bump, 100) != NULL, "%s",
		   strerror(errno));
	sem_post(&keeper->has_it);
	/* Meanwhile it is recalled, and checked out by another thread. */
	wait_for(&keeper->may_go_on);
}

static void keep_one_and_end(void *arg, size_t id)
{
	(void)id;
	keep_one(arg);
}

static void keep_one_and_put_it(void *arg, size_t id)
{
	struct keeper *const keeper = arg;

	(void)id;
	keep_one(keeper);
	herd_local_put(keeper->herd);
}

static void keep_one_and_have_another(void *arg, size_t id)
{
	struct keeper *const keeper = arg;
	bump_t *const former = (keep_one(keeper), keeper->bump);
	bump_t *const bump = herd_local(keeper->herd);

	(void)id;
	TEAM_CHECK(bump != NULL && bump != former, "what was recalled is another thread's now");
	TEAM_CHECK(bump == NULL || bump_alloc(bump, 100) != NULL, "%s", strerror(errno));
}

/* A member goes to another thread for good: the one that had it neither uses nor puts it. */
static void what_was_recalled_is_no_longer_the_thread_s_own(void **state)
{
	(void)state;
	team_fn *const fns[] = {keep_one_and_end, keep_one_and_put_it, keep_one_and_have_another};

	for (size_t i = 0; i < 2 * (sizeof(fns) / sizeof(fns[0])); i++) {
		struct pool pool;
		struct team team;

		pool_start(&pool);
		struct keeper keeper = {.herd = pool.herd};
		sem_init(&keeper.has_it, 0, 0);
		sem_init(&keeper.may_go_on, 0, 0);
		team_start(&team, 1, fns[i / 2], &keeper);
		wait_for(&keeper.has_it);
		assert_int_equal(herd_recall(pool.herd), 1);
		bump_t *const bump = i % 2 == 0 ? pool_get(pool.herd) : herd_local(pool.herd);
		assert_ptr_equal(bump, keeper.bump);
		sem_post(&keeper.may_go_on);
		team_join(&team);
		team_verdict();
		if (pool_stats(pool.herd).out != 1)
			fail_msg("case %zu: %zu members out", i, pool_stats(pool.herd).out);
		pool_alloc(bump, 5000, 1);
		herd_put(pool.herd, bump);
		assert_int_equal(pool_stats(pool.herd).out, 0);
		sem_destroy(&keeper.has_it);
		sem_destroy(&keeper.may_go_on);
		pool_end(&pool);
	}
}

/* Worker threads without end: their members are recalled between two phases, each time. */
enum { WORKERS = 6 };

struct phases {
	herd_t *herd;
	size_t n;
	pthread_barrier_t begin, end;
};

static void work_in_phases(void *arg, size_t id)
{
	struct phases *const phases = arg;
	char text[64];

	for (size_t i = 0; i < phases->n; i++) {
		pthread_barrier_wait(&phases->begin);
		bump_t *const bump = herd_local(phases->herd);
		const char *copy = NULL;

		snprintf(text, sizeof(text), "worker %zu, phase %zu", id, i);
		for (size_t j = 0; bump != NULL && j < 50; j++)
			copy = bump_strdup(bump, text);
		TEAM_CHECK(copy != NULL && strcmp(copy, text) == 0, "%s", text);
		TEAM_CHECK(herd_local(phases->herd) == bump, "%s", text);
		pthread_barrier_wait(&phases->end);
	}
	pthread_barrier_wait(&phases->begin); /* a thread that ends puts its member back */
}

static void workers_that_never_put_are_recalled_phase_after_phase(void **state)
{
	(void)state;
	struct pool pool;
	struct team team;

	pool_start(&pool);
	struct phases phases = {.herd = pool.herd, .n = TEST_SCALE(2000)};
	pthread_barrier_init(&phases.begin, NULL, WORKERS + 1);
	pthread_barrier_init(&phases.end, NULL, WORKERS + 1);
	team_start(&team, WORKERS, work_in_phases, &phases);
	for (size_t i = 0; i < phases.n; i++) {
		pthread_barrier_wait(&phases.begin);
		pthread_barrier_wait(&phases.end);
		assert_int_equal(herd_reset(pool.herd), EBUSY);
		assert_int_equal(herd_recall(pool.herd), WORKERS);
		assert_int_equal(herd_reset(pool.herd), 0);
	}
	pthread_barrier_wait(&phases.begin);
	team_join(&team);
	team_verdict();
	assert_int_equal(pool_stats(pool.herd).members, WORKERS);
	pool_agrees(&pool);
	pthread_barrier_destroy(&phases.begin);
	pthread_barrier_destroy(&phases.end);
	pool_end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_returns_how_many_were_out),
		cmocka_unit_test(a_herd_without_members_has_none_to_recall),
		cmocka_unit_test(allocations_stay_until_the_herd_is_reset),
		cmocka_unit_test(what_was_recalled_can_be_checked_out),
		cmocka_unit_test(other_herds_are_left_alone),
		cmocka_unit_test(handing_back_later_is_misuse_without_effect),
		cmocka_unit_test(what_was_deferred_runs_at_the_reset),
		cmocka_unit_test(the_next_herd_local_checks_one_out_anew),
		cmocka_unit_test(members_of_threads_that_died_go_back),
		cmocka_unit_test(a_scope_that_pthread_exit_left_open_goes_back_by_a_recall),
		cmocka_unit_test(a_member_whose_thread_died_in_a_deferred_function_is_usable_again),
		cmocka_unit_test(what_was_recalled_is_no_longer_the_thread_s_own),
		cmocka_unit_test(workers_that_never_put_are_recalled_phase_after_phase),
	};

	return cmocka_run_group_tests_name("recall", tests, NULL, NULL);
}
