/* SPDX-License-Identifier: MIT */
/*
 * W2, list: all threads together link 1M nodes of 16 bytes, each thread in a list of its own. They
 * are freed after each round.
 */
#include "workload.h"

#define NODES ((size_t)1000000)
#define ROUNDS ((size_t)100)
#define WARM_ROUNDS ((size_t)3)

struct node {
	struct node *next;
	size_t value;
};

static NOINLINE struct node *w2_list(peer_arena_t *arena, size_t nodes)
{
	struct node *list = NULL;

	for (size_t i = 0; i < nodes; i++) {
		struct node *const node = (struct node *)peer_alloc(arena, sizeof(struct node));

		node->next = list;
		use(&node->value, i);
		list = node;
	}
	return list;
}

/* With `together`, all threads have their arenas at the same time, so that each gets one. */
static void rounds_of(struct load_thread *thread, size_t rounds, bool together)
{
	peer_t *const peer = (peer_t *)thread->load->shared;
	const size_t nodes = NODES / (size_t)thread->load->threads;

	for (size_t i = 0; i < rounds; i++) {
		peer_arena_t *const arena = peer_get(peer, thread->number);

		if (together)
			load_meet(thread);
		if (w2_list(arena, nodes)->value != nodes - 1)
			load_die("a list is not what was built");
		peer_put(peer, arena);
		phase_end(thread, peer);
	}
}

static void work(struct load_thread *thread)
{
	rounds_of(thread, WARM_ROUNDS, true);
	load_begin(thread);
	rounds_of(thread, load_rounds(thread->load, ROUNDS), false);
	load_end(thread);
}

void w2(struct load *load)
{
	const size_t nodes = NODES / (size_t)load->threads * (size_t)load->threads;
	peer_t peer;

	peer_open(&peer, load->threads, NODES / (size_t)load->threads * sizeof(struct node));
	load->shared = &peer;
	load_run(load, work);
	peer_close(&peer);
	report(load, "ns/node", (double)(nodes * load_rounds(load, ROUNDS)));
}
