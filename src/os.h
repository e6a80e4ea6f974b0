/* SPDX-License-Identifier: MIT */
#ifndef HERD_OS_H
#define HERD_OS_H

/*
 * All that herd asks of the operating system's memory, behind a contract as small as it can be.
 * Units are bytes; nothing here takes a lock or keeps state.
 */

#include <stdbool.h>
#include <stddef.h>

#include <herd/source.h>

/* From this size on, memory of the system is aligned to it and offered for huge pages. */
#define OS_HUGE ((size_t)2 << 20)

/* The granularity in which the system gives memory. */
size_t os_page_size(void);

/* Whether `source` is the system's own, so that what it gives is known to be whole pages. */
bool os_is_source(const herd_source_t *source);

/*
 * Have every page in [from, to) backed by memory now. Writes zeros into it: nothing may live
 * there.
 */
void os_touch(char *from, const char *to);

#endif
