/* SPDX-License-Identifier: MIT */
/*
 * W5, phases: in each of 200 phases, every thread checks out an arena, allocates 100,000 objects of
 * 8 to 256 bytes and puts it back; then everything is freed. The threads live throughout.
 *
 * The first two phases warm up. `steady_faults` are the page faults of all other phases together.
 */
#include "workload.h"

#define PHASES ((size_t)200)
#define WARM_PHASES ((size_t)2)
#define OBJECTS ((size_t)100000)

static const uint32_t *table;

static NOINLINE void w5_fill(peer_arena_t *arena)
{
	const uint32_t *const sizes = table;

	for (size_t i = 0; i < OBJECTS; i++)
		use(peer_alloc(arena, sizes[i]), i);
}

/* With `together`, all threads have their arenas at the same time, so that each gets one. */
static void phases_of(struct load_thread *thread, size_t phases, bool together)
{
	peer_t *const peer = (peer_t *)thread->load->shared;

	for (size_t i = 0; i < phases; i++) {
		peer_arena_t *const arena = peer_get(peer, thread->number);

		if (together)
			load_meet(thread);
		w5_fill(arena);
		peer_put(peer, arena);
		phase_end(thread, peer);
	}
}

static size_t steady_phases(const struct load *load)
{
	return load_rounds(load, PHASES) - (load->rounds == 0 ? WARM_PHASES : 0);
}

static void work(struct load_thread *thread)
{
	phases_of(thread, WARM_PHASES, true);
	load_begin(thread);
	phases_of(thread, steady_phases(thread->load), false);
	load_end(thread);
}

void w5(struct load *load)
{
	size_t bytes = 0;
	peer_t peer;

	table = load_sizes(OBJECTS, 8, 256);
	for (size_t i = 0; i < OBJECTS; i++)
		bytes += (table[i] + 7) / 8 * 8;
	peer_open(&peer, load->threads, bytes);
	load->shared = &peer;
	load_run(load, work);
	peer_close(&peer);
	report(load, "ns/object", (double)(OBJECTS * steady_phases(load) * (size_t)load->threads));
	load_add(load, "steady_faults", (double)load->faults);
}
