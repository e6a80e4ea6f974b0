/* SPDX-License-Identifier: MIT */
/*
 * Deferred functions: a list in the arena itself, newest first, which reset, rewind, discard and destroy
 * run before they free anything.
 */

#include "arena/arena.h"

#include <errno.h>

THREAD_LOCAL struct callback *arena_callbacks;

int bump_defer(bump_t *bump, void (*fn)(void *), void *arg)
{
	struct arena *a = arena_of(bump);

	if (!arena_usable(a, "bump_defer") || fn == NULL)
		return EINVAL;

	struct defer *d = arena_alloc(a, sizeof *d, _Alignof(struct defer), "bump_defer");

	if (d == NULL)
		return errno;
	*d = (struct defer){.next = a->defers, .fn = fn, .arg = arg, .serial = ++a->seq};
	a->defers = d;
	return 0;
}

bool bump_undefer(bump_t *bump, void (*fn)(void *), void *arg)
{
	struct arena *a = arena_of(bump);

	if (!arena_readable(a, "bump_undefer"))
		return false;
	for (struct defer **at = &a->defers; *at != NULL; at = &(*at)->next) {
		if ((*at)->fn == fn && (*at)->arg == arg) {
			*at = (*at)->next;
			return true;
		}
	}
	return false;
}

void arena_run_defers(struct arena *a, uint64_t seq)
{
	struct callback here = {a->herd != NULL ? a->herd : a, arena_callbacks};

	if (a->defers == NULL || a->defers->serial <= seq)
		return;
	/* A thread that is cancelled in here would leave the arena closed, and `here` in a dead frame. */
	const int state = thread_cancel_disable();

	arena_close(a, CLOSED_DEFERS);
	arena_callbacks = &here;
	while (a->defers != NULL && a->defers->serial > seq) {
		const struct defer d = *a->defers;

		a->defers = d.next; /* before it runs: exactly once */
		d.fn(d.arg);
	}
	arena_callbacks = here.outer;
	arena_open(a, CLOSED_DEFERS);
	thread_cancel_restore(state);
}
