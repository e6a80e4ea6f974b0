/* SPDX-License-Identifier: MIT */
/*
 * The string builder without memory, or misused: nothing changes, and the program is told.
 */

#include "builders.h"
#include "letters.h"

#include <herd/herd.h>
#include <wchar.h>

/* --- failure --- */

#define EXPECT_FAILURE(f, s, call, error, size)                                                    \
	do {                                                                                       \
		const bump_str_t was_ = *(s);                                                      \
		const struct fixture_state before_ = fixture_state(f);                             \
		(f)->ooms = 0;                                                                     \
		assert_int_equal(call, error);                                                     \
		assert_int_equal((f)->ooms, (error) == ENOMEM);                                    \
		if ((error) == ENOMEM)                                                             \
			assert_int_equal((f)->oom_size, size);                                     \
		assert_memory_equal(&was_, s, sizeof(was_));                                       \
		fixture_expect_same(f, &before_);                                                  \
	} while (0)

static void sizes_that_overflow_are_ENOMEM(void **state)
{
	struct fixture *f = *state;
	const size_t volatile half = SIZE_MAX / 2;
	bump_str_t s = empty_str(f->bump);

	for (size_t round = 0; round < 2; round++) {
		const size_t len = s.len;
		EXPECT_FAILURE(f, &s, bump_str_reserve(&s, SIZE_MAX), ENOMEM, SIZE_MAX);
		EXPECT_FAILURE(f, &s, bump_str_reserve(&s, SIZE_MAX - 1 - len), ENOMEM, SIZE_MAX);
		EXPECT_FAILURE(f, &s, bump_str_reserve(&s, SIZE_MAX - 2 - len), ENOMEM,
			       SIZE_MAX - 1);
		EXPECT_FAILURE(f, &s, bump_str_append(&s, letters, SIZE_MAX), ENOMEM, SIZE_MAX);
		EXPECT_FAILURE(f, &s, bump_str_append(&s, letters, half), ENOMEM,
			       SIZE_MAX / 2 + 1 + len);
		assert_int_equal(bump_str_puts(&s, "text"), 0);
	}
	expect_text(&s, "texttext");
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void what_vsnprintf_refuses_is_passed_on(void **state)
{
	static const wchar_t strange[] = {(wchar_t)0x7FFFFFFF, 0};
	const char *volatile const too_wide =
		"%.2147483648d"; /* hidden from the compiler, which would refuse it too */
	struct fixture *f = *state;
	bump_str_t s = empty_str(f->bump);

	for (int round = 0; round < 2; round++) {
		EXPECT_FAILURE(f, &s, bump_str_printf(&s, "%ls", strange), EILSEQ, 0);
		EXPECT_FAILURE(f, &s, print_list(&s, too_wide, 1), EOVERFLOW, 0);
		assert_int_equal(bump_str_puts(&s, "text"), 0);
	}
	expect_text(&s, "texttext");
}

#pragma GCC diagnostic pop

/* One step of building; the same for the same number. */
static int build_step(bump_str_t *s, size_t i, size_t *length)
{
	switch (i % 4) {
	case 0:
		*length = i % 50;
		return bump_str_append(s, letters, i % 50);
	case 1:
		*length = 3;
		return bump_str_puts(s, "abc");
	case 2:
		*length = 1;
		return bump_str_putc(s, letters[0]);
	default:
		*length = i % 300;
		return bump_str_printf(s, "%.*s", (int)(i % 300), letters);
	}
}

/* Two strings that are in each other's way; returns how often the source was asked. */
static size_t build_with_failures(struct fixture *f, size_t k, bool from, size_t *failed)
{
	const bump_config_t config = fixture_config(f);
	const size_t steps = test_is_slow() ? 200 : 1000;
	bump_str_t s[2];
	size_t length;
	size_t total = 0;

	fixture_remake(f, &config);
	bump_str_init(&s[0], f->bump);
	bump_str_init(&s[1], f->bump);
	const size_t acquires = f->source.acquires;
	test_source_fail(&f->source, k, from);
	*failed = 0;
	for (size_t i = 0; i < steps * 2; i++) {
		bump_str_t *const one = &s[i % 2];
		const bump_str_t was = *one;
		f->ooms = 0;
		const int error = build_step(one, i / 2, &length);
		total += i % 2 != 0 ? length : 0;
		if (error != 0) {
			assert_int_equal(error, ENOMEM);
			assert_int_equal(f->ooms, 1);
			assert_int_equal(f->oom_size, was.len + length + 1);
			assert_memory_equal(one, &was, sizeof(was));
			++*failed;
			test_source_fail(&f->source, 0, false);
			assert_int_equal(build_step(one, i / 2, &length), 0);
		}
		assert_memory_equal(one->data == NULL ? "" : one->data + was.len, letters, length);
	}
	assert_int_equal(s[0].len, total);
	assert_int_equal(s[1].len, total);
	assert_memory_equal(s[0].data, s[1].data, total);
	return f->source.acquires - acquires;
}

static void the_source_fails_at_every_growth(void **state)
{
	struct fixture *f = *state;
	size_t failed;
	const size_t asked = build_with_failures(f, 0, false, &failed);

	assert_int_equal(failed, 0);
	assert_true(asked >= 4);
	for (size_t k = 1; k <= asked; k++) {
		build_with_failures(f, k, false, &failed);
		build_with_failures(f, k, true, &failed);
		if (failed != 1)
			fail_msg("the source failed from call %zu on, %zu steps did", k, failed);
	}
}

static void a_string_fills_an_arena_that_does_not_grow(void **state)
{
	static char memory[8192];
	const bump_config_t config = {.source = &herd_source_none};

	(void)state;
	for (size_t step = 1; step < 100; step += 7) {
		bump_t *const bump = bump_new_in(memory, sizeof(memory), &config);
		assert_non_null(bump);
		const size_t room = bump_capacity(bump);
		bump_str_t s = empty_str(bump);
		while (bump_str_printf(&s, "%.*s", (int)step, letters) == 0)
			;
		if (s.len + step + 64 < room)
			fail_msg("%zu of %zu bytes were used", s.len, room);
		const size_t len = s.len;
		char *const text = bump_str_finish(&s, NULL);
		assert_int_equal(strlen(text), len);
		bump_destroy(bump);
	}
}

/* --- misuse --- */

static void an_arena_that_was_put_back_is_reported(void **state)
{
	herd_t *const herd = herd_new(NULL);
	bump_t *const member = herd_get(herd);
	bump_str_t s = empty_str(member);
	bump_str_t none = empty_str(member);
	size_t length = 99;

	(void)state;
	assert_int_equal(append_pattern(&s, 100), 0);
	while (s.len < s.cap)
		assert_int_equal(append_pattern(&s, 1), 0);
	const bump_str_t was = s;
	herd_put(herd, member);
	test_misuse_begin();
	assert_int_equal(bump_str_append(&s, "abc", 3), EINVAL);
	test_misuse_expect("bump_str_append");
	assert_int_equal(bump_str_puts(&s, "abc"), EINVAL);
	test_misuse_expect("bump_str_puts");
	assert_int_equal(bump_str_putc(&s, 'a'), EINVAL);
	test_misuse_expect("bump_str_putc");
	assert_int_equal(bump_str_reserve(&none, 1), EINVAL);
	test_misuse_expect("bump_str_reserve");
	assert_int_equal(bump_str_printf(&s, "%d", 1), EINVAL);
	test_misuse_expect("bump_str_printf");
	assert_int_equal(print_list(&none, "%d", 1), EINVAL);
	test_misuse_expect("bump_str_vprintf");
	errno = 0;
	assert_null(bump_str_finish(&s, &length));
	assert_int_equal(errno, EINVAL);
	test_misuse_expect("bump_str_finish");
	assert_null(bump_str_finish(&none, &length));
	test_misuse_expect("bump_str_finish");
	assert_int_equal(length, 99);
	test_misuse_end();
	assert_memory_equal(&s, &was, sizeof(was));
	expect_pattern(s.data, s.len);
	assert_int_equal(herd_destroy(herd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(sizes_that_overflow_are_ENOMEM),
		FIXTURE_TEST(what_vsnprintf_refuses_is_passed_on),
		FIXTURE_TEST(the_source_fails_at_every_growth),
		FIXTURE_TEST(a_string_fills_an_arena_that_does_not_grow),
		FIXTURE_TEST(an_arena_that_was_put_back_is_reported),
	};

	return cmocka_run_group_tests_name("arena: string builder that fails", tests, make_letters,
					   NULL);
}
