/* SPDX-License-Identifier: MIT */
/*
 * Who gets which member: a thread finds its way back to those that it put, also through others.
 */

#include "pool.h"

struct regulars {
	herd_t *herd;
	pthread_barrier_t barrier;
};

enum { REGULARS = 4 };

static void keep_one_member(void *arg, size_t id)
{
	struct regulars *const regulars = arg;
	bump_t *const mine = herd_get(regulars->herd);

	TEAM_CHECK(mine != NULL, "thread %zu: %s", id, strerror(errno));
	pthread_barrier_wait(&regulars->barrier); /* all have one of their own */
	herd_put(regulars->herd, mine);
	for (size_t turn = 0; turn < 200; turn++) {
		if (turn % 8 == 0)
			pthread_barrier_wait(&regulars->barrier);
		bump_t *const bump =
			turn % 3 == 0 ? herd_try_get(regulars->herd) : herd_get(regulars->herd);
		TEAM_CHECK(bump == mine, "thread %zu, turn %zu: %p, not %p", id, turn, (void *)bump,
			   (void *)mine);
		herd_put(regulars->herd, bump);
	}
}

static void a_thread_gets_back_the_member_it_used_last(void **state)
{
	(void)state;
	struct pool pool;
	pool_start(&pool);
	struct regulars regulars = {.herd = pool.herd};

	pthread_barrier_init(&regulars.barrier, NULL, REGULARS);
	team_run(REGULARS, keep_one_member, &regulars);
	pthread_barrier_destroy(&regulars.barrier);
	assert_int_equal(pool_stats(pool.herd).members, REGULARS);
	pool_end(&pool);
}

struct carried {
	herd_t *herd;
	bump_t *bump;
};

static void put_it(void *arg, size_t id)
{
	const struct carried *const carried = arg;

	(void)id;
	TEAM_CHECK(bump_alloc(carried->bump, 500) != NULL, "500 bytes: %s", strerror(errno));
	herd_put(carried->herd, carried->bump);
}

/* Though it got another one later, and another thread put that later. */
static void gets_back_what_it_put(herd_t *herd, void (*put)(herd_t *, bump_t *))
{
	bump_t *const mine = pool_get(herd);
	struct carried last = {.herd = herd, .bump = pool_get(herd)};

	put(herd, mine);
	team_run(1, put_it, &last);
	bump_t *const bump = pool_get(herd);
	assert_ptr_equal(bump, mine);
	herd_put(herd, bump);
}

static void a_thread_gets_back_the_member_it_put_last(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	gets_back_what_it_put(pool.herd, herd_put);
	gets_back_what_it_put(pool.herd, herd_discard);
	pool_end(&pool);
}

enum { MANY = 40 };

struct hand {
	herd_t *herd;
	bump_t *members[MANY];
};

static void get_many(void *arg, size_t id)
{
	struct hand *const hand = arg;

	for (size_t i = 0; i < MANY; i++) {
		hand->members[i] = herd_get(hand->herd);
		TEAM_CHECK(hand->members[i] != NULL, "thread %zu, member %zu", id, i);
	}
}

static void put_many(void *arg, size_t id)
{
	const struct hand *const hand = arg;

	(void)id;
	for (size_t i = 0; i < MANY; i++)
		herd_put(hand->herd, hand->members[i]);
}

/* Others are idle, too, and on top of the stack, for another thread put them later. */
static void a_thread_gets_back_the_members_it_put_last(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	struct hand others = {.herd = pool.herd};
	struct hand mine = {.herd = pool.herd};
	struct hand again = {.herd = pool.herd};

	team_run(1, get_many, &others);
	team_run(1, get_many, &mine); /* whoever got them */
	put_many(&mine, 0);
	team_run(1, put_many, &others);
	get_many(&again, 0);
	team_verdict();
	for (size_t i = 0; i < MANY; i++) /* the newest first */
		assert_ptr_equal(again.members[i], mine.members[MANY - 1 - i]);
	put_many(&again, 0);
	assert_int_equal(pool_stats(pool.herd).members, 2 * MANY);
	pool_end(&pool);
}

/* It gets and hands on; another thread puts. The last ones are out still. */
static void a_thread_gets_back_what_others_put_for_it_in_the_order_of_its_gets(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	struct hand sent = {.herd = pool.herd};
	struct hand put = {.herd = pool.herd};

	get_many(&sent, 0);
	for (size_t i = 0; i < MANY / 2; i++)
		put.members[i] = sent.members[i]; /* NULL, the others, may be put */
	team_run(1, put_many, &put);
	for (size_t i = 0; i < MANY / 2; i++)
		assert_ptr_equal(herd_get(pool.herd), sent.members[i]);
	team_run(1, put_many, &put);
	for (size_t i = MANY / 2; i < MANY; i++)
		herd_put(pool.herd, sent.members[i]);
	team_verdict();
	assert_int_equal(pool_stats(pool.herd).members, MANY);
	pool_end(&pool);
}

/* Another thread puts it; then it is on top of the stack. */
static void put_elsewhere(herd_t *herd, bump_t *bump)
{
	struct carried one = {.herd = herd, .bump = bump};

	team_run(1, put_it, &one);
}

/* The thread hands on what it gets, and remembers that; what it would pop is another one. */
static void expect_next(herd_t *herd, bump_t *put, bump_t *on_top)
{
	put_elsewhere(herd, put);
	put_elsewhere(herd, on_top);
	assert_ptr_equal(herd_get(herd), put);
}

static void what_others_put_back_is_found_again_and_again(void **state)
{
	(void)state;
	struct pool pool;
	struct hand others;
	bump_t *m[5];

	pool_start(&pool);
	others = (struct hand){.herd = pool.herd};
	team_run(1, get_many, &others);
	for (size_t i = 0; i < 5; i++)
		m[i] = pool_get(pool.herd);
	/* The oldest three, by the queue; the newest two come into it behind them. */
	for (size_t i = 0; i < 5; i++) {
		put_elsewhere(pool.herd, m[i]);
		assert_ptr_equal(pool_get(pool.herd), m[i]);
	}
	expect_next(pool.herd, m[0], others.members[0]);
	team_verdict();
	assert_int_equal(herd_recall(pool.herd), MANY - 1 + 5);
	pool_end(&pool);
}

static void members_that_stay_out_do_not_hide_those_that_come_back(void **state)
{
	(void)state;
	struct pool pool;
	struct hand others;
	bump_t *m[6];

	pool_start(&pool);
	others = (struct hand){.herd = pool.herd};
	team_run(1, get_many, &others);
	for (size_t i = 0; i < 6; i++) /* the first two stay out */
		m[i] = pool_get(pool.herd);
	for (size_t i = 0; i + 1 < MANY; i++) {
		put_elsewhere(pool.herd, others.members[i]);
		assert_ptr_equal(pool_get(pool.herd), others.members[i]);
	}
	expect_next(pool.herd, m[2], others.members[MANY - 1]);
	team_verdict();
	assert_int_equal(herd_recall(pool.herd), MANY - 1 + 6);
	pool_end(&pool);
}

/*
 * After 32 misses in a row a thread forgets what came first. Of the herds that are made one after the
 * other, every fourth has the same place among those that a thread remembers.
 */
enum { NEARLY = 31, SAME_PLACE = 4 };

/* None that the thread tries is idle, but this one is. */
static void miss(herd_t *herd, bump_t *bump)
{
	put_elsewhere(herd, bump);
	assert_ptr_equal(herd_get(herd), bump);
}

/* Have another thread get many, and this one get six. */
static void start_to_miss(herd_t *herd, struct hand *others, bump_t *m[6])
{
	*others = (struct hand){.herd = herd};
	team_run(1, get_many, others);
	for (size_t i = 0; i < 6; i++)
		m[i] = pool_get(herd);
}

static void a_member_that_came_back_ends_a_row_of_misses(void **state)
{
	(void)state;
	struct pool pool;
	struct hand others;
	bump_t *m[6];

	pool_start(&pool);
	start_to_miss(pool.herd, &others, m);
	for (size_t i = 0; i < NEARLY; i++)
		miss(pool.herd, others.members[i]);
	expect_next(pool.herd, m[0], others.members[NEARLY]);
	miss(pool.herd, others.members[NEARLY + 1]);
	expect_next(pool.herd, m[1], others.members[NEARLY + 2]);
	team_verdict();
	assert_true(herd_recall(pool.herd) > 0);
	pool_end(&pool);
}

static void misses_of_a_herd_do_not_count_for_the_next_in_its_place(void **state)
{
	(void)state;
	for (int destroyed = 0; destroyed < 2; destroyed++) {
		struct pool pools[SAME_PLACE + 1];
		struct hand others;
		bump_t *m[6];
		herd_t *next;

		for (size_t i = 0; i <= SAME_PLACE; i++)
			pool_start(&pools[i]);
		start_to_miss(pools[0].herd, &others, m);
		for (size_t i = 0; i < NEARLY; i++)
			miss(pools[0].herd, others.members[i]);
		assert_int_equal(herd_recall(pools[0].herd), MANY + 6);
		if (destroyed)
			pool_end(&pools[0]);

		next = pools[SAME_PLACE].herd;
		others = (struct hand){.herd = next};
		team_run(1, get_many, &others);
		if (destroyed) {
			miss(next, others.members[0]); /* the first that it gets there */
		} else {
			start_to_miss(next, &others, m);
			miss(next, others.members[0]);
			expect_next(next, m[0], others.members[1]);
		}
		team_verdict();
		assert_true(herd_recall(next) > 0);
		for (size_t i = destroyed ? 1 : 0; i <= SAME_PLACE; i++)
			pool_end(&pools[i]);
	}
}

static void short_life(void *arg, size_t id)
{
	herd_t *const herd = arg;

	for (size_t i = 0; i < 3; i++) {
		bump_t *const bump = herd_get(herd);

		if (TEAM_CHECK(bump != NULL, "thread %zu: %s", id, strerror(errno)))
			TEAM_CHECK(bump_alloc(bump, 10) != NULL, "thread %zu: no memory", id);
		herd_put(herd, bump);
	}
}

static void members_never_exceed_the_threads_alive_at_once(void **state)
{
	(void)state;
	struct pool pool;
	const size_t waves = TEST_SCALE(500);

	pool_start(&pool);
	for (size_t wave = 0; wave < waves; wave++)
		team_run(4, short_life, pool.herd);
	const herd_stats_t stats = pool_stats(pool.herd);
	assert_int_equal(stats.out, 0);
	if (stats.members > 4)
		fail_msg("%zu threads, 4 alive at once, left %zu members", waves * 4,
			 stats.members);
	pool_end(&pool);
}

static void get_and_put(void *arg, size_t id)
{
	(void)id;
	herd_put(arg, herd_get(arg));
}

static void the_idle_member_of_a_dead_thread_is_used_again(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	for (size_t i = 0; i < 20; i++)
		team_run(1, get_and_put, pool.herd);
	bump_t *const bump = herd_try_get(pool.herd);
	assert_non_null(bump);
	assert_int_equal(pool_stats(pool.herd).members, 1);
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_gets_back_the_member_it_used_last),
		cmocka_unit_test(a_thread_gets_back_the_member_it_put_last),
		cmocka_unit_test(a_thread_gets_back_the_members_it_put_last),
		cmocka_unit_test(
			a_thread_gets_back_what_others_put_for_it_in_the_order_of_its_gets),
		cmocka_unit_test(what_others_put_back_is_found_again_and_again),
		cmocka_unit_test(members_that_stay_out_do_not_hide_those_that_come_back),
		cmocka_unit_test(a_member_that_came_back_ends_a_row_of_misses),
		cmocka_unit_test(misses_of_a_herd_do_not_count_for_the_next_in_its_place),
		cmocka_unit_test(members_never_exceed_the_threads_alive_at_once),
		cmocka_unit_test(the_idle_member_of_a_dead_thread_is_used_again),
	};

	return cmocka_run_group_tests_name("hints", tests, NULL, NULL);
}
