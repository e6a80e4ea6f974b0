/* SPDX-License-Identifier: MIT */
#ifndef HERD_CHUNK_CHECKSUM_H
#define HERD_CHUNK_CHECKSUM_H

/*
 * The hardened mode, which a configuration asks for: seals on the headers of chunks
 * (BUMP_HARDEN_CHECK), and the clearing of what is freed (BUMP_HARDEN_ZERO). Guard pages
 * (BUMP_HARDEN_GUARD) are a source of their own: source.c.
 *
 * A seal stands in front of the header: the sum of a term for each member, which depends on the
 * member, its value, the header's address and a secret of the process. Who changes a member takes
 * its former term away and adds the new one.
 *
 * INV-SEAL: a header that was overwritten never matches its seal again, whatever the library changes
 *   in it later; only harden_seal() makes a seal anew, for a header that nobody but the library could
 *   write to since it was found to be sound.
 */

#include <stdbool.h>
#include <stdint.h>

#include <herd/bump.h>

#include "chunk/chunk.h"

/* What a seal takes in front of a header: so that this stays aligned to CHUNK_UNIT. */
#define HARDEN_SEAL CHUNK_UNIT

/* The members of a header. */
enum harden_member { SEAL_NEXT = 1, SEAL_END, SEAL_PTR, SEAL_TOUCHED, SEAL_SIZE, SEAL_SERIAL };

/* What misuse() is told of a header that does not match its seal. */
extern const char HEADER_BROKEN[];

/* Whether a configuration's flags are known, and fit its source. */
bool harden_is_ok(const bump_config_t *config);

/* To be called before the functions below. MT-Safe. */
void harden_prepare(void);

void harden_seal(struct chunk *c);
bool harden_is_sound(const struct chunk *c);
/* The member has another value from now on. */
void harden_replace(struct chunk *c, enum harden_member member, uint64_t former, uint64_t now);

/* Clear what is free from now on, red zones included, for good; nobody has access to it then. */
void harden_zero(void *p, size_t n);

/* Change a member of a header, which is sealed or not. */
static inline void chunk_set_next(struct chunk *c, struct chunk *next, bool sealed)
{
	if (sealed)
		harden_replace(c, SEAL_NEXT, (uintptr_t)c->next, (uintptr_t)next);
	c->next = next;
}

static inline void chunk_set_ptr(struct chunk *c, char *ptr, bool sealed)
{
	if (sealed)
		harden_replace(c, SEAL_PTR, (uintptr_t)c->ptr, (uintptr_t)ptr);
	c->ptr = ptr;
}

static inline void chunk_set_touched(struct chunk *c, char *touched, bool sealed)
{
	if (sealed)
		harden_replace(c, SEAL_TOUCHED, (uintptr_t)c->touched, (uintptr_t)touched);
	c->touched = touched;
}

#endif
