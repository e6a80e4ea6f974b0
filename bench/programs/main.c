/* SPDX-License-Identifier: MIT */
/*
 * The command line of a program around an outside library, over one peer: one sample.
 *
 *	bench_LIBRARY_PEER PROGRAM [--threads N] [--quick] [--rounds N]	prints one line of JSON
 *	bench_LIBRARY_PEER --list		prints the programs, and thread counts that make sense
 *
 * --quick does about a tenth. --rounds sets the number of measured batches.
 */
#include "program.h"

#include <errno.h>
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

static void print(const struct program *program, const struct load *load)
{
	printf("{\"workload\":\"%s\",\"peer\":\"" PEER_NAME "\",\"threads\":%d,\"unit\":\"%s\","
	       "\"value\":%.6g,\"items\":%.0f,\"extra\":{",
	       program->name, load->threads, load->unit, load->value, load->items);
	for (int i = 0; i < load->extra_count; i++)
		printf("%s\"%s\":%.10g", i > 0 ? "," : "", load->extras[i].name,
		       load->extras[i].value);
	printf("}}\n");
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
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			load.quick = true;
		else if (strcmp(argv[i], "--threads") == 0)
			load.threads = (int)number(argv[++i], LOAD_MOST_THREADS - 1);
		else if (strcmp(argv[i], "--rounds") == 0)
			load.rounds = number(argv[++i], SIZE_MAX);
		else
			usage();
	}
	program_run(program, &load);
	print(program, &load);
	return fflush(stdout) != 0;
}
