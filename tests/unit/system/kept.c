/* SPDX-License-Identifier: MIT */
/*
 * The ranges that the system did not take back, from inside: whatever is put, taken and popped, no
 * page is in two hands, and none is lost.
 */

#include "support.h"

#include <sys/mman.h>
#include <unistd.h>

#include "source/kept.h"

enum { PAGES = 4096 };

static char *area;
static size_t page;
enum owner { OURS, KEPT, CLOSED };
static enum owner owners[PAGES];
static size_t n_kept; /* pages */

static size_t number_of(const char *start)
{
	return (size_t)(start - area) / page;
}

static void set_owner(struct kept_range r, enum owner from, enum owner to)
{
	assert_true(r.start >= area && r.size % page == 0);
	assert_true(number_of(r.start) + r.size / page <= PAGES);
	for (size_t i = number_of(r.start); i < number_of(r.start) + r.size / page; i++) {
		assert_int_equal(owners[i], from);
		owners[i] = to;
	}
}

static void put(size_t first, size_t n, enum kept_state state)
{
	const struct kept_range r = {area + first * page, n * page, state};

	set_owner(r, OURS, state == KEPT_CLOSED ? CLOSED : KEPT);
	kept_put(r, page);
	n_kept += n;
	assert_int_equal(kept_bytes(), n_kept * page);
}

static bool take(size_t n, size_t align, struct kept_range *r)
{
	if (!kept_take(n * page, align, r))
		return false;
	assert_int_equal(r->size, n * page);
	assert_true(test_is_aligned(r->start, align));
	assert_int_not_equal(r->state, KEPT_CLOSED);
	set_owner(*r, KEPT, OURS);
	/* What is clean reads as zero; it is the taker's, who may write there. */
	if (r->state == KEPT_CLEAN)
		assert_true(test_all_bytes(r->start, r->size, 0));
	memset(r->start, 0, r->size);
	n_kept -= n;
	assert_int_equal(kept_bytes(), n_kept * page);
	return true;
}

static bool pop(void)
{
	struct kept_range r;

	if (!kept_pop(&r))
		return false;
	set_owner(r, r.state == KEPT_CLOSED ? CLOSED : KEPT, OURS);
	if (r.state != KEPT_CLOSED)
		memset(r.start, 0, r.size);
	n_kept -= r.size / page;
	assert_int_equal(kept_bytes(), n_kept * page);
	return true;
}

static void pop_all(void)
{
	while (pop())
		continue;
	assert_int_equal(n_kept, 0);
}

static int setup(void **state)
{
	(void)state;
	page = (size_t)sysconf(_SC_PAGESIZE);
	area = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return area == MAP_FAILED;
}

static void nothing_is_kept_at_first(void **state)
{
	struct kept_range r;

	(void)state;
	assert_int_equal(kept_bytes(), 0);
	assert_false(kept_take(page, page, &r));
	assert_false(kept_pop(&r));
}

static void single_pages_come_back(void **state)
{
	struct kept_range r;

	(void)state;
	for (size_t round = 0; round < 2; round++) {
		for (size_t i = 0; i < PAGES; i += 2)
			put(i, 1, KEPT_CLEAN);
		assert_false(take(2, page, &r));
		for (size_t i = 0; i < PAGES / 2; i++)
			assert_true(take(1, page, &r));
		assert_false(take(1, page, &r));
		assert_int_equal(kept_bytes(), 0);
	}
}

/* Else the system would be offered the one that it refuses over and over. */
static void a_range_that_is_put_back_lets_others_go_first(void **state)
{
	struct kept_range first, second;

	(void)state;
	for (size_t i = 0; i < 6; i += 2)
		put(i, 1, KEPT_CLEAN);
	assert_true(kept_pop(&first));
	kept_put(first, page);
	assert_true(kept_pop(&second));
	assert_ptr_not_equal(first.start, second.start);
	kept_put(second, page);
	pop_all();
}

static void a_range_is_cut_and_its_rest_stays(void **state)
{
	struct kept_range r;

	(void)state;
	put(0, 100, KEPT_CLEAN);
	assert_true(take(10, page, &r));
	assert_true(take(16, 16 * page, &r));
	assert_false(take(80, page, &r));
	pop_all();
}

static void what_is_closed_is_never_taken(void **state)
{
	struct kept_range r;

	(void)state;
	for (size_t i = 0; i < 40; i++)
		put(i, 1, KEPT_CLOSED);
	assert_false(take(1, page, &r));
	pop_all();
}

/* The room for records of ranges that can't hold any comes out of others. */
static void closed_ranges_find_room_in_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < PAGES; i++)
		put(i, 1, i % 4 == 0 ? KEPT_USED : KEPT_CLOSED);
	pop_all();
}

static void any_order_of_calls_loses_nothing(void **state)
{
	uint64_t random = test_seed("order");

	(void)state;
	for (size_t i = 0; i < TEST_SCALE(100000); i++) {
		const size_t first = test_below(&random, PAGES);
		const size_t most = 1 + test_below(&random, 20);
		size_t n = 0;
		struct kept_range r;

		while (n < most && first + n < PAGES && owners[first + n] == OURS)
			n++;
		/* Waves: mostly one or the other. */
		if (n != 0 && test_below(&random, 100) < (i / 5000 % 2 == 0 ? 70u : 30u))
			put(first, n, test_below(&random, 10) < 4 ? KEPT_USED : KEPT_CLEAN);
		else if (test_below(&random, 2) == 0)
			(void)take(most, page << test_below(&random, 4), &r);
		else
			(void)pop();
	}
	pop_all();
}

/* --- threads --- */

enum { THREADS = 4, SHARE = PAGES / THREADS };

static _Atomic size_t in_hand;

/* Each begins with pages of its own. What it has nobody else has. */
static void *put_and_take(void *arg)
{
	uint64_t random = (uintptr_t)arg;
	char *mine[PAGES];
	size_t n = SHARE;

	for (size_t i = 0; i < SHARE; i++)
		mine[i] = area + ((size_t)(uintptr_t)arg * SHARE + i) * page;
	for (size_t i = 0; i < TEST_SCALE(20000); i++) {
		struct kept_range r;

		if (n != 0 && test_below(&random, 2) == 0) {
			memset(mine[--n], 0, page);
			kept_put((struct kept_range){mine[n], page, KEPT_CLEAN}, page);
		} else if (n < PAGES && kept_take(page, page, &r)) {
			memset(r.start, (int)i, page);
			mine[n++] = r.start;
		}
	}
	in_hand += n;
	return NULL;
}

static void threads_share_what_is_kept(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, put_and_take, (void *)i), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(kept_bytes(), (PAGES - in_hand) * page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_kept_at_first),
		cmocka_unit_test(single_pages_come_back),
		cmocka_unit_test(a_range_that_is_put_back_lets_others_go_first),
		cmocka_unit_test(a_range_is_cut_and_its_rest_stays),
		cmocka_unit_test(what_is_closed_is_never_taken),
		cmocka_unit_test(closed_ranges_find_room_in_others),
		cmocka_unit_test(any_order_of_calls_loses_nothing),
		cmocka_unit_test(
			threads_share_what_is_kept), /* the last one: its pages stay kept */
	};

	return cmocka_run_group_tests_name("system: kept ranges", tests, setup, NULL);
}
