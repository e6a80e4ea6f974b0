/* SPDX-License-Identifier: MIT */
/*
 * herd_absorb() beside other threads: two that join the same herds crosswise do not wait for each
 * other, and whatever was allocated and deferred meanwhile is there once, in one herd or the other.
 */

#include "pool.h"

#include <inttypes.h>
#include <sched.h>

enum { WORKERS = 4 };

struct joins {
	struct test_source source;
	herd_t *herds[3];
	size_t rounds;
	atomic_size_t running; /* workers */
	atomic_size_t deferred, ran;
	atomic_size_t absorbed; /* calls that returned 0 */
	struct block *blocks[WORKERS];
};

/* What a worker allocated, in a list that only it uses until all have ended. */
struct block {
	struct block *next;
	size_t size;
	uint32_t seed;
	unsigned char bytes[];
};

static void joins_open(struct joins *joins, size_t rounds)
{
	const herd_config_t config = {
		.bump = {.source = &joins->source.source, .max_chunk = 16 * KIB}};

	memset(joins, 0, sizeof(*joins));
	test_source_init(&joins->source);
	joins->rounds = rounds;
	joins->running = WORKERS;
	for (size_t i = 0; i < 3; i++) {
		joins->herds[i] = herd_new(&config);
		assert_non_null(joins->herds[i]);
	}
}

static void count_run(void *arg)
{
	atomic_fetch_add((atomic_size_t *)arg, 1);
}

/* Allocate, defer and put, in one herd after the other. */
static void join_worker(void *arg, size_t id)
{
	struct joins *const joins = arg;
	uint64_t random = id + 11;

	for (size_t i = 0; i < joins->rounds; i++) {
		herd_t *const herd = joins->herds[i % 2];
		bump_t *const bump = i % 8 < 2 ? herd_local(herd) : herd_get(herd);
		const size_t size = 1 + test_below(&random, i % 64 == 0 ? 40000 : 300);
		struct block *const block =
			bump == NULL ? NULL : BUMP_NEW_FLEX(bump, struct block, bytes, size);

		if (!TEAM_CHECK(block != NULL, "turn %zu: %s", i, strerror(errno)))
			break;
		*block = (struct block){
			.next = joins->blocks[id], .size = size, .seed = (uint32_t)i};
		test_fill(block->bytes, size, (uint32_t)i);
		joins->blocks[id] = block;
		if (TEAM_CHECK(bump_defer(bump, count_run, &joins->ran) == 0, "turn %zu", i))
			atomic_fetch_add(&joins->deferred, 1);
		if (i % 4 == 0)
			sched_yield();
		herd_put(herd, bump);
	}
	atomic_fetch_sub(&joins->running, 1);
}

static void join_herds(struct joins *joins, size_t into, size_t from)
{
	const int result = herd_absorb(joins->herds[into], joins->herds[from]);

	TEAM_CHECK(result == 0 || result == EBUSY, "%zu into %zu: %s", from, into,
		   strerror(result));
	atomic_fetch_add(&joins->absorbed, result == 0);
}

/* All blocks are as they were written, and each is in exactly one herd. */
static void blocks_are_there(const struct joins *joins, size_t look_up_every)
{
	size_t n = 0;

	for (size_t id = 0; id < WORKERS; id++) {
		for (const struct block *b = joins->blocks[id]; b != NULL; b = b->next, n++) {
			size_t owners = 0;

			if (!test_verify(b->bytes, b->size, b->seed))
				fail_msg("worker %zu, turn %" PRIu32 " was lost", id, b->seed);
			if (b->seed % look_up_every != 0)
				continue;
			for (size_t i = 0; i < 3; i++)
				owners += herd_owns(joins->herds[i], b);
			if (owners != 1)
				fail_msg("worker %zu, turn %" PRIu32 ": in %zu herds", id, b->seed,
					 owners);
		}
	}
	assert_int_equal(n, WORKERS * joins->rounds);
}

static void joins_close(struct joins *joins)
{
	size_t reserved = 0;

	blocks_are_there(joins, 50);
	assert_int_equal(atomic_load(&joins->ran), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(pool_stats(joins->herds[i]).out, 0);
		reserved += pool_stats(joins->herds[i]).reserved;
	}
	assert_int_equal(reserved, joins->source.held);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(herd_reset(joins->herds[i]), 0);
	assert_int_equal(atomic_load(&joins->ran), atomic_load(&joins->deferred));
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(herd_destroy(joins->herds[i]), 0);
	assert_int_equal(atomic_load(&joins->ran), atomic_load(&joins->deferred));
	test_source_done(&joins->source);
}

static void an_absorb_beside_checkouts_of_both_herds_loses_nothing(void **state)
{
	(void)state;
	static struct joins joins;
	struct team team;

	joins_open(&joins, TEST_SCALE(10000));
	team_start(&team, WORKERS, join_worker, &joins);
	while (atomic_load(&joins.running) != 0) {
		join_herds(&joins, 2, 0);
		join_herds(&joins, 2, 1);
		sched_yield();
	}
	team_join(&team);
	join_herds(&joins, 2, 0);
	join_herds(&joins, 2, 1);
	team_verdict();
	assert_in_range(atomic_load(&joins.absorbed), 2, SIZE_MAX);
	assert_int_equal(pool_stats(joins.herds[0]).used + pool_stats(joins.herds[1]).used, 0);
	joins_close(&joins);
}

/* Threads join the same herds in either direction, and in a circle, at the same time. */
static void join_crosswise(void *arg, size_t id)
{
	struct joins *const joins = arg;

	/* Each makes members: a bound keeps the time down where the workers are slow. */
	for (size_t i = 0; i < joins->rounds / 8 && atomic_load(&joins->running) != 0; i++) {
		join_herds(joins, id % 3, (id + 1 + id / 3) % 3);
		TEAM_CHECK(pool_stats(joins->herds[id % 3]).members < SIZE_MAX / 2, "thread %zu",
			   id);
		sched_yield();
	}
}

static void herds_that_are_joined_crosswise_do_not_wait_for_each_other(void **state)
{
	(void)state;
	static struct joins joins;
	struct team workers;
	struct team joiners;

	joins_open(&joins, TEST_SCALE(4000));
	team_start(&workers, WORKERS, join_worker, &joins);
	team_start(&joiners, 6, join_crosswise, &joins);
	team_join(&workers);
	team_join(&joiners);
	team_verdict();
	joins_close(&joins);
}

/* Two threads and nothing else, so that both are inside most of the time. */
struct crossing {
	herd_t *herds[2];
	size_t rounds;
	pthread_barrier_t start;
};

static void cross(void *arg, size_t id)
{
	struct crossing *const crossing = arg;
	herd_t *const mine = crossing->herds[id];
	herd_t *const other = crossing->herds[1 - id];

	pthread_barrier_wait(&crossing->start);
	for (size_t i = 0; i < crossing->rounds; i++) {
		const int result = herd_absorb(mine, other);

		TEAM_CHECK(result == 0, "turn %zu: %s", i, strerror(result));
	}
}

static void two_threads_that_absorb_each_other_s_herd_never_deadlock(void **state)
{
	(void)state;
	struct crossing crossing = {.rounds = TEST_SCALE(200000)};
	void *memory[2];

	pthread_barrier_init(&crossing.start, NULL, 2);
	for (size_t i = 0; i < 2; i++) {
		crossing.herds[i] = herd_new(NULL);
		assert_non_null(crossing.herds[i]);
		for (size_t j = 0; j < 4; j++)
			herd_put(crossing.herds[i], pool_get(crossing.herds[i]));
	}
	team_run(2, cross, &crossing);
	for (size_t i = 0; i < 2; i++) { /* once more, with something to move */
		bump_t *const bump = pool_get(crossing.herds[i]);

		memory[i] = pool_alloc(bump, 5000, (uint32_t)i);
		herd_put(crossing.herds[i], bump);
	}
	crossing.rounds = TEST_SCALE(1000);
	team_run(2, cross, &crossing);
	for (size_t i = 0; i < 2; i++)
		assert_true(test_verify(memory[i], 5000, (uint32_t)i));
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(herd_destroy(crossing.herds[i]), 0);
	pthread_barrier_destroy(&crossing.start);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_absorb_beside_checkouts_of_both_herds_loses_nothing),
		cmocka_unit_test(herds_that_are_joined_crosswise_do_not_wait_for_each_other),
		cmocka_unit_test(two_threads_that_absorb_each_other_s_herd_never_deadlock),
	};

	return cmocka_run_group_tests_name("joinrace", tests, NULL, NULL);
}
