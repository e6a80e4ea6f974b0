/* SPDX-License-Identifier: MIT */
/* What becomes of a reservation where all that is freed is cleared: a call that fails leaves it. */

#include "support.h"

enum { LIMIT = 8192, SECRET = 'S' };

static bump_t *make(size_t limit)
{
	bump_t *const bump = bump_new(&(bump_config_t){.limit = limit, .harden = BUMP_HARDEN_ZERO});

	assert_non_null(bump);
	return bump;
}

static char *reserve(bump_t *bump, size_t size)
{
	char *const p = bump_reserve(bump, size, 1, NULL);

	assert_non_null(p);
	memset(p, SECRET, size);
	return p;
}

static void a_call_that_fails_leaves_a_reservation(void **state)
{
	bump_t *const bump = make(LIMIT);
	char *const old = bump_alloc(bump, 64);
	char *p;

	(void)state;
	assert_non_null(bump_alloc(bump, 8));
	p = reserve(bump, 100);
	errno = 0;
	assert_null(bump_realloc(bump, old, 64, 2 * (size_t)LIMIT, 8));
	assert_int_equal(errno, ENOMEM);
	bump_commit(bump, p, 100);
	assert_true(test_all_bytes(p, 100, SECRET));

	p = reserve(bump, 100);
	assert_false(bump_extend(bump, old, 64, 128));
	bump_commit(bump, p, 100);
	assert_true(test_all_bytes(p, 100, SECRET));

	p = reserve(bump, 100);
	errno = 0;
	assert_null(bump_alloc(bump, 2 * (size_t)LIMIT));
	assert_int_equal(errno, ENOMEM);
	bump_commit(bump, p, 100);
	assert_true(test_all_bytes(p, 100, SECRET));
	bump_destroy(bump);
}

/* What nobody may look at otherwise is looked at by reserving it again. */
static void a_large_request_clears_what_was_reserved(void **state)
{
	bump_t *const bump = make(0);

	(void)state;
	if (test_red_zones()) {
		bump_destroy(bump);
		skip(); /* what is reserved is undefined */
	}
	assert_non_null(bump_alloc(bump, 8));
	char *const p = reserve(bump, 100);

	assert_non_null(bump_alloc(bump, (size_t)1 << 20));
	assert_ptr_equal(bump_reserve(bump, 100, 1, NULL), p);
	assert_true(test_all_bytes(p, 100, 0));
	bump_destroy(bump);
}

/* What comes after it needs a new chunk; going back to the old one shows what is there. */
static void a_new_chunk_clears_what_was_reserved_in_the_old_one(void **state)
{
	(void)state;
	for (int again = 0; again < 2; again++) {
		bump_t *const bump = make(0);

		if (test_red_zones()) {
			bump_destroy(bump);
			skip();
		}
		assert_non_null(bump_alloc(bump, 8));
		const bump_mark_t mark = bump_mark(bump);
		char *const p = reserve(bump, 100);

		assert_non_null(again ? bump_reserve(bump, 5000, 1, NULL) : bump_alloc(bump, 5000));
		assert_int_equal(bump_rewind(bump, mark), 0);
		assert_ptr_equal(bump_reserve(bump, 100, 1, NULL), p);
		assert_true(test_all_bytes(p, 100, 0));
		bump_destroy(bump);
	}
}

/* An allocation that ends where the reservation ended has all of it. */
static void what_an_allocation_took_over_can_not_be_committed(void **state)
{
	bump_t *const bump = make(0);
	size_t room;

	(void)state;
	assert_non_null(bump_alloc(bump, 8));
	char *const p = bump_reserve(bump, 100, 1, &room);
	assert_non_null(p);
	char *const taken = bump_alloc_aligned(bump, room & ~(size_t)7, 1);
	assert_non_null(taken);
	test_misuse_begin();
	bump_commit(bump, p, 100);
	test_misuse_expect("bump_commit");
	test_misuse_end();
	bump_destroy(bump);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_that_fails_leaves_a_reservation),
		cmocka_unit_test(a_large_request_clears_what_was_reserved),
		cmocka_unit_test(a_new_chunk_clears_what_was_reserved_in_the_old_one),
		cmocka_unit_test(what_an_allocation_took_over_can_not_be_committed),
	};

	return cmocka_run_group_tests_name("arena: reserved, cleared", tests, NULL, NULL);
}
