/* SPDX-License-Identifier: MIT */
/*
 * The result, as it is printed: gathered from an index, and independent of it from then on.
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

/* What a phase cost. */
struct cost {
	double seconds;
	long page_faults;
	size_t growth; /* of what the herd holds from the system */
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
	bool differs; /* the second phase found something else */
	struct cost phases[PHASES];
	bool has_herd;
	herd_stats_t herd;
};

/*
 * Gather all but root, threads, phases and herd, with at most `most` rows. Everything is copied
 * into the arena but the paths, which belong to the walk. Returns 0 or ENOMEM.
 */
int report_gather(struct report *report, bump_t *bump, const struct index *index,
		  const struct walk *walk, size_t most);

/* Whether another phase found the same. */
bool report_agrees(const struct report *report, const struct index *index);

/* Megabytes a second. */
double report_speed(const struct report *report, const struct cost *cost);

/* Print for people: what is not in the index to stderr, all else to stdout. */
void report_text(const struct report *report);

/* Print everything to stdout as one JSON object. */
void report_json(const struct report *report);

#endif
