/* SPDX-License-Identifier: MIT */
/* Random yields; yield.h says what for. */

#include "yield.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "schedule.h"

const char schedule_next = 0;

static uint64_t seed, one_in = 32;
static atomic_size_t yields, steps, threads;

struct thread {
	uint64_t random, of_seed;
	size_t steps; /* since they were added to those of all */
	size_t left;  /* 0: no limit */
	void (*fn)(void);
};

static _Thread_local struct thread me;

static uint64_t next_random(void)
{
	uint64_t z = (me.random += 0x9E3779B97F4A7C15u); /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

static void give_way(uint64_t random)
{
	atomic_fetch_add_explicit(&yields, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&steps, me.steps, memory_order_relaxed);
	me.steps = 0;
	if (random % 4 == 0) {
		for (volatile uint64_t n = random / 4 % 512; n != 0; n--)
			continue;
		return;
	}
	/* More than once, for others may yield, too. */
	for (uint64_t n = random / 4 % 4 + 1; n != 0; n--)
		sched_yield();
}

static void step(void)
{
	if (me.of_seed != seed) {
		me.of_seed = seed;
		me.random =
			seed + (atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) << 32);
	}
	me.steps++;
	if (me.left != 0 && --me.left == 0)
		me.fn();

	const uint64_t random = next_random();

	if (random % one_in == 0)
		give_way(random / one_in);
}

void schedule_step(const char *what, const char *text, uintptr_t address)
{
	(void)what;
	(void)text;
	(void)address;
	step();
}

void schedule_touch(uintptr_t address)
{
	(void)address;
}

int schedule_lock(pthread_mutex_t *mutex, const char *text)
{
	(void)text;
	step();
	return pthread_mutex_lock(mutex);
}

int schedule_unlock(pthread_mutex_t *mutex)
{
	step();
	return pthread_mutex_unlock(mutex);
}

void yield_seed(uint64_t new_seed)
{
	seed = new_seed;
}

size_t yield_count(void)
{
	return atomic_load_explicit(&yields, memory_order_relaxed);
}

void yield_limit(size_t limit, void (*fn)(void))
{
	me.left = limit;
	me.fn = fn;
}

/* At once, and to the file: so it is known if the program does not come to its end. */
static __attribute__((constructor)) void begin(void)
{
	const char *const given = getenv("HERD_TEST_SEED"), *const often =
								    getenv("HERD_TEST_YIELD");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
	if (given != NULL)
		seed = strtoull(given, NULL, 0);
	if (often != NULL && strtoull(often, NULL, 0) != 0)
		one_in = strtoull(often, NULL, 0);
	printf("# yields: HERD_TEST_SEED=%llu HERD_TEST_YIELD=%llu\n", (unsigned long long)seed,
	       (unsigned long long)one_in);
	fflush(stdout);
}

static __attribute__((destructor)) void end(void)
{
	if (yield_count() != 0)
		printf("# %zu yields at %zu steps\n", yield_count(),
		       atomic_load_explicit(&steps, memory_order_relaxed));
}
