/* SPDX-License-Identifier: MIT */
/*
 * Whatever way a thread ends, its own members go back: before and after the herd ends, beside
 * destructors of the program's own, and thread after thread without end.
 */

#include "pool.h"

#include <sched.h>

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		continue;
}

static herd_t *small_herd(void)
{
	herd_t *const herd = herd_new(&(herd_config_t){.bump.source = &herd_source_malloc});

	assert_non_null(herd);
	return herd;
}

/* --- ways in which a thread ends --- */

enum ending { BY_RETURN, BY_EXIT, BY_CANCELLATION, ENDINGS };
static const char *const ending_names[] = {"return", "pthread_exit", "cancellation"};

enum { ENDING_HERDS = 3 };

struct life {
	herd_t *herds[ENDING_HERDS];
	void *memory[ENDING_HERDS];
	enum ending ending;
	sem_t lives;
};

static void *live(void *arg)
{
	struct life *const life = arg;

	for (size_t i = 0; i < ENDING_HERDS; i++) {
		bump_t *const bump = herd_local(life->herds[i]);

		life->memory[i] = bump == NULL ? NULL : bump_alloc(bump, 900);
		if (TEAM_CHECK(life->memory[i] != NULL, "herd %zu: %s", i, strerror(errno)))
			test_fill(life->memory[i], 900, (uint32_t)i);
	}
	sem_post(&life->lives);
	if (life->ending == BY_EXIT)
		pthread_exit(NULL);
	while (life->ending == BY_CANCELLATION) {
		pthread_testcancel();
		sched_yield();
	}
	return NULL;
}

static void life_runs(struct life *life)
{
	pthread_t thread;

	sem_init(&life->lives, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, live, life), 0);
	wait_for(&life->lives);
	if (life->ending == BY_CANCELLATION)
		assert_int_equal(pthread_cancel(thread), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	sem_destroy(&life->lives);
	team_verdict();
}

static void it_goes_back_when_the_thread_ends(void **state)
{
	(void)state;
	struct pool pools[ENDING_HERDS];
	struct life life;

	for (size_t i = 0; i < ENDING_HERDS; i++) {
		pool_start(&pools[i]);
		life.herds[i] = pools[i].herd;
	}
	for (life.ending = 0; life.ending < ENDINGS; life.ending++) {
		life_runs(&life);
		for (size_t i = 0; i < ENDING_HERDS; i++) {
			const herd_stats_t stats = pool_stats(life.herds[i]);

			if (stats.out != 0 || stats.members != 1)
				fail_msg("by %s: %zu of %zu members out", ending_names[life.ending],
					 stats.out, stats.members);
			assert_true(test_verify(life.memory[i], 900, (uint32_t)i));
			assert_true(herd_owns(life.herds[i], life.memory[i]));
		}
	}
	for (size_t i = 0; i < ENDING_HERDS; i++) {
		assert_int_equal(herd_reset(life.herds[i]), 0);
		pool_end(&pools[i]);
	}
}

/* --- many herds --- */

enum { MANY_HERDS = 300 };

static void have_all_as_its_own(void *arg, size_t id)
{
	herd_t **const herds = arg;

	(void)id;
	for (size_t i = 0; i < MANY_HERDS; i++)
		TEAM_CHECK(herds[i] == NULL || herd_local(herds[i]) != NULL, "herd %zu: %s", i,
			   strerror(errno));
}

/* Also of those that were found through one that is gone. */
static void it_goes_back_to_each_of_many_herds(void **state)
{
	(void)state;
	static herd_t *herds[MANY_HERDS];

	for (size_t i = 0; i < MANY_HERDS; i++)
		herds[i] = small_herd();
	for (size_t gone = 0; gone < MANY_HERDS; gone = gone * 5 / 4 + 1) {
		assert_int_equal(herd_destroy(herds[gone]), 0);
		herds[gone] = NULL;
	}
	team_run(1, have_all_as_its_own, herds);
	team_verdict();
	for (size_t i = 0; i < MANY_HERDS; i++) {
		if (herds[i] == NULL)
			continue;
		assert_int_equal(pool_stats(herds[i]).out, 0);
		bump_t *const bump = herd_try_get(herds[i]);
		if (bump == NULL)
			fail_msg("herd %zu: the member is not found", i);
		herd_put(herds[i], bump);
		assert_int_equal(herd_destroy(herds[i]), 0);
	}
}

/* --- herds that end before the thread does --- */

struct outlived {
	herd_t *gone, *there;
	sem_t has_them, may_go_on;
};

static void outlive_a_herd(void *arg, size_t id)
{
	struct outlived *const o = arg;
	bump_t *const kept = herd_local(o->there);

	(void)id;
	TEAM_CHECK(kept != NULL && herd_local(o->gone) != NULL, "%s", strerror(errno));
	sem_post(&o->has_them);
	wait_for(&o->may_go_on); /* meanwhile it is recalled and destroyed */
	TEAM_CHECK(herd_local(o->there) == kept, "the herd that is left");
	for (size_t i = 0; i < 20; i++) { /* herds that may lie where that one was */
		herd_t *const next = herd_new(NULL);
		bump_t *const bump = next == NULL ? NULL : herd_local(next);

		TEAM_CHECK(bump != NULL && bump_strdup(bump, "new") != NULL, "turn %zu", i);
		herd_local_put(next);
		TEAM_CHECK(herd_destroy(next) == 0, "turn %zu", i);
	}
}

static void a_thread_may_live_on_and_end_after_its_herd_is_gone(void **state)
{
	(void)state;
	struct outlived o;
	struct team team;

	sem_init(&o.has_them, 0, 0);
	sem_init(&o.may_go_on, 0, 0);
	for (size_t round = 0; round < 20; round++) {
		o.gone = small_herd();
		o.there = small_herd();
		team_start(&team, 4, outlive_a_herd, &o);
		for (size_t i = 0; i < 4; i++)
			wait_for(&o.has_them);
		assert_int_equal(herd_recall(o.gone), 4);
		assert_int_equal(herd_destroy(o.gone), 0);
		for (size_t i = 0; i < 4; i++)
			sem_post(&o.may_go_on);
		team_join(&team);
		team_verdict();
		assert_int_equal(pool_stats(o.there).out, 0);
		assert_int_equal(herd_destroy(o.there), 0);
	}
	sem_destroy(&o.has_them);
	sem_destroy(&o.may_go_on);
}

/* Threads that end meet herds that others destroy at the same time. */
struct parting {
	_Atomic(herd_t *) herd;
	pthread_barrier_t barrier;
};

static void end_beside_a_destroy(void *arg, size_t id)
{
	struct parting *const parting = arg;

	(void)id;
	TEAM_CHECK(herd_local(atomic_load(&parting->herd)) != NULL, "%s", strerror(errno));
	pthread_barrier_wait(&parting->barrier); /* now it may be recalled */
}

static void threads_may_end_while_their_herd_is_recalled_and_destroyed(void **state)
{
	(void)state;
	struct parting parting;
	struct team team;

	pthread_barrier_init(&parting.barrier, NULL, 5);
	for (size_t round = 0; round < TEST_SCALE(1000); round++) {
		herd_t *const herd = small_herd();

		atomic_store(&parting.herd, herd);
		team_start(&team, 4, end_beside_a_destroy, &parting);
		pthread_barrier_wait(&parting.barrier);
		assert_in_range(herd_recall(herd), 0, 4);
		assert_int_equal(herd_destroy(herd), 0);
		team_join(&team);
		team_verdict();
	}
	pthread_barrier_destroy(&parting.barrier);
}

/* --- destructors of the program's own --- */

static pthread_key_t early_key; /* made before herd makes its own, so that it is called before */
static pthread_key_t late_key;

struct last_will {
	herd_t *herd, *other;
	atomic_size_t runs;
};

static void use_herds_at_the_end(void *arg)
{
	struct last_will *const will = arg;
	bump_t *const bump = herd_local(will->herd);

	TEAM_CHECK(bump != NULL && bump_alloc(bump, 100) != NULL, "%s", strerror(errno));
	TEAM_CHECK(herd_local(will->herd) == bump, "another one at the second call");
	TEAM_CHECK(herd_local(will->other) != NULL, "%s", strerror(errno));
	atomic_fetch_add(&will->runs, 1);
}

static void live_with_a_will(void *arg, size_t id)
{
	struct last_will *const will = arg;

	if (id % 2 == 0)
		TEAM_CHECK(herd_local(will->herd) != NULL, "%s", strerror(errno));
	if (id % 4 < 2)
		pthread_setspecific(early_key, will);
	pthread_setspecific(late_key, will);
}

static void other_destructors_of_the_thread_may_use_it_before_and_after(void **state)
{
	(void)state;
	struct pool pool;
	struct pool other;

	pool_start(&pool);
	pool_start(&other);
	assert_non_null(herd_local(pool.herd)); /* so that herd's own key is there */
	herd_local_put(pool.herd);
	assert_int_equal(pthread_key_create(&late_key, use_herds_at_the_end), 0);
	struct last_will will = {.herd = pool.herd, .other = other.herd};
	for (size_t round = 1; round <= 20; round++) {
		team_run(8, live_with_a_will, &will);
		assert_int_equal(atomic_load(&will.runs), round * 12);
		assert_int_equal(pool_stats(pool.herd).out, 0);
		assert_int_equal(pool_stats(other.herd).out, 0);
	}
	assert_int_equal(pthread_key_delete(late_key), 0);
	assert_in_range(pool_stats(pool.herd).members, 1, 8);
	pool_end(&pool);
	pool_end(&other);
}

/* --- threads without end --- */

enum { ALIVE = 4, THREADS = 100000, EMULATED_THREADS = 1000 };

struct churn {
	herd_t *herd;
	size_t rounds;
	bool local;
};

static void use_briefly(bump_t *bump)
{
	if (!TEAM_CHECK(bump != NULL, "%s", strerror(errno)))
		return;
	BUMP_SCOPE(bump);
	const char *const text = bump_strdup(bump, "a short life");
	TEAM_CHECK(text != NULL && strcmp(text, "a short life") == 0, "%s", strerror(errno));
}

static void *brief_life(void *arg)
{
	const struct churn *const churn = arg;

	if (churn->local) {
		use_briefly(herd_local(churn->herd));
	} else {
		HERD_SCOPE(churn->herd, bump);
		use_briefly(bump);
	}
	return NULL;
}

/* One thread after the other, with a local member and with one that it puts back, in turn. */
static void start_lives(void *arg, size_t id)
{
	struct churn churn = *(const struct churn *)arg;
	pthread_t thread;

	for (size_t i = 0; i < churn.rounds; i++) {
		churn.local = (i + id) % 2 == 0;
		if (!TEAM_CHECK(pthread_create(&thread, NULL, brief_life, &churn) == 0,
				"thread %zu", i))
			break;
		pthread_join(thread, NULL);
	}
}

static void churn_keeps_members_at_the_threads_alive_and_memory_flat(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	/*
	 * qemu keeps 300 KiB of each thread that ended, and searches all of that for each new
	 * one.
	 */
	const size_t threads = test_is_emulated() ? EMULATED_THREADS : TEST_SCALE(THREADS);
	struct churn churn = {.herd = pool.herd, .rounds = threads / ALIVE};
	team_run(ALIVE, start_lives, &churn);
	const herd_stats_t stats = pool_stats(pool.herd);
	assert_in_range(stats.members, 1, ALIVE);
	assert_int_equal(stats.out, 0);
	assert_int_equal(stats.used, 0);
	/* A chunk for each thread alive; the next that a member gets is twice as large. */
	assert_in_range(pool.source.acquires, 1, ALIVE);
	assert_in_range(stats.peak, 1, ((1 << ALIVE) - 1) * 4096);
	pool_agrees(&pool);
	pool_end(&pool);
}

/* --- thread-specific destructors of the program --- */

static herd_t *late_herd;
static pthread_key_t late_key;

static void use_another_herd(void *herd)
{
	if (herd_local(late_herd) == NULL || herd_local(herd) == NULL)
		abort();
}

static void *use_and_leave_a_destructor(void *herd)
{
	if (herd_local(herd) == NULL || pthread_setspecific(late_key, herd) != 0)
		abort();
	return NULL;
}

/*
 * Where thread-local variables are emulated (a variant of these tests), the destructor may find them
 * zero, and the thread's table is not theirs to forget.
 */
static void a_late_destructor_loses_no_member(void **state)
{
	(void)state;
	struct pool pool;
	pthread_t thread;

	pool_start(&pool);
	late_herd = herd_new(NULL);
	assert_int_equal(pthread_key_create(&late_key, use_another_herd), 0);
	assert_int_equal(pthread_create(&thread, NULL, use_and_leave_a_destructor, pool.herd), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(pthread_key_delete(late_key), 0);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(pool_stats(pool.herd).members, 1);
	assert_int_equal(herd_reset(late_herd), 0);
	assert_int_equal(herd_destroy(late_herd), 0);
	pool_end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_goes_back_when_the_thread_ends),
		cmocka_unit_test(it_goes_back_to_each_of_many_herds),
		cmocka_unit_test(a_thread_may_live_on_and_end_after_its_herd_is_gone),
		cmocka_unit_test(threads_may_end_while_their_herd_is_recalled_and_destroyed),
		cmocka_unit_test(other_destructors_of_the_thread_may_use_it_before_and_after),
		cmocka_unit_test(churn_keeps_members_at_the_threads_alive_and_memory_flat),
		cmocka_unit_test(a_late_destructor_loses_no_member),
	};

	if (pthread_key_create(&early_key, use_herds_at_the_end) != 0)
		return 1;
	return cmocka_run_group_tests_name("localend", tests, NULL, NULL);
}
