/* SPDX-License-Identifier: MIT */
/*
 * W7, bulk free: the time of a reset after 1M and after 10M objects of 32 bytes. The figure is the
 * median of several resets of 10M; `first_us_*` are the first resets, of fresh memory.
 */
#include "workload.h"

#include <stdlib.h>

#define OBJECT ((size_t)32)
#define REPEATS 5

static NOINLINE void w7_fill(peer_arena_t *arena, size_t objects)
{
	for (size_t i = 0; i < objects; i++)
		use(peer_alloc(arena, OBJECT), i);
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a;
	const double y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Returns microseconds for one reset. */
static double time_reset(struct load_thread *thread, peer_t *peer, size_t objects)
{
	peer_arena_t *const arena = peer_get(peer, thread->number);

	w7_fill(arena, objects);
	peer_put(peer, arena);

	const double before = load_now();

	phase_free(thread, peer);
	return (load_now() - before) / 1e3;
}

static double measure(struct load_thread *thread, size_t objects, const char *name,
		      const char *first_name)
{
	peer_t *const peer = (peer_t *)thread->load->shared;
	double times[REPEATS];

	for (int i = 0; i < REPEATS; i++)
		times[i] = time_reset(thread, peer, objects);
	load_add(thread->load, first_name, times[0]);
	qsort(times, REPEATS, sizeof(times[0]), compare);
	load_add(thread->load, name, times[REPEATS / 2]);
	return times[REPEATS / 2];
}

static size_t few(const struct load *load)
{
	return load->quick ? 100000 : 1000000;
}

static void work(struct load_thread *thread)
{
	struct load *const load = thread->load;

	load_begin(thread);
	measure(thread, few(load), "reset_us_1m", "first_us_1m");
	load->value = measure(thread, 10 * few(load), "reset_us_10m", "first_us_10m");
	load_end(thread);
}

void w7(struct load *load)
{
	peer_t peer;

	peer_open(&peer, 1, 10 * few(load) * OBJECT);
	load->shared = &peer;
	load_run(load, work);
	peer_close(&peer);
	load->unit = "us/reset";
	load->items = (double)(10 * few(load));
	load_add(load, "faults", (double)load->faults);
}
