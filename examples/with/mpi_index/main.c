/* SPDX-License-Identifier: MIT */
/*
 * The index of examples/index over several processes of MPI, on one machine or many. Each rank
 * indexes its share of the files with threads and a herd of its own. Rank 0 receives the results of
 * all ranks into an arena, adds them up, and prints them in the format of examples/index.
 *
 *	mpirun -np 4 mpi_index [--all] [--limit BYTES] [--threads N] DIRECTORY
 *
 * If something fails, for example if a rank reaches the limit of its herd, that rank prints a
 * message, and all ranks end in order with status 1. An error of MPI itself ends all of them at
 * once.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <getopt.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <herd/herd.h>

#include "../../index/indexer.h"
#include "gather.h"
#include "process.h"
#include "share.h"

#define MOST_FREQUENT 20

static const char usage[] =
	"Usage: mpi_index [--all] [--help] [--limit BYTES] [--threads N] DIRECTORY\n";

enum { FILES, BYTES, IDENTIFIERS, BINARIES, UNREADABLE, SYMLINKS, SPECIALS, TOTALS };

struct options {
	const char *root;
	unsigned threads;
	size_t limit; /* of a rank's herd */
	bool all;
	bool help;
};

/* Counts, and prints why files are not in the index. */
static void sum_up(const struct index *index, const struct walk *walk, uint64_t *totals)
{
	totals[FILES] = index->texts;
	totals[BYTES] = index->bytes;
	totals[IDENTIFIERS] = index->identifiers;
	totals[BINARIES] = index->binaries;
	totals[UNREADABLE] = index->unreadable;
	totals[SYMLINKS] = walk->symlinks;
	totals[SPECIALS] = walk->specials;
	for (const struct path *path = walk->unreadable; path != NULL; path = path->next) {
		fprintf(stderr, "mpi_index: %s: %s\n", path->name, strerror(path->error));
		totals[UNREADABLE]++;
	}
	for (const struct batch *batch = index->batches; batch != NULL; batch = batch->next) {
		if (batch->kind != BATCH_TEXT)
			fprintf(stderr, "mpi_index: %s: %s\n", batch->path,
				batch->error != 0 ? strerror(batch->error) : "binary");
	}
}

/* Indexes this rank's files and frees the index, except for what was packed. */
static int build(const struct process *process, const struct options *options,
		 const struct walk *walk, struct found *found, uint64_t *totals)
{
	herd_t *herd = herd_new(&(herd_config_t){.limit = options->limit});
	struct progress no_bar = {0};
	const struct job job = {walk, herd, options->threads, &no_bar};
	struct index index;

	if (herd == NULL)
		return errno;
	int error = index_build(&index, &job);

	if (error == 0) {
		sum_up(&index, walk, totals);
		error = found_pack(found, process->bump, &index.table);
	}
	const int busy = herd_destroy(herd); /* frees the index */

	return error != 0 ? error : busy;
}

/* Prints in the format of examples/index. */
static int print(const struct options *options, const uint64_t *totals, const struct row *rows,
		 size_t count)
{
	const size_t most = options->all || count < MOST_FREQUENT ? count : MOST_FREQUENT;

	printf("%s: %ju files, %ju bytes, %ju identifiers, %zu distinct\n", options->root,
	       (uintmax_t)totals[FILES], (uintmax_t)totals[BYTES], (uintmax_t)totals[IDENTIFIERS],
	       count);
	printf("left out: %ju binary, %ju unreadable, %ju symbolic links, %ju special files\n\n",
	       (uintmax_t)totals[BINARIES], (uintmax_t)totals[UNREADABLE],
	       (uintmax_t)totals[SYMLINKS], (uintmax_t)totals[SPECIALS]);
	printf("     count     files  identifier\n");
	for (size_t i = 0; i < most; i++)
		printf("%10zu %9zu  %s\n", rows[i].count, rows[i].files, rows[i].name);
	if (fflush(stdout) != 0)
		return errno;
	return ferror(stdout) ? EIO : 0;
}

/* The whole program, run by each rank. */
static bool run(const struct process *process, const struct options *options)
{
	uint64_t totals[TOTALS] = {0};
	struct found *parts = BUMP_NEW_ARRAY(process->bump, struct found, (size_t)process->ranks);
	struct walk walk;

	if (!all_well(process, "starting", parts != NULL ? 0 : ENOMEM) ||
	    !share_out(process, options->root, &walk) ||
	    !all_well(process, "the index", build(process, options, &walk, &parts[0], totals)) ||
	    !found_gather(process, parts))
		return false;
	MPI_Reduce(process->rank == 0 ? MPI_IN_PLACE : totals, totals, TOTALS, MPI_UINT64_T,
		   MPI_SUM, 0, MPI_COMM_WORLD);

	int error = 0;

	if (process->rank == 0) {
		size_t count;
		const struct row *rows = found_merge(process, parts, &count);

		error = rows != NULL ? print(options, totals, rows, count) : ENOMEM;
	}
	return all_well(process, "the result", error);
}

/* Returns the number of an option, from 1 to `most`; 0 if it is none. */
static size_t number_of(const char *text, size_t most)
{
	char *end;

	errno = 0;
	const unsigned long long number = strtoull(text, &end, 10);

	return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && number <= most
		       ? (size_t)number
		       : 0;
}

static bool read_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {{"all", no_argument, NULL, 'a'},
					      {"help", no_argument, NULL, 'h'},
					      {"limit", required_argument, NULL, 'l'},
					      {"threads", required_argument, NULL, 't'},
					      {NULL, 0, NULL, 0}};
	bool good = true;
	int option;

	*options = (struct options){.threads = 2};
	opterr = 0; /* one message in all, not one per rank */
	while (good && (option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == 'a')
			options->all = true;
		else if (option == 'h')
			options->help = true;
		else if (option == 'l')
			good = (options->limit = number_of(optarg, SIZE_MAX)) != 0;
		else if (option == 't')
			good = (options->threads = (unsigned)number_of(optarg, MAX_THREADS)) != 0;
		else
			good = false;
	}
	options->root = argv[optind];
	return good && (options->help || optind + 1 == argc);
}

int main(int argc, char **argv)
{
	struct options options;
	struct process process;
	int threads;
	int status = 1;

	/* Only this thread calls MPI; the threads of the index do not. */
	MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &threads);
	MPI_Comm_rank(MPI_COMM_WORLD, &process.rank);
	MPI_Comm_size(MPI_COMM_WORLD, &process.ranks);
	process.bump = bump_new(NULL);

	if (!read_options(&options, argc, argv)) {
		if (process.rank == 0)
			fputs(usage, stderr);
		status = 2;
	} else if (options.help) {
		status = process.rank == 0 && (fputs(usage, stdout) == EOF || fflush(stdout) != 0);
	} else if (all_well(&process, "starting", process.bump != NULL ? 0 : ENOMEM) &&
		   run(&process, &options)) {
		status = 0;
	}
	bump_destroy(process.bump);
	MPI_Finalize();
	return status;
}
