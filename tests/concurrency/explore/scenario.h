/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_SCHEDULE_SCENARIO_H
#define HERD_TESTS_SCHEDULE_SCENARIO_H

/*
 * What the explored threads do with a herd, and what has to hold. A script is a letter for each
 * operation:
 *
 *	g get		t try_get	p put the one had first		q ... last
 *	d discard	R reset		T trim	W warm	D destroy, which must be refused
 *	A absorb the second herd into the first, B the first into the second
 *	2 use the second herd from here on
 *	L herd_local	l herd_local_put	C recall	s statistics, and a walk
 *	h hand one over to whoever takes it	k take one over, if there is one
 *	.  tell		,  wait until told
 *
 * Checked at each step: the stack has no circle, and nothing is on it that its state says is off;
 * at each get: nobody else holds the member, what was written to it is there, or it was reset and
 * is empty; at each put the same; a reset or an absorb is refused only while someone has a member,
 * or is about to, and never succeeds while someone holds one all along. In the end: each member is
 * free, on the stack once and can be had; there are not more of them than were ever wanted at one
 * time; all bytes are there; the herd's invariants hold, and its source has everything back.
 */

#include "explore.h"

enum {
	ENDS = 1,   /* threads end */
	ANCHOR = 2, /* another member is out all the time */
	VIEWS = 4,  /* what herd_stats() and walks look at counts as shared */
};

struct scenario {
	const char *name;
	unsigned members; /* idle at the beginning, in each herd */
	const char *scripts[THREADS_MOST];
	unsigned preemptions; /* the bound of a short search */
	unsigned most;	      /* ... and of a long one */
	unsigned kind;	      /* ENDS, ... */
};

extern const struct scenario scenarios[];
extern const size_t scenarios_count;

/* What explore() takes; one scenario a process. */
const struct program *scenario_program(const struct scenario *scenario);

#endif
