/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_ARENA_WAYS_H
#define HERD_TESTS_ARENA_WAYS_H

/*
 * Every way to ask an arena for bytes, behind one signature, so that a test can say "every
 * function".
 */

#include "fixture.h"

struct way {
	const char *name;
	void *(*call)(bump_t *bump, size_t size, size_t align);
	size_t only_align; /* the alignment that the function has by itself; 0: as asked for */
};

extern const struct way ways[];
extern const size_t ways_count;

#endif
