/* SPDX-License-Identifier: MIT */
/*
 * Growable arrays: what is in them, how they grow, what they cost, how they end.
 */

#include "builders.h"

struct large {
	unsigned char bytes[1001];
};
typedef BUMP_VEC(struct large) larges_t;

struct page {
	_Alignas(4096) unsigned char bytes[4096];
};
typedef BUMP_VEC(struct page) pages_t;

/* --- elements --- */

static void an_array_without_elements_has_no_memory(void **state)
{
	struct fixture *f = *state;
	const struct fixture_state before = fixture_state(f);
	ints_t v = empty_ints(f->bump);

	assert_null(v.data);
	assert_int_equal(v.len, 0);
	assert_int_equal(v.cap, 0);
	assert_ptr_equal(v.bump, f->bump);
	assert_int_equal(bump_vec_reserve(&v, 0), 0);
	assert_int_equal(bump_vec_append(&v, NULL, 0), 0);
	assert_null(v.data);
	fixture_expect_same(f, &before);
}

static void what_is_pushed_is_there_in_its_order(void **state)
{
	struct fixture *f = *state;
	const size_t n = TEST_SCALE(100000);
	triples_t v;

	bump_vec_init(&v, f->bump);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(bump_vec_push(&v, triple(i)), 0);
		assert_int_equal(v.len, i + 1);
		assert_true(v.len <= v.cap);
	}
	for (size_t i = 0; i < n; i++)
		if (!is_triple(v.data[i], i))
			fail_msg("element %zu has changed", i);
}

/* Elements of any size; `kind` is a type of array, whose elements are or begin with bytes. */
#define FILL_ARRAY(f, kind, n)                                                                     \
	do {                                                                                       \
		kind v;                                                                            \
		static __typeof__(*v.data) element;                                                \
		bump_vec_init(&v, (f)->bump);                                                      \
		for (size_t i = 0; i < (n); i++) {                                                 \
			test_fill(&element, sizeof(element), (uint32_t)i);                         \
			assert_int_equal(bump_vec_push(&v, element), 0);                           \
			assert_true(test_is_aligned(v.data, _Alignof(__typeof__(element))));       \
			if (i % 7 == 0)                                                            \
				assert_non_null(bump_alloc_aligned((f)->bump, i + 1, 1));          \
		}                                                                                  \
		for (size_t i = 0; i < (n); i++)                                                   \
			assert_true(test_verify(&v.data[i], sizeof(element), (uint32_t)i));        \
	} while (0)

static void elements_may_have_any_size(void **state)
{
	struct fixture *f = *state;

	FILL_ARRAY(f, chars_t, TEST_SCALE(20000));
	FILL_ARRAY(f, triples_t, TEST_SCALE(20000));
	FILL_ARRAY(f, larges_t, TEST_SCALE(1000));
}

static void elements_are_aligned_as_their_type_asks_for(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	FILL_ARRAY(f, lines_t, 500);
	FILL_ARRAY(f, pages_t, 50);
	config.min_align = 256;
	fixture_remake(f, &config);
	for (size_t i = 0; i < 50; i++) {
		ints_t v = empty_ints(f->bump);
		push_ints(&v, i * 10 + 1);
		assert_true(test_is_aligned(v.data, 256));
		expect_ints(&v, i * 10 + 1);
	}
}

static void append_copies_a_number_of_elements(void **state)
{
	struct fixture *f = *state;
	int items[100];
	ints_t v = empty_ints(f->bump);
	size_t total = 0;

	for (size_t n = 0; n < 100; n++) {
		for (size_t i = 0; i < n; i++)
			items[i] = (int)(total + i);
		assert_int_equal(bump_vec_append(&v, items, n), 0);
		total += n;
		expect_ints(&v, total);
	}
}

static void an_array_can_be_appended_to_itself(void **state)
{
	struct fixture *f = *state;
	size_t moves = 0;
	ints_t v = empty_ints(f->bump);

	push_ints(&v, 3);
	for (size_t n = 3; n < 20000; n *= 2) {
		const int *const old = v.data;
		if (n % 4 == 0)
			assert_non_null(bump_alloc(f->bump, 1));
		assert_int_equal(bump_vec_append(&v, v.data, v.len), 0);
		moves += v.data != old;
		assert_int_equal(v.len, n * 2);
		for (size_t i = 0; i < v.len; i++)
			assert_int_equal(v.data[i], i % 3);
	}
	assert_true(moves > 5);
}

static void an_element_can_be_pushed_again(void **state)
{
	struct fixture *f = *state;
	triples_t v;

	bump_vec_init(&v, f->bump);
	assert_int_equal(bump_vec_push(&v, triple(42)), 0);
	for (size_t i = 0; i < 3000; i++) {
		if (v.len == v.cap)
			assert_non_null(bump_alloc(f->bump, 1)); /* it moves now */
		assert_int_equal(bump_vec_push(&v, v.data[i]), 0);
		assert_true(is_triple(v.data[i + 1], 42));
	}
}

static void pop_yields_the_last_element(void **state)
{
	struct fixture *f = *state;
	ints_t v = empty_ints(f->bump);

	push_ints(&v, 1000);
	const ints_t before = v;
	for (int i = 999; i >= 0; i--) {
		assert_int_equal(bump_vec_pop(&v), i);
		assert_int_equal(v.len, i);
	}
	assert_ptr_equal(v.data, before.data);
	assert_int_equal(v.cap, before.cap);
}

static void len_may_be_lowered_and_raised_to_cap(void **state)
{
	struct fixture *f = *state;
	ints_t v = empty_ints(f->bump);

	push_ints(&v, 500);
	v.len = 100;
	push_ints(&v, 100);
	expect_ints(&v, 200);
	assert_int_equal(bump_vec_reserve(&v, 1000), 0);
	for (; v.len < v.cap; v.len++)
		v.data[v.len] = (int)v.len;
	push_ints(&v, 1);
	expect_ints(&v, v.len);
	v.len = 0;
	push_ints(&v, 700);
	expect_ints(&v, 700);
}

static int calls;

static ints_t *called(ints_t *v)
{
	calls++;
	return v;
}

static void arguments_may_use_the_same_array(void **state)
{
	struct fixture *f = *state;
	ints_t v = empty_ints(f->bump);

	push_ints(&v, 10);
	assert_int_equal(bump_vec_push(&v, bump_vec_pop(&v)), 0);
	expect_ints(&v, 10);
	/* 9 and 8 are popped, and their sum is pushed. */
	assert_int_equal(bump_vec_push(&v, bump_vec_pop(&v) + bump_vec_pop(&v)), 0);
	assert_int_equal(v.len, 9);
	assert_int_equal(v.data[8], 17);
	/* The inner push comes first, and yields 0. */
	calls = 0;
	assert_int_equal(bump_vec_push(called(&v), bump_vec_push(called(&v), 5)), 0);
	assert_int_equal(calls, 2);
	assert_int_equal(v.len, 11);
	assert_int_equal(v.data[9], 5);
	assert_int_equal(v.data[10], 0);
	/* They are done before the call looks at the array, which each time moves here. */
	for (size_t i = 0; i < 100; i++) {
		const size_t len = v.len;
		const int items[] = {1, 2};
		assert_non_null(bump_alloc(f->bump, 1));
		assert_int_equal(bump_vec_reserve(&v, (size_t)bump_vec_append(&v, items, 2) + 50),
				 0);
		assert_true(v.cap - v.len >= 50);
		assert_int_equal(bump_vec_append(&v, items, 2 + (size_t)bump_vec_push(&v, 0)), 0);
		assert_int_equal(v.len, len + 5);
		assert_int_equal(v.data[len + 4], 2);
	}
}

/* --- growth --- */

static void the_newest_array_grows_in_place_over_all_the_chunk(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	config.first_chunk = 65536;
	for (size_t offset = 0; offset < 256; offset += 8) {
		fixture_remake(f, &config);
		assert_non_null(bump_alloc_aligned(f->bump, offset, 1));
		chars_t v;
		bump_vec_init(&v, f->bump);
		assert_int_equal(bump_vec_push(&v, 'x'), 0);
		const char *const data = v.data;
		while (v.data == data)
			assert_int_equal(bump_vec_push(&v, 'x'), 0);
		const size_t filled = v.len - 1;
		if (filled + offset + 100 < 65536)
			fail_msg("it moved after %zu bytes", filled);
		assert_int_equal(f->source.chunks_live, 2);
		assert_true(test_all_bytes(v.data, v.len, 'x'));
	}
}

static void an_array_that_moves_at_least_doubles(void **state)
{
	struct fixture *f = *state;
	const size_t n = TEST_SCALE(200000);
	size_t moves = 0;
	size_t moved = 0;
	ints_t v = empty_ints(f->bump);

	for (size_t i = 0; i < n; i++) {
		const ints_t before = v;
		assert_int_equal(bump_vec_push(&v, (int)i), 0);
		if (v.data == before.data)
			continue;
		if (v.cap < before.cap * 2)
			fail_msg("it moved from %zu to %zu elements", before.cap, v.cap);
		moves++;
		moved += before.len;
		/* What is between makes it move each time. */
		assert_non_null(bump_alloc(f->bump, 1));
	}
	expect_ints(&v, n);
	assert_true(moves >= 10);
	if (moved > n * 2)
		fail_msg("%zu elements were copied for %zu", moved, n);
}

static void where_it_moved_from_is_still_readable(void **state)
{
	struct fixture *f = *state;
	ints_t v = empty_ints(f->bump);

	push_ints(&v, 100);
	const ints_t old = v;
	assert_non_null(bump_alloc(f->bump, 1));
	assert_int_equal(bump_vec_reserve(&v, old.cap - old.len + 1), 0);
	assert_ptr_not_equal(v.data, old.data);
	memset(v.data, 0, v.len * sizeof(int));
	expect_ints(&old, 100);
	/* It is the newest again. */
	const int *const data = v.data;
	assert_int_equal(bump_vec_reserve(&v, v.cap - v.len + 1), 0);
	assert_ptr_equal(v.data, data);
}

/* Then it is not the newest allocation any more, though it ends where the chunk's room begins. */
static void an_array_moves_after_a_large_request(void **state)
{
	struct fixture *f = *state;
	ints_t v = empty_ints(f->bump);

	push_ints(&v, 100);
	const int *const data = v.data;
	char *const large = bump_alloc(f->bump, 1000000);
	assert_non_null(large);
	assert_int_equal(bump_vec_reserve(&v, v.cap - v.len + 1), 0);
	assert_ptr_not_equal(v.data, data);
	expect_ints(&v, 100);
}

static void an_array_larger_than_any_chunk_grows(void **state)
{
	struct fixture *f = *state;
	const size_t n = test_is_slow() ? 200000 : 3000000;
	bump_config_t config = fixture_config(f);

	config.max_chunk = 65536;
	fixture_remake(f, &config);
	ints_t v = empty_ints(f->bump);
	push_ints(&v, n);
	expect_ints(&v, n);
	/* Doubling takes twice what there is and, all in all, twice that in former places. */
	if (!test_red_zones() && f->source.held > n * sizeof(int) * 4 + 65536)
		fail_msg("%zu bytes are held for %zu", f->source.held, n * sizeof(int));
}

static void an_array_grows_in_place_in_a_chunk_of_its_own(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	config.max_chunk = 4096;
	fixture_remake(f, &config);
	assert_non_null(bump_alloc(f->bump, 8));
	f->source.give_more = 50000;
	ints_t v = empty_ints(f->bump);
	assert_int_equal(bump_vec_reserve(&v, 10000), 0);
	f->source.give_more = 0;
	const int *const data = v.data;
	while (v.data == data)
		push_ints(&v, 1);
	if (v.len * sizeof(int) + 200 < 90000)
		fail_msg("it moved after %zu of 90000 bytes", v.len * sizeof(int));
	expect_ints(&v, v.len);
}

static void reserve_gives_room_that_needs_no_memory_any_more(void **state)
{
	struct fixture *f = *state;

	for (size_t n = 1; n < 20000; n = n * 2 + 1) {
		ints_t v = empty_ints(f->bump);
		for (size_t round = 0; round < 3; round++) {
			const size_t len = v.len;
			assert_int_equal(bump_vec_reserve(&v, n), 0);
			assert_true(v.cap - v.len >= n);
			const ints_t reserved = v;
			test_source_fail(&f->source, 1, true);
			push_ints(&v, n);
			test_source_fail(&f->source, 0, false);
			assert_ptr_equal(v.data, reserved.data);
			assert_int_equal(v.cap, reserved.cap);
			expect_ints(&v, len + n);
			assert_non_null(bump_alloc(f->bump, round));
		}
	}
}

static void the_first_reservation_takes_what_was_asked_for(void **state)
{
	struct fixture *f = *state;

	if (test_red_zones())
		skip();
	for (size_t n = 10; n < 1000; n++) {
		const size_t used = fixture_stats(f->bump).used;
		ints_t v = empty_ints(f->bump);
		assert_int_equal(bump_vec_reserve(&v, n), 0);
		assert_int_equal(fixture_stats(f->bump).used - used, (n * sizeof(int) + 7) / 8 * 8);
	}
}

#if TEST_RED_ZONES
void *__asan_region_is_poisoned(void *start, size_t size);

static void red_zones_follow_an_array_that_grows(void **state)
{
	struct fixture *f = *state;
	chars_t v;

	bump_vec_init(&v, f->bump);
	for (size_t i = 0; i < 3000; i++) {
		assert_int_equal(bump_vec_push(&v, 'r'), 0);
		assert_null(__asan_region_is_poisoned(v.data, v.cap));
		assert_ptr_equal(__asan_region_is_poisoned(v.data + v.cap, 1), v.data + v.cap);
	}
	const size_t len = v.len;
	char *const chars = bump_vec_finish(&v);
	assert_null(__asan_region_is_poisoned(chars, len));
	assert_ptr_equal(__asan_region_is_poisoned(chars + len, 1), chars + len);
}
#endif

/* --- the end --- */

static void finish_gives_back_what_is_behind_the_elements(void **state)
{
	struct fixture *f = *state;
	const struct fixture_state before = fixture_state(f);

	for (size_t n = 1; n < 300; n++) {
		const size_t used = fixture_stats(f->bump).used;
		ints_t v = empty_ints(f->bump);
		push_ints(&v, n);
		const int *const data = v.data;
		int *const result = bump_vec_finish(&v);
		assert_ptr_equal(result, data);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(result[i], i);
		if (!test_red_zones())
			assert_int_equal(fixture_stats(f->bump).used - used,
					 (n * sizeof(int) + 7) / 8 * 8);
		assert_true(bump_free_last(f->bump, result, n * sizeof(int)));
		assert_int_equal(fixture_stats(f->bump).used, used);
	}
	assert_int_equal(fixture_stats(f->bump).used, before.stats.used);
}

static void finish_of_an_older_array_gives_nothing_back(void **state)
{
	struct fixture *f = *state;
	ints_t v = empty_ints(f->bump);

	push_ints(&v, 33);
	int *const newer = bump_alloc(f->bump, 16);
	memset(newer, 0x77, 16);
	const struct fixture_state before = fixture_state(f);
	int *const result = bump_vec_finish(&v);
	fixture_expect_same(f, &before);
	assert_int_equal(result[32], 32);
	assert_true(test_all_bytes(newer, 16, 0x77));
}

static void a_finished_array_is_empty_and_can_be_used_again(void **state)
{
	struct fixture *f = *state;
	ints_t v = empty_ints(f->bump);
	int *results[50];

	for (size_t i = 0; i < 50; i++) {
		push_ints(&v, i + 1);
		results[i] = bump_vec_finish(&v);
		assert_null(v.data);
		assert_int_equal(v.len, 0);
		assert_int_equal(v.cap, 0);
	}
	for (size_t i = 0; i < 50; i++)
		for (size_t j = 0; j <= i; j++)
			assert_int_equal(results[i][j], j);
}

static void finish_of_no_element_is_a_pointer_of_its_own(void **state)
{
	struct fixture *f = *state;
	lines_t v;

	bump_vec_init(&v, f->bump);
	struct line *const one = bump_vec_finish(&v);
	assert_int_equal(bump_vec_reserve(&v, 3), 0);
	struct line *const two = bump_vec_finish(&v);
	struct line *const three = bump_vec_finish(&v);
	assert_non_null(one);
	assert_non_null(two);
	assert_non_null(three);
	assert_ptr_not_equal(one, two);
	assert_ptr_not_equal(two, three);
	assert_true(test_is_aligned(one, 64) && test_is_aligned(two, 64));
	assert_true(bump_free_last(f->bump, three, 0));
	assert_true(bump_owns(f->bump, two));
}

static void finish_fails_only_without_memory_at_all(void **state)
{
	struct fixture *f = *state;
	ints_t v = empty_ints(f->bump);
	ints_t w = empty_ints(f->bump);

	push_ints(&w, 9);
	fixture_leave(f->bump, 0);
	test_source_fail(&f->source, 1, true);
	while (bump_alloc_aligned(f->bump, 1, 1) != NULL)
		;
	f->ooms = 0;
	errno = 0;
	fixture_expect_failure(f, bump_vec_finish(&v), ENOMEM, 0);
	assert_ptr_equal(v.bump, f->bump);
	const int *const data = w.data;
	assert_ptr_equal(bump_vec_finish(&w), data);
	assert_int_equal(f->ooms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(an_array_without_elements_has_no_memory),
		FIXTURE_TEST(what_is_pushed_is_there_in_its_order),
		FIXTURE_TEST(elements_may_have_any_size),
		FIXTURE_TEST(elements_are_aligned_as_their_type_asks_for),
		FIXTURE_TEST(append_copies_a_number_of_elements),
		FIXTURE_TEST(an_array_can_be_appended_to_itself),
		FIXTURE_TEST(an_element_can_be_pushed_again),
		FIXTURE_TEST(pop_yields_the_last_element),
		FIXTURE_TEST(len_may_be_lowered_and_raised_to_cap),
		FIXTURE_TEST(arguments_may_use_the_same_array),
		FIXTURE_TEST(the_newest_array_grows_in_place_over_all_the_chunk),
		FIXTURE_TEST(an_array_that_moves_at_least_doubles),
		FIXTURE_TEST(where_it_moved_from_is_still_readable),
		FIXTURE_TEST(an_array_moves_after_a_large_request),
		FIXTURE_TEST(an_array_larger_than_any_chunk_grows),
		FIXTURE_TEST(an_array_grows_in_place_in_a_chunk_of_its_own),
		FIXTURE_TEST(reserve_gives_room_that_needs_no_memory_any_more),
		FIXTURE_TEST(the_first_reservation_takes_what_was_asked_for),
#if TEST_RED_ZONES
		FIXTURE_TEST(red_zones_follow_an_array_that_grows),
#endif
		FIXTURE_TEST(finish_gives_back_what_is_behind_the_elements),
		FIXTURE_TEST(finish_of_an_older_array_gives_nothing_back),
		FIXTURE_TEST(a_finished_array_is_empty_and_can_be_used_again),
		FIXTURE_TEST(finish_of_no_element_is_a_pointer_of_its_own),
		FIXTURE_TEST(finish_fails_only_without_memory_at_all),
	};

	return cmocka_run_group_tests_name("arena: growable arrays", tests, NULL, NULL);
}
