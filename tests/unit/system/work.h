/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_WORK_H
#define HERD_TESTS_WORK_H

/*
 * A life of the whole library in small, for a system that refuses calls: arenas of each kind, herds,
 * a thread's own member, a cache, regions, warming, joins. It uses no cmocka, so it can run in any
 * thread or child.
 *
 * What fails has to fail as the headers say, with ENOMEM; what was allocated has to stay as it was
 * written; and everything can be destroyed. Otherwise the process prints what is wrong and aborts.
 */

#include "support.h"

/* A part of it; @return how many calls of the library failed, with ENOMEM. */
typedef size_t work_step(void);

enum { WORK_STEPS = 6 };
extern work_step *const work_steps[WORK_STEPS];

/* All of it; @return as above. */
size_t work(void);

/* End the process if the condition does not hold. */
#define WORK_CHECK(condition) work_check((condition), #condition, __FILE__, __LINE__)
void work_check(bool holds, const char *condition, const char *file, int line);

#endif
