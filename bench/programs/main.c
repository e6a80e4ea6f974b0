/* SPDX-License-Identifier: MIT */
/*
 * The command line of a program around an outside library over one peer. It takes one sample.
 *
 *	bench_LIBRARY_PEER PROGRAM [--threads N] [--quick] [--rounds N]	prints one line of JSON
 *	bench_LIBRARY_PEER --list		prints the programs, with useful numbers of threads
 *
 * --quick does about a tenth of the work. --rounds sets the number of measured batches.
 */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>

__attribute__((noreturn)) static void usage(void)
{
	program_die("usage: PROGRAM [--threads N] [--quick] [--rounds N] | --list");
}

static int list(void)
{
	for (const struct program *program = programs; program->name != NULL; program++)
		printf("%s 1,2\n", program->name);
	return fflush(stdout) != 0;
}

static const struct program *find(const char *name)
{
	for (const struct program *program = programs; program->name != NULL; program++)
		if (strcmp(program->name, name) == 0)
			return program;
	usage();
}

int main(int argc, char **argv)
{
	static struct load load;

	if (argc < 2)
		usage();
	if (strcmp(argv[1], "--list") == 0)
		return list();

	const struct program *const program = find(argv[1]);

	load.threads = 1;
	if (!load_options(&load, argv + 2, LOAD_MOST_THREADS - 1))
		usage();
	program_run(program, &load);
	return load_print(&load, program->name, PEER_NAME);
}
