/* SPDX-License-Identifier: MIT */
/*
 * All herds of the process: lists by their ids, and fewer locks than lists.
 *
 * Programs make and destroy thousands of small herds in many threads. One list under one lock would
 * be where they all meet; ids come in blocks per thread (id.c), so these threads are mostly at
 * different lists.
 *
 * The locks are leaves: while holding one, nobody waits for another lock of the library or calls
 * out of it; except that a visit may repair its herd (fork.c).
 */

#include "pool/registry.h"

#include "base/gate.h"

/* LOCKS divides LISTS: so herds of one list have the same lock. */
enum { LISTS = 64, LOCKS = 8 };

/* On cache lines of their own. */
struct list_lock {
	pthread_mutex_t lock __attribute__((aligned(64)));
};

static struct list_lock locks[LOCKS] = {
	{PTHREAD_MUTEX_INITIALIZER}, {PTHREAD_MUTEX_INITIALIZER}, {PTHREAD_MUTEX_INITIALIZER},
	{PTHREAD_MUTEX_INITIALIZER}, {PTHREAD_MUTEX_INITIALIZER}, {PTHREAD_MUTEX_INITIALIZER},
	{PTHREAD_MUTEX_INITIALIZER}, {PTHREAD_MUTEX_INITIALIZER},
};
/* Linked through the herds themselves, so that adding one needs no memory and can't fail. */
static herd_t *lists[LISTS];

/* INV-GATE. */
static void lock_list(uint64_t id)
{
	gate_enter_leaf();
	pthread_mutex_lock(&locks[id % LOCKS].lock);
}

static void unlock_list(uint64_t id)
{
	pthread_mutex_unlock(&locks[id % LOCKS].lock);
	gate_leave_leaf();
}

void registry_add(herd_t *herd)
{
	herd_t **list = &lists[herd->id % LISTS];

	lock_list(herd->id);
	herd->previous = NULL;
	herd->next = *list;
	if (*list != NULL)
		(*list)->previous = herd;
	*list = herd;
	unlock_list(herd->id);
}

void registry_remove(herd_t *herd)
{
	lock_list(herd->id);
	if (herd->previous != NULL)
		herd->previous->next = herd->next;
	else
		lists[herd->id % LISTS] = herd->next;
	if (herd->next != NULL)
		herd->next->previous = herd->previous;
	unlock_list(herd->id);
}

/*
 * An id of a destroyed herd costs a walk over one list, which is short unless thousands of herds
 * are alive.
 */
bool registry_visit(uint64_t id, void (*fn)(herd_t *herd, void *ctx), void *ctx)
{
	lock_list(id);
	herd_t *herd = lists[id % LISTS];

	while (herd != NULL && herd->id != id)
		herd = herd->next;
	if (herd != NULL && fn != NULL)
		fn(herd, ctx);
	unlock_list(id);
	return herd != NULL;
}
