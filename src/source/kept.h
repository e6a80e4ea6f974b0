/* SPDX-License-Identifier: MIT */
#ifndef HERD_SOURCE_KEPT_H
#define HERD_SOURCE_KEPT_H

/*
 * The ranges of addresses that the system did not take back: those for which munmap(2) failed. They
 * belong to nobody until they are handed out again, or unmapped.
 *
 * munmap(2) fails where it would make two mappings of one, and the process has as many as it may
 * have (vm.max_map_count); or where a filter of system calls forbids it. A caller can't do anything
 * about that, so it gets no error. os.c puts such ranges here, and serves later requests from them.
 *
 * This file makes no system call, and takes no memory: what is noted about the ranges is noted in
 * them. All functions are MT-Safe, and take one lock, which is a leaf.
 */

#include <stdbool.h>
#include <stddef.h>

enum kept_state {
	KEPT_CLEAN, /* reads as zero, and holds no memory */
	KEPT_USED,  /* has some contents, and holds memory */
	KEPT_CLOSED, /* can't be accessed (guard pages): kept_pop() returns it, kept_take() does not */
};

/* Whole pages. */
struct kept_range {
	char *start;
	size_t size;
	enum kept_state state;
};

/* Keep a range. `page` is the size of a page, the same at every call. It can't fail. */
void kept_put(struct kept_range range, size_t page);

/*
 * Get `size` bytes out of a range that can be accessed, at a multiple of `align`; what is left of
 * that range stays kept. False: there is none.
 */
bool kept_take(size_t size, size_t align, struct kept_range *range);

/* Get any one range, whole: not the one that was put last, if there are others. False: there is none. */
bool kept_pop(struct kept_range *range);

/* The bytes that are kept. */
size_t kept_bytes(void);

#endif
