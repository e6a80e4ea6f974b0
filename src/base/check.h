/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_CHECK_H
#define HERD_BASE_CHECK_H

/*
 * Assertions, in two levels:
 *
 * - CHECK() is for a condition that costs a comparison. It is on wherever NDEBUG is not defined.
 * - Deep checks walk everything and verify every invariant at every transition. They are on where
 *   HERD_DEEP_CHECKS is 1, as in the library that the tests are linked against. Where they stand,
 *   the code asks that constant: `if (HERD_DEEP_CHECKS)`.
 *
 * A check that is off still compiles its expression, so that no check goes stale. Neither level
 * changes the size of a struct, so that objects of both kinds can be linked with each other.
 *
 * An assertion that fails is a bug of the library. Bugs of the program are misuse: misuse.h.
 */

#include <stdio.h>
#include <stdlib.h>

#ifndef HERD_DEEP_CHECKS
#define HERD_DEEP_CHECKS 0
#endif

#ifdef NDEBUG
#define CHECKS_ON HERD_DEEP_CHECKS
#else
#define CHECKS_ON 1
#endif

/* A macro, because it prints its own expression and line. */
#define CHECK(condition) check_that(!CHECKS_ON || (condition), #condition, __FILE__, __LINE__)

/* Aborts at once: to go on with a broken invariant would hide where it was broken. */
static inline void check_that(int holds, const char *condition, const char *file, int line)
{
	if (__builtin_expect(!holds, 0)) {
		fprintf(stderr, "%s:%d: invariant broken: %s\n", file, line, condition);
		abort();
	}
}

#endif
