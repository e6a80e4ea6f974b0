/* SPDX-License-Identifier: MIT */
/* malloc of the library with which the program is linked. The build defines its PEER_NAME. */
#ifndef PROGRAM_MALLOC_H
#define PROGRAM_MALLOC_H

#include <stdlib.h>
#include <string.h>

#include "../load/load.h"

#define PEER_FREES_EACH 1

typedef struct peer_arena {
	char unused;
} peer_arena_t;

typedef struct peer {
	peer_arena_t arena; /* stands for all of them */
} peer_t;

static inline void peer_open(peer_t *peer, int threads, size_t bytes)
{
	(void)peer;
	(void)threads;
	(void)bytes;
}

static inline void peer_close(peer_t *peer)
{
	(void)peer;
}

static inline peer_arena_t *peer_get(peer_t *peer, int thread)
{
	(void)thread;
	return &peer->arena;
}

static inline void peer_put(peer_t *peer, peer_arena_t *arena)
{
	(void)peer;
	(void)arena;
}

static inline void *peer_alloc(peer_arena_t *arena, size_t size)
{
	(void)arena;
	return malloc(size);
}

static inline void peer_reset(peer_t *peer)
{
	(void)peer;
}

#endif
