/* SPDX-License-Identifier: MIT */
/*
 * Threads that are cancelled or killed: what they had out is lost to the pool until herd_recall(),
 * and no lock is left behind, wherever they were.
 */

#include "pool.h"

#include <sys/syscall.h>
#include <unistd.h>

/* --- between get and put --- */

struct lost {
	herd_t *herd;
	void *memory[TEAM_MAX];
	sem_t out; /* posted by each thread that has a member */
};

static void check_out_and_fill(struct lost *lost, size_t id)
{
	bump_t *const bump = herd_get(lost->herd);

	lost->memory[id] = bump == NULL ? NULL : bump_alloc(bump, 3000);
	if (TEAM_CHECK(lost->memory[id] != NULL, "thread %zu: %s", id, strerror(errno)))
		test_fill(lost->memory[id], 3000, (uint32_t)id);
	sem_post(&lost->out);
}

static void wait_to_be_cancelled(void *arg, size_t id)
{
	check_out_and_fill(arg, id);
	for (;;)
		pause();
}

/* As a thread ends of which the C library learns nothing: no destructor runs. */
static void end_at_once(void *arg, size_t id)
{
	check_out_and_fill(arg, id);
	syscall(SYS_exit, 0);
}

static void expect_lost(struct pool *pool, const struct lost *lost)
{
	assert_int_equal(pool_stats(pool->herd).out, TEAM_MAX);
	assert_int_equal(herd_reset(pool->herd), EBUSY);
	assert_int_equal(herd_destroy(pool->herd), EBUSY);

	/* The others go on meanwhile. */
	bump_t *const bump = pool_get(pool->herd);

	pool_alloc(bump, 5000, 1);
	herd_put(pool->herd, bump);

	assert_int_equal(herd_recall(pool->herd), TEAM_MAX);
	for (size_t i = 0; i < TEAM_MAX; i++)
		assert_true(test_verify(lost->memory[i], 3000, (uint32_t)i));
	assert_int_equal(herd_reset(pool->herd), 0);
	assert_int_equal(pool_stats(pool->herd).members, TEAM_MAX + 1);
	pool_agrees(pool);
	pool_end(pool);
}

static void members_of_cancelled_threads_are_lost_until_a_recall(void **state)
{
	(void)state;
	struct pool pool;
	struct team team;

	pool_start(&pool);
	struct lost lost = {.herd = pool.herd};
	assert_int_equal(sem_init(&lost.out, 0, 0), 0);
	team_start(&team, TEAM_MAX, wait_to_be_cancelled, &lost);
	for (size_t i = 0; i < TEAM_MAX; i++) {
		while (sem_wait(&lost.out) != 0)
			continue;
	}
	for (size_t i = 0; i < TEAM_MAX; i++)
		assert_int_equal(pthread_cancel(team.members[i].thread), 0);
	team_join(&team);
	team_verdict();
	expect_lost(&pool, &lost);
	sem_destroy(&lost.out);
}

static void members_of_killed_threads_are_lost_until_a_recall(void **state)
{
	(void)state;
	if (TEST_SANITIZED || test_on_valgrind() || test_is_emulated()) {
		print_message("# a tool can't follow a thread that ends by the system call\n");
		skip();
	}
	struct pool pool;

	pool_start(&pool);
	struct lost lost = {.herd = pool.herd};
	assert_int_equal(sem_init(&lost.out, 0, 0), 0);
	team_run(TEAM_MAX, end_at_once, &lost);
	expect_lost(&pool, &lost);
	sem_destroy(&lost.out);
}

/* --- in the middle of a call --- */

enum { RAISED = 300000, LIMIT = 500000 };

static void *acquire_and_test(void *ctx, size_t *size, size_t align)
{
	(void)ctx;
	pthread_testcancel();
	if (*size > RAISED && *size < 2 * RAISED)
		*size *= 2;
	return herd_source_malloc.acquire(NULL, size, align);
}

static void release_and_test(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	pthread_testcancel();
	herd_source_malloc.release(NULL, memory, size);
}

static int look_and_test(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)ctx;
	(void)start;
	(void)used;
	(void)capacity;
	pthread_testcancel();
	return 0;
}

static void test_cancel(void *arg)
{
	(void)arg;
	pthread_testcancel();
}

static void warm(herd_t *herd)
{
	(void)herd_warm(herd, 4, 10000);
}

static void get(herd_t *herd)
{
	herd_put(herd, herd_get(herd));
}

static void reset(herd_t *herd)
{
	(void)herd_reset(herd);
}

static void trim(herd_t *herd)
{
	(void)herd_trim(herd, 0);
}

static void walk(herd_t *herd)
{
	(void)herd_each_chunk(herd, look_and_test, NULL);
}

static void discard(herd_t *herd)
{
	bump_t *const bump = herd_get(herd);

	(void)bump_defer(bump, test_cancel, NULL);
	herd_discard(herd, bump);
}

static void rewind_(herd_t *herd)
{
	bump_t *const bump = herd_get(herd);
	const bump_mark_t mark = bump_mark(bump);

	(void)bump_defer(bump, test_cancel, NULL);
	(void)bump_rewind(bump, mark);
	herd_put(herd, bump);
}

/* Memory is asked for, once spare memory was given back to make room for it. */
static void alloc(herd_t *herd)
{
	bump_t *const bump = herd_get(herd);

	herd_set_limit(herd, pool_stats(herd).reserved + 50000);
	test_ignore(bump_alloc(bump, 120000));
	herd_put(herd, bump);
}

/* The source raises the size, and the limit forbids that: the memory goes back at once. */
static void alloc_too_much(herd_t *herd)
{
	bump_t *const bump = herd_get(herd);

	test_ignore(bump_alloc(bump, RAISED));
	herd_put(herd, bump);
}

static void local(herd_t *herd)
{
	(void)herd_local(herd);
	herd_local_put(herd);
}

struct call {
	const char *name;
	void (*fn)(herd_t *herd);
	bool returned;
	herd_t *herd;
};

static void *call_while_being_cancelled(void *arg)
{
	struct call *const call = arg;

	pthread_cancel(pthread_self());
	call->fn(call->herd);
	call->returned = true;
	pthread_testcancel();
	return NULL;
}

/* With a member that holds something, something spare, and something deferred. */
static void prepare(herd_t *herd)
{
	bump_t *bump = pool_get(herd);

	pool_alloc(bump, 100000, 1);
	herd_put(herd, bump);
	assert_int_equal(herd_reset(herd), 0);
	bump = pool_get(herd);
	pool_alloc(bump, 1000, 2);
	assert_int_equal(bump_defer(bump, test_cancel, NULL), 0);
	herd_put(herd, bump);
}

/* All memory can be given back, and then had again, to the limit. */
static void nothing_is_lost(herd_t *herd)
{
	assert_int_equal(herd_reset(herd), 0);
	(void)herd_trim(herd, 0);
	assert_int_equal(pool_stats(herd).reserved, 0);
	herd_set_limit(herd, 50000);

	bump_t *const bump = pool_get(herd);

	pool_alloc(bump, 45000, 3);
	herd_put(herd, bump);
}

/* The source, the walk and the deferred function are points of cancellation: none of them counts. */
static void a_thread_is_not_cancelled_while_it_holds_a_herd(void **state)
{
	(void)state;
	struct call calls[] = {{.name = "herd_warm", .fn = warm},
			       {.name = "herd_get", .fn = get},
			       {.name = "herd_reset", .fn = reset},
			       {.name = "herd_trim", .fn = trim},
			       {.name = "herd_each_chunk", .fn = walk},
			       {.name = "herd_discard", .fn = discard},
			       {.name = "bump_rewind", .fn = rewind_},
			       {.name = "bump_alloc", .fn = alloc},
			       {.name = "bump_alloc, too much", .fn = alloc_too_much},
			       {.name = "herd_local", .fn = local}};
	const herd_source_t source = {acquire_and_test, release_and_test, NULL};

	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		herd_t *const herd = herd_new(&(herd_config_t){
			.bump.source = &source, .bump.first_chunk = 5000, .limit = LIMIT});
		pthread_t thread;
		void *result;

		assert_non_null(herd);
		if (calls[i].fn != get) /* that one makes the first member */
			prepare(herd);
		calls[i].herd = herd;
		assert_int_equal(
			pthread_create(&thread, NULL, call_while_being_cancelled, &calls[i]), 0);
		assert_int_equal(pthread_join(thread, &result), 0);
		assert_ptr_equal(result, PTHREAD_CANCELED);
		if (!calls[i].returned)
			fail_msg("a thread was cancelled in %s", calls[i].name);
		assert_int_equal(pool_stats(herd).out, 0); /* and no lock is held */
		nothing_is_lost(herd);
		assert_int_equal(herd_destroy(herd), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_of_cancelled_threads_are_lost_until_a_recall),
		cmocka_unit_test(members_of_killed_threads_are_lost_until_a_recall),
		cmocka_unit_test(a_thread_is_not_cancelled_while_it_holds_a_herd),
	};

	return cmocka_run_group_tests_name("killed", tests, NULL, NULL);
}
