/* SPDX-License-Identifier: MIT */
/*
 * The functions for libraries: herd/adapt.h.
 */

#include "fixture.h"

#include <herd/adapt.h>
#include <limits.h>

static size_t used(const struct fixture *f)
{
	return fixture_stats(f->bump).used;
}

static void assert_any_type(const void *ptr)
{
	assert_non_null(ptr);
	assert_true(test_is_aligned(ptr, _Alignof(max_align_t)));
}

/* --- with a context, and with sizes told --- */

static void arrays_are_aligned_and_checked_for_overflow(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 1; i < 50; i++) {
		assert_any_type(bump_adapt_alloc(f->bump, i));
		assert_any_type(bump_adapt_alloc_array(f->bump, i, 3));
		assert_any_type(bump_adapt_alloc_uint(f->bump, i, 3));
		assert_any_type(bump_adapt_alloc_int(f->bump, (int)i, 3));
	}
	const size_t before = used(f);

	assert_null(bump_adapt_alloc_array(f->bump, SIZE_MAX / 2, 3));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(f->oom_size, SIZE_MAX);
	assert_null(bump_adapt_alloc_int(f->bump, -1, 1));
	assert_null(bump_adapt_alloc_int(f->bump, 1, -1));
	assert_null(bump_adapt_alloc_int(f->bump, INT_MIN, INT_MIN));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(used(f), before);
}

static void freeing_without_a_size_does_nothing(void **state)
{
	struct fixture *f = *state;
	void *const ptr = bump_adapt_alloc(f->bump, 10);
	const size_t before = used(f);

	bump_adapt_free(f->bump, ptr);
	bump_adapt_free(f->bump, NULL);
	assert_int_equal(used(f), before);
}

static void realloc_allocates_whatever_the_old_size_of_nothing_is(void **state)
{
	struct fixture *f = *state;

	for (size_t tag = 0; tag < 10; tag++) {
		void *const ptr = bump_adapt_realloc(f->bump, NULL, tag, 100);

		assert_any_type(ptr);
		test_fill(ptr, 100, (uint32_t)tag);
		assert_true(test_verify(ptr, 100, (uint32_t)tag));
	}
	assert_null(bump_adapt_realloc(f->bump, NULL, 8, 0));
}

static void realloc_keeps_the_bytes(void **state)
{
	struct fixture *f = *state;
	void *ptr = bump_adapt_realloc(f->bump, NULL, 0, 1);

	test_fill(ptr, 1, 7);
	for (size_t size = 1; size < 5000; size += 37) {
		assert_true(test_verify(ptr, size, 7));
		if (size % 2 == 0) /* no longer the newest: it moves */
			assert_non_null(bump_alloc(f->bump, 1));
		ptr = bump_adapt_realloc(f->bump, ptr, size, size + 37);
		assert_any_type(ptr);
		assert_true(test_verify(ptr, size, 7));
		test_fill(ptr, size + 37, 7);
	}
}

static void realloc_to_nothing_takes_the_newest_back(void **state)
{
	struct fixture *f = *state;
	void *const first = bump_adapt_realloc(f->bump, NULL, 0, 100);
	const size_t before = used(f);
	void *const second = bump_adapt_realloc(f->bump, NULL, 0, 100);
	const size_t both = used(f);

	assert_null(bump_adapt_realloc(f->bump, first, 100, 0));
	assert_int_equal(used(f), both);
	assert_null(bump_adapt_realloc(f->bump, second, 100, 0));
	assert_in_range(used(f), before, before + 8); /* what it was aligned by may stay */
}

/* --- with a context, where old sizes are not told --- */

static void sized_blocks_keep_their_bytes_when_they_grow(void **state)
{
	struct fixture *f = *state;
	unsigned char *blocks[4] = {NULL};
	size_t sizes[4] = {0};

	for (size_t turn = 1; turn < 100; turn++)
		for (uint32_t i = 0; i < 4; i++) {
			const size_t size = (turn * 7919 + i * 104729) % 900 + 1;
			const size_t kept = size < sizes[i] ? size : sizes[i];

			blocks[i] = bump_adapt_sized_realloc(f->bump, blocks[i], size);
			assert_any_type(blocks[i]);
			assert_true(test_verify(blocks[i], kept, i));
			test_fill(blocks[i], size, i);
			sizes[i] = size;
		}
	for (uint32_t i = 0; i < 4; i++)
		assert_true(test_verify(blocks[i], sizes[i], i));
}

static void the_newest_sized_block_is_taken_back(void **state)
{
	struct fixture *f = *state;

	assert_non_null(bump_adapt_sized_alloc(f->bump, 100));
	const size_t before = used(f);
	void *const ptr = bump_adapt_sized_alloc(f->bump, 1000);

	assert_ptr_equal(bump_adapt_sized_realloc(f->bump, ptr, 2000), ptr);
	bump_adapt_sized_free(f->bump, ptr);
	assert_in_range(used(f), before, before + 8);
	assert_ptr_equal(bump_adapt_sized_alloc(f->bump, 10), ptr);
	assert_null(bump_adapt_sized_realloc(f->bump, ptr, 0));
	assert_in_range(used(f), before, before + 8);
	bump_adapt_sized_free(f->bump, NULL);
}

static void a_sized_block_that_can_not_grow_stays(void **state)
{
	struct fixture *f = *state;
	void *const ptr = bump_adapt_sized_alloc(f->bump, 100);

	test_fill(ptr, 100, 3);
	for (size_t less = 0; less < 40; less++) {
		assert_null(bump_adapt_sized_realloc(f->bump, ptr, SIZE_MAX - less));
		assert_null(bump_adapt_sized_alloc(f->bump, SIZE_MAX - less));
		assert_int_equal(errno, ENOMEM);
	}
	assert_true(test_verify(ptr, 100, 3));
	assert_ptr_equal(bump_adapt_sized_realloc(f->bump, ptr, 200), ptr);
}

/* --- without a context --- */

static void without_an_arena_it_is_malloc(void **state)
{
	struct fixture *f = *state;
	const size_t before = used(f);
	unsigned char *ptr = bump_adapt_local_malloc(100);

	assert_any_type(ptr);
	test_fill(ptr, 100, 1);
	ptr = bump_adapt_local_realloc(ptr, 100000);
	assert_any_type(ptr);
	assert_true(test_verify(ptr, 100, 1));
	bump_adapt_local_free(ptr);
	ptr = bump_adapt_local_calloc(10, 10);
	assert_true(test_all_bytes(ptr, 100, 0));
	assert_null(bump_adapt_local_realloc(ptr, SIZE_MAX));
	assert_int_equal(errno, ENOMEM);
	assert_null(bump_adapt_local_malloc(SIZE_MAX - 3));
	assert_null(bump_adapt_local_calloc(SIZE_MAX / 2, 3));
	assert_true(test_all_bytes(ptr, 100, 0));
	assert_null(bump_adapt_local_realloc(ptr, 0));
	bump_adapt_local_free(NULL);
	assert_int_equal(used(f), before);
}

static void the_thread_s_arena_is_used(void **state)
{
	struct fixture *f = *state;
	bump_t *const other = bump_new(NULL);

	assert_null(bump_adapt_local_use(f->bump));
	assert_ptr_equal(bump_adapt_local_use(other), f->bump);
	assert_true(bump_owns(other, bump_adapt_local_malloc(1)));
	assert_ptr_equal(bump_adapt_local_use(f->bump), other);
	unsigned char *const ptr = bump_adapt_local_calloc(3, 100);
	assert_true(bump_owns(f->bump, ptr) && test_all_bytes(ptr, 300, 0));
	assert_any_type(ptr);
	assert_ptr_equal(bump_adapt_local_realloc(ptr, 1000), ptr);
	assert_null(bump_adapt_local_calloc(SIZE_MAX / 2, 3));
	assert_null(bump_adapt_local_malloc(SIZE_MAX - 3));
	assert_int_equal(errno, ENOMEM);
	assert_ptr_equal(bump_adapt_local_use(NULL), f->bump);
	bump_destroy(other);
}

/* A block may come back while another arena is chosen: it knows where it is from. */
static void blocks_of_elsewhere_are_left_alone_or_copied(void **state)
{
	struct fixture *f = *state;
	unsigned char *const heap = bump_adapt_local_malloc(100);

	test_fill(heap, 100, 1);
	bump_adapt_local_use(f->bump);
	unsigned char *const here =
		bump_adapt_local_realloc(heap, 200); /* frees the one of malloc */
	assert_true(bump_owns(f->bump, here) && test_verify(here, 100, 1));
	bump_adapt_local_use(NULL);

	const size_t before = used(f);
	unsigned char *const out = bump_adapt_local_realloc(here, 50);
	assert_false(bump_owns(f->bump, out));
	assert_true(test_verify(out, 50, 1));
	bump_adapt_local_free(here);
	assert_int_equal(used(f), before);
	bump_adapt_local_use(f->bump);
	bump_adapt_local_free(out);
	assert_int_equal(used(f), before);
	bump_adapt_local_use(NULL);
}

static void *see_no_arena(void *arg)
{
	bool *const none = arg;

	*none = bump_adapt_local_use(NULL) == NULL;
	return NULL;
}

static void each_thread_has_its_own_choice(void **state)
{
	struct fixture *f = *state;
	bool none = false;
	pthread_t thread;

	bump_adapt_local_use(f->bump);
	assert_int_equal(pthread_create(&thread, NULL, see_no_arena, &none), 0);
	pthread_join(thread, NULL);
	assert_true(none);
	assert_ptr_equal(bump_adapt_local_use(NULL), f->bump);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(arrays_are_aligned_and_checked_for_overflow),
		FIXTURE_TEST(freeing_without_a_size_does_nothing),
		FIXTURE_TEST(realloc_allocates_whatever_the_old_size_of_nothing_is),
		FIXTURE_TEST(realloc_keeps_the_bytes),
		FIXTURE_TEST(realloc_to_nothing_takes_the_newest_back),
		FIXTURE_TEST(sized_blocks_keep_their_bytes_when_they_grow),
		FIXTURE_TEST(the_newest_sized_block_is_taken_back),
		FIXTURE_TEST(a_sized_block_that_can_not_grow_stays),
		FIXTURE_TEST(without_an_arena_it_is_malloc),
		FIXTURE_TEST(the_thread_s_arena_is_used),
		FIXTURE_TEST(blocks_of_elsewhere_are_left_alone_or_copied),
		FIXTURE_TEST(each_thread_has_its_own_choice),
	};

	return cmocka_run_group_tests_name("arena: adapt", tests, NULL, NULL);
}
