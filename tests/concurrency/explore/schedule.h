/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_SCHEDULE_SCHEDULE_H
#define HERD_TESTS_SCHEDULE_SCHEDULE_H

/*
 * What hook.h puts into the library calls these. explore.c defines them in one way, yield.c in
 * another.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* The calling thread is about to do that at that address; `text` is how the source names it. */
void schedule_step(const char *what, const char *text, uintptr_t address);

/* It did something at that address, and can't be interrupted between its last step and this. */
void schedule_touch(uintptr_t address);

/* pthread_mutex_lock() and pthread_mutex_unlock(). */
int schedule_lock(pthread_mutex_t *mutex, const char *text);
int schedule_unlock(pthread_mutex_t *mutex);

/* Stands for the `next` of all entries of Concurrency Kit's stacks, which it accesses plainly. */
extern const char schedule_next;

/* The fault that broken.h shall commit; 0: none. */
enum {
	RIGHT,
	NO_GENERATION,
	PUSH_FIRST,
	LOST_PUSH,
	LATE_WRITE,
	RELAXED,
	BLIND_POP,
	BLIND_CLAIM,
	NO_CLAIM_ALL,
	NO_LOCK,
	FAULTS,
};
extern int schedule_fault;
extern const char *const schedule_faults[FAULTS];

/* Have the fault of that name committed; false: there is none. */
bool schedule_commit(const char *name);

#endif
