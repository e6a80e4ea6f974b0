/* SPDX-License-Identifier: MIT */
/*
 * Misuse of an arena: each is told to the handler, has no effect where the handler returns, and
 * ends the process by default. Broken sources are in sources.c, allocating in a deferred function
 * in defer.c.
 */

#include "fixture.h"

#include <herd/herd.h>

static int setup(void **state)
{
	test_misuse_begin();
	return fixture_setup(state);
}

static int teardown(void **state)
{
	test_misuse_end();
	return fixture_teardown(state);
}

#define MISUSE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static char *filled(bump_t *bump, size_t size, uint32_t seed)
{
	char *const p = bump_alloc_aligned(bump, size, 1);

	assert_non_null(p);
	test_fill(p, size, seed);
	return p;
}

/* Rewinding must be refused, told once, and change nothing. */
static void expect_void(struct fixture *f, bump_mark_t mark)
{
	const struct fixture_state before = fixture_state(f);

	assert_int_equal(bump_rewind(f->bump, mark), EINVAL);
	test_misuse_expect("bump_rewind");
	fixture_expect_same(f, &before);
	filled(f->bump, 24, 99);
}

/* --- marks --- */

static void rewinding_to_a_mark_of_another_arena(void **state)
{
	struct fixture *f = *state;
	bump_t *const other = bump_new(NULL);
	char *const p = filled(f->bump, 100, 1);

	assert_non_null(other);
	expect_void(f, bump_mark(other));
	assert_non_null(bump_alloc(other, 100));
	expect_void(f, bump_mark(other));
	bump_destroy(other);
	assert_true(test_verify(p, 100, 1));
}

static void rewinding_to_a_mark_of_a_time_before_a_reset(void **state)
{
	struct fixture *f = *state;
	const bump_mark_t empty = bump_mark(f->bump);

	filled(f->bump, 100, 2);
	const bump_mark_t later = bump_mark(f->bump);
	filled(f->bump, 10000, 2);
	const bump_mark_t last = bump_mark(f->bump);
	assert_int_equal(bump_reset(f->bump), 0);
	for (int round = 0; round < 3; round++) {
		expect_void(f, empty);
		expect_void(f, later);
		expect_void(f, last);
		char *const p = filled(f->bump, 30000, 3);
		expect_void(f, later);
		assert_true(test_verify(p, 30000, 3));
	}
}

static void rewinding_to_a_zeroed_mark(void **state)
{
	struct fixture *f = *state;
	bump_mark_t mark;

	memset(&mark, 0, sizeof(mark));
	expect_void(f, mark);
	filled(f->bump, 100, 4);
	expect_void(f, mark);
}

static void rewinding_to_an_inner_mark_after_its_outer_one(void **state)
{
	struct fixture *f = *state;

	filled(f->bump, 40, 5);
	for (size_t size = 8; size < 100000; size = size * 3 / 2) {
		const bump_mark_t outer = bump_mark(f->bump);
		filled(f->bump, size, 6);
		const bump_mark_t inner = bump_mark(f->bump);
		filled(f->bump, size, 7);
		assert_int_equal(bump_rewind(f->bump, outer), 0);
		const struct fixture_state before = fixture_state(f);
		assert_int_equal(bump_rewind(f->bump, inner), EINVAL);
		test_misuse_expect("bump_rewind");
		fixture_expect_same(f, &before);
		assert_int_equal(bump_rewind(f->bump, outer), 0);
		assert_int_equal(test_misuse_count(), 0);
	}
}

static void an_inner_mark_stays_void_while_the_arena_has_not_grown_past_it(void **state)
{
	struct fixture *f = *state;

	filled(f->bump, 40, 8);
	const bump_mark_t outer = bump_mark(f->bump);
	filled(f->bump, 1000, 9);
	const bump_mark_t inner = bump_mark(f->bump);
	assert_int_equal(bump_rewind(f->bump, outer), 0);
	for (size_t grown = 0; grown + 24 + 16 < 1000; grown += 40) {
		assert_int_equal(bump_rewind(f->bump, inner), EINVAL);
		test_misuse_expect("bump_rewind");
		filled(f->bump, 24, 10);
	}
}

static void an_inner_mark_in_a_later_chunk_is_void_after_its_outer_one(void **state)
{
	struct fixture *f = *state;

	filled(f->bump, 40, 11);
	for (int round = 0; round < 5; round++) {
		const bump_mark_t outer = bump_mark(f->bump);
		for (int i = 0; i < 100; i++)
			filled(f->bump, 1000, 12);
		const bump_mark_t inner = bump_mark(f->bump);
		assert_int_equal(bump_rewind(f->bump, outer), 0);
		expect_void(f, inner);
		for (int i = 0; i < 30; i++)
			filled(f->bump, 1000, 13);
		expect_void(f, inner);
		assert_int_equal(bump_rewind(f->bump, outer), 0);
	}
}

/* The case that corrupts memory: the arena has grown past the inner mark, into what lies at it. */
static void an_inner_mark_is_void_whatever_was_allocated_since(void **state)
{
	struct fixture *f = *state;

	filled(f->bump, 40, 39);
	for (size_t size = 1; size < 100000; size = size * 2 + 1) {
		const bump_mark_t outer = bump_mark(f->bump);
		filled(f->bump, 100, 40);
		const bump_mark_t inner = bump_mark(f->bump);
		filled(f->bump, 100, 41);
		assert_int_equal(bump_rewind(f->bump, outer), 0);
		char *const live = filled(f->bump, size, 42);
		const bump_mark_t after = bump_mark(f->bump);
		expect_void(f, inner);
		assert_int_equal(bump_rewind(f->bump, after), 0);
		expect_void(f, inner);
		assert_true(test_verify(live, size, 42));
		assert_int_equal(bump_rewind(f->bump, outer), 0);
	}
}

static void an_inner_mark_at_the_same_position_is_void_too(void **state)
{
	struct fixture *f = *state;
	const bump_mark_t outer = bump_mark(f->bump);
	const bump_mark_t inner = bump_mark(f->bump);

	assert_int_equal(bump_rewind(f->bump, outer), 0);
	expect_void(f, inner);
	assert_int_equal(bump_rewind(f->bump, outer), 0);
	filled(f->bump, 1000, 43);
	expect_void(f, inner);
}

/* Seven marks have been taken since it was: it is the eighth, counted from the innermost. */
static void the_eight_innermost_marks_are_known(void **state)
{
	struct fixture *f = *state;
	bump_mark_t inner[8];

	for (size_t depth = 0; depth < 40; depth++) {
		for (size_t i = 0; i < depth; i++) {
			(void)bump_mark(f->bump);
			filled(f->bump, 10, 44);
		}
		const bump_mark_t outer = bump_mark(f->bump);
		for (size_t i = 0; i < 8; i++) {
			filled(f->bump, 10, 45);
			inner[i] = bump_mark(f->bump);
		}
		assert_int_equal(bump_rewind(f->bump, outer), 0);
		for (size_t i = 0; i < 8; i++) { /* in the last round the outer one is too old */
			filled(f->bump, 1000, 46);
			const bump_mark_t later = bump_mark(f->bump);
			for (size_t j = 0; j < 8; j++)
				expect_void(f, inner[j]);
			assert_int_equal(bump_rewind(f->bump, later), 0);
		}
		assert_int_equal(bump_rewind(f->bump, outer), 0);
		assert_int_equal(bump_reset(f->bump), 0);
	}
}

/* What is void takes no room among those that are known, however often marks are taken and rewound. */
static void marks_that_are_void_are_not_among_the_eight(void **state)
{
	struct fixture *f = *state;

	filled(f->bump, 10, 43); /* what is void is so for no other reason: its chunk is there */
	const bump_mark_t outer = bump_mark(f->bump);
	filled(f->bump, 10, 44);
	const bump_mark_t inner = bump_mark(f->bump);
	assert_int_equal(bump_rewind(f->bump, outer), 0);
	filled(f->bump, 10, 45);
	const bump_mark_t middle = bump_mark(f->bump);
	for (size_t round = 0; round < 20; round++) {
		for (size_t i = 0; i < 5; i++) {
			filled(f->bump, 10, 46);
			(void)bump_mark(f->bump);
		}
		assert_int_equal(bump_rewind(f->bump, middle), 0);
		filled(f->bump, 100, 47);
		expect_void(f, inner);
	}
	assert_int_equal(bump_rewind(f->bump, outer), 0);
	expect_void(f, middle);
}

/* A loop that takes a mark in each round, and rewinds to some of them only. */
static void marks_that_are_never_rewound_void_none(void **state)
{
	struct fixture *f = *state;
	const bump_mark_t first = bump_mark(f->bump);
	bump_mark_t marks[100];

	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < 100; i++) {
			marks[i] = bump_mark(f->bump);
			filled(f->bump, 40, 47);
		}
		for (size_t i = 100; i-- > 0;) {
			if (i % 7 == round)
				assert_int_equal(bump_rewind(f->bump, marks[i]), 0);
		}
		assert_int_equal(bump_rewind(f->bump, first), 0);
	}
	assert_int_equal(test_misuse_count(), 0);
}

static void rewinding_in_the_right_order_is_no_misuse(void **state)
{
	struct fixture *f = *state;
	bump_mark_t marks[20];

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 20; i++) {
			marks[i] = bump_mark(f->bump);
			filled(f->bump, i * i * 11, 14);
		}
		for (size_t i = 20; i-- > 0;) {
			assert_int_equal(bump_rewind(f->bump, marks[i]), 0);
			filled(f->bump, i * 7, 15);
			assert_int_equal(bump_rewind(f->bump, marks[i]), 0);
		}
	}
	assert_int_equal(test_misuse_count(), 0);
}

static void shrinking_below_a_mark_is_no_misuse(void **state)
{
	struct fixture *f = *state;
	char *const p = filled(f->bump, 1000, 16);
	const bump_mark_t outer = bump_mark(f->bump);
	filled(f->bump, 100, 17);
	assert_int_equal(bump_rewind(f->bump, outer), 0);
	assert_ptr_equal(bump_realloc(f->bump, p, 1000, 10, 1), p);
	assert_int_equal(bump_rewind(f->bump, outer), 0);
	filled(f->bump, 100, 18);
	assert_int_equal(bump_rewind(f->bump, outer), 0);
	assert_int_equal(test_misuse_count(), 0);
}

static void shrinking_below_an_inner_mark_is_no_misuse(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < 5; round++) {
		const bump_mark_t outer = bump_mark(f->bump);
		char *const p = filled(f->bump, 1000, 19);
		const bump_mark_t inner = bump_mark(f->bump);
		assert_ptr_equal(bump_realloc(f->bump, p, 1000, 100, 1), p);
		assert_int_equal(bump_rewind(f->bump, inner), 0);
		filled(f->bump, 100, 20);
		assert_int_equal(bump_rewind(f->bump, inner), 0);
		assert_true(test_verify(p, 100, 19));
		assert_int_equal(bump_rewind(f->bump, outer), 0);
	}
	assert_int_equal(test_misuse_count(), 0);
}

/*
 * The outer mark lies above the inner one, because an allocation shrank between them; it stays
 * valid all the same.
 */
static void rewinding_an_inner_mark_does_not_void_its_outer_one(void **state)
{
	struct fixture *f = *state;

	for (size_t later = 8; later < 300; later += 8) {
		char *const p = filled(f->bump, 100, 38);
		const bump_mark_t outer = bump_mark(f->bump);
		assert_ptr_equal(bump_realloc(f->bump, p, 100, 48, 1), p);
		const bump_mark_t inner = bump_mark(f->bump);
		filled(f->bump, later, 39);
		assert_int_equal(bump_rewind(f->bump, inner), 0);
		if (bump_rewind(f->bump, outer) != 0)
			fail_msg("with %zu bytes rewound: %s", later, test_misuse_problem());
		assert_true(test_verify(p, 48, 38));
		assert_int_equal(bump_reset(f->bump), 0);
	}
	assert_int_equal(test_misuse_count(), 0);
}

/* Rewound from the inside out, after a time at which the outermost was rewound already. */
static void inner_marks_are_void_after_the_marks_around_them_one_after_the_other(void **state)
{
	struct fixture *f = *state;

	const bump_mark_t outer = bump_mark(f->bump);
	assert_non_null(bump_alloc(f->bump, 64));
	(void)bump_mark(f->bump);
	assert_int_equal(bump_rewind(f->bump, outer), 0);
	assert_non_null(bump_alloc(f->bump, 64));
	const bump_mark_t middle = bump_mark(f->bump);
	assert_non_null(bump_alloc(f->bump, 64));
	const bump_mark_t inner = bump_mark(f->bump);
	(void)bump_mark(f->bump);
	assert_int_equal(bump_rewind(f->bump, inner), 0);
	assert_int_equal(bump_rewind(f->bump, middle), 0);
	expect_void(f, inner);
	assert_int_equal(bump_rewind(f->bump, outer), 0);
	expect_void(f, middle);
}

static void a_mark_of_an_arena_that_lived_at_the_same_address(void **state)
{
	struct fixture *f = *state;
	const bump_config_t config = fixture_config(f);
	static _Alignas(16) char memory[4096];

	fixture_close(f);
	f->bump = bump_new_in(memory, sizeof(memory), &config);
	filled(f->bump, 100, 21);
	const bump_mark_t mark = bump_mark(f->bump);
	bump_t *const former = f->bump;
	fixture_close(f);
	f->bump = bump_new_in(memory, sizeof(memory), &config);
	assert_ptr_equal(f->bump, former);
	filled(f->bump, 100, 22);
	filled(f->bump, 100, 23);
	expect_void(f, mark);
	fixture_close(f);
}

/* --- reservations --- */

static void expect_no_commit(struct fixture *f, void *start, size_t used, const char *what)
{
	const struct fixture_state before = fixture_state(f);

	bump_commit(f->bump, start, used);
	if (test_misuse_count() != 1)
		fail_msg("commit %s: misuse was told %zu times", what, test_misuse_count());
	test_misuse_expect("bump_commit");
	fixture_expect_same(f, &before);
}

static void committing_what_is_no_reservation(void **state)
{
	struct fixture *f = *state;
	char elsewhere[8];

	expect_no_commit(f, elsewhere, 1, "before any chunk");
	expect_no_commit(f, NULL, 1, "of NULL");
	char *const p = filled(f->bump, 24, 24);
	expect_no_commit(f, p, 8, "of an allocation");
	expect_no_commit(f, p + 24, 8, "of the tail without a reservation");
	char *const r = bump_reserve(f->bump, 100, 1, NULL);
	expect_no_commit(f, elsewhere, 1, "of memory elsewhere");
	expect_no_commit(f, r + 8, 8, "of the middle of a reservation");
	expect_no_commit(f, r - 8, 8, "of what is in front of a reservation");
	bump_commit(f->bump, r, 100);
	assert_int_equal(test_misuse_count(), 0);
	expect_no_commit(f, r, 100, "for a second time");
}

static void committing_more_than_there_was_room_for(void **state)
{
	struct fixture *f = *state;
	size_t room;
	char *const r = bump_reserve(f->bump, 100, 1, &room);

	expect_no_commit(f, r, room + 1, "of one byte too much");
	expect_no_commit(f, r, room + 64, "of 64 bytes too much");
	expect_no_commit(f, r, SIZE_MAX, "of SIZE_MAX");
	expect_no_commit(f, r, SIZE_MAX - 7, "of SIZE_MAX - 7");
	bump_commit(f->bump, r, room);
	assert_int_equal(test_misuse_count(), 0);
}

static void committing_nothing_ends_a_reservation(void **state)
{
	struct fixture *f = *state;
	char *const r = bump_reserve(f->bump, 100, 1, NULL);

	bump_commit(f->bump, r, 0);
	assert_int_equal(test_misuse_count(), 0);
	expect_no_commit(f, r, 100, "after a commit of 0");
}

static void committing_after_an_allocation(void **state)
{
	struct fixture *f = *state;

	for (size_t align = 1; align <= 256; align *= 2) {
		char *const r = bump_reserve(f->bump, 100, align, NULL);
		char *const p = filled(f->bump, 24, 25);
		expect_no_commit(f, r, 100, "after an allocation");
		assert_true(test_verify(p, 24, 25));
	}
}

static void committing_after_a_large_allocation(void **state)
{
	struct fixture *f = *state;

	filled(f->bump, 24, 26);
	char *const r = bump_reserve(f->bump, 100, 1, NULL);
	filled(f->bump, (size_t)3 << 20, 27);
	expect_no_commit(f, r, 100, "after a large allocation");
}

static void committing_after_a_reset(void **state)
{
	struct fixture *f = *state;
	const bump_config_t config = fixture_config(f);
	static char memory[4096];

	char *r = bump_reserve(f->bump, 100, 1, NULL);
	assert_int_equal(bump_reset(f->bump), 0);
	expect_no_commit(f, r, 100, "after a reset");

	fixture_close(f);
	f->bump = bump_new_in(memory, sizeof(memory), &config);
	filled(f->bump, 24, 28);
	r = bump_reserve(f->bump, 100, 1, NULL);
	assert_int_equal(bump_reset(f->bump), 0);
	expect_no_commit(f, r, 100, "after a reset of the caller's memory");
	fixture_close(f);
}

static void committing_after_rewinding(void **state)
{
	struct fixture *f = *state;

	filled(f->bump, 24, 29);
	const bump_mark_t mark = bump_mark(f->bump);
	filled(f->bump, 24, 30);
	char *const r = bump_reserve(f->bump, 100, 1, NULL);
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	expect_no_commit(f, r, 100, "after rewinding");
}

static void committing_after_rewinding_freed_a_large_request(void **state)
{
	struct fixture *f = *state;

	filled(f->bump, 24, 40);
	const bump_mark_t mark = bump_mark(f->bump);
	filled(f->bump, (size_t)3 << 20,
	       41); /* stands beside the chunk: the position does not move */
	char *const r = bump_reserve(f->bump, 100, 1, NULL);
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	expect_no_commit(f, r, 100, "after rewinding freed a large request");
}

static void committing_after_taking_back(void **state)
{
	struct fixture *f = *state;
	char *const p = filled(f->bump, 24, 31);
	char *const r = bump_reserve(f->bump, 100, 1, NULL);

	assert_true(bump_free_last(f->bump, p, 24));
	expect_no_commit(f, r, 100, "after bump_free_last");
}

static void committing_after_shrinking(void **state)
{
	struct fixture *f = *state;
	char *const p = filled(f->bump, 240, 32);
	char *const r = bump_reserve(f->bump, 100, 1, NULL);

	assert_ptr_equal(bump_realloc(f->bump, p, 240, 24, 1), p);
	expect_no_commit(f, r, 100, "after shrinking");
}

static void committing_an_earlier_reservation(void **state)
{
	struct fixture *f = *state;
	char *const first = bump_reserve(f->bump, 100, 1, NULL);
	char *const second = bump_reserve(f->bump, (size_t)1 << 20, 1, NULL);

	assert_ptr_not_equal(first, second);
	expect_no_commit(f, first, 100, "of an earlier reservation");
	bump_commit(f->bump, second, 100);
	assert_int_equal(test_misuse_count(), 0);
}

/* --- members of a herd --- */

static void resetting_or_destroying_a_member_of_a_herd(void **state)
{
	(void)state;
	herd_t *const herd = herd_new(NULL);
	bump_t *const member = herd_get(herd);
	char *const p = filled(member, 100, 33);

	assert_int_equal(bump_reset(member), EINVAL);
	test_misuse_expect("bump_reset");
	bump_destroy(test_opaque(member));
	test_misuse_expect("bump_destroy");
	assert_true(bump_owns(member, p));
	assert_true(test_verify(p, 100, 33));
	herd_put(herd, member);
	assert_int_equal(herd_destroy(herd), 0);
	assert_int_equal(test_misuse_count(), 0);
}

/* --- the handler --- */

static void first_handler(const char *function, const char *problem)
{
	(void)function;
	(void)problem;
}

static void second_handler(const char *function, const char *problem)
{
	(void)function;
	(void)problem;
}

static void herd_on_misuse_returns_the_former_handler(void **state)
{
	(void)state;
	herd_misuse_fn *const ours = herd_on_misuse(first_handler);

	assert_ptr_equal(herd_on_misuse(second_handler), first_handler);
	assert_ptr_equal(herd_on_misuse(NULL), second_handler);
	herd_misuse_fn *const by_default = herd_on_misuse(first_handler);
	assert_non_null(by_default);
	assert_ptr_not_equal(by_default, first_handler);
	assert_ptr_equal(herd_on_misuse(by_default), first_handler);
	assert_ptr_equal(herd_on_misuse(ours), by_default);
}

static jmp_buf escape;

static void escaping_handler(const char *function, const char *problem)
{
	(void)function;
	(void)problem;
	longjmp(escape, 1);
}

/* Run fn with a handler that jumps out of it; the arena must be as it was, and usable. */
static void expect_usable_after_escape(struct fixture *f, void (*fn)(struct fixture *f))
{
	char *const p = filled(f->bump, 100, 34);
	const struct fixture_state before = fixture_state(f);
	herd_misuse_fn *const ours = herd_on_misuse(escaping_handler);
	volatile bool returned = false;

	if (setjmp(escape) == 0) {
		fn(f);
		returned = true;
	}
	herd_on_misuse(ours);
	assert_false(returned);
	fixture_expect_same(f, &before);
	assert_true(test_verify(p, 100, 34));
	const bump_mark_t mark = bump_mark(f->bump);
	filled(f->bump, 100000, 35);
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	assert_true(bump_free_last(f->bump, p, 100));
}

static bump_mark_t stale_mark;

static void rewind_to_a_stale_mark(struct fixture *f)
{
	bump_rewind(f->bump, stale_mark);
}

static void commit_nothing_reserved(struct fixture *f)
{
	bump_commit(f->bump, f, 1);
}

static void ask_a_broken_source(struct fixture *f)
{
	f->source.give_less = 1;
	test_ignore(bump_alloc(f->bump, 100000));
}

static void longjmp_out_of_the_handler_leaves_the_arena_usable(void **state)
{
	struct fixture *f = *state;

	stale_mark = bump_mark(f->bump);
	assert_int_equal(bump_reset(f->bump), 0);
	expect_usable_after_escape(f, rewind_to_a_stale_mark);
	expect_usable_after_escape(f, commit_nothing_reserved);
}

static void longjmp_out_of_the_handler_of_a_broken_source(void **state)
{
	struct fixture *f = *state;
	char *const p = filled(f->bump, 100, 36);
	const struct fixture_state before = fixture_state(f);
	herd_misuse_fn *const ours = herd_on_misuse(escaping_handler);
	volatile bool returned = false;

	if (setjmp(escape) == 0) {
		ask_a_broken_source(f);
		returned = true;
	}
	herd_on_misuse(ours);
	assert_false(returned);
	f->source.give_less = 0;
	fixture_expect_same(f, &before);
	assert_true(test_verify(p, 100, 36));
	filled(f->bump, 100000, 37);
}

/* --- by default it ends the process --- */

static void abort_by_mark(void *arg)
{
	rewind_to_a_stale_mark(arg);
}

static void abort_by_commit(void *arg)
{
	commit_nothing_reserved(arg);
}

static void allocate(void *arg)
{
	test_ignore(bump_alloc(arg, 8));
}

static void abort_by_allocating_in_a_deferred_function(void *arg)
{
	const struct fixture *f = arg;

	bump_defer(f->bump, allocate, f->bump);
	bump_reset(f->bump);
}

static void abort_by_reset_of_a_member(void *arg)
{
	(void)arg;
	bump_reset(herd_get(herd_new(NULL)));
}

static void abort_by_destroy_of_a_member(void *arg)
{
	(void)arg;
	bump_destroy(herd_get(herd_new(NULL)));
}

static void the_default_handler_writes_one_line_and_aborts(void **state)
{
	struct fixture *f = *state;

	stale_mark = bump_mark(f->bump);
	assert_int_equal(bump_reset(f->bump), 0);
	test_misuse_aborts(abort_by_mark, f, "bump_rewind");
	test_misuse_aborts(abort_by_commit, f, "bump_commit");
	test_misuse_aborts(abort_by_allocating_in_a_deferred_function, f, "bump_alloc");
	test_misuse_aborts(abort_by_reset_of_a_member, f, "bump_reset");
	test_misuse_aborts(abort_by_destroy_of_a_member, f, "bump_destroy");
}

static void herd_version_is_the_version_of_the_header(void **state)
{
	char expected[64];

	(void)state;
	snprintf(expected, sizeof(expected), "%d.%d.%d", HERD_VERSION_MAJOR, HERD_VERSION_MINOR,
		 HERD_VERSION_PATCH);
	assert_string_equal(herd_version(), expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MISUSE_TEST(rewinding_to_a_mark_of_another_arena),
		MISUSE_TEST(rewinding_to_a_mark_of_a_time_before_a_reset),
		MISUSE_TEST(rewinding_to_a_zeroed_mark),
		MISUSE_TEST(rewinding_to_an_inner_mark_after_its_outer_one),
		MISUSE_TEST(an_inner_mark_stays_void_while_the_arena_has_not_grown_past_it),
		MISUSE_TEST(an_inner_mark_in_a_later_chunk_is_void_after_its_outer_one),
		MISUSE_TEST(an_inner_mark_is_void_whatever_was_allocated_since),
		MISUSE_TEST(an_inner_mark_at_the_same_position_is_void_too),
		MISUSE_TEST(the_eight_innermost_marks_are_known),
		MISUSE_TEST(marks_that_are_void_are_not_among_the_eight),
		MISUSE_TEST(marks_that_are_never_rewound_void_none),
		MISUSE_TEST(rewinding_in_the_right_order_is_no_misuse),
		MISUSE_TEST(shrinking_below_a_mark_is_no_misuse),
		MISUSE_TEST(shrinking_below_an_inner_mark_is_no_misuse),
		MISUSE_TEST(rewinding_an_inner_mark_does_not_void_its_outer_one),
		MISUSE_TEST(inner_marks_are_void_after_the_marks_around_them_one_after_the_other),
		MISUSE_TEST(a_mark_of_an_arena_that_lived_at_the_same_address),
		MISUSE_TEST(committing_what_is_no_reservation),
		MISUSE_TEST(committing_more_than_there_was_room_for),
		MISUSE_TEST(committing_nothing_ends_a_reservation),
		MISUSE_TEST(committing_after_an_allocation),
		MISUSE_TEST(committing_after_a_large_allocation),
		MISUSE_TEST(committing_after_a_reset),
		MISUSE_TEST(committing_after_rewinding),
		MISUSE_TEST(committing_after_rewinding_freed_a_large_request),
		MISUSE_TEST(committing_after_taking_back),
		MISUSE_TEST(committing_after_shrinking),
		MISUSE_TEST(committing_an_earlier_reservation),
		MISUSE_TEST(resetting_or_destroying_a_member_of_a_herd),
		MISUSE_TEST(herd_on_misuse_returns_the_former_handler),
		MISUSE_TEST(longjmp_out_of_the_handler_leaves_the_arena_usable),
		MISUSE_TEST(longjmp_out_of_the_handler_of_a_broken_source),
		MISUSE_TEST(the_default_handler_writes_one_line_and_aborts),
		MISUSE_TEST(herd_version_is_the_version_of_the_header),
	};

	return cmocka_run_group_tests_name("arena: misuse", tests, NULL, NULL);
}
