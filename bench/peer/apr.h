/* SPDX-License-Identifier: MIT */
/* Pools of the Apache Portable Runtime; each has an allocator of its own. */
#ifndef PEER_APR_H
#define PEER_APR_H

#include <apr_general.h>
#include <apr_pools.h>
#include <apr_strings.h>

#define PEER_NAME "apr"

typedef apr_pool_t peer_arena_t;

#include "pool.h"

static void initialize(void)
{
	if (apr_initialize() != APR_SUCCESS)
		load_die("apr_initialize");
}

static peer_arena_t *arena_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	apr_pool_t *pool;

	pthread_once(&once, initialize);
	if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS)
		load_die("apr_pool_create");
	return pool;
}

static void arena_free(peer_arena_t *arena)
{
	apr_pool_destroy(arena);
}

static void arena_reset(peer_arena_t *arena)
{
	apr_pool_clear(arena);
}

static inline __attribute__((always_inline)) void *peer_alloc(peer_arena_t *arena, size_t size)
{
	return apr_palloc(arena, size);
}

static inline char *peer_string(peer_arena_t *arena, const char *bytes, size_t n)
{
	return apr_pstrmemdup(arena, bytes, n);
}

#endif
