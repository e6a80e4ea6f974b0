/* SPDX-License-Identifier: MIT */
/* The faults of broken.h by their names. */

#include <string.h>

#include "schedule.h"

int schedule_fault;

const char *const schedule_faults[FAULTS] = {
	[RIGHT] = "RIGHT",
	[NO_GENERATION] = "NO_GENERATION",
	[PUSH_FIRST] = "PUSH_FIRST",
	[LOST_PUSH] = "LOST_PUSH",
	[LATE_WRITE] = "LATE_WRITE",
	[RELAXED] = "RELAXED",
	[BLIND_POP] = "BLIND_POP",
	[BLIND_CLAIM] = "BLIND_CLAIM",
	[NO_CLAIM_ALL] = "NO_CLAIM_ALL",
	[NO_LOCK] = "NO_LOCK",
};

bool schedule_commit(const char *name)
{
	for (schedule_fault = 0; schedule_fault < FAULTS; schedule_fault++) {
		if (strcmp(name, schedule_faults[schedule_fault]) == 0)
			return true;
	}
	return false;
}
