/* SPDX-License-Identifier: MIT */
/*
 * Growing, shrinking and taking back: realloc, extend, free_last, reserve and commit.
 */

#include "fixture.h"

/* The default arena with one chunk that has room for at least this much. */
#define ROOM ((size_t)65536)

static int setup(void **state)
{
	if (fixture_setup(state) != 0)
		return -1;

	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	config.first_chunk = ROOM;
	bump_destroy(f->bump);
	f->bump = bump_new(&config);
	return f->bump == NULL ? -1 : 0;
}

#define RESIZE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, fixture_teardown)

static char *filled(bump_t *bump, size_t size, uint32_t seed)
{
	char *const p = bump_alloc_aligned(bump, size, 1);

	assert_non_null(p);
	test_fill(p, size, seed);
	return p;
}

/* --- bump_realloc --- */

static void realloc_of_NULL_allocates(void **state)
{
	struct fixture *f = *state;

	for (size_t align = 1; align <= 4096; align *= 2) {
		char *const p = bump_realloc(f->bump, NULL, 0, 100, align);
		assert_non_null(p);
		assert_true(test_is_aligned(p, align));
		test_fill(p, 100, 1);
	}
}

static void the_newest_grows_without_moving(void **state)
{
	struct fixture *f = *state;
	char *const p = filled(f->bump, 1, 5);

	for (size_t size = 1; size < ROOM / 2; size += 1 + size / 16) {
		const size_t next = size + 1 + size / 16;
		assert_ptr_equal(bump_realloc(f->bump, p, size, next, 1), p);
		assert_true(test_verify(p, size, 5));
		test_fill(p, next, 5);
	}
}

static void the_newest_grows_into_all_the_room_there_is_and_no_further(void **state)
{
	struct fixture *f = *state;

	if (test_red_zones())
		skip();
	for (size_t size = 8; size <= 64; size += 8) {
		assert_int_equal(bump_reset(f->bump), 0);
		char *const p = filled(f->bump, size, 6);
		const size_t most = size + bump_capacity(f->bump);
		assert_ptr_equal(bump_realloc(f->bump, p, size, most, 1), p);
		assert_int_equal(bump_capacity(f->bump), 0);
		test_fill(p, most, 6);
		char *const moved = bump_realloc(f->bump, p, most, most + 1, 1);
		assert_ptr_not_equal(moved, p);
		assert_true(test_verify(moved, most, 6));
		assert_true(test_verify(p, most, 6));
	}
}

static void an_older_one_moves_and_its_bytes_stay(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 1; size < 200; size++) {
		char *const p = filled(f->bump, size, 7);
		char *const newer = filled(f->bump, 3, 8);
		char *const moved = bump_realloc(f->bump, p, size, size + 9, 1);
		assert_ptr_not_equal(moved, p);
		assert_true(test_verify(moved, size, 7));
		memset(moved, 0, size + 9);
		assert_true(test_verify(p, size, 7));
		assert_true(test_verify(newer, 3, 8));
	}
}

static void shrinking_never_moves(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 1; size < 100; size++)
		for (size_t less = 0; less <= size; less++) {
			char *const p = filled(f->bump, size, 9);
			char *const newer = less % 2 == 0 ? filled(f->bump, 5, 10) : NULL;
			for (size_t align = 1; align <= 4096; align *= 8)
				if (bump_realloc(f->bump, p, size, less, align) != p)
					fail_msg("%zu to %zu bytes, alignment %zu: moved", size,
						 less, align);
			assert_true(test_verify(p, less, 9));
			if (newer != NULL)
				assert_true(test_verify(newer, 5, 10));
		}
}

static void shrinking_the_newest_gives_the_tail_back(void **state)
{
	struct fixture *f = *state;

	for (size_t less = 1; less < 1000; less++) {
		const bump_mark_t mark = bump_mark(f->bump);
		char *const p = filled(f->bump, 1000, 11);
		const size_t used = fixture_stats(f->bump).used;
		const size_t capacity = bump_capacity(f->bump);
		assert_ptr_equal(bump_realloc(f->bump, p, 1000, less, 1), p);
		const size_t back = (1000 - less) / 8 * 8;
		if (!test_red_zones() && fixture_stats(f->bump).used != used - back)
			fail_msg("1000 to %zu: %zu bytes used, before %zu", less,
				 fixture_stats(f->bump).used, used);
		assert_true(bump_capacity(f->bump) >= capacity + back);
		char *const next = filled(f->bump, 1000 - less, 12);
		if (back >= 64)
			assert_true(next < p + 1000);
		assert_true(test_verify(p, less, 11));
		assert_int_equal(bump_rewind(f->bump, mark), 0);
	}
}

static void shrinking_an_older_one_gives_nothing_back(void **state)
{
	struct fixture *f = *state;
	char *const p = filled(f->bump, 500, 13);
	char *const newer = filled(f->bump, 50, 14);
	const struct fixture_state before = fixture_state(f);

	assert_ptr_equal(bump_realloc(f->bump, p, 500, 20, 1), p);
	fixture_expect_same(f, &before);
	filled(f->bump, 500, 15);
	assert_true(test_verify(p, 20, 13));
	assert_true(test_verify(newer, 50, 14));
}

static void the_same_size_changes_nothing(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 0; size < 100; size++) {
		char *const p = filled(f->bump, size, 16);
		const struct fixture_state before = fixture_state(f);
		assert_ptr_equal(bump_realloc(f->bump, p, size, size, 1), p);
		fixture_expect_same(f, &before);
	}
}

static void growth_to_a_larger_alignment_moves_where_it_must(void **state)
{
	struct fixture *f = *state;

	for (size_t align = 16; align <= 4096; align *= 2) {
		assert_non_null(bump_alloc_aligned(f->bump, 8, align));
		char *const p = filled(f->bump, 24, 17); /* 8 above a multiple of align, or more */
		const bool is_aligned = test_is_aligned(p, align);
		char *const grown = bump_realloc(f->bump, p, 24, 200, align);
		assert_true(test_is_aligned(grown, align));
		assert_true(test_verify(grown, 24, 17));
		if (is_aligned)
			assert_ptr_equal(grown, p);
		else
			assert_ptr_not_equal(grown, p);
	}
}

static void zero_counts_as_one_byte_when_resized(void **state)
{
	struct fixture *f = *state;
	/* Compilers count no byte there, but there is one: a size of 0 counts as 1. */
	char *const p = test_opaque(bump_alloc_aligned(f->bump, 0, 1));

	assert_ptr_equal(bump_realloc(f->bump, p, 0, 100, 1), p);
	test_fill(p, 100, 18);
	assert_ptr_equal(test_opaque(bump_realloc(f->bump, p, 100, 0, 1)), p);
	*p = 'x';
	assert_true(bump_extend(f->bump, p, 0, 0));
	assert_int_equal(*p, 'x');
	char *const next = bump_realloc(f->bump, NULL, 0, 0, 1);
	assert_non_null(next);
	assert_ptr_not_equal(next, p);
	assert_true(bump_free_last(f->bump, next, 0));
	assert_ptr_equal(bump_alloc_aligned(f->bump, 0, 1), next);
}

static void growth_that_is_refused_leaves_all_as_it_was(void **state)
{
	static const size_t sizes[] = {
		SIZE_MAX,	  SIZE_MAX - 1,	    SIZE_MAX - 7,
		SIZE_MAX - 8,	  SIZE_MAX - 4096,  SIZE_MAX / 2 + 1,
		SIZE_MAX / 2,	  SIZE_MAX / 2 - 7, SIZE_MAX / 2 - 48,
		SIZE_MAX / 4 + 1, SIZE_MAX / 4 * 3, SIZE_MAX >> (sizeof(size_t) > 4 ? 24 : 1)};
	struct fixture *f = *state;

	for (size_t newest = 0; newest < 2; newest++) {
		char *const p = filled(f->bump, 100, 19);
		if (newest == 0)
			filled(f->bump, 8, 20);
		const struct fixture_state before = fixture_state(f);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			for (size_t align = 1; align <= (size_t)1 << 20; align *= 2) {
				errno = 0;
				f->ooms = 0;
				fixture_expect_failure(
					f, bump_realloc(f->bump, p, 100, sizes[i], align), ENOMEM,
					sizes[i]);
				assert_false(bump_extend(f->bump, p, 100, sizes[i]));
				assert_int_equal(f->ooms, 0);
			}
		fixture_expect_same(f, &before);
		assert_true(test_verify(p, 100, 19));
	}
}

static void realloc_to_a_wrong_alignment_is_EINVAL(void **state)
{
	static const size_t wrong[] = {0, 3, 6, 12, 4097, SIZE_MAX};
	struct fixture *f = *state;
	char *const p = filled(f->bump, 100, 21);
	const struct fixture_state before = fixture_state(f);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		errno = 0;
		fixture_expect_failure(f, bump_realloc(f->bump, p, 100, 200, wrong[i]), EINVAL,
				       200);
		fixture_expect_failure(f, bump_realloc(f->bump, NULL, 0, 200, wrong[i]), EINVAL,
				       200);
	}
	fixture_expect_same(f, &before);
	assert_true(test_verify(p, 100, 21));
}

static void what_has_a_chunk_of_its_own_keeps_its_bytes_when_it_grows(void **state)
{
	struct fixture *f = *state;
	char *p = filled(f->bump, 3 << 20, 22);

	for (size_t size = (size_t)3 << 20; size < (size_t)6 << 20; size += 700001) {
		p = bump_realloc(f->bump, p, size, size + 700001, 1);
		assert_non_null(p);
		assert_true(test_verify(p, (size_t)3 << 20, 22));
		memset(p + (3 << 20), 0x55, size + 700001 - ((size_t)3 << 20));
	}
}

/* --- bump_extend --- */

static void extend_grows_the_newest_in_place(void **state)
{
	struct fixture *f = *state;
	char *const p = filled(f->bump, 10, 23);

	assert_true(bump_extend(f->bump, p, 10, 4000));
	assert_true(test_verify(p, 10, 23));
	test_fill(p, 4000, 24);
	char *const next = filled(f->bump, 100, 25);
	assert_true(next >= p + 4000);
	assert_true(test_verify(p, 4000, 24));
}

static void extend_says_no_where_it_would_have_to_move(void **state)
{
	struct fixture *f = *state;
	char *const older = filled(f->bump, 10, 26);
	char *const p = filled(f->bump, 10, 27);
	const struct fixture_state before = fixture_state(f);

	assert_false(bump_extend(f->bump, older, 10, 100));
	assert_false(bump_extend(f->bump, p, 10, 11 + bump_capacity(f->bump) + 8));
	fixture_expect_same(f, &before);
	assert_int_equal(f->ooms, 0);
}

static void extend_grows_into_exactly_the_room_there_is(void **state)
{
	struct fixture *f = *state;

	if (test_red_zones())
		skip();
	char *const p = filled(f->bump, 16, 28);
	const size_t most = 16 + bump_capacity(f->bump);

	assert_false(bump_extend(f->bump, p, 16, most + 1));
	assert_true(bump_extend(f->bump, p, 16, most));
	assert_int_equal(bump_capacity(f->bump), 0);
	test_fill(p, most, 28);
}

static void extend_shrinks_in_place(void **state)
{
	struct fixture *f = *state;
	char *const older = filled(f->bump, 100, 29);
	char *const p = filled(f->bump, 1000, 30);
	const size_t capacity = bump_capacity(f->bump);

	assert_true(bump_extend(f->bump, older, 100, 50));
	assert_true(bump_extend(f->bump, p, 1000, 40));
	assert_true(bump_capacity(f->bump) >= capacity + 960);
	assert_true(test_verify(older, 50, 29));
	assert_true(test_verify(p, 40, 30));
}

/* --- bump_free_last --- */

static void the_newest_is_taken_back(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 0; size < 200; size++) {
		const struct fixture_state before = fixture_state(f);
		char *const p = filled(f->bump, size, 31);
		assert_true(bump_owns(f->bump, p));
		if (!bump_free_last(f->bump, p, size))
			fail_msg("%zu bytes were not taken back", size);
		fixture_expect_same(f, &before);
		assert_false(bump_owns(f->bump, p));
		assert_ptr_equal(filled(f->bump, size, 32), p);
	}
}

static void an_older_one_is_not_taken_back(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 1; size < 100; size++) {
		char *const p = filled(f->bump, size, 33);
		char *const newer = filled(f->bump, size, 34);
		const struct fixture_state before = fixture_state(f);
		assert_false(bump_free_last(f->bump, p, size));
		fixture_expect_same(f, &before);
		assert_true(test_verify(p, size, 33));
		assert_true(test_verify(newer, size, 34));
	}
}

static void what_was_taken_back_is_not_taken_back_twice(void **state)
{
	struct fixture *f = *state;

	filled(f->bump, 24, 35);
	char *const p = filled(f->bump, 24, 36);
	assert_true(bump_free_last(f->bump, p, 24));
	const struct fixture_state before = fixture_state(f);
	assert_false(bump_free_last(f->bump, p, 24));
	fixture_expect_same(f, &before);
}

static void allocations_are_taken_back_in_reverse_order(void **state)
{
	struct fixture *f = *state;
	char *p[100];

	const struct fixture_state before = fixture_state(f);
	for (size_t i = 0; i < 60; i++)
		p[i] = filled(f->bump, i, (uint32_t)i);
	for (size_t i = 60; i-- > 0;) {
		assert_true(test_verify(p[i], i, (uint32_t)i));
		if (!bump_free_last(f->bump, p[i], i))
			fail_msg("number %zu was not taken back", i);
	}
	fixture_expect_same(f, &before);
}

static void what_grew_or_shrank_is_taken_back_with_its_new_size(void **state)
{
	struct fixture *f = *state;
	const struct fixture_state before = fixture_state(f);
	char *const p = filled(f->bump, 100, 37);

	assert_ptr_equal(bump_realloc(f->bump, p, 100, 700, 1), p);
	assert_ptr_equal(bump_realloc(f->bump, p, 700, 300, 1), p);
	assert_true(bump_free_last(f->bump, p, 300));
	fixture_expect_same(f, &before);
}

static void large_requests_are_taken_back_in_reverse_order(void **state)
{
	struct fixture *f = *state;
	const size_t size = (size_t)3 << 20;
	char *const small = filled(f->bump, 24, 49);
	char *const one = filled(f->bump, size, 50);
	char *const two = filled(f->bump, size, 51);

	assert_false(bump_free_last(f->bump, small, 24));
	assert_false(bump_free_last(f->bump, one, size));
	assert_true(bump_free_last(f->bump, two, size));
	assert_false(bump_free_last(f->bump, small, 24));
	assert_true(test_verify(one, size, 50));
	assert_true(bump_free_last(f->bump, one, size));
	assert_true(bump_free_last(f->bump, small, 24));
	assert_int_equal(fixture_stats(f->bump).used, 0);
}

static void what_is_older_than_a_large_request_is_not_the_newest_after_rewinding(void **state)
{
	struct fixture *f = *state;
	const size_t size = (size_t)3 << 20;
	char *const small = filled(f->bump, 24, 52);
	char *const one = filled(f->bump, size, 53);
	const bump_mark_t mark = bump_mark(f->bump);

	filled(f->bump, size, 54);
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	assert_false(bump_free_last(f->bump, small, 24));
	assert_true(test_verify(small, 24, 52));
	assert_true(test_verify(one, size, 53));
}

/* --- bump_reserve and bump_commit --- */

static void a_reservation_gives_room_and_allocates_nothing(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 0; size < 2000; size += 13) {
		const struct fixture_state before = fixture_state(f);
		size_t room = 0;
		char *const p = bump_reserve(f->bump, size, 1, &room);
		assert_non_null(p);
		if (room < size || room == 0)
			fail_msg("%zu bytes reserved, room for %zu", size, room);
		memset(p, 0x66, room);
		fixture_expect_same(f, &before);
		bump_commit(f->bump, p, 0);
		fixture_expect_same(f, &before);
		filled(f->bump, 8, 38);
	}
}

static void a_commit_allocates_what_was_used(void **state)
{
	struct fixture *f = *state;
	char *p[200];

	for (size_t used = 1; used < 200; used++) {
		size_t room;
		p[used] = bump_reserve(f->bump, 200, 1, &room);
		assert_non_null(p[used]);
		memset(p[used], 0xFF, room);
		test_fill(p[used], used, (uint32_t)used);
		bump_commit(f->bump, p[used], used);
		char *const next = filled(f->bump, 20, 39);
		assert_true(next < p[used] || next >= p[used] + used);
	}
	for (size_t used = 1; used < 200; used++)
		assert_true(test_verify(p[used], used, (uint32_t)used));
}

static void all_the_room_can_be_committed(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 1; size < 20000; size = size * 3 + 1) {
		size_t room;
		char *const p = bump_reserve(f->bump, size, 16, &room);
		assert_non_null(p);
		test_fill(p, room, 40);
		bump_commit(f->bump, p, room);
		filled(f->bump, 100, 41);
		assert_true(test_verify(p, room, 40));
	}
}

static void a_reservation_reaches_to_the_end_of_the_chunk(void **state)
{
	struct fixture *f = *state;
	size_t room;

	if (test_red_zones())
		skip();
	filled(f->bump, 24, 42);
	const size_t capacity = bump_capacity(f->bump);
	char *const p = bump_reserve(f->bump, 1, 1, &room);
	assert_int_equal(room, capacity);
	bump_commit(f->bump, p, room);
	assert_int_equal(bump_capacity(f->bump), 0);
}

static void a_reservation_is_aligned(void **state)
{
	struct fixture *f = *state;

	for (size_t align = 1; align <= 65536; align *= 2) {
		filled(f->bump, 3, 43);
		char *const p = bump_reserve(f->bump, 100, align, NULL);
		assert_non_null(p);
		assert_true(test_is_aligned(p, align));
		test_fill(p, 100, 44);
		bump_commit(f->bump, p, 50);
		filled(f->bump, 100, 45);
		assert_true(test_verify(p, 50, 44));
	}
}

static void a_second_reservation_replaces_the_first(void **state)
{
	struct fixture *f = *state;
	char *const first = bump_reserve(f->bump, 100, 1, NULL);
	char *const second = bump_reserve(f->bump, (size_t)1 << 20, 1, NULL);

	assert_non_null(first);
	assert_non_null(second);
	test_fill(second, (size_t)1 << 20, 46);
	bump_commit(f->bump, second, (size_t)1 << 20);
	filled(f->bump, 4000, 47);
	assert_true(test_verify(second, (size_t)1 << 20, 46));
}

static void what_was_committed_is_the_newest(void **state)
{
	struct fixture *f = *state;
	const struct fixture_state before = fixture_state(f);
	char *const p = bump_reserve(f->bump, 500, 1, NULL);

	assert_non_null(p);
	test_fill(p, 30, 48);
	bump_commit(f->bump, p, 30);
	assert_true(bump_extend(f->bump, p, 30, 300));
	assert_true(test_verify(p, 30, 48));
	assert_true(bump_free_last(f->bump, p, 300));
	fixture_expect_same(f, &before);
}

static void a_large_reservation_that_is_hardly_used_costs_little(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 50; i++) {
		char *const p = bump_reserve(f->bump, (size_t)1 << 20, 1, NULL);
		assert_non_null(p);
		p[0] = 'x';
		bump_commit(f->bump, p, 1);
	}
	if (fixture_stats(f->bump).used > 50 * 64)
		fail_msg("50 bytes were committed, %zu are used", fixture_stats(f->bump).used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RESIZE_TEST(realloc_of_NULL_allocates),
		RESIZE_TEST(the_newest_grows_without_moving),
		RESIZE_TEST(the_newest_grows_into_all_the_room_there_is_and_no_further),
		RESIZE_TEST(an_older_one_moves_and_its_bytes_stay),
		RESIZE_TEST(shrinking_never_moves),
		RESIZE_TEST(shrinking_the_newest_gives_the_tail_back),
		RESIZE_TEST(shrinking_an_older_one_gives_nothing_back),
		RESIZE_TEST(the_same_size_changes_nothing),
		RESIZE_TEST(growth_to_a_larger_alignment_moves_where_it_must),
		RESIZE_TEST(zero_counts_as_one_byte_when_resized),
		RESIZE_TEST(growth_that_is_refused_leaves_all_as_it_was),
		RESIZE_TEST(realloc_to_a_wrong_alignment_is_EINVAL),
		RESIZE_TEST(what_has_a_chunk_of_its_own_keeps_its_bytes_when_it_grows),
		RESIZE_TEST(extend_grows_the_newest_in_place),
		RESIZE_TEST(extend_says_no_where_it_would_have_to_move),
		RESIZE_TEST(extend_grows_into_exactly_the_room_there_is),
		RESIZE_TEST(extend_shrinks_in_place),
		RESIZE_TEST(the_newest_is_taken_back),
		RESIZE_TEST(an_older_one_is_not_taken_back),
		RESIZE_TEST(what_was_taken_back_is_not_taken_back_twice),
		RESIZE_TEST(allocations_are_taken_back_in_reverse_order),
		RESIZE_TEST(what_grew_or_shrank_is_taken_back_with_its_new_size),
		RESIZE_TEST(large_requests_are_taken_back_in_reverse_order),
		RESIZE_TEST(what_is_older_than_a_large_request_is_not_the_newest_after_rewinding),
		RESIZE_TEST(a_reservation_gives_room_and_allocates_nothing),
		RESIZE_TEST(a_commit_allocates_what_was_used),
		RESIZE_TEST(all_the_room_can_be_committed),
		RESIZE_TEST(a_reservation_reaches_to_the_end_of_the_chunk),
		RESIZE_TEST(a_reservation_is_aligned),
		RESIZE_TEST(a_second_reservation_replaces_the_first),
		RESIZE_TEST(what_was_committed_is_the_newest),
		RESIZE_TEST(a_large_reservation_that_is_hardly_used_costs_little),
	};

	return cmocka_run_group_tests_name("arena: growing, shrinking, taking back", tests, NULL,
					   NULL);
}
