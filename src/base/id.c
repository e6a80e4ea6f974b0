/* SPDX-License-Identifier: MIT */
/*
 * Identities; see id.h. Each thread takes a block of numbers at a time, so that threads which make
 * many herds do not meet at one counter. What a thread has left of its block is lost when it ends.
 * That does not matter: 64 bits last longer than any process.
 *
 * A child of fork(2) goes on with the block that its thread had in the parent. Both processes then
 * hand out the same numbers, which are never compared with each other.
 */

#include "base/id.h"

#include <stdatomic.h>

#include "base/thread.h"

/*
 * Odd, so that the first numbers of blocks spread over tables whose size is a power of two: many
 * threads make one herd each, and get the first number of a block for it.
 */
enum { BLOCK = 63 };

/* The numbers that a thread has left of its block: from `next` to before `end`. */
struct ids {
	uint64_t next, end;
};

static uint64_t take_number(struct ids *mine, _Atomic uint64_t *last)
{
	if (mine->next == mine->end) {
		/*
		 * Relaxed: only uniqueness counts, and an atomic addition has that in any order. No
		 * partner: nothing is published with a number.
		 */
		mine->next = atomic_fetch_add_explicit(last, BLOCK, memory_order_relaxed) + 1;
		mine->end = mine->next + BLOCK;
	}
	return mine->next++;
}

/* A sequence of its own, so that herds which are made one after the other have adjacent numbers. */
uint64_t id_next_herd(void)
{
	static _Atomic uint64_t last;
	static THREAD_LOCAL struct ids mine;

	return take_number(&mine, &last);
}

uint64_t id_next(void)
{
	static _Atomic uint64_t last;
	static THREAD_LOCAL struct ids mine;

	return take_number(&mine, &last);
}
