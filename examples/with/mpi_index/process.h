/* SPDX-License-Identifier: MIT */
/* A rank, and how all ranks agree whether to go on. */
#ifndef MPI_INDEX_PROCESS_H
#define MPI_INDEX_PROCESS_H

#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <herd/bump.h>

struct process {
	int rank;
	int ranks;
	bump_t *bump; /* for everything that outlives the rank's index */
};

/* Whether no rank has failed so far; the same answer in all. A rank that failed prints why. */
static inline bool all_well(const struct process *process, const char *what, int error)
{
	int failed = error != 0;

	if (failed)
		fprintf(stderr, "mpi_index: rank %d: %s: %s\n", process->rank, what,
			strerror(error));
	MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
	return !failed;
}

#endif
