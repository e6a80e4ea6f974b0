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

/* All herds, by their id. */
enum { LISTS = 64 };
static herd_t *lists[LISTS];

/* How often this thread is inside: it may reset a herd in a deferred function of another. */
static _Thread_local size_t depth __attribute__((tls_model("initial-exec")));

/* A thread that is cancelled must not leave a lock behind; what it was before is kept here. */
static _Thread_local int cancel_state __attribute__((tls_model("initial-exec")));

void fork_gate_enter(void)
{
	if (depth++ != 0)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
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
	pthread_setcancelstate(cancel_state, NULL);
}

static void for_each_herd(void (*fn)(herd_t *herd))
{
	for (size_t i = 0; i < LISTS; i++) {
		for (herd_t *h = lists[i]; h != NULL; h = h->next)
			fn(h);
	}
}

static void lock_spare(herd_t *herd)
{
	spare_lock(&herd->spare);
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

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_mutex_lock(&gate.lock);
	while (gate.inside != 0 && depth == 0)
		pthread_cond_wait(&gate.empty, &gate.lock); /* a cancellation point */
	pthread_setcancelstate(state, NULL);
	pthread_mutex_lock(&list_lock);
	for_each_herd(lock_spare);
}

static void unlock_all(void)
{
	for_each_herd(unlock_spare);
	pthread_mutex_unlock(&list_lock);
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
	gate.inside = depth != 0;
	pthread_cond_init(&gate.empty, NULL); /* the threads that waited there are gone */
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
	pthread_mutex_lock(&list_lock);
	herd->previous = NULL;
	herd->next = *list;
	if (*list != NULL)
		(*list)->previous = herd;
	*list = herd;
	pthread_mutex_unlock(&list_lock);
}

void fork_delist(herd_t *herd)
{
	pthread_mutex_lock(&list_lock);
	if (herd->previous != NULL)
		herd->previous->next = herd->next;
	else
		lists[herd->id % LISTS] = herd->next;
	if (herd->next != NULL)
		herd->next->previous = herd->previous;
	pthread_mutex_unlock(&list_lock);
}

bool fork_visit(uint64_t id, void (*fn)(herd_t *herd, void *ctx), void *ctx)
{
	pthread_mutex_lock(&list_lock);
	herd_t *herd = lists[id % LISTS];

	while (herd != NULL && herd->id != id)
		herd = herd->next;
	if (herd != NULL && fn != NULL)
		fn(herd, ctx);
	pthread_mutex_unlock(&list_lock);
	return herd != NULL;
}
