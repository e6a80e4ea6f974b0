/* SPDX-License-Identifier: MIT */
/*
 * bench_harden measures the cost of the hardened mode: medians of SAMPLES (least-greatest). The
 * modes of a task are timed alternately: if the speed of the machine drifts, it drifts for all of
 * them.
 */

#include <string.h>

#include <herd/herd.h>

#include "tool.h"

enum { SAMPLES = 9, OBJECT = 64, KIB = 1024, MIB = 1024 * 1024 };

static const struct mode {
	const char *name;
	size_t harden;
} modes[] = {
	{"none", 0},
	{"guard", BUMP_HARDEN_GUARD},
	{"check", BUMP_HARDEN_CHECK},
	{"zero", BUMP_HARDEN_ZERO},
	{"all", BUMP_HARDEN_ALL},
};

enum { MODES = sizeof modes / sizeof modes[0] };

static bump_t *make(size_t harden)
{
	bump_t *bump = bump_new(&(bump_config_t){.harden = harden});

	if (bump == NULL)
		die("bump_new");
	return bump;
}

/* Allocates objects of 64 bytes, and writes to each. */
static void fill(bump_t *bump, size_t bytes)
{
	for (size_t done = 0; done < bytes; done += OBJECT) {
		char *p = bump_alloc(bump, OBJECT);

		if (p == NULL)
			die("bump_alloc");
		memset(p, 1, OBJECT);
	}
}

/*
 * A task does `rounds` rounds and returns its time in ns. That is processor time, except where the
 * clock is read so often that the system call behind processor time would be part of the figure.
 */

static double cpu(void)
{
	return now(CLOCK_PROCESS_CPUTIME_ID);
}

static double clock_time(void)
{
	return now(CLOCK_MONOTONIC);
}

/* An allocation within a chunk; the rewinds between are not timed. */
static double allocate(size_t harden, size_t rounds)
{
	bump_t *bump = make(harden);
	double spent = 0;

	fill(bump, MIB);
	for (size_t done = 0; done < rounds; done += 1000) {
		const bump_mark_t mark = bump_mark(bump);
		const double began = clock_time();

		for (size_t i = 0; i < 1000; i++) {
			if (bump_alloc_aligned(bump, OBJECT, 8) == NULL)
				die("bump_alloc_aligned");
		}
		spent += clock_time() - began;
		(void)bump_rewind(bump, mark);
	}
	bump_destroy(bump);
	return spent;
}

static double check_out(size_t harden, size_t rounds)
{
	herd_t *herd = herd_new(&(herd_config_t){.bump.harden = harden});

	if (herd == NULL)
		die("herd_new");
	const double began = cpu();

	for (size_t i = 0; i < rounds; i++)
		herd_put(herd, herd_get(herd));
	const double spent = cpu() - began;

	(void)herd_destroy(herd);
	return spent;
}

static double rewind_within_a_chunk(size_t harden, size_t rounds)
{
	bump_t *bump = make(harden);

	fill(bump, KIB);
	const double began = cpu();

	for (size_t i = 0; i < rounds; i++) {
		const bump_mark_t mark = bump_mark(bump);

		fill(bump, KIB);
		(void)bump_rewind(bump, mark);
	}
	const double spent = cpu() - began;

	bump_destroy(bump);
	return spent;
}

static double rewind_over_chunks(size_t harden, size_t rounds)
{
	bump_t *bump = make(harden);

	fill(bump, KIB);
	const double began = cpu();

	for (size_t i = 0; i < rounds; i++) {
		const bump_mark_t mark = bump_mark(bump);

		fill(bump, 100 * KIB);
		(void)bump_rewind(bump, mark);
	}
	const double spent = cpu() - began;

	bump_destroy(bump);
	return spent;
}

static double repeat_a_phase(size_t harden, size_t rounds)
{
	bump_t *bump = make(harden);

	fill(bump, 8 * MIB);
	(void)bump_reset(bump);
	const double began = cpu();

	for (size_t i = 0; i < rounds; i++) {
		fill(bump, 8 * MIB);
		(void)bump_reset(bump);
	}
	const double spent = cpu() - began;

	bump_destroy(bump);
	return spent;
}

static double reset(size_t harden, size_t rounds)
{
	bump_t *bump = make(harden);
	double spent = 0;

	for (size_t i = 0; i < rounds; i++) {
		fill(bump, 8 * MIB);
		const double began = clock_time();

		(void)bump_reset(bump);
		spent += clock_time() - began;
	}
	bump_destroy(bump);
	return spent;
}

static double live_small(size_t harden, size_t rounds)
{
	const double began = cpu();

	for (size_t i = 0; i < rounds; i++) {
		bump_t *bump = make(harden);

		fill(bump, KIB);
		bump_destroy(bump);
	}
	return cpu() - began;
}

static double live_large(size_t harden, size_t rounds)
{
	const double began = cpu();

	for (size_t i = 0; i < rounds; i++) {
		bump_t *bump = make(harden);

		fill(bump, 8 * MIB);
		bump_destroy(bump);
	}
	return cpu() - began;
}

static const struct task {
	const char *name;
	double (*run)(size_t harden, size_t rounds);
	size_t rounds;
} tasks[] = {
	{"64 bytes within a chunk", allocate, 1000000},
	{"herd_get and herd_put", check_out, 1000000},
	{"1 KiB written, and rewound", rewind_within_a_chunk, 100000},
	{"100 KiB written, and rewound", rewind_over_chunks, 2000},
	{"8 MiB written, and reset", repeat_a_phase, 20},
	{"... of that, the reset", reset, 20},
	{"an arena for 1 KiB, made and destroyed", live_small, 3000},
	{"an arena for 8 MiB, made and destroyed", live_large, 10},
};

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Prints two or three significant digits. */
static void print_spread(const double sorted[SAMPLES])
{
	const int digits = sorted[SAMPLES / 2] < 10 ? 2 : sorted[SAMPLES / 2] < 100 ? 1 : 0;

	printf(" %.*f (%.*f-%.*f) |", digits, sorted[SAMPLES / 2], digits, sorted[0], digits,
	       sorted[SAMPLES - 1]);
}

static void measure(const struct task *task)
{
	double ns[MODES][SAMPLES];

	for (size_t sample = 0; sample < SAMPLES; sample++) {
		for (size_t mode = 0; mode < MODES; mode++)
			ns[mode][sample] =
				task->run(modes[mode].harden, task->rounds) / (double)task->rounds;
	}
	printf("| %s |", task->name);
	for (size_t mode = 0; mode < MODES; mode++) {
		qsort(ns[mode], SAMPLES, sizeof ns[mode][0], compare);
		print_spread(ns[mode]);
	}
	printf("\n");
	(void)fflush(stdout);
}

int main(void)
{
	printf("| ns |");
	for (size_t mode = 0; mode < MODES; mode++)
		printf(" %s |", modes[mode].name);
	printf("\n|---|--:|--:|--:|--:|--:|\n");
	for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++)
		measure(&tasks[i]);
	return 0;
}
