/* SPDX-License-Identifier: MIT */
/* bump_trim(): what goes back, what stays, and that nothing else changes. */

#include "fixture.h"

#include <herd/herd.h>

/* Allocate about a megabyte in chunks of several sizes, two of them for large requests. */
static void fill(bump_t *bump)
{
	for (int i = 0; i < 500; i++)
		memset(bump_alloc(bump, 1000), i, 1000);
	memset(bump_alloc(bump, 300000), 1, 300000);
	memset(bump_alloc(bump, 200000), 2, 200000);
}

static void after_a_reset_all_that_is_above_keep_goes_back(void **state)
{
	struct fixture *f = *state;

	for (size_t keep = 0; keep < 2000000; keep = 2 * keep + 1000) {
		fill(f->bump);
		assert_int_equal(bump_reset(f->bump), 0);
		const size_t held = f->source.held;
		const size_t given = bump_trim(f->bump, keep);

		assert_int_equal(given, held - f->source.held);
		assert_true(f->source.held <= keep);
		assert_int_equal(fixture_stats(f->bump).reserved, f->source.held);
		/* Nothing goes where all of it is to be kept, and nothing is left to do. */
		assert_true(held > keep || given == 0);
		assert_int_equal(bump_trim(f->bump, keep), 0);
	}
}

static void allocations_and_marks_stay(void **state)
{
	struct fixture *f = *state;

	fill(f->bump);
	assert_int_equal(bump_reset(f->bump), 0);
	char *const kept = bump_strdup(f->bump, "kept");
	const bump_mark_t mark = bump_mark(f->bump);

	assert_non_null(kept);
	fill(f->bump);
	bump_rewind(f->bump, mark);
	const size_t used = fixture_stats(f->bump).used;

	assert_true(bump_trim(f->bump, 0) > 500000);
	assert_string_equal(kept, "kept");
	assert_int_equal(fixture_stats(f->bump).used, used);
	fill(f->bump);
	bump_rewind(f->bump, mark);
	assert_int_equal(fixture_stats(f->bump).used, used);
	assert_string_equal(kept, "kept");
}

/* A mark in an arena without allocations may lead to the very chunk that goes. */
static void a_mark_s_empty_chunk_may_go(void **state)
{
	struct fixture *f = *state;

	assert_non_null(bump_alloc(f->bump, 10));
	assert_int_equal(bump_reset(f->bump), 0);
	const bump_mark_t outer = bump_mark(f->bump);

	assert_non_null(bump_alloc(f->bump, 10));
	bump_rewind(f->bump, outer);
	const bump_mark_t mark = bump_mark(f->bump);

	assert_true(bump_trim(f->bump, 0) > 0);
	assert_int_equal(f->source.held, 0);
	fill(f->bump);
	bump_rewind(f->bump, mark);
	assert_int_equal(fixture_stats(f->bump).used, 0);
	fill(f->bump);
	bump_rewind(f->bump, outer);
	assert_int_equal(fixture_stats(f->bump).used, 0);
}

static void an_open_reservation_stays_open(void **state)
{
	struct fixture *f = *state;
	size_t room;

	fill(f->bump);
	assert_int_equal(bump_reset(f->bump), 0);
	char *const place = bump_reserve(f->bump, 100, 1, &room);

	assert_non_null(place);
	memset(place, 0x5A, room);
	assert_true(bump_trim(f->bump, 0) > 0);
	for (size_t i = 0; i < room; i++)
		assert_int_equal(place[i], 0x5A);
	bump_commit(f->bump, place, 43);
	assert_int_equal(place[42], 0x5A);
	assert_true(fixture_stats(f->bump).used >= 43);
}

static void the_callers_memory_stays(void **state)
{
	char memory[BUMP_OVERHEAD + 1000];
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);
	bump_t *const bump = bump_new_in(memory, sizeof(memory), &config);

	assert_non_null(bump);
	assert_int_equal(bump_trim(bump, 0), 0);
	fill(bump);
	assert_int_equal(bump_reset(bump), 0);
	const size_t held = f->source.held;

	assert_int_equal(bump_trim(bump, 0), held);
	assert_int_equal(f->source.held, 0);
	assert_non_null(bump_alloc(bump, 500));
	assert_int_equal(f->source.held, 0);
	bump_destroy(bump);
}

static void it_makes_room_for_others_of_a_source(void **state)
{
	struct fixture *f = *state;

	fill(f->bump);
	assert_int_equal(bump_reset(f->bump), 0);
	f->source.ceiling = f->source.held;
	bump_config_t config = fixture_config(f);
	bump_t *const other = bump_new(&config);

	assert_null(bump_alloc(other, 500000));
	assert_true(bump_trim(f->bump, 0) > 500000);
	assert_non_null(bump_alloc(other, 500000));
	bump_destroy(other);
}

static void trim_members(void *ctx)
{
	bump_t *const bump = ctx;

	assert_int_equal(bump_trim(bump, 0), 0);
}

static void members_of_a_herd_and_callbacks_are_misuse(void **state)
{
	struct fixture *f = *state;
	herd_t *const herd = herd_new(NULL);
	bump_t *const member = herd_get(herd);

	test_misuse_begin();
	assert_int_equal(bump_trim(member, 0), 0);
	test_misuse_expect("bump_trim");
	assert_int_equal(bump_defer(f->bump, trim_members, f->bump), 0);
	assert_int_equal(bump_reset(f->bump), 0);
	test_misuse_expect("bump_trim");
	test_misuse_end();
	herd_put(herd, member);
	assert_int_equal(herd_destroy(herd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(after_a_reset_all_that_is_above_keep_goes_back),
		FIXTURE_TEST(allocations_and_marks_stay),
		FIXTURE_TEST(a_mark_s_empty_chunk_may_go),
		FIXTURE_TEST(an_open_reservation_stays_open),
		FIXTURE_TEST(the_callers_memory_stays),
		FIXTURE_TEST(it_makes_room_for_others_of_a_source),
		FIXTURE_TEST(members_of_a_herd_and_callbacks_are_misuse),
	};

	return cmocka_run_group_tests_name("trim", tests, NULL, NULL);
}
