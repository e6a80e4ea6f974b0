/* SPDX-License-Identifier: MIT */
#ifndef HERD_SOURCE_REGION_H
#define HERD_SOURCE_REGION_H

/*
 * Chunks of one huge page, OS_HUGE, out of larger mappings: regions.
 *
 * A chunk that is mapped by itself lies beside the last one, and the system makes one mapping of
 * both; for that it waits until no thread is in a page fault in either. And a fault that fills
 * 2 MiB with zeros takes long: two threads that fill fresh memory spent nearly half of their time
 * waiting for each other. Out of a region a chunk is had without a call of the system.
 *
 * A region is address space; what of it is not handed out holds no memory. A new one is at most a
 * quarter of what is out, so that a limit of the process's address space is not used up by it;
 * where there is no room for it, chunks are mapped one by one. A region none of which is out is
 * unmapped.
 */

/* OS_HUGE bytes, aligned to that; NULL: there is no memory. MT-Safe. */
void *region_take(void);

/* Give back what region_take() gave. MT-Safe. */
void region_give(void *memory);

/*
 * To be called before other handlers of fork(2) are installed under which region_take() may be
 * called: so its lock is taken after theirs.
 */
void region_install(void);

#endif
