/* SPDX-License-Identifier: MIT */
/* Runs a program in batches: a first one that is not measured, then those that count. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>

/* More than any program has resident. */
#define TOUCHED_BYTES ((size_t)512 << 20)

struct run {
	const struct program *program;
	peer_t peer;
	size_t batches;
	struct {
		uint32_t check;
		char apart[128 - sizeof(uint32_t)]; /* no line is shared between threads */
	} threads[LOAD_MOST_THREADS];
};

void program_die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

uint32_t check_number(uint32_t check, uint32_t number)
{
	return (check ^ number) * 0x01000193U;
}

uint32_t check_text(uint32_t check, const char *text)
{
	while (*text != '\0')
		check = check_number(check, (unsigned char)*text++);
	return check_number(check, 0);
}

static void one_batch(struct load_thread *thread, struct run *run, bool first)
{
	struct batch batch;

	batch.thread = thread;
	batch.peer = &run->peer;
	batch.first = first;
	run->threads[thread->number].check += run->program->batch(&batch);
	phase_end(thread, &run->peer);
}

static void work(struct load_thread *thread)
{
	struct run *const run = (struct run *)thread->load->shared;

	one_batch(thread, run, true);
	load_begin(thread);
	for (size_t i = 0; i < run->batches; i++)
		one_batch(thread, run, false);
	load_end(thread);
}

void program_run(const struct program *program, struct load *load)
{
	static struct run run;
	uint32_t check = 0;

	run.program = program;
	run.batches = load->rounds != 0 ? load->rounds : program->batches;
	load->items = program->prepare(load) * (double)run.batches * load->threads;
	load->shared = &run;
	load_touch(program_size(load, TOUCHED_BYTES));
	peer_open(&run.peer, load->threads + 1, PROGRAM_MOST_BYTES);
	load_run(load, work);
	for (int i = 0; i < load->threads; i++)
		check += run.threads[i].check;
	peer_close(&run.peer);
	load->unit = program->unit;
	load->value =
		(program->processor ? load->cpu : load->wall) / load->items / program->unit_ns;
	load_add(load, "cpu", load->cpu / load->items / program->unit_ns);
	load_add(load, "wall", load->wall / load->items / program->unit_ns);
	load_add(load, "millions_a_second", load->items / load->wall * 1e3);
	load_add(load, "faults", (double)load->faults);
	load_add(load, "rss_mib", (double)load_rss_highest() / 1024);
	load_add(load, "check", check);
}
