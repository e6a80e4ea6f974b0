/* SPDX-License-Identifier: MIT */
/* The C++ library's monotonic buffers, over new and delete. */
#ifndef PEER_PMR_HPP
#define PEER_PMR_HPP

#include <cstring>
#include <memory_resource>

#define PEER_NAME "pmr"

typedef std::pmr::monotonic_buffer_resource peer_arena_t;

#include "pool.h"

static peer_arena_t *arena_new()
{
	return new std::pmr::monotonic_buffer_resource;
}

static void arena_free(peer_arena_t *arena)
{
	delete arena;
}

static void arena_reset(peer_arena_t *arena)
{
	arena->release();
}

static inline __attribute__((always_inline)) void *peer_alloc(peer_arena_t *arena, size_t size)
{
	return arena->allocate(size, 8);
}

static inline char *peer_string(peer_arena_t *arena, const char *bytes, size_t n)
{
	char *const copy = static_cast<char *>(arena->allocate(n + 1, 1));

	memcpy(copy, bytes, n);
	copy[n] = '\0';
	return copy;
}

#endif
