/* SPDX-License-Identifier: MIT */
/*
 * fork(2): the child may go on using, resetting and destroying the herds that it inherited,
 * whatever the other threads were doing. So a fork waits until no cold operation is under way and
 * no spare list is locked; what remains, a get or a put half done, is mended in the child, where
 * no other thread is left.
 *
 * Lock order: gate, list, a herd's spare lock. All three are leaves: nobody calls out of the
 * library while holding them. A herd's own lock is not in this order, because whoever has it is
 * inside the gate, and a fork waits for that.
 *
 * INV-GATE: while FORKING is set and nobody is inside, no herd's lock is held.
 */

#include "pool.h"
#include "single.h"

/*
 * `state` counts those inside, in steps of INSIDE, and tells whether a fork is under way, for
 * which who comes and goes then wakes or waits.
 */
enum { FORKING = 1, INSIDE = 2 };

static struct {
	_Atomic size_t state;
	pthread_mutex_t lock; /* of FORKING, which is set and cleared under it */
	pthread_cond_t changed;
} gate = {0, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};

static struct single_mutex list_lock = SINGLE_MUTEX_INITIALIZER;

/* All herds, by their id. */
enum { LISTS = 64 };
static herd_t *lists[LISTS];

/* How often this thread is inside: it may reset a herd in a deferred function of another. */
static _Thread_local size_t depth __attribute__((tls_model("initial-exec")));

/* A thread that is cancelled must not leave a lock behind; what it was before is kept here. */
static _Thread_local bool shielded __attribute__((tls_model("initial-exec")));
static _Thread_local int cancel_state __attribute__((tls_model("initial-exec")));

/* A fork is under way: it must not wait for us while we wait for it. */
static __attribute__((noinline)) void wait_for_fork(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* a wait is a cancellation point */
	pthread_mutex_lock(&gate.lock);
	atomic_fetch_sub_explicit(&gate.state, INSIDE, memory_order_release);
	pthread_cond_broadcast(&gate.changed);
	while ((atomic_load_explicit(&gate.state, memory_order_relaxed) & FORKING) != 0)
		pthread_cond_wait(&gate.changed, &gate.lock);
	atomic_fetch_add_explicit(&gate.state, INSIDE, memory_order_acquire);
	pthread_mutex_unlock(&gate.lock);
	pthread_setcancelstate(state, NULL);
}

/* Under the lock, so that the forking thread is either waiting already, or has yet to look. */
static __attribute__((noinline)) void wake_fork(void)
{
	pthread_mutex_lock(&gate.lock);
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
}

/* Acquire: pairs with the release of unlock_all(), in a child that made the gate anew as well. */
void fork_gate_enter(void)
{
	if (depth++ == 0 && (single_add(&gate.state, INSIDE, memory_order_acquire) & FORKING) != 0)
		wait_for_fork();
}

/* Release: pairs with the acquire in before_fork(). What we did is whole when it goes on. */
void fork_gate_leave(void)
{
	if (--depth != 0)
		return;

	const size_t former = single_add(&gate.state, -(size_t)INSIDE, memory_order_release);

	if ((former & FORKING) != 0)
		wake_fork();
	if (shielded) {
		shielded = false;
		pthread_setcancelstate(cancel_state, NULL);
	}
}

void fork_gate_shield(void)
{
	if (shielded)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	shielded = true;
}

static void for_each_herd(void (*fn)(herd_t *herd))
{
	for (size_t i = 0; i < LISTS; i++) {
		for (herd_t *h = lists[i]; h != NULL; h = h->next)
			fn(h);
	}
}

/* Fully, here and of the list: other libraries' handlers run while these are held. */
static void lock_spare(herd_t *herd)
{
	single_lock_fully(&herd->spare.lock);
}

static void unlock_spare(herd_t *herd)
{
	spare_unlock(&herd->spare);
}

/*
 * A fork in a deferred function, or in a walk, can't wait for itself: there only exec(3) is safe
 * in the child.
 */
static void before_fork(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* a wait is a cancellation point */
	pthread_mutex_lock(&gate.lock);
	/* Anew each time, for another thread's fork may have come and gone while we waited. */
	while (atomic_fetch_or_explicit(&gate.state, FORKING, memory_order_acquire) >= INSIDE &&
	       depth == 0)
		pthread_cond_wait(&gate.changed, &gate.lock);
	pthread_setcancelstate(state, NULL);
	single_lock_fully(&list_lock);
	for_each_herd(lock_spare);
}

static void unlock_all(void)
{
	for_each_herd(unlock_spare);
	single_unlock(&list_lock);
	atomic_fetch_and_explicit(&gate.state, ~(size_t)FORKING, memory_order_release);
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
}

/*
 * Another thread may have popped a member and not claimed it yet, or freed one and not pushed it
 * yet. Those are idle (INV-STATE would be broken), so the stack is made anew from the states.
 * Members that are off it stay out. Their arenas are made whole, and the budget is counted anew.
 */
static void mend(herd_t *herd)
{
	size_t held = 0;

	stack_clear(&herd->stack);
	for (struct member *m = members(herd); m != NULL; m = m->older) {
		if (!member_is_free(m))
			arena_mend(&m->arena);
		held += m->arena.held;
		if (atomic_load_explicit(&m->state, memory_order_relaxed) != OFF_BUSY)
			stack_push(&herd->stack, &m->link);
	}
	spare_mend(&herd->spare, held);
}

static void after_fork_in_child(void)
{
	/* The threads that were inside, or waited there, are gone. */
	atomic_store_explicit(&gate.state, depth != 0 ? INSIDE : 0, memory_order_relaxed);
	pthread_cond_init(&gate.changed, NULL);
	for_each_herd(mend);
	unlock_all();
}

static void install(void)
{
	/* Fails only where there is no memory: then a child must not use the herds it inherited. */
	(void)pthread_atfork(before_fork, unlock_all, after_fork_in_child);
}

void fork_enlist(herd_t *herd)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	herd_t **list = &lists[herd->id % LISTS];

	pthread_once(&once, install);
	single_lock(&list_lock);
	herd->previous = NULL;
	herd->next = *list;
	if (*list != NULL)
		(*list)->previous = herd;
	*list = herd;
	single_unlock(&list_lock);
}

void fork_delist(herd_t *herd)
{
	single_lock(&list_lock);
	if (herd->previous != NULL)
		herd->previous->next = herd->next;
	else
		lists[herd->id % LISTS] = herd->next;
	if (herd->next != NULL)
		herd->next->previous = herd->previous;
	single_unlock(&list_lock);
}

bool fork_visit(uint64_t id, void (*fn)(herd_t *herd, void *ctx), void *ctx)
{
	single_lock(&list_lock);
	herd_t *herd = lists[id % LISTS];

	while (herd != NULL && herd->id != id)
		herd = herd->next;
	if (herd != NULL && fn != NULL)
		fn(herd, ctx);
	single_unlock(&list_lock);
	return herd != NULL;
}
