/* SPDX-License-Identifier: MIT */
/*
 * The result as it is printed. It is gathered from an index and then independent of it.
 */
#ifndef INDEX_REPORT_H
#define INDEX_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include <herd/herd.h>

#include "indexer.h"
#include "table.h"
#include "walk.h"

#define PHASES 2

/* The cost of a phase. */
struct cost {
	double seconds;
	long page_faults;
	size_t growth; /* of the memory that the herd holds from the system */
};

/* A file that is not in the index. */
struct excluded {
	const char *path;
	int error; /* 0: it is binary */
};

struct report {
	const char *root;
	unsigned threads;
	size_t files;
	size_t bytes;
	size_t identifiers;
	size_t distinct;
	struct row *rows;
	size_t row_count;
	struct excluded *excluded; /* binary ones first, then by path */
	size_t binary_count;
	size_t excluded_count;
	size_t symlinks; /* these are only counted */
	size_t specials;
	bool differs; /* the second phase found something else */
	struct cost phases[PHASES];
	bool has_herd;
	herd_stats_t herd;
};

/*
 * Gathers everything except root, threads, phases and herd, with at most `most` rows. Everything is
 * copied into the arena except the paths, which belong to the walk. Returns 0 or ENOMEM.
 */
int report_gather(struct report *report, bump_t *bump, const struct index *index,
		  const struct walk *walk, size_t most);

/* Whether another phase found the same. */
bool report_agrees(const struct report *report, const struct index *index);

/* Returns megabytes per second. */
double report_speed(const struct report *report, const struct cost *cost);

/* Prints text: the files that are not in the index to stderr, everything else to stdout. */
void report_text(const struct report *report);

/* Prints everything to stdout as one JSON object. */
void report_json(const struct report *report);

#endif
