/* SPDX-License-Identifier: MIT */
#ifndef HERD_HARDEN_H
#define HERD_HARDEN_H

/**
 * @file harden.h
 * The hardened mode: what bump_config_t.harden may ask for, in any combination, for arenas and for
 * herds. herd/bump.h includes this file.
 *
 * @code
 * bump_t *bump = bump_new(&(bump_config_t){.harden = BUMP_HARDEN_GUARD | BUMP_HARDEN_CHECK});
 * @endcode
 *
 * A flag that is not set costs nothing, and an allocation within a chunk costs the same with every
 * flag. What each flag costs is in bench/README.md.
 *
 * When a check finds that a header was overwritten, and the handler of misuse returns, the call
 * fails with EINVAL and has done nothing; only where a deferred function overwrote the header, the
 * deferred functions have run. From then on:
 *
 * - Allocations stay readable, the current chunk serves further allocations, and herd_put() works.
 * - A reset, a rewind over the header, and a destroy fail each time. The memory that the arena (in
 *   a herd: the herd) holds is lost until the process ends.
 * - If it is the header of a spare chunk, its arena or herd gets no chunks any more.
 */

#include "base.h"

/**
 * Put a page that can't be accessed directly before and directly after every chunk from the
 * operating system.
 *
 * It finds a write or a read that runs off the end of a chunk, or before its beginning: the process
 * ends with SIGSEGV at the first byte. The page begins where the usable bytes of a chunk end. The
 * header stands before the first usable byte, and the other page before the header.
 *
 * It does not find
 *
 * - an access that runs from one allocation into another one of the same chunk, or into the free
 *   bytes at the end of the chunk;
 * - an access that jumps over the page;
 * - an access that runs off the caller's memory of bump_new_in(); the chunks that such an arena
 *   gets later do have guard pages.
 *
 * Functions that make an arena or a herd return EINVAL where the source is any other than
 * &herd_source_os, that of a cache included.
 *
 * Cost: Chunks are mapped one by one, so growth costs three system calls per chunk instead of one
 * or none. A chunk takes up to four of the mappings that the system grants a process
 * (vm.max_map_count, 65,530 on Linux by default). Functions return ENOMEM where the system has no
 * mapping left. Guard pages hold no memory, and count in no limit or statistic.
 */
#define BUMP_HARDEN_GUARD HERD_CAST(size_t, 1)

/**
 * Keep a checksum over each chunk's header, and verify it before the header is relied on. The
 * checksum depends on a secret of the process. It is verified
 *
 * - by reset, destroy, rewind and discard, for all chunks that they free;
 * - when a spare chunk is taken or given back, and when an arena that holds nothing gives its chunk
 *   back to make room under a limit;
 * - by herd_absorb(), herd_adopt() and herd_trim();
 * - by bump_each_chunk(), herd_each_chunk() and bump_owns().
 *
 * A mismatch is misuse ("the header of a chunk was overwritten"). The library follows no pointer
 * from such a header. What works at the position (allocations, marks, bump_stats(), herd_put(), and
 * the like) needs no header, and so does not depend on what one says.
 *
 * It finds whatever overwrites a member of a header, for example an access that runs off the chunk
 * before it. One overwritten member is found for certain. Several at once are missed in one case of
 * 2^64.
 *
 * It does not find
 *
 * - a header that was overwritten, and restored before it was verified;
 * - damage to the other structures of the library, the arenas and herds themselves;
 * - damage to allocations.
 *
 * herd_dump(), herd_dump_svg() and herd_owns() read the headers of members while other threads work,
 * and do not verify them. Those of spare chunks are verified: a dump says that one is broken. In a child of fork(2), the headers of members that were out are taken as they are.
 *
 * Cost: 16 bytes per chunk, and a few nanoseconds for each chunk that comes, goes or is freed. A
 * reset takes one step per chunk.
 */
#define BUMP_HARDEN_CHECK HERD_CAST(size_t, 2)

/**
 * Clear freed memory to zeros before it can be handed out again, and before it goes back to its
 * source. The compiler can't leave that out. reset, destroy, rewind, discard and bump_free_last()
 * clear what they free, and so does an allocation that shrinks. Therefore memory that is spare,
 * kept by a cache, or given back to the system holds nothing of the program's.
 *
 * Bytes that were written to a reservation and not committed are cleared at the latest by the next
 * allocation. A reservation gets no more room than it asks for, or than 4 KiB if that is more, or
 * than the reservation before it had.
 *
 * It does not clear
 *
 * - the old bytes of an allocation that bump_realloc() or a builder moved: they stay allocated
 *   until all is freed;
 * - on a rewind, bytes that an allocation gained after the mark within the rounding of its size to
 *   8 bytes: a reset clears those;
 * - on a rewind, what was allocated below the mark, in the bytes that an older allocation freed by
 *   shrinking after the mark;
 * - what a member of a thread that died holds, until herd_recall() and a reset;
 * - what the program wrote beyond its allocations;
 * - registers, the stack and swap.
 *
 * Padding is cleared as well: an allocation at an alignment of gigabytes makes a reset touch as
 * many bytes.
 *
 * Cost: each byte that is freed is written. For a reset, these are all bytes that were allocated.
 */
#define BUMP_HARDEN_ZERO HERD_CAST(size_t, 4)

/** All flags of the hardened mode. */
#define BUMP_HARDEN_ALL HERD_CAST(size_t, 7)

#endif
