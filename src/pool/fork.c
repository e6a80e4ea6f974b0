/* SPDX-License-Identifier: MIT */
/*
 * fork(2): the child may go on using, resetting and destroying the herds that it inherited,
 * whatever the other threads were doing.
 *
 * What can't be done: a fork can't wait for gets, puts and allocations of other threads, because
 * these take no lock that it could ask for. What they had half done is repaired in the child,
 * where no other thread is left. A chunk that such a thread had in its hands then is lost to the
 * child. Members that other threads had out stay out until herd_recall().
 *
 *        thread in a cold operation              thread that forks
 *
 *    A   add INSIDE to its stripe (acquire);
 *        FORKING is not set
 *        lock the herd, work, unlock it
 *    B   subtract INSIDE (release)
 *                                            B'  set FORKING in all stripes (acquire);
 *                                                wait until all say that nobody is inside
 *                                                lock the registry and all spare locks
 *                                                fork
 *                                                child only: repair
 *                                                unlock them
 *                                            C   clear FORKING in all stripes (release)
 *    C'  add INSIDE to its stripe (acquire);
 *        FORKING is not set any more
 *
 *    B with B': what was done inside is whole when the fork goes on, and so in the child. C with
 *    C': what the fork did to the herds is seen by whoever goes in next. Setting FORKING and
 *    counting those inside change the same word. So either the fork sees that a thread is inside,
 *    or the thread sees that a fork is under way and waits.
 *
 * INV-GATE: while FORKING is set and nobody is inside, no herd's lock is held.
 *
 * Lock order: gate_lock, the locks of the registry, the spare locks of herds, the lock of regions.
 * Outside a fork all of them are leaves: nobody calls out of the library while holding one. A
 * herd's own lock is not in this order, because whoever has it is inside the gate, and a fork waits
 * for that.
 *
 * Cancellation: see gate_cancel_disable(). Waits in this file are with cancellation off.
 */

#include "pool/fork.h"

#include "pool/registry.h"
#include "source/region.h"
#include "base/san.h"
#include "base/thread.h"

/*
 * The gate. A stripe's `state` counts those inside in steps of INSIDE, and has the bit FORKING
 * while a fork is under way. Who comes then waits, and who leaves wakes the fork. Each thread has
 * one stripe, and several threads share one: threads that make and destroy small herds go through
 * the gate all the time, and must not meet at one counter.
 */
enum { FORKING = 1, INSIDE = 2, STRIPES = 16 };

/* On a cache line of its own. */
struct stripe {
	_Atomic size_t state __attribute__((aligned(64)));
};

static struct stripe stripes[STRIPES];

/*
 * FORKING is set and cleared under this lock, and whoever waits for a change does so under it. The
 * forking thread keeps it during the fork.
 */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;

/* How often this thread is inside: it may reset a herd in a deferred function of another. */
static THREAD_LOCAL size_t depth;

/* Whether gate_cancel_disable() was called since this thread went in, and the state before it. */
static THREAD_LOCAL bool cancel_disabled;
static THREAD_LOCAL int cancel_state;

/*
 * The same at every call of a thread: it has to leave by the stripe by which it came. Relaxed: that
 * threads are spread evenly is all that counts. Numbers that wrap do no harm.
 */
static struct stripe *my_stripe(void)
{
	static _Atomic unsigned threads;
	static THREAD_LOCAL struct stripe *mine;

	if (mine == NULL)
		mine = &stripes[atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) %
				STRIPES];
	return mine;
}

/*
 * A fork is under way. It must not wait for us while we wait for it, so we count as outside
 * meanwhile. FORKING is read relaxed, because it changes only under the lock that we hold then; and
 * so it can't be set between the last look at it and our going in.
 */
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

/*
 * Under the lock, so that the forking thread either waits already, or has yet to read the stripes.
 * We have left: if the fork goes on before this wakes anybody, it needs us no more.
 */
static __attribute__((noinline)) void wake_fork(void)
{
	pthread_mutex_lock(&gate_lock);
	pthread_cond_broadcast(&gate_changed);
	pthread_mutex_unlock(&gate_lock);
}

/*
 * Acquire (A, C'): pairs with the release in unlock_all(), also in a child, which made the gate
 * anew. A thread that is inside already does not wait: the fork waits for it.
 */
void gate_enter(void)
{
	if (depth++ != 0)
		return;

	struct stripe *stripe = my_stripe();

	if ((thread_add(&stripe->state, INSIDE, memory_order_acquire) & FORKING) != 0)
		wait_for_fork(stripe);
}

/*
 * Release (B): pairs with the acquire in close_gate(). What we did inside is whole when the fork
 * goes on. Cancellation comes last: a thread that is cancelled at once must have left.
 */
void gate_leave(void)
{
	if (--depth != 0)
		return;

	const size_t former =
		thread_add(&my_stripe()->state, -(size_t)INSIDE, memory_order_release);

	if ((former & FORKING) != 0)
		wake_fork();
	if (cancel_disabled) {
		cancel_disabled = false;
		pthread_setcancelstate(cancel_state, NULL);
	}
}

/*
 * A thread that is cancelled must not leave a lock, or a member that it claimed, behind. This is
 * called only where something that may be a cancellation point is to be called: small herds are
 * made and destroyed without it.
 */
void gate_cancel_disable(void)
{
	if (cancel_disabled)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	cancel_disabled = true;
}

/*
 * The budget and the spare lists are whole in the child. What is being asked of a source, or given
 * to it, without the lock is in `pending` and `leaving`: spare_after_fork_child().
 */
static void lock_spare(herd_t *herd)
{
	pthread_mutex_lock(&herd->spare.lock);
}

static void unlock_spare(herd_t *herd)
{
	spare_unlock(&herd->spare);
}

/*
 * Whoever comes from now on waits. @return whether somebody is inside. Acquire (B'): pairs with the
 * release in gate_leave() and in wait_for_fork(). Without `break`: every stripe has to be closed.
 */
static bool close_gate(void)
{
	bool inside = false;

	for (size_t i = 0; i < STRIPES; i++)
		inside |= atomic_fetch_or_explicit(&stripes[i].state, FORKING,
						   memory_order_acquire) >= INSIDE;
	return inside;
}

/*
 * A fork in a deferred function, in a walk, or in a source that a cold operation calls, can't wait
 * for itself, and so waits for nobody: there only exec(3) is safe in the child.
 *
 * Cancellation is on again before fork(2) itself, as the program had it: the locks that follow are
 * no cancellation points.
 */
static void before_fork(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* a wait is a cancellation point */
	pthread_mutex_lock(&gate_lock);
	/* Closed anew each time: another thread's fork may have come and gone while we waited. */
	while (close_gate() && depth == 0)
		pthread_cond_wait(&gate_changed, &gate_lock);
	pthread_setcancelstate(state, NULL);
	registry_lock();
	registry_each(lock_spare);
}

/* The end of a fork, in parent and child. Release (C): pairs with the acquire in gate_enter(). */
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
 * In the child: restore INV-STATE and INV-BUDGET of a herd.
 *
 * Another thread may have popped a member without having claimed it yet, or set one free without
 * having pushed it yet. Such members are idle, and no stack leads to them. So the stack is made
 * anew from the states, which say who has what. Members that are off it are out, and stay out.
 *
 * The owner of a member that is out may have been getting or giving a chunk. Only its own arena is
 * affected (INV-OWNER): it is made whole, and the budget is counted anew from all members. A member
 * that is idle was parked by its owner, and so is whole. Snapshots are left alone: half of a park
 * may be there, which is what walks expect anyway (D to F in member.h).
 *
 * Relaxed: the child has one thread.
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

/* Only thread sanitizer and a child ask for it: pthread_once(3) is what counts in the parent. */
static bool fork_installed;

static void after_fork_in_child(void)
{
	fork_installed = true; /* even if the parent had not come to noting it */
	/*
	 * The threads that were inside, or waited there, are gone; this one may be inside. The
	 * condition variable may count waiters that do not exist any more.
	 */
	for (size_t i = 0; i < STRIPES; i++)
		atomic_store_explicit(&stripes[i].state, 0, memory_order_relaxed);
	if (depth != 0)
		atomic_store_explicit(&my_stripe()->state, INSIDE, memory_order_relaxed);
	pthread_cond_init(&gate_changed, NULL);
	registry_each(repair);
	unlock_all();
}

/*
 * A child may find pthread_once(3) half done by a thread that is gone, and run this again, although
 * it has the handlers: hence fork_installed.
 */
static void install_fork_handlers(void)
{
	if (fork_installed)
		return;
	/* First, so that its lock is taken last in a fork: whoever is inside may need it. */
	region_install();
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
