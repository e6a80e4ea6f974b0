/* SPDX-License-Identifier: MIT */
/*
 * The limit: a bare, inlined bump over one region per thread, which is as large as the workload
 * needs. There is no pool: each thread has its own arena. Nothing can be faster and still hand out
 * distinct memory. LIMIT_ADVICE chooses the pages of the region.
 */
#ifndef PEER_LIMIT_H
#define PEER_LIMIT_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../load/load.h"

#define PEER_FLOOR 1
#define PEER_ALIGNS 1
#define LIMIT_HUGE ((size_t)2 << 20)

typedef struct peer_arena {
	char *ptr;
	char *end;
	char *start;
	char apart[128 - 3 * sizeof(char *)]; /* no line is shared between threads */
} peer_arena_t;

typedef struct peer {
	int threads;
	peer_arena_t *arenas;
} peer_t;

/* Maps a region aligned to huge pages. The ends that are cut off stay mapped and untouched. */
static inline char *limit_region(size_t bytes)
{
	char *const memory = (char *)mmap(NULL, bytes + LIMIT_HUGE, PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == (char *)MAP_FAILED)
		load_die("mmap");

	char *const start = memory + (LIMIT_HUGE - (uintptr_t)memory % LIMIT_HUGE) % LIMIT_HUGE;

	madvise(start, bytes, LIMIT_ADVICE); /* fails on a kernel without huge pages */
	return start;
}

static inline void peer_open(peer_t *peer, int threads, size_t bytes)
{
	const size_t whole = (bytes + LIMIT_HUGE - 1) / LIMIT_HUGE * LIMIT_HUGE;

	peer->threads = threads;
	peer->arenas = (peer_arena_t *)load_memory((size_t)threads * sizeof(peer_arena_t));
	for (int i = 0; i < threads; i++) {
		peer->arenas[i].start = limit_region(whole);
		peer->arenas[i].ptr = peer->arenas[i].start;
		peer->arenas[i].end = peer->arenas[i].start + whole;
	}
}

static inline void peer_close(peer_t *peer)
{
	for (int i = 0; i < peer->threads; i++)
		munmap(peer->arenas[i].start,
		       (size_t)(peer->arenas[i].end - peer->arenas[i].start));
	munmap(peer->arenas, (size_t)peer->threads * sizeof(peer_arena_t));
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

/* Rounding keeps results aligned to 8, and costs nothing where the size is a constant. */
static inline __attribute__((always_inline)) void *peer_alloc(peer_arena_t *arena, size_t size)
{
	const size_t rounded = (size + 7) & ~(size_t)7;
	char *const ptr = arena->ptr;

	if (__builtin_expect((uintptr_t)ptr + rounded > (uintptr_t)arena->end, 0))
		abort();
	arena->ptr = ptr + rounded;
	return ptr;
}

/* The position must be aligned here: it is the end of the last allocation. */
static inline __attribute__((always_inline)) void *peer_alloc_aligned(peer_arena_t *arena,
								      size_t size, size_t align)
{
	char *const ptr = (char *)(((uintptr_t)arena->ptr + align - 1) & ~(uintptr_t)(align - 1));

	if (__builtin_expect((uintptr_t)ptr + size > (uintptr_t)arena->end, 0))
		abort();
	arena->ptr = ptr + size;
	return ptr;
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
	for (int i = 0; i < peer->threads; i++)
		peer->arenas[i].ptr = peer->arenas[i].start;
}

static inline void peer_floor(peer_t *peer, int thread, size_t bytes)
{
	memset(peer->arenas[thread].start, 1, bytes);
	__asm__ volatile("" : : "r"(peer->arenas[thread].start) : "memory");
}

#endif
