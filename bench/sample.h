/* SPDX-License-Identifier: MIT */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

/*
 * Samples of programs. A plan is a list of cells; a cell is a program with its arguments, which is
 * run once for each sample and prints figures. The cells take turns, so that a machine whose speed
 * drifts drifts for all of them.
 *
 * Threads contend only while they run at the same time: a sample during which other processes used
 * a tenth of a processor or more shows too little of that, and is taken again as long as the plan
 * has time; of one that was never undisturbed, the least disturbed trial counts.
 */

#include <stdbool.h>
#include <stddef.h>

enum {
	SAMPLE_FIGURES = 4, /* that a program prints, at most; others are 0 */
	SAMPLES_MOST = 11,  /* of a cell */
	SAMPLE_ARGUMENTS = 8,
};

struct cell {
	char *argv[SAMPLE_ARGUMENTS + 1]; /* a program's path, its arguments, NULL */
	double samples[SAMPLES_MOST][SAMPLE_FIGURES];
};

struct plan {
	const char *name; /* for the progress on stderr */
	struct cell *cells;
	size_t count;
	int samples;	/* of each cell; odd, at most SAMPLES_MOST */
	double seconds; /* about the longest that all may take */
	/* What came of it. */
	int retaken;
	int disturbed; /* samples that were never undisturbed */
};

struct spread {
	double least;
	double median;
	double greatest;
};

/* Take all samples. A program that fails, or prints nothing, ends this one. */
void plan_run(struct plan *plan);

struct spread plan_spread(const struct plan *plan, size_t cell, size_t figure);

#endif
