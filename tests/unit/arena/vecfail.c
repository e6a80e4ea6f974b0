/* SPDX-License-Identifier: MIT */
/*
 * Growable arrays without memory, or misused: nothing changes, and the program is told.
 */

#include "builders.h"

#include <herd/herd.h>

/* --- failure --- */

/* Fails, and changes nothing; on_oom is told `size`. */
#define EXPECT_ENOMEM(f, v, call, size)                                                            \
	do {                                                                                       \
		const __typeof__(*(v)) was_ = *(v);                                                \
		const struct fixture_state before_ = fixture_state(f);                             \
		(f)->ooms = 0;                                                                     \
		assert_int_equal(call, ENOMEM);                                                    \
		assert_int_equal((f)->ooms, 1);                                                    \
		assert_int_equal((f)->oom_size, size);                                             \
		assert_memory_equal(&was_, v, sizeof(was_));                                       \
		fixture_expect_same(f, &before_);                                                  \
	} while (0)

static void sizes_that_overflow_are_ENOMEM(void **state)
{
	struct fixture *f = *state;
	const struct triple one = triple(0);
	triples_t v;

	bump_vec_init(&v, f->bump);
	for (size_t round = 0; round < 2; round++) {
		const size_t len = v.len;
		EXPECT_ENOMEM(f, &v, bump_vec_reserve(&v, SIZE_MAX), SIZE_MAX);
		EXPECT_ENOMEM(f, &v, bump_vec_reserve(&v, SIZE_MAX - len), SIZE_MAX);
		EXPECT_ENOMEM(f, &v, bump_vec_reserve(&v, SIZE_MAX / 12 + 1), SIZE_MAX);
		EXPECT_ENOMEM(f, &v, bump_vec_reserve(&v, SIZE_MAX / 12 - len), SIZE_MAX / 12 * 12);
		EXPECT_ENOMEM(f, &v, bump_vec_append(&v, &one, SIZE_MAX), SIZE_MAX);
		EXPECT_ENOMEM(f, &v, bump_vec_append(&v, &one, SIZE_MAX / 12 + 1), SIZE_MAX);
		assert_int_equal(bump_vec_push(&v, one), 0);
	}
	assert_true(is_triple(v.data[0], 0) && is_triple(v.data[1], 0));
}

/* Two arrays that are in each other's way; returns how often the source was asked. */
static size_t push_with_failures(struct fixture *f, size_t k, bool from, size_t *failed)
{
	const size_t n = test_is_slow() ? 3000 : 20000;
	const bump_config_t config = fixture_config(f);
	ints_t v[2];

	fixture_remake(f, &config);
	bump_vec_init(&v[0], f->bump);
	bump_vec_init(&v[1], f->bump);
	const size_t acquires = f->source.acquires;
	test_source_fail(&f->source, k, from);
	*failed = 0;
	for (size_t i = 0; i < n * 2; i++) {
		ints_t *const one = &v[i % 2];
		const ints_t was = *one;
		f->ooms = 0;
		const int error = bump_vec_push(one, (int)was.len);
		if (error == 0) {
			assert_int_equal(f->ooms, 0);
			continue;
		}
		assert_int_equal(error, ENOMEM);
		assert_int_equal(f->ooms, 1);
		assert_int_equal(f->oom_size, (was.len + 1) * sizeof(int));
		assert_memory_equal(one, &was, sizeof(was));
		expect_ints(one, was.len);
		++*failed;
		test_source_fail(&f->source, 0, false);
		push_ints(one, 1);
	}
	expect_ints(&v[0], n);
	expect_ints(&v[1], n);
	return f->source.acquires - acquires;
}

static void the_source_fails_at_every_growth(void **state)
{
	struct fixture *f = *state;
	size_t failed;
	const size_t asked = push_with_failures(f, 0, false, &failed);

	assert_int_equal(failed, 0);
	assert_true(asked >= 5);
	for (size_t k = 1; k <= asked; k++) {
		push_with_failures(f, k, false, &failed);
		push_with_failures(f, k, true, &failed);
		if (failed != 1)
			fail_msg("the source failed from call %zu on, %zu pushes did", k, failed);
	}
}

static void where_there_is_no_double_there_may_be_enough(void **state)
{
	struct fixture *f = *state;
	const size_t size = 65536;
	const bump_config_t config = {.source = &herd_source_none};
	char *const memory = malloc(size);
	size_t between = 0;

	assert_non_null(memory);
	for (; between < 2; between++) {
		bump_t *const bump = bump_new_in(memory, size, &config);
		assert_non_null(bump);
		const size_t room = bump_capacity(bump);
		chars_t v;
		bump_vec_init(&v, bump);
		assert_int_equal(bump_vec_reserve(&v, room * 2 / 5), 0);
		if (between != 0)
			assert_non_null(bump_alloc_aligned(bump, 8, 1));
		while (bump_vec_push(&v, 'm') == 0)
			;
		assert_true(test_all_bytes(v.data, v.len, 'm'));
		/* All of the memory, or all behind the former place. */
		const size_t all = between == 0 ? room : room - room * 2 / 5;
		if (v.len + 128 < all || v.len != v.cap)
			fail_msg("%zu bytes in an array of %zu, of %zu", v.len, v.cap, all);
		assert_true(bump_capacity(bump) < 8);
		bump_destroy(bump);
	}
	free(memory);
	(void)f;
}

static void an_array_grows_up_to_the_limit(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	config.limit = 100000;
	fixture_remake(f, &config);
	ints_t v = empty_ints(f->bump);
	int error = 0;
	while ((error = bump_vec_push(&v, (int)v.len)) == 0)
		assert_true(f->source.held <= config.limit);
	assert_int_equal(error, ENOMEM);
	assert_int_equal(f->ooms, 1);
	expect_ints(&v, v.len);
	assert_true(v.len * sizeof(int) > config.limit / 4);
	bump_set_limit(f->bump, 0);
	push_ints(&v, 50000);
	expect_ints(&v, v.len);
}

static jmp_buf escape;

static void escape_from_oom(void *ctx, size_t size)
{
	(void)ctx;
	(void)size;
	longjmp(escape, 1);
}

static void longjmp_out_of_on_oom_leaves_the_array_as_it_was(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);
	static ints_t v;

	config.on_oom = escape_from_oom;
	fixture_remake(f, &config);
	bump_vec_init(&v, f->bump);
	push_ints(&v, 100);
	const ints_t was = v;
	test_source_fail(&f->source, 1, true);
	if (setjmp(escape) == 0) {
		(void)bump_vec_reserve(&v, 1000000);
		fail_msg("it returned");
	}
	test_source_fail(&f->source, 0, false);
	assert_memory_equal(&v, &was, sizeof(was));
	push_ints(&v, 10000);
	expect_ints(&v, 10100);
}

/* --- misuse --- */

static void an_arena_that_was_put_back_is_reported(void **state)
{
	herd_t *const herd = herd_new(NULL);
	bump_t *const member = herd_get(herd);
	ints_t v = empty_ints(member);
	ints_t none = empty_ints(member);
	const int item = 1;

	(void)state;
	assert_int_equal(bump_vec_push(&v, 0), 0);
	while (v.len < v.cap)
		push_ints(&v, 1);
	const ints_t was = v;
	herd_put(herd, member);
	test_misuse_begin();
	assert_int_equal(bump_vec_push(&v, 1), EINVAL);
	test_misuse_expect("bump_vec_push");
	assert_int_equal(bump_vec_append(&v, &item, 1), EINVAL);
	test_misuse_expect("bump_vec_append");
	assert_int_equal(bump_vec_reserve(&none, 1), EINVAL);
	test_misuse_expect("bump_vec_reserve");
	errno = 0;
	assert_null(bump_vec_finish(&v));
	assert_int_equal(errno, EINVAL);
	test_misuse_expect("bump_vec_finish");
	assert_null(bump_vec_finish(&none));
	test_misuse_expect("bump_vec_finish");
	test_misuse_end();
	assert_memory_equal(&v, &was, sizeof(was));
	expect_ints(&v, was.len);
	assert_int_equal(herd_destroy(herd), 0);
}

static void pop_of_no_element_is_reported_and_yields_zero(void **state)
{
	struct fixture *f = *state;
	static const struct line zero;
	lines_t v;

	bump_vec_init(&v, f->bump);
	test_misuse_begin();
	for (int round = 0; round < 2; round++) {
		const struct line popped = bump_vec_pop(&v);
		test_misuse_expect("bump_vec_pop");
		assert_memory_equal(&popped, &zero, sizeof(zero));
		assert_int_equal(v.len, 0);
		assert_int_equal(bump_vec_reserve(&v, 1), 0);
	}
	test_misuse_end();
}

static void pop_from_nothing(void *arg)
{
	ints_t v = empty_ints(arg);

	bump_vec_pop(&v);
}

static void pop_of_no_element_aborts(void **state)
{
	struct fixture *f = *state;

	test_misuse_aborts(pop_from_nothing, f->bump, "bump_vec_pop");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(sizes_that_overflow_are_ENOMEM),
		FIXTURE_TEST(the_source_fails_at_every_growth),
		FIXTURE_TEST(where_there_is_no_double_there_may_be_enough),
		FIXTURE_TEST(an_array_grows_up_to_the_limit),
		FIXTURE_TEST(longjmp_out_of_on_oom_leaves_the_array_as_it_was),
		FIXTURE_TEST(an_arena_that_was_put_back_is_reported),
		FIXTURE_TEST(pop_of_no_element_is_reported_and_yields_zero),
		FIXTURE_TEST(pop_of_no_element_aborts),
	};

	return cmocka_run_group_tests_name("arena: growable arrays that fail", tests, NULL, NULL);
}
