/* SPDX-License-Identifier: MIT */
/*
 * A parallel map with OpenMP: the same as parallel_map.c in a parallel loop. HERD_SCOPE is inside
 * the parallel region and outside the loop, so that a thread checks out one arena for all its
 * iterations.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <herd/herd.h>

#include "factors.h"
#include "output.h"

#define COUNT 100000
#define PRIMES 9592 /* the number of primes among them */

/* Sets results[i] to the factors of i + 1. Returns 0 or an errno value. */
static int map(herd_t *herd, struct factors **results)
{
	int error = 0;

#pragma omp parallel
	{
		HERD_SCOPE(herd, bump);

#pragma omp for schedule(dynamic, 1000)
		for (int i = 0; i < COUNT; i++) {
			results[i] = bump != NULL ? factorise(bump, (unsigned)i + 1) : NULL;
			if (results[i] == NULL) {
#pragma omp atomic write
				error = ENOMEM;
			}
		}
	} /* here every thread's arena is put back */
	return error;
}

int main(void)
{
	struct factors **results = NULL;
	int error = 0;
	herd_t *herd = herd_new(NULL);

	if (herd != NULL) {
		HERD_SCOPE(herd, bump);
		if (bump != NULL)
			results = BUMP_NEW_ARRAY(bump, struct factors *, COUNT);
	}
	if (results == NULL)
		error = ENOMEM;
	if (error == 0)
		error = map(herd, results);
	if (error == 0) /* the arenas are back; their contents are still there */
		error = factors_check(results, COUNT, PRIMES);
	if (error == 0) /* frees all results of all threads */
		error = herd_reset(herd);
	const int busy = herd_destroy(herd); /* EBUSY: an arena was not put back */

	if (error == 0)
		error = busy;
	if (error != 0)
		fprintf(stderr, "openmp_map: %s\n", strerror(error));
	return error != 0 || !output_written("openmp_map");
}
