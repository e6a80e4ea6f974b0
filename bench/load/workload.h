/* SPDX-License-Identifier: MIT */
#ifndef WORKLOAD_H
#define WORKLOAD_H

/*
 * What a workload includes: the harness, and the peer that it is compiled for, which gives
 *
 *	PEER_NAME			its name, a string
 *	peer_t, peer_arena_t
 *	void peer_open(peer_t *, int threads, size_t bytes)	`bytes`: the most that a thread asks
 *				for before a reset, each size rounded up to 8
 *	void peer_close(peer_t *)
 *	peer_arena_t *peer_get(peer_t *, int thread)		what a thread does to have an arena
 *	void peer_put(peer_t *, peer_arena_t *)			and after
 *	void *peer_alloc(peer_arena_t *, size_t)		aligned to 8
 *	char *peer_string(peer_arena_t *, const char *, size_t)	a copy of n bytes, and a NUL: by the
 *				shortest way that it has, which need not look for a NUL among them
 *	void peer_reset(peer_t *)	frees everything of all arenas; all are put back
 *
 * or, in place of the last one, PEER_RESETS_BY_OWNER and peer_reset_own(peer_t *, int thread),
 * where what a thread allocated is freed best, or only, by itself. PEER_FREES_ONE and
 * peer_free_last(peer_arena_t *): an allocator without a pool, whose pair of get and put is a
 * malloc and a free. PEER_FLOOR and peer_floor(peer_t *, int thread, size_t bytes): a limit,
 * which can also write to all of its memory.
 *
 * PEER_ALIGNS and peer_alloc_aligned(peer_arena_t *, size_t, size_t align): it has that inlined, too.
 *
 * No peer runs out of memory; where one did, the write to what it returned would end the process.
 */

#include "load.h"

#include PEER_H

#include <string.h>

#define NOINLINE __attribute__((noinline))
#define ALWAYS_INLINE inline __attribute__((always_inline))

/*
 * Write the first word of an allocation. The compiler has to take it that somebody reads what is
 * there, and that the arena itself changed meanwhile, as it must where the program does anything
 * else.
 */
static ALWAYS_INLINE void use(void *memory, size_t word)
{
	*(size_t *)memory = word;
	__asm__ volatile("" : : "r"(memory) : "memory");
}

/* Free what was allocated: every thread calls this, between barriers. */
static inline void phase_free(struct load_thread *thread, peer_t *peer)
{
#ifdef PEER_RESETS_BY_OWNER
	peer_reset_own(peer, thread->number);
#else
	if (thread->number == 0)
		peer_reset(peer);
#endif
}

/* A phase is over: all threads come here after their put; what they allocated is freed. */
static inline void phase_end(struct load_thread *thread, peer_t *peer)
{
	load_meet(thread);
	phase_free(thread, peer);
	load_meet(thread);
}

/* The figures that most workloads report; `items` in all threads together. */
static inline void report(struct load *load, const char *unit, double items)
{
	load->unit = unit;
	load->items = items;
	load->value = load->wall / items;
	load_add(load, "cpu_ns", load->cpu / items);
	load_add(load, "faults", (double)load->faults);
}

#endif
