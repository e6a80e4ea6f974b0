/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_SCHEDULE_EXPLORE_H
#define HERD_TESTS_SCHEDULE_EXPLORE_H

/*
 * A systematic search of schedules (CHESS: Musuvathi and Qadeer, Iterative Context Bounding for
 * Systematic Testing of Multithreaded Programs, PLDI 2007). The threads are real ones, of which one
 * runs at a time. Before each step on a word that they share (hook.h) one of those that can go on
 * is chosen; depth first, all choices are tried that take the processor from a thread which could
 * have gone on at most `preemptions` times. A thread that waits for a mutex can't go on, so no
 * schedule hangs, and one in which nobody can go on is reported.
 *
 * Two prefixes of schedules in which the same steps happened before the same others have led to the
 * same state. What follows such a state is searched once (unless more preemptions are left than
 * then).
 *
 * What is searched are interleavings: that a weaker machine shows a step late is not seen.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <herd/base.h>

/* PREEMPTIONS_ALL: without a bound. */
enum { THREADS_MOST = 4, STEPS_MOST = 1000, SCHEDULE_TEXT = 4096, PREEMPTIONS_ALL = 14 };

struct program {
	unsigned threads;
	bool ends; /* threads end for good, in each schedule */
	/* The number of a shared word, the same in each schedule; 0: not one. */
	uint64_t (*word)(uintptr_t address);
	void (*begin)(void);
	void (*thread)(unsigned id);
	void (*step)(void); /* at each step, between two threads: is all well? */
	void (*end)(void);
};

/* What came of it. Shared with the parent of the process that explores, even if that crashes. */
struct findings {
	size_t schedules, steps, states;
	size_t outcomes;      /* states in which all threads are done */
	size_t longest;	      /* steps of the longest schedule */
	unsigned preemptions; /* the bound when it ended */
	bool complete;	      /* every schedule within the bounds was tried */
	char problem[256];    /* empty: none was found */
	size_t length;	      /* of the latest schedule */
	uint8_t chosen[STEPS_MOST];
};

/* The latest schedule: `a5b3` means that a takes five steps, then b three. */
void explore_schedule(const struct findings *findings, char *text, size_t size);

/*
 * With at most 0, 1, ... `preemptions` preemptions, or until there were `schedules`. With `repeats`
 * what follows a state is searched again each time that it is met; the outcomes must be the same.
 * The process ends when a problem is found, so do it in one of its own.
 */
void explore(const struct program *program, unsigned preemptions, size_t schedules, bool repeats,
	     struct findings *findings);

/* One schedule, given as text; with `trace` each step is printed. */
void explore_again(const struct program *program, const char *schedule, bool trace,
		   struct findings *findings);

/* In the program: a problem was found. */
__attribute__((noreturn)) void explore_fail(const char *format, ...) HERD_PRINTF(1, 2);

/*
 * A step of the program's own; `number` is the word's. And: that word was accessed since the last
 * step.
 */
void explore_step(const char *what, const char *text, uint64_t number);
void explore_touch(uint64_t number);

/* Wait until `flag` is set: the thread can't go on before. */
void explore_wait(const bool *flag, uint64_t number);

/* For the printed steps: what the calling thread is doing. */
void explore_says(const char *what);

#endif
