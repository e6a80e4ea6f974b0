/* SPDX-License-Identifier: MIT */
/*
 * handover [race]: arenas and chunks go from thread to thread, as the library allows: nothing may be
 * reported of it. With `race`, two threads allocate from one arena and write to what they got: that is
 * to be reported. Run by tests/sanitizers/handover, under helgrind and drd.
 */

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <herd/cache.h>
#include <herd/herd.h>

enum { THREADS = 4, TURNS = 40 };

static herd_t *herd;
static herd_cache_t *cache;

static int use(bump_t *bump)
{
	char *small = bump_alloc(bump, 100);
	char *large = bump_alloc(bump, 100000);

	if (small == NULL || large == NULL)
		return 1;
	memset(small, 1, 100);
	memset(large, 2, 5000);
	return 0;
}

/* What one thread put the other gets, and the same of a cache's chunks. */
static void *work(void *failed)
{
	const herd_config_t config = {.bump.source = herd_cache_source(cache)};

	for (int turn = 0; turn < TURNS; turn++) {
		bump_t *bump = turn % 4 == 0 ? herd_local(herd) : herd_get(herd);
		herd_t *request = herd_new(&config);
		bump_t *member = request != NULL ? herd_get(request) : NULL;

		if (bump == NULL || member == NULL || use(bump) != 0 || use(member) != 0)
			*(int *)failed = 1;
		if (turn % 10 == 0)
			herd_owns(herd, failed);
		if (turn % 16 == 0)
			(void)herd_trim(herd, 0);
		herd_put(request, member);
		(void)herd_destroy(request);
		if (turn % 3 == 0)
			herd_discard(herd, bump);
		else if (turn % 4 != 0 || turn % 8 == 0)
			herd_put(herd, bump);
		else
			herd_local_put(herd);
	}
	(void)herd_local(herd); /* put back by the end of the thread */
	return NULL;
}

/* Its two threads are not ordered by anything. */
static void *race(void *bump)
{
	for (int turn = 0; turn < TURNS; turn++) {
		char *p = bump_alloc(bump, 8);

		if (p != NULL)
			*p = 1;
	}
	return NULL;
}

static int run(int n, void *(*fn)(void *), void *args[])
{
	pthread_t threads[THREADS];

	for (int i = 0; i < n; i++) {
		if (pthread_create(&threads[i], NULL, fn, args[i]) != 0)
			return 1;
	}
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

int main(int argc, char **argv)
{
	int failed[THREADS] = {0};
	void *args[THREADS] = {&failed[0], &failed[1], &failed[2], &failed[3]};
	int result = 0;

	herd = herd_new(NULL);
	cache = herd_cache_new(SIZE_MAX);
	if (herd == NULL || cache == NULL)
		return 1;
	if (argc > 1 && strcmp(argv[1], "race") == 0) {
		bump_t *bump = herd_get(herd);
		void *both[] = {bump, bump};

		result = run(2, race, both);
		herd_put(herd, bump);
	}
	for (int phase = 0; phase < 2; phase++) {
		result |= run(THREADS, work, args);
		result |= herd_reset(herd);
	}
	for (int i = 0; i < THREADS; i++)
		result |= failed[i];
	result |= herd_destroy(herd) | herd_cache_destroy(cache);
	return result;
}
