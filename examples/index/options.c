/* SPDX-License-Identifier: MIT */
/* Reads the command line with getopt_long(3). */
#define _POSIX_C_SOURCE 200809L

#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../output.h"
#include "indexer.h"

static const char help[] =
	"Usage: index [OPTION...] [DIRECTORY]\n"
	"Count the identifiers in all files below DIRECTORY twice (default: /usr/include).\n"
	"\n"
	"  --threads N              use N worker threads (default: the number of processors)\n"
	"  --allocator herd|malloc  allocate memory from a herd or by malloc (default: herd)\n"
	"  --json                   print JSON\n"
	"  --all                    list all identifiers, not only the twenty most frequent\n"
	"  --help                   print this help\n"
	"\n"
	"Symbolic links and special files (fifos, sockets, devices) are counted, and not read.\n"
	"\n"
	"Exit status: 0 on success; 1 if it failed, if the second phase requested new memory\n"
	"from a herd, or if the phases differ; 2 if the command line is wrong.\n";

static _Noreturn void refuse(const char *problem, const char *value)
{
	fprintf(stderr, "index: %s%s\nTry 'index --help'.\n", problem, value);
	exit(2);
}

static unsigned online_processors(void)
{
	const long count = sysconf(_SC_NPROCESSORS_ONLN);

	if (count < 1)
		return 1;
	return count > (long)MAX_THREADS ? MAX_THREADS : (unsigned)count;
}

static unsigned read_threads(const char *text)
{
	char *end;
	const unsigned long threads = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || threads < 1 || threads > MAX_THREADS)
		refuse("not a number of threads from 1 to 1024: ", text);
	return (unsigned)threads;
}

static bool read_allocator(const char *text)
{
	const bool use_herd = strcmp(text, "herd") == 0;

	if (!use_herd && strcmp(text, "malloc") != 0)
		refuse("neither herd nor malloc: ", text);
	return use_herd;
}

void options_read(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{"threads", required_argument, NULL, 't'},
		{"allocator", required_argument, NULL, 'a'},
		{"json", no_argument, NULL, 'j'},
		{"all", no_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	*options = (struct options){.root = "/usr/include", .use_herd = true};
	options->threads = online_processors();
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 't':
			options->threads = read_threads(optarg);
			break;
		case 'a':
			options->use_herd = read_allocator(optarg);
			break;
		case 'j':
			options->json = true;
			break;
		case 'l':
			options->all = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(!output_written("index"));
		default: /* getopt_long has printed the problem */
			fputs("Try 'index --help'.\n", stderr);
			exit(2);
		}
	}
	if (optind < argc)
		options->root = argv[optind++];
	if (optind < argc)
		refuse("more than one directory: ", argv[optind]);
}
