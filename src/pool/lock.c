/* SPDX-License-Identifier: MIT */
/*
 * What excludes what in a herd.
 *
 * - Cold operations of a herd are one at a time, under its lock. Checking out takes no lock, except
 *   that a get which finds no idle member waits for a cold operation: this may have claimed all of
 *   them, and then none is missing.
 * - Some cold operations need all members at once: reset, destroy, absorb and walks. They claim
 *   them one by one by their state words, and give all back where one is out. They never wait for a
 *   member: its owner may be the calling thread.
 * - fork(2) waits for whoever has a lock: every lock is taken inside the gate (base/gate.h), and the
 *   gate comes first. A thread that waited at the gate with a lock would stop the fork for good.
 *
 * None of this is fair. A get that makes a member competes for the lock with cold operations.
 */

#include "pool/pool.h"

#include <errno.h>

#include "base/gate.h"
#include "base/misuse.h"
#include "pool/fork.h"

/*
 * A plugin may have a copy of the library of its own, which knows nothing of this one's herds and
 * threads.
 *
 * A thread is usually in no callback, and in few at a time, so a list is walked. A deferred
 * function may use other herds, so it is not enough to know that the thread is in one.
 */
bool pool_callable(const herd_t *herd, const char *function)
{
	const struct callback *c = arena_callbacks;

	if (herd == NULL) {
		misuse(function, "the herd is NULL");
		return false;
	}
	if (!HERD_LIKELY(herd->spare.forks_now == &gate_forks)) {
		misuse(function, "the herd belongs to another copy of the library");
		return false;
	}
	while (c != NULL && c->owner != herd)
		c = c->outer;
	if (HERD_LIKELY(c == NULL))
		return true;
	misuse(function,
	       "called from a deferred function, a walk, a source or a stream of this herd");
	return false;
}

/*
 * Who has the lock may call the program. The entry is the herd's own, because one thread at a time
 * has its lock.
 */
static void enter(herd_t *herd)
{
	herd->callback = (struct callback){herd, arena_callbacks};
	arena_callbacks = &herd->callback;
}

/* It is the first one, except where two herds are locked. */
void pool_leave(const herd_t *herd)
{
	struct callback **at = &arena_callbacks;

	while (*at != &herd->callback)
		at = &(*at)->outer;
	*at = herd->callback.outer;
}

/* Waiting for a mutex is no cancellation point, and gate_enter() sees to its own waiting. */
void pool_lock_briefly(herd_t *herd)
{
	gate_enter();
	pthread_mutex_lock(&herd->lock);
	enter(herd);
	fork_repair(herd);
}

/* In this order: a thread must not be cancelled from the moment on at which it has the lock. */
void pool_lock(herd_t *herd)
{
	gate_enter();
	gate_cancel_disable();
	pthread_mutex_lock(&herd->lock);
	enter(herd);
	fork_repair(herd);
}

bool pool_lock_unless_called(herd_t *herd)
{
	if (arena_callbacks == NULL) {
		pool_lock_briefly(herd);
		return true;
	}
	gate_enter();
	if (pthread_mutex_trylock(&herd->lock) != 0) {
		gate_leave();
		return false;
	}
	enter(herd);
	fork_repair(herd);
	return true;
}

/* Cancellation is on again when the thread leaves the gate with its last lock. */
void pool_unlock(herd_t *herd)
{
	pool_leave(herd);
	pthread_mutex_unlock(&herd->lock);
	gate_leave();
}

/*
 * Let go of the members from the newest up to, but without, `end`. A member that is listed
 * meanwhile would be taken for a claimed one; the lock, which member_list() needs, prevents that.
 */
static void release_until(herd_t *herd, const struct member *end)
{
	for (struct member *m = pool_members(herd); m != end; m = m->older)
		(void)member_release(&herd->stack, m);
}

/*
 * Whether the headers of what the members hold match their checksums. All members are claimed, so
 * nobody changes a header. Without checksums there is nothing to walk: a reset costs one step per
 * member, however many chunks these have.
 */
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

/*
 * The headers are verified here, where members are seized, so that what follows need not do it:
 * from here on only deferred functions can break them (pool_run_defers()).
 */
int pool_claim_all(herd_t *herd)
{
	for (struct member *m = pool_members(herd); m != NULL; m = m->older) {
		if (!member_claim(m)) {
			release_until(herd, m);
			return EBUSY;
		}
	}
	if (!all_are_valid(herd)) {
		pool_release_all(herd);
		return EINVAL;
	}
	atomic_store_explicit(&herd->seized, true, memory_order_relaxed); /* for statistics alone */
	fork_recount(herd);
	return 0;
}

void pool_release_all(herd_t *herd)
{
	atomic_store_explicit(&herd->seized, false, memory_order_relaxed);
	release_until(herd, NULL);
}

/* Misuse is reported with nothing held: the handler may longjmp, or use the herd. */
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

/*
 * All of them run before anything is freed, because they may look into other members' memory. They
 * are the program's code and may write where they should not, so headers are verified again if any
 * ran. They can't change a member's chunks: the herd's functions refuse them (pool_callable()), and
 * an arena that is parked refuses allocation. So members need not be parked again.
 */
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

/*
 * Every byte that is charged is held by a member or spare (INV-BUDGET). This is exact only here:
 * with all members claimed and the lock held, nobody asks the source for a chunk or gives it one.
 */
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

	CHECK(held + figures.bytes == figures.reserved);
}
