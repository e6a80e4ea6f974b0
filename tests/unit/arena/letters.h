/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_ARENA_LETTERS_H
#define HERD_TESTS_ARENA_LETTERS_H

/* What the tests of text share: a text of letters to copy and print. */

#include "fixture.h"

static char letters[4096];

/* A string of letters in turns; the set-up of a group of tests. */
static inline int make_letters(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(letters) - 1; i++)
		letters[i] = (char)('a' + i % 26);
	return 0;
}

#endif
