/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_ID_H
#define HERD_BASE_ID_H

#include <stdint.h>

/*
 * Get a number that this process never used before and never will again, in any copy of the library.
 * It is above 0, so that 0 can mean "none". It identifies an arena or a thread. An address can't serve, because the next
 * arena may be made at the address of a destroyed one, and what somebody remembers of the old one
 * (a mark, for example) would fit the new one. MT-Safe.
 */
uint64_t id_next(void);

/*
 * The same for herds alone, from a sequence of their own. Each thread finds what it remembers of a
 * herd by this number modulo the size of a table (pool/recent.h), and adjacent numbers, which a
 * thread gets for herds that it makes one after the other, do not collide there. MT-Safe.
 */
uint64_t id_next_herd(void);

#endif
