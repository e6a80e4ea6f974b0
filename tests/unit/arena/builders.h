/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_ARENA_BUILDERS_H
#define HERD_TESTS_ARENA_BUILDERS_H

/* What the tests of strings and arrays share: arrays of numbers, and strings with a pattern. */

#include "fixture.h"

#include <herd/str.h>
#include <herd/vec.h>

/* --- arrays --- */

typedef BUMP_VEC(int) ints_t;
typedef BUMP_VEC(char) chars_t;

struct triple {
	uint32_t a, b, c;
};
typedef BUMP_VEC(struct triple) triples_t;

struct line {
	_Alignas(64) unsigned char bytes[64];
};
typedef BUMP_VEC(struct line) lines_t;

static inline struct triple triple(size_t i)
{
	const uint32_t n = (uint32_t)i;

	return (struct triple){n, n * 3, ~n};
}

static inline bool is_triple(struct triple t, size_t i)
{
	const struct triple expected = triple(i);

	return memcmp(&t, &expected, sizeof(t)) == 0;
}

static inline void push_ints(ints_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(bump_vec_push(v, (int)v->len), 0);
}

static inline void expect_ints(const ints_t *v, size_t n)
{
	assert_int_equal(v->len, n);
	assert_true(v->len <= v->cap);
	for (size_t i = 0; i < n; i++)
		if (v->data[i] != (int)i)
			fail_msg("element %zu of %zu is %d", i, n, v->data[i]);
}

static inline ints_t empty_ints(bump_t *bump)
{
	ints_t v;

	bump_vec_init(&v, bump);
	return v;
}

/* --- strings --- */

static inline bump_str_t empty_str(bump_t *bump)
{
	bump_str_t s;

	bump_str_init(&s, bump);
	return s;
}

/* Append bytes of a pattern that goes on where the string ends. */
static inline int append_pattern(bump_str_t *s, size_t n)
{
	static char bytes[1 << 16];

	assert_true(n <= sizeof(bytes));
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)((s->len + i) % 251);
	return bump_str_append(s, bytes, n);
}

static inline void expect_pattern(const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != (char)(i % 251))
			fail_msg("byte %zu of %zu has changed", i, n);
}

HERD_PRINTF(2, 3) static inline int print_list(bump_str_t *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	const int error = bump_str_vprintf(s, format, args);
	va_end(args);
	return error;
}

static inline void expect_text(bump_str_t *s, const char *expected)
{
	size_t length = 0;
	const char *const text = bump_str_finish(s, &length);

	assert_non_null(text);
	assert_string_equal(text, expected);
	assert_int_equal(length, strlen(expected));
}

#endif
