/* SPDX-License-Identifier: MIT */
/*
 * The pool for arenas that come without one: a mutex and a vector. A peer that includes it defines
 *
 *	peer_arena_t *arena_new(void), void arena_free(peer_arena_t *), void arena_reset(peer_arena_t *)
 */
#ifndef PEER_POOL_H
#define PEER_POOL_H

#include "../load/load.h"

typedef struct peer {
	pthread_mutex_t lock;
	size_t count;
	peer_arena_t *idle[LOAD_MOST_THREADS]; /* a thread has at most one */
} peer_t;

static peer_arena_t *arena_new(void);
static void arena_free(peer_arena_t *arena);
static void arena_reset(peer_arena_t *arena);

static inline void peer_open(peer_t *peer, int threads, size_t bytes)
{
	(void)threads;
	(void)bytes;
	pthread_mutex_init(&peer->lock, NULL);
	peer->count = 0;
}

static inline void peer_close(peer_t *peer)
{
	while (peer->count > 0)
		arena_free(peer->idle[--peer->count]);
	pthread_mutex_destroy(&peer->lock);
}

static inline peer_arena_t *peer_get(peer_t *peer, int thread)
{
	peer_arena_t *arena = NULL;

	(void)thread;
	pthread_mutex_lock(&peer->lock);
	if (peer->count > 0)
		arena = peer->idle[--peer->count];
	pthread_mutex_unlock(&peer->lock);
	return arena != NULL ? arena : arena_new();
}

static inline void peer_put(peer_t *peer, peer_arena_t *arena)
{
	pthread_mutex_lock(&peer->lock);
	peer->idle[peer->count++] = arena;
	pthread_mutex_unlock(&peer->lock);
}

static inline void peer_reset(peer_t *peer)
{
	for (size_t i = 0; i < peer->count; i++)
		arena_reset(peer->idle[i]);
}

#endif
