/* SPDX-License-Identifier: MIT */
/*
 * W6, mixed and cold: each thread allocates 5M objects in fresh memory: 90 % of 16 to 64 bytes, 9 %
 * up to 1 KiB, 1 % of 4 to 64 KiB. Besides the time, it measures the resident memory against the
 * bytes requested. For that, one word is written in each 4 KiB of a large object.
 */
#include "workload.h"

#define OBJECTS ((size_t)5000000)
#define TABLE ((size_t)1000000)
#define PAGE ((size_t)4096)

static const uint32_t *table;

static uint32_t mixed_size(uint64_t *state)
{
	const uint64_t kind = load_random(state) % 100;
	const uint32_t number = (uint32_t)(load_random(state) >> 32);

	if (kind < 90)
		return 16 + number % (64 - 16 + 1);
	if (kind < 99)
		return 65 + number % (1024 - 65 + 1);
	return 4096 + number % (65536 - 4096 + 1);
}

static const uint32_t *mixed_sizes(void)
{
	uint32_t *const mixed = (uint32_t *)load_memory(TABLE * sizeof(uint32_t));
	uint64_t state = 1;

	for (size_t i = 0; i < TABLE; i++)
		mixed[i] = mixed_size(&state);
	return mixed;
}

static NOINLINE void w6_fill(peer_arena_t *arena, size_t objects)
{
	const uint32_t *const sizes = table;

	for (size_t i = 0, at = 0; i < objects; i++) {
		char *const object = (char *)peer_alloc(arena, sizes[at]);

		use(object, i);
		for (size_t word = PAGE; word + sizeof(size_t) <= sizes[at]; word += PAGE)
			use(object + word, i);
		at = at + 1 < TABLE ? at + 1 : 0;
	}
}

/* The highest resident size goes into the extra figure that w6() added for it. */
static void work(struct load_thread *thread)
{
	struct load *const load = thread->load;
	peer_t *const peer = (peer_t *)load->shared;

	load_begin(thread);

	peer_arena_t *const arena = peer_get(peer, thread->number);

	w6_fill(arena, load_rounds(load, OBJECTS));
	peer_put(peer, arena);
	load_end(thread);
	if (thread->number == 0)
		load->extras[0].value = (double)(load_rss_highest() - load->rss_before);
}

void w6(struct load *load)
{
	const size_t objects = load_rounds(load, OBJECTS);
	size_t requested = 0;
	size_t rounded = 0;
	peer_t peer;

	table = mixed_sizes();
	for (size_t i = 0; i < objects; i++) {
		requested += table[i % TABLE];
		rounded += (table[i % TABLE] + 7) / 8 * 8;
	}
	load_touch((size_t)load->threads * rounded * 2);
	peer_open(&peer, load->threads, rounded);
	load->shared = &peer;
	load_add(load, "peak_rss_kib", 0);
	load_run(load, work);
	peer_close(&peer);
	report(load, "ns/object", (double)(objects * (size_t)load->threads));
	load_add(load, "requested_kib", (double)((size_t)load->threads * requested / 1024));
	load_add(load, "rss_ratio",
		 load->extras[0].value * 1024 / (double)((size_t)load->threads * requested));
}
