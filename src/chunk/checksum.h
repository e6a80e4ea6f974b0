/* SPDX-License-Identifier: MIT */
#ifndef HERD_CHUNK_CHECKSUM_H
#define HERD_CHUNK_CHECKSUM_H

/*
 * The hardened mode, which a configuration asks for: seals on the headers of chunks
 * (BUMP_HARDEN_CHECK), and the clearing of what is freed (BUMP_HARDEN_ZERO). Guard pages
 * (BUMP_HARDEN_GUARD) are a source of their own: source.c.
 *
 * A checksum stands in front of the header: the sum of a term for each member, which depends on the
 * member, its value, the header's address and a secret of the process. Who changes a member takes
 * its former term away and adds the new one.
 *
 * INV-CHECKSUM: a header that was overwritten never matches its checksum again, whatever the library changes
 *   in it later; only checksum_set() makes a checksum anew, for a header that nobody but the library could
 *   write to since it was found to be valid.
 */

#include <stdbool.h>
#include <stdint.h>

#include <herd/bump.h>

#include "chunk/chunk.h"

/* What a checksum takes in front of a header: so that this stays aligned to CHUNK_UNIT. */
#define CHECKSUM_SIZE CHUNK_UNIT

/* The members of a header. */
enum header_member {
	HEADER_NEXT = 1,
	HEADER_END,
	HEADER_PTR,
	HEADER_FAULTED,
	HEADER_SIZE,
	HEADER_SERIAL
};

/* What misuse() is told of a header that does not match its checksum. */
extern const char HEADER_BROKEN[];

/* Whether a configuration's flags are known, and fit its source. */
bool harden_is_ok(const bump_config_t *config);

/* To be called before the functions below. MT-Safe. */
void checksum_prepare(void);

/* Make the checksum of a header anew, where it has one. */
void checksum_set(struct chunk *c);
/* Of a header that has one. */
bool checksum_is_valid(const struct chunk *c);
/* The member has another value from now on. */
void checksum_update(struct chunk *c, enum header_member member, uint64_t former, uint64_t now);

/* Clear what is free from now on, red zones included, for good; nobody has access to it then. */
void harden_zero(void *p, size_t n);

/*
 * Whether the headers of a list match their checksums, up to the first one that is not newer than
 * `serial`, that one included.
 */
bool checksums_are_valid(const struct chunk *list, uint64_t serial);

/* Change a member of a header, and its checksum where it has one. */
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
