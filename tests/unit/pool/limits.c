/* SPDX-License-Identifier: MIT */
/*
 * Limits: of the whole herd and of its members. They hold exactly, and all that is below them can
 * be had.
 */

#include "pool.h"

#include <sched.h>

/* --- 8 threads against one limit --- */

enum { PRESSERS = 8, RECORDS = 4000 };

struct record {
	void *memory;
	uint32_t size;
	uint32_t seed;
};

struct press {
	struct pool pool;
	size_t turns;
	size_t largest;	     /* sizes are from 1 to this */
	atomic_size_t limit; /* no more than this, whatever the limit in force is */
	atomic_bool done;
	pthread_barrier_t barrier;
	uint64_t seeds[PRESSERS];
	atomic_size_t refusals;
	atomic_size_t samples;
	struct record records[PRESSERS][RECORDS];
	size_t recorded[PRESSERS];
};

static void press_verify(struct press *press, size_t id, size_t from)
{
	for (size_t i = from; i < press->recorded[id]; i++) {
		const struct record *const record = &press->records[id][i];

		TEAM_CHECK(test_verify(record->memory, record->size, record->seed),
			   "thread %zu, record %zu: %u bytes", id, i, record->size);
	}
}

/*
 * One checkout: allocate up to 40 times, or until memory is refused 4 times; one in four is
 * discarded.
 */
static void press_checkout(struct press *press, size_t id, uint64_t *random)
{
	bump_t *const bump = herd_get(press->pool.herd);
	const size_t from = press->recorded[id];
	size_t refused = 0;

	if (!TEAM_CHECK(bump != NULL, "thread %zu: %s", id, strerror(errno)))
		return;
	for (size_t i = 0; i < 40 && refused < 4 && press->recorded[id] < RECORDS; i++) {
		const size_t size = 1 + test_below(random, press->largest);
		struct record *const record = &press->records[id][press->recorded[id]];

		*record =
			(struct record){bump_alloc(bump, size), (uint32_t)size, (uint32_t)*random};
		if (record->memory == NULL) {
			TEAM_CHECK(errno == ENOMEM, "%zu bytes: errno %d", size, errno);
			refused++;
			continue;
		}
		test_fill(record->memory, size, record->seed);
		press->recorded[id]++;
	}
	atomic_fetch_add(&press->refusals, refused);
	press_verify(press, id, from);
	if (test_below(random, 4) != 0) {
		herd_put(press->pool.herd, bump);
		return;
	}
	press->recorded[id] = from;
	herd_discard(press->pool.herd, bump);
}

static void presser(void *arg, size_t id)
{
	struct press *const press = arg;
	uint64_t random = press->seeds[id];

	press->recorded[id] = 0;
	pthread_barrier_wait(&press->barrier);
	for (size_t turn = 0; turn < press->turns; turn++) {
		press_checkout(press, id, &random);
		if (test_below(&random, 3) == 0)
			sched_yield();
	}
	press_verify(press, id, 0);
}

static void press_sample(struct press *press)
{
	herd_stats_t stats;

	herd_stats(press->pool.herd, &stats);
	const size_t limit = atomic_load(&press->limit);
	TEAM_CHECK(stats.reserved <= limit, "reserved %zu, limit %zu", stats.reserved, limit);
	TEAM_CHECK(stats.peak <= limit, "peak %zu, limit %zu", stats.peak, limit);
	TEAM_CHECK(stats.out <= stats.members, "%zu of %zu out", stats.out, stats.members);
	atomic_fetch_add(&press->samples, 1);
}

static void sampler(void *arg, size_t id)
{
	struct press *const press = arg;

	(void)id;
	pthread_barrier_wait(&press->barrier);
	do
		press_sample(press);
	while (!atomic_load(&press->done));
}

/* Beside the threads that press: nothing, or a limit that goes up and down. */
static void press_for_a_while(struct press *press, size_t rounds, void (*beside)(struct press *))
{
	uint64_t random = test_seed("press");

	for (size_t round = 0; round < rounds; round++) {
		struct team pressers;
		struct team samplers;

		for (size_t i = 0; i < PRESSERS; i++)
			press->seeds[i] = test_random(&random);
		atomic_store(&press->done, false);
		pthread_barrier_init(&press->barrier, NULL, PRESSERS + 2);
		team_start(&samplers, 1, sampler, press);
		team_start(&pressers, PRESSERS, presser, press);
		pthread_barrier_wait(&press->barrier);
		if (beside != NULL)
			beside(press);
		team_join(&pressers);
		atomic_store(&press->done, true);
		team_join(&samplers);
		pthread_barrier_destroy(&press->barrier);
		team_verdict();
		assert_int_equal(herd_reset(press->pool.herd), 0);
	}
}

static struct press *press_new(size_t limit, size_t largest)
{
	struct press *const press = calloc(1, sizeof(*press));

	assert_non_null(press);
	press->turns = TEST_SCALE(100);
	press->largest = largest;
	atomic_init(&press->limit, limit);
	pool_init(&press->pool);
	press->pool.config.limit = limit;
	press->pool.config.bump.max_chunk = 128 * KIB;
	pool_open(&press->pool);
	return press;
}

static void press_end(struct press *press)
{
	const size_t limit = atomic_load(&press->limit);

	if (press->pool.source.peak > limit)
		fail_msg("%zu bytes held, the limit being %zu", press->pool.source.peak, limit);
	assert_int_not_equal(press->refusals, 0); /* it was reached indeed */
	assert_int_not_equal(press->samples, 0);
	pool_end(&press->pool);
	free(press);
}

static void eight_threads_never_exceed_the_limit_of_the_herd(void **state)
{
	(void)state;
	static const size_t largest[] = {300, 5000, 60000, 300000};

	for (size_t i = 0; i < sizeof(largest) / sizeof(largest[0]); i++) {
		struct press *const press = press_new(TEST_SCALE(MIB + 12345), largest[i]);

		press_for_a_while(press, 3, NULL);
		press_end(press);
	}
}

enum { LOW = 300000, HIGH = 900000 };

static void move_the_limit(struct press *press)
{
	for (size_t i = 0; i < 50; i++) {
		herd_set_limit(press->pool.herd, i % 2 == 0 ? LOW : HIGH);
		TEAM_CHECK(pool_stats(press->pool.herd).limit == (i % 2 == 0 ? LOW : HIGH), "%zu",
			   i);
		sched_yield();
	}
}

static void the_limit_may_change_under_way(void **state)
{
	(void)state;
	struct press *const press = press_new(HIGH, 20000);

	press_for_a_while(press, 4, move_the_limit);
	press_end(press);
}

/* No limit here is so high. */
#define BEYOND ((size_t)64 * MIB)

/* Allocate pieces of that size until they are refused. */
static void use_up(bump_t *bump, size_t size)
{
	if (pool_spend(bump, BEYOND, size))
		fail_msg("%zu bytes could be had in pieces of %zu", BEYOND, size);
	assert_int_equal(errno, ENOMEM);
}

static void fill_up(void *arg, size_t id)
{
	struct pool *const pool = arg;
	HERD_SCOPE(pool->herd, bump);

	if (!TEAM_CHECK(bump != NULL, "thread %zu: %s", id, strerror(errno)))
		return;
	TEAM_CHECK(!pool_spend(bump, BEYOND, 48) && errno == ENOMEM, "thread %zu: %s", id,
		   strerror(errno));
}

static void memory_is_usable_up_to_the_limit(void **state)
{
	(void)state;
	static const size_t limits[] = {20000, 100000, 1 * MIB, 7777777};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		for (size_t threads = 1; threads <= 8; threads *= 8) {
			struct pool pool;

			pool_init(&pool);
			pool.config.limit = limits[i];
			pool_open(&pool);
			team_run(threads, fill_up, &pool);
			const size_t used = pool_stats(pool.herd).used;
			if (pool.source.peak > limits[i])
				fail_msg("limit %zu: %zu held", limits[i], pool.source.peak);
			if (!test_red_zones() && used < limits[i] - limits[i] / 20 - threads * 128)
				fail_msg("limit %zu: %zu threads could use only %zu", limits[i],
					 threads, used);
			pool_end(&pool);
		}
	}
}

/* --- refusals --- */

static struct {
	size_t calls;
	size_t size;
} oom;

static void count_oom(void *ctx, size_t size)
{
	assert_ptr_equal(ctx, &oom);
	oom.calls++;
	oom.size = size;
}

static void a_refused_request_leaves_everything_as_it_was(void **state)
{
	(void)state;
	struct pool pool;
	bump_stats_t before;
	bump_stats_t after;

	pool_init(&pool);
	pool.config.limit = 100000;
	pool.config.bump.on_oom = count_oom;
	pool.config.bump.on_oom_ctx = &oom;
	pool_open(&pool);
	bump_t *const bump = pool_get(pool.herd);
	void *const memory = pool_alloc(bump, 1000, 1);
	bump_stats(bump, &before);
	for (size_t size = 100000; size != 0; size = size > SIZE_MAX / 3 ? 0 : size * 3) {
		oom.calls = 0;
		errno = 0;
		assert_null(bump_alloc(bump, size));
		assert_int_equal(errno, ENOMEM);
		assert_int_equal(oom.calls, 1);
		assert_int_equal(oom.size, size);
		bump_stats(bump, &after);
		assert_memory_equal(&after, &before, sizeof(after));
	}
	assert_true(test_verify(memory, 1000, 1));
	pool_alloc(bump, 60000, 2); /* the next smaller request */
	assert_true(test_verify(memory, 1000, 1));
	herd_put(pool.herd, bump);
	pool_agrees(&pool);
	pool_end(&pool);
}

static void a_limit_below_any_chunk_refuses_every_request(void **state)
{
	(void)state;
	for (size_t limit = 1; limit <= 64; limit++) {
		struct pool pool;

		pool_init(&pool);
		pool.config.limit = limit;
		pool_open(&pool);
		bump_t *const bump = pool_get(pool.herd);
		void *const memory = bump_alloc(bump, limit);
		if (memory != NULL)
			fail_msg("limit %zu: %zu bytes given beside a header", limit, limit);
		assert_int_equal(pool.source.held, 0);
		herd_put(pool.herd, bump);
		pool_end(&pool);
	}
}

static void a_source_that_gives_more_than_the_limit_allows_is_refused(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.limit = 100000;
	pool_open(&pool);
	bump_t *const bump = pool_get(pool.herd);
	void *const memory = pool_alloc(bump, 3000, 1);
	const size_t held = pool.source.held;
	pool.source.give_more = 100000;
	errno = 0;
	assert_null(bump_alloc(bump, 5000));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(pool.source.held, held);
	assert_int_equal(pool_stats(pool.herd).reserved, held);
	assert_in_range(pool_stats(pool.herd).peak, held, 100000);
	pool.source.give_more = 48;
	pool_alloc(bump, 5000, 2);
	assert_int_equal(pool_stats(pool.herd).reserved, pool.source.held);
	assert_true(test_verify(memory, 3000, 1));
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

/* --- spare memory makes room --- */

static void spare_memory_goes_back_before_a_request_is_refused(void **state)
{
	(void)state;
	for (size_t piece = 100; piece <= 100000; piece *= 10) {
		struct pool pool;

		pool_init(&pool);
		pool.config.limit = 1 * MIB;
		pool.config.bump.max_chunk = 64 * KIB;
		pool_open(&pool);
		bump_t *const first = pool_get(pool.herd);
		use_up(first, piece);
		herd_put(pool.herd, first);
		assert_int_equal(herd_reset(pool.herd), 0);
		assert_in_range(pool.source.held, 900000, 1 * MIB);
		bump_t *const bump = pool_get(pool.herd);
		pool_alloc(bump, 1 * MIB - 8192, 1); /* larger than any spare chunk */
		assert_in_range(pool.source.peak, 1 * MIB - 8192, 1 * MIB);
		herd_put(pool.herd, bump);
		pool_agrees(&pool);
		pool_end(&pool);
	}
}

static void what_was_discarded_goes_back_before_a_request_is_refused(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.limit = 1 * MIB;
	pool.config.bump.max_chunk = 64 * KIB;
	pool_open(&pool);
	bump_t *const first = pool_get(pool.herd);
	bump_t *const second = pool_get(pool.herd);
	assert_true(pool_spend(first, 900000, 1000));
	herd_discard(pool.herd, first);
	pool_alloc(second, 900000, 1);
	assert_in_range(pool.source.peak, 900000, 1 * MIB);
	herd_put(pool.herd, second);
	pool_end(&pool);
}

/* --- one below what is held --- */

static void a_limit_below_what_is_held_keeps_that_and_refuses_more(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	void *const memory = pool_alloc(bump, 500000, 1);
	const size_t held = pool.source.held;
	herd_set_limit(pool.herd, held / 2);
	assert_int_equal(pool_stats(pool.herd).limit, held / 2);
	assert_int_equal(pool.source.held, held);
	bump_t *const other = pool_get(pool.herd);
	errno = 0;
	assert_null(bump_alloc(other, 1000));
	assert_int_equal(errno, ENOMEM);
	assert_null(bump_alloc(bump, 500000));
	assert_int_equal(pool.source.held, held);
	assert_true(test_verify(memory, 500000, 1));

	herd_set_limit(pool.herd, held + 100000); /* raised again: exactly so much more */
	pool_alloc(other, 90000, 2);
	assert_null(bump_alloc(other, 90000));
	assert_in_range(pool.source.peak, held, held + 100000);
	herd_set_limit(pool.herd, 0);
	pool_alloc(other, 2 * MIB, 3);
	herd_put(pool.herd, bump);
	herd_put(pool.herd, other);
	pool_end(&pool);
}

static void the_limit_of_a_herd_holds_from_the_next_request_on(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	assert_true(pool_spend(bump, 1 * MIB, 1000));
	herd_put(pool.herd, bump);
	assert_int_equal(herd_reset(pool.herd), 0);
	herd_set_limit(pool.herd, 200000);
	bump_t *const again = pool_get(pool.herd);
	pool.source.peak = pool.source.held;
	const size_t before = pool.source.peak;
	use_up(again, 70000);
	assert_int_equal(pool.source.peak, before); /* no request raised what is held */
	herd_put(pool.herd, again);
	assert_int_equal(herd_reset(pool.herd), 0);
	herd_trim(pool.herd, 0);
	pool.source.peak = 0;
	bump_t *const third = pool_get(pool.herd);
	use_up(third, 100);
	assert_in_range(pool.source.peak, 150000, 200000);
	herd_put(pool.herd, third);
	pool_end(&pool);
}

/* --- members --- */

static size_t member_reserved(const bump_t *bump)
{
	bump_stats_t stats;

	bump_stats(bump, &stats);
	return stats.reserved;
}

static void the_limit_in_the_arena_configuration_is_per_member(void **state)
{
	(void)state;
	enum { N = 3, LIMIT = 200000 };
	struct pool pool;
	bump_t *members[N];

	pool_init(&pool);
	pool.config.bump.limit = LIMIT;
	pool_open(&pool);
	for (size_t turn = 0; turn < 3; turn++) {
		for (size_t i = 0; i < N; i++) {
			members[i] = pool_get(pool.herd);
			assert_int_equal(bump_limit(members[i]), LIMIT);
			use_up(members[i], 500);
			assert_int_equal(errno, ENOMEM);
			assert_in_range(member_reserved(members[i]), LIMIT - LIMIT / 20, LIMIT);
		}
		assert_in_range(pool.source.held, N * (LIMIT - LIMIT / 20), N * LIMIT);
		for (size_t i = 0; i < N; i++)
			herd_put(pool.herd, members[i]);
		assert_int_equal(herd_reset(pool.herd), 0);
	}
	pool_end(&pool);
}

static void a_member_takes_no_spare_chunk_above_its_limit(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	pool_alloc(bump, 4 * MIB, 1);
	herd_put(pool.herd, bump);
	assert_int_equal(herd_reset(pool.herd), 0);
	bump_t *const again = pool_get(pool.herd);
	bump_set_limit(again, 100000);
	pool_alloc(again, 50000, 1);
	assert_in_range(member_reserved(again), 50000, 100000);
	assert_null(bump_alloc(again, 60000));
	assert_in_range(member_reserved(again), 50000, 100000);
	herd_put(pool.herd, again);
	pool_end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eight_threads_never_exceed_the_limit_of_the_herd),
		cmocka_unit_test(the_limit_may_change_under_way),
		cmocka_unit_test(memory_is_usable_up_to_the_limit),
		cmocka_unit_test(a_refused_request_leaves_everything_as_it_was),
		cmocka_unit_test(a_limit_below_any_chunk_refuses_every_request),
		cmocka_unit_test(a_source_that_gives_more_than_the_limit_allows_is_refused),
		cmocka_unit_test(spare_memory_goes_back_before_a_request_is_refused),
		cmocka_unit_test(what_was_discarded_goes_back_before_a_request_is_refused),
		cmocka_unit_test(a_limit_below_what_is_held_keeps_that_and_refuses_more),
		cmocka_unit_test(the_limit_of_a_herd_holds_from_the_next_request_on),
		cmocka_unit_test(the_limit_in_the_arena_configuration_is_per_member),
		cmocka_unit_test(a_member_takes_no_spare_chunk_above_its_limit),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
