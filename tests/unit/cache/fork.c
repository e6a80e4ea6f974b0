/* SPDX-License-Identifier: MIT */
/*
 * fork(2): the child uses and destroys the cache that it inherited, whatever other threads of its
 * parent were doing; and the parent notices nothing.
 */

#include "../pool/pool.h"

#include <herd/cache.h>

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child, which must not use cmocka's assertions: end it where the condition does not hold. */
#define CHILD_CHECK(condition) child_check((condition), #condition, __LINE__)

static void child_check(bool holds, const char *condition, int line)
{
	if (holds)
		return;
	fprintf(stderr, "fork.c:%d: in the child: %s (errno %d)\n", line, condition, errno);
	_exit(1);
}

/* Run fn(cache) in a child, which has ten seconds. */
static void in_child(void (*fn)(herd_cache_t *cache), herd_cache_t *cache)
{
	int status;

	fflush(NULL);
	const pid_t child = fork();
	assert_int_not_equal(child, -1);
	if (child == 0) {
		signal(SIGALRM, SIG_DFL);
		alarm(10);
		fn(cache);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		fail_msg("the child died of signal %d%s", WTERMSIG(status),
			 WTERMSIG(status) == SIGALRM ? ": it hung" : "");
	assert_int_equal(WEXITSTATUS(status), 0);
}

static herd_cache_stats_t stats_of(const herd_cache_t *cache)
{
	herd_cache_stats_t stats;

	herd_cache_stats(cache, &stats);
	return stats;
}

/* A herd over the cache, used and destroyed. */
static bool use_herd(herd_cache_t *cache, uint32_t seed)
{
	herd_t *const herd = herd_new(&(herd_config_t){.bump.source = herd_cache_source(cache)});
	bump_t *const bump = herd == NULL ? NULL : herd_get(herd);
	void *const memory = bump == NULL ? NULL : bump_alloc(bump, 20000);

	if (memory == NULL)
		return false;
	test_fill(memory, 20000, seed);
	const bool good = test_verify(memory, 20000, seed);

	herd_put(herd, bump);
	return herd_destroy(herd) == 0 && good;
}

/* More chunks at once than there are nodes yet: all are kept. */
static bool fill(herd_cache_t *cache, size_t n)
{
	const herd_source_t *const source = herd_cache_source(cache);
	void **const chunks = malloc(n * sizeof(*chunks));
	const size_t kept = stats_of(cache).kept;

	if (chunks == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		size_t size = (size_t)65536;

		chunks[i] = source->acquire(source->ctx, &size, 64);
		if (chunks[i] == NULL)
			return false;
		*(char *)chunks[i] = 1;
	}
	for (size_t i = 0; i < n; i++)
		source->release(source->ctx, chunks[i], 65536);
	free(chunks);
	return stats_of(cache).kept >= kept && stats_of(cache).kept >= n * 65536;
}

/* --- with one thread --- */

static void inherit(herd_cache_t *cache)
{
	const herd_cache_stats_t before = stats_of(cache);

	for (uint32_t i = 0; i < 10; i++)
		CHILD_CHECK(use_herd(cache, i));
	CHILD_CHECK(stats_of(cache).misses == before.misses);
	CHILD_CHECK(fill(cache, 200));
	CHILD_CHECK(herd_cache_trim(cache, 0) != 0);
	CHILD_CHECK(stats_of(cache).kept == 0);
	CHILD_CHECK(use_herd(cache, 11));
	CHILD_CHECK(herd_cache_destroy(cache) == 0);
}

static void the_child_uses_and_destroys_what_it_inherited(void **state)
{
	(void)state;
	herd_cache_t *const cache = herd_cache_new(SIZE_MAX);

	assert_non_null(cache);
	assert_true(use_herd(cache, 1));
	for (size_t i = 0; i < 3; i++) {
		const herd_cache_stats_t before = stats_of(cache);

		in_child(inherit, cache);
		const herd_cache_stats_t after = stats_of(cache);

		assert_memory_equal(&after, &before, sizeof(after));
		assert_true(use_herd(cache, 2));
	}
	assert_int_equal(herd_cache_destroy(cache), 0);
}

/* --- amid everything --- */

struct bustle {
	herd_cache_t *cache;
	atomic_bool done;
};

static void busy_worker(void *arg, size_t id)
{
	struct bustle *const bustle = arg;
	size_t n = 0;

	while (!atomic_load(&bustle->done)) {
		TEAM_CHECK(use_herd(bustle->cache, (uint32_t)id), "%s", strerror(errno));
		if (++n % 8 == id)
			TEAM_CHECK(herd_cache_trim(bustle->cache, 3 * KIB) != 1, "%zu", n);
		sched_yield();
	}
}

static void go_on(herd_cache_t *cache)
{
	for (uint32_t i = 0; i < 3; i++)
		CHILD_CHECK(use_herd(cache, i));
	CHILD_CHECK(fill(cache, 200));
	const herd_cache_stats_t before = stats_of(cache);

	CHILD_CHECK(use_herd(cache, 9));
	herd_cache_trim(cache, 0);
	CHILD_CHECK(use_herd(cache, 10));
	const herd_cache_stats_t after = stats_of(cache);

	CHILD_CHECK(after.hits + after.misses > before.hits + before.misses);
	const int result = herd_cache_destroy(cache);

	CHILD_CHECK(result == 0 || result == EBUSY); /* what a thread had out that is not there */
}

static void the_child_goes_on_whatever_other_threads_were_doing(void **state)
{
	(void)state;
	if (TEST_SANITIZED) {
		print_message("# a sanitizer's malloc(3) may stay locked in the child\n");
		skip();
	}
	struct bustle bustle = {.cache = herd_cache_new(SIZE_MAX)};
	struct team workers;

	assert_non_null(bustle.cache);
	team_start(&workers, 3, busy_worker, &bustle);
	for (size_t i = 0; i < TEST_SCALE(40); i++)
		in_child(go_on, bustle.cache);
	atomic_store(&bustle.done, true);
	team_join(&workers);
	team_verdict();
	assert_int_equal(stats_of(bustle.cache).out, 0);
	assert_int_equal(herd_cache_destroy(bustle.cache), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_child_uses_and_destroys_what_it_inherited),
		cmocka_unit_test(the_child_goes_on_whatever_other_threads_were_doing),
	};

	return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
