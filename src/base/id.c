/* SPDX-License-Identifier: MIT */
/*
 * Identities; see id.h. Each thread takes a block of numbers at a time, so that threads which make
 * many herds do not meet at one counter. What a thread has left of its block is lost when it ends.
 * That does not matter: 64 bits last longer than any process.
 *
 * A child of fork(2) goes on with the block that its thread had in the parent. Both processes then
 * hand out the same numbers, which are never compared with each other.
 *
 * Another copy of the library in the same process (a plugin's) has counters of its own. It begins
 * elsewhere: what is remembered of a herd of one copy must not fit a herd of another.
 */

#define _GNU_SOURCE
#include "base/id.h"

#include <stdatomic.h>
#include <time.h>

#include "base/thread.h"

/*
 * Odd, so that the first numbers of blocks spread over tables whose size is a power of two: many
 * threads make one herd each, and get the first number of a block for it.
 */
enum { BLOCK = 63 };

/* So many bits of a copy's first number are 0: whatever counts modulo a table's size begins with 0. */
enum { FIRST_BITS = 20 };

/*
 * Where the numbers of this copy begin; above 0. Two copies differ in the address of `first`, and a
 * copy that was loaded where another was unloaded differs in the time. That the ranges of two copies
 * meet, of four thousand million numbers each, has one chance in 500 million.
 *
 * The mixing is that of splitmix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number
 * Generators, OOPSLA 2014). Relaxed: whoever comes first decides, and nothing else depends on it.
 */
static uint64_t first_number(void)
{
	static _Atomic uint64_t first;
	struct timespec now = {0};
	uint64_t z, none = 0;

	if (atomic_load_explicit(&first, memory_order_relaxed) == 0) {
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		z = (uint64_t)(uintptr_t)&first + ((uint64_t)now.tv_sec << 30) +
		    (uint64_t)now.tv_nsec;
		z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
		z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
		z = ((z ^ (z >> 31)) >> 1 | (uint64_t)1 << 62) >> FIRST_BITS << FIRST_BITS;
		(void)atomic_compare_exchange_strong_explicit(
			&first, &none, z, memory_order_relaxed, memory_order_relaxed);
	}
	return atomic_load_explicit(&first, memory_order_relaxed);
}

/*
 * `latest` is the number that the thread took last; 0: none. A block ends with a multiple of BLOCK.
 *
 * Relaxed: only uniqueness counts, and an atomic addition has that in any order. No partner: nothing
 * is published with a number.
 */
static uint64_t take_number(uint64_t *latest, _Atomic uint64_t *taken)
{
	const uint64_t first = first_number();

	if (*latest == 0 || (*latest - first) % BLOCK == 0)
		*latest = first + atomic_fetch_add_explicit(taken, BLOCK, memory_order_relaxed);
	return ++*latest;
}

/* A sequence of its own, so that herds which are made one after the other have adjacent numbers. */
uint64_t id_next_herd(void)
{
	static _Atomic uint64_t taken;
	static THREAD_LOCAL uint64_t latest;

	return take_number(&latest, &taken);
}

uint64_t id_next(void)
{
	static _Atomic uint64_t taken;
	static THREAD_LOCAL uint64_t latest;

	return take_number(&latest, &taken);
}
