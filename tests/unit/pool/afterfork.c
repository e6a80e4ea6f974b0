/* SPDX-License-Identifier: MIT */
/*
 * What fork(2) may break, made on purpose: members that were out, and arenas that another thread had
 * in the middle of a step. The child finds all of it whole.
 */

#include "pool.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/gate.h"
#include "pool/fork.h"
#include "pool/pool.h"

/* Thread sanitizer allows a thread 64 locks at a time: a fork must not take one of each herd. */
enum { OTHERS = 1000 };

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
	if (herd_recall(pool->herd) != 1 || herd_get(pool->herd) != bump)
		return 4;
	bump_stats(bump, &stats);
	if (stats.reserved != pool->source.held || stats.peak < stats.reserved)
		return 2;
	if (stats.used < 500000 || stats.capacity < stats.used || stats.chunks < 3)
		return 3;
	if (stats.chunks != pool->source.chunks_live || stats.capacity >= pool->source.held)
		return 7;
	herd_put(pool->herd, bump);
	if (herd_reset(pool->herd) != 0)
		return 8;
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

	a->held /= 2;
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

/* --- what other threads were doing in the stack and in the spare lists --- */

enum { IDLE = 8, POPPED = 3 };

struct gathering {
	herd_t *herd;
	pthread_barrier_t all;
	bump_t *got[IDLE];
};

static struct gathering gathering;

static void *get_with_the_others(void *place)
{
	bump_t **const got = place;

	pthread_barrier_wait(&gathering.all);
	*got = herd_get(gathering.herd);
	return NULL;
}

/* All threads are the first at once: one repairs, and the others wait for that. */
static int get_all_at_once(struct pool *pool, bump_t *bump)
{
	pthread_t threads[IDLE];

	(void)bump;
	gathering.herd = pool->herd;
	if (pthread_barrier_init(&gathering.all, NULL, IDLE) != 0)
		return 1;
	for (size_t i = 0; i < IDLE; i++)
		if (pthread_create(&threads[i], NULL, get_with_the_others, &gathering.got[i]) != 0)
			return 2;
	for (size_t i = 0; i < IDLE; i++)
		if (pthread_join(threads[i], NULL) != 0)
			return 3;
	for (size_t i = 0; i < IDLE; i++)
		for (size_t j = 0; j < i; j++)
			if (gathering.got[i] == NULL || gathering.got[i] == gathering.got[j])
				return 4;
	if (pool_stats(pool->herd).members != IDLE)
		return 5;
	for (size_t i = 0; i < IDLE; i++)
		herd_put(pool->herd, gathering.got[i]);
	return herd_destroy(pool->herd) == 0 ? 0 : 6;
}

/* As where threads had popped members, and not yet claimed them. */
static void idle_members_that_no_stack_leads_to_are_found(void **state)
{
	(void)state;
	struct pool pool;
	bump_t *members[IDLE];
	struct stack_link *popped[POPPED];

	pool_start(&pool);
	for (size_t i = 0; i < IDLE; i++)
		members[i] = pool_get(pool.herd);
	for (size_t i = 0; i < IDLE; i++)
		herd_put(pool.herd, members[i]);
	for (size_t i = 0; i < POPPED; i++)
		popped[i] = stack_pop(&pool.herd->stack);
	for (int times = 0; times < 20; times++)
		in_a_child(get_all_at_once, &pool, NULL);
	for (size_t i = 0; i < POPPED; i++)
		stack_push(&pool.herd->stack, popped[i]);
	assert_int_equal(pool_stats(pool.herd).members, IDLE);
	pool_end(&pool);
}

/* By the way that a thread takes which remembers a member: it looks at nothing but that one. */
static int put_what_was_out(struct pool *pool, bump_t *bump)
{
	herd_put(pool->herd, bump);
	if (pool->herd->forks != gate_forks)
		return 1;
	/* A thread that saw the need as well comes second, when the stack may be in use. */
	(void)stack_pop(&pool->herd->stack);
	fork_repair_stack(pool->herd);
	return stack_pop(&pool->herd->stack) == NULL ? 0 : 2;
}

/* A repair that another thread begins later would lose what is pushed meanwhile. */
static void a_stack_is_repaired_before_a_member_is_pushed(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	/* The first time it was never on the stack, the second time it still is. */
	for (int time = 1; time <= 2; time++) {
		bump_t *const bump = pool_get(pool.herd);

		in_a_child(put_what_was_out, &pool, bump);
		herd_put(pool.herd, bump);
	}
	pool_end(&pool);
}

enum { PENDING = 12345 };

static size_t in_hand, leaving;

static int count_anew(struct pool *pool, bump_t *bump)
{
	if (pool_stats(pool->herd).reserved != pool->source.held - leaving ||
	    pool->herd->spare.pending != 0)
		return 1;
	herd_put(pool->herd, bump);
	if (herd_reset(pool->herd) != 0)
		return 2;
	if (pool_stats(pool->herd).reserved != pool->source.held - leaving - in_hand ||
	    pool_stats(pool->herd).spare != pool_stats(pool->herd).reserved)
		return 3;
	return herd_destroy(pool->herd) == 0 ? 0 : 4;
}

/* As where one thread was asking the source, one was trimming, and one had just got a chunk. */
static void chunks_on_their_way_do_not_count_for_ever(void **state)
{
	(void)state;
	struct pool pool;
	struct chunk *chunk;

	pool_start(&pool);
	bump_t *bump = pool_get(pool.herd);
	struct spare *const spare = &pool.herd->spare;

	for (int i = 0; i < 100; i++)
		pool_alloc(bump, 1000, 1);
	herd_put(pool.herd, bump);
	assert_int_equal(herd_reset(pool.herd), 0);
	bump = pool_get(pool.herd);
	pool_alloc(bump, 1000, 1);
	assert_null(spare_get(spare, &(struct chunk_request){1000, 1000, SIZE_MAX}, &chunk));
	in_hand = chunk->size;
	spare_lock(spare);
	struct chunk *const list = fit_take_above(spare, 0, &leaving);
	spare->leaving += leaving;
	spare->pending += PENDING;
	spare_unlock(spare);
	assert_int_not_equal(leaving, 0);
	in_a_child(count_anew, &pool, bump);
	spare->pending -= PENDING;
	assert_int_equal(spare_release(spare, list), leaving);
	spare_lock(spare);
	spare_settle_leaving(spare, leaving);
	spare_unlock(spare);
	spare_return(spare, chunk, chunk, in_hand);
	herd_put(pool.herd, bump);
	pool_agrees(&pool);
	pool_end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_that_was_out_is_found_by_any_thread_once_it_is_put),
		cmocka_unit_test(an_arena_in_the_middle_of_a_step_is_made_whole),
		cmocka_unit_test(idle_members_that_no_stack_leads_to_are_found),
		cmocka_unit_test(a_stack_is_repaired_before_a_member_is_pushed),
		cmocka_unit_test(chunks_on_their_way_do_not_count_for_ever),
	};

	return cmocka_run_group_tests_name("a fork in the middle", tests, NULL, NULL);
}
