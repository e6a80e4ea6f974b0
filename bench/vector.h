/* SPDX-License-Identifier: MIT */
#ifndef BENCH_VECTOR_H
#define BENCH_VECTOR_H

/* A peer of the herd: a mutex and a vector that hand out arenas. */

#include <herd/herd.h>

#include <pthread.h>
#include <stddef.h>

#define VECTOR_SIZE 16384

struct vector {
	pthread_mutex_t lock;
	size_t count;
	bump_t *idle[VECTOR_SIZE];
};

static inline bump_t *vector_get(struct vector *vector)
{
	bump_t *bump = NULL;

	pthread_mutex_lock(&vector->lock);
	if (vector->count > 0)
		bump = vector->idle[--vector->count];
	pthread_mutex_unlock(&vector->lock);
	return bump != NULL ? bump : bump_new(NULL);
}

/* The vector never overflows: the caller does not create more arenas than it holds. */
static inline void vector_put(struct vector *vector, bump_t *bump)
{
	pthread_mutex_lock(&vector->lock);
	vector->idle[vector->count++] = bump;
	pthread_mutex_unlock(&vector->lock);
}

static inline void vector_reset(struct vector *vector)
{
	for (size_t i = 0; i < vector->count; i++)
		bump_reset(vector->idle[i]);
}

#endif
