/* SPDX-License-Identifier: MIT */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

/*
 * Samples of programs. A plan is a list of cells. A cell is a program with its arguments; it is run
 * once per sample and prints figures. The cells are sampled alternately: if the speed of the
 * machine drifts, it drifts for all of them.
 *
 * Threads contend only while they run at the same time. A sample during which other processes used
 * a tenth of a processor or more shows too little of that. It is repeated while the plan has time;
 * if every trial of it was disturbed, the least disturbed one counts.
 */

#include <stdbool.h>
#include <stddef.h>

enum {
	SAMPLE_FIGURES = 4, /* the most that a program prints; the rest are 0 */
	SAMPLES_MOST = 11,  /* the most per cell */
	SAMPLE_ARGUMENTS = 8,
};

struct cell {
	char *argv[SAMPLE_ARGUMENTS + 1]; /* the path of a program, its arguments, NULL */
	double samples[SAMPLES_MOST][SAMPLE_FIGURES];
};

struct plan {
	const char *name; /* shown with the progress on stderr */
	struct cell *cells;
	size_t count;
	int samples;	/* of each cell; odd, at most SAMPLES_MOST */
	double seconds; /* roughly, for all samples together */
	/* The outcome. */
	int retaken;
	int disturbed; /* samples of which every trial was disturbed */
};

struct spread {
	double least;
	double median;
	double greatest;
};

/* Takes all samples. Exits if a program fails or prints nothing. */
void plan_run(struct plan *plan);

struct spread plan_spread(const struct plan *plan, size_t cell, size_t figure);

#endif
