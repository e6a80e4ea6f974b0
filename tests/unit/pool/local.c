/* SPDX-License-Identifier: MIT */
/*
 * A thread's own member: the same at every call, and no other thread's; for many threads a herd and
 * many herds a thread. What happens at the end of a thread is in localend.c.
 */

#include "pool.h"

#include <sched.h>

/* A local member of the calling thread; the test fails where there is none. */
static bump_t *local(herd_t *herd)
{
	bump_t *const bump = herd_local(herd);

	if (bump == NULL)
		fail_msg("herd_local: %s", strerror(errno));
	return bump;
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		continue;
}

/* --- in one thread --- */

static void every_call_returns_the_same_member(void **state)
{
	(void)state;
	struct pool pool;
	void *memory[50];

	pool_start(&pool);
	bump_t *const first = local(pool.herd);
	for (size_t i = 0; i < 50; i++) {
		bump_t *const bump = local(pool.herd);

		if (bump != first)
			fail_msg("call %zu: %p where %p was first", i, (void *)bump, (void *)first);
		memory[i] = pool_alloc(bump, 3000, (uint32_t)i); /* chunks come meanwhile */
	}
	assert_int_equal(pool_stats(pool.herd).members, 1);
	assert_int_equal(pool_stats(pool.herd).out, 1);
	herd_local_put(pool.herd);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	for (uint32_t i = 0; i < 50; i++)
		assert_true(test_verify(memory[i], 3000, i));
	pool_end(&pool);
}

static void others_that_the_thread_checks_out_are_other_members(void **state)
{
	(void)state;
	struct pool pool;
	bump_t *members[5];

	pool_start(&pool);
	herd_put(pool.herd,
		 pool_get(pool.herd)); /* which the thread used last, and could have again */
	bump_t *const mine = local(pool.herd);
	for (size_t i = 0; i < 5; i++) {
		members[i] = pool_get(pool.herd);
		assert_ptr_not_equal(members[i], mine);
		assert_ptr_equal(local(pool.herd), mine);
	}
	assert_int_equal(pool_stats(pool.herd).out, 6);
	for (size_t i = 0; i < 5; i++) {
		herd_put(pool.herd, members[i]);
		assert_ptr_equal(local(pool.herd), mine);
	}
	assert_int_equal(pool_stats(pool.herd).out, 1);
	herd_local_put(pool.herd);
	pool_end(&pool);
}

static void local_put_without_a_local_member_does_nothing(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	test_misuse_begin();
	herd_local_put(pool.herd);
	bump_t *const bump = pool_get(pool.herd);
	herd_local_put(pool.herd); /* that one is not local */
	assert_int_equal(pool_stats(pool.herd).out, 1);
	local(pool.herd);
	herd_local_put(pool.herd);
	herd_local_put(pool.herd);
	assert_int_equal(pool_stats(pool.herd).out, 1);
	herd_put(pool.herd, bump);
	assert_int_equal(test_misuse_count(), 0);
	test_misuse_end();
	pool_end(&pool);
}

static void reset_and_destroy_are_EBUSY_while_it_is_out(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	void *const memory = pool_alloc(local(pool.herd), 5000, 1);
	assert_int_equal(herd_reset(pool.herd), EBUSY);
	assert_int_equal(herd_destroy(pool.herd), EBUSY);
	assert_true(test_verify(memory, 5000, 1));
	herd_local_put(pool.herd);
	assert_true(test_verify(memory, 5000, 1));
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(pool_stats(pool.herd).used, 0);
	pool_end(&pool);
}

static void herd_put_of_it_is_local_put(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const first = local(pool.herd);
	void *const memory = pool_alloc(first, 300, 1);
	herd_put(pool.herd, first);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	assert_true(test_verify(memory, 300, 1));
	assert_int_equal(herd_reset(pool.herd), 0);

	bump_t *const taken = pool_get(pool.herd);
	assert_ptr_equal(taken, first);
	bump_t *const second =
		local(pool.herd); /* not the one that is no longer this thread's own */
	assert_ptr_not_equal(second, taken);
	assert_int_equal(pool_stats(pool.herd).out, 2);
	herd_local_put(pool.herd);
	herd_put(pool.herd, taken);
	pool_end(&pool);
}

static void herd_discard_of_it_frees_what_was_allocated_since_its_checkout(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	void *const kept = pool_alloc(local(pool.herd), 700, 1);
	herd_local_put(pool.herd);
	const size_t used = pool_stats(pool.herd).used;
	for (uint32_t i = 0; i < 10; i++) {
		bump_t *const bump = local(pool.herd);

		pool_alloc(bump, 20000, 2 + i);
		herd_discard(pool.herd, bump);
		assert_int_equal(pool_stats(pool.herd).out, 0);
		assert_int_equal(pool_stats(pool.herd).used, used);
	}
	assert_true(test_verify(kept, 700, 1));
	pool_end(&pool);
}

static void putting_it_twice_is_misuse(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = local(pool.herd);
	herd_local_put(pool.herd);
	test_misuse_begin();
	errno = 0;
	herd_put(pool.herd, bump);
	assert_int_equal(errno, EINVAL);
	test_misuse_expect("herd_put");
	assert_null(bump_alloc(bump, 8));
	assert_int_equal(test_misuse_count(), 1);
	test_misuse_end();
	pool_end(&pool);
}

struct oom_log {
	size_t calls;
};

static void count_oom(void *ctx, size_t size)
{
	struct oom_log *const oom = ctx;

	(void)size;
	oom->calls++;
}

static void local_is_ENOMEM_where_the_source_has_nothing(void **state)
{
	(void)state;
	struct pool pool;
	struct oom_log oom = {0};

	pool_init(&pool);
	pool.config.bump.first_chunk = 1000;
	pool.config.bump.on_oom = count_oom;
	pool.config.bump.on_oom_ctx = &oom;
	pool_open(&pool);
	test_source_fail(&pool.source, 1, true);
	for (size_t i = 1; i <= 20; i++) {
		errno = 0;
		assert_null(herd_local(pool.herd));
		assert_int_equal(errno, ENOMEM);
		assert_int_equal(oom.calls, i);
		herd_local_put(pool.herd);
	}
	assert_int_equal(pool_stats(pool.herd).out, 0);
	test_source_fail(&pool.source, 0, false);
	bump_t *const bump = local(pool.herd);
	assert_ptr_equal(local(pool.herd), bump);
	assert_int_equal(pool_stats(pool.herd).out, 1);
	herd_local_put(pool.herd);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	pool_end(&pool);
}

/* --- many threads a herd --- */

struct crowd {
	herd_t *herd;
	pthread_barrier_t all;
	struct seats seats;
	void *memory[TEAM_MAX];
};

static void one_of_a_crowd(void *arg, size_t id)
{
	struct crowd *const crowd = arg;
	bump_t *const mine = herd_local(crowd->herd);

	if (TEAM_CHECK(mine != NULL, "thread %zu: %s", id, strerror(errno)))
		seat_take(&crowd->seats, mine, id);
	pthread_barrier_wait(&crowd->all);
	for (size_t i = 0; mine != NULL && i < 100; i++) {
		bump_t *const again = herd_local(crowd->herd);

		TEAM_CHECK(again == mine, "thread %zu, call %zu", id, i);
	}
	crowd->memory[id] = mine == NULL ? NULL : bump_alloc(mine, 10000);
	if (TEAM_CHECK(crowd->memory[id] != NULL, "thread %zu: %s", id, strerror(errno)))
		test_fill(crowd->memory[id], 10000, (uint32_t)id);
	pthread_barrier_wait(&crowd->all);
	if (mine != NULL)
		seat_leave(&crowd->seats, mine, id);
}

static void each_of_many_threads_has_its_own(void **state)
{
	(void)state;
	static struct crowd crowd;
	struct pool pool;

	pool_start(&pool);
	memset(&crowd, 0, sizeof(crowd));
	crowd.herd = pool.herd;
	pthread_barrier_init(&crowd.all, NULL, TEAM_MAX);
	for (size_t round = 1; round <= 3; round++) {
		team_run(TEAM_MAX, one_of_a_crowd, &crowd);
		assert_int_equal(pool_stats(pool.herd).members, TEAM_MAX);
		assert_int_equal(pool_stats(pool.herd).out, 0);
		for (size_t i = 0; i < TEAM_MAX; i++)
			assert_true(test_verify(crowd.memory[i], 10000, (uint32_t)i));
	}
	assert_int_equal(seats_visits(&crowd.seats), 3 * TEAM_MAX);
	pthread_barrier_destroy(&crowd.all);
	pool_agrees(&pool);
	pool_end(&pool);
}

/* What a thread allocated must be there until it puts it back, whatever others do meanwhile. */
struct race {
	herd_t *herd;
	size_t rounds;
	atomic_size_t running;
};

static void local_racer(void *arg, size_t id)
{
	struct race *const race = arg;

	for (size_t i = 0; i < race->rounds; i++) {
		bump_t *const bump = herd_local(race->herd);
		const size_t size = 1 + (id + i) * 37 % 5000;
		void *const memory = bump == NULL ? NULL : bump_alloc(bump, size);

		if (!TEAM_CHECK(memory != NULL, "turn %zu: %s", i, strerror(errno)))
			break;
		test_fill(memory, size, (uint32_t)i);
		if (i % 8 == 0)
			sched_yield();
		TEAM_CHECK(herd_local(race->herd) == bump, "turn %zu", i);
		TEAM_CHECK(test_verify(memory, size, (uint32_t)i), "thread %zu, turn %zu", id, i);
		if (i % 3 == 0)
			herd_discard(race->herd, bump);
		else
			herd_local_put(race->herd);
	}
	atomic_fetch_sub(&race->running, 1);
}

static void resets_and_statistics_beside_local_members_lose_nothing(void **state)
{
	(void)state;
	struct pool pool;
	struct team team;

	pool_start(&pool);
	struct race race = {.herd = pool.herd, .rounds = TEST_SCALE(20000), .running = 4};
	team_start(&team, 4, local_racer, &race);
	while (atomic_load(&race.running) != 0) {
		const int result = herd_reset(pool.herd);

		if (result != 0 && result != EBUSY)
			fail_msg("herd_reset: %s", strerror(result));
		assert_in_range(pool_stats(pool.herd).out, 0, 4);
		sched_yield();
	}
	team_join(&team);
	team_verdict();
	assert_in_range(pool_stats(pool.herd).members, 1, 4);
	assert_int_equal(herd_reset(pool.herd), 0);
	pool_end(&pool);
}

/* --- another thread's --- */

struct neighbour {
	herd_t *herd;
	bump_t *bump;
	void *memory;
	sem_t has_it, may_end;
};

static void keep_a_local_member(void *arg, size_t id)
{
	struct neighbour *const n = arg;

	(void)id;
	n->bump = herd_local(n->herd);
	n->memory = n->bump == NULL ? NULL : bump_alloc(n->bump, 600);
	if (TEAM_CHECK(n->memory != NULL, "%s", strerror(errno)))
		test_fill(n->memory, 600, 1);
	sem_post(&n->has_it);
	wait_for(&n->may_end);
	TEAM_CHECK(herd_local(n->herd) == n->bump, "it was put by another thread");
	TEAM_CHECK(test_verify(n->memory, 600, 1), "it was freed by another thread");
	TEAM_CHECK(bump_alloc(n->bump, 5000) != NULL, "%s", strerror(errno));
}

static void put_and_discard_by_another_thread_are_misuse_without_effect(void **state)
{
	(void)state;
	struct pool pool;
	struct team team;

	pool_start(&pool);
	struct neighbour n = {.herd = pool.herd};
	sem_init(&n.has_it, 0, 0);
	sem_init(&n.may_end, 0, 0);
	team_start(&team, 1, keep_a_local_member, &n);
	wait_for(&n.has_it);
	test_misuse_begin();
	for (size_t own = 0; own < 2; own++) { /* this thread has no local member, or one */
		errno = 0;
		herd_put(pool.herd, n.bump);
		assert_int_equal(errno, EINVAL);
		test_misuse_expect("herd_put");
		errno = 0;
		herd_discard(pool.herd, n.bump);
		assert_int_equal(errno, EINVAL);
		test_misuse_expect("herd_discard");
		herd_local_put(pool.herd); /* this thread's, if any */
		assert_int_equal(test_misuse_count(), 0);
		assert_int_equal(pool_stats(pool.herd).out, 1);
		assert_ptr_not_equal(local(pool.herd), n.bump);
	}
	test_misuse_end();
	sem_post(&n.may_end);
	team_join(&team);
	team_verdict();
	herd_local_put(pool.herd);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	sem_destroy(&n.has_it);
	sem_destroy(&n.may_end);
	pool_end(&pool);
}

/* --- many herds a thread --- */

enum { MANY = 1000 };

struct legion {
	herd_t *herds[MANY];
	bump_t *locals[4][MANY];
};

static herd_t *small_herd(void)
{
	herd_t *const herd = herd_new(&(herd_config_t){.bump.source = &herd_source_malloc});

	assert_non_null(herd);
	return herd;
}

static void local_of_each(void *arg, size_t id)
{
	struct legion *const legion = arg;

	for (size_t i = 0; i < MANY; i++) {
		bump_t *const bump = herd_local(legion->herds[i]);

		legion->locals[id][i] = bump;
		TEAM_CHECK(bump != NULL && bump_strdup(bump, "here") != NULL, "herd %zu: %s", i,
			   strerror(errno));
	}
	for (size_t i = MANY; i-- > 0;)
		TEAM_CHECK(herd_local(legion->herds[i]) == legion->locals[id][i], "herd %zu", i);
	for (size_t i = 0; i < MANY; i += 3)
		herd_local_put(legion->herds[i]);
	for (size_t i = 0; i < MANY; i++) {
		bump_t *const bump = herd_local(legion->herds[i]);

		TEAM_CHECK(bump != NULL && (i % 3 == 0 || bump == legion->locals[id][i]),
			   "herd %zu", i);
	}
}

static void four_threads_each_have_one_of_each_of_1000_herds(void **state)
{
	(void)state;
	static struct legion legion;

	for (size_t i = 0; i < MANY; i++)
		legion.herds[i] = small_herd();
	team_run(4, local_of_each, &legion);
	for (size_t i = 0; i < MANY; i++) {
		const herd_stats_t stats = pool_stats(legion.herds[i]);

		if (stats.out != 0 || stats.members == 0 || stats.members > 4)
			fail_msg("herd %zu: %zu members, %zu out", i, stats.members, stats.out);
		assert_int_equal(herd_destroy(legion.herds[i]), 0);
	}
}

/* Herds that come and go take no place away from those that stay. */
static void members_stay_the_thread_s_own_while_other_herds_come_and_go(void **state)
{
	(void)state;
	herd_t *lasting[10];
	bump_t *locals[10];

	for (size_t i = 0; i < 10; i++) {
		lasting[i] = small_herd();
		locals[i] = local(lasting[i]);
	}
	for (size_t i = 0; i < TEST_SCALE(10000); i++) {
		herd_t *const brief = small_herd();

		pool_alloc(local(brief), 16, (uint32_t)i);
		if (local(lasting[i % 10]) != locals[i % 10])
			fail_msg("herd %zu after %zu others", i % 10, i);
		herd_local_put(brief);
		assert_int_equal(herd_destroy(brief), 0);
	}
	for (size_t i = 0; i < 10; i++) {
		assert_ptr_equal(local(lasting[i]), locals[i]);
		herd_local_put(lasting[i]);
		assert_int_equal(herd_destroy(lasting[i]), 0);
	}
}

/* A source may itself use herds: so the table may grow while a member is being made. */
static herd_t *of_sources[40];

static void *take_and_note(void *ctx, size_t *size, size_t align)
{
	for (size_t i = 0; i < 40; i++) {
		if (herd_local(of_sources[i]) == NULL)
			return NULL;
	}
	(void)ctx;
	return herd_source_malloc.acquire(herd_source_malloc.ctx, size, align);
}

static void a_source_may_use_members_of_its_own_of_other_herds(void **state)
{
	(void)state;
	const herd_source_t source = {.acquire = take_and_note,
				      .release = herd_source_malloc.release};
	herd_t *const herd =
		herd_new(&(herd_config_t){.bump = {.source = &source, .first_chunk = 100}});

	assert_non_null(herd);
	for (size_t i = 0; i < 40; i++)
		of_sources[i] = small_herd();
	bump_t *const bump = local(herd);
	assert_ptr_equal(local(herd), bump);
	assert_int_equal(pool_stats(herd).out, 1);
	herd_local_put(herd);
	assert_int_equal(herd_destroy(herd), 0);
	for (size_t i = 0; i < 40; i++) {
		herd_local_put(of_sources[i]);
		assert_int_equal(herd_destroy(of_sources[i]), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_returns_the_same_member),
		cmocka_unit_test(others_that_the_thread_checks_out_are_other_members),
		cmocka_unit_test(local_put_without_a_local_member_does_nothing),
		cmocka_unit_test(reset_and_destroy_are_EBUSY_while_it_is_out),
		cmocka_unit_test(herd_put_of_it_is_local_put),
		cmocka_unit_test(herd_discard_of_it_frees_what_was_allocated_since_its_checkout),
		cmocka_unit_test(putting_it_twice_is_misuse),
		cmocka_unit_test(local_is_ENOMEM_where_the_source_has_nothing),
		cmocka_unit_test(each_of_many_threads_has_its_own),
		cmocka_unit_test(resets_and_statistics_beside_local_members_lose_nothing),
		cmocka_unit_test(put_and_discard_by_another_thread_are_misuse_without_effect),
		cmocka_unit_test(four_threads_each_have_one_of_each_of_1000_herds),
		cmocka_unit_test(members_stay_the_thread_s_own_while_other_herds_come_and_go),
		cmocka_unit_test(a_source_may_use_members_of_its_own_of_other_herds),
	};

	return cmocka_run_group_tests_name("local", tests, NULL, NULL);
}
