/* SPDX-License-Identifier: MIT */
#ifndef HERD_SOURCE_SOURCE_H
#define HERD_SOURCE_SOURCE_H

/*
 * What the library knows of its own sources, and of no other.
 *
 * A source is recognised by its functions and not by its address, because herd_source_t is a plain
 * struct that programs copy. One that wraps another is a source of the program's, of which nothing
 * is known except the contract in herd/source.h.
 */

#include <stdbool.h>
#include <stddef.h>

#include <herd/source.h>

/*
 * What the library asks of a source: memory aligned to SOURCE_ALIGN, a cache line, and sizes that
 * are multiples of SOURCE_UNIT.
 */
#define SOURCE_ALIGN ((size_t)64)
#define SOURCE_UNIT ((size_t)16)

/*
 * What a source rounds sizes up to, in bytes, so that a budget counts what is really held. For a
 * source of the program's it is SOURCE_UNIT: if that gives more, it reports how much in *size.
 */
size_t source_unit(const herd_source_t *source);

/*
 * Whether it is one of the library's own that give memory. Its functions contain no cancellation
 * point, so cancellation need not be disabled around them.
 */
bool source_is_builtin(const herd_source_t *source);

/* Whether it is the operating system, herd_source_os. */
bool source_is_os(const herd_source_t *source);

/* The operating system with a guard page before and after each chunk, for BUMP_HARDEN_GUARD. */
extern const herd_source_t source_guarded;

/*
 * Whether its chunks of OS_HUGE and more are huge pages, as far as the system has them. Then an
 * arena's growth goes straight to that size once the arena has shown that it needs it.
 */
bool source_has_huge_pages(const herd_source_t *source);

/* Whether it is the source of a cache; cache.c, which has the functions to compare with. */
bool source_is_cache(const herd_source_t *source);

#endif
