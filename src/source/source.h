/* SPDX-License-Identifier: MIT */
#ifndef HERD_SOURCE_SOURCE_H
#define HERD_SOURCE_SOURCE_H

/* What the library knows of its own sources, and of no other. */

#include <stdbool.h>
#include <stddef.h>

#include <herd/source.h>

/* What the library asks of a source: memory aligned to that, and sizes that are multiples of this. */
#define SOURCE_ALIGN ((size_t)64)
#define SOURCE_UNIT ((size_t)16)

/* What a source rounds sizes up to, so that a budget counts what is really held. */
size_t source_unit(const herd_source_t *source);

/* Whether it is one of the library's own: it calls nothing that a thread is cancelled in. */
bool source_is_builtin(const herd_source_t *source);

/* Whether it is the operating system, herd_source_os; and that with a guard page around each chunk. */
bool source_is_os(const herd_source_t *source);
extern const herd_source_t source_guarded;

/* Whether its chunks of OS_HUGE and more are huge pages, as far as the system has them. */
bool source_has_huge_pages(const herd_source_t *source);

/* cache.c: whether it is that of a cache. */
bool source_is_cache(const herd_source_t *source);

#endif
