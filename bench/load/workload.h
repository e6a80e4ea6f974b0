/* SPDX-License-Identifier: MIT */
#ifndef WORKLOAD_H
#define WORKLOAD_H

/*
 * Included by every workload: the harness, and the peer for which it is compiled. A peer defines
 *
 *	PEER_NAME			its name, a string
 *	peer_t, peer_arena_t
 *	void peer_open(peer_t *, int threads, size_t bytes)	`bytes`: the most that a thread
 *				requests before a reset, each size rounded up to 8
 *	void peer_close(peer_t *)
 *	peer_arena_t *peer_get(peer_t *, int thread)		what a thread does to get an arena
 *	void peer_put(peer_t *, peer_arena_t *)			and after use
 *	void *peer_alloc(peer_arena_t *, size_t)		aligned to 8
 *	char *peer_string(peer_arena_t *, const char *, size_t)	a copy of n bytes and a NUL, by the
 *				fastest way of the peer; it need not look for a NUL among the bytes
 *	void peer_reset(peer_t *)	frees everything in all arenas, after all were put back
 *
 * Optional are:
 *
 *	PEER_RESETS_BY_OWNER and peer_reset_own(peer_t *, int thread), in place of peer_reset()
 *				where memory is freed best, or only, by the thread that allocated it
 *	PEER_FREES_ONE and peer_free_last(peer_arena_t *)	for an allocator without a pool, whose
 *				pair of get and put is a malloc and a free
 *	PEER_FLOOR and peer_floor(peer_t *, int thread, size_t bytes)	for a limit that can also
 *				write to all of its memory
 *	PEER_ALIGNS and peer_alloc_aligned(peer_arena_t *, size_t, size_t align)	if that is
 *				inlined, too
 *
 * No peer runs out of memory. If one did, the write to the returned NULL would end the process.
 */

#include "load.h"

#include PEER_H

#include <string.h>

#define NOINLINE __attribute__((noinline))
#define ALWAYS_INLINE inline __attribute__((always_inline))

/*
 * Writes the first word of an allocation. The compiler must assume that somebody reads the memory
 * and that the arena itself changed, as it must in a program that does anything else.
 */
static ALWAYS_INLINE void use(void *memory, size_t word)
{
	*(size_t *)memory = word;
	__asm__ volatile("" : : "r"(memory) : "memory");
}

/* Frees what was allocated. Every thread calls this, between barriers. */
static inline void phase_free(struct load_thread *thread, peer_t *peer)
{
#ifdef PEER_RESETS_BY_OWNER
	peer_reset_own(peer, thread->number);
#else
	if (thread->number == 0)
		peer_reset(peer);
#endif
}

/* Ends a phase: all threads come here after their put, and what they allocated is freed. */
static inline void phase_end(struct load_thread *thread, peer_t *peer)
{
	load_meet(thread);
	phase_free(thread, peer);
	load_meet(thread);
}

/* Reports the figures that most workloads have; `items` counts those of all threads. */
static inline void report(struct load *load, const char *unit, double items)
{
	load->unit = unit;
	load->items = items;
	load->value = load->wall / items;
	load_add(load, "cpu_ns", load->cpu / items);
	load_add(load, "faults", (double)load->faults);
}

#endif
