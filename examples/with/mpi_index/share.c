/* SPDX-License-Identifier: MIT */
/* Only rank 0 walks the tree, so that a number means the same file in all ranks. */
#define _POSIX_C_SOURCE 200809L

#include "share.h"

#include <errno.h>
#include <limits.h>
#include <mpi.h>
#include <stdint.h>
#include <string.h>

/* In rank 0: joins the names of all files, each with its NUL. */
static int list_files(const struct process *process, const struct walk *walk, char **names,
		      uint64_t *size)
{
	*size = 0;
	for (size_t i = 0; i < walk->count; i++)
		*size += strlen(walk->files[i]) + 1;
	if (*size > INT_MAX) /* MPI counts in int */
		return EFBIG;

	char *end = *names = bump_alloc_aligned(process->bump, (size_t)*size, 1);

	if (end == NULL)
		return ENOMEM;
	for (size_t i = 0; i < walk->count; i++)
		end = stpcpy(end, walk->files[i]) + 1;
	return 0;
}

/* Takes this rank's share: the files whose number, modulo the ranks, is the rank. */
static int take_share(const struct process *process, struct walk *walk, const char *names,
		      size_t count)
{
	const size_t ranks = (size_t)process->ranks;

	*walk = (struct walk){
		.files = BUMP_NEW_ARRAY(process->bump, const char *, count / ranks + 1)};
	if (walk->files == NULL)
		return ENOMEM;
	for (size_t i = 0; i < count; i++, names += strlen(names) + 1) {
		if (i % ranks == (size_t)process->rank)
			walk->files[walk->count++] = names;
	}
	return 0;
}

bool share_out(const struct process *process, const char *root, struct walk *walk)
{
	uint64_t sizes[2] = {0, 0}; /* the number of files, and the bytes of their names */
	char *names = NULL;
	struct walk whole = {0};
	int error = 0;

	if (process->rank == 0) {
		error = walk_tree(&whole, process->bump, root);
		if (error == 0)
			error = list_files(process, &whole, &names, &sizes[1]);
		sizes[0] = whole.count;
	}
	if (!all_well(process, root, error))
		return false;

	MPI_Bcast(sizes, 2, MPI_UINT64_T, 0, MPI_COMM_WORLD);
	if (process->rank != 0)
		names = bump_alloc_aligned(process->bump, (size_t)sizes[1], 1);
	if (!all_well(process, "the list of files", names != NULL ? 0 : ENOMEM))
		return false;

	MPI_Bcast(names, (int)sizes[1], MPI_CHAR, 0, MPI_COMM_WORLD);
	error = take_share(process, walk, names, (size_t)sizes[0]);
	walk->unreadable = whole.unreadable; /* rank 0 alone counts what is not shared out */
	walk->symlinks = whole.symlinks;
	walk->specials = whole.specials;
	return all_well(process, "the share of files", error);
}
