/* SPDX-License-Identifier: MIT */
/*
 * Out of memory at every single call of the source: nothing is lost, earlier results stay as they
 * were, and the herd goes on.
 */

#include "pool.h"

/* One life of a herd, in which any request may fail. */
struct life {
	struct pool pool;
	size_t n;
	struct {
		void *memory;
		size_t size;
	} results[128];
	size_t failures;  /* calls that failed with ENOMEM */
	size_t oom_calls; /* calls of on_oom */
	size_t deferred;  /* functions that were registered */
	size_t ran;	  /* and that ran */
	size_t k;	  /* the call of the source that fails */
	bool from;	  /* and all that follow */
};

static void count_oom(void *ctx, size_t size)
{
	struct life *const life = ctx;

	assert_int_not_equal(size, 0);
	life->oom_calls++;
}

/*
 * After each step: what was given earlier is as it was, and on_oom was called once for each
 * failure.
 */
static void life_check(const struct life *life, const char *step)
{
	for (size_t i = 0; i < life->n; i++)
		if (!test_verify(life->results[i].memory, life->results[i].size, (uint32_t)i))
			fail_msg("k %zu, from %d: %s damaged result %zu", life->k, life->from, step,
				 i);
	if (life->oom_calls != life->failures)
		fail_msg("k %zu, from %d: %s: %zu failures, %zu calls of on_oom", life->k,
			 life->from, step, life->failures, life->oom_calls);
}

static void life_failed(struct life *life, const char *step, int error)
{
	if (error != ENOMEM)
		fail_msg("k %zu, from %d: %s failed with %s", life->k, life->from, step,
			 strerror(error));
	life->failures++;
	life_check(life, step);
}

static bump_t *life_get(struct life *life)
{
	errno = 0;
	bump_t *const bump = herd_get(life->pool.herd);
	if (bump == NULL)
		life_failed(life, "herd_get", errno);
	return bump;
}

static void life_alloc(struct life *life, bump_t *bump, size_t size)
{
	if (bump == NULL)
		return;
	errno = 0;
	void *const memory = bump_alloc(bump, size);
	if (memory == NULL) {
		life_failed(life, "bump_alloc", errno);
		return;
	}
	test_fill(memory, size, (uint32_t)life->n);
	life->results[life->n].memory = memory;
	life->results[life->n++].size = size;
}

static void life_warm(struct life *life, size_t members, size_t bytes_each)
{
	const int result = herd_warm(life->pool.herd, members, bytes_each);

	if (result != 0)
		life_failed(life, "herd_warm", result);
}

static void count_run(void *arg)
{
	struct life *const life = arg;

	life->ran++;
}

static void life_defer(struct life *life, bump_t *bump)
{
	if (bump == NULL)
		return;
	const int result = bump_defer(bump, count_run, life);
	if (result == 0)
		life->deferred++;
	else
		life_failed(life, "bump_defer", result);
}

/* A checkout that ends in a discard: what it allocated does not count. */
static void life_discard(struct life *life)
{
	const size_t n = life->n;
	bump_t *const bump = life_get(life);

	life_alloc(life, bump, 1000);
	life_alloc(life, bump, 200000);
	life_defer(life, bump);
	life_alloc(life, bump, 20000);
	life_check(life, "the checkout before the discard");
	life->n = n;
	herd_discard(life->pool.herd, bump);
	life_check(life, "herd_discard");
}

static void life_phase(struct life *life)
{
	static const size_t sizes[] = {100, 5000, 70000, 8, 300000, 2500, 600, 9000};
	bump_t *const members[] = {life_get(life), life_get(life)};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		life_alloc(life, members[i % 2], sizes[i]);
		life_defer(life, members[(i + 1) % 2]);
	}
	herd_put(life->pool.herd, members[0]);
	life_discard(life);
	herd_put(life->pool.herd, members[1]);
	life_check(life, "herd_put");
}

static void life_reset(struct life *life)
{
	assert_int_equal(herd_reset(life->pool.herd), 0);
	life->n = 0;
	assert_int_equal(life->ran, life->deferred);
	assert_int_equal(pool_stats(life->pool.herd).used, 0);
	assert_int_equal(pool_stats(life->pool.herd).out, 0);
	pool_peak_agrees(&life->pool);
}

/* With all memory back, what failed works. */
static void life_recovers(struct life *life)
{
	const size_t failures = life->failures;

	test_source_fail(&life->pool.source, 0, false);
	life_phase(life);
	life_warm(life, 4, 50000);
	assert_int_equal(life->failures, failures);
}

/* @return the calls of acquire that it made */
static size_t life_run(size_t k, bool from)
{
	struct life life = {.k = k, .from = from};

	pool_init(&life.pool);
	life.pool.config.bump.first_chunk = 1500;
	life.pool.config.bump.max_chunk = 32768;
	life.pool.config.bump.on_oom = count_oom;
	life.pool.config.bump.on_oom_ctx = &life;
	pool_open(&life.pool);
	test_source_fail(&life.pool.source, k, from);
	life_phase(&life);
	life_warm(&life, 3, 40000);
	life_phase(&life);
	life_reset(&life);
	life_phase(&life);
	herd_trim(life.pool.herd, 0);
	life_check(&life, "herd_trim");
	life_warm(&life, 2, 100000);
	life_phase(&life);
	if (k == 0)
		assert_int_equal(life.failures, 0);
	else if (from) /* a single failure may be made up for by a smaller chunk */
		assert_int_not_equal(life.failures, 0);
	const size_t acquires = life.pool.source.acquires;
	life_recovers(&life);
	life_reset(&life);
	life_recovers(&life);
	pool_peak_agrees(&life.pool);
	pool_end(&life.pool);
	assert_int_equal(life.ran, life.deferred);
	return acquires;
}

/* Every call; every third where each takes long. */
static size_t step(void)
{
	return test_is_slow() ? 3 : 1;
}

static void a_failure_of_any_single_acquire_loses_nothing(void **state)
{
	(void)state;
	const size_t acquires = life_run(0, false);

	print_message("# %zu calls of the source\n", acquires);
	assert_in_range(acquires, 15, 200);
	for (size_t k = 1; k <= acquires; k += step())
		life_run(k, false);
}

static void a_failure_of_every_acquire_from_one_on_loses_nothing(void **state)
{
	(void)state;
	const size_t acquires = life_run(0, false);

	for (size_t k = 1; k <= acquires; k += step())
		life_run(k, true);
}

static void get_is_ENOMEM_where_the_first_chunk_cannot_be_had(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.bump.first_chunk = 4000;
	pool_open(&pool);
	test_source_fail(&pool.source, 1, false);
	errno = 0;
	assert_null(herd_get(pool.herd));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	assert_int_equal(pool_stats(pool.herd).reserved, 0);
	bump_t *const bump = pool_get(pool.herd);
	assert_in_range(bump_capacity(bump), 4000, SIZE_MAX);
	herd_put(pool.herd, bump);
	assert_int_equal(pool_stats(pool.herd).members, 1);
	pool_end(&pool);
}

static jmp_buf out_of_memory;

static void jump_out(void *ctx, size_t size)
{
	(void)ctx;
	(void)size;
	longjmp(out_of_memory, 1);
}

static void on_oom_may_longjmp(void **state)
{
	(void)state;
	struct pool pool;
	volatile size_t jumps = 0;

	pool_init(&pool);
	pool.config.limit = 300000;
	pool.config.bump.on_oom = jump_out;
	pool_open(&pool);
	bump_t *const bump = pool_get(pool.herd);
	void *const memory = pool_alloc(bump, 1000, 1);
	for (volatile size_t i = 0; i < 5; i++) {
		if (setjmp(out_of_memory) != 0) {
			jumps++;
			continue;
		}
		if (i % 2 == 0)
			assert_null(bump_alloc(bump, 400000));
		else
			assert_int_equal(herd_warm(pool.herd, 1, 400000), ENOMEM);
	}
	assert_int_equal(jumps, 5);
	assert_true(test_verify(memory, 1000, 1));
	pool_alloc(bump, 100000, 2);
	herd_put(pool.herd, bump);
	assert_int_equal(herd_reset(pool.herd), 0); /* no lock is held */
	assert_int_equal(herd_warm(pool.herd, 1, 100000), 0);
	pool_end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_of_any_single_acquire_loses_nothing),
		cmocka_unit_test(a_failure_of_every_acquire_from_one_on_loses_nothing),
		cmocka_unit_test(get_is_ENOMEM_where_the_first_chunk_cannot_be_had),
		cmocka_unit_test(on_oom_may_longjmp),
	};

	return cmocka_run_group_tests_name("oom", tests, NULL, NULL);
}
