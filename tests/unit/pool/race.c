/* SPDX-License-Identifier: MIT */
/*
 * A get that meets a reset waits for it, creates nothing, and has a clean member; a try_get never
 * waits.
 */

#include "pool.h"

#include <sched.h>
#include <time.h>

/* --- a reset that is held up in a deferred function --- */

struct hold_up {
	herd_t *herd;
	sem_t begun; /* the deferred function, or the walk, runs */
	sem_t go;    /* it may end */
	sem_t got;   /* herd_get() returned */
	atomic_bool released;
	bump_t *member;
};

static void hold_up_init(struct hold_up *hold_up, herd_t *herd)
{
	memset(hold_up, 0, sizeof(*hold_up));
	hold_up->herd = herd;
	sem_init(&hold_up->begun, 0, 0);
	sem_init(&hold_up->go, 0, 0);
	sem_init(&hold_up->got, 0, 0);
}

static void hold_up_done(struct hold_up *hold_up)
{
	sem_destroy(&hold_up->begun);
	sem_destroy(&hold_up->go);
	sem_destroy(&hold_up->got);
}

static void wait_for_go(void *arg)
{
	struct hold_up *const hold_up = arg;

	sem_post(&hold_up->begun);
	while (sem_wait(&hold_up->go) != 0)
		continue;
}

static int wait_in_walk(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)start, (void)used, (void)capacity;
	wait_for_go(ctx);
	return 7;
}

static void do_reset(void *arg, size_t id)
{
	struct hold_up *const hold_up = arg;
	const int result = herd_reset(hold_up->herd);

	(void)id;
	TEAM_CHECK(result == 0, "%s", strerror(result));
}

static void do_walk(void *arg, size_t id)
{
	struct hold_up *const hold_up = arg;
	const int result = herd_each_chunk(hold_up->herd, wait_in_walk, hold_up);

	(void)id;
	TEAM_CHECK(result == 7, "%d", result);
}

static void do_get(void *arg, size_t id)
{
	struct hold_up *const hold_up = arg;

	(void)id;
	hold_up->member = herd_get(hold_up->herd);
	TEAM_CHECK(atomic_load(&hold_up->released), "%p was had in the midst",
		   (void *)hold_up->member);
	sem_post(&hold_up->got);
}

/*
 * Whether the semaphore comes within 20 ms. It must not: so a slow machine can hide a fault, not
 * invent one.
 */
static bool comes_soon(sem_t *sem)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 20000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	return sem_timedwait(sem, &until) == 0;
}

/*
 * `slow` stops half way in the herd's only member; meanwhile one thread gets, and this one tries
 * to.
 */
static void get_meets(team_fn *slow, bool by_deferred, size_t used_after)
{
	struct pool pool;
	struct hold_up hold_up;
	struct team slow_team;
	struct team get_team;

	pool_start(&pool);
	hold_up_init(&hold_up, pool.herd);
	bump_t *const bump = pool_get(pool.herd);
	pool_alloc(bump, 1000, 1);
	if (by_deferred)
		assert_int_equal(bump_defer(bump, wait_for_go, &hold_up), 0);
	const size_t used = pool_used(bump);
	herd_put(pool.herd, bump);

	team_start(&slow_team, 1, slow, &hold_up);
	while (sem_wait(&hold_up.begun) != 0)
		continue;
	errno = 0;
	bump_t *const tried = herd_try_get(pool.herd);
	const int error = errno;
	team_start(&get_team, 1, do_get, &hold_up);
	const bool soon = comes_soon(&hold_up.got);
	atomic_store(&hold_up.released, true);
	sem_post(&hold_up.go);
	team_join(&slow_team);
	team_join(&get_team);
	team_verdict();

	assert_null(tried);
	assert_int_equal(error, EAGAIN);
	assert_false(soon);
	assert_ptr_equal(hold_up.member, bump);
	assert_int_equal(pool_used(bump), used_after == SIZE_MAX ? used : used_after);
	assert_int_equal(pool_stats(pool.herd).members, 1);
	herd_put(pool.herd, bump);
	hold_up_done(&hold_up);
	pool_end(&pool);
}

static void a_get_that_meets_a_reset_waits_for_it(void **state)
{
	(void)state;
	get_meets(do_reset, true, 0);
}

static void a_get_that_meets_a_walk_waits_for_it(void **state)
{
	(void)state;
	get_meets(do_walk, false, SIZE_MAX);
}

/* --- a reset against many gets --- */

enum { RACERS = 3 };

struct race {
	struct pool pool;
	size_t rounds;
	pthread_barrier_t barrier;
	int result; /* of this round's reset; written between barriers */
	size_t resets;
	size_t refusals;
};

/* Wait a little, another time in each round, so that it comes before, amid and after the others. */
static void dawdle(uint64_t *random)
{
	for (volatile size_t n = test_below(random, 400); n != 0; n--)
		continue;
	if (test_below(random, 4) == 0)
		sched_yield();
}

static bump_t *racer_get(herd_t *herd, uint64_t *random)
{
	bump_t *member = NULL;

	if (test_below(random, 2) == 0)
		return herd_get(herd);
	while ((member = herd_try_get(herd)) ==
	       NULL) /* all are idle, but for the time of a reset */
		sched_yield();
	return member;
}

/*
 * Each round: all members are in and hold something. The reset and the gets begin at once; the
 * members stay out until the reset has returned. If it came first, all are empty; else it did
 * nothing, and none is.
 */
static void racer(void *arg, size_t id)
{
	struct race *const race = arg;
	uint64_t random = id + 1;

	for (size_t round = 0; round < race->rounds; round++) {
		pthread_barrier_wait(&race->barrier);
		dawdle(&random);
		bump_t *const member = racer_get(race->pool.herd, &random);
		const bool had =
			TEAM_CHECK(member != NULL, "round %zu: %s", round, strerror(errno));
		const size_t used = had ? pool_used(member) : 0;
		pthread_barrier_wait(&race->barrier);

		if (race->result == 0)
			TEAM_CHECK(used == 0, "round %zu: reset, but %zu bytes used", round, used);
		else
			TEAM_CHECK(used >= 100, "round %zu: not reset, but %zu bytes used", round,
				   used);
		TEAM_CHECK(!had || pool_spend(member, 300, 100), "round %zu", round);
		herd_put(race->pool.herd, member);
		pthread_barrier_wait(&race->barrier);
	}
}

/* As many members as racers, with something in each. */
static void race_begin(struct race *race)
{
	bump_t *members[RACERS];

	for (size_t i = 0; i < RACERS; i++)
		members[i] = pool_get(race->pool.herd);
	for (size_t i = 0; i < RACERS; i++) {
		pool_alloc(members[i], 100, 1);
		herd_put(race->pool.herd, members[i]);
	}
}

static void race_resets(struct race *race)
{
	uint64_t random = 99;

	for (size_t round = 0; round < race->rounds; round++) {
		pthread_barrier_wait(&race->barrier);
		dawdle(&random);
		race->result = herd_reset(race->pool.herd);
		TEAM_CHECK(race->result == 0 || race->result == EBUSY, "%d", race->result);
		race->resets += race->result == 0;
		race->refusals += race->result != 0;
		pthread_barrier_wait(&race->barrier);
		pthread_barrier_wait(&race->barrier);
	}
}

static void a_get_comes_before_a_reset_that_is_refused_or_has_a_clean_member(void **state)
{
	(void)state;
	struct race race = {.rounds = TEST_SCALE(3000)};
	struct team racers;

	pool_start(&race.pool);
	race_begin(&race);
	pthread_barrier_init(&race.barrier, NULL, RACERS + 1);
	team_start(&racers, RACERS, racer, &race);
	race_resets(&race);
	team_join(&racers);
	pthread_barrier_destroy(&race.barrier);
	team_verdict();
	print_message("# %zu resets, %zu refused\n", race.resets, race.refusals);
	assert_int_equal(pool_stats(race.pool.herd).members, RACERS);
	pool_agrees(&race.pool);
	pool_end(&race.pool);
}

/* --- a reset in a loop against gets in a loop --- */

struct storm {
	struct pool pool;
	size_t turns;
	struct seats seats;
	atomic_size_t alive;
};

static void storm_getter(void *arg, size_t id)
{
	struct storm *const storm = arg;

	for (size_t turn = 0; turn < storm->turns; turn++) {
		bump_t *const member = herd_get(storm->pool.herd);
		if (!TEAM_CHECK(member != NULL, "turn %zu: %s", turn, strerror(errno)))
			break;
		seat_take(&storm->seats, member, id);
		const uint32_t seed = (uint32_t)(turn * 8 + id);
		void *const memory = bump_alloc(member, 64);

		if (TEAM_CHECK(memory != NULL, "turn %zu", turn))
			test_fill(memory, 64, seed);
		if (turn % 5 == 0)
			sched_yield();
		TEAM_CHECK(memory == NULL || test_verify(memory, 64, seed), "turn %zu", turn);
		seat_leave(&storm->seats, member, id);
		herd_put(storm->pool.herd, member);
		if (turn % 7 == 0)
			sched_yield();
	}
	atomic_fetch_sub(&storm->alive, 1);
}

static void a_storm_of_resets_makes_no_member_and_harms_none(void **state)
{
	(void)state;
	enum { GETTERS = 4 };
	struct storm *const storm = calloc(1, sizeof(*storm));
	struct team getters;
	size_t resets = 0;

	assert_non_null(storm);
	storm->turns = TEST_SCALE(20000);
	atomic_init(&storm->alive, GETTERS);
	pool_start(&storm->pool);
	team_start(&getters, GETTERS, storm_getter, storm);
	while (atomic_load(&storm->alive) != 0) {
		resets += herd_reset(storm->pool.herd) == 0;
		sched_yield();
	}
	team_join(&getters);
	team_verdict();
	print_message("# %zu resets among %zu checkouts\n", resets, storm->turns * GETTERS);
	assert_int_equal(seats_visits(&storm->seats), storm->turns * GETTERS);
	assert_in_range(pool_stats(storm->pool.herd).members, 1, GETTERS);
	assert_int_equal(pool_stats(storm->pool.herd).out, 0);
	assert_int_equal(herd_reset(storm->pool.herd), 0);
	pool_agrees(&storm->pool);
	pool_end(&storm->pool);
	free(storm);
}

/* --- the cold operations exclude each other --- */

static void tend_it(void *arg, size_t id)
{
	struct pool *const pool = arg;

	for (size_t i = 0; i < 300; i++) {
		const int result = (i + id) % 3 == 0   ? herd_reset(pool->herd)
				   : (i + id) % 3 == 1 ? herd_warm(pool->herd, 1 + i % 5, 5000)
						       : (herd_trim(pool->herd, 8192), 0);

		TEAM_CHECK(result == 0, "thread %zu, turn %zu: %s", id, i, strerror(result));
	}
}

static void reset_trim_and_warm_exclude_each_other(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	team_run(4, tend_it, &pool);
	assert_int_equal(pool_stats(pool.herd).members, 5);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	pool_agrees(&pool);
	pool_end(&pool);
}

/* --- a destroy that is refused --- */

enum { OUT_MOST = 64, TRIES = 200 };

struct refusal {
	_Atomic(herd_t *) herd; /* a member of it is out while this is not NULL */
	atomic_bool done;
};

static void try_to_destroy(void *arg, size_t id)
{
	struct refusal *const refusal = arg;

	(void)id;
	while (!atomic_load(&refusal->done)) {
		herd_t *const herd = atomic_load(&refusal->herd);

		for (size_t i = 0; herd != NULL && i < TRIES; i++) {
			const int result = herd_destroy(herd);

			if (!TEAM_CHECK(result == EBUSY, "try %zu: %d", i, result))
				break;
		}
		atomic_store(&refusal->herd, NULL);
		sched_yield();
	}
}

/* Get as long as the herd is to be destroyed: what is got is nobody else's. */
static void get_meanwhile(struct refusal *refusal, herd_t *herd)
{
	bump_t *out[OUT_MOST];
	size_t n = 0;

	out[n++] = pool_get(herd);
	out[n++] = pool_get(herd);
	out[n++] = pool_get(herd);
	herd_put(herd, out[--n]);
	herd_put(herd, out[--n]);
	atomic_store(&refusal->herd, herd);
	while (atomic_load(&refusal->herd) != NULL) {
		if (n == OUT_MOST) {
			herd_put(herd, out[--n]);
			continue;
		}
		bump_t *const bump = pool_get(herd);

		for (size_t i = 0; i < n; i++)
			assert_ptr_not_equal(bump, out[i]);
		out[n++] = bump;
	}
	while (n > 0)
		herd_put(herd, out[--n]);
}

static void a_destroy_that_is_refused_does_nothing(void **state)
{
	(void)state;
	struct refusal refusal = {.herd = NULL};
	struct team team;

	team_start(&team, 1, try_to_destroy, &refusal);
	for (size_t round = 0; round < TEST_SCALE(500); round++) {
		herd_t *const herd = herd_new(NULL);

		get_meanwhile(&refusal, herd);
		assert_int_equal(herd_destroy(herd), 0);
	}
	atomic_store(&refusal.done, true);
	team_join(&team);
	team_verdict();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_get_that_meets_a_reset_waits_for_it),
		cmocka_unit_test(a_get_that_meets_a_walk_waits_for_it),
		cmocka_unit_test(a_get_comes_before_a_reset_that_is_refused_or_has_a_clean_member),
		cmocka_unit_test(a_storm_of_resets_makes_no_member_and_harms_none),
		cmocka_unit_test(reset_trim_and_warm_exclude_each_other),
		cmocka_unit_test(a_destroy_that_is_refused_does_nothing),
	};

	return cmocka_run_group_tests_name("race", tests, NULL, NULL);
}
