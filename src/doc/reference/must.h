/* SPDX-License-Identifier: MIT */
#ifndef MUST_H
#define MUST_H

/*
 * What the programs of this folder check outside of what is shown: they are tests, in builds without
 * assertions, too.
 */

#include <stdio.h>
#include <stdlib.h>

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#endif
