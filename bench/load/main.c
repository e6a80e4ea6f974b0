/* SPDX-License-Identifier: MIT */
/*
 * The command line of a peer's program: one sample of one workload.
 *
 *	bench_PEER WORKLOAD [--threads N] [--quick] [--rounds N]	prints one line of JSON
 *	bench_PEER --list			prints the workloads, with useful numbers of threads
 *
 * --quick does about a tenth of the work. --rounds sets how often the measured part is repeated
 * (w3, w4, w6 and w8: the number of objects, pairs or messages). Instructions are counted as the
 * difference of two runs with different --rounds.
 */
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>

static const struct workload {
	const char *name;
	void (*run)(struct load *load);
	const char *threads; /* useful numbers; NULL if it is not listed */
	int usual_threads;
	bool any_threads; /* else only usual_threads */
} workloads[] = {
	{"w1", w1, "1", 1, false},
	{"w1-table", w1_table, NULL, 1, false},
#ifdef PEER_ALIGNS
	{"w1-aligned", w1_aligned, NULL, 1, false},
#endif
	{"w2", w2, "1,2,4", 1, true},
	{"w3", w3, "1,2", 1, true},
	{"w4", w4, "1,2,4,8,16", 1, true},
	{"w5", w5, "1,2,4", 4, true},
	{"w6", w6, "1,2", 1, true},
	{"w7", w7, "1", 1, false},
	{"w8", w8, "2", 2, false},
};

#define WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

static void list(void)
{
	for (size_t i = 0; i < WORKLOADS; i++)
		if (workloads[i].threads != NULL)
			printf("%s %s\n", workloads[i].name, workloads[i].threads);
}

static const struct workload *find(const char *name)
{
	for (size_t i = 0; i < WORKLOADS; i++)
		if (strcmp(workloads[i].name, name) == 0)
			return &workloads[i];
	return NULL;
}

__attribute__((noreturn)) static void usage(void)
{
	fprintf(stderr, "usage: bench_" PEER_NAME
			" WORKLOAD [--threads N] [--quick] [--rounds N] | --list\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static struct load load;
	const struct workload *workload = argc > 1 ? find(argv[1]) : NULL;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		list();
		return 0;
	}
	if (workload == NULL)
		usage();
	load.threads = workload->usual_threads;
	if (!load_options(&load, argv + 2, LOAD_MOST_THREADS))
		usage();
	if (load.threads != workload->usual_threads && !workload->any_threads)
		usage();
	workload->run(&load);
	return load_print(&load, workload->name, PEER_NAME);
}
