/* SPDX-License-Identifier: MIT */
/*
 * Deferred functions: a list in the arena itself, newest first, which reset, rewind, discard and
 * destroy run before they free anything.
 *
 * They can't allocate from the arena that is about to be freed, nor call functions of its herd,
 * whose lock is held. Both are found: the arena is closed (CLOSED_DEFERS), and arena_callbacks
 * names the herds that are under way in this thread.
 */

#include "arena/arena.h"

#include <errno.h>

THREAD_LOCAL struct callback *arena_callbacks;

/* An entry is an allocation like any other, so it is freed with what it belongs to. */
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

/* Allowed in a deferred function: the run below takes its next entry from the list each time. */
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

/*
 * Nothing is freed while they run, so all that was there when one was registered is still readable.
 * A function that does not return leaves the arena closed; herd_recall() opens it again.
 */
void arena_run_defers(struct arena *a, uint64_t seq)
{
	struct callback here = {a->herd != NULL ? a->herd : a, arena_callbacks};

	if (a->defers == NULL || a->defers->serial <= seq)
		return;
	/*
	 * A thread that is cancelled in here would leave the arena closed, and `here` in a dead
	 * frame.
	 */
	const int state = thread_cancel_disable();

	arena_close(a, CLOSED_DEFERS);
	arena_callbacks = &here;
	while (a->defers != NULL && a->defers->serial > seq) {
		const struct defer d =
			*a->defers; /* a copy, for the function may overwrite its arena */

		a->defers = d.next; /* before it runs: exactly once */
		d.fn(d.arg);
	}
	arena_callbacks = here.outer;
	arena_open(a, CLOSED_DEFERS);
	thread_cancel_restore(state);
}
