/* SPDX-License-Identifier: MIT */
/* The last check of a program that prints results: have they been written? */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * Returns whether everything that was printed has been written. If not, for example because the disk
 * is full, it prints why.
 */
static inline bool output_written(const char *program)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	fprintf(stderr, "%s: the output can't be written%s%s\n", program, errno != 0 ? ": " : "",
		errno != 0 ? strerror(errno) : "");
	return false;
}

#endif
