/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_ID_H
#define HERD_BASE_ID_H

#include <stdint.h>

/*
 * A number that this process never used before and never will again, above 0: the identity of an
 * arena or a herd. An address can't serve, because the next arena may be made at the address of a
 * destroyed one. MT-Safe.
 */
uint64_t id_next(void);

/* The same for herds alone, in rising blocks of numbers: members are found by it. */
uint64_t id_next_herd(void);

#endif
