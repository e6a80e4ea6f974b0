/* SPDX-License-Identifier: MIT */
/*
 * W3, cold: all threads together fill 1 GiB of fresh memory with objects of 64 bytes. Page faults
 * are most of it.
 *
 * For a limit, `memset_ns` is the lower bound: the time per 64 bytes to write to all of the memory.
 */
#include "workload.h"

#define BYTES ((size_t)1 << 30)
#define OBJECT ((size_t)64)

static size_t objects_of(const struct load *load)
{
	return load_rounds(load, BYTES / OBJECT) / (size_t)load->threads;
}

static NOINLINE void w3_fill(peer_arena_t *arena, size_t objects)
{
	for (size_t i = 0; i < objects; i++)
		use(peer_alloc(arena, OBJECT), i);
}

static void work(struct load_thread *thread)
{
	peer_t *const peer = (peer_t *)thread->load->shared;

	load_begin(thread);

	peer_arena_t *const arena = peer_get(peer, thread->number);

	w3_fill(arena, objects_of(thread->load));
	peer_put(peer, arena);
	load_end(thread);
	if (thread->number == 0)
		thread->load->extras[0].value = (double)(load_rss() - thread->load->rss_before);
}

#ifdef PEER_FLOOR
static void work_floor(struct load_thread *thread)
{
	load_begin(thread);
	peer_floor((peer_t *)thread->load->shared, thread->number,
		   objects_of(thread->load) * OBJECT);
	load_end(thread);
}

static void add_floor(struct load *load, size_t bytes)
{
	peer_t peer;

	peer_open(&peer, load->threads, bytes);
	load->shared = &peer;
	load_run(load, work_floor);
	peer_close(&peer);
	load_add(load, "memset_ns", load->wall / load->items);
	load_add(load, "memset_faults", (double)load->faults);
}
#endif

void w3(struct load *load)
{
	const size_t bytes = objects_of(load) * OBJECT;
	peer_t peer;

	load_touch((size_t)load->threads * bytes * 2);
	peer_open(&peer, load->threads, bytes);
	load->shared = &peer;
	load_add(load, "rss_kib", 0); /* set by work() */
	load_run(load, work);
	peer_close(&peer);
	report(load, "ns/object", (double)(objects_of(load) * (size_t)load->threads));
	load_add(load, "requested_kib", (double)((size_t)load->threads * bytes / 1024));
#ifdef PEER_FLOOR
	add_floor(load, bytes);
#endif
}
