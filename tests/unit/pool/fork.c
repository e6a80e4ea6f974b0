/* SPDX-License-Identifier: MIT */
/*
 * fork(2): the child uses, resets and destroys what it inherited, whatever other threads of its
 * parent were doing; members that those had out stay out; and the parent notices nothing.
 */

#include "pool.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define FORK_BESIDE_THREADS false
#else
#define FORK_BESIDE_THREADS true
#endif

/* --- children --- */

/* In a child, which must not use cmocka's assertions: end it where the condition does not hold. */
#define CHILD_CHECK(condition) child_check((condition), #condition, __LINE__)

static void child_check(bool holds, const char *condition, int line)
{
	if (holds)
		return;
	fprintf(stderr, "fork.c:%d: in the child: %s (errno %d)\n", line, condition, errno);
	_exit(1);
}

/*
 * Run fn(arg) in a child, which has ten seconds. Returns whether all went well; what did not is
 * told by team_verdict(), so that the parent's threads can be ended first.
 */
static bool in_child(void (*fn)(void *arg), void *arg)
{
	int status = 0;

	fflush(NULL);
	const pid_t child = fork();
	if (child == 0) {
		signal(SIGALRM, SIG_DFL);
		alarm(10);
		fn(arg);
		_exit(0);
	}
	if (!TEAM_CHECK(child != -1, "%s", strerror(errno)) ||
	    !TEAM_CHECK(waitpid(child, &status, 0) == child, "%s", strerror(errno)))
		return false;
	if (WIFSIGNALED(status))
		return TEAM_CHECK(false, "the child died of signal %d%s", WTERMSIG(status),
				  WTERMSIG(status) == SIGALRM ? ": it hung" : "");
	return TEAM_CHECK(WEXITSTATUS(status) == 0, "it ended with %d", WEXITSTATUS(status));
}

/* --- with one thread --- */

struct estate {
	struct pool pool;
	bump_t *out;
	void *memory[2];
};

static void inherit(void *arg)
{
	struct estate *const estate = arg;
	herd_t *const herd = estate->pool.herd;

	CHILD_CHECK(test_verify(estate->memory[0], 5000, 1));
	CHILD_CHECK(test_verify(estate->memory[1], 5000, 2));
	CHILD_CHECK(herd_reset(herd) == EBUSY);
	void *const more = bump_alloc(estate->out, 100000);
	CHILD_CHECK(more != NULL);
	test_fill(more, 100000, 3);
	herd_put(herd, estate->out);
	CHILD_CHECK(test_verify(estate->memory[1], 5000, 2));
	bump_t *const members[] = {herd_get(herd), herd_try_get(herd), herd_get(herd)};
	for (size_t i = 0; i < 3; i++)
		CHILD_CHECK(members[i] != NULL && pool_spend(members[i], 50000, 100));
	CHILD_CHECK(test_verify(more, 100000, 3));
	for (size_t i = 0; i < 3; i++)
		herd_put(herd, members[i]);
	CHILD_CHECK(pool_stats(herd).members == 3);
	CHILD_CHECK(herd_reset(herd) == 0);
	memset(estate->memory, 0, sizeof(estate->memory));
	CHILD_CHECK(herd_warm(herd, 4, 1000) == 0);
	CHILD_CHECK(herd_destroy(herd) == 0);
	CHILD_CHECK(estate->pool.source.held == 0);
}

static void the_child_uses_resets_and_destroys_what_it_inherited(void **state)
{
	(void)state;
	struct estate estate;

	pool_start(&estate.pool);
	bump_t *const in = pool_get(estate.pool.herd);
	estate.out = pool_get(estate.pool.herd);
	estate.memory[0] = pool_alloc(in, 5000, 1);
	estate.memory[1] = pool_alloc(estate.out, 5000, 2);
	herd_put(estate.pool.herd, in);
	for (size_t i = 0; i < 3; i++) {
		const herd_stats_t before = pool_stats(estate.pool.herd);

		in_child(inherit, &estate);
		team_verdict();
		const herd_stats_t after = pool_stats(estate.pool.herd);
		assert_memory_equal(&after, &before, sizeof(after));
	}
	assert_true(test_verify(estate.memory[0], 5000, 1));
	assert_true(test_verify(estate.memory[1], 5000, 2));
	pool_alloc(estate.out, 1000, 3);
	herd_put(estate.pool.herd, estate.out);
	assert_int_equal(herd_reset(estate.pool.herd), 0);
	pool_end(&estate.pool);
}

/* --- members that other threads have out --- */

struct absentee {
	herd_t *herd;
	bool local; /* it is the thread's own */
	bump_t *bump;
	void *memory;
	sem_t has_it;
	sem_t may_put;
};

static void keep_it_out(void *arg, size_t id)
{
	struct absentee *const absentee = arg;

	(void)id;
	absentee->bump = absentee->local ? herd_local(absentee->herd) : herd_get(absentee->herd);
	absentee->memory = absentee->bump == NULL ? NULL : bump_alloc(absentee->bump, 700);
	if (TEAM_CHECK(absentee->memory != NULL, "%s", strerror(errno)))
		test_fill(absentee->memory, 700, 1);
	sem_post(&absentee->has_it);
	while (sem_wait(&absentee->may_put) != 0)
		continue;
	TEAM_CHECK(bump_alloc(absentee->bump, 7000) != NULL, "%s", strerror(errno));
	herd_put(absentee->herd, absentee->bump);
}

static void find_it_out(void *arg)
{
	struct absentee *const absentee = arg;
	herd_t *const herd = absentee->herd;

	CHILD_CHECK(pool_stats(herd).out == 1);
	CHILD_CHECK(herd_reset(herd) == EBUSY);
	CHILD_CHECK(herd_destroy(herd) == EBUSY);
	bump_t *const mine = herd_try_get(herd);
	CHILD_CHECK(mine != NULL && mine != absentee->bump);
	CHILD_CHECK(herd_try_get(herd) == NULL && errno == EAGAIN);
	CHILD_CHECK(bump_alloc(mine, 100000) != NULL);
	herd_put(herd, mine);
	CHILD_CHECK(herd_reset(herd) == EBUSY);
	CHILD_CHECK(test_verify(absentee->memory, 700, 1));
	herd_put(herd, absentee->bump); /* here it is the child's to put: its thread is not there */
	CHILD_CHECK(test_verify(absentee->memory, 700, 1));
	CHILD_CHECK(herd_reset(herd) == 0);
	CHILD_CHECK(herd_destroy(herd) == 0);
}

static void recall_it(void *arg)
{
	struct absentee *const absentee = arg;
	herd_t *const herd = absentee->herd;
	bump_t *const mine = herd_local(herd);

	CHILD_CHECK(mine != NULL && mine != absentee->bump);
	CHILD_CHECK(bump_alloc(mine, 100000) != NULL);
	herd_local_put(herd);
	CHILD_CHECK(pool_stats(herd).out == 1);
	CHILD_CHECK(herd_reset(herd) == EBUSY);
	CHILD_CHECK(herd_recall(herd) == 1);
	CHILD_CHECK(test_verify(absentee->memory, 700, 1));
	CHILD_CHECK(herd_reset(herd) == 0);
	CHILD_CHECK(herd_destroy(herd) == 0);
}

/* Run fn(absentee) in children while another thread has a member out. */
static void in_children_beside_an_absentee(bool local, void (*fn)(void *arg))
{
	if (!FORK_BESIDE_THREADS) {
		print_message("# thread sanitizer does not support fork(2) beside threads\n");
		skip();
	}
	struct absentee absentee = {.herd = herd_new(NULL), .local = local};
	struct team team;

	assert_non_null(absentee.herd);
	sem_init(&absentee.has_it, 0, 0);
	sem_init(&absentee.may_put, 0, 0);
	bump_t *const mine = pool_get(absentee.herd);
	team_start(&team, 1, keep_it_out, &absentee);
	while (sem_wait(&absentee.has_it) != 0)
		continue;
	herd_put(absentee.herd, mine);
	for (size_t i = 0; i < 3; i++)
		in_child(fn, &absentee);
	const int result = herd_reset(absentee.herd);
	sem_post(&absentee.may_put);
	team_join(&team);
	team_verdict();
	assert_int_equal(result, EBUSY);
	assert_true(test_verify(absentee.memory, 700, 1));
	assert_int_equal(herd_reset(absentee.herd), 0);
	assert_int_equal(herd_destroy(absentee.herd), 0);
	sem_destroy(&absentee.has_it);
	sem_destroy(&absentee.may_put);
}

static void members_that_other_threads_had_out_stay_out_in_the_child(void **state)
{
	(void)state;
	in_children_beside_an_absentee(false, find_it_out);
}

static void the_child_recalls_what_other_threads_have_as_their_own(void **state)
{
	(void)state;
	in_children_beside_an_absentee(true, recall_it);
}

/* --- in the middle of a call --- */

static bool fork_at_release;
static pid_t child_at_release;

static void release_and_fork(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	if (fork_at_release) {
		fork_at_release = false;
		fflush(NULL);
		child_at_release = fork();
		alarm(child_at_release == 0 ? 10 : 0);
	}
	herd_source_malloc.release(NULL, memory, size);
}

static void *acquire(void *ctx, size_t *size, size_t align)
{
	(void)ctx;
	return herd_source_malloc.acquire(NULL, size, align);
}

/* In a source, while spare memory goes back to make room: the child's budget is right. */
static void a_source_forks_while_memory_goes_back(void **state)
{
	(void)state;
	const herd_source_t source = {acquire, release_and_fork, NULL};
	herd_t *const herd =
		herd_new(&(herd_config_t){.bump.source = &source, .limit = (size_t)64 << 10});
	int status;

	assert_non_null(herd);
	for (size_t round = 0; round < 2; round++) {
		bump_t *bump = pool_get(herd);

		for (size_t i = 0; i < 20; i++)
			pool_alloc(bump, 1000, (uint32_t)i);
		herd_put(herd, bump);
		assert_int_equal(herd_reset(herd), 0);
		bump = pool_get(herd);
		fork_at_release = true;

		const void *const large = bump_alloc(bump, 56000);
		const bool child = child_at_release == 0;
		const herd_stats_t stats = pool_stats(herd);

		if (child) {
			CHILD_CHECK(large != NULL);
			CHILD_CHECK(stats.reserved >= 56000 + stats.spare);
			CHILD_CHECK(bump_alloc(bump, 12000) == NULL); /* above the limit */
			herd_put(herd, bump);
			CHILD_CHECK(herd_reset(herd) == 0);
			(void)herd_trim(herd, 0);
			CHILD_CHECK(pool_stats(herd).reserved == 0);
			CHILD_CHECK(herd_destroy(herd) == 0);
			_exit(0);
		}
		assert_non_null(large);
		assert_int_not_equal(child_at_release, -1);
		assert_int_equal(waitpid(child_at_release, &status, 0), child_at_release);
		assert_int_equal(status, 0);
		herd_put(herd, bump);
		assert_int_equal(herd_reset(herd), 0);
		(void)herd_trim(herd, 0);
		assert_int_equal(pool_stats(herd).reserved, 0);
	}
	assert_int_equal(herd_destroy(herd), 0);
}

/* --- the thread's own --- */

static void commit_it(void *arg)
{
	char *const *reservation = arg;
	bump_t *const bump = (bump_t *)(void *)reservation[1];

	memset(reservation[0], 7, 100);
	bump_commit(bump, reservation[0], 100);
	CHILD_CHECK(bump_owns(bump, reservation[0] + 99));
	CHILD_CHECK(pool_spend(bump, 20000, 50));
	CHILD_CHECK(reservation[0][0] == 7 && reservation[0][99] == 7);
}

static void a_reservation_is_there_in_the_child(void **state)
{
	(void)state;
	herd_t *const herd = herd_new(NULL);
	bump_t *const bump = pool_get(herd);
	void *reservation[2] = {bump_reserve(bump, 100, 1, NULL), bump};

	assert_non_null(reservation[0]);
	in_child(commit_it, reservation);
	bump_commit(bump, reservation[0], 100);
	assert_true(bump_owns(bump, reservation[0]));
	herd_put(herd, bump);
	assert_int_equal(herd_destroy(herd), 0);
}

static void *local_of_child(void *arg)
{
	struct estate *const estate = arg;
	bump_t *const bump = herd_local(estate->pool.herd);

	CHILD_CHECK(bump != NULL && bump != estate->out && pool_spend(bump, 20000, 50));
	return NULL;
}

static void inherit_local(void *arg)
{
	struct estate *const estate = arg;
	herd_t *const herd = estate->pool.herd;
	pthread_t thread;

	CHILD_CHECK(herd_local(herd) == estate->out);
	CHILD_CHECK(pthread_create(&thread, NULL, local_of_child, estate) == 0);
	CHILD_CHECK(pthread_join(thread, NULL) == 0);
	CHILD_CHECK(pool_stats(herd).out == 1);
	CHILD_CHECK(pool_spend(estate->out, 20000, 50));
	CHILD_CHECK(test_verify(estate->memory[0], 5000, 1));
	herd_local_put(herd);
	CHILD_CHECK(pool_stats(herd).out == 0);
	CHILD_CHECK(herd_local(herd) != NULL);
	herd_local_put(herd);
	CHILD_CHECK(herd_reset(herd) == 0);
	CHILD_CHECK(herd_destroy(herd) == 0);
}

static void the_thread_s_own_member_is_its_own_in_the_child(void **state)
{
	(void)state;
	struct estate estate;

	pool_start(&estate.pool);
	estate.out = herd_local(estate.pool.herd);
	assert_non_null(estate.out);
	estate.memory[0] = pool_alloc(estate.out, 5000, 1);
	for (size_t i = 0; i < 3; i++) {
		in_child(inherit_local, &estate);
		assert_ptr_equal(herd_local(estate.pool.herd), estate.out);
		assert_int_equal(pool_stats(estate.pool.herd).out, 1);
	}
	assert_true(test_verify(estate.memory[0], 5000, 1));
	herd_local_put(estate.pool.herd);
	pool_end(&estate.pool);
}

/* --- amid everything --- */

enum { BUSY = 4 };

struct bustle {
	herd_t *worked; /* checked out from all the time, with chunks coming and going */
	herd_t *tended; /* reset, trimmed and warmed all the time */
	atomic_bool done;
};

/* Members go on the herd's stack and off it: the second is not the one that was used last. */
static void take_two(herd_t *herd)
{
	for (size_t i = 0; i < 20; i++) {
		bump_t *const first = herd_get(herd);
		bump_t *const second = herd_get(herd);

		TEAM_CHECK(first != NULL && second != NULL && first != second, "turn %zu", i);
		herd_put(herd, first);
		herd_put(herd, second);
	}
}

static void busy_worker(void *arg, size_t id)
{
	struct bustle *const bustle = arg;
	uint64_t random = id + 7;

	while (!atomic_load(&bustle->done)) {
		take_two(bustle->worked);
		bump_t *const bump = herd_get(bustle->worked);
		const size_t size = 1 + test_below(&random, 30000);
		void *const memory = bump == NULL ? NULL : bump_alloc(bump, size);

		if (TEAM_CHECK(memory != NULL, "%zu bytes: %s", size, strerror(errno)))
			test_fill(memory, size, (uint32_t)id);
		if (test_below(&random, 4) == 0)
			sched_yield();
		TEAM_CHECK(memory == NULL || test_verify(memory, size, (uint32_t)id), "%zu bytes",
			   size);
		if (test_below(&random, 64) == 0)
			herd_put(bustle->worked, bump);
		else
			herd_discard(bustle->worked, bump);
	}
}

static void busy_tender(void *arg, size_t id)
{
	struct bustle *const bustle = arg;
	herd_stats_t stats;

	(void)id;
	for (size_t i = 0; !atomic_load(&bustle->done); i++) {
		herd_stats(bustle->worked, &stats);
		herd_trim(bustle->worked, 0);
		herd_put(bustle->tended, herd_get(bustle->tended));
		int result = herd_warm(bustle->tended, 1 + i % 3, 10000);
		TEAM_CHECK(result == 0, "herd_warm: %s", strerror(result));
		result = herd_reset(bustle->tended);
		TEAM_CHECK(result == 0, "herd_reset: %s", strerror(result));
		/* In turns a small one, and one that gets and gives a chunk of a region. */
		herd_t *const brief = herd_new(
			&(herd_config_t){.bump.first_chunk = i % 2 == 0 ? 0 : 2 * MIB - 4096});
		herd_put(brief, herd_get(brief));
		TEAM_CHECK(herd_destroy(brief) == 0, "turn %zu", i);
	}
}

static void *thread_of_child(void *arg)
{
	bump_t *const bump = herd_get(arg);

	CHILD_CHECK(bump != NULL && pool_spend(bump, 20000, 50));
	herd_put(arg, bump);
	return NULL;
}

/* Every idle member can be had, each once; then all of them are in again. */
static void idle_members_can_be_had(herd_t *herd)
{
	const herd_stats_t stats = pool_stats(herd);
	bump_t *members[64];
	size_t n = 0;

	CHILD_CHECK(stats.members <= 64);
	while (n < 64 && (members[n] = herd_try_get(herd)) != NULL)
		n++;
	CHILD_CHECK(n == stats.members - stats.out);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			CHILD_CHECK(members[i] != members[j]);
	for (size_t i = 0; i < n; i++) {
		CHILD_CHECK(pool_spend(members[i], 20000, 500));
		herd_put(herd, members[i]);
	}
}

static void go_on_with(herd_t *herd)
{
	pthread_t thread;

	idle_members_can_be_had(herd);
	bump_t *const bump = herd_get(herd);
	CHILD_CHECK(bump != NULL);
	void *const memory = bump_alloc(bump, 300000);
	CHILD_CHECK(memory != NULL);
	test_fill(memory, 300000, 9);
	CHILD_CHECK(pthread_create(&thread, NULL, thread_of_child, herd) == 0);
	CHILD_CHECK(pthread_join(thread, NULL) == 0);
	CHILD_CHECK(test_verify(memory, 300000, 9));
	herd_discard(herd, bump);
	CHILD_CHECK(herd_warm(herd, 2, 5000) == 0);
	herd_trim(herd, 0);
	const int expected = pool_stats(herd).out == 0 ? 0 : EBUSY;
	CHILD_CHECK(herd_reset(herd) == expected);
	CHILD_CHECK(herd_destroy(herd) == expected);
}

static void go_on(void *arg)
{
	struct bustle *const bustle = arg;
	herd_t *const fresh = herd_new(NULL);

	CHILD_CHECK(fresh != NULL);
	go_on_with(bustle->worked);
	go_on_with(bustle->tended);
	go_on_with(fresh);
}

static void fork_again(void *arg)
{
	int status;
	const pid_t grandchild = fork();

	CHILD_CHECK(grandchild != -1);
	go_on(arg);
	if (grandchild == 0)
		_exit(0);
	CHILD_CHECK(waitpid(grandchild, &status, 0) == grandchild);
	CHILD_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void the_child_goes_on_whatever_other_threads_were_doing(void **state)
{
	(void)state;
	if (TEST_SANITIZED || test_on_valgrind()) {
		/*
		 * It may stay locked in the child, or find what other threads' stacks referred to.
		 */
		print_message("# the sanitizer's or valgrind's malloc(3) takes no such fork\n");
		skip();
	}
	if (test_is_emulated()) {
		/* It copies locks that its own threads hold, and asserts that it has not. */
		print_message("# qemu takes no fork(2) while other threads start calls\n");
		skip();
	}
	const size_t forks = TEST_SCALE(200);
	struct bustle bustle = {.worked = herd_new(&(herd_config_t){.bump.max_chunk = 32 * KIB}),
				.tended = herd_new(NULL)};
	struct team workers;
	struct team tender;

	assert_non_null(bustle.worked);
	assert_non_null(bustle.tended);
	team_start(&workers, BUSY, busy_worker, &bustle);
	team_start(&tender, 1, busy_tender, &bustle);
	bool fine = true;
	for (size_t i = 0; fine && i < forks; i++)
		fine = in_child(i % 8 == 7 ? fork_again : go_on, &bustle);
	atomic_store(&bustle.done, true);
	team_join(&workers);
	team_join(&tender);
	team_verdict();
	assert_in_range(pool_stats(bustle.worked).members, 2, 2 * BUSY + 1);
	assert_int_equal(pool_stats(bustle.worked).out, 0);
	assert_int_equal(herd_reset(bustle.worked), 0);
	assert_int_equal(herd_destroy(bustle.worked), 0);
	assert_int_equal(herd_destroy(bustle.tended), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_child_uses_resets_and_destroys_what_it_inherited),
		cmocka_unit_test(members_that_other_threads_had_out_stay_out_in_the_child),
		cmocka_unit_test(the_child_recalls_what_other_threads_have_as_their_own),
		cmocka_unit_test(the_thread_s_own_member_is_its_own_in_the_child),
		cmocka_unit_test(a_reservation_is_there_in_the_child),
		cmocka_unit_test(a_source_forks_while_memory_goes_back),
		cmocka_unit_test(the_child_goes_on_whatever_other_threads_were_doing),
	};

	return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
