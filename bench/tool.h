/* SPDX-License-Identifier: MIT */
#ifndef BENCH_TOOL_H
#define BENCH_TOOL_H

/* What every program here needs: a way to fail, a clock, and work of a known duration. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

__attribute__((noreturn)) static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Returns nanoseconds. */
static inline double now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Counts: work that touches no memory. */
static inline void spin(unsigned long rounds)
{
	for (; rounds > 0; rounds--)
		__asm__ volatile("" : "+r"(rounds));
}

#endif
