/* SPDX-License-Identifier: MIT */
/*
 * A signal handler that allocates nothing may come at any moment: it reads and writes memory that
 * was allocated before, and the arena that it interrupted goes on as if it had not been there.
 */

#include "pool.h"

#include <signal.h>

enum { WORDS = 16 };

/* The handler's: allocated in the arena that it interrupts. */
static _Atomic(_Atomic size_t *) shared;
static _Atomic size_t signals;

static void on_signal(int number)
{
	_Atomic size_t *const words = atomic_load(&shared);

	(void)number;
	for (size_t i = 0; words != NULL && i < WORDS; i++)
		atomic_fetch_add(&words[i], 1);
	atomic_fetch_add(&signals, 1);
}

struct sender {
	pthread_t target;
	_Atomic bool stop;
};

static void *send_signals(void *arg)
{
	struct sender *const sender = arg;
	sigset_t set;

	/* Only the target is interrupted. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	while (!atomic_load(&sender->stop)) {
		const size_t before = atomic_load(&signals);

		pthread_kill(sender->target, SIGUSR1);
		while (atomic_load(&signals) == before && !atomic_load(&sender->stop))
			sched_yield();
	}
	return NULL;
}

/* Allocations of many sizes above what the handler writes to, each with its pattern. */
static void work(bump_t *bump, uint64_t *random)
{
	enum { ROUND = 64 };
	void *pieces[ROUND];
	size_t sizes[ROUND];
	const bump_mark_t mark = bump_mark(bump);

	for (size_t i = 0; i < ROUND; i++) {
		sizes[i] = 1 + test_below(random, i % 16 == 0 ? 100000 : 300);
		pieces[i] = bump_alloc_aligned(bump, sizes[i], (size_t)1 << test_below(random, 7));
		assert_non_null(pieces[i]);
		test_fill(pieces[i], sizes[i], (uint32_t)i);
	}
	for (size_t i = 0; i < ROUND; i++)
		assert_true(test_verify(pieces[i], sizes[i], (uint32_t)i));
	assert_int_equal(bump_rewind(bump, mark), 0);
}

static void expect_counted(const _Atomic size_t *words, size_t least)
{
	const size_t first = atomic_load(&words[0]);

	assert_true(first >= least);
	for (size_t i = 1; i < WORDS; i++)
		assert_int_equal(atomic_load(&words[i]), first);
}

static void an_interrupted_arena_goes_on(void **state)
{
	(void)state;
#ifdef __i386__
	if (test_is_emulated()) {
		print_message("# qemu for i386 gets stuck between a thread's signals\n");
		skip();
	}
#endif
	const size_t wanted = TEST_SCALE(3000);
	uint64_t random = test_seed("interrupted");
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigaction former;
	struct sender sender = {.target = pthread_self()};
	struct pool pool;
	pthread_t thread;

	pool_start(&pool);
	bump_t *bump = pool_get(pool.herd);
	_Atomic size_t *const words = bump_calloc(bump, WORDS, sizeof *words);

	assert_non_null(words);
	atomic_store(&shared, words);
	assert_int_equal(sigaction(SIGUSR1, &action, &former), 0);
	assert_int_equal(pthread_create(&thread, NULL, send_signals, &sender), 0);
	while (atomic_load(&signals) < wanted) {
		work(bump, &random);
		herd_put(pool.herd, bump); /* what the handler writes to is still there */
		bump = pool_get(pool.herd);
	}
	atomic_store(&sender.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(sigaction(SIGUSR1, &former, NULL), 0);
	expect_counted(words, wanted);
	herd_put(pool.herd, bump);
	assert_int_equal(pool_stats(pool.herd).members, 1);
	pool_agrees(&pool);
	pool_end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interrupted_arena_goes_on),
	};

	return cmocka_run_group_tests_name("interrupted", tests, NULL, NULL);
}
