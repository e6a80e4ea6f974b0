/* SPDX-License-Identifier: MIT */
/* talloc: every allocation is a context of its own, a child of its arena, and is freed with it. */
#ifndef PEER_TALLOC_H
#define PEER_TALLOC_H

#include <string.h>
#include <talloc.h>

#define PEER_NAME "talloc"

typedef TALLOC_CTX peer_arena_t;

#include "pool.h"

static peer_arena_t *arena_new(void)
{
	peer_arena_t *const arena = talloc_new(NULL);

	if (arena == NULL)
		load_die("talloc_new");
	return arena;
}

static void arena_free(peer_arena_t *arena)
{
	talloc_free(arena);
}

static void arena_reset(peer_arena_t *arena)
{
	talloc_free_children(arena);
}

static inline __attribute__((always_inline)) void *peer_alloc(peer_arena_t *arena, size_t size)
{
	return talloc_size(arena, size);
}

static inline char *peer_string(peer_arena_t *arena, const char *bytes, size_t n)
{
	char *const copy = (char *)peer_alloc(arena, n + 1);

	memcpy(copy, bytes, n);
	copy[n] = '\0';
	return copy;
}

#endif
