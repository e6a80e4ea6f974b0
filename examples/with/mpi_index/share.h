/* SPDX-License-Identifier: MIT */
/* The files of a tree, shared out among the ranks. */
#ifndef MPI_INDEX_SHARE_H
#define MPI_INDEX_SHARE_H

#include <stdbool.h>

#include "../../index/walk.h"
#include "process.h"

/*
 * Fill *walk with this rank's share of the files at `root`, in the process's arena. What can't be
 * read is rank 0's. False, in all ranks: it failed in some, and that has said why.
 */
bool share_out(const struct process *process, const char *root, struct walk *walk);

#endif
