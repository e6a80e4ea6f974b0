/* SPDX-License-Identifier: MIT */
/* The C library's obstacks, over its malloc. */
#ifndef PEER_OBSTACK_H
#define PEER_OBSTACK_H

#include <obstack.h>
#include <stdlib.h>

#define obstack_chunk_alloc malloc
#define obstack_chunk_free free

#define PEER_NAME "obstack"

typedef struct peer_arena {
	struct obstack stack;
	void *first; /* freeing it frees everything except the first chunk */
	char apart[128];
} peer_arena_t;

#include "pool.h"

static peer_arena_t *arena_new(void)
{
	peer_arena_t *const arena = (peer_arena_t *)malloc(sizeof(peer_arena_t));

	if (arena == NULL)
		load_die("malloc");
	obstack_init(&arena->stack);
	obstack_alignment_mask(&arena->stack) = 7;
	arena->first = obstack_alloc(&arena->stack, 0);
	return arena;
}

static void arena_free(peer_arena_t *arena)
{
	obstack_free(&arena->stack, NULL);
	free(arena);
}

static void arena_reset(peer_arena_t *arena)
{
	obstack_free(&arena->stack, arena->first);
	arena->first = obstack_alloc(&arena->stack, 0);
}

/* Its sizes are ints. */
static inline __attribute__((always_inline)) void *peer_alloc(peer_arena_t *arena, size_t size)
{
	return obstack_alloc(&arena->stack, (int)size);
}

/* The macro passes an int to memcpy(3). */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
static inline char *peer_string(peer_arena_t *arena, const char *bytes, size_t n)
{
	return (char *)obstack_copy0(&arena->stack, bytes, (int)n);
}
#pragma GCC diagnostic pop

#endif
