/* SPDX-License-Identifier: MIT */
/*
 * malloc and free of the library with which the program is linked. The build defines its name,
 * PEER_NAME.
 *
 * The objects of a thread are chained by a word in front of each. The thread itself frees them one
 * by one at the end of a phase.
 */
#ifndef PEER_MALLOC_H
#define PEER_MALLOC_H

#include <stdlib.h>
#include <string.h>

#include "../load/load.h"

#define PEER_RESETS_BY_OWNER 1
#define PEER_FREES_ONE 1

struct link {
	struct link *next;
};

typedef struct peer_arena {
	struct link *last;
	char apart[128 - sizeof(struct link *)]; /* no line is shared between threads */
} peer_arena_t;

typedef struct peer {
	peer_arena_t arenas[LOAD_MOST_THREADS];
} peer_t;

static inline void peer_open(peer_t *peer, int threads, size_t bytes)
{
	(void)bytes;
	for (int i = 0; i < threads; i++)
		peer->arenas[i].last = NULL;
}

/* The end of the process frees the rest. */
static inline void peer_close(peer_t *peer)
{
	(void)peer;
}

static inline peer_arena_t *peer_get(peer_t *peer, int thread)
{
	return &peer->arenas[thread];
}

static inline void peer_put(peer_t *peer, peer_arena_t *arena)
{
	(void)peer;
	(void)arena;
}

static inline __attribute__((always_inline)) void *peer_alloc(peer_arena_t *arena, size_t size)
{
	struct link *const link = (struct link *)malloc(sizeof(struct link) + size);

	link->next = arena->last;
	arena->last = link;
	return link + 1;
}

static inline char *peer_string(peer_arena_t *arena, const char *bytes, size_t n)
{
	char *const copy = (char *)peer_alloc(arena, n + 1);

	memcpy(copy, bytes, n);
	copy[n] = '\0';
	return copy;
}

static inline void peer_free_last(peer_arena_t *arena)
{
	struct link *const link = arena->last;

	arena->last = link->next;
	free(link);
}

static inline void peer_reset_own(peer_t *peer, int thread)
{
	while (peer->arenas[thread].last != NULL)
		peer_free_last(&peer->arenas[thread]);
}

#endif
