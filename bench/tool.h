/* SPDX-License-Identifier: MIT */
#ifndef BENCH_TOOL_H
#define BENCH_TOOL_H

/* What every program here needs: an end, a clock, and work that takes a known time. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

__attribute__((noreturn)) static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Nanoseconds. */
static inline double now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Work that touches no memory: the processor counts. */
static inline void spin(unsigned long rounds)
{
	for (; rounds > 0; rounds--)
		__asm__ volatile("" : "+r"(rounds));
}

#endif
