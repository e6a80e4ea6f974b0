/* SPDX-License-Identifier: MIT */
#ifndef HERD_SOURCE_OS_H
#define HERD_SOURCE_OS_H

/*
 * All that herd asks of the operating system's memory, behind a contract as small as it can be.
 * Units are bytes; nothing here takes a lock or keeps state.
 */

#include <stdbool.h>
#include <stddef.h>

/* From this size on, memory of the system is aligned to it and offered for huge pages. */
#define OS_HUGE ((size_t)2 << 20)

/* The granularity in which the system gives memory. */
size_t os_page_size(void);

/* Map `size` bytes, whole pages; NULL: there is no memory. */
void *os_map(size_t size);

/* Unmap whole pages, of one mapping or of several that lie side by side. */
void os_unmap(void *memory, size_t size);

/*
 * The same with a page before and one after them that can't be accessed; where `size` is OS_HUGE or
 * more, these begin at a multiple of that nevertheless.
 */
void *os_map_guarded(size_t size);
void os_unmap_guarded(void *memory, size_t size);

/*
 * Give back the memory behind whole pages, which stay mapped and hold none until they are written
 * to. False: the system does not, because they are locked (mlock(2)), or because it can't.
 */
bool os_discard(void *memory, size_t size);

/*
 * Have every page in [from, to) backed by memory now. Writes zeros into it: nothing may live
 * there.
 */
void os_touch(char *from, const char *to);

#endif
