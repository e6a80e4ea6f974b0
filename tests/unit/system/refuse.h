/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_REFUSE_H
#define HERD_TESTS_REFUSE_H

/*
 * Between the library and the system: each call that the library makes is counted here, and can be
 * made to fail. For programs that are linked with --wrap for each of these functions, against the
 * library's objects (wrap_args in tests/meson.build).
 *
 * Only calls of a thread that is armed are counted, and may fail: the test's own calls do not.
 */

#include "support.h"

enum refuse_call {
	CALL_MMAP,
	CALL_MUNMAP,
	CALL_HUGEPAGE, /* madvise(2) by its advice */
	CALL_DONTNEED,
	CALL_MPROTECT,
	CALL_GETENTROPY,
	CALL_CLOCK, /* clock_gettime(2) */
	CALL_KEY,   /* pthread_key_create(3) */
	CALL_SPECIFIC,
	CALL_MALLOC,
	CALL_CALLOC,
	CALL_ALIGNED, /* aligned_alloc(3) */
	CALLS
};

extern const char *const refuse_names[CALLS];

/* What a process and its children share. */
struct refuse_counts {
	_Atomic size_t made[CALLS], failed[CALLS];
	_Atomic size_t mapped; /* bytes that the library mapped and that were not unmapped */
};

extern struct refuse_counts *refuse_counts;

/* Before all else: make the counts. */
void refuse_begin(void);

/* Start anew: no calls were made, and none fails. */
void refuse_nothing(void);

/* Of one function the n-th call from now on fails, and with `from` all after it. */
void refuse_nth(enum refuse_call call, size_t n, bool from);

/* Each call of any function fails by chance, one in `one_in`. Threads draw from one sequence. */
void refuse_at_random(uint64_t seed, size_t one_in);

/* All calls of a function fail that have these flags, with 0 each of them; besides others so named. */
void refuse_all(enum refuse_call call, int flags);

/* This thread's calls count from now on, or no more. */
void refuse_arm(bool armed);

/* Whether a call failed since refuse_nothing(), in this process. */
bool refuse_happened(void);

/* Print how many calls failed, of each function. */
void refuse_report(void);

#endif
