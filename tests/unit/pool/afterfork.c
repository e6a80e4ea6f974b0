/* SPDX-License-Identifier: MIT */
/*
 * What fork(2) may break, made on purpose: members that were out, and arenas that another thread had
 * in the middle of a step. The child finds all of it whole.
 */

#include "pool.h"

#include <sys/wait.h>
#include <unistd.h>

#include "arena/arena.h"

/*
 * So many that some are found in the same way as another. Thread sanitizer allows a thread 64 locks, and a
 * fork takes one of each herd.
 */
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
enum { OTHERS = 40 };
#else
enum { OTHERS = 100 };
#endif

/* Runs fn in a child; it returns 0, or the number of the step that went wrong. */
static void in_a_child(int (*fn)(struct pool *pool, bump_t *bump), struct pool *pool, bump_t *bump)
{
	int status;
	const pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(fn(pool, bump));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void *try_get(void *herd)
{
	return herd_try_get(herd);
}

/* A thread that remembers nothing finds only what is on the stack. */
static int put_and_have_another_get(struct pool *pool, bump_t *bump)
{
	pthread_t thread;
	void *got;

	herd_put(pool->herd, bump);
	if (pthread_create(&thread, NULL, try_get, pool->herd) != 0 ||
	    pthread_join(thread, &got) != 0)
		return 1;
	if (got != bump)
		return 2;
	herd_put(pool->herd, bump);
	return herd_destroy(pool->herd) == 0 ? 0 : 3;
}

static void a_member_that_was_out_is_found_by_any_thread_once_it_is_put(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	/* The first time it was never on the stack, the second time it still is. */
	for (int time = 1; time <= 2; time++) {
		bump_t *const bump = pool_get(pool.herd);

		pool_alloc(bump, 1000, 1);
		in_a_child(put_and_have_another_get, &pool, bump);
		herd_put(pool.herd, bump);
	}
	assert_int_equal(pool_stats(pool.herd).members, 1);
	pool_end(&pool);
}

static int add_up(struct pool *pool, bump_t *bump)
{
	bump_stats_t stats;

	if (pool_stats(pool->herd).reserved != pool->source.held)
		return 1;
	bump_stats(bump, &stats);
	if (stats.reserved != pool->source.held || stats.peak < stats.reserved)
		return 2;
	if (stats.used < 500000 || stats.capacity < stats.used || stats.chunks < 3)
		return 3;
	if (stats.chunks != pool->source.chunks_live || stats.capacity >= pool->source.held)
		return 7;
	if (herd_recall(pool->herd) != 1 || herd_reset(pool->herd) != 0)
		return 4;
	if (pool_stats(pool->herd).spare != pool->source.held)
		return 5;
	return herd_destroy(pool->herd) == 0 && pool->source.held == 0 ? 0 : 6;
}

/* As where a chunk was put into its list, and the sums were not yet brought up to date. */
static void an_arena_in_the_middle_of_a_step_is_made_whole(void **state)
{
	(void)state;
	struct pool pool;
	herd_t *others[OTHERS];

	pool_start(&pool);
	for (size_t i = 0; i < OTHERS; i++)
		others[i] = herd_new(NULL);
	bump_t *const bump = pool_get(pool.herd);
	struct arena *const a = arena_of(bump);

	for (int i = 0; i < 100; i++)
		pool_alloc(bump, 1000, 1);
	pool_alloc(bump, 400000, 2);
	const struct arena whole = *a;

	a->held = 0;
	a->peak = 0;
	a->older = (struct totals){0};
	a->oldest = a->large_oldest = NULL;
	in_a_child(add_up, &pool, bump);
	*a = whole;
	herd_put(pool.herd, bump);
	for (size_t i = 0; i < OTHERS; i++)
		assert_int_equal(herd_destroy(others[i]), 0);
	pool_agrees(&pool);
	pool_end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_that_was_out_is_found_by_any_thread_once_it_is_put),
		cmocka_unit_test(an_arena_in_the_middle_of_a_step_is_made_whole),
	};

	return cmocka_run_group_tests_name("a fork in the middle", tests, NULL, NULL);
}
