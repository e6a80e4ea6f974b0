/* SPDX-License-Identifier: MIT */
/*
 * A parallel index of the identifiers in a directory tree, built twice. The first phase shows that
 * one reset frees the memory of many threads; the second shows that the program then requests no
 * more memory from the system. With --allocator malloc it allocates and frees everything piece by
 * piece.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <herd/herd.h>

#include "../output.h"
#include "indexer.h"
#include "options.h"
#include "progress.h"
#include "report.h"
#include "walk.h"

#define MOST_FREQUENT 20

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static long page_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

static size_t held(const herd_t *herd)
{
	herd_stats_t stats = {0};

	if (herd != NULL)
		herd_stats(herd, &stats);
	return stats.reserved;
}

/* What happens between these two calls is added to the cost. */
static void cost_begin(struct cost *cost, const herd_t *herd)
{
	cost->seconds -= seconds_now();
	cost->page_faults -= page_faults();
	cost->growth -= held(herd);
}

static void cost_end(struct cost *cost, const herd_t *herd)
{
	cost->growth += held(herd);
	cost->page_faults += page_faults();
	cost->seconds += seconds_now();
}

/* Large chunks, but not so large that the empty ends of the last ones matter. */
static size_t chunk_size(const struct walk *walk, unsigned threads)
{
	size_t chunk = (size_t)64 * 1024;

	while (chunk < (size_t)2 * 1024 * 1024 && chunk < walk->bytes / threads / 16)
		chunk *= 2;
	return chunk;
}

/* Copies from the index what outlives it. */
static int look(struct report *report, bump_t *bump, const struct index *index,
		const struct job *job, size_t most)
{
	if (job->herd != NULL)
		herd_stats(job->herd, &report->herd);
	if (report->rows == NULL)
		return report_gather(report, bump, index, job->walk, most);
	report->differs = !report_agrees(report, index);
	return 0;
}

/* Indexes everything, looks at the result, and frees everything. */
static int run_phase(struct report *report, size_t phase, bump_t *bump, const struct job *job,
		     size_t most)
{
	struct cost *cost = &report->phases[phase];
	struct index index;

	progress_begin(job->progress, phase == 0 ? "phase 1" : "phase 2");
	cost_begin(cost, job->herd);
	int error = index_build(&index, job);

	cost_end(cost, job->herd);
	progress_end(job->progress);
	if (error == 0)
		error = look(report, bump, &index, job, most);

	cost_begin(cost, job->herd);
	if (error == 0 && phase == 0 && job->herd != NULL)
		error = index_settle(&index, job, chunk_size(job->walk, job->threads));
	const int free_error = index_free(&index, job);

	cost_end(cost, job->herd);
	return error != 0 ? error : free_error;
}

static int run_phases(const struct options *options, bump_t *bump, struct report *report)
{
	struct walk walk;
	struct progress progress;
	struct job job = {.walk = &walk, .threads = options->threads, .progress = &progress};
	const size_t most = options->all ? SIZE_MAX : MOST_FREQUENT;
	int error = walk_tree(&walk, bump, options->root);

	if (error != 0)
		return error;
	if (options->use_herd) {
		const bump_config_t config = {.max_chunk = chunk_size(&walk, options->threads)};

		job.herd = herd_new(&(herd_config_t){.bump = config});
		if (job.herd == NULL)
			return errno;
	}
	progress_init(&progress);
	for (size_t phase = 0; phase < PHASES && error == 0; phase++)
		error = run_phase(report, phase, bump, &job, most);
	const int busy = herd_destroy(job.herd);

	return error != 0 ? error : busy;
}

/* Whether the second phase found the same, without new memory from the system. */
static bool check(const struct report *report)
{
	const size_t growth = report->phases[1].growth;

	if (report->differs)
		fputs("index: the second phase counted differently: did files change?\n", stderr);
	if (growth > 0)
		fprintf(stderr, "index: the second phase took %zu bytes from the system\n", growth);
	return !report->differs && growth == 0;
}

static bool print(const struct options *options, const struct report *report)
{
	if (options->json)
		report_json(report);
	else
		report_text(report);
	return output_written("index");
}

int main(int argc, char **argv)
{
	struct options options;
	int status = 1;

	options_read(&options, argc, argv);
	struct report report = {
		.root = options.root, .threads = options.threads, .has_herd = options.use_herd};
	bump_t *bump = bump_new(NULL); /* for paths and the report, which outlive the phases */
	const int error = bump != NULL ? run_phases(&options, bump, &report) : errno;

	if (error != 0)
		fprintf(stderr, "index: %s: %s\n", options.root,
			error == EINVAL ? "neither a directory nor a file" : strerror(error));
	else if (print(&options, &report) && check(&report))
		status = 0;
	bump_destroy(bump);
	return status;
}
