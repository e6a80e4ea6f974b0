/* SPDX-License-Identifier: MIT */
/*
 * What address sanitizer sees: all of an arena but what is allocated is poisoned, whichever way it
 * was freed.
 */

#include "support.h"

#include <herd/herd.h>

void *__asan_region_is_poisoned(void *start, size_t size) __attribute__((weak));

/* Small ones, in one chunk; and large ones, which have chunks of their own. */
static const size_t sizes[] = {1, 13, 64, 1000, 200000};

enum { SIZES = sizeof sizes / sizeof sizes[0] };

static bump_t *make_arena(void)
{
	bump_t *const bump = bump_new(NULL);

	assert_non_null(bump);
	return bump;
}

static char *alloc(bump_t *bump, size_t size)
{
	char *const p = bump_alloc_aligned(bump, size, 1);

	assert_non_null(p);
	if (__asan_region_is_poisoned(p, size) != NULL)
		fail_msg("%zu bytes were allocated, and are poisoned", size);
	return p;
}

/* Each byte of them. */
static void expect_poisoned(char *p, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (__asan_region_is_poisoned(p + i, 1) == NULL)
			fail_msg("byte %zu of %zu that were freed is not poisoned", i, size);
	}
}

static void an_allocation_ends_with_a_red_zone(void **state)
{
	(void)state;
	bump_t *const bump = make_arena();

	for (size_t i = 0; i < SIZES; i++) {
		char *const p = alloc(bump, sizes[i]);

		(void)alloc(bump, 8);
		expect_poisoned(p + sizes[i], 8);
	}
	bump_destroy(bump);
}

static void what_is_not_allocated_yet_is_poisoned(void **state)
{
	(void)state;
	bump_t *const bump = make_arena();
	char *const p = alloc(bump, 8);

	expect_poisoned(p + 8, bump_capacity(bump));
	bump_destroy(bump);
}

static void what_is_cleared_is_poisoned(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZES; i++) {
		bump_t *const bump = bump_new(&(bump_config_t){.harden = BUMP_HARDEN_ZERO});

		assert_non_null(bump);
		char *const p = alloc(bump, sizes[i]);

		assert_int_equal(bump_reset(bump), 0);
		expect_poisoned(p, sizes[i]);
		bump_destroy(bump);
	}
}

static void what_a_reset_frees_is_poisoned(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZES; i++) {
		bump_t *const bump = make_arena();
		char *const p = alloc(bump, sizes[i]);

		assert_int_equal(bump_reset(bump), 0);
		expect_poisoned(p, sizes[i]);
		bump_destroy(bump);
	}
}

static void what_a_reset_of_the_callers_memory_frees_is_poisoned(void **state)
{
	(void)state;
	char memory[4096];
	bump_t *const bump = bump_new_in(memory, sizeof memory, NULL);
	char *const p = alloc(bump, 100);

	assert_int_equal(bump_reset(bump), 0);
	expect_poisoned(p, 100);
	bump_destroy(bump);
	assert_null(__asan_region_is_poisoned(memory, sizeof memory));
}

static void what_a_rewind_frees_is_poisoned(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZES; i++) {
		bump_t *const bump = make_arena();
		char *const before = alloc(bump, 100);
		const bump_mark_t mark = bump_mark(bump);
		char *const p = alloc(bump, sizes[i]);

		assert_int_equal(bump_rewind(bump, mark), 0);
		expect_poisoned(p, sizes[i]);
		assert_null(__asan_region_is_poisoned(before, 100));
		bump_destroy(bump);
	}
}

/* Chunks that a rewind gives up, and not just the end of one. */
static void what_a_rewind_over_many_chunks_frees_is_poisoned(void **state)
{
	enum { PIECES = 100, SIZE = 900 };
	char *pieces[PIECES];

	(void)state;
	bump_t *const bump = make_arena();
	const bump_mark_t mark = bump_mark(bump);

	for (size_t i = 0; i < PIECES; i++)
		pieces[i] = alloc(bump, SIZE);
	assert_int_equal(bump_rewind(bump, mark), 0);
	for (size_t i = 0; i < PIECES; i++)
		expect_poisoned(pieces[i], SIZE);
	bump_destroy(bump);
}

static void what_is_taken_back_is_poisoned(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZES; i++) {
		bump_t *const bump = make_arena();
		char *const p = alloc(bump, sizes[i]);

		assert_true(bump_free_last(bump, p, sizes[i]));
		expect_poisoned(p, sizes[i]);
		bump_destroy(bump);
	}
}

static void what_shrinks_is_poisoned_behind_its_new_end(void **state)
{
	(void)state;
	for (size_t i = 1; i < SIZES; i++) {
		bump_t *const bump = make_arena();
		char *const p = alloc(bump, sizes[i]);
		const size_t half = sizes[i] / 2;

		assert_ptr_equal(bump_realloc(bump, p, sizes[i], half, 1), p);
		assert_null(__asan_region_is_poisoned(p, half));
		expect_poisoned(p + half, sizes[i] - half);
		assert_true(bump_extend(bump, p, half, sizes[i]));
		assert_null(__asan_region_is_poisoned(p, sizes[i]));
		bump_destroy(bump);
	}
}

static void what_was_reserved_and_not_committed_is_poisoned(void **state)
{
	(void)state;
	bump_t *const bump = make_arena();
	size_t room;
	char *const p = bump_reserve(bump, 500, 1, &room);

	assert_non_null(p);
	assert_null(__asan_region_is_poisoned(p, room));
	bump_commit(bump, p, 100);
	assert_null(__asan_region_is_poisoned(p, 100));
	expect_poisoned(p + 100, room - 100);
	bump_destroy(bump);
}

static void what_a_discard_frees_is_poisoned(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZES; i++) {
		herd_t *const herd = herd_new(NULL);
		bump_t *const bump = herd_get(herd);
		char *const kept = alloc(bump, 100);

		herd_put(herd, bump);
		assert_ptr_equal(herd_get(herd), bump);
		char *const p = alloc(bump, sizes[i]);

		herd_discard(herd, bump);
		expect_poisoned(p, sizes[i]);
		assert_null(__asan_region_is_poisoned(kept, 100));
		assert_int_equal(herd_destroy(herd), 0);
	}
}

static void what_a_reset_of_a_herd_frees_is_poisoned(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZES; i++) {
		herd_t *const herd = herd_new(NULL);
		bump_t *const bump = herd_get(herd);
		char *const p = alloc(bump, sizes[i]);

		herd_put(herd, bump);
		assert_null(__asan_region_is_poisoned(p, sizes[i]));
		assert_int_equal(herd_reset(herd), 0);
		expect_poisoned(p, sizes[i]);
		assert_int_equal(herd_destroy(herd), 0);
	}
}

/* The red zone behind what it was before, too. */
static void growth_that_a_rewind_frees_is_poisoned(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZES; i++) {
		bump_t *const bump = make_arena();
		char *const p = alloc(bump, sizes[i]);

		if (i + 1 == SIZES)
			assert_true(bump_extend(bump, p, sizes[i], sizes[i] / 2));

		const size_t size = i + 1 == SIZES ? sizes[i] / 2 : sizes[i];
		const bump_mark_t mark = bump_mark(bump);

		assert_true(bump_extend(bump, p, size, 3 * size / 2 + 32));
		assert_null(__asan_region_is_poisoned(p, 3 * size / 2 + 32));
		assert_int_equal(bump_rewind(bump, mark), 0);
		assert_null(__asan_region_is_poisoned(p, size));
		/* What it was is known to 8 bytes. */
		expect_poisoned(p + (size + 7) / 8 * 8, size / 2 + 24);
		bump_destroy(bump);
	}
}

/* Where a chunk begins there is a red zone as well. */
static void what_lies_before_an_allocation_is_poisoned(void **state)
{
	(void)state;
	char memory[4096];

	for (size_t i = 0; i < SIZES; i++) {
		bump_t *const bump = make_arena();

		expect_poisoned(alloc(bump, sizes[i]) - 8, 8);
		expect_poisoned(alloc(bump, sizes[i]) - 8, 8);
		bump_destroy(bump);
	}

	bump_t *const bump = bump_new_in(memory, sizeof memory, NULL);

	expect_poisoned(alloc(bump, 10) - 8, 8);
	bump_destroy(bump);
	assert_null(__asan_region_is_poisoned(memory, sizeof memory));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_allocation_ends_with_a_red_zone),
		cmocka_unit_test(what_is_not_allocated_yet_is_poisoned),
		cmocka_unit_test(what_is_cleared_is_poisoned),
		cmocka_unit_test(what_a_reset_frees_is_poisoned),
		cmocka_unit_test(what_a_reset_of_the_callers_memory_frees_is_poisoned),
		cmocka_unit_test(what_a_rewind_frees_is_poisoned),
		cmocka_unit_test(what_a_rewind_over_many_chunks_frees_is_poisoned),
		cmocka_unit_test(what_is_taken_back_is_poisoned),
		cmocka_unit_test(growth_that_a_rewind_frees_is_poisoned),
		cmocka_unit_test(what_lies_before_an_allocation_is_poisoned),
		cmocka_unit_test(what_shrinks_is_poisoned_behind_its_new_end),
		cmocka_unit_test(what_was_reserved_and_not_committed_is_poisoned),
		cmocka_unit_test(what_a_discard_frees_is_poisoned),
		cmocka_unit_test(what_a_reset_of_a_herd_frees_is_poisoned),
	};

	return cmocka_run_group_tests_name("poison", tests, NULL, NULL);
}
