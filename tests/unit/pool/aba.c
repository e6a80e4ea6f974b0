/* SPDX-License-Identifier: MIT */
/*
 * The portable stack where a pop is overtaken at the worst moment: between its look at the next
 * entry and its swap others pop the first two, and push the first again. The first is where it was,
 * but what followed it is gone: only the generation tells.
 */

#include "support.h"

#include <stdatomic.h>

#include "base/san.h"
#include "base/thread.h"

/* Called once, after the next look at an entry's `next`. */
static void (*overtake)(void);

static uint64_t load64(const _Atomic uint64_t *p, memory_order order)
{
	return atomic_load_explicit(p, order);
}

static uint32_t load32(const _Atomic uint32_t *p, memory_order order)
{
	const uint32_t value = atomic_load_explicit(p, order);
	void (*const fn)(void) = overtake;

	overtake = NULL;
	if (fn != NULL)
		fn();
	return value;
}

#undef atomic_load_explicit
#define atomic_load_explicit(p, order)                                                             \
	_Generic((p),                                                                              \
		_Atomic uint64_t *: load64,                                                        \
		const _Atomic uint64_t *: load64,                                                  \
		_Atomic uint32_t *: load32)((p), (order))

#ifndef HERD_PORTABLE_STACK
#define HERD_PORTABLE_STACK 1
#endif
#include "base/stack.h"

enum { FIRST, SECOND, THIRD, LINKS };

static struct stack stack;
static struct stack_table table;
static struct stack_link links[LINKS];

/* The first on top. */
static int setup(void **state)
{
	(void)state;
	table = (struct stack_table){0};
	stack_init(&stack, &table);
	for (size_t i = LINKS; i-- > 0;) {
		if (!stack_enlist(&table, &links[i]))
			return -1;
		stack_push(&stack, &links[i]);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stack_table_done(&table);
	return 0;
}

static void pop_two_and_push_the_first(void)
{
	assert_ptr_equal(stack_pop(&stack), &links[FIRST]);
	assert_ptr_equal(stack_pop(&stack), &links[SECOND]);
	stack_push(&stack, &links[FIRST]);
}

static void an_entry_that_another_has_is_not_popped_again(void **state)
{
	(void)state;
	overtake = pop_two_and_push_the_first;
	assert_ptr_equal(stack_pop(&stack), &links[FIRST]);
	assert_null(overtake);
	assert_ptr_equal(stack_pop(&stack), &links[THIRD]);
	assert_null(stack_pop(&stack));
	assert_true(stack_is_empty(&stack));
}

static void pop_one(void)
{
	assert_ptr_equal(stack_pop(&stack), &links[FIRST]);
}

static void a_pop_that_lost_tries_again(void **state)
{
	(void)state;
	overtake = pop_one;
	assert_ptr_equal(stack_pop(&stack), &links[SECOND]);
	assert_ptr_equal(stack_pop(&stack), &links[THIRD]);
	assert_null(stack_pop(&stack));
}

static void push_the_second_again(void)
{
	assert_ptr_equal(stack_pop(&stack), &links[FIRST]);
	assert_ptr_equal(stack_pop(&stack), &links[SECOND]);
	stack_push(&stack, &links[SECOND]);
	stack_push(&stack, &links[FIRST]);
}

static void no_entry_is_lost_where_all_are_as_before(void **state)
{
	(void)state;
	overtake = push_the_second_again;
	for (size_t i = 0; i < LINKS; i++)
		assert_ptr_equal(stack_pop(&stack), &links[i]);
	assert_null(stack_pop(&stack));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_entry_that_another_has_is_not_popped_again,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_pop_that_lost_tries_again, setup, teardown),
		cmocka_unit_test_setup_teardown(no_entry_is_lost_where_all_are_as_before, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("a stack overtaken", tests, NULL, NULL);
}
