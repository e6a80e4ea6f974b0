/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1

#include "sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool.h"

#define TICK 2e7 /* ns: the error of /proc/stat on two processors */

/* --- one trial ------------------------------------------------------------------------------ */

static void read_figures(int from, double *figures)
{
	FILE *const file = fdopen(from, "r");
	int count = 0;

	if (file == NULL)
		die("fdopen");
	while (count < SAMPLE_FIGURES && fscanf(file, "%lf", &figures[count]) == 1)
		count++;
	fclose(file);
	if (count == 0) {
		fprintf(stderr, "a sample printed nothing\n");
		exit(1);
	}
}

static void run_program(char *const *argv, double *figures)
{
	int ends[2];
	int status;

	if (pipe(ends) != 0)
		die("pipe");
	const pid_t child = fork();

	if (child == -1)
		die("fork");
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execv(argv[0], argv);
		perror(argv[0]);
		_exit(1);
	}
	close(ends[1]);
	read_figures(ends[0], figures);
	if (waitpid(child, &status, 0) != child || status != 0) {
		fprintf(stderr, "%s failed\n", argv[0]);
		exit(1);
	}
}

/* Nanoseconds that the processors worked for any process, or that a hypervisor took. */
static double machine_busy(void)
{
	unsigned long t[8] = {0}; /* user nice system idle iowait irq softirq steal, in ticks */
	FILE *const file = fopen("/proc/stat", "r");

	if (file == NULL)
		die("/proc/stat");
	if (fscanf(file, "cpu %lu %lu %lu %lu %lu %lu %lu %lu", &t[0], &t[1], &t[2], &t[3], &t[4],
		   &t[5], &t[6], &t[7]) != 8)
		die("/proc/stat");
	fclose(file);
	return (double)(t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) * 1e9 /
	       (double)sysconf(_SC_CLK_TCK);
}

static double own_busy(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
}

/* Returns by how many ns other processes exceeded the tolerance; at most 0 if undisturbed. */
static double try_sample(const struct cell *cell, double *figures)
{
	const double others = machine_busy() - own_busy();
	const double start = now(CLOCK_MONOTONIC);

	run_program(cell->argv, figures);
	const double elapsed = now(CLOCK_MONOTONIC) - start;

	return machine_busy() - own_busy() - others - elapsed / 10 - TICK;
}

/* --- all of them ---------------------------------------------------------------------------- */

/* The progress of a plan. */
struct progress {
	double start; /* on the clock */
	double shown;
	double done; /* from 0 to 1 */
};

static double seconds_since(double time)
{
	return (now(CLOCK_MONOTONIC) - time) / 1e9;
}

/* Prints the progress: once per second on a terminal, elsewhere every half minute. */
static void show(const struct plan *plan, struct progress *progress)
{
	const bool terminal = isatty(STDERR_FILENO);
	const double elapsed = seconds_since(progress->start);

	if (progress->done == 0 ||
	    (progress->done < 1 && seconds_since(progress->shown) < (terminal ? 1 : 30)))
		return;
	progress->shown = now(CLOCK_MONOTONIC);
	fprintf(stderr, "%s%s: %3.0f %%, %d samples repeated, about %.0f s left%s",
		terminal ? "\r" : "", plan->name, 100 * progress->done, plan->retaken,
		elapsed / progress->done * (1 - progress->done),
		terminal && progress->done < 1 ? "   " : "\n");
}

/* Whether there is time for a trial: a sample has its share, and what earlier ones left. */
static bool in_time(const struct plan *plan, const struct progress *progress)
{
	const double all = (double)plan->count * plan->samples;

	return seconds_since(progress->start) < plan->seconds * (progress->done + 1 / all);
}

static void take_sample(struct plan *plan, const struct progress *progress, struct cell *cell,
			int number)
{
	double *const kept = cell->samples[number];
	double least = try_sample(cell, kept);

	while (least > 0 && in_time(plan, progress)) {
		double figures[SAMPLE_FIGURES] = {0};
		const double disturbance = try_sample(cell, figures);

		plan->retaken++;
		if (disturbance < least) {
			least = disturbance;
			memcpy(kept, figures, sizeof(figures));
		}
	}
	plan->disturbed += least > 0;
}

void plan_run(struct plan *plan)
{
	const double all = (double)plan->count * plan->samples;
	struct progress progress = {.start = now(CLOCK_MONOTONIC)};

	progress.shown = progress.start;
	for (int i = 0; i < plan->samples; i++) {
		for (size_t at = 0; at < plan->count; at++) {
			take_sample(plan, &progress, &plan->cells[at], i);
			progress.done = (i * (double)plan->count + (double)at + 1) / all;
			show(plan, &progress);
		}
	}
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a;
	const double y = *(const double *)b;

	return (x > y) - (x < y);
}

struct spread plan_spread(const struct plan *plan, size_t cell, size_t figure)
{
	const size_t count = (size_t)plan->samples;
	double sorted[SAMPLES_MOST];

	for (size_t i = 0; i < count; i++)
		sorted[i] = plan->cells[cell].samples[i][figure];
	qsort(sorted, count, sizeof(sorted[0]), compare);
	return (struct spread){sorted[0], sorted[count / 2], sorted[count - 1]};
}
