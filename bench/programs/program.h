/* SPDX-License-Identifier: MIT */
#ifndef PROGRAM_H
#define PROGRAM_H

/*
 * A program around a library that nobody here wrote: what it does, batch by batch, and where its
 * memory comes from.
 *
 * A peer is one of ../peer, or malloc.h beside this file: there the program frees all that it
 * allocated, object by object (PEER_FREES_EACH), as it would without an arena.
 */

#include "../load/workload.h"

#ifndef PEER_FREES_EACH
#define PEER_FREES_EACH 0
#endif

struct batch {
	struct load_thread *thread;
	peer_t *peer;
	bool first; /* not measured: what is found is summed up in full */
};

struct program {
	const char *name;
	const char *unit;
	double unit_ns; /* the unit of the figure in ns */
	bool processor; /* the figure is the processor time of all threads together, not the time */
	size_t batches; /* measured; what --rounds changes */

	/* Before the threads are started. Returns what a batch of one thread holds, in items. */
	double (*prepare)(struct load *load);

	/* In every thread, which has arenas under its own number, and the first one also under that
	 * of their count: allocates, and where PEER_FREES_EACH, frees. Returns a number that does
	 * not depend on the peer. */
	uint32_t (*batch)(const struct batch *batch);
};

/* What the executable can run; ends with one that has no name. */
extern const struct program programs[];

void program_run(const struct program *program, struct load *load);

/* Print what is wrong, and end. */
void program_die(const char *what) __attribute__((noreturn, cold));

/* n, or a tenth of it with --quick. */
static inline size_t program_size(const struct load *load, size_t n)
{
	return load->quick ? n / 10 : n;
}

/* Mix one more string, or number, into a check. */
uint32_t check_text(uint32_t check, const char *text);
uint32_t check_number(uint32_t check, uint32_t number);

/* --- memory ------------------------------------------------------------------------------ */

/* The most that a batch of one thread takes: address space, where a peer wants to know. */
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

/* Put an arena back, and free what was allocated since its checkout. */
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
