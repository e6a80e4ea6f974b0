/* SPDX-License-Identifier: MIT */
/*
 * Phases: a reset frees everything at once, and the phase that follows asks for nothing.
 */

#include "pool.h"

enum { MEMBERS = 3 };

/* A few members that hold something; their memory is verified in the end. */
struct crowd {
	bump_t *members[MEMBERS];
	void *memory[MEMBERS][2];
};

static void crowd_make(struct crowd *crowd, herd_t *herd)
{
	for (size_t i = 0; i < MEMBERS; i++) {
		crowd->members[i] = pool_get(herd);
		crowd->memory[i][0] = pool_alloc(crowd->members[i], 300, (uint32_t)i);
		crowd->memory[i][1] = pool_alloc(crowd->members[i], 3 * MIB, (uint32_t)i + 100);
	}
}

static void crowd_put(struct crowd *crowd, herd_t *herd)
{
	for (size_t i = 0; i < MEMBERS; i++)
		herd_put(herd, crowd->members[i]);
}

static void crowd_is_intact(const struct crowd *crowd)
{
	for (size_t i = 0; i < MEMBERS; i++) {
		assert_true(test_verify(crowd->memory[i][0], 300, (uint32_t)i));
		assert_true(test_verify(crowd->memory[i][1], 3 * MIB, (uint32_t)i + 100));
	}
}

/* --- herd_reset --- */

static void reset_frees_everything(void **state)
{
	(void)state;
	struct pool pool;
	struct crowd crowd;

	pool_start(&pool);
	crowd_make(&crowd, pool.herd);
	crowd_put(&crowd, pool.herd);
	assert_int_not_equal(pool_stats(pool.herd).used, 0);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(pool_stats(pool.herd).used, 0);
	for (size_t i = 0; i < MEMBERS; i++) {
		assert_false(herd_owns(pool.herd, crowd.memory[i][0]));
		assert_false(herd_owns(pool.herd, crowd.memory[i][1]));
	}
	pool_end(&pool);
}

static void reset_keeps_memory_and_members_for_reuse(void **state)
{
	(void)state;
	struct pool pool;
	struct crowd crowd;

	pool_start(&pool);
	crowd_make(&crowd, pool.herd);
	crowd_put(&crowd, pool.herd);
	const herd_stats_t before = pool_stats(pool.herd);
	assert_int_equal(herd_reset(pool.herd), 0);
	const herd_stats_t after = pool_stats(pool.herd);
	assert_int_equal(after.reserved, before.reserved);
	assert_int_equal(after.members, before.members);
	assert_int_equal(after.out, 0);
	assert_int_equal(pool.source.releases, 0);
	const size_t acquires = pool.source.acquires;
	crowd_make(&crowd, pool.herd);
	crowd_is_intact(&crowd);
	assert_int_equal(pool.source.acquires, acquires);
	crowd_put(&crowd, pool.herd);
	pool_end(&pool);
}

static void a_member_is_empty_after_a_reset(void **state)
{
	(void)state;
	struct pool pool;
	struct crowd crowd;

	pool_start(&pool);
	crowd_make(&crowd, pool.herd);
	crowd_put(&crowd, pool.herd);
	assert_int_equal(herd_reset(pool.herd), 0);
	for (size_t i = 0; i < MEMBERS; i++) {
		crowd.members[i] = pool_get(pool.herd);
		assert_int_equal(pool_used(crowd.members[i]), 0);
	}
	crowd_put(&crowd, pool.herd);
	pool_end(&pool);
}

static void a_herd_without_members_can_be_reset(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(herd_reset(pool.herd), 0);
	pool_end(&pool);
}

static void reset_it(void *arg, size_t id)
{
	const int result = herd_reset(arg);

	TEAM_CHECK(result == 0, "thread %zu: %s", id, strerror(result));
}

static void any_thread_may_reset(void **state)
{
	(void)state;
	struct pool pool;
	struct crowd crowd;

	pool_start(&pool);
	for (size_t turn = 0; turn < 3; turn++) {
		crowd_make(&crowd, pool.herd);
		crowd_is_intact(&crowd);
		crowd_put(&crowd, pool.herd);
		team_run(4, reset_it, pool.herd);
		assert_int_equal(pool_stats(pool.herd).used, 0);
	}
	pool_end(&pool);
}

/* --- EBUSY --- */

static size_t notes;

static void note(void *arg)
{
	(void)arg;
	notes++;
}

/* The members that ought to be idle can all be had, and no other. */
static void others_are_idle(herd_t *herd)
{
	bump_t *idle[MEMBERS - 1];

	for (size_t i = 0; i < MEMBERS - 1; i++) {
		idle[i] = herd_try_get(herd);
		assert_non_null(idle[i]);
	}
	assert_null(herd_try_get(herd));
	for (size_t i = 0; i < MEMBERS - 1; i++)
		herd_put(herd, idle[i]);
}

/*
 * One member stays out, all others are in: fn must change nothing. Then it is put, and fn succeeds.
 */
static void busy_with(size_t out, herd_t *herd, int (*fn)(herd_t *))
{
	struct crowd crowd;

	notes = 0;
	crowd_make(&crowd, herd);
	for (size_t i = 0; i < MEMBERS; i++) {
		assert_int_equal(bump_defer(crowd.members[i], note, NULL), 0);
		if (i != out)
			herd_put(herd, crowd.members[i]);
	}
	const herd_stats_t before = pool_stats(herd);
	assert_int_equal(before.out, 1);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(fn(herd), EBUSY);
	const herd_stats_t after = pool_stats(herd);
	assert_memory_equal(&after, &before, sizeof(before));
	assert_int_equal(notes, 0);
	crowd_is_intact(&crowd);
	others_are_idle(herd);
	crowd_is_intact(&crowd);
	pool_alloc(crowd.members[out], 100000, 1);
	herd_put(herd, crowd.members[out]);
	crowd_is_intact(&crowd);
	assert_int_equal(fn(herd), 0);
	assert_int_equal(notes, MEMBERS);
}

static void reset_is_EBUSY_and_does_nothing_while_a_member_is_out(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	for (size_t out = 0; out < MEMBERS; out++)
		busy_with(out, pool.herd, herd_reset);
	pool_end(&pool);
}

static void destroy_is_EBUSY_and_does_nothing_while_a_member_is_out(void **state)
{
	(void)state;
	for (size_t out = 0; out < MEMBERS; out++) {
		struct pool pool;

		pool_start(&pool);
		busy_with(out, pool.herd, herd_destroy);
		test_source_done(&pool.source);
	}
}

/* --- what was deferred --- */

enum { NOTES_EACH = 3 };

/* One deferred function of one member. */
struct deferred {
	const struct crowd *crowd;
	size_t member;
	size_t number;
	size_t runs;
	size_t *newest; /* the number of the member's latest that ran */
	bool in_order;
	bool readable;
};

static void look_at_everybody(void *arg)
{
	struct deferred *const deferred = arg;
	const struct crowd *const crowd = deferred->crowd;

	deferred->runs++;
	deferred->in_order = deferred->number + 1 == *deferred->newest;
	*deferred->newest = deferred->number;
	deferred->readable = true;
	for (size_t i = 0; i < MEMBERS; i++)
		deferred->readable &= test_verify(crowd->memory[i][0], 300, (uint32_t)i) &&
				      test_verify(crowd->memory[i][1], 3 * MIB, (uint32_t)i + 100);
}

static void deferred_run_before_memory_is_freed(size_t keep, int (*fn)(herd_t *))
{
	struct pool pool;
	struct crowd crowd;
	struct deferred deferred[MEMBERS][NOTES_EACH];
	size_t newest[MEMBERS];

	pool_init(&pool);
	pool.config.keep = keep;
	pool_open(&pool);
	crowd_make(&crowd, pool.herd);
	for (size_t m = 0; m < MEMBERS; m++) {
		newest[m] = NOTES_EACH;
		for (size_t i = 0; i < NOTES_EACH; i++) {
			deferred[m][i] = (struct deferred){
				.crowd = &crowd, .member = m, .number = i, .newest = &newest[m]};
			assert_int_equal(
				bump_defer(crowd.members[m], look_at_everybody, &deferred[m][i]),
				0);
		}
	}
	crowd_put(&crowd, pool.herd);
	assert_int_equal(fn(pool.herd), 0);
	for (size_t m = 0; m < MEMBERS; m++)
		for (size_t i = 0; i < NOTES_EACH; i++)
			if (deferred[m][i].runs != 1 || !deferred[m][i].in_order ||
			    !deferred[m][i].readable)
				fail_msg(
					"member %zu, function %zu: runs %zu, in order %d, readable %d",
					m, i, deferred[m][i].runs, deferred[m][i].in_order,
					deferred[m][i].readable);
	if (fn != herd_destroy)
		assert_int_equal(herd_destroy(pool.herd), 0);
	for (size_t m = 0; m < MEMBERS; m++)
		assert_int_equal(deferred[m][0].runs, 1);
	test_source_done(&pool.source);
}

static void reset_runs_what_was_deferred_in_all_members_before_memory_is_freed(void **state)
{
	(void)state;
	deferred_run_before_memory_is_freed(0, herd_reset);
	deferred_run_before_memory_is_freed(1, herd_reset);
}

static void destroy_runs_what_was_deferred_in_all_members_before_memory_is_freed(void **state)
{
	(void)state;
	deferred_run_before_memory_is_freed(0, herd_destroy);
}

/* --- a phase that repeats --- */

enum { WORKERS = 4, ROUNDS = 12 };
#define LIGHT ((size_t)300000) /* leaves pages of a chunk untouched that the heavy work gets next */

/* Bytes of the heavy work, and of the largest phase. */
static size_t heavy(void)
{
	return (size_t)25 * MIB / (test_is_slow() ? 10 : 1);
}

static size_t largest_phase(void)
{
	return heavy() + (WORKERS - 1) * LIGHT;
}

/* Persistent threads; the heavy work moves on at each round. */
struct season {
	herd_t *herd;
	const size_t *pieces; /* the sizes of the heavy work's allocations, in turn; ends with 0 */
	pthread_barrier_t barrier;  /* rounds begin and end here */
	pthread_barrier_t together; /* all workers have a member: so each round needs as many */
};

/* What a round costs shall be herd's: the thread's stack is there from the start. */
static void touch_stack(void)
{
	volatile char pages[64 * KIB];

	for (size_t i = 0; i < sizeof(pages); i += 512)
		pages[i] = 1;
}

static void heavy_work(const struct season *season, bump_t *bump, size_t round)
{
	const size_t *piece = season->pieces;

	for (size_t done = 0; done < heavy(); done += *piece++) {
		if (*piece == 0)
			piece = season->pieces;
		void *const p = bump_alloc(bump, *piece);
		if (!TEAM_CHECK(p != NULL, "round %zu, after %zu bytes: %s", round, done,
				strerror(errno)))
			return;
		memset(p, (int)round, *piece);
	}
}

static void season_worker(void *arg, size_t id)
{
	struct season *const season = arg;

	touch_stack();
	for (size_t round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&season->barrier);
		{
			HERD_SCOPE(season->herd, bump);

			pthread_barrier_wait(&season->together);
			if (TEAM_CHECK(bump != NULL, "thread %zu, round %zu", id, round)) {
				if (round % WORKERS == id)
					heavy_work(season, bump, round);
				else
					TEAM_CHECK(pool_spend(bump, LIGHT, 100), "round %zu",
						   round);
			}
		}
		pthread_barrier_wait(&season->barrier);
	}
}

/* Let the rounds pass, with a reset after each; cost(arg) after each of them goes to costs[]. */
static void season_pass(struct season *season, size_t costs[ROUNDS], size_t (*cost)(void *),
			void *arg)
{
	struct team team;

	pthread_barrier_init(&season->barrier, NULL, WORKERS + 1);
	pthread_barrier_init(&season->together, NULL, WORKERS);
	team_start(&team, WORKERS, season_worker, season);
	for (size_t round = 0; round < ROUNDS; round++) {
		const size_t before = cost(arg);

		pthread_barrier_wait(&season->barrier);
		pthread_barrier_wait(&season->barrier);
		const int result = herd_reset(season->herd);
		costs[round] = cost(arg) - before;
		TEAM_CHECK(result == 0, "round %zu: %s", round, strerror(result));
	}
	team_join(&team);
	pthread_barrier_destroy(&season->barrier);
	pthread_barrier_destroy(&season->together);
	team_verdict();
}

static void costs_end_with_round_two(const size_t costs[ROUNDS], const char *what, size_t kind)
{
	for (size_t round = 2; round < ROUNDS; round++)
		if (costs[round] != 0)
			fail_msg("kind %zu: %zu %s in round %zu (%zu and %zu in the first two)",
				 kind, costs[round], what, round + 1, costs[0], costs[1]);
	assert_int_not_equal(costs[0], 0); /* they are counted indeed */
}

static const size_t small_pieces[] = {24, 100, 8, 400, 64, 1000, 33, 0};
static const size_t mixed_pieces[] = {24, 4096, 60000, 512, 7, 20000, 0};
static const size_t large_pieces[] = {3 * MIB, 5 * MIB, 1000, 4 * MIB, 0};
static const size_t *const kinds[] = {small_pieces, mixed_pieces, large_pieces};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void peak_is_at_most_a_quarter_above_the_largest_phase(const herd_t *herd, size_t kind)
{
	const size_t peak = pool_stats(herd).peak;

	if (!test_is_slow() && peak > largest_phase() + largest_phase() / 4)
		fail_msg("pieces of kind %zu: peak of %zu bytes for a phase of %zu", kind, peak,
			 largest_phase());
}

static size_t source_calls(void *arg)
{
	const struct test_source *const source = arg;

	return source->acquires + source->releases;
}

static void a_repeated_phase_makes_no_memory_call_from_the_third_round_on(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++) {
		struct pool pool;
		size_t calls[ROUNDS];
		pool_start(&pool);
		struct season season = {.herd = pool.herd, .pieces = kinds[kind]};

		season_pass(&season, calls, source_calls, &pool.source);
		costs_end_with_round_two(calls, "memory calls", kind);
		peak_is_at_most_a_quarter_above_the_largest_phase(pool.herd, kind);
		pool_agrees(&pool);
		pool_end(&pool);
	}
}

static size_t page_faults(void *arg)
{
	(void)arg;
	return test_minflt();
}

static void a_repeated_phase_takes_no_page_fault_from_the_third_round_on(void **state)
{
	(void)state;
	if (test_is_slow()) {
		print_message("# sanitizers, valgrind and qemu take page faults of their own\n");
		skip();
	}
	for (size_t kind = 0; kind < KINDS; kind++) {
		size_t faults[ROUNDS];
		struct season season = {.herd = herd_new(NULL), .pieces = kinds[kind]};

		assert_non_null(season.herd);
		season_pass(&season, faults, page_faults, NULL);
		costs_end_with_round_two(faults, "page faults", kind);
		peak_is_at_most_a_quarter_above_the_largest_phase(season.herd, kind);
		assert_int_equal(herd_destroy(season.herd), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_frees_everything),
		cmocka_unit_test(reset_keeps_memory_and_members_for_reuse),
		cmocka_unit_test(a_member_is_empty_after_a_reset),
		cmocka_unit_test(a_herd_without_members_can_be_reset),
		cmocka_unit_test(any_thread_may_reset),
		cmocka_unit_test(reset_is_EBUSY_and_does_nothing_while_a_member_is_out),
		cmocka_unit_test(destroy_is_EBUSY_and_does_nothing_while_a_member_is_out),
		cmocka_unit_test(
			reset_runs_what_was_deferred_in_all_members_before_memory_is_freed),
		cmocka_unit_test(
			destroy_runs_what_was_deferred_in_all_members_before_memory_is_freed),
		cmocka_unit_test(a_repeated_phase_makes_no_memory_call_from_the_third_round_on),
		cmocka_unit_test(a_repeated_phase_takes_no_page_fault_from_the_third_round_on),
	};

	return cmocka_run_group_tests_name("phases", tests, NULL, NULL);
}
