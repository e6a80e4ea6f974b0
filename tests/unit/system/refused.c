/* SPDX-License-Identifier: MIT */
/*
 * Each call that the library makes fails once, then from some moment on, then by chance, in one
 * thread and in several. Whatever fails: nothing crashes, the error is a documented one, what was
 * allocated stays, all that is mapped is accounted for, and once the calls work again so does
 * everything.
 */

#include "refuse.h"
#include "work.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <herd/source.h>

/* What the library has mapped while nothing is held: only what the system did not take back. */
static void nothing_is_lost(void)
{
	WORK_CHECK(refuse_counts->mapped == herd_source_kept());
}

/* The system takes everything again: no call fails, and what was kept goes back. */
static void all_works_again(work_step *step)
{
	refuse_nothing();
	WORK_CHECK(step() == 0);
	for (int i = 0; i < 100 && herd_source_kept() != 0; i++)
		WORK_CHECK(step() == 0);
	WORK_CHECK(herd_source_kept() == 0);
	nothing_is_lost();
}

/* @return whether there was an n-th call. */
static bool step_without(work_step *step, enum refuse_call call, size_t n, bool from)
{
	refuse_nothing();
	refuse_nth(call, n, from);
	const size_t failures = step();
	const bool did = refuse_happened();

	WORK_CHECK(did || failures == 0);
	nothing_is_lost();
	return did;
}

/* What a process asks for once is asked for by a child; the others by this process. */
static bool is_asked_once(enum refuse_call call)
{
	return call == CALL_GETENTROPY || call == CALL_CLOCK || call == CALL_KEY;
}

static void sweep(bool from)
{
	/* From one moment on is much the same as from the next. */
	const size_t stride = (from ? 5U : 1U) * (test_is_slow() ? 12U : test_is_quick() ? 4U : 1U);

	refuse_arm(true);
	for (size_t i = 0; i < WORK_STEPS * CALLS; i++) {
		const enum refuse_call call = (enum refuse_call)(i / WORK_STEPS);
		work_step *const step = work_steps[i % WORK_STEPS];
		size_t n = 1;

		if (is_asked_once(call))
			continue;
		for (; step_without(step, call, n, from); n += stride) {
			if (n / stride % 4 == 0)
				all_works_again(step);
		}
		WORK_CHECK(n < 10000);
		all_works_again(step);
	}
	all_works_again(work);
	refuse_arm(false);
}

static void each_call_fails_once(void **state)
{
	(void)state;
	sweep(false);
}

static void each_call_fails_from_some_moment_on(void **state)
{
	(void)state;
	sweep(true);
}

/* Run fn(arg) in a child, which has a minute. */
static void in_child(void (*fn)(size_t arg), size_t arg)
{
	int status;

	fflush(NULL);
	const pid_t child = fork();

	assert_int_not_equal(child, -1);
	if (child == 0) {
		alarm(60);
		fn(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* A key that can't be had makes herd_local() fail; the next one works. A secret is always had. */
static void work_without(size_t call)
{
	refuse_arm(true);
	refuse_nth((enum refuse_call)call, 1, false);
	const size_t failures = work();

	WORK_CHECK(failures == (call == CALL_KEY));
	WORK_CHECK(refuse_happened());
	nothing_is_lost();
	all_works_again(work);
}

static void neither_random_bytes_nor_a_clock(size_t unused)
{
	(void)unused;
	refuse_arm(true);
	refuse_all(CALL_GETENTROPY, 0);
	refuse_all(CALL_CLOCK, 0);
	WORK_CHECK(work() == 0);
	WORK_CHECK(refuse_counts->failed[CALL_CLOCK] != 0);
	all_works_again(work);
}

static void what_a_process_asks_for_once_may_fail(void **state)
{
	(void)state;
	in_child(work_without, CALL_KEY);
	in_child(work_without, CALL_GETENTROPY);
	in_child(neither_random_bytes_nor_a_clock, 0);
}

/* --- flags --- */

/* A flag, or advice, that is only a wish: nothing fails without it. */
static void wishes_may_be_refused(void **state)
{
	(void)state;
	const size_t before = refuse_counts->failed[CALL_MMAP];

	refuse_arm(true);
	refuse_nothing();
	refuse_all(CALL_MMAP, MAP_POPULATE);
	WORK_CHECK(work() == 0);
	refuse_nothing();
	refuse_all(CALL_HUGEPAGE, 0);
	WORK_CHECK(work() == 0);
	refuse_nothing();
	refuse_all(CALL_DONTNEED, 0);
	WORK_CHECK(work() == 0);
	refuse_nothing();
	refuse_all(CALL_MUNMAP, 0);
	WORK_CHECK(work() == 0);
	nothing_is_lost();
	all_works_again(work);
	refuse_arm(false);
	assert_true(refuse_counts->failed[CALL_MMAP] > before);
}

/* Whoever gets it next must not see what was there. */
static void what_serves_again_reads_as_zero(void **state)
{
	const size_t sizes[] = {4096, 65536, 3 << 20, 2 << 20};

	(void)state;
	refuse_arm(true);
	for (size_t i = 0; i < 4 * sizeof sizes / sizeof *sizes; i++) {
		size_t size = sizes[i / 4];

		refuse_nothing();
		char *const first = herd_source_os.acquire(NULL, &size, 64);

		WORK_CHECK(first != NULL);
		memset(first, 1, size);
		refuse_all(CALL_MUNMAP, 0);
		if (i % 2 != 0)
			refuse_all(CALL_DONTNEED, 0);
		herd_source_os.release(NULL, first, size);
		WORK_CHECK(herd_source_kept() >= size);
		if (i % 4 < 2)
			refuse_nothing();
		char *const again = herd_source_os.acquire(NULL, &size, 64);

		WORK_CHECK(again == first);
		WORK_CHECK(test_all_bytes(again, size, 0));
		refuse_nothing();
		herd_source_os.release(NULL, again, size);
		all_works_again(work_steps[0]);
	}
	refuse_arm(false);
}

/* --- by chance --- */

static void calls_fail_by_chance(void **state)
{
	(void)state;
	refuse_arm(true);
	for (uint64_t seed = 1; seed <= TEST_SCALE(30); seed++) {
		refuse_nothing();
		refuse_at_random(seed, 2 + seed % 20);
		(void)work();
		nothing_is_lost();
		all_works_again(work);
	}
	refuse_arm(false);
}

enum { THREADS = 4 };

static void *work_in_a_thread(void *arg)
{
	const size_t first = (size_t)(uintptr_t)arg;

	refuse_arm(true);
	for (size_t i = 0; i < 2 * WORK_STEPS; i++)
		(void)work_steps[(first + i) % WORK_STEPS]();
	refuse_arm(false);
	return NULL;
}

static void calls_of_several_threads_fail_by_chance(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= TEST_SCALE(10); seed++) {
		pthread_t threads[THREADS];

		refuse_nothing();
		refuse_at_random(1000 + seed, 2 + seed % 20);
		for (size_t i = 0; i < THREADS; i++)
			assert_int_equal(
				pthread_create(&threads[i], NULL, work_in_a_thread, (void *)i), 0);
		for (size_t i = 0; i < THREADS; i++)
			assert_int_equal(pthread_join(threads[i], NULL), 0);
		nothing_is_lost();
		refuse_arm(true);
		all_works_again(work);
		refuse_arm(false);
	}
}

static int report(void **state)
{
	(void)state;
	refuse_report();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_process_asks_for_once_may_fail),
		cmocka_unit_test(each_call_fails_once),
		cmocka_unit_test(each_call_fails_from_some_moment_on),
		cmocka_unit_test(wishes_may_be_refused),
		cmocka_unit_test(what_serves_again_reads_as_zero),
		cmocka_unit_test(calls_fail_by_chance),
		cmocka_unit_test(calls_of_several_threads_fail_by_chance),
	};

	refuse_begin();
	return cmocka_run_group_tests_name("system: calls that fail", tests, NULL, report);
}
