/* SPDX-License-Identifier: MIT */
/*
 * The gate, and the handlers of fork(2); see gate.h.
 *
 *        thread with a lock                      thread that forks
 *
 *    A   add INSIDE to its stripe (acquire);
 *        FORKING is not set
 *        lock, work, unlock
 *    B   subtract INSIDE (release)
 *                                            B'  set FORKING in all stripes (acquire);
 *                                                wait until all say that nobody is inside
 *                                                fork
 *                                            C   clear FORKING in all stripes (release)
 *    C'  add INSIDE to its stripe (acquire);
 *        FORKING is not set any more
 *
 *    B with B': what was done inside is whole when the fork goes on, and so in the child. C with
 *    C': whoever goes in next sees what the child repaired. Setting FORKING and counting those
 *    inside change the same word. So either the fork sees that a thread is inside, or the thread
 *    sees that a fork is under way and waits.
 *
 * There are two gates. A thread in the outer one may be in a deferred function, which may wait for
 * another thread, and that one may allocate. So a fork closes the outer gate first, and waits until
 * nobody is inside. Only then it closes the inner one, whose locks are leaves, and held for moments.
 * A thread inside the outer gate need not go through the inner one.
 *
 * INV-GATE: while both gates are closed and nobody is inside, no lock of the library is held but
 * gate_lock.
 *
 * The handlers are installed when the library is loaded. Those of a program, which come later, run
 * before ours when the fork begins. So a program may take its own locks in such a handler, and hold
 * them where it calls the library: nobody who waits for its locks is kept waiting at the gate.
 *
 * Lock order: gate_lock comes first, and its holder takes no other one. The locks of herds come next.
 * The leaves are behind the inner gate: the registry's, then that of repairs; spare lists; regions,
 * then that of kept ranges; the list of tables in local.c.
 *
 * Cancellation: see gate_cancel_disable(). Waits in this file are with cancellation off.
 */

#include "base/gate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/san.h"
#include "base/thread.h"

/*
 * A gate. A stripe's `state` counts those inside in steps of INSIDE, and has the bit FORKING
 * while a fork is under way. Who comes then waits, and who leaves wakes the fork. Each thread has
 * one stripe, and several threads share one: threads that make and destroy small herds go through
 * the gate all the time, and must not meet at one counter.
 */
enum { FORKING = 1, INSIDE = 2, STRIPES = 16 };

/* On a cache line of its own. */
struct stripe {
	_Atomic size_t state __attribute__((aligned(64)));
};

struct gate {
	struct stripe stripes[STRIPES];
};

static struct gate outer, inner;

unsigned gate_forks;

/*
 * FORKING is set and cleared under this lock, and whoever waits for a change does so under it. The
 * forking thread keeps it during the fork.
 */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;

/* How often this thread is inside: it may reset a herd in a deferred function of another. */
static THREAD_LOCAL unsigned depth;
/* And inside the inner gate, as long as it is not inside the outer one. */
static THREAD_LOCAL unsigned leaf_depth;

/* Whether gate_cancel_disable() was called since this thread went in, and the state before it. */
static THREAD_LOCAL bool cancel_disabled;
static THREAD_LOCAL int cancel_state;

/*
 * The same at every call of a thread: it has to leave by the stripe by which it came. Relaxed: that
 * threads are spread evenly is all that counts. Numbers that wrap do no harm.
 */
static struct stripe *my_stripe(struct gate *gate)
{
	static _Atomic unsigned threads;
	static THREAD_LOCAL unsigned char number; /* from 1 on; 0: none yet */

	if (number == 0)
		number = (unsigned char)(1 + atomic_fetch_add_explicit(&threads, 1,
								       memory_order_relaxed) %
						     STRIPES);
	return &gate->stripes[number - 1];
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
 * Acquire (A, C'): pairs with the release in after_fork(), also in a child, which made the gate
 * anew.
 */
static void go_in(struct gate *gate)
{
	struct stripe *stripe = my_stripe(gate);

	if ((thread_add(&stripe->state, INSIDE, memory_order_acquire) & FORKING) != 0)
		wait_for_fork(stripe);
}

/*
 * Release (B): pairs with the acquire in close_gate(). What we did inside is whole when the fork
 * goes on.
 */
static void go_out(struct gate *gate)
{
	const size_t former =
		thread_add(&my_stripe(gate)->state, -(size_t)INSIDE, memory_order_release);

	if ((former & FORKING) != 0)
		wake_fork();
}

/* A thread that is inside already does not wait: the fork waits for it. */
void gate_enter(void)
{
	if (depth++ == 0)
		go_in(&outer);
}

/* Cancellation comes last: a thread that is cancelled at once must have left. */
void gate_leave(void)
{
	if (--depth != 0)
		return;
	go_out(&outer);
	if (cancel_disabled) {
		cancel_disabled = false;
		pthread_setcancelstate(cancel_state, NULL);
	}
}

void gate_enter_leaf(void)
{
	if (depth == 0 && leaf_depth++ == 0)
		go_in(&inner);
}

void gate_leave_leaf(void)
{
	if (depth == 0 && --leaf_depth == 0)
		go_out(&inner);
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
 * Whoever comes from now on waits. @return whether somebody is inside. Acquire (B'): pairs with the
 * release in go_out() and in wait_for_fork(). Without `break`: every stripe has to be closed.
 */
static bool close_gate(struct gate *gate)
{
	bool inside = false;

	for (size_t i = 0; i < STRIPES; i++)
		inside |= atomic_fetch_or_explicit(&gate->stripes[i].state, FORKING,
						   memory_order_acquire) >= INSIDE;
	return inside;
}

/*
 * A fork in a deferred function, in a walk, or in a source that a cold operation calls, can't wait
 * for itself, and so waits for nobody in the outer gate: there only exec(3) is safe in the child.
 *
 * The forking thread counts as inside, by its depth alone: handlers of the program that are called
 * after this one may use the library.
 */
static void before_fork(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* a wait is a cancellation point */
	pthread_mutex_lock(&gate_lock);
	/* Closed anew each time: another thread's fork may have come and gone while we waited. */
	while ((close_gate(&outer) && depth == 0) || close_gate(&inner))
		pthread_cond_wait(&gate_changed, &gate_lock);
	depth++;
	pthread_setcancelstate(state, NULL);
}

static void open_gate(struct gate *gate)
{
	for (size_t i = 0; i < STRIPES; i++)
		atomic_fetch_and_explicit(&gate->stripes[i].state, ~(size_t)FORKING,
					  memory_order_release);
}

/* The end of a fork, in parent and child. Release (C): pairs with the acquire in go_in(). */
static void after_fork(void)
{
	depth--;
	open_gate(&inner);
	open_gate(&outer);
	pthread_cond_broadcast(&gate_changed);
	pthread_mutex_unlock(&gate_lock);
}

/* Both are written while the library is loaded, or before a second thread can have got a herd. */
static void (*_Atomic call_in_child)(void);
static bool installed;

/*
 * The threads that were inside, or waited there, are gone; this one may be inside. The condition
 * variable may count waiters that do not exist any more.
 */
static void after_fork_in_child(void)
{
	void (*const call)(void) = atomic_load_explicit(&call_in_child, memory_order_relaxed);

	gate_forks++;
	for (size_t i = 0; i < STRIPES; i++) {
		atomic_store_explicit(&outer.stripes[i].state, 0, memory_order_relaxed);
		atomic_store_explicit(&inner.stripes[i].state, 0, memory_order_relaxed);
	}
	if (depth > 1)
		atomic_store_explicit(&my_stripe(&outer)->state, INSIDE, memory_order_relaxed);
	pthread_cond_init(&gate_changed, NULL);
	if (call != NULL)
		call();
	after_fork();
}

/* Relaxed: all callers pass the same function, and the child has one thread. */
void gate_call_in_child(void (*fn)(void))
{
	atomic_store_explicit(&call_in_child, fn, memory_order_relaxed);
}

bool gate_installed(void)
{
	return installed;
}

/*
 * The priority is the first that is not the compiler's own, so constructors of the program come later.
 * pthread_atfork(3) fails only where there is no memory.
 */
static __attribute__((constructor(101))) void install(void)
{
	installed = pthread_atfork(before_fork, after_fork, after_fork_in_child) == 0;
}
