/* SPDX-License-Identifier: MIT */
/*
 * fork(2): the child may go on using, resetting and destroying the herds that it inherited,
 * whatever the other threads were doing. So a fork waits until no cold operation is under way and
 * no spare list is locked; what remains, a get or a put half done, is mended in the child, where
 * no other thread is left.
 *
 * Lock order: gate, the locks of the lists, a herd's spare lock. All are leaves: nobody calls out of
 * the library while holding them. A herd's own lock is not in this order, because whoever has it is
 * inside the gate, and a fork waits for that.
 *
 * INV-GATE: while FORKING is set and nobody is inside, no herd's lock is held.
 */

#include "pool/fork.h"

#include "pool/registry.h"
#include "source/region.h"
#include "base/san.h"
#include "base/thread.h"

/*
 * The gate. A stripe's `state` counts those inside, in steps of INSIDE, and tells whether a fork is
 * under way, for which who comes and goes then wakes or waits. There are several doors, each for
 * some of the threads: so that threads which make small herds do not meet here.
 */
enum { FORKING = 1, INSIDE = 2, STRIPES = 16 };

struct stripe {
	_Atomic size_t state __attribute__((aligned(64)));
};

static struct stripe stripes[STRIPES];

/* Of FORKING, which is set and cleared under it. */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;

/* How often this thread is inside: it may reset a herd in a deferred function of another. */
static THREAD_LOCAL size_t depth;

/* A thread that is cancelled must not leave a lock behind; what it was before is kept here. */
static THREAD_LOCAL bool shielded;
static THREAD_LOCAL int cancel_state;

/* The same at every call of a thread. */
static struct stripe *my_stripe(void)
{
	static _Atomic unsigned threads;
	static THREAD_LOCAL struct stripe *mine;

	if (mine == NULL)
		mine = &stripes[atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) %
				STRIPES];
	return mine;
}

/* A fork is under way: it must not wait for us while we wait for it. */
static __attribute__((noinline)) void wait_for_fork(struct stripe *stripe)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* a wait is a cancellation point */
	pthread_mutex_lock(&gate_lock);
	atomic_fetch_sub_explicit(&stripe->state, INSIDE, memory_order_release);
	pthread_cond_broadcast(&gate_changed);
	while ((atomic_load_explicit(&stripe->state, memory_order_relaxed) & FORKING) != 0)
		pthread_cond_wait(&gate_changed, &gate_lock);
	atomic_fetch_add_explicit(&stripe->state, INSIDE, memory_order_acquire);
	pthread_mutex_unlock(&gate_lock);
	pthread_setcancelstate(state, NULL);
}

/* Under the lock, so that the forking thread is either waiting already, or has yet to look. */
static __attribute__((noinline)) void wake_fork(void)
{
	pthread_mutex_lock(&gate_lock);
	pthread_cond_broadcast(&gate_changed);
	pthread_mutex_unlock(&gate_lock);
}

/* Acquire: pairs with the release of unlock_all(), in a child that made the gate anew as well. */
void gate_enter(void)
{
	if (depth++ != 0)
		return;

	struct stripe *stripe = my_stripe();

	if ((thread_add(&stripe->state, INSIDE, memory_order_acquire) & FORKING) != 0)
		wait_for_fork(stripe);
}

/* Release: pairs with the acquire in close_gate(). What we did is whole when it goes on. */
void gate_leave(void)
{
	if (--depth != 0)
		return;

	const size_t former =
		thread_add(&my_stripe()->state, -(size_t)INSIDE, memory_order_release);

	if ((former & FORKING) != 0)
		wake_fork();
	if (shielded) {
		shielded = false;
		pthread_setcancelstate(cancel_state, NULL);
	}
}

void gate_cancel_disable(void)
{
	if (shielded)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	shielded = true;
}

/* Fully, here and of the list: other libraries' handlers run while these are held. */
static void lock_spare(herd_t *herd)
{
	pthread_mutex_lock(&herd->spare.lock);
}

static void unlock_spare(herd_t *herd)
{
	spare_unlock(&herd->spare);
}

/* Whoever comes from now on waits. Whether somebody is inside. */
static bool close_gate(void)
{
	bool inside = false;

	for (size_t i = 0; i < STRIPES; i++)
		inside |= atomic_fetch_or_explicit(&stripes[i].state, FORKING,
						   memory_order_acquire) >= INSIDE;
	return inside;
}

/*
 * A fork in a deferred function, or in a walk, can't wait for itself: there only exec(3) is safe
 * in the child.
 */
static void before_fork(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* a wait is a cancellation point */
	pthread_mutex_lock(&gate_lock);
	/* Anew each time, for another thread's fork may have come and gone while we waited. */
	while (close_gate() && depth == 0)
		pthread_cond_wait(&gate_changed, &gate_lock);
	pthread_setcancelstate(state, NULL);
	registry_lock();
	registry_each(lock_spare);
}

static void unlock_all(void)
{
	registry_each(unlock_spare);
	registry_unlock();
	for (size_t i = 0; i < STRIPES; i++)
		atomic_fetch_and_explicit(&stripes[i].state, ~(size_t)FORKING,
					  memory_order_release);
	pthread_cond_broadcast(&gate_changed);
	pthread_mutex_unlock(&gate_lock);
}

/*
 * Another thread may have popped a member and not claimed it yet, or freed one and not pushed it
 * yet. Those are idle (INV-STATE would be broken), so the stack is made anew from the states.
 * Members that are off it stay out. Their arenas are made whole, and the budget is counted anew.
 */
static void repair(herd_t *herd)
{
	size_t held = 0;

	stack_clear(&herd->stack);
	for (struct member *m = pool_members(herd); m != NULL; m = m->older) {
		if (!member_is_free(m))
			arena_after_fork_child(&m->arena);
		held += m->arena.held;
		if (atomic_load_explicit(&m->state, memory_order_relaxed) != OFF_BUSY)
			stack_push(&herd->stack, &m->link);
	}
	spare_after_fork_child(&herd->spare, held);
}

static bool fork_installed;

static void after_fork_in_child(void)
{
	fork_installed = true; /* even if the parent had not come to noting it */
	/* The threads that were inside, or waited there, are gone. */
	for (size_t i = 0; i < STRIPES; i++)
		atomic_store_explicit(&stripes[i].state, 0, memory_order_relaxed);
	if (depth != 0)
		atomic_store_explicit(&my_stripe()->state, INSIDE, memory_order_relaxed);
	pthread_cond_init(&gate_changed, NULL);
	registry_each(repair);
	unlock_all();
}

static void install_fork_handlers(void)
{
	if (fork_installed)
		return;
	region_install(); /* first: so its lock is taken last, for whoever is inside may need it */
	/* Fails only where there is no memory: then a child must not use the herds it inherited. */
	(void)pthread_atfork(before_fork, unlock_all, after_fork_in_child);
	san_publish(&fork_installed);
}

void fork_prepare(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install_fork_handlers);
	san_observe(&fork_installed);
}
