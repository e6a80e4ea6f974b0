/* SPDX-License-Identifier: MIT */
/*
 * W1, hot: allocates 8 to 256 bytes in warm memory and writes the first word. Everything is freed
 * after every 10,000 allocations.
 *
 * The size is a constant, as where a program allocates its structures: there is a loop for each of
 * six sizes, and the figure is their mean. `table_ns` is the same with sizes from a table, which
 * are known only at run time. To count instructions, w1-table does only that, and w1-aligned does
 * the six sizes aligned to 16.
 */
#include "workload.h"

#define ALLOCATIONS ((size_t)10000)
#define ROUNDS ((size_t)1000)
#define WARM_ROUNDS ((size_t)3)
#define LARGEST ((size_t)256)

#define FOR_EACH_SIZE(X) X(8) X(16) X(32) X(64) X(128) X(256)

#define LOOP(size)                                                                                 \
	static NOINLINE void w1_loop_##size(peer_arena_t *arena)                                   \
	{                                                                                          \
		for (size_t i = 0; i < ALLOCATIONS; i++)                                           \
			use(peer_alloc(arena, size), i);                                           \
	}

FOR_EACH_SIZE(LOOP)

static const uint32_t *table;

static NOINLINE void w1_loop_table(peer_arena_t *arena)
{
	const uint32_t *const sizes = table;

	for (size_t i = 0; i < ALLOCATIONS; i++)
		use(peer_alloc(arena, sizes[i]), i);
}

#ifdef PEER_ALIGNS
#define LOOP_ALIGNED(size)                                                                         \
	static NOINLINE void w1_loop_aligned_##size(peer_arena_t *arena)                           \
	{                                                                                          \
		for (size_t i = 0; i < ALLOCATIONS; i++)                                           \
			use(peer_alloc_aligned(arena, size, 16), i);                               \
	}

FOR_EACH_SIZE(LOOP_ALIGNED)
#endif

typedef void loop_t(peer_arena_t *arena);

static void repeat(struct load_thread *thread, peer_t *peer, loop_t *loop, size_t rounds)
{
	for (size_t i = 0; i < rounds; i++) {
		peer_arena_t *const arena = peer_get(peer, thread->number);

		loop(arena);
		peer_put(peer, arena);
		phase_end(thread, peer);
	}
}

/* Adds the processor time to *cpu; returns the wall time per allocation. */
static double measure(struct load_thread *thread, loop_t *loop, double *cpu)
{
	peer_t *const peer = (peer_t *)thread->load->shared;
	const size_t rounds = load_rounds(thread->load, ROUNDS);

	repeat(thread, peer, loop, WARM_ROUNDS);

	const double cpu_before = load_cpu_now();
	const double before = load_now();

	repeat(thread, peer, loop, rounds);

	const double wall = load_now() - before;

	*cpu += load_cpu_now() - cpu_before;
	return wall / (double)(rounds * ALLOCATIONS);
}

#define MEASURE(size) load_add(load, "ns_" #size, measure(thread, w1_loop_##size, &cpu));

static void work(struct load_thread *thread)
{
	struct load *const load = thread->load;
	double cpu = 0;
	double table_cpu = 0;

	load_begin(thread);
	FOR_EACH_SIZE(MEASURE)
	load_end(thread);
	load->cpu = cpu;
	if (load->rounds != 0)
		return; /* instructions are being counted */
	load_add(load, "table_ns", measure(thread, w1_loop_table, &table_cpu));
	load_add(load, "table_cpu_ns",
		 table_cpu / (double)(ALLOCATIONS * load_rounds(load, ROUNDS)));
}

static void work_table(struct load_thread *thread)
{
	double cpu = 0;

	load_begin(thread);
	load_add(thread->load, "ns_table", measure(thread, w1_loop_table, &cpu));
	load_end(thread);
	thread->load->cpu = cpu;
}

#ifdef PEER_ALIGNS
#define MEASURE_ALIGNED(size)                                                                      \
	load_add(load, "ns_" #size, measure(thread, w1_loop_aligned_##size, &cpu));

static void work_aligned(struct load_thread *thread)
{
	struct load *const load = thread->load;
	double cpu = 0;

	load_begin(thread);
	FOR_EACH_SIZE(MEASURE_ALIGNED)
	load_end(thread);
	load->cpu = cpu;
}
#endif

/* The first figures are those of the sizes; their mean is the figure of the workload. */
static void run(struct load *load, void (*work_of)(struct load_thread *thread), size_t sizes)
{
	const double items = (double)(sizes * ALLOCATIONS * load_rounds(load, ROUNDS));
	double sum = 0;
	peer_t peer;

	table = load_sizes(ALLOCATIONS, 8, LARGEST);
	peer_open(&peer, 1, ALLOCATIONS * LARGEST);
	load->shared = &peer;
	load_run(load, work_of);
	peer_close(&peer);
	for (size_t i = 0; i < sizes; i++)
		sum += load->extras[i].value;
	load->wall = sum / (double)sizes * items;
	report(load, "ns/allocation", items);
}

void w1(struct load *load)
{
	run(load, work, 6);
}

void w1_table(struct load *load)
{
	run(load, work_table, 1);
}

#ifdef PEER_ALIGNS
void w1_aligned(struct load *load)
{
	run(load, work_aligned, 6);
}
#endif
