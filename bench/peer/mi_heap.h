/* SPDX-License-Identifier: MIT */
/*
 * mimalloc's heaps. A heap belongs to the thread that created it, and no other thread may allocate
 * from it. So there is no pool: each thread destroys its own heap at the end of a phase.
 */
#ifndef PEER_MI_HEAP_H
#define PEER_MI_HEAP_H

#include <mimalloc.h>
#include <string.h>

#include "../load/load.h"

#define PEER_NAME "mi_heap"
#define PEER_RESETS_BY_OWNER 1

typedef mi_heap_t peer_arena_t;

typedef struct peer {
	struct {
		mi_heap_t *heap;
		char apart[128 - sizeof(mi_heap_t *)]; /* no line is shared between threads */
	} arenas[LOAD_MOST_THREADS];
} peer_t;

static inline void peer_open(peer_t *peer, int threads, size_t bytes)
{
	(void)bytes;
	for (int i = 0; i < threads; i++)
		peer->arenas[i].heap = NULL;
}

/* The heaps ended with their threads. */
static inline void peer_close(peer_t *peer)
{
	(void)peer;
}

static inline peer_arena_t *peer_get(peer_t *peer, int thread)
{
	if (peer->arenas[thread].heap == NULL)
		peer->arenas[thread].heap = mi_heap_new();
	return peer->arenas[thread].heap;
}

static inline void peer_put(peer_t *peer, peer_arena_t *arena)
{
	(void)peer;
	(void)arena;
}

static inline __attribute__((always_inline)) void *peer_alloc(peer_arena_t *arena, size_t size)
{
	return mi_heap_malloc(arena, size);
}

static inline char *peer_string(peer_arena_t *arena, const char *bytes, size_t n)
{
	char *const copy = (char *)peer_alloc(arena, n + 1);

	memcpy(copy, bytes, n);
	copy[n] = '\0';
	return copy;
}

static inline void peer_reset_own(peer_t *peer, int thread)
{
	mi_heap_destroy(peer->arenas[thread].heap);
	peer->arenas[thread].heap = NULL;
}

#endif
