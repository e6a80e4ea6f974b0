/* SPDX-License-Identifier: MIT */
/*
 * A parallel map: threads factorise the numbers from 1 to COUNT, each into an arena of its own, and
 * put their arenas back. The main thread reads all results when the threads have ended, and frees
 * them with one reset.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <herd/herd.h>

#include "factors.h"
#include "output.h"

#define THREADS 4
#define COUNT 100000u
#define PRIMES 9592 /* the number of primes among them */
#define SLICE 1000u /* numbers that a thread takes at a time */

struct map {
	herd_t *herd;
	struct factors **results; /* results[i] belongs to the number i + 1 */

	atomic_uint next; /* the first number that no thread has taken */
	atomic_int error;
};

static void *worker(void *arg)
{
	struct map *map = arg;
	HERD_SCOPE(map->herd, bump); /* put back when the function returns, its contents kept */
	unsigned from;

	if (bump == NULL) {
		atomic_store(&map->error, errno);
		return NULL;
	}
	while ((from = atomic_fetch_add(&map->next, SLICE)) < COUNT) {
		for (unsigned i = from; i < from + SLICE && i < COUNT; i++) {
			map->results[i] = factorise(bump, i + 1);
			if (map->results[i] == NULL) {
				atomic_store(&map->error, errno);
				return NULL;
			}
		}
	}
	return NULL;
}

/* Runs the workers until they end. Returns 0 or an errno value. */
static int run_threads(struct map *map)
{
	pthread_t threads[THREADS];
	size_t started = 0;
	int error = 0;

	while (started < THREADS && error == 0) {
		error = pthread_create(&threads[started], NULL, worker, map);
		started += error == 0;
	}
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	return error != 0 ? error : atomic_load(&map->error);
}

/* Frees everything that was allocated in any thread. */
static int free_all(herd_t *herd)
{
	herd_stats_t before;
	herd_stats_t after;

	herd_stats(herd, &before);
	const int error = herd_reset(herd);

	herd_stats(herd, &after);
	printf("%zu bytes used by %zu members, %zu after one reset\n", before.used, before.members,
	       after.used);
	if (error != 0)
		return error;
	return before.used >= COUNT * sizeof(struct factors) && after.used == 0 ? 0 : EIO;
}

static int run(struct map *map)
{
	bump_t *bump = herd_get(map->herd);

	if (bump == NULL)
		return errno;
	map->results = BUMP_NEW_ARRAY(bump, struct factors *, COUNT);
	herd_put(map->herd, bump); /* back already: its allocations stay valid */
	if (map->results == NULL)
		return ENOMEM;
	int error = run_threads(map);

	if (error == 0) /* the threads have ended; their results are still there */
		error = factors_check(map->results, COUNT, PRIMES);
	if (error == 0)
		error = free_all(map->herd);
	return error;
}

int main(void)
{
	struct map map = {.herd = herd_new(NULL)};
	int error = map.herd != NULL ? run(&map) : errno;
	const int busy = herd_destroy(map.herd); /* EBUSY: an arena was not put back */

	if (error == 0)
		error = busy;
	if (error != 0)
		fprintf(stderr, "parallel_map: %s\n", strerror(error));
	return error != 0 || !output_written("parallel_map");
}
