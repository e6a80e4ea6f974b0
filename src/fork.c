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
 * INV-GATE: while `inside` is 0 and the gate is locked, no herd's lock is held.
 */

#include "pool.h"

static struct {
	pthread_mutex_t lock;
	pthread_cond_t empty;
	size_t inside;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static herd_t *list;

/* How often this thread is inside: it may reset a herd in a deferred function of another. */
static _Thread_local size_t depth __attribute__((tls_model("initial-exec")));

void fork_gate_enter(void)
{
	if (depth++ != 0)
		return;
	pthread_mutex_lock(&gate.lock);
	gate.inside++;
	pthread_mutex_unlock(&gate.lock);
}

void fork_gate_leave(void)
{
	if (--depth != 0)
		return;
	pthread_mutex_lock(&gate.lock);
	if (--gate.inside == 0)
		pthread_cond_broadcast(&gate.empty);
	pthread_mutex_unlock(&gate.lock);
}

/*
 * A fork in a deferred function, or in a walk, can't wait for itself: there only exec(3) is safe
 * in the child.
 */
static void before_fork(void)
{
	pthread_mutex_lock(&gate.lock);
	while (gate.inside != 0 && depth == 0)
		pthread_cond_wait(&gate.empty, &gate.lock);
	pthread_mutex_lock(&list_lock);
	for (herd_t *h = list; h != NULL; h = h->next)
		spare_lock(&h->spare);
}

static void unlock_all(void)
{
	for (herd_t *h = list; h != NULL; h = h->next)
		spare_unlock(&h->spare);
	pthread_mutex_unlock(&list_lock);
	pthread_mutex_unlock(&gate.lock);
}

/*
 * Another thread may have popped a member and not claimed it yet, or freed one and not pushed it
 * yet. Those are idle (INV-STATE would be broken), so the stack is made anew from the states.
 * Members that are off it stay out.
 */
static void mend_stack(herd_t *herd)
{
	stack_clear(&herd->stack);
	for (struct member *m = members(herd); m != NULL; m = m->older) {
		if (atomic_load_explicit(&m->state, memory_order_relaxed) != OFF_BUSY)
			stack_push(&herd->stack, &m->link);
	}
}

static void after_fork_in_child(void)
{
	gate.inside = depth != 0;
	pthread_cond_init(&gate.empty, NULL); /* the threads that waited there are gone */
	for (herd_t *h = list; h != NULL; h = h->next)
		mend_stack(h);
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

	pthread_once(&once, install);
	pthread_mutex_lock(&list_lock);
	herd->previous = NULL;
	herd->next = list;
	if (list != NULL)
		list->previous = herd;
	list = herd;
	pthread_mutex_unlock(&list_lock);
}

void fork_delist(herd_t *herd)
{
	pthread_mutex_lock(&list_lock);
	if (herd->previous != NULL)
		herd->previous->next = herd->next;
	else
		list = herd->next;
	if (herd->next != NULL)
		herd->next->previous = herd->previous;
	pthread_mutex_unlock(&list_lock);
}
