/* SPDX-License-Identifier: MIT */
#ifndef HERD_SOURCE_OS_H
#define HERD_SOURCE_OS_H

/*
 * All that herd asks of the operating system's memory, behind a contract as small as it can be.
 *
 * Units are bytes. All functions are MT-Safe, and no function is a cancellation point. Failure is NULL
 * or false. Whatever happens, errno is as it was: on failure it is the caller's to set.
 * What is kept here from call to call is the page size, and the ranges that the system did not take
 * back. These have a lock of their own, which is a leaf; it is taken only where there is such a
 * range.
 *
 * It can't resize a mapping: that may move it, and what was allocated in a chunk must not move.
 */

#include <stdbool.h>
#include <stddef.h>

/*
 * From this size on, memory of the system is aligned to it and offered for huge pages. It is the
 * size of a huge page on x86-64, and on arm64 with pages of 4 KiB.
 */
#define OS_HUGE ((size_t)2 << 20)

/* The granularity in which the system gives memory; a power of two. */
size_t os_page_size(void);

/*
 * Map `size` bytes, whole pages. Where it is OS_HUGE or more, they are aligned to that if the address
 * space has room for it. The memory is zero. NULL: there is no memory, or no room in the address
 * space.
 */
void *os_map(size_t size);

/*
 * Unmap whole pages, of one mapping or of several that lie side by side. The system may refuse where
 * a mapping has to be cut in two and the process has as many as it may have. Then the memory behind
 * the pages is given back, and the addresses are kept for os_map(); kept_bytes() counts them.
 */
void os_unmap(void *memory, size_t size);

/*
 * The same with a page before and one after them that can't be accessed, so that a write past
 * either end of a chunk ends the process. What is aligned is the memory itself. Sizes and addresses
 * do not include the guard pages.
 */
void *os_map_guarded(size_t size);
void os_unmap_guarded(void *memory, size_t size);

/*
 * Give back the memory behind whole pages, which stay mapped, read as zero, and hold no memory
 * until they are written to. False: the system does not do this, because the pages are locked
 * (mlock(2)), or because it is not Linux; then they still hold memory.
 */
bool os_discard(void *memory, size_t size);

/*
 * Have every page in [from, to) backed by memory now, instead of one page fault for each later. It
 * writes zeros, so nothing may live there.
 */
void os_touch(char *from, const char *to);

#endif
