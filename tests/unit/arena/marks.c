/* SPDX-License-Identifier: MIT */
/*
 * Marks, rewinding and scopes. What is misuse of them is in misuse.c.
 */

#include "fixture.h"

static char *filled(bump_t *bump, size_t size, uint32_t seed)
{
	char *const p = bump_alloc_aligned(bump, size, 1);

	assert_non_null(p);
	test_fill(p, size, seed);
	return p;
}

static void rewind_to(bump_t *bump, bump_mark_t mark)
{
	assert_int_equal(bump_rewind(bump, mark), 0);
}

/* --- bump_mark and bump_rewind --- */

static void rewinding_frees_what_came_after_and_nothing_else(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 1; size < 30000; size = size * 2 + 1) {
		char *const before = filled(f->bump, size, 1);
		const bump_mark_t mark = bump_mark(f->bump);
		const size_t used = fixture_stats(f->bump).used;
		char *const after = filled(f->bump, size, 2);
		rewind_to(f->bump, mark);
		assert_int_equal(fixture_stats(f->bump).used, used);
		assert_true(bump_owns(f->bump, before));
		assert_false(bump_owns(f->bump, after));
		assert_true(test_verify(before, size, 1));
	}
}

static void a_mark_stays_valid_after_rewinding(void **state)
{
	struct fixture *f = *state;
	char *const kept = filled(f->bump, 100, 3);
	const bump_mark_t mark = bump_mark(f->bump);
	const size_t used = fixture_stats(f->bump).used;

	for (size_t i = 0; i < 1000; i++) {
		filled(f->bump, i * 7 % 3000, 4);
		filled(f->bump, i * 13 % 300, 5);
		rewind_to(f->bump, mark);
		assert_int_equal(fixture_stats(f->bump).used, used);
	}
	assert_true(test_verify(kept, 100, 3));
}

static void rewinding_twice_in_a_row_is_allowed(void **state)
{
	struct fixture *f = *state;
	const bump_mark_t mark = bump_mark(f->bump);

	filled(f->bump, 10, 6);
	rewind_to(f->bump, mark);
	rewind_to(f->bump, mark);
	assert_int_equal(fixture_stats(f->bump).used, 0);
}

static void a_mark_of_an_arena_without_a_chunk_frees_everything(void **state)
{
	struct fixture *f = *state;
	const bump_mark_t mark = bump_mark(f->bump);

	for (int i = 0; i < 100; i++)
		filled(f->bump, 1000, 7);
	filled(f->bump, (size_t)5 << 20, 8);
	rewind_to(f->bump, mark);
	assert_int_equal(fixture_stats(f->bump).used, 0);
	rewind_to(f->bump, mark);
}

static void chunks_gained_since_are_kept_for_reuse(void **state)
{
	struct fixture *f = *state;

	filled(f->bump, 100, 9);
	const bump_mark_t mark = bump_mark(f->bump);
	for (int round = 0; round < 5; round++) {
		const size_t acquires = f->source.acquires;
		for (int i = 0; i < 500; i++)
			filled(f->bump, 1000, 10);
		rewind_to(f->bump, mark);
		if (round > 0)
			assert_int_equal(f->source.acquires, acquires);
		assert_int_equal(f->source.releases, 0);
	}
}

static void marks_nest(void **state)
{
	struct fixture *f = *state;
	bump_mark_t marks[50];
	size_t used[50];
	char *p[50];

	for (size_t i = 0; i < 50; i++) {
		marks[i] = bump_mark(f->bump);
		used[i] = fixture_stats(f->bump).used;
		p[i] = filled(f->bump, i * 97 + 1, (uint32_t)i);
	}
	for (size_t i = 50; i-- > 0;) {
		rewind_to(f->bump, marks[i]);
		assert_int_equal(fixture_stats(f->bump).used, used[i]);
		for (size_t j = 0; j < i; j++)
			assert_true(test_verify(p[j], j * 97 + 1, (uint32_t)j));
	}
}

static void an_outer_mark_skips_inner_ones(void **state)
{
	struct fixture *f = *state;
	char *const kept = filled(f->bump, 64, 11);
	const bump_mark_t outer = bump_mark(f->bump);
	const size_t used = fixture_stats(f->bump).used;

	for (int i = 0; i < 20; i++) {
		filled(f->bump, 3000, 12);
		(void)bump_mark(f->bump);
	}
	rewind_to(f->bump, outer);
	assert_int_equal(fixture_stats(f->bump).used, used);
	assert_true(test_verify(kept, 64, 11));
}

static void large_requests_stand_beside_the_chunk_and_are_freed_too(void **state)
{
	struct fixture *f = *state;
	char *const small = filled(f->bump, 50, 13);
	char *const large = filled(f->bump, (size_t)4 << 20, 14);
	const bump_mark_t mark = bump_mark(f->bump);
	const size_t used = fixture_stats(f->bump).used;

	for (int round = 0; round < 3; round++) {
		char *const one = filled(f->bump, (size_t)5 << 20, 15);
		char *const little = filled(f->bump, 10, 16);
		char *const two = filled(f->bump, (size_t)3 << 20, 17);
		rewind_to(f->bump, mark);
		assert_false(bump_owns(f->bump, one) || bump_owns(f->bump, two) ||
			     bump_owns(f->bump, little));
		assert_int_equal(fixture_stats(f->bump).used, used);
		assert_true(test_verify(small, 50, 13));
		assert_true(test_verify(large, (size_t)4 << 20, 14));
	}
}

static void a_mark_between_two_large_requests_keeps_the_first(void **state)
{
	struct fixture *f = *state;
	char *const one = filled(f->bump, (size_t)3 << 20, 18);
	const bump_mark_t mark = bump_mark(f->bump);
	char *const two = filled(f->bump, (size_t)3 << 20, 19);

	rewind_to(f->bump, mark);
	assert_true(bump_owns(f->bump, one));
	assert_false(bump_owns(f->bump, two));
	assert_true(test_verify(one, (size_t)3 << 20, 18));
}

static void a_large_request_taken_back_does_not_hide_the_next_one(void **state)
{
	struct fixture *f = *state;
	char *const one = filled(f->bump, (size_t)3 << 20, 20);
	const bump_mark_t mark = bump_mark(f->bump);

	(void)bump_free_last(f->bump, one, (size_t)3 << 20);
	char *const two = filled(f->bump, (size_t)4 << 20, 21);
	rewind_to(f->bump, mark);
	assert_false(bump_owns(f->bump, two));
}

static void a_mark_above_the_position_after_shrinking_is_fine(void **state)
{
	struct fixture *f = *state;

	for (size_t less = 1; less < 100; less += 7) {
		char *const p = filled(f->bump, 100, 22);
		const bump_mark_t mark = bump_mark(f->bump);
		assert_ptr_equal(bump_realloc(f->bump, p, 100, less, 1), p);
		rewind_to(f->bump, mark);
		assert_true(bump_owns(f->bump, p));
		assert_true(test_verify(p, less, 22));
		char *const next = filled(f->bump, 200, 23);
		assert_true(next >= p + less || next + 200 <= p);
		rewind_to(f->bump, mark);
		assert_true(test_verify(p, less, 22));
	}
}

static void a_mark_above_the_position_after_taking_back_is_fine(void **state)
{
	struct fixture *f = *state;
	char *const kept = filled(f->bump, 100, 24);
	char *const p = filled(f->bump, 100, 25);
	const bump_mark_t mark = bump_mark(f->bump);

	assert_true(bump_free_last(f->bump, p, 100));
	rewind_to(f->bump, mark);
	filled(f->bump, 500, 26);
	rewind_to(f->bump, mark);
	assert_true(bump_owns(f->bump, kept));
	assert_true(test_verify(kept, 100, 24));
}

static void growth_after_the_mark_is_lost(void **state)
{
	struct fixture *f = *state;

	if (test_red_zones())
		skip();
	for (size_t size = 8; size < 200; size += 8) {
		char *const p = filled(f->bump, size, 27);
		const bump_mark_t mark = bump_mark(f->bump);
		assert_true(bump_extend(f->bump, p, size, size + 500));
		rewind_to(f->bump, mark);
		assert_true(test_verify(p, size, 27));
		assert_ptr_equal(filled(f->bump, 8, 28), p + size);
		rewind_to(f->bump, mark);
	}
}

static void growth_after_the_mark_is_no_longer_owned(void **state)
{
	struct fixture *f = *state;
	char *const p = filled(f->bump, 64, 29);
	const bump_mark_t mark = bump_mark(f->bump);

	assert_true(bump_extend(f->bump, p, 64, 1000));
	assert_true(bump_owns(f->bump, p + 999));
	rewind_to(f->bump, mark);
	assert_false(bump_owns(f->bump, p + 999));
	assert_true(test_verify(p, 64, 29));
}

/* Those have chunks of their own. */
static void growth_of_a_large_allocation_after_the_mark_is_lost(void **state)
{
	struct fixture *f = *state;
	const size_t size = 300000;
	char *const p = filled(f->bump, size, 33);
	bump_stats_t before, now;

	assert_true(bump_extend(f->bump, p, size, size - 10000)); /* so that it has room */
	bump_stats(f->bump, &before);

	const bump_mark_t mark = bump_mark(f->bump);

	for (size_t i = 0; i < 3; i++) {
		assert_true(bump_extend(f->bump, p, size - 10000, size - 1000));
		assert_true(bump_owns(f->bump, p + size - 1001));
		rewind_to(f->bump, mark);
		assert_false(bump_owns(f->bump, p + size - 1001));
		assert_true(test_verify(p, size - 10000, 33));
		bump_stats(f->bump, &now);
		assert_int_equal(now.used, before.used);
	}
	/* Beside one that came after, and one that became smaller. */
	assert_true(bump_extend(f->bump, p, size - 10000, size - 1000));
	filled(f->bump, 2 * size, 34);
	rewind_to(f->bump, mark);
	bump_stats(f->bump, &now);
	assert_int_equal(now.used, before.used);
	assert_true(bump_extend(f->bump, p, size - 10000, size - 20000));
	rewind_to(f->bump, mark);
	bump_stats(f->bump, &now);
	assert_int_equal(now.used, before.used - 10000);
}

/* The one that was large when the mark was taken is gone, and another one has its place. */
static void a_mark_s_large_allocation_may_be_gone(void **state)
{
	struct fixture *f = *state;
	const size_t size = 300000;
	char *const first = filled(f->bump, size, 35);
	char *const second = filled(f->bump, size, 36);
	const bump_mark_t mark = bump_mark(f->bump);

	assert_true(bump_free_last(f->bump, second, size));
	assert_true(bump_extend(f->bump, first, size, size - 8000));
	filled(f->bump, size, 37);
	rewind_to(f->bump, mark);
	assert_true(bump_owns(f->bump, first + size - 8001));
	assert_false(bump_owns(f->bump, second));
	assert_true(test_verify(first, size - 8000, 35));
}

/* An empty chunk went under a limit, and so many marks came since that this one is not remembered. */
static void a_mark_s_chunk_may_be_gone(void **state)
{
	struct fixture *f = *state;
	char *const p = filled(f->bump, 100, 38);
	const bump_mark_t mark = bump_mark(f->bump);
	bump_mark_t inner[20];

	assert_true(bump_free_last(f->bump, p, 100));
	bump_set_limit(f->bump, 8192);
	filled(f->bump, 7000, 39); /* only without that chunk */
	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++)
		inner[i] = bump_mark(f->bump);
	rewind_to(f->bump, inner[0]);
	rewind_to(f->bump, mark);
	assert_int_equal(fixture_stats(f->bump).used, 0);
}

static void rewinding_ends_a_reservation(void **state)
{
	struct fixture *f = *state;
	char *const kept = filled(f->bump, 32, 30);
	const bump_mark_t mark = bump_mark(f->bump);

	for (size_t size = 1; size < 100000; size *= 3) {
		char *const p = bump_reserve(f->bump, size, 1, NULL);
		assert_non_null(p);
		memset(p, 0x12, size);
		rewind_to(f->bump, mark);
		filled(f->bump, 20, 31);
	}
	rewind_to(f->bump, mark);
	assert_true(test_verify(kept, 32, 30));
}

static void a_mark_taken_during_a_reservation_is_before_it(void **state)
{
	struct fixture *f = *state;

	filled(f->bump, 32, 32);
	char *const p = bump_reserve(f->bump, 100, 1, NULL);
	const bump_mark_t mark = bump_mark(f->bump);
	const size_t used = fixture_stats(f->bump).used;

	memset(p, 0x13, 100);
	bump_commit(f->bump, p, 100);
	assert_true(bump_owns(f->bump, p));
	rewind_to(f->bump, mark);
	assert_false(bump_owns(f->bump, p));
	assert_int_equal(fixture_stats(f->bump).used, used);
}

static void after_a_reset_new_marks_are_good(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 100; i++) {
		const bump_mark_t mark = bump_mark(f->bump);
		filled(f->bump, 5000, 33);
		rewind_to(f->bump, mark);
		filled(f->bump, 5000, 34);
		assert_int_equal(bump_reset(f->bump), 0);
	}
}

static void rewinding_works_in_the_callers_memory(void **state)
{
	struct fixture *f = *state;
	const bump_config_t config = fixture_config(f);
	static _Alignas(16) char memory[4096];

	fixture_close(f);
	f->bump = bump_new_in(memory, sizeof(memory), &config);
	assert_non_null(f->bump);
	const bump_mark_t mark = bump_mark(f->bump);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 50; i++)
			filled(f->bump, 500, 35);
		rewind_to(f->bump, mark);
		assert_int_equal(fixture_stats(f->bump).used, 0);
	}
	const char *const p = filled(f->bump, 8, 36);
	assert_true(p > memory && p < memory + sizeof(memory));
	fixture_close(f);
}

/* --- BUMP_SCOPE --- */

static size_t used_of(const bump_t *bump)
{
	return fixture_stats(bump).used;
}

static void a_scope_frees_at_its_closing_brace(void **state)
{
	struct fixture *f = *state;
	const size_t used = used_of(f->bump);

	{
		BUMP_SCOPE(f->bump);
		filled(f->bump, 5000, 37);
		assert_true(used_of(f->bump) >= used + 5000);
	}
	assert_int_equal(used_of(f->bump), used);
}

static void a_scope_frees_at_break_and_continue(void **state)
{
	struct fixture *f = *state;
	const size_t used = used_of(f->bump);

	for (int i = 0; i < 10; i++) {
		assert_int_equal(used_of(f->bump), used);
		BUMP_SCOPE(f->bump);
		filled(f->bump, 500, 38);
		if (i % 2 == 0)
			continue;
		filled(f->bump, 500, 39);
		if (i == 7)
			break;
	}
	assert_int_equal(used_of(f->bump), used);
}

/* Returns what it read in the arena's memory before the scope ended. */
static int returns_from_a_scope(bump_t *bump)
{
	BUMP_SCOPE(bump);
	int *const number = BUMP_NEW(bump, int);

	*number = 4711;
	return *number;
}

static void a_scope_frees_at_return(void **state)
{
	struct fixture *f = *state;
	const size_t used = used_of(f->bump);

	assert_int_equal(returns_from_a_scope(f->bump), 4711);
	assert_int_equal(used_of(f->bump), used);
}

static void a_scope_frees_at_goto(void **state)
{
	struct fixture *f = *state;
	const size_t used = used_of(f->bump);
	int rounds = 0;

again:
	assert_int_equal(used_of(f->bump), used);
	{
		BUMP_SCOPE(f->bump);
		filled(f->bump, 700, 40);
		if (rounds++ < 3)
			goto again;
	}
	assert_int_equal(used_of(f->bump), used);
}

static void scopes_nest_on_one_line(void **state)
{
	struct fixture *f = *state;
	bump_t *const b = f->bump;
	const size_t used = used_of(b);

	/* clang-format off */
	{ BUMP_SCOPE(b); filled(b, 9, 1); { BUMP_SCOPE(b); filled(b, 9, 2); } filled(b, 9, 3); }
	{ BUMP_SCOPE(b); BUMP_SCOPE(b); filled(b, 9, 4); }
	/* clang-format on */
	assert_int_equal(used_of(b), used);
}

static void scopes_of_two_arenas_do_not_meet(void **state)
{
	struct fixture *f = *state;
	bump_t *const other = bump_new(NULL);

	assert_non_null(other);
	{
		BUMP_SCOPE(f->bump);
		filled(f->bump, 100, 41);
		filled(other, 100, 42);
	}
	assert_int_equal(used_of(f->bump), 0);
	assert_true(used_of(other) >= 100);
	bump_destroy(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(rewinding_frees_what_came_after_and_nothing_else),
		FIXTURE_TEST(a_mark_stays_valid_after_rewinding),
		FIXTURE_TEST(rewinding_twice_in_a_row_is_allowed),
		FIXTURE_TEST(a_mark_of_an_arena_without_a_chunk_frees_everything),
		FIXTURE_TEST(chunks_gained_since_are_kept_for_reuse),
		FIXTURE_TEST(marks_nest),
		FIXTURE_TEST(an_outer_mark_skips_inner_ones),
		FIXTURE_TEST(large_requests_stand_beside_the_chunk_and_are_freed_too),
		FIXTURE_TEST(a_mark_between_two_large_requests_keeps_the_first),
		FIXTURE_TEST(a_large_request_taken_back_does_not_hide_the_next_one),
		FIXTURE_TEST(a_mark_above_the_position_after_shrinking_is_fine),
		FIXTURE_TEST(a_mark_above_the_position_after_taking_back_is_fine),
		FIXTURE_TEST(growth_after_the_mark_is_lost),
		FIXTURE_TEST(growth_after_the_mark_is_no_longer_owned),
		FIXTURE_TEST(growth_of_a_large_allocation_after_the_mark_is_lost),
		FIXTURE_TEST(a_mark_s_large_allocation_may_be_gone),
		FIXTURE_TEST(a_mark_s_chunk_may_be_gone),
		FIXTURE_TEST(rewinding_ends_a_reservation),
		FIXTURE_TEST(a_mark_taken_during_a_reservation_is_before_it),
		FIXTURE_TEST(after_a_reset_new_marks_are_good),
		FIXTURE_TEST(rewinding_works_in_the_callers_memory),
		FIXTURE_TEST(a_scope_frees_at_its_closing_brace),
		FIXTURE_TEST(a_scope_frees_at_break_and_continue),
		FIXTURE_TEST(a_scope_frees_at_return),
		FIXTURE_TEST(a_scope_frees_at_goto),
		FIXTURE_TEST(scopes_nest_on_one_line),
		FIXTURE_TEST(scopes_of_two_arenas_do_not_meet),
	};

	return cmocka_run_group_tests_name("arena: marks and scopes", tests, NULL, NULL);
}
