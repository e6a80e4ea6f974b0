/* SPDX-License-Identifier: MIT */
/*
 * fork(2) as other modules of a program meet it: their own handlers of pthread_atfork(3), and what a
 * fork costs where there are many herds. Nothing of herd is used before the handlers are registered.
 */

#include "pool.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- a module with a lock of its own, which it holds where it uses herd --- */

static pthread_mutex_t module_lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t module_waits; /* the fork has come to the module's handler */
static herd_t *shared;	   /* what the handlers use */

static void module_prepare(void)
{
	sem_post(&module_waits);
	pthread_mutex_lock(&module_lock);
}

static void module_done(void)
{
	pthread_mutex_unlock(&module_lock);
}

/* One of each kind of call: get, put, chunks that come and go, a cold operation, a new arena. */
static bool use_herd(herd_t *herd)
{
	herd_stats_t stats;
	bump_t *const bump = herd_get(herd);
	bump_t *const standalone = bump_new(NULL);
	const bool good = bump != NULL && standalone != NULL && bump_alloc(bump, 100000) != NULL &&
			  bump_alloc(standalone, (size_t)3 << 20) != NULL;

	herd_discard(herd, bump);
	bump_destroy(standalone);
	herd_stats(herd, &stats);
	(void)herd_trim(herd, 0);
	return good && stats.members != 0;
}

static atomic_bool handlers_use_herd;
static atomic_int uses;

static void use_in_handler(void)
{
	if (handlers_use_herd)
		uses += use_herd(shared);
}

/*
 * As a module does that is loaded before the library: its handlers run while the library's own have
 * closed the gate. A sanitizer is not ready by then.
 */
static atomic_int early_uses;

#if !TEST_SANITIZED
static void use_in_early_handler(void)
{
	if (handlers_use_herd)
		early_uses += use_herd(shared);
}

static void register_early(void)
{
	(void)pthread_atfork(use_in_early_handler, use_in_early_handler, use_in_early_handler);
}

static void (*const register_first)(void)
	__attribute__((section(".preinit_array"), used)) = register_early;
#endif

enum { EARLY_USES = TEST_SANITIZED ? 0 : 2 };

/* Once, and before the first herd is made. */
static void register_handlers(void)
{
	static bool registered;

	if (registered)
		return;
	registered = true;
	assert_int_equal(sem_init(&module_waits, 0, 0), 0);
	assert_int_equal(pthread_atfork(module_prepare, module_done, module_done), 0);
	assert_int_equal(pthread_atfork(use_in_handler, use_in_handler, use_in_handler), 0);
}

static pid_t started;

/* The end of a child that should end with 0; it hangs no longer than ten seconds. */
static void expect_success(pid_t child)
{
	int status;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the child ended with status %#x", (unsigned)status);
}

struct holder {
	sem_t held, done;
	bool good;
};

/*
 * It holds the module's lock, and uses herd when the fork, which is on its way, waits for that
 * lock: were the gate closed by then, both would wait for ever. It is detached: a thread sanitizer
 * in the child would miss the join.
 */
static void *hold_and_use(void *arg)
{
	struct holder *const holder = arg;

	pthread_detach(pthread_self());
	pthread_mutex_lock(&module_lock);
	sem_post(&holder->held);
	sem_wait(&module_waits);
	holder->good = use_herd(shared);
	pthread_mutex_unlock(&module_lock);
	sem_post(&holder->done);
	return NULL;
}

/* In a process of its own, so that a deadlock can be ended. */
static int fork_beside_the_module(void)
{
	static struct holder holder;
	pthread_t thread;
	int status;

	alarm(10);
	sem_init(&holder.held, 0, 0);
	sem_init(&holder.done, 0, 0);
	while (sem_trywait(&module_waits) == 0)
		continue; /* those of earlier forks */
	shared = herd_new(NULL);
	if (pthread_create(&thread, NULL, hold_and_use, &holder) != 0)
		return 1;
	sem_wait(&holder.held);
	const pid_t child = fork();

	if (child == 0)
		_exit(use_herd(shared) && herd_reset(shared) == 0 && herd_destroy(shared) == 0 ? 0
											       : 9);
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		return 2;
	sem_wait(&holder.done);
	if (!holder.good)
		return 3;
	return herd_destroy(shared) == 0 ? 0 : 4;
}

static void a_module_may_hold_a_lock_of_its_handlers_where_it_uses_herd(void **state)
{
	(void)state;
	register_handlers();
	fflush(NULL);
	started = fork();
	if (started == 0)
		_exit(fork_beside_the_module());
	expect_success(started);
}

static void handlers_of_the_program_may_use_herds(void **state)
{
	(void)state;
	register_handlers();
	shared = herd_new(NULL);
	handlers_use_herd = true;
	uses = early_uses = 0;
	fflush(NULL);
	started = fork();
	if (started == 0) {
		handlers_use_herd = false;
		alarm(10);
		_exit(uses == 2 && early_uses == EARLY_USES && use_herd(shared) &&
				      herd_destroy(shared) == 0
			      ? 0
			      : 1);
	}
	handlers_use_herd = false;
	assert_int_equal(uses, 2);
	assert_int_equal(early_uses, EARLY_USES);
	expect_success(started);
	assert_int_equal(herd_destroy(shared), 0);
}

/* --- a cold operation that a fork finds under way --- */

enum { YIELDS = 1000 };

static sem_t at_source;
static atomic_bool forked;

/*
 * A fork begins while the source is at work. It must not go on before that is over; were it to, a
 * thousand yields are enough for it.
 */
static void release_beside_a_fork(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	(void)size;
	sem_post(&at_source);
	sem_wait(&module_waits);
	for (int i = 0; i < YIELDS && !forked; i++)
		sched_yield();
	free(memory);
}

static void *acquire_from_heap(void *ctx, size_t *size, size_t align)
{
	(void)ctx;
	return aligned_alloc(align, (*size + align - 1) / align * align);
}

static void *trim_all(void *herd)
{
	pthread_detach(pthread_self());
	(void)herd_trim(herd, 0);
	sem_post(&at_source);
	return NULL;
}

static int fork_beside_a_trim(void)
{
	static const herd_source_t source = {acquire_from_heap, release_beside_a_fork, NULL};
	herd_config_t config = {.bump.source = &source};
	pthread_t thread;
	int status;

	alarm(10);
	while (sem_trywait(&module_waits) == 0)
		continue;
	herd_t *const herd = herd_new(&config);
	bump_t *const bump = herd_get(herd);

	assert_non_null(bump_alloc(bump, 100));
	herd_put(herd, bump);
	if (herd_reset(herd) != 0 || pthread_create(&thread, NULL, trim_all, herd) != 0)
		return 1;
	sem_wait(&at_source);
	const pid_t child = fork();

	if (child == 0) {
		alarm(5);
		_exit(herd_trim(herd, 0) == 0 ? 0 : 1);
	}
	forked = true;
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		return 2;
	sem_wait(&at_source);
	return 0;
}

static void a_fork_waits_for_a_cold_operation(void **state)
{
	(void)state;
	register_handlers();
	assert_int_equal(sem_init(&at_source, 0, 0), 0);
	fflush(NULL);
	started = fork();
	if (started == 0)
		_exit(fork_beside_a_trim());
	expect_success(started);
}

/* --- a fork that waits for a callback, which waits for a thread that allocates --- */

static sem_t in_callback, allocated;

static void *allocate_beside_a_fork(void *member)
{
	pthread_detach(pthread_self());
	sem_wait(&module_waits);
	for (int i = 0; i < YIELDS; i++)
		sched_yield(); /* the fork has come to the library's handler, most likely */
	/* Chunks from the herd and from the system, small ones and one of a region. */
	bump_t *const standalone = bump_new(NULL);
	const bool good = bump_alloc(member, 100000) != NULL &&
			  bump_alloc(member, 3 << 20) != NULL &&
			  bump_alloc(standalone, 3 << 20) != NULL;

	bump_destroy(standalone);
	if (good) /* else nobody ever posts, and the alarm ends it */
		sem_post(&allocated);
	return NULL;
}

static void wait_for_the_allocation(void *arg)
{
	(void)arg;
	sem_post(&in_callback);
	sem_wait(&allocated);
}

static void *reset_it(void *herd)
{
	pthread_detach(pthread_self());
	(void)herd_reset(herd);
	return NULL;
}

static int fork_beside_a_callback(void)
{
	herd_t *const herd = herd_new(NULL), *const other = herd_new(NULL);
	bump_t *const member = herd_get(herd), *const out = herd_get(other);
	pthread_t threads[2];
	int status;

	alarm(10);
	sem_init(&in_callback, 0, 0);
	sem_init(&allocated, 0, 0);
	while (sem_trywait(&module_waits) == 0)
		continue;
	if (bump_defer(member, wait_for_the_allocation, NULL) != 0)
		return 1;
	herd_put(herd, member);
	if (pthread_create(&threads[0], NULL, reset_it, herd) != 0)
		return 2;
	sem_wait(&in_callback);
	if (pthread_create(&threads[1], NULL, allocate_beside_a_fork, out) != 0)
		return 3;
	const pid_t child = fork();

	if (child == 0)
		_exit(0);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : 4;
}

static void a_fork_lets_allocations_through_while_it_waits(void **state)
{
	(void)state;
	register_handlers();
	fflush(NULL);
	started = fork();
	if (started == 0)
		_exit(fork_beside_a_callback());
	expect_success(started);
}

/* --- costs --- */

enum { HERDS = 10000, MEMBERS = 4, FAULTS_MORE = 100 };

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/*
 * The page faults of a fork: in the parent, from before it until after it; in the child, from its
 * beginning until its end. The child tells through a pipe.
 */
struct fork_faults {
	long parent, child;
};

static struct fork_faults count_fork(void)
{
	struct fork_faults count = {0};
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	const long before = faults();

	started = fork();
	if (started == 0) {
		const long mine = faults();

		_exit(write(ends[1], &mine, sizeof(mine)) == sizeof(mine) ? 0 : 1);
	}
	count.parent = faults() - before;
	assert_int_equal(read(ends[0], &count.child, sizeof(count.child)), sizeof(count.child));
	expect_success(started);
	close(ends[0]);
	close(ends[1]);
	return count;
}

static herd_t *make_with_members(void)
{
	herd_t *const herd = herd_new(NULL);
	bump_t *members[MEMBERS];

	assert_non_null(herd);
	for (size_t i = 0; i < MEMBERS; i++)
		members[i] = pool_get(herd);
	for (size_t i = 0; i < MEMBERS; i++)
		herd_put(herd, members[i]);
	return herd;
}

/* The memory of the herds is copied on write: a fork that wrote to each would take a fault for it. */
static void a_fork_does_not_cost_more_where_there_are_many_herds(void **state)
{
	(void)state;
	herd_t **const herds = calloc(HERDS, sizeof(herd_t *));

	if (TEST_SANITIZED || test_on_valgrind() || test_is_emulated())
		skip(); /* the faults are not ours alone */
	assert_non_null(herds);
	register_handlers();
	(void)count_fork(); /* the first one costs more */
	const struct fork_faults without = count_fork();

	for (size_t i = 0; i < HERDS; i++)
		herds[i] = make_with_members();
	const struct fork_faults with = count_fork();

	print_message("# faults of a fork: parent %ld and %ld, child %ld and %ld with %d herds\n",
		      without.parent, with.parent, without.child, with.child, HERDS);
	assert_true(with.parent <= without.parent + FAULTS_MORE);
	assert_true(with.child <= without.child + FAULTS_MORE);
	for (size_t i = 0; i < HERDS; i++)
		assert_int_equal(herd_destroy(herds[i]), 0);
	free(herds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_module_may_hold_a_lock_of_its_handlers_where_it_uses_herd),
		cmocka_unit_test(handlers_of_the_program_may_use_herds),
		cmocka_unit_test(a_fork_waits_for_a_cold_operation),
		cmocka_unit_test(a_fork_lets_allocations_through_while_it_waits),
		cmocka_unit_test(a_fork_does_not_cost_more_where_there_are_many_herds),
	};

	return cmocka_run_group_tests_name("handlers of fork", tests, NULL, NULL);
}
