/* SPDX-License-Identifier: MIT */
#ifndef HERD_SOURCE_REGION_H
#define HERD_SOURCE_REGION_H

/*
 * Chunks of one huge page, OS_HUGE, out of larger mappings: regions.
 *
 * Why not one mapping per chunk: the system places a new mapping beside the last one and merges
 * both, and for that it waits until no thread is in a page fault in either. A fault that fills
 * 2 MiB with zeros takes long. Two threads that filled fresh memory spent nearly half of their time
 * waiting for each other. A chunk out of a region needs no system call.
 *
 * A region is address space. The parts of it that are not handed out hold no memory. A new region
 * is at most a quarter of what is out, so that it does not use up a limit of the process's address
 * space. Where there is no room for a region, chunks are mapped one by one. A region with no chunk
 * out is unmapped.
 *
 * No other size comes out of a region: slots of one size need no search and leave no gaps.
 */

/*
 * Get OS_HUGE bytes, aligned to that if the address space has room for it. They are zero. NULL: there
 * is no memory. MT-Safe; takes the lock of regions.
 */
void *region_take(void);

/* Give back what region_take() gave; the system has the memory behind it afterwards. MT-Safe. */
void region_give(void *memory);

#endif
