/* SPDX-License-Identifier: MIT */
/*
 * The string builder: what is in it, how it grows, how it ends.
 */

#include "builders.h"
#include "letters.h"

/* --- bytes --- */

static void an_empty_string_has_no_memory(void **state)
{
	struct fixture *f = *state;
	const struct fixture_state before = fixture_state(f);
	bump_str_t s = empty_str(f->bump);

	assert_null(s.data);
	assert_int_equal(s.len, 0);
	assert_int_equal(s.cap, 0);
	assert_ptr_equal(s.bump, f->bump);
	assert_int_equal(bump_str_append(&s, NULL, 0), 0);
	assert_int_equal(bump_str_puts(&s, ""), 0);
	assert_int_equal(bump_str_printf(&s, "%s", ""), 0);
	assert_int_equal(bump_str_reserve(&s, 0), 0);
	assert_null(s.data);
	fixture_expect_same(f, &before);
}

static void append_copies_any_bytes_of_any_number(void **state)
{
	struct fixture *f = *state;

	for (size_t n = 0; n < 300; n++) {
		bump_str_t s = empty_str(f->bump);
		for (size_t times = 1; times <= 20; times++) {
			assert_int_equal(append_pattern(&s, n), 0);
			assert_int_equal(s.len, n * times);
			assert_true(s.len <= s.cap || s.data == NULL);
			if (times % 5 == 0)
				assert_non_null(bump_alloc(f->bump, 1));
		}
		expect_pattern(s.data, s.len);
		size_t length;
		char *const text = bump_str_finish(&s, &length);
		assert_int_equal(length, n * 20);
		expect_pattern(text, length);
		assert_int_equal(text[length], '\0');
	}
}

static void puts_appends_a_string_without_its_NUL(void **state)
{
	struct fixture *f = *state;
	bump_str_t s = empty_str(f->bump);

	assert_int_equal(bump_str_puts(&s, "a"), 0);
	assert_int_equal(bump_str_puts(&s, ""), 0);
	assert_int_equal(bump_str_puts(&s, "bcdefghijklmnopqrstuvwxyz"), 0);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(bump_str_puts(&s, letters + sizeof(letters) - 1 - 26), 0);
	assert_int_equal(s.len, 26 * 101);
	assert_memory_equal(s.data, "abcdefghijklmnopqrstuvwxyz", 26);
}

static void putc_appends_one_byte(void **state)
{
	struct fixture *f = *state;
	const size_t n = TEST_SCALE(100000);
	bump_str_t s = empty_str(f->bump);

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(bump_str_putc(&s, (int)(i % 251)), 0);
		assert_int_equal(s.len, i + 1);
	}
	expect_pattern(s.data, n);
	assert_int_equal(bump_str_putc(&s, 'x' + 256), 0);
	assert_int_equal(s.data[n], 'x');
	assert_int_equal(bump_str_putc(&s, -1), 0);
	assert_int_equal((unsigned char)s.data[n + 1], 255);
}

static void a_part_of_the_string_can_be_appended_to_it(void **state)
{
	struct fixture *f = *state;
	size_t moves = 0;
	bump_str_t s = empty_str(f->bump);

	assert_int_equal(bump_str_puts(&s, "abc"), 0);
	while (s.len < 10000) {
		const char *const old = s.data;
		const size_t n = s.len;
		if (n % 4 == 0)
			assert_non_null(bump_alloc(f->bump, 1));
		assert_int_equal(bump_str_append(&s, s.data, n / 2 * 2), 0);
		assert_int_equal(bump_str_printf(&s, "%.*s", (int)n, s.data), 0);
		moves += s.data != old;
		for (size_t i = 0; i < n; i++) {
			if (i < n / 2 * 2)
				assert_int_equal(s.data[n + i], s.data[i]);
			assert_int_equal(s.data[n + n / 2 * 2 + i], s.data[i]);
		}
	}
	assert_true(moves > 3);
}

static void len_may_be_lowered_and_raised_to_cap(void **state)
{
	struct fixture *f = *state;
	bump_str_t s = empty_str(f->bump);

	assert_int_equal(append_pattern(&s, 1000), 0);
	s.len = 10;
	assert_int_equal(append_pattern(&s, 100), 0);
	expect_pattern(s.data, 110);
	assert_int_equal(bump_str_reserve(&s, 5000), 0);
	for (; s.len < s.cap; s.len++)
		s.data[s.len] = (char)(s.len % 251);
	expect_pattern(s.data, s.len);
	const size_t len = s.len;
	size_t length;
	const char *const data = s.data;
	char *const text = bump_str_finish(&s, &length); /* room for the NUL is there */
	assert_ptr_equal(text, data);
	assert_int_equal(length, len);
	expect_pattern(text, len);
	assert_int_equal(text[len], '\0');
}

/* --- growth --- */

static void the_newest_string_grows_in_place_over_all_the_chunk(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	config.first_chunk = 65536;
	for (size_t step = 1; step < 3000; step = step * 3 + 1) {
		fixture_remake(f, &config);
		bump_str_t s = empty_str(f->bump);
		assert_int_equal(append_pattern(&s, step), 0);
		const char *const data = s.data;
		while (s.data == data)
			assert_int_equal(append_pattern(&s, step), 0);
		if (s.len + 100 < 65536)
			fail_msg("by %zu: it moved after %zu bytes", step, s.len - step);
		assert_int_equal(f->source.chunks_live, 2);
		expect_pattern(s.data, s.len);
	}
}

static void a_string_that_moves_at_least_doubles(void **state)
{
	struct fixture *f = *state;
	const size_t n = TEST_SCALE(300000);
	size_t moves = 0;
	bump_str_t s = empty_str(f->bump);

	for (size_t i = 0; i < n; i++) {
		const bump_str_t before = s;
		assert_int_equal(bump_str_putc(&s, (int)(i % 251)), 0);
		if (s.data == before.data)
			continue;
		if (s.cap < before.cap * 2)
			fail_msg("it moved from %zu to %zu bytes", before.cap, s.cap);
		moves++;
		assert_non_null(bump_alloc(f->bump, 1)); /* it will move each time */
	}
	expect_pattern(s.data, n);
	assert_true(moves >= 8);
}

static void reserve_gives_room_that_needs_no_memory_any_more(void **state)
{
	struct fixture *f = *state;

	for (size_t n = 1; n < 60000; n = n * 2 + 1) {
		bump_str_t s = empty_str(f->bump);
		for (size_t round = 0; round < 3; round++) {
			assert_int_equal(bump_str_reserve(&s, n), 0);
			assert_true(s.cap - s.len >= n);
			const bump_str_t reserved = s;
			test_source_fail(&f->source, 1, true);
			assert_int_equal(append_pattern(&s, n / 2), 0);
			while (s.len < reserved.len + n)
				assert_int_equal(bump_str_putc(&s, (int)(s.len % 251)), 0);
			assert_ptr_equal(s.data, reserved.data);
			assert_int_equal(s.cap, reserved.cap);
			test_source_fail(&f->source, 0, false);
			assert_non_null(bump_alloc(f->bump, 1));
		}
		expect_pattern(s.data, n * 3);
	}
}

static void the_first_reservation_takes_what_was_asked_for(void **state)
{
	struct fixture *f = *state;

	if (test_red_zones())
		skip();
	for (size_t n = 40; n < 1000; n++) {
		const size_t used = fixture_stats(f->bump).used;
		bump_str_t s = empty_str(f->bump);
		assert_int_equal(bump_str_reserve(&s, n), 0);
		assert_int_equal(fixture_stats(f->bump).used - used, (n + 1 + 7) / 8 * 8);
	}
}

#if TEST_RED_ZONES
void *__asan_region_is_poisoned(void *start, size_t size);

static void red_zones_follow_a_string_that_grows(void **state)
{
	struct fixture *f = *state;
	bump_str_t s = empty_str(f->bump);

	for (size_t i = 0; i < 3000; i++) {
		assert_int_equal(
			i % 3 == 0 ? bump_str_printf(&s, "%c", 'r') : bump_str_putc(&s, 'r'), 0);
		assert_null(__asan_region_is_poisoned(s.data, s.cap + 1));
		assert_ptr_equal(__asan_region_is_poisoned(s.data + s.cap + 1, 1),
				 s.data + s.cap + 1);
	}
	size_t length;
	char *const text = bump_str_finish(&s, &length);
	assert_null(__asan_region_is_poisoned(text, length + 1));
	assert_ptr_equal(__asan_region_is_poisoned(text + length + 1, 1), text + length + 1);
}
#endif

/* --- printing --- */

static void printf_appends_what_sprintf_prints(void **state)
{
	struct fixture *f = *state;
	char expected[256];
	bump_str_t s = empty_str(f->bump);

	snprintf(expected, sizeof(expected), "<%d %s %5.2f %c %#lx %-8s| %%>%d", -42, "text",
		 3.14159, 'c', 0xBEEFul, "left", 7);
	assert_int_equal(bump_str_putc(&s, '<'), 0);
	assert_int_equal(bump_str_printf(&s, "%d %s %5.2f %c %#lx %-8s| %%>", -42, "text", 3.14159,
					 'c', 0xBEEFul, "left"),
			 0);
	assert_int_equal(bump_str_printf(&s, "%s", ""), 0);
	assert_int_equal(bump_str_printf(&s, "%d", 7), 0);
	expect_text(&s, expected);
}

/*
 * Prints `length` letters behind `before` bytes, with `left` bytes in the chunk, the string being
 * the newest allocation or not.
 */
static void print_at_the_end(struct fixture *f, size_t before, size_t length, size_t left,
			     bool newest)
{
	assert_int_equal(bump_reset(f->bump), 0);
	char *const neighbour = bump_alloc(f->bump, 8);
	test_fill(neighbour, 8, 1);
	bump_str_t s = empty_str(f->bump);
	if (newest)
		fixture_leave(f->bump, left + (before + 7) / 8 * 8 + 64);
	assert_int_equal(append_pattern(&s, before), 0);
	if (!newest)
		fixture_leave(f->bump, left);
	const bump_str_t was = s;

	assert_int_equal(print_list(&s, "%.*s", (int)length, letters), 0);
	assert_int_equal(s.len, before + length);
	if (length > 0)
		assert_memory_equal(s.data + before, letters, length);
	if (before != 0 && newest && length + 8 < left)
		assert_ptr_equal(s.data, was.data);
	char *const next = bump_alloc_aligned(f->bump, 40, 1);
	memset(next, 0xEE, 40);
	char *const text = bump_str_finish(&s, NULL);
	expect_pattern(text, before);
	assert_memory_equal(text + before, letters, length);
	assert_int_equal(text[before + length], '\0');
	assert_true(test_verify(neighbour, 8, 1));
	assert_true(test_all_bytes(next, 40, 0xEE));
}

static void printf_fits_exactly_or_goes_to_the_next_chunk(void **state)
{
	const size_t step = test_is_slow() ? 11 : 1;

	for (size_t left = 0; left <= 96; left += 8)
		for (size_t length = 0; length <= 140; length += step)
			for (size_t before = 0; before <= 33; before += 11) {
				print_at_the_end(*state, before, length, left, true);
				print_at_the_end(*state, before, length, left, false);
			}
}

/* How often the text is formatted is not seen, but that the string grows where it is. */
static void printf_prints_into_the_tail_of_the_chunk(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);
	bump_str_t s;

	config.first_chunk = 65536;
	fixture_remake(f, &config);
	bump_str_init(&s, f->bump);
	assert_int_equal(bump_str_printf(&s, "%.*s", 3000, letters), 0);
	const char *const data = s.data;
	for (int i = 0; i < 15; i++)
		assert_int_equal(bump_str_printf(&s, "%.*s", 3000, letters), 0);
	assert_ptr_equal(s.data, data);
	for (size_t i = 0; i < 16; i++)
		assert_memory_equal(s.data + i * 3000, letters, 3000);
}

/* Up to the last byte of its room, and beyond. */
static void printf_fills_the_room_of_the_string(void **state)
{
	struct fixture *f = *state;

	for (size_t n = 1; n < 200; n++) {
		for (size_t more = 0; more < 3; more++) {
			bump_str_t s = empty_str(f->bump);
			assert_int_equal(bump_str_reserve(&s, n), 0);
			assert_int_equal(append_pattern(&s, n / 2), 0);
			const size_t length = s.cap - s.len + more;
			assert_int_equal(bump_str_printf(&s, "%.*s", (int)length, letters), 0);
			assert_int_equal(s.len, n / 2 + length);
			expect_pattern(s.data, n / 2);
			assert_memory_equal(s.data + n / 2, letters, length);
			assert_int_equal(bump_reset(f->bump), 0);
		}
	}
}

/* The string ends at the position, but the newest allocation is in a chunk of its own. */
static void printf_after_a_large_request(void **state)
{
	struct fixture *f = *state;

	for (size_t n = 1; n < 2000; n += 50) {
		bump_str_t s = empty_str(f->bump);
		assert_int_equal(append_pattern(&s, 100), 0);
		char *const large = bump_alloc(f->bump, 100000);
		assert_non_null(large);
		memset(large, 0x77, 100000);
		assert_int_equal(bump_str_printf(&s, "%.*s", (int)n, letters), 0);
		assert_int_equal(s.len, 100 + n);
		expect_pattern(s.data, 100);
		assert_memory_equal(s.data + 100, letters, n);
		assert_true(test_all_bytes(large, 100000, 0x77));
		assert_int_equal(bump_reset(f->bump), 0);
	}
}

static void printf_prints_more_than_a_chunk_holds(void **state)
{
	struct fixture *f = *state;
	bump_str_t s = empty_str(f->bump);
	size_t expected = 0;

	for (int width = 1; width < 10000000; width *= 7) {
		assert_int_equal(bump_str_printf(&s, "%*d", width, 7), 0);
		expected += (size_t)width;
		assert_int_equal(s.len, expected);
		assert_int_equal(s.data[s.len - 1], '7');
	}
	assert_int_equal(s.data[0], '7');
}

/* --- the end --- */

static void finish_gives_back_what_is_behind_the_NUL(void **state)
{
	struct fixture *f = *state;

	for (size_t n = 0; n < 300; n++) {
		const size_t used = fixture_stats(f->bump).used;
		bump_str_t s = empty_str(f->bump);
		assert_int_equal(append_pattern(&s, n), 0);
		const char *const data = s.data;
		size_t length = SIZE_MAX;
		char *const text = bump_str_finish(&s, &length);
		assert_true(text == data || n == 0);
		assert_int_equal(length, n);
		expect_pattern(text, n);
		assert_int_equal(text[n], '\0');
		if (!test_red_zones())
			assert_int_equal(fixture_stats(f->bump).used - used, (n + 1 + 7) / 8 * 8);
		assert_true(bump_free_last(f->bump, text, n + 1));
		assert_int_equal(fixture_stats(f->bump).used, used);
	}
}

static void finish_of_an_older_string_gives_nothing_back(void **state)
{
	struct fixture *f = *state;
	bump_str_t s = empty_str(f->bump);

	assert_int_equal(bump_str_puts(&s, "older"), 0);
	char *const newer = bump_alloc(f->bump, 16);
	memset(newer, 0x77, 16);
	const struct fixture_state before = fixture_state(f);
	expect_text(&s, "older");
	fixture_expect_same(f, &before);
	assert_true(test_all_bytes(newer, 16, 0x77));
}

static void a_finished_string_is_empty_and_can_be_used_again(void **state)
{
	struct fixture *f = *state;
	bump_str_t s = empty_str(f->bump);
	char *texts[50];

	for (int i = 0; i < 50; i++) {
		assert_int_equal(bump_str_printf(&s, "number %d", i), 0);
		texts[i] = bump_str_finish(&s, NULL);
		assert_null(s.data);
		assert_int_equal(s.len, 0);
		assert_int_equal(s.cap, 0);
	}
	for (int i = 0; i < 50; i++) {
		char expected[16];
		snprintf(expected, sizeof(expected), "number %d", i);
		assert_string_equal(texts[i], expected);
	}
}

static void finish_of_an_empty_string_is_one_of_its_own(void **state)
{
	struct fixture *f = *state;
	bump_str_t s = empty_str(f->bump);
	size_t length = 5;
	char *const one = bump_str_finish(&s, &length);
	assert_int_equal(length, 0);
	char *const two = bump_str_finish(&s, NULL);

	assert_int_equal(bump_str_reserve(&s, 100), 0);
	char *const three = bump_str_finish(&s, NULL);
	assert_string_equal(one, "");
	assert_string_equal(two, "");
	assert_string_equal(three, "");
	assert_ptr_not_equal(one, two);
	assert_ptr_not_equal(two, three);
}

static void finish_fails_only_without_memory_at_all(void **state)
{
	struct fixture *f = *state;
	bump_str_t s = empty_str(f->bump);
	bump_str_t none = empty_str(f->bump);
	size_t length = 99;

	for (size_t n = 1; n < 100; n++) {
		assert_int_equal(bump_reset(f->bump), 0);
		bump_str_init(&s, f->bump);
		assert_int_equal(append_pattern(&s, n), 0);
		while (s.len < s.cap)
			assert_int_equal(append_pattern(&s, 1), 0);
		test_source_fail(&f->source, 1, true);
		while (bump_alloc_aligned(f->bump, 1, 1) != NULL)
			;
		f->ooms = 0;
		errno = 0;
		const size_t len = s.len;
		char *const text = bump_str_finish(&s, NULL);
		expect_pattern(text, len);
		assert_int_equal(text[len], '\0');
		fixture_expect_failure(f, bump_str_finish(&none, &length), ENOMEM, 0);
		assert_int_equal(length, 99);
		assert_ptr_equal(none.bump, f->bump);
		test_source_fail(&f->source, 0, false);
	}
	expect_text(&none, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(an_empty_string_has_no_memory),
		FIXTURE_TEST(append_copies_any_bytes_of_any_number),
		FIXTURE_TEST(puts_appends_a_string_without_its_NUL),
		FIXTURE_TEST(putc_appends_one_byte),
		FIXTURE_TEST(a_part_of_the_string_can_be_appended_to_it),
		FIXTURE_TEST(len_may_be_lowered_and_raised_to_cap),
		FIXTURE_TEST(the_newest_string_grows_in_place_over_all_the_chunk),
		FIXTURE_TEST(a_string_that_moves_at_least_doubles),
		FIXTURE_TEST(reserve_gives_room_that_needs_no_memory_any_more),
		FIXTURE_TEST(the_first_reservation_takes_what_was_asked_for),
#if TEST_RED_ZONES
		FIXTURE_TEST(red_zones_follow_a_string_that_grows),
#endif
		FIXTURE_TEST(printf_appends_what_sprintf_prints),
		FIXTURE_TEST(printf_fits_exactly_or_goes_to_the_next_chunk),
		FIXTURE_TEST(printf_prints_into_the_tail_of_the_chunk),
		FIXTURE_TEST(printf_fills_the_room_of_the_string),
		FIXTURE_TEST(printf_after_a_large_request),
		FIXTURE_TEST(printf_prints_more_than_a_chunk_holds),
		FIXTURE_TEST(finish_gives_back_what_is_behind_the_NUL),
		FIXTURE_TEST(finish_of_an_older_string_gives_nothing_back),
		FIXTURE_TEST(a_finished_string_is_empty_and_can_be_used_again),
		FIXTURE_TEST(finish_of_an_empty_string_is_one_of_its_own),
		FIXTURE_TEST(finish_fails_only_without_memory_at_all),
	};

	return cmocka_run_group_tests_name("arena: string builder", tests, make_letters, NULL);
}
