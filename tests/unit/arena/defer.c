/* SPDX-License-Identifier: MIT */
/*
 * Deferred functions: newest first, each exactly once, while all that was allocated before is
 * still readable.
 */

#include "fixture.h"

/* What ran, in its order. */
static size_t ran[4096];
static size_t ran_count;

/* How many witnesses found all their memory intact. */
static size_t verified;

static void note(void *arg)
{
	ran[ran_count++] = (size_t)(uintptr_t)arg;
}

static void note_too(void *arg)
{
	ran[ran_count++] = (size_t)(uintptr_t)arg + 1000;
}

static void *number(size_t n)
{
	return (void *)(uintptr_t)n;
}

static int setup(void **state)
{
	ran_count = 0;
	verified = 0;
	return fixture_setup(state);
}

#define DEFER_TEST(function) cmocka_unit_test_setup_teardown(function, setup, fixture_teardown)

static void defer(bump_t *bump, size_t n)
{
	assert_int_equal(bump_defer(bump, note, number(n)), 0);
}

/* first, first - 1, ... last ran, and nothing else; forgets them. */
static void expect_ran_down(size_t first, size_t last)
{
	if (ran_count != first - last + 1)
		fail_msg("%zu functions ran, not %zu", ran_count, first - last + 1);
	for (size_t i = 0; i < ran_count; i++)
		if (ran[i] != first - i)
			fail_msg("function %zu ran as number %zu, not %zu", ran[i], i, first - i);
	ran_count = 0;
}

static void expect_none_ran(void)
{
	assert_int_equal(ran_count, 0);
}

/* --- when --- */

static void reset_runs_them_newest_first_and_once(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 1; i <= 1000; i++) {
		defer(f->bump, i);
		assert_non_null(bump_alloc(f->bump, i));
	}
	expect_none_ran();
	assert_int_equal(bump_reset(f->bump), 0);
	expect_ran_down(1000, 1);
	assert_int_equal(bump_reset(f->bump), 0);
	expect_none_ran();
}

static void destroy_runs_them_newest_first_and_once(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 1; i <= 1000; i++)
		defer(f->bump, i);
	fixture_close(f);
	expect_ran_down(1000, 1);
}

static void rewinding_runs_those_after_the_mark(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 1; i <= 10; i++)
		defer(f->bump, i);
	const bump_mark_t mark = bump_mark(f->bump);
	for (size_t i = 11; i <= 30; i++)
		defer(f->bump, i);
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	expect_ran_down(30, 11);
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	expect_none_ran();
	fixture_close(f);
	expect_ran_down(10, 1);
}

static void leaving_a_scope_runs_those_inside(void **state)
{
	struct fixture *f = *state;

	defer(f->bump, 1);
	{
		BUMP_SCOPE(f->bump);
		defer(f->bump, 2);
		defer(f->bump, 3);
	}
	expect_ran_down(3, 2);
}

static void rewinding_where_nothing_was_allocated_between_runs_them_too(void **state)
{
	struct fixture *f = *state;
	const bump_mark_t mark = bump_mark(f->bump);

	defer(f->bump, 1);
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	expect_ran_down(1, 1);
}

static void a_mark_above_the_position_still_runs_those_after_it(void **state)
{
	struct fixture *f = *state;
	char *const p = bump_alloc(f->bump, 1000);
	const bump_mark_t mark = bump_mark(f->bump);

	assert_ptr_equal(bump_realloc(f->bump, p, 1000, 10, 1), p);
	defer(f->bump, 1);
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	expect_ran_down(1, 1);
}

static void many_rounds_of_marks_run_each_once(void **state)
{
	struct fixture *f = *state;

	for (size_t round = 0; round < TEST_SCALE(1000); round++) {
		const bump_mark_t outer = bump_mark(f->bump);
		defer(f->bump, 1);
		assert_non_null(bump_alloc(f->bump, round));
		const bump_mark_t inner = bump_mark(f->bump);
		defer(f->bump, 2);
		defer(f->bump, 3);
		assert_int_equal(bump_rewind(f->bump, inner), 0);
		expect_ran_down(3, 2);
		assert_int_equal(bump_rewind(f->bump, outer), 0);
		expect_ran_down(1, 1);
	}
}

/* --- what they see --- */

/* A piece of memory whose content a deferred function checks. */
struct witness {
	char *p;
	size_t size;
	uint32_t seed;
	struct witness *older; /* all of these must be readable too */
};

static void verify_all(void *arg)
{
	for (const struct witness *w = arg; w != NULL; w = w->older)
		if (!test_verify(w->p, w->size, w->seed))
			return;
	verified++;
}

/* A witness that lives in the arena, and the function that checks it and all older ones. */
static struct witness *add_witness(bump_t *bump, struct witness *older, size_t size)
{
	struct witness *const w = BUMP_NEW(bump, struct witness);

	*w = (struct witness){bump_alloc(bump, size), size, (uint32_t)size, older};
	assert_non_null(w->p);
	test_fill(w->p, size, w->seed);
	assert_int_equal(bump_defer(bump, verify_all, w), 0);
	return w;
}

/* Small ones with some that have a chunk of their own in between. */
static struct witness *add_witnesses(bump_t *bump, struct witness *older, size_t n)
{
	for (size_t i = 0; i < n; i++)
		older = add_witness(bump, older, i % 10 == 7 ? 300000 + i : i * 37 + 1);
	return older;
}

static void what_was_allocated_before_is_readable_at_reset(void **state)
{
	struct fixture *f = *state;
	for (size_t round = 1; round <= 3; round++) {
		add_witnesses(f->bump, NULL, 30);
		assert_int_equal(bump_reset(f->bump), 0);
		assert_int_equal(verified, 30 * round);
	}
}

static void what_was_allocated_before_is_readable_at_destroy(void **state)
{
	struct fixture *f = *state;
	add_witnesses(f->bump, NULL, 30);
	fixture_close(f);
	assert_int_equal(verified, 30);
}

static void what_was_allocated_before_is_readable_at_rewind(void **state)
{
	struct fixture *f = *state;
	struct witness *const older = add_witnesses(f->bump, NULL, 12);
	const bump_mark_t mark = bump_mark(f->bump);

	for (size_t round = 1; round <= 3; round++) {
		add_witnesses(f->bump, older, 25);
		assert_int_equal(bump_rewind(f->bump, mark), 0);
		assert_int_equal(verified, 25 * round);
	}
	fixture_close(f);
	assert_int_equal(verified, 25 * 3 + 12);
}

static void marks_between_large_requests_run_the_right_ones(void **state)
{
	struct fixture *f = *state;
	struct witness *const one = add_witness(f->bump, NULL, (size_t)3 << 20);
	const bump_mark_t first = bump_mark(f->bump);
	struct witness *const two = add_witness(f->bump, one, (size_t)3 << 20);
	const bump_mark_t second = bump_mark(f->bump);

	add_witness(f->bump, two, (size_t)3 << 20);
	assert_int_equal(bump_rewind(f->bump, second), 0);
	assert_int_equal(verified, 1);
	add_witness(f->bump, two, (size_t)4 << 20);
	assert_int_equal(bump_rewind(f->bump, first), 0);
	assert_int_equal(verified, 3);
	fixture_close(f);
	assert_int_equal(verified, 4);
}

/* --- what they may do --- */

struct inside {
	bump_t *bump;
	char *p;
	size_t size;
	bool taken_back;
	size_t runs;
};

static void free_last_inside(void *arg)
{
	struct inside *in = arg;

	in->taken_back = bump_free_last(in->bump, in->p, in->size);
	in->runs++;
}

static void free_last_inside_does_nothing(void **state)
{
	struct fixture *f = *state;
	struct inside in = {.bump = f->bump, .size = 100, .taken_back = true};

	in.p = bump_alloc(f->bump, in.size);
	test_fill(in.p, in.size, 1);
	const bump_mark_t mark = bump_mark(f->bump);
	const size_t used = fixture_stats(f->bump).used;
	assert_int_equal(bump_defer(f->bump, free_last_inside, &in), 0);
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	assert_int_equal(in.runs, 1);
	assert_false(in.taken_back);
	assert_int_equal(fixture_stats(f->bump).used, used);
	assert_true(test_verify(in.p, in.size, 1));
	assert_true(bump_free_last(f->bump, in.p, in.size));
}

static void free_last_inside_does_nothing_at_reset_and_destroy(void **state)
{
	struct fixture *f = *state;
	struct inside in = {.bump = f->bump, .size = 100};

	for (size_t round = 1; round <= 2; round++) {
		in.p = bump_alloc(f->bump, in.size);
		in.taken_back = true;
		assert_int_equal(bump_defer(f->bump, free_last_inside, &in), 0);
		if (round == 1)
			assert_int_equal(bump_reset(f->bump), 0);
		else
			fixture_close(f);
		assert_int_equal(in.runs, round);
		assert_false(in.taken_back);
	}
}

/* Every way to allocate from the arena that a deferred function could think of. */
static size_t given_inside;

static void count_inside(const void *p)
{
	if (p != NULL || errno != EINVAL)
		given_inside++;
	errno = 0;
}

static void allocate_inside(void *arg)
{
	bump_t *const bump = arg;

	errno = 0;
	count_inside(bump_alloc(bump, 8));
	count_inside(bump_alloc_aligned(bump, 8, 1));
	count_inside(bump_calloc(bump, 1, 8));
	count_inside(bump_strdup(bump, "text"));
	count_inside(bump_asprintf(bump, "%d", 1));
	count_inside(bump_realloc(bump, NULL, 0, 8, 1));
	count_inside(bump_reserve(bump, 8, 1, NULL));
	if (bump_defer(bump, note, NULL) != EINVAL)
		given_inside++;
}

static void allocating_inside_is_misuse_and_fails_with_EINVAL(void **state)
{
	struct fixture *f = *state;
	const bump_mark_t mark = bump_mark(f->bump);

	given_inside = 0;
	test_misuse_begin();
	assert_non_null(bump_alloc(f->bump, 100));
	assert_int_equal(bump_defer(f->bump, allocate_inside, f->bump), 0);
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	assert_int_equal(test_misuse_count(), 8);
	assert_int_equal(bump_defer(f->bump, allocate_inside, f->bump), 0);
	assert_int_equal(bump_reset(f->bump), 0);
	assert_int_equal(test_misuse_count(), 16);
	assert_int_equal(bump_defer(f->bump, allocate_inside, f->bump), 0);
	fixture_close(f);
	assert_int_equal(test_misuse_count(), 24);
	test_misuse_end();
	assert_int_equal(given_inside, 0);
	expect_none_ran();
}

static const size_t sizes_inside[] = {1, 8, 9, 24, 1000, 100000};

static void allocate_sizes_inside(void *arg)
{
	bump_t *const bump = arg;

	errno = 0;
	for (size_t i = 0; i < sizeof(sizes_inside) / sizeof(sizes_inside[0]); i++) {
		count_inside(bump_alloc(bump, sizes_inside[i]));
		count_inside(bump_alloc_aligned(bump, sizes_inside[i], 64));
	}
}

static void allocating_inside_is_refused_at_every_position(void **state)
{
	struct fixture *f = *state;

	given_inside = 0;
	test_misuse_begin();
	for (size_t size = 8; size <= 128; size += 8) {
		assert_non_null(bump_alloc_aligned(f->bump, size, 8));
		assert_int_equal(bump_defer(f->bump, allocate_sizes_inside, f->bump), 0);
		assert_int_equal(bump_reset(f->bump), 0);
		if (given_inside != 0)
			fail_msg("behind %zu bytes a deferred function was given memory", size);
	}
	test_misuse_end();
}

static void after_they_ran_the_arena_works_as_before(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 100; i++) {
		const bump_mark_t mark = bump_mark(f->bump);
		defer(f->bump, 1);
		assert_int_equal(bump_rewind(f->bump, mark), 0);
		char *const p = bump_alloc(f->bump, 24);
		test_fill(p, 24, 2);
		assert_true(bump_extend(f->bump, p, 24, 48));
		assert_true(bump_free_last(f->bump, p, 48));
		expect_ran_down(1, 1);
	}
}

static void look_inside(void *arg)
{
	struct inside *in = arg;
	bump_stats_t stats;

	bump_stats(in->bump, &stats);
	if (bump_owns(in->bump, in->p) && stats.used >= in->size)
		in->runs++;
}

static void looking_at_the_arena_inside_is_allowed(void **state)
{
	struct fixture *f = *state;
	struct inside in = {.bump = f->bump, .size = 100};

	in.p = bump_alloc(f->bump, in.size);
	assert_int_equal(bump_defer(f->bump, look_inside, &in), 0);
	assert_int_equal(bump_reset(f->bump), 0);
	assert_int_equal(in.runs, 1);
}

/* --- bump_undefer --- */

static void undefer_finds_the_newest_match(void **state)
{
	struct fixture *f = *state;

	defer(f->bump, 1);
	defer(f->bump, 2);
	defer(f->bump, 1);
	assert_true(bump_undefer(f->bump, note, number(1)));
	assert_int_equal(bump_reset(f->bump), 0);
	expect_ran_down(2, 1);
}

static void undefer_compares_function_and_argument(void **state)
{
	struct fixture *f = *state;

	defer(f->bump, 1);
	assert_int_equal(bump_defer(f->bump, note_too, number(2)), 0);
	assert_false(bump_undefer(f->bump, note, number(2)));
	assert_false(bump_undefer(f->bump, note_too, number(1)));
	assert_true(bump_undefer(f->bump, note_too, number(2)));
	assert_int_equal(bump_reset(f->bump), 0);
	expect_ran_down(1, 1);
}

static void undefer_is_false_where_there_is_none(void **state)
{
	struct fixture *f = *state;

	assert_false(bump_undefer(f->bump, note, number(1)));
	defer(f->bump, 1);
	assert_true(bump_undefer(f->bump, note, number(1)));
	assert_false(bump_undefer(f->bump, note, number(1)));
	defer(f->bump, 1);
	assert_int_equal(bump_reset(f->bump), 0);
	expect_ran_down(1, 1);
	assert_false(bump_undefer(f->bump, note, number(1)));
	fixture_close(f);
	expect_none_ran();
}

static void undefer_takes_out_of_the_middle(void **state)
{
	struct fixture *f = *state;

	for (size_t gone = 1; gone <= 5; gone++) {
		for (size_t i = 1; i <= 5; i++)
			defer(f->bump, i);
		assert_true(bump_undefer(f->bump, note, number(gone)));
		assert_int_equal(bump_reset(f->bump), 0);
		assert_int_equal(ran_count, 4);
		for (size_t i = 0; i < ran_count; i++)
			assert_int_equal(ran[i], 5 - i > gone ? 5 - i : 4 - i);
		ran_count = 0;
	}
}

static void undefer_of_an_older_one_does_not_shift_the_mark(void **state)
{
	struct fixture *f = *state;

	defer(f->bump, 1);
	defer(f->bump, 2);
	const bump_mark_t mark = bump_mark(f->bump);
	assert_true(bump_undefer(f->bump, note, number(1)));
	defer(f->bump, 3);
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	expect_ran_down(3, 3);
	assert_int_equal(bump_reset(f->bump), 0);
	expect_ran_down(2, 2);
}

static void undefer_of_all_older_ones_does_not_shift_the_mark(void **state)
{
	struct fixture *f = *state;

	defer(f->bump, 1);
	defer(f->bump, 2);
	const bump_mark_t mark = bump_mark(f->bump);
	assert_true(bump_undefer(f->bump, note, number(2)));
	assert_true(bump_undefer(f->bump, note, number(1)));
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	expect_none_ran();
	defer(f->bump, 4);
	defer(f->bump, 3);
	assert_true(bump_undefer(f->bump, note, number(4)));
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	expect_ran_down(3, 3);
}

static void undeferred_inside_a_mark_is_gone_after_it(void **state)
{
	struct fixture *f = *state;

	defer(f->bump, 1);
	const bump_mark_t mark = bump_mark(f->bump);
	defer(f->bump, 2);
	defer(f->bump, 3);
	assert_true(bump_undefer(f->bump, note, number(3)));
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	expect_ran_down(2, 2);
	assert_false(bump_undefer(f->bump, note, number(2)));
	assert_int_equal(bump_reset(f->bump), 0);
	expect_ran_down(1, 1);
}

static bool found_itself, found_the_older;

static void undefer_inside(void *arg)
{
	bump_t *const bump = arg;

	note(number(3));
	found_itself = bump_undefer(bump, undefer_inside, bump);
	found_the_older = bump_undefer(bump, note, number(2));
}

static void undefer_inside_finds_what_is_pending_and_not_itself(void **state)
{
	struct fixture *f = *state;

	defer(f->bump, 1);
	defer(f->bump, 2);
	found_itself = true;
	found_the_older = false;
	assert_int_equal(bump_defer(f->bump, undefer_inside, f->bump), 0);
	assert_int_equal(bump_reset(f->bump), 0);
	assert_false(found_itself);
	assert_true(found_the_older);
	assert_int_equal(ran_count, 2);
	assert_int_equal(ran[0], 3);
	assert_int_equal(ran[1], 1);
}

/* --- what fails --- */

static void a_deferral_that_finds_no_memory_registers_nothing(void **state)
{
	struct fixture *f = *state;

	defer(f->bump, 1);
	fixture_leave(f->bump, 0);
	test_source_fail(&f->source, 1, true);
	size_t last = 1;
	while (bump_defer(f->bump, note, number(last + 1)) == 0)
		last++;
	assert_int_equal(f->ooms, 1);
	const struct fixture_state before = fixture_state(f);
	f->ooms = 0;
	assert_int_equal(bump_defer(f->bump, note, number(1000000)), ENOMEM);
	assert_int_equal(f->ooms, 1);
	fixture_expect_same(f, &before);
	assert_false(bump_undefer(f->bump, note, number(1000000)));
	fixture_close(f);
	expect_ran_down(last, 1);
}

static void no_function_is_EINVAL(void **state)
{
	struct fixture *f = *state;
	const struct fixture_state before = fixture_state(f);

	assert_int_equal(bump_defer(f->bump, NULL, NULL), EINVAL);
	assert_int_equal(f->ooms, 0);
	fixture_expect_same(f, &before);
}

static void a_deferral_costs_32_bytes(void **state)
{
	struct fixture *f = *state;

	if (test_red_zones())
		skip();
	assert_non_null(bump_alloc(f->bump, 1));
	for (size_t i = 1; i <= 20; i++) {
		const size_t used = fixture_stats(f->bump).used;
		defer(f->bump, i);
		assert_true(fixture_stats(f->bump).used - used <= 32);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEFER_TEST(reset_runs_them_newest_first_and_once),
		DEFER_TEST(destroy_runs_them_newest_first_and_once),
		DEFER_TEST(rewinding_runs_those_after_the_mark),
		DEFER_TEST(leaving_a_scope_runs_those_inside),
		DEFER_TEST(rewinding_where_nothing_was_allocated_between_runs_them_too),
		DEFER_TEST(a_mark_above_the_position_still_runs_those_after_it),
		DEFER_TEST(many_rounds_of_marks_run_each_once),
		DEFER_TEST(what_was_allocated_before_is_readable_at_reset),
		DEFER_TEST(what_was_allocated_before_is_readable_at_destroy),
		DEFER_TEST(what_was_allocated_before_is_readable_at_rewind),
		DEFER_TEST(marks_between_large_requests_run_the_right_ones),
		DEFER_TEST(free_last_inside_does_nothing),
		DEFER_TEST(free_last_inside_does_nothing_at_reset_and_destroy),
		DEFER_TEST(allocating_inside_is_misuse_and_fails_with_EINVAL),
		DEFER_TEST(allocating_inside_is_refused_at_every_position),
		DEFER_TEST(after_they_ran_the_arena_works_as_before),
		DEFER_TEST(looking_at_the_arena_inside_is_allowed),
		DEFER_TEST(undefer_finds_the_newest_match),
		DEFER_TEST(undefer_compares_function_and_argument),
		DEFER_TEST(undefer_is_false_where_there_is_none),
		DEFER_TEST(undefer_takes_out_of_the_middle),
		DEFER_TEST(undefer_of_an_older_one_does_not_shift_the_mark),
		DEFER_TEST(undefer_of_all_older_ones_does_not_shift_the_mark),
		DEFER_TEST(undeferred_inside_a_mark_is_gone_after_it),
		DEFER_TEST(undefer_inside_finds_what_is_pending_and_not_itself),
		DEFER_TEST(a_deferral_that_finds_no_memory_registers_nothing),
		DEFER_TEST(no_function_is_EINVAL),
		DEFER_TEST(a_deferral_costs_32_bytes),
	};

	return cmocka_run_group_tests_name("arena: deferred functions", tests, NULL, NULL);
}
