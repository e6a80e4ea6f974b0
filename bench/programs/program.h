/* SPDX-License-Identifier: MIT */
#ifndef PROGRAM_H
#define PROGRAM_H

/*
 * A program around an outside library: what it does in each batch, and where its memory comes from.
 *
 * A peer is one of ../peer, or malloc.h beside this file. Over that one the program frees all that
 * it allocated object by object (PEER_FREES_EACH), as it would without an arena.
 */

#include "../load/workload.h"

#ifndef PEER_FREES_EACH
#define PEER_FREES_EACH 0
#endif

struct batch {
	struct load_thread *thread;
	peer_t *peer;
	bool first; /* not measured: the check covers all of the batch */
};

struct program {
	const char *name;
	const char *unit;
	double unit_ns; /* the unit of the figure in ns */
	bool processor; /* the figure is processor time of all threads, not elapsed time */
	size_t batches; /* measured ones; changed by --rounds */

	/* Called before the threads start. Returns the number of items in a batch of one thread. */
	double (*prepare)(struct load *load);

	/* In every thread, which has arenas under its own number, and the first one also under that
	 * of their count: allocates, and where PEER_FREES_EACH, frees. Returns a number that does
	 * not depend on the peer. */
	uint32_t (*batch)(const struct batch *batch);
};

/* The programs of the executable; the last one has no name. */
extern const struct program programs[];

void program_run(const struct program *program, struct load *load);

/* Prints the problem, and exits. */
void program_die(const char *what) __attribute__((noreturn, cold));

/* Returns n, or a tenth of it with --quick. */
static inline size_t program_size(const struct load *load, size_t n)
{
	return load->quick ? n / 10 : n;
}

/* Mix a string or a number into a check. */
uint32_t check_text(uint32_t check, const char *text);
uint32_t check_number(uint32_t check, uint32_t number);

/* --- memory ------------------------------------------------------------------------------ */

/* The most memory of a batch of one thread: address space, for a peer that reserves it. */
#define PROGRAM_MOST_BYTES ((size_t)8 << 30)

static inline void *program_realloc(peer_arena_t *arena, void *ptr, size_t old_size, size_t size)
{
#if PEER_FREES_EACH
	(void)arena;
	(void)old_size;
	return realloc(ptr, size);
#elif defined(HERD_HERD_H)
	return bump_realloc(arena, ptr, old_size, size, 8);
#else
	void *const moved = size > old_size ? peer_alloc(arena, size) : ptr;

	if (moved != ptr && ptr != NULL)
		memcpy(moved, ptr, old_size);
	return moved;
#endif
}

static inline void program_free(peer_arena_t *arena, void *ptr)
{
	(void)arena;
#if PEER_FREES_EACH
	free(ptr);
#else
	(void)ptr;
#endif
}

/* Puts an arena back, and frees what was allocated since its checkout. */
static inline void program_discard(peer_t *peer, peer_arena_t *arena)
{
#if defined(HERD_HERD_H)
	herd_discard(peer->herd, arena);
#else
#ifdef PEER_LIMIT_H
	arena->ptr = arena->start;
#endif
	peer_put(peer, arena);
#endif
}

#endif
