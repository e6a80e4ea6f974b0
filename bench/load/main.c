/* SPDX-License-Identifier: MIT */
/*
 * The command line of a peer's program: one sample of one workload.
 *
 *	bench_PEER WORKLOAD [--threads N] [--quick] [--rounds N]	prints one line of JSON
 *	bench_PEER --list			prints the workloads, and thread counts that make sense
 *
 * --quick does about a tenth. --rounds sets how often the measured part is repeated (for w3, w4,
 * w6 and w8: the number of objects, pairs or messages): for counting instructions, as the
 * difference of two runs.
 */
#include "workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct workload {
	const char *name;
	void (*run)(struct load *load);
	const char *threads; /* to run it with; NULL: it is not listed */
	int usual_threads;
	bool any_threads; /* else the usual ones */
} workloads[] = {
	{"w1", w1, "1", 1, false},	   {"w1-table", w1_table, NULL, 1, false},
	{"w2", w2, "1,2,4", 1, true},	   {"w3", w3, "1,2", 1, true},
	{"w4", w4, "1,2,4,8,16", 1, true}, {"w5", w5, "1,2,4", 4, true},
	{"w6", w6, "1,2", 1, true},	   {"w7", w7, "1", 1, false},
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

static size_t number(const char *text, size_t most)
{
	char *end;

	if (text == NULL)
		usage();
	errno = 0;

	const unsigned long n = strtoul(text, &end, 10);

	if (errno != 0 || *end != '\0' || n == 0 || n > most)
		usage();
	return n;
}

static void print(const struct workload *workload, const struct load *load)
{
	printf("{\"workload\":\"%s\",\"peer\":\"" PEER_NAME "\",\"threads\":%d,\"unit\":\"%s\","
	       "\"value\":%.6g,\"items\":%.0f,\"extra\":{",
	       workload->name, load->threads, load->unit, load->value, load->items);
	for (int i = 0; i < load->extra_count; i++)
		printf("%s\"%s\":%.10g", i > 0 ? "," : "", load->extras[i].name,
		       load->extras[i].value);
	printf("}}\n");
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
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			load.quick = true;
		else if (strcmp(argv[i], "--threads") == 0)
			load.threads = (int)number(argv[++i], LOAD_MOST_THREADS);
		else if (strcmp(argv[i], "--rounds") == 0)
			load.rounds = number(argv[++i], SIZE_MAX);
		else
			usage();
	}
	if (load.threads != workload->usual_threads && !workload->any_threads)
		usage();
	workload->run(&load);
	print(workload, &load);
	return fflush(stdout) != 0;
}
