/* SPDX-License-Identifier: MIT */
/* Distributes the files of a tree among the ranks. */
#ifndef MPI_INDEX_SHARE_H
#define MPI_INDEX_SHARE_H

#include <stdbool.h>

#include "../../index/walk.h"
#include "process.h"

/*
 * Fills *walk with this rank's share of the files at `root`, in the arena of the process. Rank 0
 * gets the paths that cannot be read. Returns false in all ranks if it failed in any, which has
 * printed the reason.
 */
bool share_out(const struct process *process, const char *root, struct walk *walk);

#endif
