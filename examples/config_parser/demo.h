/* SPDX-License-Identifier: MIT */
/* What the program shows without a file. */
#ifndef DEMO_H
#define DEMO_H

#include <herd/bump.h>

/*
 * Makes files of 20,000 lines and parses them; checks the trees, and that the arena does not grow
 * after the first. Returns the exit status.
 */
int demonstrate(bump_t *bump);

#endif
