/* SPDX-License-Identifier: MIT */
/*
 * W4, checkout: all threads do pairs of get and put at the same time, with one allocation of 32
 * bytes between them. An allocator without a pool does a malloc and a free instead.
 *
 * Every thread does its pairs twice, with a reset between. The second time, in hot memory, counts.
 */
#include "workload.h"

#define PAIRS ((size_t)4000000) /* in all threads together */
#define SIZE ((size_t)32)

static size_t pairs_of(const struct load *load)
{
	return load_rounds(load, PAIRS) / (size_t)load->threads;
}

static NOINLINE void w4_pairs(peer_t *peer, int number, size_t pairs)
{
	for (size_t i = 0; i < pairs; i++) {
		peer_arena_t *const arena = peer_get(peer, number);

		use(peer_alloc(arena, SIZE), i);
#ifdef PEER_FREES_ONE
		peer_free_last(arena);
#endif
		peer_put(peer, arena);
	}
}

static void work(struct load_thread *thread)
{
	peer_t *const peer = (peer_t *)thread->load->shared;
	const size_t pairs = pairs_of(thread->load);

	w4_pairs(peer, thread->number, pairs);
	phase_end(thread, peer);
	load_begin(thread);
	w4_pairs(peer, thread->number, pairs);
	load_end(thread);
}

void w4(struct load *load)
{
	peer_t peer;

	peer_open(&peer, load->threads, pairs_of(load) * SIZE);
	load->shared = &peer;
	load_run(load, work);
	peer_close(&peer);
	report(load, "ns/pair", (double)(pairs_of(load) * (size_t)load->threads));
}
