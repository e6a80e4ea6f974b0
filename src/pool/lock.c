/* SPDX-License-Identifier: MIT */
/*
 * What excludes what: cold operations are one at a time, and some need all members at once. Checking out
 * never comes here, except that a get which finds no idle member waits for a reset.
 */

#include "pool/pool.h"

#include <errno.h>

#include "base/misuse.h"
#include "pool/fork.h"

bool pool_callable(const herd_t *herd, const char *function)
{
	const struct callback *c = arena_callbacks;

	while (c != NULL && c->owner != herd)
		c = c->outer;
	if (HERD_LIKELY(c == NULL))
		return true;
	misuse(function, "called from a deferred function, or a walk, of this herd");
	return false;
}

void pool_lock_briefly(herd_t *herd)
{
	gate_enter();
	pthread_mutex_lock(&herd->lock);
}

void pool_lock(herd_t *herd)
{
	gate_enter();
	gate_cancel_disable();
	pthread_mutex_lock(&herd->lock);
}

void pool_unlock(herd_t *herd)
{
	pthread_mutex_unlock(&herd->lock);
	gate_leave();
}

/* Let go of the members from the newest to, and without, `end`. */
static void release_until(herd_t *herd, const struct member *end)
{
	for (struct member *m = pool_members(herd); m != end; m = m->older)
		(void)member_release(&herd->stack, m);
}

/* Whether the headers of what the members hold match their checksums; all are claimed. */
static bool all_are_valid(const herd_t *herd)
{
	if ((herd->bump.harden & BUMP_HARDEN_CHECK) == 0)
		return true;
	for (const struct member *m = pool_members(herd); m != NULL; m = m->older) {
		if (!arena_is_valid(&m->arena, 0, 0))
			return false;
	}
	return true;
}

int pool_claim_all(herd_t *herd)
{
	for (struct member *m = pool_members(herd); m != NULL; m = m->older) {
		if (!member_claim(m)) {
			release_until(herd, m);
			return EBUSY;
		}
	}
	if (all_are_valid(herd))
		return 0;
	pool_release_all(herd);
	return EINVAL;
}

void pool_release_all(herd_t *herd)
{
	release_until(herd, NULL);
}

int pool_seize(herd_t *herd, const char *function)
{
	if (!pool_callable(herd, function))
		return EINVAL;
	pool_lock(herd);
	const int error = pool_claim_all(herd);

	if (error != 0)
		pool_unlock(herd);
	if (error == EINVAL)
		misuse(function, HEADER_BROKEN);
	return error;
}

void pool_let_go(herd_t *herd)
{
	pool_release_all(herd);
	pool_unlock(herd);
}

bool pool_run_defers(herd_t *herd, bool spare_too)
{
	bool ran = false;

	if (spare_too && !spare_is_valid(&herd->spare))
		return false;
	for (struct member *m = pool_members(herd); m != NULL; m = m->older) {
		ran = ran || m->arena.defers != NULL;
		arena_run_defers(&m->arena, 0);
	}
	return !ran || (all_are_valid(herd) && (!spare_too || spare_is_valid(&herd->spare)));
}

void pool_check(herd_t *herd)
{
	size_t held = 0;

	spare_check(&herd->spare);
	for (struct member *m = pool_members(herd); m != NULL; m = m->older) {
		CHECK(!member_is_free(m) && (m->arena.flags & CLOSED_PARKED) != 0);
		arena_check(&m->arena);
		held += m->arena.held;
	}
	const struct spare_stats figures = spare_stats(&herd->spare);

	CHECK(held + figures.bytes ==
	      figures.reserved); /* nobody is out, so nobody asks the source */
}
