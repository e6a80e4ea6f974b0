/* SPDX-License-Identifier: MIT */
/*
 * NULL with a size of 0, wherever a function takes both: nothing is read there, and the result is a
 * pointer of its own. UBSan reports what would be undefined.
 */

#include "support.h"

#include <herd/adapt.h>
#include <herd/str.h>
#include <herd/vec.h>

static bump_t *bump;

static int open_arena(void **state)
{
	(void)state;
	bump = bump_new(NULL);
	return bump == NULL;
}

static int close_arena(void **state)
{
	(void)state;
	bump_destroy(bump);
	return 0;
}

/* volatile: what the compiler knows to be NULL it warns of, or folds. */
static const void *volatile null_bytes;
static volatile size_t zero;

struct flex {
	int n;
	char bytes[];
};

static void copies_of_nothing_are_pointers_of_their_own(void **state)
{
	const char *results[10];
	size_t n = 0;

	(void)state;
	for (size_t round = 0; round < 2; round++) { /* without a chunk, and with one */
		n = 0;
		results[n++] = bump_memdup(bump, null_bytes, zero, 1);
		results[n++] = bump_strndup(bump, null_bytes, zero);
		results[n++] = bump_realloc(bump, (void *)(uintptr_t)null_bytes, zero, zero, 1);
		results[n++] = bump_alloc(bump, zero);
		results[n++] = bump_calloc(bump, zero, zero);
		results[n++] = bump_calloc(bump, zero, 8);
		results[n++] = bump_alloc_array(bump, zero, 8, 8);
		results[n++] = (char *)BUMP_NEW_FLEX(bump, struct flex, bytes, zero);
		results[n++] = bump_asprintf(bump, "%.*s", (int)zero, "x");
		results[n++] = bump_strdup(bump, "");
		for (size_t i = 0; i < n; i++) {
			assert_non_null(results[i]);
			for (size_t j = 0; j < i; j++)
				assert_ptr_not_equal(results[i], results[j]);
		}
		assert_string_equal(results[1], "");
		assert_string_equal(results[8], "");
		assert_string_equal(results[9], "");
	}
}

static void nothing_is_no_allocation(void **state)
{
	void *const none = (void *)(uintptr_t)null_bytes;

	(void)state;
	assert_non_null(bump_alloc(bump, 8));
	assert_false(bump_extend(bump, none, zero, zero));
	assert_false(bump_free_last(bump, none, zero));
	assert_false(bump_owns(bump, none));
	char *const start = bump_reserve(bump, zero, 1, NULL);

	assert_non_null(start);
	bump_commit(bump, start, zero);
	errno = 0;
	assert_null(bump_new_in(none, zero, NULL));
	assert_int_equal(errno, ENOMEM);
}

static void nothing_can_be_appended(void **state)
{
	bump_str_t s;
	BUMP_VEC(int) v;
	size_t length = 1;

	(void)state;
	for (size_t round = 0; round < 2; round++) { /* empty, and with something */
		bump_str_init(&s, bump);
		bump_vec_init(&v, bump);
		if (round != 0) {
			assert_int_equal(bump_str_puts(&s, "x"), 0);
			assert_int_equal(bump_vec_push(&v, 7), 0);
		}
		assert_int_equal(bump_str_append(&s, null_bytes, zero), 0);
		assert_int_equal(bump_str_reserve(&s, zero), 0);
		assert_int_equal(bump_str_puts(&s, ""), 0);
		assert_int_equal(bump_str_printf(&s, "%.*s", (int)zero, "x"), 0);
		assert_int_equal(bump_vec_append(&v, null_bytes, zero), 0);
		assert_int_equal(bump_vec_reserve(&v, zero), 0);
		assert_int_equal(v.len, round);
		const char *const text = bump_str_finish(&s, &length);
		const int *const items = bump_vec_finish(&v);

		assert_non_null(items);
		assert_string_equal(text, round != 0 ? "x" : "");
		assert_int_equal(length, round);
	}
}

static void adapters_take_nothing(void **state)
{
	void *const none = (void *)(uintptr_t)null_bytes;

	(void)state;
	for (size_t round = 0; round < 2; round++) { /* malloc(3), and the arena */
		(void)bump_adapt_local_use(round != 0 ? bump : NULL);
		void *p = bump_adapt_local_calloc(zero, zero);

		assert_non_null(p);
		p = bump_adapt_local_realloc(p, 8);
		assert_non_null(p);
		assert_null(bump_adapt_local_realloc(p, zero));
		bump_adapt_local_free(none);
		assert_null(bump_adapt_local_realloc(bump_adapt_local_malloc(zero), zero));
	}
	(void)bump_adapt_local_use(NULL);
	assert_null(bump_adapt_realloc(bump, none, zero, zero));
	assert_non_null(bump_adapt_alloc(bump, zero));
	assert_non_null(bump_adapt_alloc_array(bump, zero, zero));
	bump_adapt_free(bump, none);
	bump_adapt_sized_free(bump, none);
	assert_null(
		bump_adapt_sized_realloc(bump, bump_adapt_sized_realloc(bump, none, zero), zero));
}

#define NULL_TEST(function) cmocka_unit_test_setup_teardown(function, open_arena, close_arena)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NULL_TEST(copies_of_nothing_are_pointers_of_their_own),
		NULL_TEST(nothing_is_no_allocation),
		NULL_TEST(nothing_can_be_appended),
		NULL_TEST(adapters_take_nothing),
	};

	return cmocka_run_group_tests_name("arena: NULL", tests, NULL, NULL);
}
