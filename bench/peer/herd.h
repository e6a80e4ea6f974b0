/* SPDX-License-Identifier: MIT */
/* herd, in its default configuration. */
#ifndef PEER_HERD_H
#define PEER_HERD_H

#include <herd/herd.h>
#include <string.h>

#include "../load/load.h"

#define PEER_NAME "herd"
#define PEER_ALIGNS 1

typedef struct peer {
	herd_t *herd;
} peer_t;
typedef bump_t peer_arena_t;

static inline void peer_open(peer_t *peer, int threads, size_t bytes)
{
	(void)threads;
	(void)bytes;
	peer->herd = herd_new(NULL);
	if (peer->herd == NULL)
		load_die("herd_new");
}

static inline void peer_close(peer_t *peer)
{
	if (herd_destroy(peer->herd) != 0)
		load_die("herd_destroy");
}

static inline peer_arena_t *peer_get(peer_t *peer, int thread)
{
	(void)thread;
	return herd_get(peer->herd);
}

static inline void peer_put(peer_t *peer, peer_arena_t *arena)
{
	herd_put(peer->herd, arena);
}

static inline __attribute__((always_inline)) void *peer_alloc(peer_arena_t *arena, size_t size)
{
	return bump_alloc_aligned(arena, size, 8);
}

static inline __attribute__((always_inline)) void *peer_alloc_aligned(peer_arena_t *arena,
								      size_t size, size_t align)
{
	return bump_alloc_aligned(arena, size, align);
}

static inline char *peer_string(peer_arena_t *arena, const char *bytes, size_t n)
{
	char *const copy = (char *)peer_alloc(arena, n + 1);

	memcpy(copy, bytes, n);
	copy[n] = '\0';
	return copy;
}

static inline void peer_reset(peer_t *peer)
{
	if (herd_reset(peer->herd) != 0)
		load_die("herd_reset");
}

#endif
