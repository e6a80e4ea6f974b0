/* SPDX-License-Identifier: MIT */
/*
 * A storm of gets, puts and resets with random yields inside the library (yield.h). With none of
 * the faults of broken.h nothing goes wrong; with one of them something does. Prints TAP.
 *
 *	storm all			without a fault, and with each: twenty runs and more
 *	storm again SEED [FAULT]	one run
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/pool.h"
#include "schedule.h"
#include "yield.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STORM_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define STORM_TSAN 1
#endif
#ifndef STORM_TSAN
#define STORM_TSAN 0
#endif

enum { THREADS = 3, HELD = 2, MEMBERS = THREADS * HELD, OPERATIONS = 8 };

/* A fault must be seen in RUNS_WRONG runs: how soon, the system's scheduler has a say in. */
enum { RUNS = 20, RUNS_WRONG = 10, RUNS_MOST = 400 };

enum { ROUNDS = STORM_TSAN ? 100 : 1000, STEPS_MOST = 200000 };

/* What came of a run; shared with the parent. */
struct result {
	char problem[200];
	size_t yields, rounds, resets;
};

static struct result *result;

/*
 * A herd of its own for each round: so no thread remembers a member of it, and the stack is used.
 */
static herd_t *herd;
static pthread_barrier_t barrier;
static uint64_t seed_of_run;

/* Who holds a member; relaxed, so that it orders nothing. */
static struct {
	_Atomic(bump_t *) member;
	atomic_uint holder;
} seats[16 * MEMBERS];

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(result->problem, sizeof result->problem, format, arguments);
	va_end(arguments);
	result->yields = yield_count();
	_exit(1);
}

static void no_end(void)
{
	fail("an operation does not end");
}

static void misused(const char *function, const char *problem)
{
	fail("%s: %s", function, problem);
}

static size_t below(uint64_t *random, size_t n)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(*random >> 33) % n;
}

static size_t seat_of(bump_t *member)
{
	enum { SEATS = sizeof seats / sizeof seats[0] };

	for (size_t i = (uintptr_t)member / 64 % SEATS, tries = 0; tries < SEATS;
	     i = (i + 1) % SEATS, tries++) {
		bump_t *expected = NULL;

		if (atomic_compare_exchange_strong_explicit(&seats[i].member, &expected, member,
							    memory_order_relaxed,
							    memory_order_relaxed) ||
		    expected == member)
			return i;
	}
	fail("more members than ever were wanted");
}

/* --- what a thread does --- */

struct hands {
	unsigned id;
	uint64_t random;
	bump_t *held[HELD];
	size_t n;
};

static void get(struct hands *hands)
{
	bump_t *member = NULL;

	yield_limit(STEPS_MOST, no_end);
	if (below(&hands->random, 4) == 0)
		member = herd_try_get(herd);
	if (member == NULL)
		member = herd_get(herd);
	yield_limit(0, NULL);
	if (member == NULL)
		fail("herd_get: %s", strerror(errno));
	if (atomic_exchange_explicit(&seats[seat_of(member)].holder, hands->id + 1,
				     memory_order_relaxed) != 0)
		fail("a member is held by two");

	uint64_t *const memory = bump_alloc(member, sizeof *memory);

	if (memory == NULL)
		fail("bump_alloc: %s", strerror(errno));
	*memory = hands->id;
	hands->held[hands->n++] = member;
}

static void put(struct hands *hands)
{
	const size_t i = below(&hands->random, hands->n);
	bump_t *const member = hands->held[i];

	hands->held[i] = hands->held[--hands->n];
	atomic_store_explicit(&seats[seat_of(member)].holder, 0, memory_order_relaxed);
	yield_limit(STEPS_MOST, no_end);
	herd_put(herd, member);
	yield_limit(0, NULL);
}

static void operate(struct hands *hands)
{
	if (hands->n == 0 && below(&hands->random, 6) == 0)
		__atomic_fetch_add(&result->resets, herd_reset(herd) == 0, __ATOMIC_RELAXED);
	else if (hands->n == 0 || (hands->n < HELD && below(&hands->random, 2) == 0))
		get(hands);
	else
		put(hands);
}

/* --- rounds --- */

/* All members are idle, and each can be had. */
static void end_round(void)
{
	bump_t *all[MEMBERS + 1];
	herd_stats_t stats;
	size_t n = 0;

	herd_stats(herd, &stats);
	yield_limit(STEPS_MOST, no_end);
	while (n <= MEMBERS && (all[n] = herd_try_get(herd)) != NULL)
		n++;
	if (n != stats.members || n > MEMBERS)
		fail("of %zu members %zu can be had", stats.members, n);
	while (n != 0)
		herd_put(herd, all[--n]);
	yield_limit(0, NULL);
	if (herd_destroy(herd) != 0)
		fail("herd_destroy was refused");
	for (size_t i = 0; i < sizeof seats / sizeof seats[0]; i++) {
		atomic_store(&seats[i].member, NULL);
		atomic_store(&seats[i].holder, 0);
	}
	result->rounds++;
}

static void begin_round(void)
{
	bump_t *some[HELD];

	herd = herd_new(NULL);
	if (herd == NULL)
		fail("herd_new: %s", strerror(errno));
	for (size_t i = 0; i < HELD; i++)
		some[i] = herd_get(herd);
	for (size_t i = 0; i < HELD; i++)
		herd_put(herd, some[i]);
}

static void *run(void *arg)
{
	struct hands hands = {.id = *(const unsigned *)arg};

	hands.random = seed_of_run + hands.id;
	for (size_t round = 0; round < ROUNDS; round++) {
		if (hands.id == 0)
			begin_round();
		pthread_barrier_wait(&barrier);
		for (size_t i = 0; i < OPERATIONS; i++)
			operate(&hands);
		while (hands.n != 0)
			put(&hands);
		pthread_barrier_wait(&barrier);
		if (hands.id == 0)
			end_round();
	}
	return NULL;
}

static void run_threads(uint64_t seed)
{
	pthread_t threads[THREADS];
	unsigned ids[THREADS];

	seed_of_run = seed;
	yield_seed(seed);
	herd_on_misuse(misused);
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++) {
		ids[i] = i;
		if (pthread_create(&threads[i], NULL, run, &ids[i]) != 0)
			fail("no thread");
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	result->yields = yield_count();
}

/* In a process of its own. Whether something went wrong; then the problem is in *result. */
static bool goes_wrong(uint64_t seed, bool alone)
{
	int status = -1;

	memset(result, 0, sizeof *result);
	fflush(NULL);
	const pid_t child = fork();

	if (child == 0) {
		/* What is expected to be reported, we tell ourselves. */
		if (schedule_fault != RIGHT && !alone && freopen("/dev/null", "w", stderr) == NULL)
			fail("/dev/null: %s", strerror(errno));
		run_threads(seed);
		_exit(0);
	}
	while (waitpid(child, &status, 0) != child)
		continue;
	if (status != 0 && result->problem[0] == '\0')
		snprintf(result->problem, sizeof result->problem, "it ended with %s %d",
			 WIFSIGNALED(status) ? "signal" : "status",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return result->problem[0] != '\0';
}

/* --- verdicts --- */

static size_t tests, failures;

static void verdict(bool good, const char *text)
{
	printf("%sok %zu - storm: %s\n", good ? "" : "not ", ++tests, text);
	failures += !good;
}

static void tell_problem(uint64_t seed)
{
	printf("# %s after %zu rounds; storm again %llu %s\n", result->problem, result->rounds,
	       (unsigned long long)seed, schedule_faults[schedule_fault]);
}

/*
 * In how many runs something went wrong: of RUNS without a fault; with one, of as many as it takes
 * to see it RUNS_WRONG times.
 */
static size_t count_wrong(uint64_t seed)
{
	const size_t wanted = schedule_fault == RIGHT ? RUNS + 1 : RUNS_WRONG;
	const size_t most = schedule_fault == RIGHT ? RUNS : RUNS_MOST;
	size_t wrong = 0, runs = 0, yields = 0, resets = 0;

	while (runs < most && wrong < wanted) {
		if (goes_wrong(seed + runs, false) && (wrong++ == 0 || schedule_fault == RIGHT))
			tell_problem(seed + runs);
		runs++;
		yields += result->yields;
		resets += result->resets;
	}
	printf("# %s: %zu of %zu runs went wrong; %zu yields, %zu resets\n",
	       schedule_faults[schedule_fault], wrong, runs, yields, resets);
	return wrong;
}

static void all(uint64_t seed)
{
	char text[80];

	verdict(count_wrong(seed) == 0, "without a fault nothing goes wrong");
	for (schedule_fault = 1; schedule_fault < FAULTS; schedule_fault++) {
		if ((schedule_fault == RELAXED) != STORM_TSAN)
			continue;
		snprintf(text, sizeof text, "with %s runs go wrong",
			 schedule_faults[schedule_fault]);
		verdict(count_wrong(seed) == RUNS_WRONG, text);
	}
	printf("1..%zu\n", tests);
}

int main(int argc, char **argv)
{
	const char *const given = getenv("HERD_TEST_SEED");
	const uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 1;

	result = mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (result == MAP_FAILED)
		return 2;
	if (argc > 2 && strcmp(argv[1], "again") == 0 &&
	    schedule_commit(argc > 3 ? argv[3] : schedule_faults[RIGHT])) {
		const uint64_t again = strtoull(argv[2], NULL, 0);

		if (!goes_wrong(again, true))
			return 0;
		tell_problem(again);
		return 1;
	}
	if (argc != 2 || strcmp(argv[1], "all") != 0) {
		fprintf(stderr, "usage: storm all | again SEED [FAULT]\n");
		return 2;
	}
	all(seed);
	return failures != 0;
}
