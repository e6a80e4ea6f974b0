/* SPDX-License-Identifier: MIT */
/* Gathers the result and prints it as text; json.c prints it as JSON. */
#define _POSIX_C_SOURCE 200809L

#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_excluded(const void *left, const void *right)
{
	const struct excluded *a = left;
	const struct excluded *b = right;

	if ((a->error == 0) != (b->error == 0))
		return a->error == 0 ? -1 : 1;
	return strcmp(a->path, b->path);
}

static int gather_excluded(struct report *report, bump_t *bump, const struct index *index,
			   const struct walk *walk)
{
	size_t count = index->binaries + index->unreadable;

	for (const struct path *path = walk->unreadable; path != NULL; path = path->next)
		count++;
	struct excluded *excluded = BUMP_NEW_ARRAY(bump, struct excluded, count);

	if (excluded == NULL)
		return ENOMEM;
	report->excluded = excluded;
	report->excluded_count = count;
	report->binary_count = index->binaries;
	report->symlinks = walk->symlinks;
	report->specials = walk->specials;
	for (const struct batch *batch = index->batches; batch != NULL; batch = batch->next) {
		if (batch->kind != BATCH_TEXT)
			*excluded++ = (struct excluded){batch->path, batch->error};
	}
	for (const struct path *path = walk->unreadable; path != NULL; path = path->next)
		*excluded++ = (struct excluded){path->name, path->error};
	qsort(report->excluded, count, sizeof(*excluded), compare_excluded);
	return 0;
}

int report_gather(struct report *report, bump_t *bump, const struct index *index,
		  const struct walk *walk, size_t most)
{
	report->files = index->texts;
	report->bytes = index->bytes;
	report->identifiers = index->identifiers;
	report->distinct = table_size(&index->table);
	report->rows = table_top(&index->table, bump, most, &report->row_count);
	if (report->rows == NULL)
		return ENOMEM;
	return gather_excluded(report, bump, index, walk);
}

bool report_agrees(const struct report *report, const struct index *index)
{
	return report->files == index->texts && report->bytes == index->bytes &&
	       report->identifiers == index->identifiers &&
	       report->distinct == table_size(&index->table);
}

double report_speed(const struct report *report, const struct cost *cost)
{
	return cost->seconds > 0 ? (double)report->bytes / 1e6 / cost->seconds : 0;
}

static void print_excluded(const struct report *report)
{
	for (size_t i = 0; i < report->excluded_count; i++) {
		const struct excluded *file = &report->excluded[i];

		fprintf(stderr, "index: %s: %s\n", file->path,
			file->error != 0 ? strerror(file->error) : "binary");
	}
}

static void print_phases(const struct report *report)
{
	printf("\nphase  seconds     MB/s  page faults  bytes from the system\n");
	for (size_t i = 0; i < PHASES; i++) {
		const struct cost *cost = &report->phases[i];

		printf("%5zu  %7.3f  %7.1f  %11ld", i + 1, cost->seconds,
		       report_speed(report, cost), cost->page_faults);
		if (report->has_herd)
			printf("  %21zu", cost->growth);
		printf("\n");
	}
}

void report_text(const struct report *report)
{
	print_excluded(report);
	printf("%s: %zu files, %zu bytes, %zu identifiers, %zu distinct\n", report->root,
	       report->files, report->bytes, report->identifiers, report->distinct);
	printf("left out: %zu binary, %zu unreadable, %zu symbolic links, %zu special files\n\n",
	       report->binary_count, report->excluded_count - report->binary_count,
	       report->symlinks, report->specials);
	printf("     count     files  identifier\n");
	for (size_t i = 0; i < report->row_count; i++)
		printf("%10zu %9zu  %s\n", report->rows[i].count, report->rows[i].files,
		       report->rows[i].name);
	print_phases(report);
	if (report->has_herd)
		printf("\nherd: %zu member%s, %zu bytes reserved, %zu peak, %zu used\n",
		       report->herd.members, report->herd.members == 1 ? "" : "s",
		       report->herd.reserved, report->herd.peak, report->herd.used);
}
