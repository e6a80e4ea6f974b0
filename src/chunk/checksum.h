/* SPDX-License-Identifier: MIT */
#ifndef HERD_CHUNK_CHECKSUM_H
#define HERD_CHUNK_CHECKSUM_H

/*
 * The hardened mode, which a configuration asks for: checksums over the headers of chunks
 * (BUMP_HARDEN_CHECK), and the clearing of freed memory (BUMP_HARDEN_ZERO). Guard pages
 * (BUMP_HARDEN_GUARD) are a source of their own: source.c.
 *
 * It does not protect arenas and herds themselves, nor does it repair a header: a program that
 * writes where it likes can overwrite any structure, and a header that is wrong says nothing about
 * what it was before. A broken header stops only the operations that would follow it.
 *
 * A checksum stands in front of the header: the exclusive or of one term per member. A term depends
 * on the member, its value, the header's address and a secret of the process. To change a member,
 * the library takes the former term out and puts the new one in. It does not compute the sum anew,
 * for that would turn a header that the program overwrote into a valid one:
 *
 * INV-CHECKSUM: a header that was overwritten never matches its checksum again, whatever the
 *   library changes in it later. Only checksum_set() makes a checksum anew, for a header that
 *   nobody but the library could write to since it was found to be valid.
 *
 * The functions below take no lock. Whoever owns a list of chunks may call them for its headers: an
 * arena's owner, or the holder of the spare lock.
 */

#include <stdbool.h>
#include <stdint.h>

#include <herd/bump.h>

#include "chunk/chunk.h"

/* The bytes in front of a header, in one unit, so that the header stays aligned to CHUNK_UNIT. */
#define CHECKSUM_SIZE CHUNK_UNIT

/*
 * The members of a header that the library follows or relies on. The number is part of a term, so
 * two members that exchange their values do not cancel out. None is 0.
 */
enum header_member {
	HEADER_NEXT = 1,
	HEADER_END,
	HEADER_PTR,
	HEADER_FAULTED,
	HEADER_SIZE,
	HEADER_SERIAL
};

/* The sentence with which misuse() reports a header that does not match its checksum. */
extern const char HEADER_BROKEN[];

/*
 * Whether a configuration's flags are known, and fit its source: guard pages are the operating
 * system's, so no other source can have them.
 */
bool harden_is_ok(const bump_config_t *config);

/*
 * Make the secret. It must be called before any header gets a checksum, by whoever sets up an arena
 * with BUMP_HARDEN_CHECK. MT-Safe.
 */
void checksum_prepare(void);

/*
 * Make the checksum of a header anew, where it has one. The caller has just verified the header, or
 * has had it from the source: INV-CHECKSUM.
 */
void checksum_set(struct chunk *c);
/* The header must have a checksum: chunk_has_checksum(). */
bool checksum_is_valid(const struct chunk *c);
/*
 * Replace the term of one member. Called before the member itself is written; the header must have
 * a checksum.
 */
void checksum_update(struct chunk *c, enum header_member member, uint64_t former, uint64_t now);

/*
 * Clear memory that is free from now on, red zones included. A sanitizer reports any access to it
 * afterwards.
 */
void harden_zero(void *p, size_t n);

/*
 * Whether the headers of a list match their checksums, up to the first one that is not newer than
 * `serial`, that one included: a rewind to that chunk reads its position. With 0 the whole list is
 * verified. The walk ends at the first header that is wrong, so no broken `next` is followed.
 */
bool checksums_are_valid(const struct chunk *list, uint64_t serial);

/* Whether the header may be relied on: it matches its checksum, or has none. */
static inline bool chunk_is_whole(const struct chunk *c)
{
	return !chunk_has_checksum(c) || checksum_is_valid(c);
}

/*
 * Change a member of a header, and its checksum where it has one: INV-CHECKSUM. After a fork(2) in
 * between, by another thread, the two do not match in the child: arena_after_fork_child().
 */
static inline void chunk_set_next(struct chunk *c, struct chunk *next)
{
	if (chunk_has_checksum(c))
		checksum_update(c, HEADER_NEXT, (uintptr_t)c->next, (uintptr_t)next);
	c->next = next;
}

static inline void chunk_set_ptr(struct chunk *c, char *ptr)
{
	if (chunk_has_checksum(c))
		checksum_update(c, HEADER_PTR, (uintptr_t)c->ptr, (uintptr_t)ptr);
	c->ptr = ptr;
}

static inline void chunk_set_faulted(struct chunk *c, char *faulted)
{
	if (chunk_has_checksum(c))
		checksum_update(c, HEADER_FAULTED, (uintptr_t)c->faulted, (uintptr_t)faulted);
	c->faulted = faulted;
}

#endif
