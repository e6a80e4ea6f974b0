/* SPDX-License-Identifier: MIT */
#ifndef BENCH_RING_H
#define BENCH_RING_H

/*
 * A bounded queue of arenas from one thread to another. Each side keeps a copy of the other's
 * counter, and reads the counter again only when the ring seems full or empty by that copy.
 */

#include <herd/herd.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define RING_SIZE ((size_t)128)

struct ring {
	/* The sender's. The sides are two lines apart, for some processors fetch lines in pairs. */
	_Atomic size_t sent __attribute__((aligned(128)));
	size_t taken_seen;
	/* The receiver's. */
	_Atomic size_t taken __attribute__((aligned(128)));
	size_t sent_seen;
	bump_t *slots[RING_SIZE] __attribute__((aligned(128)));
};

/* Returns false if the ring is full. */
static inline bool ring_send(struct ring *ring, bump_t *bump)
{
	const size_t sent = atomic_load_explicit(&ring->sent, memory_order_relaxed);

	if (sent - ring->taken_seen == RING_SIZE) {
		/* Acquire: the receiver is done with the slot; pairs with the release below. */
		ring->taken_seen = atomic_load_explicit(&ring->taken, memory_order_acquire);
		if (sent - ring->taken_seen == RING_SIZE)
			return false;
	}
	ring->slots[sent % RING_SIZE] = bump;
	/* Release: the slot, and what was done with the arena, come before; pairs with the acquire
	 * in ring_take(). */
	atomic_store_explicit(&ring->sent, sent + 1, memory_order_release);
	return true;
}

/* Returns NULL if the ring is empty. */
static inline bump_t *ring_take(struct ring *ring)
{
	const size_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);

	if (ring->sent_seen == taken) {
		ring->sent_seen = atomic_load_explicit(&ring->sent, memory_order_acquire);
		if (ring->sent_seen == taken)
			return NULL;
	}

	bump_t *const bump = ring->slots[taken % RING_SIZE];

	atomic_store_explicit(&ring->taken, taken + 1, memory_order_release);
	return bump;
}

#endif
