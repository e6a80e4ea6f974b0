/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_CHECK_H
#define HERD_BASE_CHECK_H

/*
 * Assertions, in two levels. CHECK() is for what costs a comparison: on wherever NDEBUG is not
 * defined. Deep checks walk everything and verify every invariant at every transition: on where
 * HERD_DEEP_CHECKS is 1, as in the library that the tests are linked against. A check that is off
 * still compiles its expression. Neither changes the size of a struct.
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

/* A macro, because it prints its own expression and place. */
#define CHECK(condition) check_that(!CHECKS_ON || (condition), #condition, __FILE__, __LINE__)

static inline void check_that(int holds, const char *condition, const char *file, int line)
{
	if (__builtin_expect(!holds, 0)) {
		fprintf(stderr, "%s:%d: invariant broken: %s\n", file, line, condition);
		abort();
	}
}

#endif
