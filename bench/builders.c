/* SPDX-License-Identifier: MIT */
/*
 * Samples the programs of bench/builder alternately, each sample in a process of its own, and
 * prints a table.
 *
 *	builders [--quick] FOLDER [FILE]     runs those programs that FOLDER has, and writes all
 *	                                     samples to FILE
 */
#define _GNU_SOURCE 1

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sample.h"
#include "tool.h"

static const char *const peers[] = {"herd", "bumpalo", "pmr", "glib", "realloc"};

static struct task {
	char name[8];
	const char *title;
} tasks[] = {
	{"putc", "a byte, to a string of 1 MiB"},
	{"puts", "12 bytes, to a string of 1 MiB"},
	{"printf", "`\"%d: %s\\n\"`, to a string of 1 MiB"},
	{"names", "a string of 21 bytes, finished"},
	{"push", "an `int`, to an array of 500,000"},
	{"lists", "an array of ten 16-byte structs, finished"},
	{"turns", "an `int`, to each of 64 arrays alternately"},
};

enum {
	PEERS = sizeof(peers) / sizeof(peers[0]),
	TASKS = sizeof(tasks) / sizeof(tasks[0]),
	PATH_ROOM = 4096,
};

static char paths[PEERS][PATH_ROOM];
static struct cell cells[TASKS * PEERS];
static size_t columns[PEERS]; /* of the peers that were built */
static size_t column_count;

static void find_peers(const char *folder)
{
	for (size_t i = 0; i < PEERS; i++) {
		snprintf(paths[i], PATH_ROOM, "%s/builder_%s", folder, peers[i]);
		if (access(paths[i], X_OK) == 0)
			columns[column_count++] = i;
		else
			fprintf(stderr, "%s is left out: %s does not exist\n", peers[i], paths[i]);
	}
}

static void print_table(const struct plan *plan)
{
	printf("Processor time in ns, medians of %d samples (least-greatest); freeing included\n\n",
	       plan->samples);
	printf("| each |");
	for (size_t i = 0; i < column_count; i++)
		printf(" %s |", peers[columns[i]]);
	printf("\n|---|");
	for (size_t i = 0; i < column_count; i++)
		printf("--:|");
	for (size_t task = 0; task < TASKS; task++) {
		printf("\n| %s |", tasks[task].title);
		for (size_t i = 0; i < column_count; i++) {
			const struct spread spread = plan_spread(plan, task * column_count + i, 0);
			const int digits = spread.median < 10 ? 2 : spread.median < 100 ? 1 : 0;

			printf(" %.*f (%.*f-%.*f) |", digits, spread.median, digits, spread.least,
			       digits, spread.greatest);
		}
	}
	printf("\n\n%d of %zu samples are disturbed by other processes.\n", plan->disturbed,
	       plan->count * (size_t)plan->samples);
}

static void write_samples(const struct plan *plan, const char *path)
{
	FILE *const file = fopen(path, "w");

	if (file == NULL)
		die(path);
	fprintf(file, "task\tpeer\tsample\tprocessor_ns\n");
	for (size_t at = 0; at < plan->count; at++)
		for (int i = 0; i < plan->samples; i++)
			fprintf(file, "%s\t%s\t%d\t%.3f\n", cells[at].argv[1],
				peers[columns[at % column_count]], i, cells[at].samples[i][0]);
	if (fclose(file) != 0)
		die(path);
}

int main(int argc, char **argv)
{
	static char quick_time[] = "20";
	static char full_time[] = "150";
	struct plan plan = {.name = "builders", .cells = cells};
	const bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	const int arg = quick ? 2 : 1;

	if (argc < arg + 1 || argc > arg + 2 || argv[arg][0] == '-') {
		fprintf(stderr, "usage: %s [--quick] FOLDER [FILE]\n", argv[0]);
		return 2;
	}
	find_peers(argv[arg]);
	for (size_t task = 0; task < TASKS; task++)
		for (size_t i = 0; i < column_count; i++)
			cells[plan.count++] =
				(struct cell){.argv = {paths[columns[i]], tasks[task].name,
						       quick ? quick_time : full_time}};
	plan.samples = quick ? 3 : 7;
	plan.seconds = quick ? 15 : 120;
	if (plan.count == 0)
		return 1;
	plan_run(&plan);
	print_table(&plan);
	if (argc > arg + 1)
		write_samples(&plan, argv[arg + 1]);
	return 0;
}
